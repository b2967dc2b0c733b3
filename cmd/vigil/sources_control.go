package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"vigil/schema"
	"vigil/schema/flow"
)

// controlSource asks something of a source.
func (a *app) controlSource(ctx context.Context, control, name string, args map[string]string, paths ...string) error {
	res, err := a.admin(ctx, "source", flow.AdminInput{Verb: "source." + control, By: "operator", Key: name, Args: args, IDs: paths})
	if err != nil {
		return err
	}
	if res.Doc != "" && !strings.HasPrefix(res.Doc, "{") {
		fmt.Fprintln(a.err, "workflow", res.Doc)
	}
	return nil
}

// controlKinds says which kinds of sources take a control, and what it does to each.
func controlKinds(control string) string {
	var b strings.Builder
	for _, k := range flow.SourceKinds() {
		does := map[string]string{"pause": k.Pause, "resume": k.Pause, "rewind": k.Rewind, "backfill": k.Backfill, "schedule": k.Schedule}[control]
		if does == "" {
			does = "– (" + k.Instead + ")"
		}
		fmt.Fprintf(&b, "  %-6s %s\n", k.Name, does)
	}
	return b.String()
}

func newSourcesPauseCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "pause NAME", Short: "Stop reading a source for now", Args: cobra.ExactArgs(1), Example: "  vigil sources pause auth",
		Long: "By kind of source:\n" + controlKinds("pause"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.controlSource(c.Context(), "pause", args[0], nil)
		},
	}
}

func newSourcesResumeCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "resume NAME", Short: "Go on with a source that was paused", Args: cobra.ExactArgs(1), Example: "  vigil sources resume auth",
		RunE: func(c *cobra.Command, args []string) error {
			return a.controlSource(c.Context(), "resume", args[0], nil)
		},
	}
}

func newSourcesRemoveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Stop a source for good; what is stored of it stays", Args: cobra.ExactArgs(1), Example: "  vigil sources remove auth",
		RunE: func(c *cobra.Command, args []string) error {
			return a.controlSource(c.Context(), "remove", args[0], nil)
		},
	}
}

// ago reads a time: RFC 3339, or how long ago.
func ago(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return time.Now().Add(-d).UTC().Format(time.RFC3339), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return "", exit(2, fmt.Errorf("%q is no time: write 2026-01-01T00:00:00Z, or 24h for a day ago", text))
	}
	return t.UTC().Format(time.RFC3339), nil
}

func newSourcesRewindCmd(a *app) *cobra.Command {
	var to string
	var again bool
	c := &cobra.Command{
		Use: "rewind NAME --to TIME", Short: "Go back to a time and read again what is not stored", Args: cobra.ExactArgs(1),
		Example: "  vigil sources rewind auth --to 24h\n  vigil sources rewind okta-system-log --to 2026-01-01T00:00:00Z",
		Long: `What is committed is known and not stored twice. With --again it is stored again on purpose, as the next epoch of the
source. By kind of source:
` + controlKinds("rewind"),
		RunE: func(c *cobra.Command, args []string) error {
			at, err := ago(to)
			if err != nil {
				return err
			}
			return a.controlSource(c.Context(), "rewind", args[0], map[string]string{"to": at, "again": fmt.Sprint(again)})
		},
	}
	c.Flags().StringVar(&to, "to", "", "time (RFC 3339), or how long ago")
	c.Flags().BoolVar(&again, "again", false, "store again what is stored")
	return c
}

func newSourcesBackfillCmd(a *app) *cobra.Command {
	var from, to string
	c := &cobra.Command{
		Use: "backfill NAME [PATH…] [--from TIME] [--to TIME]", Short: "Read a range again, beside the source, as work of its own", Args: cobra.MinimumNArgs(1),
		Example: "  vigil sources backfill auth '/var/log/auth.log.*'\n  vigil sources backfill okta-system-log --from 720h --to 24h",
		Long:    "What is committed is known and not stored twice. By kind of source:\n" + controlKinds("backfill"),
		RunE: func(c *cobra.Command, args []string) error {
			since, err := ago(from)
			if err != nil {
				return err
			}
			until, err := ago(to)
			if err != nil {
				return err
			}
			var paths []string
			for _, p := range args[1:] {
				abs, err := filepath.Abs(p)
				if err != nil {
					return err
				}
				paths = append(paths, abs)
			}
			return a.controlSource(c.Context(), "backfill", args[0], map[string]string{"from": since, "to": until}, paths...)
		},
	}
	c.Flags().StringVar(&from, "from", "", "time (RFC 3339), or how long ago")
	c.Flags().StringVar(&to, "to", "", "time, or how long ago; default: now")
	return c
}

func newSourcesScheduleCmd(a *app) *cobra.Command {
	var every time.Duration
	var cron string
	var off bool
	c := &cobra.Command{
		Use: "schedule NAME (--every 1h | --cron '…' | --off)", Short: "Say how often a source is asked, or walked again", Args: cobra.ExactArgs(1),
		Example: "  vigil sources schedule logs --every 1h\n  vigil sources schedule logs --cron '15 3 * * *'\n  vigil sources schedule okta-system-log --every 5m",
		Long:    "By kind of source:\n" + controlKinds("schedule"),
		RunE: func(c *cobra.Command, args []string) error {
			if (every > 0) == (cron != "" || off) || cron != "" && off {
				return exit(2, errors.New("say one of --every, --cron and --off"))
			}
			v := map[string]string{"every_seconds": fmt.Sprint(int(every.Seconds()))}
			if cron != "" {
				v = map[string]string{"cron": cron}
			}
			return a.controlSource(c.Context(), "schedule", args[0], v)
		},
	}
	c.Flags().DurationVar(&every, "every", 0, "interval")
	c.Flags().StringVar(&cron, "cron", "", "cron expression, UTC (files only)")
	c.Flags().BoolVar(&off, "off", false, "end the schedule (files only)")
	return c
}

func newSourcesShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one source: its definition, figures, what runs, and what no parser took", Args: cobra.ExactArgs(1), Example: "  vigil sources show auth",
		RunE: func(c *cobra.Command, args []string) error { return a.showSource(c.Context(), args[0]) },
	}
}

func (a *app) showSource(ctx context.Context, name string) error {
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	def, derr := s.SourceDef(ctx, a.org, name)
	st, serr := s.Source(ctx, a.org, name)
	for _, err := range []error{derr, serr} {
		if err != nil && schema.CodeOf(err) != schema.NotFound {
			return err
		}
	}
	if derr != nil && serr != nil {
		return exit(1, serr)
	}
	row := map[string]any{"source": name, "kind": cmpOr(def.Kind, flow.KindPush), "events": st.Events, "failures": st.Failures, "bytes": st.Bytes, "rate": round(st.Rate), "usual": round(st.Usual),
		"bytes_day": st.BytesDay, "lag_seconds": int64(st.Lag), "last": clock(st.Last), "proof": cmpOr(st.Proof, "never"), "proved": clock(st.Proved)}
	var in flow.IngestInput
	if len(def.Doc) > 0 && json.Unmarshal(def.Doc, &in) == nil {
		row["host"], row["paths"], row["epoch"], row["removed"] = in.Host, strings.Join(in.Paths, " "), in.Epoch, def.Removed
	}
	var rows [][]any
	for _, k := range slices.Sorted(maps.Keys(row)) {
		rows = append(rows, []any{k, row[k]})
	}
	if err := a.table([]string{"what", "value"}, rows); err != nil {
		return err
	}
	if err := a.showRunning(ctx, name); err != nil {
		return err
	}
	samples, err := s.FailureSamples(ctx, a.org, name, 5)
	if err != nil || len(samples) == 0 {
		return err
	}
	rows = nil
	for _, f := range samples {
		rows = append(rows, []any{f.Object, f.Offset, f.Format, f.Reason, clip(string(f.Raw), 120)})
	}
	return a.table([]string{"object", "offset", "format", "reason", "record"}, rows)
}

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func round(f float64) float64 { return float64(int64(f*100+0.5)) / 100 }

func clock(t time.Time) string {
	if t.Unix() <= 0 {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

// showRunning lists the source's workflows that run: itself, and its back-fills.
func (a *app) showRunning(ctx context.Context, name string) error {
	tp, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	q := fmt.Sprintf("VigilSource = '%s' AND VigilOrg = '%s' AND ExecutionStatus = 'Running'", strings.ReplaceAll(name, "'", ""), a.org)
	res, err := tp.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: q, PageSize: 100})
	if err != nil {
		return fmt.Errorf("looking for what runs: %w", err)
	}
	var rows [][]any
	for _, e := range res.GetExecutions() {
		id := e.GetExecution().GetWorkflowId()
		p, err := ingestState(ctx, tp, id)
		if err != nil {
			rows = append(rows, []any{id, "?", "", "", "", "", err.Error()})
			continue
		}
		rows = append(rows, []any{id, p.Status, p.Records, p.Events, p.Waiting, strings.TrimPrefix(eta(p, p.Started), ", "), cmpOr(p.Error, strings.Join(p.Problems, "; "))})
	}
	if len(rows) == 0 {
		return nil
	}
	return a.table([]string{"workflow", "status", "records", "events", "waiting", "eta", "problem"}, rows)
}

// startIfUnknown starts a source unless Temporal knows a run of it, in whatever state.
func (n *node) startIfUnknown(ctx context.Context, in flow.IngestInput) error {
	id := flow.IngestID(in.Org, in.Source)
	_, err := n.tp.DescribeWorkflowExecution(ctx, id, "")
	if _, unknown := errors.AsType[*serviceerror.NotFound](err); !unknown {
		return err
	}
	_, err = n.tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueIngest, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING}, flow.Ingest, in)
	return err
}
