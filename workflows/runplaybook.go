package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/internal/approval"
	"vigil/internal/playbook"
	"vigil/schema"
	"vigil/schema/flow"
)

// The states of a run and of its steps.
const (
	runRunning   = "running"
	runAwaiting  = "awaiting-approval"
	runCompleted = "completed"
	runDenied    = "denied"
	runFailed    = "failed"
	runCancelled = "cancelled"

	stepPending = "pending"
	stepRunning = "running"
	stepWaiting = "waiting"
	stepDone    = "done"
	stepSkipped = "skipped"
	stepFailed  = "failed"
	stepDenied  = "denied"
)

// maxLoop bounds the rounds of a while-condition step.
const maxLoop = 50

// errDenied ends a branch whose action nobody approved.
var errDenied = errors.New("not approved")

// playbookRun is one run of RunPlaybook.
type playbookRun struct {
	in      flow.RunPlaybookInput
	id      string
	prep    activities.Prepared
	doc     *playbook.Document
	run     schema.Run
	step    map[string]*schema.RunStep
	vars    map[string]string
	version uint64
	rounds  map[string]int // step → how often it has begun
	local   bool           // preparing and saving are local activities
	denied  bool
	asking
}

// RunPlaybook runs one version of a playbook: each action as an Action workflow,
// those above low risk after people have approved exactly them (update "decide").
func RunPlaybook(ctx workflow.Context, in flow.RunPlaybookInput) (schema.Run, error) {
	in.Org = org(in.Org)
	info := workflow.GetInfo(ctx)
	r := &playbookRun{in: in, id: info.WorkflowExecution.ID, step: map[string]*schema.RunStep{}, rounds: map[string]int{},
		asking: asking{org: in.Org, asked: map[string]*request{}}}
	r.announce = r.report
	r.run = schema.Run{ID: r.id, Org: in.Org, Incident: in.Incident, Playbook: in.Playbook, Status: runRunning, Started: workflow.Now(ctx).UTC(), DryRun: in.DryRun}
	if err := r.handlers(ctx); err != nil {
		return r.run, err
	}
	r.local = workflow.GetVersion(ctx, "local-saves", workflow.DefaultVersion, 1) >= 1
	var p *activities.Playbooks
	if err := r.quick(ctx, "prepare "+in.Playbook, p.PreparePlaybook, &r.prep, in, info.ParentWorkflowExecution != nil, workflow.Now(ctx)); err != nil {
		return r.run, err
	}
	doc, err := playbook.Decode(r.prep.Document)
	if err != nil {
		return r.run, temporal.NewNonRetryableApplicationError(err.Error(), string(schema.Invalid), err)
	}
	r.doc, r.vars, r.public = doc, r.prep.Variables, r.prep.Public
	r.plan()
	r.state(ctx, runRunning)
	if err := r.save(ctx); err != nil {
		return r.run, err
	}
	err = r.walk(ctx, doc.WorkflowStart)
	if err != nil && !errors.Is(err, errDenied) && doc.WorkflowException != "" && ctx.Err() == nil && doc.Workflow[doc.WorkflowException].Type != playbook.End {
		err = errors.Join(err, r.walk(ctx, doc.WorkflowException))
	}
	return r.finish(ctx, err)
}

// plan lays out the steps of the read model.
func (r *playbookRun) plan() {
	r.run.Version, r.run.Title, r.run.Requester = r.prep.Version, r.doc.Description, r.prep.Requester
	ids := r.doc.StepIDs()
	r.run.Steps = make([]schema.RunStep, len(ids))
	for i, id := range ids {
		s := r.doc.Workflow[id]
		name := s.Name
		if name == "" {
			name = s.Type
		}
		r.run.Steps[i] = schema.RunStep{ID: id, Name: name, Type: s.Type, Status: stepPending, Next: s.Next()}
		if len(s.Commands) > 0 {
			r.run.Steps[i].Action = s.Commands[0].Command
		}
		r.step[id] = &r.run.Steps[i]
	}
}

func (r *playbookRun) handlers(ctx workflow.Context) error {
	if err := workflow.SetQueryHandlerWithOptions(ctx, flow.QueryState, func() (schema.Run, error) { return r.run, nil },
		workflow.QueryHandlerOptions{Description: "The run with the state of every step"}); err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, flow.UpdateDecide, r.decide,
		workflow.UpdateHandlerOptions{Description: "Approve or deny the action that waits; needs a decision token from `vigil approvals sign ID`", Validator: r.validate})
}

// state changes the run's status where people look for it.
func (r *playbookRun) state(ctx workflow.Context, status string) {
	r.run.Status = status
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(r.in.Org), attrState.ValueSet(status)); err != nil {
		workflow.GetLogger(ctx).Warn("search attributes", "error", err)
	}
}

// save writes the read model.
func (r *playbookRun) save(ctx workflow.Context) error {
	r.version++
	var p *activities.Playbooks
	return r.quick(ctx, "save the run's state", p.SaveRun, nil, r.run, r.version, workflow.Now(ctx))
}

// quick runs an activity that only reads or writes a row, in the workflow's own task: an
// activity of its own costs some 7 ms of processor, several times what it does.
func (r *playbookRun) quick(ctx workflow.Context, summary string, activity any, result any, args ...any) error {
	o := respondOptions(summary)
	if !r.local {
		return do(ctx, o, activity, result, args...)
	}
	l := workflow.LocalActivityOptions{StartToCloseTimeout: o.StartToCloseTimeout, RetryPolicy: o.RetryPolicy, Summary: summary}
	return workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, l), activity, args...).Get(ctx, result)
}

// report tells the incident; a closed incident does not mind.
func (r *playbookRun) report(ctx workflow.Context, kind, by, text, ref string) {
	if r.in.Workflow == "" {
		return
	}
	short := r.run
	short.Steps = nil
	brief, _ := json.Marshal(short) // plain data cannot fail
	m := flow.RunReport{Run: r.id, Status: r.run.Status, Brief: brief, Entry: &flow.IncidentEntry{Kind: kind, By: by, Text: text, Ref: ref}}
	if err := workflow.SignalExternalWorkflow(ctx, r.in.Workflow, "", flow.SignalRunState, m).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Debug("the incident is closed", "incident", r.in.Workflow)
	}
}

// finish closes the run: open approvals are void, the read model says how it ended.
func (r *playbookRun) finish(ctx workflow.Context, err error) (schema.Run, error) {
	status := runCompleted
	switch {
	case temporal.IsCanceledError(err) || ctx.Err() != nil:
		status = runCancelled
	case errors.Is(err, errDenied), err == nil && r.denied:
		status, err = runDenied, nil
	case err != nil:
		status = runFailed
	}
	clean, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	r.voidOpen(clean)
	if werr := workflow.Await(clean, func() bool { return workflow.AllHandlersFinished(clean) }); werr != nil {
		return r.run, werr
	}
	for i := range r.run.Steps {
		if s := &r.run.Steps[i]; s.Status == stepPending || s.Status == stepWaiting {
			s.Status = stepSkipped
		}
	}
	r.run.Ended = workflow.Now(ctx).UTC()
	if r.in.Parent != "" {
		r.run.Outputs = r.vars
	}
	r.state(clean, status)
	if serr := r.save(clean); serr != nil {
		return r.run, serr
	}
	r.report(clean, "status", "system", fmt.Sprintf("Playbook %s %s", r.in.Playbook, status), r.id)
	return r.run, err
}

// walk runs steps from id until an end step, or until nothing follows.
func (r *playbookRun) walk(ctx workflow.Context, id string) error {
	for id != "" {
		s, ok := r.doc.Workflow[id]
		if !ok {
			return temporal.NewNonRetryableApplicationError("there is no step "+id, string(schema.Invalid), nil)
		}
		r.begin(ctx, id)
		if s.Delay > 0 {
			if err := workflow.NewTimerWithOptions(ctx, time.Duration(s.Delay)*time.Millisecond, workflow.TimerOptions{Summary: clip("delay of "+id, 100)}).Get(ctx, nil); err != nil {
				return err
			}
		}
		next, err := r.one(ctx, id, s)
		r.end(ctx, id, err)
		if s.Type == playbook.ActionStep && r.in.Workflow != "" && ctx.Err() == nil {
			if serr := r.save(ctx); serr != nil { // people watch the runs of incidents
				return serr
			}
		}
		switch {
		case err != nil && s.OnFailure != "" && ctx.Err() == nil:
			next = s.OnFailure
		case err != nil:
			return err
		}
		if s.Type == playbook.End {
			return nil
		}
		id = next
	}
	return nil
}

func (r *playbookRun) begin(ctx workflow.Context, id string) {
	st := r.step[id]
	st.Status, st.Started, st.Ended, st.Error = stepRunning, workflow.Now(ctx).UTC(), workflow.Now(ctx).UTC(), ""
	r.rounds[id]++
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s** %s: %s", r.in.Playbook, r.run.Status, st.Name))
}

func (r *playbookRun) end(ctx workflow.Context, id string, err error) {
	st := r.step[id]
	st.Ended = workflow.Now(ctx).UTC()
	switch {
	case err == nil:
		st.Status = stepDone
	case errors.Is(err, errDenied):
		st.Status, r.denied = stepDenied, true
	default:
		st.Status, st.Error = stepFailed, clip(reason(err), 500)
	}
}

// reason is what the activity at the bottom of an error said.
func reason(err error) string {
	var ae *temporal.ApplicationError
	if errors.As(err, &ae) {
		for {
			var deeper *temporal.ApplicationError
			if !errors.As(ae.Unwrap(), &deeper) {
				return ae.Message()
			}
			ae = deeper
		}
	}
	return err.Error()
}

// one runs a single step and names the one that follows.
func (r *playbookRun) one(ctx workflow.Context, id string, s playbook.Step) (string, error) {
	switch s.Type {
	case playbook.Start, playbook.End:
		return s.After(), nil
	case playbook.ActionStep:
		return s.After(), r.action(ctx, id, s)
	case playbook.IfCondition:
		yes, err := r.condition(ctx, s)
		if err != nil {
			return "", err
		}
		branch := s.OnFalse
		if yes {
			branch = s.OnTrue
		}
		return s.After(), r.walk(ctx, branch)
	case playbook.WhileLoop:
		return s.After(), r.loop(ctx, id, s)
	case playbook.Parallel:
		return s.After(), r.parallel(ctx, s)
	case playbook.Switch:
		return s.After(), r.walk(ctx, r.branch(s))
	case playbook.SubPlaybook:
		return s.After(), r.sub(ctx, id, s)
	}
	return "", temporal.NewNonRetryableApplicationError("steps of type "+s.Type+" do not run", string(schema.Invalid), nil)
}

// branch is the step of the case that a switch's value names.
func (r *playbookRun) branch(s playbook.Step) string {
	if id, ok := s.Cases[playbook.Fill(s.SwitchOn, r.vars)]; ok {
		return id
	}
	return s.Cases["default"]
}

// maxDepth bounds playbooks within playbooks.
const maxDepth = 5

// sub runs another playbook as a child: with the variables that the step hands in, for
// the same requester, and takes back those that it names.
func (r *playbookRun) sub(ctx workflow.Context, id string, s playbook.Step) error {
	if r.in.Depth >= maxDepth {
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf("playbooks within playbooks go %d deep at most", maxDepth), string(schema.Exhausted), nil)
	}
	in := flow.RunPlaybookInput{Org: r.in.Org, Playbook: s.Playbook, Incident: r.in.Incident, Workflow: r.in.Workflow, Requester: r.prep.Requester, Variables: map[string]string{},
		DryRun: r.in.DryRun, Parent: r.id, Depth: r.in.Depth + 1}
	for _, name := range []string{"alerts", "title", "severity", "risk", "subject"} {
		in.Variables[name] = r.vars[name]
	}
	for _, name := range s.InArgs {
		in.Variables[variable(name)] = r.vars[variable(name)]
	}
	opts := workflow.ChildWorkflowOptions{WorkflowID: fmt.Sprintf("%s/%s/%d", r.id, id, r.rounds[id]), TaskQueue: flow.QueueRespond, WaitForCancellation: true,
		ParentClosePolicy: enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL, StaticSummary: clip(s.Playbook, 100)}
	var res schema.Run
	if err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, opts), flow.RunPlaybook, in).Get(ctx, &res); err != nil {
		return err
	}
	if res.Status == runDenied {
		return fmt.Errorf("%w: in %s", errDenied, s.Playbook)
	}
	st := r.step[id]
	st.Outputs = map[string]string{"run": res.ID, "status": res.Status}
	for _, name := range s.OutArgs {
		r.vars[variable(name)] = res.Outputs[variable(name)]
	}
	return nil
}

func (r *playbookRun) loop(ctx workflow.Context, id string, s playbook.Step) error {
	for range maxLoop {
		yes, err := r.condition(ctx, s)
		if err != nil || !yes {
			return err
		}
		if err := r.walk(ctx, s.OnTrue); err != nil {
			return err
		}
	}
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s went round %d times", id, maxLoop), string(schema.Exhausted), nil)
}

func (r *playbookRun) parallel(ctx workflow.Context, s playbook.Step) error {
	wg := workflow.NewWaitGroup(ctx)
	errs := make([]error, len(s.NextSteps))
	for i, id := range s.NextSteps {
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			errs[i] = r.walk(ctx, id)
		})
	}
	wg.Wait(ctx)
	return errors.Join(errs...)
}

func (r *playbookRun) condition(ctx workflow.Context, s playbook.Step) (bool, error) {
	var p *activities.Playbooks
	in := activities.ConditionInput{Condition: s.Condition, Variables: r.vars, Severity: r.vars["severity"], Risk: atoi(r.vars["risk"]), Alerts: len(evidence(r.vars))}
	var yes bool
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, localOptions()), p.EvaluateCondition, in).Get(ctx, &yes)
	return yes, err
}

// action asks when it must and performs the step's command.
func (r *playbookRun) action(ctx workflow.Context, id string, s playbook.Step) error {
	in, facts, err := r.command(ctx, id, s)
	if err != nil {
		return err
	}
	st := r.step[id]
	st.Inputs, st.Attempts = in.Arguments, r.rounds[id]
	var q *request
	if r.mustAsk(s, facts) {
		if q, err = r.approve(ctx, id, s, in, facts); err != nil {
			return err
		}
		// What was approved is performed: approvers may have narrowed it.
		in.Approval, in.Binding, in.Arguments, in.Target = q.ID, q.Binding, q.Arguments, q.Target
		st.Inputs = in.Arguments
		if in.Action == playbook.Manual {
			r.filled(s, q)
		}
	}
	if in.Action == playbook.Manual {
		return nil // whoever approved says that it was done
	}
	res, err := r.perform(ctx, in)
	if err != nil {
		r.report(ctx, "action", "system", fmt.Sprintf("%s %s failed: %s", in.Action, in.Target, clip(reason(err), 200)), in.Key)
		return err
	}
	if q != nil && q.Terms.Mode == string(approval.Notify) {
		r.tell(ctx, in, res)
	}
	st.Outputs = res.Outputs
	for _, out := range s.OutArgs {
		name := variable(out)
		r.vars[name] = res.Outputs[name]
	}
	r.report(ctx, "action", "system", fmt.Sprintf("%s: %s (%s)", s.Name, in.Target, res.Outcome), in.Key)
	return nil
}

// tell notifies people of what a policy let run by itself. The action is done; that
// nobody could be told is on the timeline, and fails nothing.
func (r *playbookRun) tell(ctx workflow.Context, did flow.ActionInput, res flow.ActionResult) {
	in := flow.ActionInput{Org: r.in.Org, Run: r.id, Step: did.Step, Incident: r.in.Incident, Workflow: r.in.Workflow, Action: "notify", Target: did.Target, Key: did.Key + "/notify",
		Arguments: map[string]string{"subject": did.Target, "text": fmt.Sprintf("%s was performed by itself (%s)", did.Action, res.Outcome)}}
	if _, err := r.perform(ctx, in); err != nil {
		r.report(ctx, "action", "system", "Nobody could be told of "+did.Action+": "+clip(reason(err), 200), in.Key)
	}
}

// filled takes the values that a person gave with a manual step.
func (r *playbookRun) filled(s playbook.Step, a *request) {
	for _, d := range a.Decisions {
		for _, out := range s.OutArgs {
			if v, ok := d.Args[variable(out)]; ok {
				r.vars[variable(out)] = v
			}
		}
	}
}

// command resolves a step's command into an action with its arguments.
func (r *playbookRun) command(ctx workflow.Context, id string, s playbook.Step) (flow.ActionInput, activities.VerbFacts, error) {
	c := s.Commands[0]
	in := flow.ActionInput{Org: r.in.Org, Run: r.id, Step: id, Incident: r.in.Incident, Workflow: r.in.Workflow, DryRun: r.in.DryRun,
		Key: fmt.Sprintf("%s/%s/%d", r.id, id, r.rounds[id])}
	body, err := c.Body()
	if err != nil {
		return in, activities.VerbFacts{}, temporal.NewNonRetryableApplicationError(err.Error(), string(schema.Invalid), err)
	}
	args := map[string]string{}
	in.Action = c.Type
	switch c.Type {
	case playbook.Manual:
		task := playbook.Fill(c.Command, r.vars)
		in.Target, in.Arguments = task, map[string]string{"task": task}
		return in, activities.VerbFacts{Risk: "medium", Target: "task"}, nil
	case playbook.HTTPAPI:
		args["method"], args["url"] = r.doc.URL(s, c)
		args["body"] = body
	case playbook.OpenC2:
		args["command"], args["host"] = body, r.host(s)
	case playbook.SSH, playbook.Bash:
		if workflow.GetVersion(ctx, "plain-words", workflow.DefaultVersion, 1) >= 1 {
			if _, err := r.doc.FillShell(c.Command, r.vars); err != nil {
				return in, activities.VerbFacts{}, temporal.NewNonRetryableApplicationError(err.Error(), string(schema.CodeOf(err)), err)
			}
		}
		args["command"] = c.Command
		if c.Type == playbook.SSH {
			args["host"] = r.host(s)
		}
	default:
		in.Action, args = c.Command, c.Arguments
	}
	in.Arguments = playbook.FillAll(args, r.vars)
	facts, ok := r.prep.Verbs[in.Action]
	if !ok {
		return in, facts, temporal.NewNonRetryableApplicationError("there is no action "+in.Action, string(schema.Invalid), nil)
	}
	in.Target = in.Arguments[facts.Target]
	if in.Target == "" {
		return in, facts, temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s has no %s: the alerts name none", in.Action, facts.Target), string(schema.Invalid), nil)
	}
	return in, facts, nil
}

// host is the address of the step's target, "" when it names none.
func (r *playbookRun) host(s playbook.Step) string {
	if len(s.Where) == 0 {
		return ""
	}
	return r.doc.Targets[s.Where[0]].Host()
}

// perform runs the Action child, or waits for the one that does the same already. When
// the time box of that one has ended, it is done again.
func (r *playbookRun) perform(ctx workflow.Context, in flow.ActionInput) (flow.ActionResult, error) {
	var ended []string
	for {
		res, same, err := startAction(ctx, actionID(in, ended...), in)
		if err != nil || !same {
			return res, err
		}
		if res.Expires.IsZero() || res.Expires.After(workflow.Now(ctx)) {
			if res.Outcome == "done" {
				res.Outcome = "already-done"
			}
			return res, nil
		}
		ended = append(ended, res.Expires.UTC().Format(time.RFC3339Nano))
	}
}

// startAction runs an Action under the id; same says that it was there before.
func startAction(ctx workflow.Context, id string, in flow.ActionInput) (res flow.ActionResult, same bool, err error) {
	opts := workflow.ChildWorkflowOptions{
		WorkflowID: id, TaskQueue: flow.QueueRespond,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON, // an action that began is finished
		StaticSummary:         clip(in.Action+" "+in.Target, 100),
	}
	err = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, opts), flow.Action, in).Get(ctx, &res)
	if !alreadyStarted(err) {
		return res, false, err
	}
	return res, true, awaitAction(ctx, id, &res)
}

// awaitAction waits for the result of an Action that somebody else started.
func awaitAction(ctx workflow.Context, id string, res *flow.ActionResult) error {
	var a *activities.Actions
	o := actOptions("wait for the same action")
	o.StartToCloseTimeout, o.HeartbeatTimeout = o.ScheduleToCloseTimeout, actHeartbeat
	return do(ctx, o, a.AwaitAction, res, id)
}
