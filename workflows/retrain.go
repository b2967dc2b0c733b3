package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

// Retrain makes a new model of a detector and promotes it, if the gate lets it through;
// with Rollback it takes the champion out of force. One run a detector works at a
// time: a run under another id than the detector's does its work in a child that has it.
func Retrain(ctx workflow.Context, in flow.RetrainInput) (flow.RetrainResult, error) {
	in.Org = org(in.Org)
	if in.Detector == "" {
		return flow.RetrainResult{}, refuse(schema.Invalid, "Retrain needs a detector", `--input '{"detector":"zeek-conn-iforest"}'`)
	}
	w := &retrain{in: in, key: changeKey(ctx), now: workflow.Now(ctx)}
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.RetrainState, error) { return w.state, nil }); err != nil {
		return flow.RetrainResult{}, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(in.Org)); err != nil {
		return flow.RetrainResult{}, err
	}
	res, err := w.run(ctx)
	w.state.Stage, w.state.Result = "done", res
	return res, err
}

// retrain is the state of one Retrain workflow.
type retrain struct {
	in    flow.RetrainInput
	key   string
	now   time.Time
	state flow.RetrainState
}

func (w *retrain) run(ctx workflow.Context) (flow.RetrainResult, error) {
	id := flow.RetrainID(w.in.Org, w.in.Detector)
	switch {
	case workflow.GetInfo(ctx).WorkflowExecution.ID != id:
		return w.under(ctx, id)
	case w.in.Rollback:
		return w.rollback(ctx)
	default:
		return w.train(ctx)
	}
}

// under runs the work under the detector's own id. A training that finds another run at
// work is refused, not failed: a schedule just comes back later.
func (w *retrain) under(ctx workflow.Context, id string) (res flow.RetrainResult, err error) {
	w.state.Stage = "in " + id
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id, TaskQueue: flow.QueueTrain})
	err = workflow.ExecuteChildWorkflow(child, flow.Retrain, w.in).Get(ctx, &res)
	if alreadyStarted(err) && !w.in.Rollback {
		return flow.RetrainResult{Decision: "refused", Why: "another run is at work on this detector: " + id}, nil
	}
	if alreadyStarted(err) {
		return res, refuse(schema.Conflict, "another run is at work on this detector: "+id, "wait until it is done")
	}
	return res, err
}

func (w *retrain) train(ctx workflow.Context) (flow.RetrainResult, error) {
	var a *activities.Models
	var s activities.Snapshot
	w.state.Stage = "sampling"
	if err := do(ctx, trainOptions("pin the training rows"), a.SnapshotTraining, &s, w.in); err != nil {
		return flow.RetrainResult{}, err
	}
	w.state.Rows = int64(s.Rows)
	var v activities.ModelVerdict
	if err := do(ctx, trainOptions("enough rows?"), a.CheckTraining, &v, s); err != nil {
		return flow.RetrainResult{}, err
	}
	if !v.Pass {
		return w.decide(ctx, v)
	}
	w.state.Stage = "training"
	if err := do(ctx, trainOptions(fmt.Sprintf("train on %d rows", s.Rows)), a.TrainModel, &w.state.Model, s, w.now); err != nil {
		return flow.RetrainResult{}, err
	}
	w.state.Stage = "evaluating"
	if err := do(ctx, trainOptions("evaluate "+w.state.Model), a.EvaluateModel, &v, s, w.state.Model); err != nil {
		return flow.RetrainResult{}, err
	}
	return w.decide(ctx, v)
}

// decide does what the gate says.
func (w *retrain) decide(ctx workflow.Context, v activities.ModelVerdict) (flow.RetrainResult, error) {
	w.state.Stage = "deciding"
	var a *activities.Models
	res := flow.RetrainResult{Model: v.Model, Decision: "refused", Why: v.Why, Rows: w.state.Rows, Metrics: v.Metrics, Checks: v.Checks}
	act, summary := a.RefuseModel, "refuse"
	if v.Pass {
		res.Decision = "promoted"
		act, summary = a.PromoteModel, "promote"
	}
	err := do(ctx, trainOptions(summary+" "+v.Model), act, &res.Champion, w.change(v))
	return res, err
}

func (w *retrain) change(v activities.ModelVerdict) activities.ModelChange {
	return activities.ModelChange{Org: w.in.Org, Detector: w.in.Detector, Verdict: v, By: w.in.By, Key: w.key, Now: w.now}
}

func (w *retrain) rollback(ctx workflow.Context) (flow.RetrainResult, error) {
	w.state.Stage = "rolling-back"
	var a *activities.Models
	res := flow.RetrainResult{Decision: "rolled-back", Why: "rolled back"}
	if w.in.Reason != "" {
		res.Why += ": " + w.in.Reason
	}
	if err := do(ctx, trainOptions("find the champion"), a.FindChampion, &res.Model, w.in.Org, w.in.Detector); err != nil {
		return res, err
	}
	if res.Model == "" {
		return res, refuse(schema.NotFound, "no model of "+w.in.Detector+" is in force", "`vigil models list` shows what there is")
	}
	err := do(ctx, trainOptions("roll back "+res.Model), a.RollbackModel, &res.Champion, w.change(activities.ModelVerdict{Model: res.Model, Why: res.Why}))
	return res, err
}

// trainOptions are those of training: it may wait long for its slot, heartbeats while it
// works, and is tried again until the engine answers.
func trainOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue: flow.QueueTrain, StartToCloseTimeout: time.Hour, HeartbeatTimeout: 30 * time.Second, ScheduleToCloseTimeout: 12 * time.Hour, Summary: clip(summary, 100),
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, NonRetryableErrorTypes: permanent()},
	}
}
