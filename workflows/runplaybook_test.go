package workflows

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/internal/auth"
	"vigil/schema"
	"vigil/schema/flow"
)

const bad = "203.0.113.9"

// contain is a run that asks for one approval.
func (w *world) contain(requester, token string) flow.RunPlaybookInput {
	return flow.RunPlaybookInput{Playbook: "contain-address", Incident: "i1", Requester: requester, Token: token,
		Variables: map[string]string{"address": bad, "title": "Beacon", "severity": "high", "alerts": "a1"}}
}

// known is a run whose requester is proved to be "requester".
func (w *world) known(requester string) flow.RunPlaybookInput {
	c := auth.RequestClaims(requester, "contain-address", "i1", w.env.Now())
	tok, _, err := w.key.SignDecision(c, w.env.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.contain(requester, tok)
}

// vote sends the decide update after a minute times n; want is "" or a part of the refusal.
func (w *world) vote(n int, make func() flow.Vote, want string) {
	w.t.Helper()
	w.env.RegisterDelayedCallback(func() {
		refusedAs := func(err error) {
			if want == "" || !strings.Contains(err.Error(), want) {
				w.t.Errorf("vote %d was refused: %v; want %q", n, err, want)
			}
		}
		w.env.UpdateWorkflow(flow.UpdateDecide, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: refusedAs,
			OnComplete: func(_ any, err error) {
				if err != nil {
					refusedAs(err)
				} else if want != "" {
					w.t.Errorf("vote %d counted; it should be refused with %q", n, want)
				}
			},
		}, make())
	}, time.Duration(n)*time.Minute)
}

func (w *world) by(user, verdict string, change func(*auth.Claims)) func() flow.Vote {
	return func() flow.Vote {
		a := w.pending()
		return flow.Vote{Approval: a.ID, Token: w.token(a, user, verdict, change)}
	}
}

func (w *world) run(in flow.RunPlaybookInput, status string) schema.Run {
	w.t.Helper()
	w.env.ExecuteWorkflow(RunPlaybook, in)
	if err := w.env.GetWorkflowError(); err != nil {
		w.t.Fatal(err)
	}
	var r schema.Run
	if err := w.env.GetWorkflowResult(&r); err != nil {
		w.t.Fatal(err)
	}
	if r.Status != status {
		w.t.Errorf("the run is %s, want %s: %+v", r.Status, status, r.Steps)
	}
	w.checkTrail()
	return r
}

func TestApprove(t *testing.T) {
	w := newWorld(t)
	w.vote(1, w.by("ana", "approve", nil), "")
	r := w.run(w.known("cy"), runCompleted)
	if !w.published("addresses", bad) {
		t.Error("the address is not on the published list")
	}
	verbs := w.mem.verbs()
	for want, n := range map[string]int{"approval.request:ok": 1, "approval.decide:ok": 1, "action.intent:ok": 4, "action.result:ok": 4} {
		if count(verbs, want) != n {
			t.Errorf("%d × %s in %v", count(verbs, want), want, verbs)
		}
	}
	if w.mem.puts != 1 || r.Requester != "cy" {
		t.Errorf("%d list writes, requester %s", w.mem.puts, r.Requester)
	}
	if len(w.boxes) != 1 || w.boxes[0].Target != bad || time.Until(w.boxes[0].NotBefore) < 23*time.Hour {
		t.Errorf("the end of the time box: %+v", w.boxes)
	}
}

func TestDeny(t *testing.T) {
	w := newWorld(t)
	w.vote(1, w.by("ana", "deny", nil), "")
	w.run(w.known("cy"), runDenied)
	if w.published("addresses", bad) || w.mem.puts != 0 {
		t.Error("a denied action happened")
	}
}

func TestSilenceDenies(t *testing.T) {
	w := newWorld(t)
	w.run(w.known("cy"), runDenied)
	if w.published("addresses", bad) || count(w.mem.verbs(), "approval.expire") != 1 {
		t.Errorf("after the deadline: %v", w.mem.verbs())
	}
}

// TestForged sends what somebody with write access to Temporal, but without
// Vigil's key, can make.
func TestForged(t *testing.T) {
	w := newWorld(t)
	other, err := auth.LoadDecisionKey(filepath.Join(t.TempDir(), "own.key"))
	if err != nil {
		t.Fatal(err)
	}
	raw := func(token string) func() flow.Vote {
		return func() flow.Vote { return flow.Vote{Approval: w.pending().ID, Token: token} }
	}
	w.vote(1, raw(""), "vigil approvals sign")
	w.vote(2, raw(`{"user":"ana","verdict":"approve"}`), "vigil approvals sign")
	w.vote(3, func() flow.Vote {
		a := w.pending()
		tok, _, _ := other.SignDecision(auth.Claims{Approval: a.ID, Binding: a.Binding, User: "ana", Verdict: "approve"}, w.env.Now())
		return flow.Vote{Approval: a.ID, Token: tok}
	}, "vigil approvals sign")
	w.vote(4, w.by("ana", "approve", func(c *auth.Claims) { c.Binding = strings.Repeat("0", 64) }), "other content")
	w.vote(5, w.by("ana", "approve", func(c *auth.Claims) { c.Expires = w.env.Now().Unix() - 1 }), "expired")
	w.vote(6, w.by("ana", "run", nil), `nobody can "run"`)
	w.vote(7, func() flow.Vote { return flow.Vote{Approval: "nothing", Token: "x"} }, "asks for no approval")
	w.run(w.known("cy"), runDenied)
	if w.published("addresses", bad) || count(w.mem.verbs(), "approval.decide") != 0 {
		t.Errorf("a forged decision left traces: %v", w.mem.verbs())
	}
}

func TestWhoMayDecide(t *testing.T) {
	w := newWorld(t)
	w.mem.users["gone"] = schema.User{Name: "gone", Role: "admin", Disabled: true}
	w.vote(1, w.by("ana", "approve", nil), "second user is needed")
	w.vote(2, w.by("cy", "approve", nil), "may not decide")
	w.vote(3, w.by("gone", "approve", nil), "disabled")
	w.vote(4, w.by("nobody", "approve", nil), "does not exist")
	w.vote(5, w.by("ben", "approve", nil), "")
	w.run(w.known("ana"), runCompleted)
	if count(w.mem.verbs(), "approval.decide:refused") != 4 {
		t.Errorf("refusals are not all audited: %v", w.mem.verbs())
	}
}

// TestTwoPersons: nobody knows who started the run, so one approval is not enough,
// and one person is not two.
func TestTwoPersons(t *testing.T) {
	w := newWorld(t)
	w.vote(1, w.by("ana", "approve", nil), "")
	w.vote(2, w.by("ana", "approve", nil), "") // a double click is no error, and no second vote
	w.vote(2, w.by("ana", "deny", nil), "decided already")
	w.env.RegisterDelayedCallback(func() {
		if w.published("addresses", bad) {
			t.Error("one approval was enough for an unknown requester")
		}
	}, 3*time.Minute)
	w.vote(4, w.by("root", "approve", nil), "")
	r := w.run(w.contain("system", ""), runCompleted)
	if r.Requester != "unknown" || !w.published("addresses", bad) {
		t.Errorf("requester %s", r.Requester)
	}
}

func TestDecisionAfterClose(t *testing.T) {
	w := newWorld(t)
	var first schema.Approval
	w.vote(1, func() flow.Vote {
		first = w.pending()
		return flow.Vote{Approval: first.ID, Token: w.token(first, "ana", "deny", nil)}
	}, "")
	// contain-host-account goes on to the account after the host was denied.
	w.vote(2, func() flow.Vote { return flow.Vote{Approval: first.ID, Token: w.token(first, "ben", "approve", nil)} }, "is closed")
	w.vote(3, w.by("ben", "approve", nil), "")
	in := flow.RunPlaybookInput{Playbook: "contain-host-account", Incident: "i1", Variables: map[string]string{"host": "ws1", "user": "mira", "title": "x", "alerts": "a1"}}
	tok, _, _ := w.key.SignDecision(auth.RequestClaims("cy", in.Playbook, "i1", w.env.Now()), w.env.Now())
	in.Token = tok
	w.run(in, runDenied)
	if w.published("hosts", "ws1") || !w.published("accounts", "mira") {
		t.Error("the wrong list was published")
	}
}

func TestLowRiskRunsByItself(t *testing.T) {
	w := newWorld(t)
	w.mem.alerts["a1"] = schema.Alert{ID: "a1", Version: 1}
	in := flow.RunPlaybookInput{Playbook: "low-risk-notify", Requester: "system", Variables: map[string]string{"alerts": "a1", "subject": "ws1", "title": "x"}}
	r := w.run(in, runCompleted)
	if len(w.mem.approvals) != 0 || r.Requester != "system" || len(w.mem.alerts["a1"].Tags) != 1 || !w.mem.entries["watch ws1"].Active(time.Now()) {
		t.Errorf("%+v %+v", r.Requester, w.mem.alerts)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	w := newWorld(t)
	in := w.known("cy")
	in.DryRun = true
	w.env.ExecuteWorkflow(RunPlaybook, in)
	var r schema.Run
	_ = w.env.GetWorkflowResult(&r)
	if w.mem.puts != 0 || len(w.mem.approvals) != 0 || w.published("addresses", bad) {
		t.Error("a dry run changed something")
	}
}

// TestChangedApproval: what was approved is changed in the store before the action.
func TestChangedApproval(t *testing.T) {
	for name, change := range map[string]func(*schema.Approval){
		"payload":  func(a *schema.Approval) { a.Payload = strings.Replace(a.Payload, bad, "203.0.113.10", 1) },
		"status":   func(a *schema.Approval) { a.Status = schema.ApprovalDenied },
		"no votes": func(a *schema.Approval) { a.Decisions = nil },
		"rebound":  func(a *schema.Approval) { a.Binding = strings.Repeat("0", 64) },
		"terms":    func(a *schema.Approval) { a.Terms.Stages[0].Quorum = 0 },
		"unproved": func(a *schema.Approval) { a.Decisions[0].User = "ben" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.act.Store = tamper{w.mem, change}
			w.vote(1, w.by("ana", "approve", nil), "")
			w.env.ExecuteWorkflow(RunPlaybook, w.known("cy"))
			if w.env.GetWorkflowError() == nil || w.published("addresses", bad) || count(w.mem.verbs(), "action.refused") != 1 {
				t.Errorf("%v %v", w.env.GetWorkflowError(), w.mem.verbs())
			}
		})
	}
}

type tamper struct {
	*memory
	change func(*schema.Approval)
}

func (x tamper) Approval(ctx context.Context, org, id string) (schema.Approval, error) {
	a, err := x.memory.Approval(ctx, org, id)
	x.change(&a)
	return a, err
}

// TestActionWithoutPlaybook: the stock CLI starts an Action by itself.
func TestActionWithoutPlaybook(t *testing.T) {
	w := newWorld(t)
	w.env.ExecuteWorkflow(flow.Action, flow.ActionInput{Action: "block-address", Target: bad, Arguments: map[string]string{"address": bad}, Key: "k", Run: "r", Step: "s"})
	if err := w.env.GetWorkflowError(); err == nil || !strings.Contains(err.Error(), "needs an approval") || w.published("addresses", bad) {
		t.Errorf("%v", err)
	}
}

// TestTimeBox: the list entry goes when its time has come, unless another run keeps it.
func TestTimeBox(t *testing.T) {
	for _, kept := range []bool{false, true} {
		w := newWorld(t)
		in := flow.ActionInput{Org: "main", Action: "watch", Target: "ws1", Arguments: map[string]string{"value": "ws1", "hours": "1"}, Key: "k", Run: "r", Step: "s"}
		if _, err := w.act.RunAction(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if kept {
			longer := in
			longer.Key, longer.Arguments = "k2", map[string]string{"value": "ws1", "hours": "5"}
			if _, err := w.act.RunAction(t.Context(), longer); err != nil {
				t.Fatal(err)
			}
		}
		in.Undo, in.NotBefore = true, time.Now().Add(time.Hour)
		w.env.RegisterWorkflowWithOptions(Action, workflow.RegisterOptions{Name: "RealAction"})
		w.env.ExecuteWorkflow("RealAction", in)
		if err := w.env.GetWorkflowError(); err != nil {
			t.Fatal(err)
		}
		if got := w.mem.entries["watch ws1"].Removed; got == kept {
			t.Errorf("kept by another run %t: removed %t", kept, got)
		}
	}
}

// TestActionIsPerformedOnce kills the worker between intent and action, and
// between action and result, and runs the activity again.
func TestActionIsPerformedOnce(t *testing.T) {
	for _, point := range []string{"between-intent-and-action", "between-action-and-result"} {
		w := newWorld(t)
		in := flow.ActionInput{Org: "main", Action: "watch", Target: "ws1", Arguments: map[string]string{"value": "ws1"}, Key: "k", Run: "r", Step: "s"}
		crashed := false
		w.act.Crash = func(p string) {
			if p == point && !crashed {
				crashed = true
				panic("killed")
			}
		}
		func() {
			defer func() { _ = recover() }()
			_, _ = w.act.RunAction(t.Context(), in)
		}()
		if !crashed {
			t.Fatal("the crash point was not reached")
		}
		res, err := w.act.RunAction(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if w.mem.puts != 1 || count(w.mem.verbs(), "action.intent") != 1 || count(w.mem.verbs(), "action.result") != 1 {
			t.Errorf("%s: %d writes, outcome %s, trail %v", point, w.mem.puts, res.Outcome, w.mem.verbs())
		}
		w.checkTrail()
	}
}

func TestMissingVariable(t *testing.T) {
	w := newWorld(t)
	w.env.ExecuteWorkflow(RunPlaybook, flow.RunPlaybookInput{Playbook: "contain-address"})
	if err := w.env.GetWorkflowError(); err == nil || !strings.Contains(err.Error(), `needs the variable "address"`) {
		t.Errorf("%v", err)
	}
}

var _ activities.ActionStore = tamper{}
