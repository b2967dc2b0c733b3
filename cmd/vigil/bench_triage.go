package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/alert"
	"vigil/internal/bench/triage"
	"vigil/schema"
)

func newBenchTriageCmd(a *app) *cobra.Command {
	var data string
	var round time.Duration
	var incidents, sweep bool
	c := &cobra.Command{
		Use: "triage", Short: "Score how alerts become incidents, on recordings whose attack is known", Args: cobra.NoArgs,
		Example: "  vigil bench triage --data ../shared/data\n  vigil bench triage --incidents\n  vigil bench triage --sweep --round 1h\n  vigil bench triage -o json",
		Long: fmt.Sprintf(`Feeds the alerts of the AIT alert data set (networks of several days with one multi-step attack each) through the folding and the correlation that Vigil
runs, round after round, and compares with the labels afterwards. The limits: at most %d incidents shown, alerts of every attack phase within the first %d, macro purity by
phase at least %.1f, at least %.0f %% of the alerts labelled false positive outside the first %d, no incident over a day of event time without a stated reason.
Phases are told twice: as each alert's own label names them, and as the attack's timetable does, which also labels whatever else fired meanwhile; the limits are for the
first. --sweep halves and doubles each number of the correlation, to show how much the scores hang on it.`, triage.MaxShown, triage.TopPhases, triage.MinPurity, 100*triage.MinFalseApart, triage.TopFalse),
		RunE: func(c *cobra.Command, _ []string) error {
			if round < time.Second {
				return schema.E(schema.Invalid, "--round is below a second", "15m")
			}
			if sweep {
				return a.triageSweep(c.Context(), data, round)
			}
			list, err := triage.Score(c.Context(), data, round, alert.DefaultTuning())
			switch {
			case err != nil:
				return err
			case a.output == "json":
				return a.json(list)
			case incidents:
				return a.triageIncidents(list)
			}
			return a.triageScores(list)
		},
	}
	c.Flags().StringVar(&data, "data", "../shared/data", "the folder of the shared recordings, with alert-triage in it")
	c.Flags().DurationVar(&round, "round", 15*time.Minute, "event time between two correlations")
	c.Flags().BoolVar(&incidents, "incidents", false, "list the incidents that are shown, and what they hold")
	c.Flags().BoolVar(&sweep, "sweep", false, "score with each number of the correlation halved and doubled")
	return c
}

func (a *app) triageScores(list []triage.Network) error {
	var rows [][]any
	for _, n := range list {
		rows = append(rows, []any{n.Name, n.Records, n.Folded, n.Shown, found(n.ByEvent), fmt.Sprintf("%.3f", triage.Purity(n.ByEvent)),
			found(n.ByTime), strings.Join(triage.Missing(n.ByTime), ", "), fmt.Sprintf("%.2f %%", 100*n.FalseApart), n.Unstated, cmp.Or(strings.Join(n.Faults(), "; "), "all kept")})
	}
	return a.table([]string{"network", "records", "alerts", "incidents", "phases in top 3", "macro purity", "by timetable", "not by timetable", "false apart", "long unstated", "limits"}, rows)
}

func found(list []triage.Phase) string {
	return fmt.Sprintf("%d of %d", len(list)-len(triage.Missing(list)), len(list))
}

func (a *app) triageIncidents(list []triage.Network) error {
	var rows [][]any
	for _, n := range list {
		for place, i := range n.Incidents {
			rows = append(rows, []any{n.Name, place + 1, i.Key, i.First.Format(time.RFC3339), i.Last.Format(time.RFC3339), fmt.Sprintf("%.0f", i.Score), i.Entities, i.Alerts, i.Right, i.Records, i.Attack, i.Long})
		}
	}
	return a.table([]string{"network", "place", "key", "first", "last", "score", "entities", "alerts", "attack alerts", "records", "attack records", "over a day because"}, rows)
}

// triageSweep scores with one number changed at a time.
func (a *app) triageSweep(ctx context.Context, data string, round time.Duration) error {
	numbers := []struct {
		name  string
		scale func(t *alert.Tuning, by float64)
	}{
		{"learning", func(t *alert.Tuning, by float64) { t.Learning = scaled(t.Learning, by) }},
		{"gap", func(t *alert.Tuning, by float64) { t.Gap = scaled(t.Gap, by) }},
		{"spread", func(t *alert.Tuning, by float64) { t.Spread = scaled(t.Spread, by) }},
		{"nearby", func(t *alert.Tuning, by float64) { t.Nearby = scaled(t.Nearby, by) }},
		{"back", func(t *alert.Tuning, by float64) { t.Back = scaled(t.Back, by) }},
		{"core", func(t *alert.Tuning, by float64) { t.Core *= by }},
		{"opens", func(t *alert.Tuning, by float64) { t.Opens *= by }},
		{"strong", func(t *alert.Tuning, by float64) { t.Strong *= by }},
	}
	var rows [][]any
	for _, x := range numbers {
		for _, by := range []float64{0.5, 0.75, 1.25, 2} {
			t := alert.DefaultTuning()
			x.scale(&t, by)
			list, err := triage.Score(ctx, data, round, t)
			if err != nil {
				return err
			}
			for _, n := range list {
				rows = append(rows, []any{x.name, fmt.Sprintf("× %g", by), n.Name, n.Shown, found(n.ByEvent), fmt.Sprintf("%.3f", triage.Purity(n.ByEvent)),
					fmt.Sprintf("%.2f %%", 100*n.FalseApart), cmp.Or(strings.Join(n.Faults(), "; "), "all kept")})
			}
		}
	}
	return a.table([]string{"number", "changed", "network", "incidents", "phases in top 3", "macro purity", "false apart", "limits"}, rows)
}

func scaled(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }
