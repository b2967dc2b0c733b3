package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// HistoryFilter is Temporal's choice of events.
type HistoryFilter = enums.HistoryEventFilterType

var errOpen = errors.New("the run has not closed yet")

// maxHistory bounds an exported history, in bytes of JSON.
const maxHistory = 32 << 20

// history returns the whole history of a closed run as the JSON that
// `temporal workflow show -o json` prints and the replayer reads.
func (x *Admin) history(ctx context.Context, id string) (string, error) {
	var h historypb.History
	it := x.Temporal.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return "", fmt.Errorf("reading the history of %s: %w", id, err)
		}
		h.Events = append(h.Events, e)
	}
	if n := len(h.Events); n == 0 || !closes(h.Events[n-1].EventType) {
		return "", errOpen
	}
	b, err := protojson.Marshal(&h)
	if err != nil {
		return "", fmt.Errorf("encoding the history of %s: %w", id, err)
	}
	if len(b) > maxHistory {
		return "", fmt.Errorf("the history of %s has %d bytes, more than are kept", id, len(b))
	}
	return string(b), nil
}

func closes(t enums.EventType) bool {
	switch t {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
		return true
	}
	return false
}
