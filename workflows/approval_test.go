package workflows

import (
	"strings"
	"testing"
	"time"

	"vigil/internal/approval"
	"vigil/internal/auth"
	"vigil/schema"
	"vigil/schema/flow"
)

// policies reads a policy file of a test.
func policies(t *testing.T, text string) *approval.Policies {
	t.Helper()
	p, err := approval.Parse("test.yaml", []byte(text), func(a string) bool { return a == "watch" })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const low = "policies:\n  - {name: low, when: \"risk == 'low'\", mode: auto}\n"

// days is after how many minutes a day has passed.
const day = 24 * 60

func TestEscalationOverDays(t *testing.T) {
	w := newWorldWith(t, policies(t, low+`
  - name: long
    mode: two-person
    on_timeout: escalate
    stages:
      - {name: primary, quorum: 2, deadline_minutes: 2880, eligible: {users: [ana, ben]}}
      - {name: executive, quorum: 1, deadline_minutes: 2880, eligible: {roles: [admin]}}
`))
	w.vote(day, w.by("root", "approve", nil), "is not asked")
	w.vote(3*day, w.by("root", "approve", nil), "")
	w.run(w.known("cy"), runCompleted)
	if !w.published("addresses", bad) || count(w.mem.verbs(), "approval.escalate") != 1 || count(w.mem.verbs(), "approval.decide:refused") != 1 {
		t.Errorf("%v", w.mem.verbs())
	}
}

func TestSmallerActionWhenNobodyAnswers(t *testing.T) {
	w := newWorldWith(t, policies(t, low+`
  - {name: rest, mode: one, on_timeout: smaller, smaller: {action: watch, arguments: {value: "{target}", hours: "5"}}}
`))
	w.run(w.known("cy"), runDenied)
	if w.published("addresses", bad) || !w.mem.entries["watch "+bad].Active(time.Now()) || count(w.mem.verbs(), "approval.expire") != 1 {
		t.Errorf("%v %v", w.mem.entries, w.mem.verbs())
	}
}

func TestNarrowedActionIsWhatRuns(t *testing.T) {
	w := newWorldWith(t, policies(t, low+"  - {name: rest, mode: two-person}\n"))
	var first schema.Approval
	w.vote(1, func() flow.Vote {
		first = w.pending()
		return flow.Vote{Approval: first.ID, Token: w.token(first, "ana", "approve", nil)}
	}, "")
	w.vote(2, w.by("ben", "narrow", func(c *auth.Claims) { c.Args = map[string]string{"hours": "240"} }), "widening needs a new request")
	w.vote(3, w.by("ben", "narrow", func(c *auth.Claims) { c.Args = map[string]string{"hours": "3"} }), "")
	w.vote(4, func() flow.Vote { return flow.Vote{Approval: first.ID, Token: w.token(first, "root", "approve", nil)} }, "other content")
	w.vote(5, w.by("ben", "approve", nil), "")
	w.vote(6, w.by("ana", "approve", nil), "")
	w.run(w.known("cy"), runCompleted)
	if left := time.Until(w.boxes[0].NotBefore); left > 4*time.Hour || left < time.Hour || w.boxes[0].Arguments["hours"] != "3" {
		t.Errorf("the time box ends in %s: %v", left, w.boxes[0].Arguments)
	}
}

func TestBreakGlassInARun(t *testing.T) {
	w := newWorld(t)
	w.vote(1, w.by("ana", "break-glass", nil), "may not break the glass")
	w.vote(2, w.by("root", "break-glass", nil), "")
	w.run(w.contain("", ""), runCompleted) // an unknown requester, who would need two
	for _, a := range w.mem.approvals {
		if a.Review == nil || a.Review.State != schema.ReviewPending {
			t.Errorf("no review waits: %+v", a.Review)
		}
	}
}

// TestPolicyAlone: a policy may let a risky action run by itself; when it says
// otherwise right before the side effect, nothing happens.
func TestPolicyAlone(t *testing.T) {
	free := low + "  - {name: rest, mode: notify}\n"
	w := newWorldWith(t, policies(t, free))
	w.run(w.known("cy"), runCompleted)
	if !w.published("addresses", bad) || count(w.mem.verbs(), "action.result:ok") != 5 { // with the notification of it
		t.Errorf("%v", w.mem.verbs())
	}
	w = newWorldWith(t, policies(t, free))
	w.act.Policies = approval.Default()
	w.env.ExecuteWorkflow(RunPlaybook, w.known("cy"))
	if err := w.env.GetWorkflowError(); err == nil || !strings.Contains(err.Error(), "no policy lets") || w.published("addresses", bad) {
		t.Errorf("%v", err)
	}
}

// TestLowRiskAsks: a policy may ask about actions of low risk too, and the worker
// holds to it when the action comes without a playbook.
func TestLowRiskAsks(t *testing.T) {
	strict := policies(t, "policies:\n  - {name: all, mode: one}\n")
	w := newWorldWith(t, strict)
	w.mem.alerts["a1"] = schema.Alert{ID: "a1", Version: 1}
	for n := range 3 {
		w.vote(n+1, w.by("ana", "approve", nil), "")
	}
	w.run(flow.RunPlaybookInput{Playbook: "low-risk-notify", Requester: "system", Variables: map[string]string{"alerts": "a1", "subject": "ws1", "title": "x", "severity": "low"}}, runCompleted)
	if len(w.mem.approvals) != 3 {
		t.Errorf("%d approvals", len(w.mem.approvals))
	}
	w = newWorldWith(t, strict)
	w.env.ExecuteWorkflow(flow.Action, flow.ActionInput{Action: "watch", Target: "ws1", Arguments: map[string]string{"value": "ws1"}, Key: "k", Run: "r", Step: "s"})
	if err := w.env.GetWorkflowError(); err == nil || !strings.Contains(err.Error(), "needs an approval") {
		t.Errorf("%v", err)
	}
}

func TestRuleAuthorMayNotDecide(t *testing.T) {
	w := newWorld(t)
	w.mem.alerts["a1"] = schema.Alert{ID: "a1", Rule: "ana"} // the test's Authors names the rule itself
	w.vote(1, w.by("ana", "approve", nil), "wrote the rule")
	w.vote(2, w.by("ben", "approve", nil), "")
	w.run(w.known("cy"), runCompleted)
}
