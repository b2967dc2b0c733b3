package workflows

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/internal/approval"
	"vigil/internal/auth"
	"vigil/internal/playbook"
	"vigil/schema"
	"vigil/schema/flow"
)

// asking is what a workflow needs to ask people. internal/approval decides what becomes
// of a request; here is only the waiting and the recording.
type asking struct {
	org    string
	public string // key that decision tokens are checked with
	asked  map[string]*request
	// announce puts a line on the timeline that the request belongs to; nil where there is none.
	announce func(ctx workflow.Context, kind, by, text, ref string)
}

// request is an approval that a workflow asks for.
type request struct {
	schema.Approval
	saving int // acts on their way into the store
}

// mustAsk says whether the policies must be asked about the step's action.
func (r *playbookRun) mustAsk(s playbook.Step, f activities.VerbFacts) bool {
	return !r.in.DryRun && (!f.Free || s.Approval != nil && s.Approval.Needed > 0)
}

// approve asks, and waits for people or the deadlines. Silence is a denial.
func (r *playbookRun) approve(ctx workflow.Context, id string, s playbook.Step, in flow.ActionInput, f activities.VerbFacts) (*request, error) {
	q, err := r.ask(ctx, id, s, in, f)
	if err != nil {
		return nil, err
	}
	st := r.step[id]
	st.Approval = q.ID
	if err := r.record(ctx, q, "request", q.Requester, ""); err != nil {
		return nil, err
	}
	if q.Status != schema.ApprovalPending {
		r.report(ctx, "approval", "system", fmt.Sprintf("The policy %s lets %s %s run by itself (%s)", q.Terms.Policy, in.Action, in.Target, q.Terms.Mode), q.ID)
		return q, nil
	}
	st.Status = stepWaiting
	r.state(ctx, runAwaiting)
	if err := r.save(ctx); err != nil {
		return nil, err
	}
	r.report(ctx, "approval", "system", fmt.Sprintf("Asks for approval: %s %s", in.Action, in.Target), q.ID)
	if err := r.wait(ctx, q); err != nil {
		return nil, err
	}
	return q, r.verdict(ctx, st, q)
}

// say tells what happened, where somebody listens.
func (r *asking) say(ctx workflow.Context, kind, by, text, ref string) {
	if r.announce != nil {
		r.announce(ctx, kind, by, text, ref)
	}
}

// wait returns when the request is closed and that is stored.
func (r *asking) wait(ctx workflow.Context, q *request) error {
	for q.Status == schema.ApprovalPending {
		deadline := q.Deadline
		name := fmt.Sprintf("deadline of approval %s, stage %s", q.ID, q.Terms.Stages[q.Stage].Name)
		_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{Timeout: deadline.Sub(workflow.Now(ctx)), TimerOptions: workflow.TimerOptions{Summary: clip(name, 100)}},
			func() bool { return q.Status != schema.ApprovalPending || !q.Deadline.Equal(deadline) })
		if err != nil {
			return err
		}
		if approval.Tick(&q.Approval, workflow.Now(ctx)) {
			if err := r.ticked(ctx, q); err != nil {
				return err
			}
		}
	}
	return workflow.Await(ctx, func() bool { return q.saving == 0 })
}

// ticked records what a deadline did.
func (r *asking) ticked(ctx workflow.Context, q *request) error {
	if q.Status == schema.ApprovalExpired {
		return r.record(ctx, q, "expire", "system", "")
	}
	stage := q.Terms.Stages[q.Stage].Name
	r.say(ctx, "approval", "system", fmt.Sprintf("Nobody decided in time: %s %s is escalated to %s", q.Action, q.Target, stage), q.ID)
	return r.record(ctx, q, "escalate", "system", stage)
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
		r.smaller(ctx, q)
		return fmt.Errorf("%w: %s", errDenied, q.Status)
	}
	st.Status = stepRunning
	return r.save(ctx)
}

// smaller performs the low-risk action that the policy declares for the case that
// nobody answers.
func (r *playbookRun) smaller(ctx workflow.Context, q *request) {
	s := q.Terms.Smaller
	if q.Status != schema.ApprovalExpired || q.Terms.OnTimeout != approval.TimeoutSmaller || s == nil {
		return
	}
	in := flow.ActionInput{Org: r.in.Org, Run: r.id, Step: q.Step, Incident: r.in.Incident, Workflow: r.in.Workflow, Action: s.Action, Arguments: map[string]string{},
		Key: fmt.Sprintf("%s/%s/%d/smaller", r.id, q.Step, r.rounds[q.Step])}
	for _, name := range workflow.DeterministicKeys(s.Arguments) {
		in.Arguments[name] = strings.ReplaceAll(s.Arguments[name], "{target}", q.Target)
	}
	in.Target = in.Arguments[r.prep.Verbs[s.Action].Target]
	res, err := r.perform(ctx, in)
	text := fmt.Sprintf("Instead of %s, which nobody answered for: %s %s (%s)", q.Action, in.Action, in.Target, res.Outcome)
	if err != nil {
		text = fmt.Sprintf("The smaller action %s failed: %s", in.Action, clip(reason(err), 200))
	}
	r.report(ctx, "action", "system", text, in.Key)
}

// ask builds the request. What people see and sign is the canonical payload.
func (r *playbookRun) ask(ctx workflow.Context, id string, s playbook.Step, in flow.ActionInput, f activities.VerbFacts) (*request, error) {
	now := workflow.Now(ctx).UTC()
	k := activities.Ask{Org: r.in.Org, Action: in.Action, Target: in.Target, Arguments: in.Arguments, Run: r.id, Step: id, Incident: r.in.Incident, Key: in.Key, Alerts: evidence(r.vars),
		Severity: r.vars["severity"], Score: atoi(r.vars["risk"]), Requester: r.prep.Requester, Playbook: r.in.Playbook, Now: now}
	if s.Approval != nil {
		k.Needed, k.Minutes = s.Approval.Needed, s.Approval.DeadlineMinutes
	}
	if len(s.Commands) > 0 && s.Commands[0].Type == playbook.Manual && s.Timeout > 0 && k.Minutes == 0 {
		k.Minutes = (s.Timeout + 59_999) / 60_000
	}
	var c activities.Considered
	var x *activities.Approvals
	if err := do(ctx, respondOptions("consider "+clip(in.Action+" "+in.Target, 80)), x.ConsiderAction, &c, k); err != nil {
		return nil, err
	}
	run := workflow.GetInfo(ctx).WorkflowExecution.RunID
	why := strings.TrimSpace(f.Honesty)
	if s.Approval != nil && s.Approval.Reason != "" {
		why = strings.TrimSpace(playbook.Fill(s.Approval.Reason, r.vars) + "\n" + why)
	}
	a := schema.Approval{ID: schema.HashID("approval", r.in.Org, r.id, run, id, strconv.Itoa(r.rounds[id]))[:16], Org: r.in.Org, Workflow: r.id, Run: r.id, Step: id,
		Incident: r.in.Incident, Playbook: r.in.Playbook, Version: r.prep.Version, Action: in.Action, Target: in.Target, Arguments: in.Arguments, Kinds: c.Kinds, TargetArg: f.Target,
		Risk: f.Risk, Reason: why, Undo: f.Undo, Requester: r.prep.Requester, Terms: c.Terms, Facts: c.Facts, Preview: c.Preview, Blast: c.Blast}
	p := approval.Payload{Org: r.in.Org, Approval: a.ID, Run: r.id, RunID: run, Step: id, Iteration: r.rounds[id], Incident: r.in.Incident, Playbook: r.in.Playbook,
		Version: r.prep.Version, Action: in.Action, Target: in.Target, Arguments: in.Arguments, Evidence: k.Alerts, Requester: r.prep.Requester, Nonce: c.Nonce}
	q := &request{Approval: approval.Open(a, p, now)}
	r.asked[a.ID] = q
	return q, nil
}

// record stores the request and audits what happened to it.
func (r *asking) record(ctx workflow.Context, q *request, cause, by, text string) error {
	q.Revision++
	var a *activities.Approvals
	return do(ctx, respondOptions(cause+" approval "+q.ID), a.SaveApproval, nil, activities.Saving{Approval: q.Approval, Cause: cause, By: by, Text: text, Now: workflow.Now(ctx)})
}

// voidOpen closes the requests of a run that ends otherwise.
func (r *asking) voidOpen(ctx workflow.Context) {
	for _, id := range workflow.DeterministicKeys(r.asked) {
		q := r.asked[id]
		if q.Status != schema.ApprovalPending {
			continue
		}
		approval.Void(&q.Approval, workflow.Now(ctx))
		if err := r.record(ctx, q, "void", "system", ""); err != nil {
			workflow.GetLogger(ctx).Error("voiding an approval", "approval", id, "error", err)
		}
	}
}

// validate refuses acts that cannot count, purely: shape, unknown, closed, unsigned,
// expired, for something else, or a second decision. Refused updates leave no trace
// in the history; the caller learns why.
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
	if v.Token == "" {
		return nil, auth.Claims{}, refuse(schema.Unauthorized, "the decision has no token", sign)
	}
	c, err := auth.VerifyDecision(r.public, v.Token, workflow.Now(ctx))
	if err != nil {
		return nil, c, refusal(err, sign)
	}
	if c.Approval != q.ID {
		return nil, c, refuse(schema.Denied, "the token was made for another approval", sign)
	}
	// A deadline that has passed is noticed here without changing anything: validators may not.
	seen := q.Approval
	approval.Tick(&seen, workflow.Now(ctx))
	if _, err := approval.Check(seen, actOf(c, v.Token)); err != nil {
		return nil, c, refusal(err, sign)
	}
	return q, c, nil
}

func actOf(c auth.Claims, token string) approval.Act {
	return approval.Act{Verdict: c.Verdict, User: c.User, Reason: c.Reason, Binding: c.Binding, Channel: c.Channel, Args: c.Args, Token: token, Passkey: c.Passkey}
}

// refusal gives an error its code, its message and a hint; the error's own comes first.
func refusal(err error, hint string) error {
	se, ok := errors.AsType[*schema.Error](err)
	if !ok {
		return refuse(schema.Unauthorized, err.Error(), hint)
	}
	if se.Hint != "" && se.Code != schema.Unauthorized {
		hint = se.Hint
	}
	if se.Code == schema.Conflict {
		hint = se.Hint
	}
	return refuse(se.Code, se.Message, hint)
}

// refuse makes an error whose message carries the hint: it is all that a caller of
// the stock CLI sees.
func refuse(code schema.Code, message, hint string) error {
	return temporal.NewNonRetryableApplicationError(schema.E(code, message, hint).Error(), string(code), nil)
}

// decide does what a signed-in person asks for: people are looked up in the store,
// the request changes at once or not at all, and it is recorded before anything
// follows from it.
func (r *asking) decide(ctx workflow.Context, v flow.Vote) (flow.VoteResult, error) {
	q, c, err := r.examine(ctx, v)
	if err != nil {
		return flow.VoteResult{}, err
	}
	q.saving++
	defer func() { q.saving-- }()
	names := []string{c.User}
	if to := c.Args["to"]; to != "" {
		names = append(names, to)
	}
	for _, d := range q.Delegations {
		names = append(names, d.From)
	}
	var a *activities.Approvals
	var people approval.People
	if err := do(ctx, respondOptions("look up "+c.User), a.LookUpPeople, &people, r.org, names); err != nil {
		return flow.VoteResult{}, err
	}
	no := r.prove(ctx, q, c)
	var out approval.Outcome
	if no == nil {
		out, no = approval.Apply(&q.Approval, actOf(c, v.Token), people, workflow.Now(ctx))
	}
	if out.Changed && out.Cause == "" { // only a deadline had passed
		if err := r.ticked(ctx, q); err != nil {
			return flow.VoteResult{}, err
		}
	}
	if no != nil {
		err := do(ctx, respondOptions("refuse "+c.User), a.RefuseDecision, nil, activities.Refusal{Org: r.org, Approval: q.ID, Claims: c, Why: no.Error()})
		if err != nil {
			return flow.VoteResult{}, err
		}
		return flow.VoteResult{}, refusal(no, "")
	}
	if out.Cause != "" {
		if out.Cause == "narrow" || out.Cause == "delegate" {
			r.say(ctx, "approval", c.User, fmt.Sprintf("%s %s: %s", out.Cause, q.Action, out.Text), q.ID)
		}
		if err := r.record(ctx, q, out.Cause, c.User, out.Text); err != nil {
			return flow.VoteResult{}, err
		}
	}
	return flow.VoteResult{Approval: q.ID, Status: string(q.Status), Stage: q.Terms.Stages[q.Stage].Name, Have: approval.Approvals(q.Approval), Needed: q.Needed, Binding: q.Binding}, nil
}

// prove refuses a decision whose passkey's signature does not hold now: it would not
// hold when the action is performed either, and nobody would know why.
func (r *asking) prove(ctx workflow.Context, q *request, c auth.Claims) error {
	if !approval.StepsUp(q.Approval, c.Verdict) {
		return nil
	}
	var a *activities.Approvals
	var no activities.Unproved
	if err := do(ctx, respondOptions("check the passkey of "+c.User), a.ProveDecision, &no, r.org, c); err != nil {
		return err
	}
	return no.Err()
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
