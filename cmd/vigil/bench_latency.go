package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vigil/internal/store"
	"vigil/schema/flow"
)

func newBenchLatencyCmd(a *app) *cobra.Command {
	var runs int
	c := &cobra.Command{
		Use:   "latency",
		Short: "Time from a file with one bad event to its alert in the store",
		Long: `Writes a file with one event that a rule fires on, ingests it through an Ingest workflow, and waits until its alert can be
read; again and again, each with another host. Workflow start, planning, parsing, commit and folding are all in the figure.`,
		Example: "  vigil bench latency --runs 100",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.benchLatency(c.Context(), runs) },
	}
	c.Flags().IntVar(&runs, "runs", 50, "how many events")
	return c
}

func (a *app) benchLatency(ctx context.Context, runs int) error {
	tp, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	st, err := a.store(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "vigil-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	stamp := time.Now().UTC().Format("20060102t150405")
	took := make([]time.Duration, 0, runs)
	for n := range runs {
		d, err := a.alertAfter(ctx, tp, st, dir, fmt.Sprintf("bench-%s-%d", stamp, n))
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	return a.figures(spread("event to alert", took))
}

// alertAfter ingests one bad event of the host and waits for its alert.
func (a *app) alertAfter(ctx context.Context, tp client.Client, st *store.Store, dir, host string) (time.Duration, error) {
	began := time.Now()
	file := filepath.Join(dir, host+".log")
	line := fmt.Sprintf("%s %s useradd[4190]: new user: name=%s, UID=0, GID=0, home=/root, shell=/bin/bash\n", began.UTC().Format(time.Stamp), host, host)
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		return 0, err
	}
	_, err := tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: flow.IngestID(a.org, host), TaskQueue: flow.QueueIngest}, flow.Ingest,
		flow.IngestInput{Org: a.org, Source: host, Paths: []string{file}})
	if err != nil {
		return 0, fmt.Errorf("starting the ingestion: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("no alert about %s within 30 s", host))
	defer cancel()
	for {
		list, _, err := st.Alerts(ctx, a.org, store.AlertFilter{Text: host, Limit: 1})
		switch {
		case err == nil && len(list) > 0:
			return time.Since(began), nil
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		case err != nil:
			return 0, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
