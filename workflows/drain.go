package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema/flow"
)

// Drain moves the spool of one push source into the store, on the host that holds it.
// It runs until it is cancelled; pausing it lets the spool fill until senders are told
// to wait.
func Drain(ctx workflow.Context, in flow.DrainInput) (flow.IngestProgress, error) {
	in.Org = org(in.Org)
	w := &drain{in: in, control: control{org: in.Org, source: in.Source}}
	w.p = flow.IngestProgress{Status: "running", Started: workflow.Now(ctx)}
	if in.Cursor != nil {
		w.p, w.paused = in.Cursor.Progress, in.Cursor.Paused
	}
	w.in.Cursor = nil
	if err := w.handlers(ctx); err != nil {
		return w.p, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(in.Org), attrSource.ValueSet(in.Source)); err != nil {
		return w.p, err
	}
	return w.run(ctx)
}

// drain is the state of one Drain workflow.
type drain struct {
	control
	in flow.DrainInput
	p  flow.IngestProgress
}

func (w *drain) handlers(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.IngestProgress, error) { return w.p, nil }); err != nil {
		return err
	}
	return w.pausing(ctx, &w.p)
}

func (w *drain) run(ctx workflow.Context) (flow.IngestProgress, error) {
	for {
		if err := workflow.Await(ctx, func() bool { return !w.paused }); err != nil {
			return w.p, err
		}
		if err := w.stretch(ctx); err != nil {
			w.p.Status, w.p.Error = "failed", err.Error()
			return w.p, err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return w.p, w.continueAsNew(ctx)
		}
	}
}

// stretch drains for about a minute. A pause ends it early; what it had not yet told of
// is in the manifest.
func (w *drain) stretch(ctx workflow.Context) error {
	o := workflow.ActivityOptions{TaskQueue: flow.QueueSpool(w.in.Host), StartToCloseTimeout: 15 * time.Minute, HeartbeatTimeout: 20 * time.Second, Summary: "drain the spool",
		RetryPolicy: again(5 * time.Second)} // what waits is on this machine: senders' data is late for no reason
	var p flow.IngestProgress
	interrupted, err := w.execute(ctx, o, "DrainSpool", activities.DrainInput{Drain: w.in, Progress: w.p}, &p)
	if err == nil && !interrupted {
		p.Status = w.p.Status
		w.p = p
	}
	return err
}

func (w *drain) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	next := w.in
	next.Cursor = &flow.IngestCursor{Progress: w.p, Paused: w.paused}
	return workflow.NewContinueAsNewError(ctx, Drain, next)
}
