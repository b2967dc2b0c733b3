package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/rules"
	"vigil/schema"
	"vigil/schema/flow"
)

// newHuntCmd makes `vigil hunt`: one rule over stored history.
func newHuntCmd(a *app) *cobra.Command {
	var in flow.HuntInput
	var file, from, to string
	var last time.Duration
	var detach bool
	c := &cobra.Command{
		Use: "hunt [RULE]", Short: "Run one rule over stored history", Args: cobra.MaximumNArgs(1),
		Long: `Starts a Hunt workflow: the rule, one in use or a file, is asked of the stored events, a window of days after the other.
With --raise its hits become detections and alerts, the same that ingestion would have made; a repeat adds nothing.
Threshold rules are counted over the hits. Ctrl-C cancels the hunt and its query.`,
		Example: "  vigil hunt linux-ssh-brute-force --last 720h\n  vigil hunt -f my-rule.yaml --from 2026-03-01 --to 2026-04-01\n  vigil hunt win-lsass-dump --raise",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				in.Rule = args[0]
			}
			if (in.Rule == "") == (file == "") {
				return exit(2, errors.New("name a rule in use, or a file with -f"))
			}
			name := in.Rule
			if file != "" {
				var err error
				if name, in.YAML, err = huntFile(file); err != nil {
					return exit(1, err)
				}
			}
			if err := huntRange(&in, from, to, last); err != nil {
				return exit(2, err)
			}
			in.Org, in.By = a.org, "operator"
			return a.hunt(c.Context(), name, in, detach)
		},
	}
	f := c.Flags()
	f.StringVarP(&file, "file", "f", "", "a file with one rule, instead of a rule in use")
	f.StringVar(&from, "from", "", "from this event time on (RFC 3339, or a day); default: the oldest event")
	f.StringVar(&to, "to", "", "until before this event time; default: the newest event")
	f.DurationVar(&last, "last", 0, "only the last so long, by event time (24h)")
	f.IntVar(&in.Limit, "limit", 20, "sample events to show, at most 1000")
	f.BoolVar(&in.Raise, "raise", false, "write detections and raise alerts")
	f.BoolVar(&detach, "detach", false, "start and return at once")
	return c
}

// huntFile reads and checks a file with one rule where the user can see the errors.
func huntFile(path string) (id, text string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("reading the rule: %w", err)
	}
	list, errs := rules.Parse(path, b, rules.Options{})
	if len(errs) > 0 {
		return "", "", errors.Join(errs...)
	}
	if len(list) != 1 {
		return "", "", schema.E(schema.Invalid, fmt.Sprintf("%s holds %d rules", path, len(list)), "a hunt asks one rule")
	}
	return list[0].ID, string(b), nil
}

// huntRange reads the range of event times.
func huntRange(in *flow.HuntInput, from, to string, last time.Duration) error {
	if last > 0 {
		if from != "" || to != "" {
			return errors.New("give --last, or --from and --to")
		}
		in.To = time.Now().UTC()
		in.From = in.To.Add(-last)
		return nil
	}
	for _, b := range []struct {
		text string
		to   *time.Time
	}{{from, &in.From}, {to, &in.To}} {
		if b.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, b.text)
		if err != nil {
			if t, err = time.Parse(time.DateOnly, b.text); err != nil {
				return fmt.Errorf("%q is no time such as 2026-01-31T12:00:00Z or 2026-01-31", b.text)
			}
		}
		*b.to = t
	}
	return nil
}

func (a *app) hunt(ctx context.Context, name string, in flow.HuntInput, detach bool) error {
	tp, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	id := flow.HuntID(a.org, name, schema.HashID("hunt", fmt.Sprintf("%+v", in))[:16])
	run, err := tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueDetect, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING}, flow.Hunt, in)
	if err != nil {
		return fmt.Errorf("starting the hunt: %w", err)
	}
	fmt.Fprintf(a.err, "workflow %s\n", id)
	if detach {
		return nil
	}
	res, err := a.followHunt(ctx, tp, run)
	if ctx.Err() != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := tp.CancelWorkflow(stop, id, run.GetRunID()); err != nil {
			return exit(1, fmt.Errorf("cancelling the hunt: %w", err))
		}
		fmt.Fprintln(a.err, "\nThe hunt is cancelled.")
		return exit(1, nil)
	}
	if err != nil {
		return exit(1, refusal(err))
	}
	return a.hunted(ctx, res)
}

// followHunt says every two seconds how far the hunt is, until it ends.
func (a *app) followHunt(ctx context.Context, tp client.Client, run client.WorkflowRun) (flow.HuntResult, error) {
	var res flow.HuntResult
	next := time.Now().Add(2 * time.Second)
	err := await(ctx, tp, run, &res, func() {
		var st flow.HuntState
		if time.Now().Before(next) {
			return
		}
		next = time.Now().Add(2 * time.Second)
		if v, err := tp.QueryWorkflow(ctx, run.GetID(), run.GetRunID(), flow.QueryState); err == nil && v.Get(&st) == nil {
			fmt.Fprintf(a.err, "%s: %d of %d windows, %d hits, %d rows read\n", st.Status, st.Windows, st.All, st.Result.Hits, st.Result.Scanned)
		}
	})
	return res, err
}

// await waits for a workflow's result and calls each in between. It looks at the
// status instead of waiting in Get, which may hear of the end of a short workflow
// only when its long poll expires.
func await(ctx context.Context, tp client.Client, run client.WorkflowRun, result any, each func()) error {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		d, err := tp.DescribeWorkflowExecution(ctx, run.GetID(), run.GetRunID())
		if err == nil && d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return run.Get(ctx, result)
		}
		each()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hunted prints what a hunt found, and its sample events.
func (a *app) hunted(ctx context.Context, r flow.HuntResult) error {
	if a.output == "json" {
		return a.json(r)
	}
	if err := a.table([]string{"rule", "kind", "hits", "fires", "detections", "alerts", "rows", "bytes", "ms"},
		[][]any{{r.Rule, r.Kind, r.Hits, r.Fires, r.Detections, r.Alerts, r.Scanned, r.Bytes, r.Millis}}); err != nil || len(r.Samples) == 0 || a.output != "table" {
		return err
	}
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	var rows [][]any
	for _, id := range r.Samples {
		e, err := s.Event(ctx, a.org, id)
		if err != nil {
			return err
		}
		text := strings.ToValidUTF8(e.Raw, "?")
		for _, f := range []string{"event.action", "dns.question.name", "url.original", "process.command_line", "message"} {
			if v := e.Fields[f]; v != "" {
				text = v
			}
		}
		rows = append(rows, []any{e.Time.UTC().Format(time.RFC3339), e.Fields["event.dataset"], e.Fields["host.name"], e.Fields["user.name"], e.Fields["source.ip"], clipped(text, 80), id})
	}
	fmt.Fprintln(a.out)
	return a.table([]string{"time", "dataset", "host", "user", "source", "text", "id"}, rows)
}

func clipped(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}
