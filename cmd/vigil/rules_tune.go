package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vigil/rules"
	"vigil/rules/tune"
	"vigil/schema"
)

func newRulesTuneCmd(a *app) *cobra.Command {
	var days int
	c := &cobra.Command{
		Use: "tune RULE", Short: "Propose exceptions for a noisy rule, with what each would have removed", Args: cobra.ExactArgs(1),
		Long: `Looks at the rule's stored alerts and what people said of them, and proposes exceptions: values (or pairs of them) that false alerts share.
Each is shown with the alerts that it would have removed, how many of these were false, and how many true ones would be lost. Those that
lose a true one come last. Accept one with "vigil exceptions add", which needs an owner, a reason and an end.`,
		Example: "  vigil rules tune linux-ssh-brute-force --days 30\n  vigil exceptions add build-hosts --rule RULE --when \"CONDITION\" --owner ana --reason 'build hosts' --for 720h",
		RunE: func(c *cobra.Command, args []string) error {
			set, _ := rules.Load(a.ruleSystems()...)
			r, ok := set.Rule(args[0])
			if !ok {
				return schema.E(schema.NotFound, "there is no rule "+args[0], "vigil rules list")
			}
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			alerts, err := s.AlertsOfRule(c.Context(), a.org, r.ID, time.Now().AddDate(0, 0, -days), 20_000)
			if err != nil {
				return err
			}
			rep := tune.Propose(r, alerts)
			if a.output == "json" {
				return a.json(rep)
			}
			rows := make([][]any, len(rep.Proposals))
			for i, p := range rep.Proposals {
				rows[i] = []any{p.Removed, share(p.FalsePositives, rep.FalsePositives), p.TruePositives, p.Undecided, precisionText(p.Precision), p.When}
			}
			if err := a.table([]string{"alerts removed", "false ones", "true ones lost", "undecided", "precision then", "exception"}, rows); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "alerts in %d days: %d, judged false: %d, true: %d; precision %s\n", days, rep.Alerts, rep.FalsePositives, rep.TruePositives, precisionText(rep.Precision))
			return nil
		},
	}
	c.Flags().IntVar(&days, "days", 90, "days of alerts to look at")
	return c
}
