package response

import (
	"encoding/json"
	"os"
	"path/filepath"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// recordRun writes the history of one run of a workflow.
func (w *world) recordRun(name, id, runID string) {
	w.t.Helper()
	text, err := w.historyOf(id, runID)
	if err == nil {
		err = os.WriteFile(filepath.Join("..", "..", "workflows", "testdata", "replay", name+".json"), text, 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// history returns a workflow's history as the replayer reads it.
func (w *world) history(id string) ([]byte, error) { return w.historyOf(id, "") }

func (w *world) historyOf(id, runID string) ([]byte, error) {
	var h historypb.History
	it := w.tp.GetWorkflowHistory(w.t.Context(), id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return nil, err
		}
		h.Events = append(h.Events, e)
	}
	b, err := protojson.Marshal(&h)
	if err != nil {
		return nil, err
	}
	var v any // protojson's spacing differs from run to run
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	return json.MarshalIndent(v, "", " ")
}

// actionOf returns the id of the last Action that a run started before it verified.
func (w *world) actionOf(run string) string {
	it := w.tp.GetWorkflowHistory(w.t.Context(), run, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	var ids []string
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			w.t.Fatal(err)
		}
		if a := e.GetChildWorkflowExecutionStartedEventAttributes(); a != nil {
			ids = append(ids, a.WorkflowExecution.WorkflowId)
		}
	}
	if len(ids) < 2 {
		w.t.Fatalf("the run started %v", ids)
	}
	return ids[len(ids)-2]
}
