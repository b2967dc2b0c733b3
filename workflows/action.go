package workflows

import (
	"encoding/json"
	"fmt"
	"time"

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
		by, err := waitForEnd(ctx, in, wait)
		if err != nil {
			return res, err
		}
		in.By = by
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

// waitForEnd returns at the end of a time box, or when a person ends it before.
func waitForEnd(ctx workflow.Context, in flow.ActionInput, wait time.Duration) (by string, err error) {
	timer, cancel := workflow.WithCancel(ctx)
	defer cancel()
	s := workflow.NewSelector(ctx)
	s.AddFuture(workflow.NewTimerWithOptions(timer, wait, workflow.TimerOptions{Summary: clip("time box of "+in.Action+" "+in.Target, 100)}), func(f workflow.Future) { err = f.Get(ctx, nil) })
	s.AddReceive(workflow.GetSignalChannel(ctx, flow.SignalEnd), func(c workflow.ReceiveChannel, _ bool) {
		var end flow.ActionEnd
		c.Receive(ctx, &end)
		by = end.By
	})
	s.Select(ctx)
	return by, err
}

// startExpiry starts the workflow that ends the time box, and lets it live on.
func startExpiry(ctx workflow.Context, in flow.ActionInput, res flow.ActionResult) error {
	undo := in
	undo.Undo, undo.NotBefore = true, res.Expires
	opts := workflow.ChildWorkflowOptions{
		WorkflowID:            flow.UndoID(in.Org, in.Action, in.Target, in.Key),
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
	by, text := "system", fmt.Sprintf("The time box of %s %s ended: %s", in.Action, in.Target, res.Outcome)
	if in.By != "" {
		by, text = in.By, fmt.Sprintf("Took back %s %s: %s", in.Action, in.Target, res.Outcome)
	}
	if kept := res.Outputs["kept"]; kept != "" {
		text += "; " + kept
	}
	entry := flow.IncidentEntry{Kind: "action", By: by, Text: text, Ref: in.Key}
	err := workflow.SignalExternalWorkflow(ctx, in.Workflow, "", flow.SignalRunState, flow.RunReport{Run: in.Run, Entry: &entry}).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Debug("the incident is closed", "incident", in.Workflow)
	}
}

// actionID is the id of the Action workflow: what is done, to whom, with which
// arguments, for which incident (or run, when there is none).
// again tells repeats after an ended time box from the first.
func actionID(in flow.ActionInput, again ...string) string {
	scope := in.Incident
	if scope == "" {
		scope = in.Run
	}
	args, _ := json.Marshal(in.Arguments) // sorted keys; strings cannot fail
	parts := []string{"action", in.Action, in.Target, string(args), scope}
	if in.DryRun {
		parts = append(parts, "dry-run", in.Key)
	}
	return flow.ActionID(in.Org, schema.HashID(append(parts, again...)...))
}
