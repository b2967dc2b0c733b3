package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/internal/auth"
	"vigil/internal/playbook"
	"vigil/schema"
	"vigil/schema/flow"
)

// asking is what a workflow needs to ask people: it counts their decisions.
type asking struct {
	org    string
	public string // key that decision tokens are checked with
	asked  map[string]*request
}

// request is an approval that a workflow asks for.
type request struct {
	schema.Approval
	voters map[string]bool // users whose decision counted or is being checked
	saving int             // decisions on their way into the store
}

// mustAsk says whether people must approve the step first.
func (r *playbookRun) mustAsk(s playbook.Step, f activities.VerbFacts) bool {
	return !r.in.DryRun && (f.Risk != "low" || s.Approval != nil && s.Approval.Needed > 0)
}

// approve asks, and waits for people or the deadline. Silence is a denial.
func (r *playbookRun) approve(ctx workflow.Context, id string, s playbook.Step, in flow.ActionInput, f activities.VerbFacts) (*request, error) {
	q := r.ask(ctx, id, s, in, f)
	st := r.step[id]
	st.Status, st.Approval = stepWaiting, q.ID
	if err := r.record(ctx, q, "request"); err != nil {
		return nil, err
	}
	r.state(ctx, runAwaiting)
	if err := r.save(ctx); err != nil {
		return nil, err
	}
	r.report(ctx, "approval", "system", fmt.Sprintf("Asks for approval: %s %s", in.Action, in.Target), q.ID)
	ok, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{Timeout: q.Deadline.Sub(workflow.Now(ctx)),
		TimerOptions: workflow.TimerOptions{Summary: "deadline of approval " + q.ID}}, func() bool { return q.Status != schema.ApprovalPending && q.saving == 0 })
	if err != nil {
		return nil, err
	}
	if !ok && q.Status == schema.ApprovalPending {
		r.close(ctx, q, schema.ApprovalExpired)
		if err := r.record(ctx, q, "expire"); err != nil {
			return nil, err
		}
	} else if err := workflow.Await(ctx, func() bool { return q.saving == 0 }); err != nil {
		return nil, err
	}
	return q, r.verdict(ctx, st, q)
}

// verdict goes on after an approval, or ends the branch.
func (r *playbookRun) verdict(ctx workflow.Context, st *schema.RunStep, q *request) error {
	r.state(ctx, runRunning)
	by, text := "system", "Nobody answered until the deadline: "
	if n := len(q.Decisions); n > 0 && q.Status != schema.ApprovalExpired {
		by, text = q.Decisions[n-1].User, string(q.Status)+": "
	}
	r.report(ctx, "decision", by, text+q.Action+" "+q.Target, q.ID)
	if q.Status != schema.ApprovalApproved {
		return fmt.Errorf("%w: %s", errDenied, q.Status)
	}
	st.Status = stepRunning
	return r.save(ctx)
}

// ask builds the request. What people see and sign is the canonical payload.
func (r *playbookRun) ask(ctx workflow.Context, id string, s playbook.Step, in flow.ActionInput, f activities.VerbFacts) *request {
	now := workflow.Now(ctx).UTC()
	info := workflow.GetInfo(ctx)
	needed, deadline := r.policy(s, now)
	aid := schema.HashID("approval", r.in.Org, r.id, info.WorkflowExecution.RunID, id, strconv.Itoa(r.rounds[id]))[:16]
	p := playbook.Payload{Org: r.in.Org, Approval: aid, Run: r.id, RunID: info.WorkflowExecution.RunID, Step: id, Iteration: r.rounds[id], Incident: r.in.Incident,
		Playbook: r.in.Playbook, Version: r.prep.Version, Action: in.Action, Target: in.Target, Arguments: in.Arguments, Evidence: evidence(r.vars),
		Requester: r.prep.Requester, Needed: needed, Deadline: deadline.Format(time.RFC3339)}
	text, binding := p.Canonical()
	why := strings.TrimSpace(f.Honesty)
	if s.Approval != nil && s.Approval.Reason != "" {
		why = strings.TrimSpace(playbook.Fill(s.Approval.Reason, r.vars) + "\n" + why)
	}
	q := &request{voters: map[string]bool{}, Approval: schema.Approval{ID: aid, Org: r.in.Org, Workflow: r.id, Run: r.id, Step: id, Incident: r.in.Incident,
		Playbook: r.in.Playbook, Version: r.prep.Version, Action: in.Action, Target: in.Target, Arguments: in.Arguments, Risk: f.Risk, Reason: why, Undo: f.Undo,
		Requester: r.prep.Requester, Needed: needed, Payload: text, Binding: binding, Created: now, Deadline: deadline, Status: schema.ApprovalPending}}
	r.asked[aid] = q
	return q
}

// policy says how many must approve and until when: two when nobody knows who
// asked; a step may ask for more, never for fewer.
func (r *playbookRun) policy(s playbook.Step, now time.Time) (needed int, deadline time.Time) {
	needed = 1
	if r.prep.Requester == "unknown" {
		needed = 2
	}
	minutes := 1440
	switch r.vars["severity"] {
	case string(schema.Critical):
		minutes = 60
	case string(schema.High):
		minutes = 720
	}
	if s.Approval != nil {
		needed = max(needed, s.Approval.Needed)
		if s.Approval.DeadlineMinutes > 0 {
			minutes = s.Approval.DeadlineMinutes
		}
	}
	return needed, now.Add(time.Duration(minutes) * time.Minute).Truncate(time.Second)
}

// close gives a request its final status.
func (r *asking) close(ctx workflow.Context, q *request, status schema.ApprovalStatus) {
	q.Status, q.Decided = status, workflow.Now(ctx).UTC()
}

// record stores the request and audits what happened to it.
func (r *asking) record(ctx workflow.Context, q *request, cause string) error {
	q.Revision++
	var a *activities.Approvals
	return do(ctx, respondOptions(cause+" approval "+q.ID), a.SaveApproval, nil, q.Approval, cause, workflow.Now(ctx))
}

// voidOpen closes the requests of a run that ends otherwise.
func (r *asking) voidOpen(ctx workflow.Context) {
	for _, id := range workflow.DeterministicKeys(r.asked) {
		q := r.asked[id]
		if q.Status != schema.ApprovalPending {
			continue
		}
		r.close(ctx, q, schema.ApprovalVoid)
		if err := r.record(ctx, q, "void"); err != nil {
			workflow.GetLogger(ctx).Error("voiding an approval", "approval", id, "error", err)
		}
	}
}

// validate refuses decisions that cannot count, purely: shape, unknown, closed,
// unsigned, expired, for something else, or a second one. Refused updates leave no
// trace in the history; the caller learns why.
func (r *asking) validate(ctx workflow.Context, v flow.Vote) error {
	_, _, err := r.examine(ctx, v)
	return err
}

func (r *asking) examine(ctx workflow.Context, v flow.Vote) (*request, auth.Claims, error) {
	q, ok := r.asked[v.Approval]
	if v.Approval == "" || !ok {
		return nil, auth.Claims{}, refuse(schema.NotFound, fmt.Sprintf("this run asks for no approval %q", v.Approval), "vigil approvals list")
	}
	sign := "a signed-in approver gets a token with `vigil approvals sign " + q.ID + "`"
	if q.Status != schema.ApprovalPending {
		return nil, auth.Claims{}, refuse(schema.Conflict, fmt.Sprintf("approval %s is closed: %s", q.ID, q.Status), "")
	}
	if v.Token == "" {
		return nil, auth.Claims{}, refuse(schema.Unauthorized, "the decision has no token", sign)
	}
	c, err := auth.VerifyDecision(r.public, v.Token, workflow.Now(ctx))
	if err != nil {
		var se *schema.Error
		if errors.As(err, &se) {
			return nil, c, refuse(se.Code, se.Message, sign)
		}
		return nil, c, refuse(schema.Unauthorized, err.Error(), sign)
	}
	switch {
	case c.Approval != q.ID || c.Binding != q.Binding:
		return nil, c, refuse(schema.Denied, "the token was made for another approval, or for other content of this one", sign)
	case c.Verdict != auth.VerdictApprove && c.Verdict != auth.VerdictDeny:
		return nil, c, refuse(schema.Invalid, fmt.Sprintf("the token says %q", c.Verdict), sign)
	case c.Verdict == auth.VerdictDeny && strings.TrimSpace(c.Reason) == "":
		return nil, c, refuse(schema.Invalid, "a denial needs a reason", sign)
	case q.voters[c.User]:
		return nil, c, refuse(schema.Conflict, c.User+" has decided already", "")
	}
	return q, c, nil
}

// refuse makes an error whose message carries the hint: it is all that a caller of
// the stock CLI sees.
func refuse(code schema.Code, message, hint string) error {
	return temporal.NewNonRetryableApplicationError(schema.E(code, message, hint).Error(), string(code), nil)
}

// decide counts a decision: role and self-approval are checked against the store,
// then it is recorded before anything follows from it.
func (r *asking) decide(ctx workflow.Context, v flow.Vote) (flow.VoteResult, error) {
	q, c, err := r.examine(ctx, v)
	if err != nil {
		return flow.VoteResult{}, err
	}
	q.voters[c.User] = true
	q.saving++
	defer func() { q.saving-- }()
	var a *activities.Approvals
	var no string
	err = do(ctx, respondOptions("check "+c.User), a.CheckVoter, &no, activities.Voter{Org: r.org, Approval: q.ID, Requester: q.Requester, Claims: c})
	if err != nil || no != "" {
		delete(q.voters, c.User)
		if err != nil {
			return flow.VoteResult{}, err
		}
		return flow.VoteResult{}, refuse(schema.Denied, no, "")
	}
	if q.Status != schema.ApprovalPending {
		return flow.VoteResult{}, refuse(schema.Conflict, fmt.Sprintf("approval %s was closed meanwhile: %s", q.ID, q.Status), "")
	}
	r.count(ctx, q, c)
	if err := r.record(ctx, q, "decide"); err != nil {
		return flow.VoteResult{}, err
	}
	return flow.VoteResult{Approval: q.ID, Status: string(q.Status), Have: approvals(q), Needed: q.Needed}, nil
}

// count adds the decision; one denial is enough to deny.
func (r *asking) count(ctx workflow.Context, q *request, c auth.Claims) {
	q.Decisions = append(slices.Clone(q.Decisions), schema.Decision{User: c.User, Verdict: c.Verdict, Reason: c.Reason, Channel: c.Channel, Time: workflow.Now(ctx).UTC()})
	switch {
	case c.Verdict == auth.VerdictDeny:
		r.close(ctx, q, schema.ApprovalDenied)
	case approvals(q) >= q.Needed:
		r.close(ctx, q, schema.ApprovalApproved)
	}
}

func approvals(q *request) int {
	n := 0
	for _, d := range q.Decisions {
		if d.Verdict == auth.VerdictApprove {
			n++
		}
	}
	return n
}

// evidence lists the alerts that a run is about, at most 50.
func evidence(vars map[string]string) []string {
	var out []string
	for id := range strings.SplitSeq(vars["alerts"], ",") {
		if id != "" && len(out) < 50 {
			out = append(out, id)
		}
	}
	return out
}
