package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema/flow"
)

// Ingest moves the objects of one source into the store, a segment at a time. The
// manifest is the checkpoint; the workflow carries the pinned plan, the totals and
// the pause switch.
func Ingest(ctx workflow.Context, in flow.IngestInput) (flow.IngestProgress, error) {
	in.Org = org(in.Org)
	w := &ingest{in: in}
	if in.Cursor != nil {
		w.plan, w.p, w.paused = &in.Cursor.Plan, in.Cursor.Progress, in.Cursor.Paused
	}
	if err := w.handlers(ctx); err != nil {
		return w.p, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(in.Org), attrSource.ValueSet(in.Source)); err != nil {
		return w.p, err
	}
	return w.run(ctx)
}

var attrSource = temporal.NewSearchAttributeKeyKeyword("VigilSource")

// ingest is the state of one Ingest workflow.
type ingest struct {
	in     flow.IngestInput
	plan   *flow.IngestPlan
	p      flow.IngestProgress
	paused bool
}

func (w *ingest) handlers(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.IngestProgress, error) { return w.p, nil }); err != nil {
		return err
	}
	set := func(paused bool) func(workflow.Context) (flow.IngestProgress, error) {
		return func(workflow.Context) (flow.IngestProgress, error) {
			w.paused = paused
			return w.p, nil
		}
	}
	if err := workflow.SetUpdateHandler(ctx, flow.UpdatePause, set(true)); err != nil {
		return err
	}
	return workflow.SetUpdateHandler(ctx, flow.UpdateResume, set(false))
}

func (w *ingest) run(ctx workflow.Context) (flow.IngestProgress, error) {
	if w.plan == nil {
		w.p = flow.IngestProgress{Status: "planning", Started: workflow.Now(ctx)}
		var plan flow.IngestPlan
		if err := workflow.ExecuteActivity(w.options(ctx, 30*time.Minute, "count objects"), "PlanIngest", w.in).Get(ctx, &plan); err != nil {
			return w.failed(err)
		}
		w.plan = &plan
		w.p.ObjectsAll, w.p.SizeAll = plan.Objects, plan.Size
	}
	for {
		w.p.Status = "running"
		if w.paused {
			w.p.Status = "paused"
			if err := workflow.Await(ctx, func() bool { return !w.paused }); err != nil {
				return w.p, err
			}
			continue
		}
		done, err := w.segment(ctx)
		if err != nil {
			return w.failed(err)
		}
		if done {
			w.p.Status = "completed"
			return w.p, workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return w.p, w.continueAsNew(ctx)
		}
	}
}

func (w *ingest) segment(ctx workflow.Context) (bool, error) {
	var r activities.SegmentResult
	in := activities.SegmentInput{Ingest: w.in, Plan: *w.plan, Progress: w.p}
	in.Ingest.Cursor = nil
	if err := workflow.ExecuteActivity(w.options(ctx, 15*time.Minute, "move chunks"), "IngestSegment", in).Get(ctx, &r); err != nil {
		return false, err
	}
	w.p = r.Progress
	if r.RuleSet != "" {
		w.plan.RuleSet = r.RuleSet
	}
	return r.Done, nil
}

// options: a segment lasts about a minute; a dead worker is noticed after 20 s.
func (w *ingest) options(ctx workflow.Context, limit time.Duration, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: flow.QueueIngest, StartToCloseTimeout: limit, HeartbeatTimeout: 20 * time.Second, Summary: summary,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, NonRetryableErrorTypes: permanent()},
	})
}

func (w *ingest) failed(err error) (flow.IngestProgress, error) {
	w.p.Status, w.p.Error = "failed", err.Error()
	return w.p, err
}

func (w *ingest) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	next := w.in
	next.Cursor = &flow.IngestCursor{Plan: *w.plan, Progress: w.p, Paused: w.paused}
	return workflow.NewContinueAsNewError(ctx, Ingest, next)
}
