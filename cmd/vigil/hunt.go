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

// newHuntCmd makes `vigil hunt`: rules over stored history.
func newHuntCmd(a *app) *cobra.Command {
	var in flow.HuntInput
	var file, from, to string
	var last time.Duration
	var detach bool
	c := &cobra.Command{
		Use: "hunt [RULE…]", Short: "Run rules over stored history",
		Long: `Starts a Hunt workflow: rules in use (ids, or patterns such as 'win-*'), a file of rules, or a condition alone are asked of
the stored events, a window after the other. Many rules are asked in one pass over the columns that they read.
With --raise hits become detections and alerts, the same that ingestion would have made; a repeat adds nothing. Rules over
time are judged over the hits. --preview asks only the newest events, and says what the whole hunt will cost and raise.
Ctrl-C cancels the hunt and its query.`,
		Example: `  vigil hunt linux-ssh-brute-force --last 720h
  vigil hunt '*' --from 2026-03-01 --to 2026-04-01 --preview
  vigil hunt --when 'e.process.command_line.icontains(["-enc "])' --dataset 'windows.*'
  vigil hunt -f my-rules.yaml --last 24h
  vigil hunt win-lsass-dump --raise`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := huntRules(&in, args, file); err != nil {
				return err
			}
			if err := huntRange(&in, from, to, last); err != nil {
				return exit(2, err)
			}
			in.Org, in.By = a.org, "operator"
			return a.hunt(c.Context(), in, detach)
		},
	}
	f := c.Flags()
	f.StringVarP(&file, "file", "f", "", "a file of rules, instead of rules in use")
	f.StringVar(&in.When, "when", "", "a condition over e as in rules, instead of rules in use")
	f.StringArrayVar(&in.Datasets, "dataset", nil, "data set of --when, or a prefix such as windows.*; repeat it for more; default: all")
	f.StringVar(&from, "from", "", "from this event time on (RFC 3339, or a day); default: the oldest event")
	f.StringVar(&to, "to", "", "until before this event time; default: the newest event")
	f.DurationVar(&last, "last", 0, "only the last so long, by event time (24h)")
	f.IntVar(&in.Limit, "limit", 0, "sample events to show; default 20, at most 1000; of many rules 3 each, at most 10")
	f.BoolVar(&in.Raise, "raise", false, "write detections and raise alerts")
	f.BoolVar(&in.Preview, "preview", false, "only say what the hunt will cost and raise")
	f.Int64Var(&in.Window, "window", 0, "events that are asked at once, and again when a worker dies; default 4 to 25 million")
	f.BoolVar(&detach, "detach", false, "start and return at once")
	return c
}

// huntRules says which rules are hunted.
func huntRules(in *flow.HuntInput, args []string, file string) error {
	ways := 0
	for _, given := range []bool{len(args) > 0, file != "", in.When != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return exit(2, errors.New("name rules in use, or a file with -f, or a condition with --when"))
	}
	switch {
	case file != "":
		text, err := huntFile(file)
		if err != nil {
			return exit(1, err)
		}
		in.YAML = text
	case len(args) == 1 && !strings.Contains(args[0], "*"):
		in.Rule = args[0]
	case len(args) > 0:
		in.Rules = args
	}
	return nil
}

// huntFile reads and checks a file of rules where the user can see the errors.
func huntFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the rule: %w", err)
	}
	_, errs := rules.Parse(path, b, rules.Options{})
	return string(b), errors.Join(errs...)
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

func (a *app) hunt(ctx context.Context, in flow.HuntInput, detach bool) error {
	tp, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	id := flow.HuntID(a.org, in.Name(), schema.HashID("hunt", fmt.Sprintf("%+v", in))[:16])
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
	if r.Preview != nil {
		return a.huntPreview(r)
	}
	if r.Rules > 1 {
		return a.huntedMany(r)
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

// huntPreview prints what a hunt will cost and raise.
func (a *app) huntPreview(r flow.HuntResult) error {
	p := r.Preview
	a.huntSkipped(r)
	fmt.Fprintf(a.err, "judged by the %d events from %s to %s: %d detections, %d alerts, %d ms\n", p.SampleEvents, p.From.Format(time.RFC3339), p.To.Format(time.RFC3339), p.SampleFires, p.SampleAlerts, p.SampleMillis)
	return a.table([]string{"rule", "events", "rows to read", "bytes to read", "seconds", "detections", "alerts"},
		[][]any{{r.Rule, p.Events, p.Rows, p.Bytes, fmt.Sprintf("%.1f", float64(p.Millis)/1000), p.Fires, p.Alerts}})
}

// huntedMany prints what each of many rules found.
func (a *app) huntedMany(r flow.HuntResult) error {
	a.huntSkipped(r)
	rows := make([][]any, len(r.Found))
	for i, f := range r.Found {
		rows[i] = []any{f.Rule, f.Severity, f.Fires, f.Title, strings.Join(f.Samples, " ")}
	}
	if err := a.table([]string{"rule", "severity", "fires", "title", "samples"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%d rules over %d rows, %d bytes in %d ms: %d detections of %d rules; %d new in %d alerts\n", r.Rules, r.Scanned, r.Bytes, r.Millis, r.Fires, len(r.Found), r.Detections, r.Alerts)
	return nil
}

func (a *app) huntSkipped(r flow.HuntResult) {
	for _, text := range r.Skipped {
		fmt.Fprintln(a.err, "left out:", text)
	}
}

func clipped(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}
