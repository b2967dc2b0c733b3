package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/schema/flow"
)

// loadDemo writes the demo attack once per data folder and ingests it.
func loadDemo(ctx context.Context, a *app, n *node) error {
	dir := filepath.Join(a.data, "demo")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		for name, text := range demoFiles(time.Now()) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				return err
			}
		}
	}
	run, err := n.tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: flow.IngestID(a.org, "demo"), TaskQueue: flow.QueueIngest,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING}, flow.Ingest, flow.IngestInput{Org: a.org, Source: "demo", Paths: []string{dir}})
	if err != nil {
		return fmt.Errorf("starting the demo's ingestion: %w", err)
	}
	var p flow.IngestProgress
	if err := run.Get(ctx, &p); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "Demo: a written attack on a small office, %d events, %d detections, %d alerts. See Alerts and Approvals.\n", p.Events, p.Detections, p.Alerts)
	return nil
}
