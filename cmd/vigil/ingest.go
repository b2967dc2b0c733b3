package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"golang.org/x/term"

	"vigil/schema"
	"vigil/schema/flow"
)

func newIngestCmd(a *app) *cobra.Command {
	var in flow.IngestInput
	var detach, follow bool
	c := &cobra.Command{
		Use:   "ingest PATH…",
		Short: "Ingest files, folders and archives",
		Long: `Starts a durable Ingest workflow and shows its progress. Gzip, zstd and zip are read directly; folders are read
recursively; each file's format is detected. The same bytes are never stored twice. Ctrl-C stops the display, not the work.
With --follow the files are read on as they grow, through rotation (as ` + "`vigil sources add-tail`" + ` does).

Exit code: 0 all is stored, 3 stored, but some records or files could not be taken (they are kept and listed), 1 failed.`,
		Example: "  vigil ingest /var/log/auth.log\n  vigil ingest --source office zeek/ windows.zip\n  vigil ingest --format zeek-json --zone Europe/Berlin strange-names/\n  vigil ingest --follow '/var/log/nginx/*.log'",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exit(2, errors.New("name at least one file or folder; see `vigil ingest --help`"))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if follow {
				if in.Source == "" {
					in.Source = sourceOf(args[0])
				}
				return a.addTail(c.Context(), in, args)
			}
			if err := ingestPaths(&in, args); err != nil {
				return err
			}
			in.Org = a.org
			return a.ingest(c.Context(), in, detach)
		},
	}
	f := c.Flags()
	f.StringVar(&in.Source, "source", "", "source id; default: made from the first path")
	f.StringVar(&in.Format, "format", "", "format of all files; default: detected per file")
	f.StringVar(&in.Zone, "zone", "", "time zone of timestamps that name none (IANA), default UTC")
	f.IntVar(&in.Epoch, "epoch", 0, "raise to store the same bytes again on purpose")
	f.BoolVar(&follow, "follow", false, "follow files and globs as they grow")
	f.BoolVar(&detach, "detach", false, "start and return at once")
	return c
}

// ingestPaths checks the paths where the user can still see the error, and makes
// them absolute for the worker.
func ingestPaths(in *flow.IngestInput, args []string) error {
	for _, p := range args {
		if _, err := os.Stat(p); err != nil {
			return exit(1, schema.E(schema.NotFound, "cannot read "+p, "check the path and its permissions", err))
		}
		abs, err := filepath.Abs(p)
		if err != nil {
			return err
		}
		in.Paths = append(in.Paths, abs)
	}
	if in.Source == "" {
		in.Source = sourceOf(in.Paths[0])
	}
	return nil
}

// sourceOf makes a source's name of a path.
func sourceOf(path string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, filepath.Base(path))
	if name = strings.TrimLeft(name, "-._"); name == "" {
		return "files"
	}
	return name
}

func (a *app) ingest(ctx context.Context, in flow.IngestInput, detach bool) error {
	tp, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	id := flow.IngestID(a.org, in.Source)
	run, err := tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueIngest, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.Ingest, in)
	if _, busy := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); busy {
		return exit(1, schema.E(schema.Conflict, "source "+in.Source+" is being ingested already", "wait for it, or choose another --source"))
	}
	if err != nil {
		return fmt.Errorf("starting the ingestion: %w", err)
	}
	fmt.Fprintf(a.err, "source %s, workflow %s\n", in.Source, id)
	if detach {
		return nil
	}
	p, err := a.follow(ctx, tp, run)
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(a.err, "\nThe ingestion goes on; `temporal workflow query --workflow-id "+id+" --type state` tells how far it is.")
		return exit(1, nil)
	}
	if err != nil {
		return exit(1, fmt.Errorf("ingesting: %w", err))
	}
	return a.ingested(p)
}

// follow draws the progress until the workflow ends.
func (a *app) follow(ctx context.Context, tp client.Client, run client.WorkflowRun) (flow.IngestProgress, error) {
	var p flow.IngestProgress
	done := make(chan error, 1)
	go func() { done <- run.Get(ctx, &p) }()
	draw := a.progress()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			draw(p, true)
			return p, err
		case <-tick.C:
			if now, err := ingestState(ctx, tp, run.GetID()); err == nil {
				draw(now, false)
			}
		}
	}
}

// ingestState is the newest progress: the heartbeat of the running segment, else the
// workflow's totals.
func ingestState(ctx context.Context, tp client.Client, id string) (flow.IngestProgress, error) {
	var p flow.IngestProgress
	d, err := tp.DescribeWorkflowExecution(ctx, id, "")
	if err == nil {
		for _, act := range d.GetPendingActivities() {
			if hb := act.GetHeartbeatDetails(); hb != nil && moves(act.GetActivityType().GetName()) {
				if err := dataConverter().FromPayloads(hb, &p); err == nil {
					// A stretch that waits for its next attempt: a broker that does not answer, a store that is down.
					if f := act.GetLastFailure(); f != nil && act.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED {
						p.Error = fmt.Sprintf("attempt %d: %s", act.GetAttempt()-1, f.GetMessage())
					}
					return p, nil
				}
			}
		}
	}
	v, err := tp.QueryWorkflow(ctx, id, "", flow.QueryState)
	if err != nil {
		return p, err
	}
	return p, v.Get(&p)
}

// moves says whether an activity moves chunks, and heartbeats its progress.
func moves(activity string) bool {
	return slices.ContainsFunc(flow.SourceKinds(), func(k flow.SourceKind) bool { return k.Activity == activity })
}

// progress returns a function that draws: a bar on a terminal, a line every five
// seconds elsewhere.
func (a *app) progress() func(p flow.IngestProgress, last bool) {
	began := time.Now()
	line := func(p flow.IngestProgress) string {
		rate := float64(p.Records) / max(time.Since(began).Seconds(), 0.001)
		return fmt.Sprintf("%d records, %.0f/s, %d rejects, %d detections", p.Records, rate, p.Failures, p.Detections)
	}
	f, ok := a.err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		next := time.Now().Add(5 * time.Second)
		return func(p flow.IngestProgress, last bool) {
			if last || time.Now().After(next) {
				next = time.Now().Add(5 * time.Second)
				fmt.Fprintf(a.err, "%s: %s%s\n", p.Status, line(p), eta(p, began))
			}
		}
	}
	bar := progressbar.NewOptions64(1, progressbar.OptionSetWriter(a.err), progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond))
	return func(p flow.IngestProgress, last bool) {
		if p.SizeAll > 0 {
			bar.ChangeMax64(p.SizeAll)
		}
		bar.Describe(line(p))
		_ = bar.Set64(min(p.Size, max(p.SizeAll, 1)))
		if last {
			_ = bar.Finish()
			fmt.Fprintln(a.err)
		}
	}
}

func eta(p flow.IngestProgress, began time.Time) string {
	if p.Size <= 0 || p.SizeAll <= p.Size {
		return ""
	}
	left := time.Duration(float64(time.Since(began)) * float64(p.SizeAll-p.Size) / float64(p.Size))
	return ", " + left.Round(time.Second).String() + " left"
}

// ingested says what came of it.
func (a *app) ingested(p flow.IngestProgress) error {
	if err := a.table([]string{"objects", "records", "events", "failures", "detections", "alerts", "bytes"},
		[][]any{{fmt.Sprintf("%d/%d", p.Objects, p.ObjectsAll), p.Records, p.Events, p.Failures, p.Detections, p.Alerts, p.Bytes}}); err != nil {
		return err
	}
	for _, problem := range p.Problems {
		fmt.Fprintln(a.err, "problem:", clean([]string{problem})[0])
	}
	if p.Failures > 0 {
		fmt.Fprintf(a.err, "%d records could not be taken; they are kept with the reason (Sources screen, table parse_failures)\n", p.Failures)
	}
	if p.Failures > 0 || len(p.Problems) > 0 {
		return exit(3, nil)
	}
	return nil
}
