package workflows

import (
	"encoding/json"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

// Action performs one action once: its id is made of what is done to whom and for
// which incident, so two playbooks that ask for the same share it. When the action
// has a time box, a second Action waits for its end and takes it back.
func Action(ctx workflow.Context, in flow.ActionInput) (flow.ActionResult, error) {
	in.Org = org(in.Org)
	var res flow.ActionResult
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.ActionResult, error) { return res, nil }); err != nil {
		return res, err
	}
	if wait := in.NotBefore.Sub(workflow.Now(ctx)); !in.NotBefore.IsZero() && wait > 0 {
		if err := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: clip("time box of "+in.Action+" "+in.Target, 100)}).Get(ctx, nil); err != nil {
			return res, err
		}
	}
	var a *activities.Actions
	if err := do(ctx, actOptions(clip(in.Action+" "+in.Target, 100)), a.RunAction, &res, in); err != nil {
		return res, err
	}
	if in.Undo {
		tellIncident(ctx, in, res)
		return res, nil
	}
	if !res.Expires.IsZero() && !in.DryRun {
		return res, startExpiry(ctx, in, res)
	}
	return res, nil
}

// startExpiry starts the workflow that ends the time box, and lets it live on.
func startExpiry(ctx workflow.Context, in flow.ActionInput, res flow.ActionResult) error {
	undo := in
	undo.Undo, undo.NotBefore = true, res.Expires
	opts := workflow.ChildWorkflowOptions{
		WorkflowID:            flow.ActionID(in.Org, schema.HashID("undo", in.Action, in.Target, in.Key)),
		TaskQueue:             flow.QueueRespond,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:         clip("ends the time box of "+in.Action+" "+in.Target, 100),
	}
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, opts), flow.Action, undo)
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	if alreadyStarted(err) {
		return nil
	}
	return err
}

// tellIncident puts the end of a time box on the incident's timeline, if it is open.
func tellIncident(ctx workflow.Context, in flow.ActionInput, res flow.ActionResult) {
	if in.Workflow == "" {
		return
	}
	text := fmt.Sprintf("The time box of %s %s ended: %s", in.Action, in.Target, res.Outcome)
	if kept := res.Outputs["kept"]; kept != "" {
		text += "; " + kept
	}
	entry := flow.IncidentEntry{Kind: "action", By: "system", Text: text, Ref: in.Key}
	err := workflow.SignalExternalWorkflow(ctx, in.Workflow, "", flow.SignalRunState, flow.RunReport{Run: in.Run, Entry: &entry}).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Debug("the incident is closed", "incident", in.Workflow)
	}
}

// actionID is the id of the Action workflow: what is done, to whom, with which
// arguments, for which incident (or run, when there is none).
func actionID(in flow.ActionInput) string {
	scope := in.Incident
	if scope == "" {
		scope = in.Run
	}
	args, _ := json.Marshal(in.Arguments) // sorted keys; strings cannot fail
	parts := []string{"action", in.Action, in.Target, string(args), scope}
	if in.DryRun {
		parts = append(parts, "dry-run", in.Key)
	}
	return flow.ActionID(in.Org, schema.HashID(parts...))
}
