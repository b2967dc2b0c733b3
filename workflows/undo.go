package workflows

import (
	"encoding/json"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

// adminUndo takes back what was done for an incident, the last first. What fails is
// told and stops nothing else; what cannot be undone is named.
func adminUndo(ctx workflow.Context, in flow.AdminInput) (flow.AdminResult, error) {
	var a *activities.Actions
	var plan activities.UndoPlan
	if err := do(ctx, respondOptions("plan the undo of "+in.Key), a.PlanUndo, &plan, in.Org, in.Key, in.Args["token"], workflow.Now(ctx)); err != nil {
		return flow.AdminResult{}, err
	}
	out := flow.UndoResult{Incident: in.Key, By: plan.By, Left: plan.Left, Steps: []flow.UndoStep{}}
	changed := 0
	for _, rec := range plan.Steps {
		res, err := takeBack(ctx, rec, plan)
		step := flow.UndoStep{Action: rec.Action, Target: rec.Target, Outcome: res.Outcome, Kept: res.Outputs["kept"]}
		if err != nil {
			step.Outcome, step.Error = "failed", clip(reason(err), 300)
		} else if res.Outcome == "done" {
			changed++
		}
		out.Steps = append(out.Steps, step)
	}
	doc, _ := json.Marshal(out) // plain data cannot fail
	return flow.AdminResult{Changed: changed, Doc: string(doc)}, nil
}

// takeBack ends the time box of an action that has one, or runs its undo.
func takeBack(ctx workflow.Context, rec schema.ActionRecord, plan activities.UndoPlan) (flow.ActionResult, error) {
	id := flow.UndoID(rec.Org, rec.Action, rec.Target, rec.Key)
	var res flow.ActionResult
	if err := workflow.SignalExternalWorkflow(ctx, id, "", flow.SignalEnd, flow.ActionEnd{By: plan.By}).Get(ctx, nil); err == nil {
		return res, awaitAction(ctx, id, &res)
	}
	in := flow.ActionInput{Org: rec.Org, Action: rec.Action, Target: rec.Target, Arguments: rec.Arguments, Key: rec.Key, Run: rec.Run, Step: rec.Step, Incident: rec.Incident,
		Approval: rec.Approval, Binding: rec.Binding, Undo: true, Workflow: plan.Workflow, By: plan.By}
	res, same, err := startAction(ctx, id, in)
	if err == nil && same {
		res.Outcome = "already-done"
	}
	if err != nil {
		return res, fmt.Errorf("taking back %s %s: %w", rec.Action, rec.Target, err)
	}
	return res, nil
}
