package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"vigil/internal/action"
	"vigil/internal/approval"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// ActionStore is what an action's safety checks read.
type ActionStore interface {
	Approval(ctx context.Context, org, id string) (schema.Approval, error)
	Incident(ctx context.Context, org, id string) (schema.Incident, error)
	PutAction(ctx context.Context, a schema.ActionRecord) error
	Action(ctx context.Context, org, key string) (schema.ActionRecord, error)
	Actions(ctx context.Context, org, incident string) ([]schema.ActionRecord, error)
	User(ctx context.Context, org, name string) (schema.User, error)
	Passkeys(ctx context.Context, org, user string) ([]schema.Passkey, error)
	PutNotes(ctx context.Context, notes ...schema.Note) error
}

// Results waits for workflows; the Temporal client is one.
type Results interface {
	GetWorkflow(ctx context.Context, id, runID string) client.WorkflowRun
}

// Actions performs actions.
type Actions struct {
	Table    action.Table
	Store    ActionStore
	Trail    Trail
	Temporal Results
	Policies *approval.Policies
	Public   string // public decision key
	// Crash is called at the named points; kill tests make it panic. nil does nothing.
	Crash func(point string)
}

// RunAction performs one action, or its undo, once: the approval is checked again,
// the intent is audited, the side effect happens under the idempotency key, the
// result is audited. A crash anywhere is repaired by running it again.
func (x *Actions) RunAction(ctx context.Context, in flow.ActionInput) (flow.ActionResult, error) {
	res, err := x.perform(ctx, in)
	if err != nil {
		return flow.ActionResult{Outcome: "failed"}, Retryable(fmt.Errorf("%s: %w", in.Action, err))
	}
	return flow.ActionResult{Outcome: res.Outcome, Outputs: res.Outputs, Undo: res.Undo, Expires: res.Expires}, nil
}

func (x *Actions) perform(ctx context.Context, in flow.ActionInput) (action.Result, error) {
	a, err := x.Table.Get(in.Action)
	if err != nil {
		return action.Result{}, err
	}
	def := a.Definition()
	target, err := def.Check(in.Arguments)
	if err != nil {
		return action.Result{}, err
	}
	if target != in.Target {
		return action.Result{}, schema.E(schema.Invalid, fmt.Sprintf("the target is %q, but the arguments say %q", in.Target, target), "")
	}
	if err := x.allowed(ctx, def, in); err != nil {
		return action.Result{}, errors.Join(err, x.audit(ctx, in, "refused", "refused", map[string]string{"why": err.Error()}))
	}
	if in.Undo && !def.Reversible {
		return action.Result{}, schema.E(schema.Invalid, def.Verb+" cannot be undone", "")
	}
	r := action.Request{Org: in.Org, Run: in.Run, Step: in.Step, Incident: in.Incident, Target: target, Arguments: in.Arguments, Key: in.Key, DryRun: in.DryRun && !def.Reads, Now: time.Now().UTC()}
	return x.act(ctx, a, in, r)
}

// act wraps the side effect in its audit records. The intent's time is fixed by the
// first attempt; a repeat finds the record by its id.
func (x *Actions) act(ctx context.Context, a action.Action, in flow.ActionInput, r action.Request) (action.Result, error) {
	if err := x.audit(ctx, in, "intent", "ok", nil); err != nil {
		return action.Result{}, err
	}
	x.crash("between-intent-and-action")
	do := a.Run
	if in.Undo {
		do = a.Undo
	}
	res, err := do(ctx, r)
	x.crash("between-action-and-result")
	if err != nil {
		if code := schema.CodeOf(err); code == schema.Unavailable || code == schema.Internal {
			return res, err // it will be tried again; the result is recorded when there is one
		}
		return res, errors.Join(err, x.audit(ctx, in, "result", "failed", map[string]string{"error": err.Error()}))
	}
	details := maps.Clone(res.Outputs)
	if details == nil {
		details = map[string]string{}
	}
	details["outcome"] = res.Outcome
	if err := x.audit(ctx, in, "result", "ok", details); err != nil {
		return res, err
	}
	if err := x.remember(ctx, a.Definition(), in, res, r.Now); err != nil {
		return res, err
	}
	return res, x.Store.PutNotes(ctx, note(in.Org, "actions", "changed", in.Key, map[string]any{"action": in.Action, "target": in.Target, "outcome": res.Outcome, "undo": in.Undo, "incident": in.Incident}, r.Now))
}

func (x *Actions) crash(point string) {
	if x.Crash != nil {
		x.Crash(point)
	}
}

func (x *Actions) audit(ctx context.Context, in flow.ActionInput, phase, outcome string, more map[string]string) error {
	verb := "action."
	if in.Undo {
		verb = "undo."
	}
	d := map[string]string{"run": in.Run, "step": in.Step, "key": in.Key, "target": in.Target, "approval": in.Approval, "binding": in.Binding, "incident": in.Incident}
	if in.DryRun {
		d["dry_run"] = "true"
	}
	maps.Copy(d, more)
	actor := "system"
	if in.By != "" {
		actor, d["cause"] = in.By, "person"
	}
	return x.Trail.record(ctx, schema.AuditRecord{Org: in.Org, ID: auditID(verb+phase, in.Key, in.Action, in.Target, outcome), Actor: actor, Verb: verb + phase,
		Object: in.Action + " " + in.Target, Outcome: outcome, Details: d})
}

// allowed refuses what nobody approved. An action that its policy does not let run by
// itself needs an approval that holds: still bound to what people signed, by their own
// tokens, and naming exactly this run, step, action, target and arguments. Undoing an
// approved action needs no second approval; the first one must name it.
func (x *Actions) allowed(ctx context.Context, def action.Definition, in flow.ActionInput) error {
	if in.DryRun {
		return nil
	}
	if in.Approval == "" {
		return x.unasked(def, in)
	}
	a, err := x.Store.Approval(ctx, in.Org, in.Approval)
	if err != nil {
		return err
	}
	again := func(f schema.ApprovalFacts) approval.Mode {
		if in.Undo {
			return approval.Auto // what policy allowed may be taken back whatever it says now
		}
		return approval.Mode(x.Policies.Choose(f).Mode)
	}
	if err := holds(ctx, x.Store, x.Public, a, in.Undo, again); err != nil {
		return err
	}
	var p approval.Payload
	if err := json.Unmarshal([]byte(a.Payload), &p); err != nil {
		return schema.E(schema.Denied, "the approved payload cannot be read", "", err)
	}
	same := in.Binding == a.Binding && p.Approval == in.Approval && p.Org == in.Org && p.Run == in.Run && p.Step == in.Step && p.Action == in.Action &&
		p.Target == in.Target && p.Incident == in.Incident && maps.Equal(p.Arguments, in.Arguments)
	if !same {
		return schema.E(schema.Denied, "the action is not the one that was approved", "a change needs a new approval")
	}
	return nil
}

// unasked lets an action run without an approval only when it has a low risk and its
// policy asks nobody.
func (x *Actions) unasked(def action.Definition, in flow.ActionInput) error {
	if def.Risk != action.Low {
		return schema.E(schema.Denied, def.Verb+" needs an approval", "run it from a playbook, which asks for one")
	}
	f := schema.ApprovalFacts{Action: in.Action, Target: in.Target, Risk: string(def.Risk), Reversible: def.Reversible, Targets: 1, Requester: "system", Time: time.Now()}
	f.Criticality, f.Owner = x.Policies.Asset(in.Target)
	if t := x.Policies.Choose(f); !in.Undo && !approval.Unasked(t.Mode) {
		return schema.E(schema.Denied, fmt.Sprintf("%s needs an approval: the policy %s asks for %s", def.Verb, t.Policy, t.Mode), "run it from a playbook, which asks for one")
	}
	return nil
}

// AwaitAction waits for the result of an Action workflow that another run started.
func (x *Actions) AwaitAction(ctx context.Context, id string) (flow.ActionResult, error) {
	defer beating(ctx)()
	var res flow.ActionResult
	if err := x.Temporal.GetWorkflow(ctx, id, "").Get(ctx, &res); err != nil {
		return res, fmt.Errorf("waiting for %s: %w", id, err)
	}
	return res, nil
}

// beating beats until the function that it returns is called; outside of an activity it does
// nothing.
func beating(ctx context.Context) (stop func()) {
	if !activity.IsActivity(ctx) {
		return func() {}
	}
	done := make(chan struct{})
	go heartbeat(ctx, done)
	return func() { close(done) }
}

// heartbeat beats until done, so that a wait on a lost worker is noticed.
func heartbeat(ctx context.Context, done <-chan struct{}) {
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	for {
		activity.RecordHeartbeat(ctx)
		select {
		case <-t.C:
		case <-done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// ports adapts the store to what actions act through.
type ports struct {
	s     *store.Store
	trail Trail
}

// ActionPorts returns the lists, tags and peers of actions over the store.
func ActionPorts(s *store.Store, trail Trail) action.Ports {
	p := ports{s, trail}
	return action.Ports{Lists: p, Tags: p, Peers: p}
}

// PutEntry implements action.Lists.
func (p ports) PutEntry(ctx context.Context, e action.Entry) error {
	return p.s.PutListEntry(ctx, store.ListEntry(e))
}

// Entry implements action.Lists.
func (p ports) Entry(ctx context.Context, org, list, value string) (action.Entry, error) {
	e, err := p.s.ListEntry(ctx, org, list, value)
	return action.Entry(e), err
}

// Entries implements action.Lists.
func (p ports) Entries(ctx context.Context, org, list string) ([]action.Entry, error) {
	all, err := p.s.ListEntries(ctx, org, list)
	out := make([]action.Entry, len(all))
	for i, e := range all {
		out[i] = action.Entry(e)
	}
	return out, err
}

// TagAlerts implements action.Tags.
func (p ports) TagAlerts(ctx context.Context, org string, ids []string, tag string) (int, error) {
	list, err := p.s.AlertsByID(ctx, org, ids)
	if err != nil {
		return 0, err
	}
	var rows []schema.Alert
	var notes []schema.Note
	for _, a := range list {
		if slices.Contains(a.Tags, tag) {
			continue
		}
		a.Tags = append(a.Tags, tag)
		a.Version++
		rows = append(rows, a)
		notes = append(notes, note(org, "alerts", "changed", a.ID, brief(a), time.Now()))
	}
	if err := p.s.PutAlerts(ctx, rows); err != nil {
		return 0, err
	}
	return len(rows), p.s.PutNotes(ctx, notes...)
}

// TalkedTo implements action.Peers.
func (p ports) TalkedTo(ctx context.Context, org, address string, limit int) ([]action.Peer, error) {
	all, err := p.s.TalkedTo(ctx, org, address, limit)
	out := make([]action.Peer, len(all))
	for i, t := range all {
		out[i] = action.Peer(t)
	}
	return out, err
}
