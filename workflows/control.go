package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

// control is what the workflow of a source can be told while it runs. It serves Ingest
// and Drain.
type control struct {
	org, source string
	paused      bool
	changed     bool // since the stretch that runs was started: it is to end
	stop        workflow.CancelFunc
}

// interrupt ends the stretch that runs; the next one knows what has changed.
func (c *control) interrupt() {
	c.changed = true
	if c.stop != nil {
		c.stop()
	}
}

// handle registers the update of a control. change is what it does; it and the audit
// record are there when the answer is.
func (c *control) handle(ctx workflow.Context, name string, check func(flow.SourceControl) error, change func(workflow.Context, flow.SourceControl), state func() flow.IngestProgress) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, name, func(ctx workflow.Context, in flow.SourceControl) (flow.IngestProgress, error) {
		change(ctx, in)
		if workflow.GetVersion(ctx, "audit-controls", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
			return state(), nil
		}
		if err := c.audit(ctx, name, in); err != nil {
			return state(), err
		}
		// The answer comes when what ran under the old orders has stopped.
		err := workflow.Await(ctx, func() bool { return c.stop == nil || !c.changed })
		return state(), err
	}, workflow.UpdateHandlerOptions{Validator: func(_ workflow.Context, in flow.SourceControl) error {
		if check == nil {
			return nil
		}
		return check(in)
	}})
}

// audit records who told the source what.
func (c *control) audit(ctx workflow.Context, name string, in flow.SourceControl) error {
	details := map[string]string{"workflow": workflow.GetInfo(ctx).WorkflowExecution.ID}
	if !in.To.IsZero() {
		details["to"] = in.To.UTC().Format(time.RFC3339)
	}
	if in.Again {
		details["again"] = "true"
	}
	if in.Every > 0 {
		details["every"] = (time.Duration(in.Every) * time.Second).String()
	}
	actor := in.By
	if actor == "" {
		actor = "unknown"
	}
	key := schema.HashID("audit", "source."+name, workflow.GetInfo(ctx).WorkflowExecution.RunID, workflow.GetCurrentUpdateInfo(ctx).ID)
	var a *activities.Audit
	o := respondOptions("audit " + name)
	o.TaskQueue = flow.QueueRespond
	return do(ctx, o, a.RecordAudit, nil, schema.AuditRecord{Org: c.org, ID: key, Actor: actor, Verb: "source." + name, Object: c.source, Outcome: "ok",
		Time: workflow.Now(ctx), Details: details})
}

// pausing registers pause and resume.
func (c *control) pausing(ctx workflow.Context, p *flow.IngestProgress) error {
	set := func(paused bool, status string) func(workflow.Context, flow.SourceControl) {
		return func(workflow.Context, flow.SourceControl) {
			if c.paused = paused; p.Status != "planning" {
				p.Status = status
			}
			if paused {
				c.interrupt()
			}
		}
	}
	state := func() flow.IngestProgress { return *p }
	if err := c.handle(ctx, flow.UpdatePause, nil, set(true, "paused"), state); err != nil {
		return err
	}
	return c.handle(ctx, flow.UpdateResume, nil, set(false, "running"), state)
}

// execute runs an activity that a control may end early; then interrupted is true, and
// what the activity had not yet told of is in the manifest.
func (c *control) execute(ctx workflow.Context, o workflow.ActivityOptions, name string, in, result any) (interrupted bool, err error) {
	o.WaitForCancellation = true
	if o.RetryPolicy == nil {
		o.RetryPolicy = again(time.Minute)
	}
	run, stop := workflow.WithCancel(workflow.WithActivityOptions(ctx, o))
	c.changed, c.stop = false, stop
	err = workflow.ExecuteActivity(run, name, in).Get(ctx, result)
	c.stop = nil
	stop()
	if err != nil && c.changed && ctx.Err() == nil {
		return true, nil
	}
	return false, err
}

// again is to try for ever, at the latest after most.
func again(most time.Duration) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: most, NonRetryableErrorTypes: permanent()}
}
