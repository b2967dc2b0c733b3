package workflows

import (
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

// SyncIntel syncs one feed, and makes or ends its schedule when asked to. Whoever starts
// it (a schedule, a person, the stock CLI) may use any workflow id: the work is done under
// the feed's own id, so a feed is never synced twice at once.
func SyncIntel(ctx workflow.Context, in flow.SyncIntelInput) (flow.SyncIntelResult, error) {
	in.Org = org(in.Org)
	if !feedName(in.Feed) {
		return flow.SyncIntelResult{}, refuse(schema.Invalid, "a feed cannot be named "+clip(in.Feed, 80), "small letters, digits, dot, hyphen and underscore, at most 64")
	}
	w := &syncIntel{in: in, state: flow.SyncIntelState{Status: "waiting"}}
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.SyncIntelState, error) { return w.state, nil }); err != nil {
		return flow.SyncIntelResult{}, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(in.Org)); err != nil {
		return flow.SyncIntelResult{}, err
	}
	work := w.sync
	if workflow.GetInfo(ctx).WorkflowExecution.ID != flow.SyncIntelID(in.Org, in.Feed) {
		work = w.child
	}
	err := work(ctx)
	w.state.Status = "completed"
	if err != nil {
		w.state.Status, w.state.Error = "failed", told(err)
	}
	return w.state.Result, err
}

// syncIntel is the state of one SyncIntel workflow.
type syncIntel struct {
	in    flow.SyncIntelInput
	state flow.SyncIntelState
}

// feedName keeps ids and tables readable.
func feedName(s string) bool {
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '-' && c != '_') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// syncTries is how often a sync waits for another of the same feed: a second first, half
// a minute at last, a quarter of an hour in all.
const syncTries = 35

// child does the work under the feed's own id; it waits while another does.
func (w *syncIntel) child(ctx workflow.Context) error {
	opts := workflow.ChildWorkflowOptions{WorkflowID: flow.SyncIntelID(w.in.Org, w.in.Feed), TaskQueue: flow.QueueIntel,
		ParentClosePolicy: enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL, StaticSummary: clip("syncs feed "+w.in.Feed, 100)}
	wait := time.Second
	for try := 1; ; try++ {
		err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, opts), flow.SyncIntel, w.in).Get(ctx, &w.state.Result)
		if !alreadyStarted(err) {
			return err
		}
		if try == syncTries {
			return refuse(schema.Conflict, "the feed "+w.in.Feed+" is being synced by another workflow", "wait for "+opts.WorkflowID)
		}
		if err := workflow.Sleep(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, 30*time.Second)
	}
}

// sync does the work.
func (w *syncIntel) sync(ctx workflow.Context) error {
	var a *activities.Intel
	in := activities.FeedInput{Sync: w.in, Key: workflow.GetInfo(ctx).WorkflowExecution.RunID, Now: workflow.Now(ctx).UTC()}
	if w.in.Remove {
		w.state.Status = "removing"
		return do(ctx, feedOptions("remove feed "+w.in.Feed), a.RemoveFeed, &w.state.Result, in)
	}
	w.state.Status = "syncing"
	if err := do(ctx, feedOptions("sync feed "+w.in.Feed), a.SyncFeed, &w.state.Result, in); err != nil {
		return w.failed(ctx, in, err)
	}
	if w.in.Every != 0 {
		w.state.Status = "scheduling"
		return do(ctx, respondFeed("schedule feed "+w.in.Feed), a.ScheduleFeed, nil, w.in)
	}
	return nil
}

// failed notes the failure on the feed; the sync's own error is what counts.
func (w *syncIntel) failed(ctx workflow.Context, in activities.FeedInput, err error) error {
	var a *activities.Intel
	if temporal.IsCanceledError(err) {
		return err
	}
	if ferr := do(ctx, respondFeed("note the failure of "+w.in.Feed), a.FailFeed, nil, in, clip(told(err), 500)); ferr != nil {
		workflow.GetLogger(ctx).Warn("noting a failed sync", "error", ferr)
	}
	return err
}

// told is what went wrong, without the layers around it.
func told(err error) string {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return app.Message()
	}
	return err.Error()
}

// feedOptions: a feed that does not answer is tried for ten minutes; its schedule comes
// again anyway. A large one may take its time, as long as it makes progress.
func feedOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{TaskQueue: flow.QueueIntel, StartToCloseTimeout: 15 * time.Minute, ScheduleToCloseTimeout: 20 * time.Minute, HeartbeatTimeout: 2 * time.Minute,
		Summary: clip(summary, 100), RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 12, NonRetryableErrorTypes: permanent()}}
}

func respondFeed(summary string) workflow.ActivityOptions {
	o := respondOptions(clip(summary, 100))
	o.TaskQueue, o.ScheduleToCloseTimeout = flow.QueueIntel, 5*time.Minute
	return o
}
