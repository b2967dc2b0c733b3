package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/internal/approval"
	"vigil/schema"
	"vigil/schema/flow"
)

// deployDeadline is how long people have to approve a rule set. Silence is a denial.
const deployDeadline = 24 * time.Hour

// DeployRules puts a rule set in force: it is checked and its inline tests are run, what
// changes is tried on stored events, people approve it where policy says so, and it is
// activated for every process at once: the plan that comes next pins it.
func DeployRules(ctx workflow.Context, in flow.DeployRulesInput) (flow.DeployRulesResult, error) {
	in.Org = org(in.Org)
	w := &deployRules{in: in, asking: asking{org: in.Org, asked: map[string]*request{}}}
	w.st = flow.DeployRulesResult{Status: "checking", Set: in.Set}
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.DeployRulesResult, error) { return w.st, nil }); err != nil {
		return w.st, err
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, flow.UpdateDecide, w.decide,
		workflow.UpdateHandlerOptions{Description: "Approve or deny the rule set; needs a decision token from `vigil approvals sign ID`", Validator: w.validate})
	if err != nil {
		return w.st, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(in.Org), attrState.ValueSet(w.st.Status)); err != nil {
		return w.st, err
	}
	err = w.run(ctx)
	if temporal.IsCanceledError(err) {
		clean, _ := workflow.NewDisconnectedContext(ctx)
		w.voidOpen(clean)
	}
	return w.st, err
}

// deployRules is the state of one DeployRules.
type deployRules struct {
	in flow.DeployRulesInput
	st flow.DeployRulesResult
	asking
}

func (w *deployRules) options(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{StartToCloseTimeout: 2 * time.Hour, HeartbeatTimeout: time.Minute, Summary: summary,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: 5, NonRetryableErrorTypes: permanent()}}
}

func (w *deployRules) run(ctx workflow.Context) error {
	var x *activities.RuleChanges
	var c activities.CheckedRules
	if err := do(ctx, w.options("check types, tests and costs"), x.CheckRules, &c, w.in, workflow.Now(ctx)); err != nil {
		return err
	}
	w.public = c.Public
	w.st.Set, w.st.Before, w.st.Report = c.Report.Set, c.Before, c.Report
	switch {
	case len(c.Report.Problems) > 0:
		w.st.Status = "refused"
		return nil
	case c.Same:
		w.st.Status = "unchanged"
		return nil
	}
	w.st.Status = "trying"
	if err := do(ctx, w.options("try what changes on stored events"), x.TryRules, &w.st.Report, w.in, c); err != nil {
		return err
	}
	if w.in.DryRun {
		w.st.Status = "tried"
		return nil
	}
	if len(w.st.Report.Reasons) > 0 {
		ok, err := w.approve(ctx)
		if err != nil || !ok {
			return err
		}
	}
	if err := do(ctx, respondOptions("put the set in force"), x.ActivateRules, &w.st.Version,
		activities.Activation{Deploy: w.in, Before: w.st.Before, Report: w.st.Report, Approval: w.st.Approval, Key: changeKey(ctx), Now: workflow.Now(ctx)}); err != nil {
		return err
	}
	w.st.Status = "deployed"
	if err := w.backHunt(ctx); err != nil {
		return err
	}
	return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}

// approve asks people and waits until they have decided, or the deadline.
func (w *deployRules) approve(ctx workflow.Context) (bool, error) {
	q := w.ask(ctx)
	if err := w.record(ctx, q, "request", q.Requester, ""); err != nil {
		return false, err
	}
	w.st.Status, w.st.Approval = "awaiting-approval", q.ID
	if err := w.wait(ctx, q); err != nil {
		return false, err
	}
	if q.Status != schema.ApprovalApproved {
		w.st.Status = "denied"
	}
	return q.Status == schema.ApprovalApproved, nil
}

// ask makes the request: what people sign is the set and what it changes.
func (w *deployRules) ask(ctx workflow.Context) *request {
	info := workflow.GetInfo(ctx).WorkflowExecution
	rep := w.st.Report
	terms := schema.ApprovalTerms{Policy: "rule-change", Version: "builtin", Mode: string(approval.One), Denials: 1, OnTimeout: approval.TimeoutDeny,
		Stages: []schema.ApprovalStage{{Name: "primary", Quorum: 1, Minutes: int(deployDeadline / time.Minute)}}}
	if rep.Requester == "unknown" { // a person may have asked who now approves
		terms.Mode, terms.Stages[0].Quorum = string(approval.TwoPerson), 2
	}
	args := map[string]string{"added": clip(strings.Join(rep.Added, ", "), 2000), "changed": clip(strings.Join(rep.Changed, ", "), 2000), "removed": clip(strings.Join(rep.Removed, ", "), 2000),
		"alerts": fmt.Sprintf("%+d", rep.Alerts), "reason": w.in.Reason}
	a := schema.Approval{ID: schema.HashID("approval", w.in.Org, info.ID, info.RunID)[:16], Org: w.in.Org, Workflow: info.ID, Run: info.ID, Step: "approve", Playbook: flow.DeployRules,
		Version: rep.Set, Action: "deploy-rules", Target: rep.Set, Arguments: args, Risk: "medium", Reason: strings.Join(rep.Reasons, "\n"), Undo: "vigil rules rollback",
		Requester: rep.Requester, Terms: terms}
	p := approval.Payload{Org: w.in.Org, Approval: a.ID, Run: info.ID, RunID: info.RunID, Step: "approve", Playbook: a.Playbook, Version: rep.Set, Action: a.Action,
		Target: a.Target, Arguments: args, Requester: rep.Requester, Nonce: info.RunID}
	q := &request{Approval: approval.Open(a, p, workflow.Now(ctx))}
	w.asked[a.ID] = q
	return q
}

// maxBackHunt bounds the rules that are named to a hunt.
const maxBackHunt = 5000

// backHunt starts a hunt that asks what is new of stored events; the deployment does not
// wait for it. Rules that cannot be asked are left out by the hunt.
func (w *deployRules) backHunt(ctx workflow.Context) error {
	fresh := slices.Concat(w.st.Report.Added, w.st.Report.Changed)
	if w.in.BackHunt <= 0 || len(fresh) == 0 {
		return nil
	}
	now := workflow.Now(ctx)
	in := flow.HuntInput{Org: w.in.Org, Rules: fresh[:min(len(fresh), maxBackHunt)], From: now.AddDate(0, 0, -w.in.BackHunt), To: now, Raise: true, By: w.in.By}
	w.st.Hunt = flow.HuntID(w.in.Org, "deployed", fmt.Sprint(w.st.Version))
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: w.st.Hunt, TaskQueue: flow.Queue(flow.Hunt), ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON})
	err := workflow.ExecuteChildWorkflow(ctx, flow.Hunt, in).GetChildWorkflowExecution().Get(ctx, nil)
	if alreadyStarted(err) {
		return nil
	}
	return err
}
