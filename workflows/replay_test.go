package workflows

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"vigil/schema/flow"
)

// TestReplayResponse replays recorded histories: a change that would break a
// running incident or approval fails here. They are recorded by
// `go test ./integration/response -run 'TestMainLine|TestHunt|TestDeployRules|TestException|TestSamples|TestReport' -record`,
// `go test ./integration/models -run TestRetrain -record` and `go test ./integration/intel -record`.
func TestReplayResponse(t *testing.T) {
	table := map[string]any{flow.Incident: Incident, flow.RunPlaybook: RunPlaybook, flow.Action: Action, flow.Admin: Admin, flow.Detect: Detect,
		flow.Retrain: Retrain, flow.SyncIntel: SyncIntel, flow.Ingest: Ingest, flow.Hunt: Hunt, flow.AssessPosture: AssessPosture, flow.Drain: Drain,
		flow.TestDetections: TestDetections, flow.DeployRules: DeployRules, flow.Exception: Exception, flow.Report: Report}
	seen := 0
	for name, fn := range table {
		files, err := filepath.Glob(filepath.Join("testdata", "replay", name+"-*.json"))
		if err != nil || len(files) == 0 {
			t.Errorf("no recorded history of %s (%v)", name, err)
		}
		for _, f := range files {
			seen++
			r := worker.NewWorkflowReplayer()
			r.RegisterWorkflowWithOptions(fn, workflow.RegisterOptions{Name: name})
			if err := replay(r, f); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
	}
	t.Logf("%d histories", seen)
}

// replay replays a file under the ids it was recorded with: approval ids and keys
// are derived from them.
func replay(r worker.WorkflowReplayer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	h, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	if err != nil {
		return err
	}
	a := h.Events[0].GetWorkflowExecutionStartedEventAttributes()
	return r.ReplayWorkflowHistoryWithOptions(nil, h, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: a.WorkflowId, RunID: a.OriginalExecutionRunId}})
}

// TestReplayNoticesChanges: a workflow that does something else than the history
// says must be caught, or the test above proves nothing.
func TestReplayNoticesChanges(t *testing.T) {
	r := worker.NewWorkflowReplayer()
	r.RegisterWorkflowWithOptions(func(ctx workflow.Context, in flow.DetectInput) (flow.DetectResult, error) {
		return flow.DetectResult{}, workflow.Sleep(ctx, 1)
	}, workflow.RegisterOptions{Name: flow.Detect})
	err := r.ReplayWorkflowHistoryFromJSONFile(nil, filepath.Join("testdata", "replay", "Detect-idle.json"))
	if err == nil || !strings.Contains(err.Error(), "TMPRL1100") {
		t.Errorf("%v", err)
	}
}
