package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

// Ingest moves one source into the store, a stretch at a time. What a stretch is, and
// whether there is an end, is in the table flow.SourceKinds. The manifest is the
// checkpoint; the workflow carries the pinned plan, the totals and what it was told.
func Ingest(ctx workflow.Context, in flow.IngestInput) (flow.IngestProgress, error) {
	in.Org = org(in.Org)
	w := &ingest{in: in, control: control{org: in.Org, source: in.Source}}
	if in.Cursor != nil {
		w.plan, w.p, w.paused = &in.Cursor.Plan, in.Cursor.Progress, in.Cursor.Paused
	}
	w.in.Cursor = nil
	if err := w.handlers(ctx); err != nil {
		return w.p, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(in.Org), attrSource.ValueSet(in.Source)); err != nil {
		return w.p, err
	}
	var err error
	if w.kind, err = ingestKind(in); err != nil {
		return w.failed(err)
	}
	return w.run(ctx)
}

var attrSource = temporal.NewSearchAttributeKeyKeyword("VigilSource")

// ingest is the state of one Ingest workflow.
type ingest struct {
	control
	in   flow.IngestInput
	kind flow.SourceKind
	plan *flow.IngestPlan
	p    flow.IngestProgress
}

// ingestKind is the kind of the source, if Ingest can move it.
func ingestKind(in flow.IngestInput) (flow.SourceKind, error) {
	k, err := flow.KindOf(in.Kind)
	switch {
	case err != nil:
		return k, activities.Retryable(err)
	case k.Activity == "":
		return k, refuse(schema.Invalid, "a "+k.Name+" source is not moved by Ingest", "it has a Drain workflow")
	case k.OnHost && in.Host == "":
		return k, refuse(schema.Invalid, "a "+k.Name+" source needs the host whose worker reads it", `"host": its name, as VIGIL_HOST or hostname say`)
	}
	return k, nil
}

func (w *ingest) handlers(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.IngestProgress, error) { return w.p, nil }); err != nil {
		return err
	}
	if err := w.pausing(ctx, &w.p); err != nil {
		return err
	}
	state := func() flow.IngestProgress { return w.p }
	if err := w.handle(ctx, flow.UpdateRewind, w.mayRewind, w.rewind, state); err != nil {
		return err
	}
	return w.handle(ctx, flow.UpdateSchedule, w.maySchedule, w.schedule, state)
}

func (w *ingest) mayRewind(in flow.SourceControl) error {
	switch {
	case w.kind.Planned || w.in.Once:
		return refuse(schema.Conflict, "the source is being read", "rewind it when it is done")
	case in.To.IsZero():
		return refuse(schema.Invalid, "rewind needs a time to go back to", `{"to":"2026-01-01T00:00:00Z"}`)
	}
	return nil
}

// rewind goes back to a time. What is committed is known by its chunks and skipped,
// unless it is to be stored again: then all that follows is of the next epoch.
func (w *ingest) rewind(ctx workflow.Context, in flow.SourceControl) {
	w.in.Since, w.in.Rewound = in.To.UTC(), workflow.GetCurrentUpdateInfo(ctx).ID
	if in.Again {
		w.in.Epoch++
	}
	w.interrupt()
}

func (w *ingest) maySchedule(in flow.SourceControl) error {
	if w.kind.Planned {
		return refuse(schema.Invalid, "the source has an end", "`vigil sources schedule` starts it again every so often")
	}
	if err := w.kind.Takes("schedule"); err != nil {
		return activities.Retryable(err)
	}
	if in.Every < 1 {
		return refuse(schema.Invalid, "schedule needs seconds, at least 1", `{"every_seconds":300}`)
	}
	return nil
}

func (w *ingest) schedule(_ workflow.Context, in flow.SourceControl) {
	w.in.Every = in.Every
	w.interrupt()
}

func (w *ingest) run(ctx workflow.Context) (flow.IngestProgress, error) {
	if w.p.Started.IsZero() {
		w.p = flow.IngestProgress{Status: "planning", Started: workflow.Now(ctx)}
	}
	if w.plan == nil {
		if err := w.planned(ctx); err != nil {
			return w.failed(err)
		}
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
		r, err := w.stretch(ctx)
		if err != nil {
			return w.failed(err)
		}
		if r.Done {
			w.p.Status = "completed"
			return w.p, workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return w.p, w.continueAsNew(ctx)
		}
		if r.Wait > 0 {
			w.p.Status = "waiting"
			if _, err := workflow.AwaitWithTimeout(ctx, r.Wait, func() bool { return w.paused || w.changed }); err != nil {
				return w.p, err
			}
		}
	}
}

// planned fixes what retries must not change, for kinds that count their objects first;
// the others fix it stretch by stretch.
func (w *ingest) planned(ctx workflow.Context) error {
	w.plan = &flow.IngestPlan{}
	if !w.kind.Planned {
		return nil
	}
	err := workflow.ExecuteActivity(w.planOptions(ctx), "PlanIngest", w.in).Get(ctx, w.plan)
	w.p.ObjectsAll, w.p.SizeAll = w.plan.Objects, w.plan.Size
	return err
}

func (w *ingest) stretch(ctx workflow.Context) (activities.SegmentResult, error) {
	if k := w.in.Kafka; k != nil && k.Members > 1 && !w.in.Once {
		return w.members(ctx, k.Members)
	}
	// A stretch lasts about a minute; a dead worker is noticed after 20 s.
	o := workflow.ActivityOptions{TaskQueue: w.kind.Queue(w.in.Host), StartToCloseTimeout: 15 * time.Minute, HeartbeatTimeout: 20 * time.Second, Summary: "move chunks"}
	var r activities.SegmentResult
	interrupted, err := w.execute(ctx, o, w.kind.Activity, activities.SegmentInput{Ingest: w.in, Plan: *w.plan, Progress: w.p}, &r)
	if err != nil {
		return r, err
	}
	if interrupted {
		if !r.Progress.Started.IsZero() {
			r.Progress.Status = w.p.Status
			w.p = r.Progress
		}
		return activities.SegmentResult{}, nil
	}
	w.p = r.Progress
	if r.RuleSet != "" {
		w.plan.RuleSet = r.RuleSet
	}
	return r, nil
}

func (w *ingest) planOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: flow.QueueIngest, StartToCloseTimeout: 30 * time.Minute, HeartbeatTimeout: 20 * time.Second, Summary: "count objects",
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
