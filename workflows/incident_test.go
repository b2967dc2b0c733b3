package workflows

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"vigil/internal/auth"
	"vigil/schema"
	"vigil/schema/flow"
)

func (w *world) alert(id, address string, sev schema.Severity) flow.AlertRef {
	w.mem.alerts[id] = schema.Alert{ID: id, Org: "main", Rule: "rule-" + id, Title: "Beacon to " + address, Severity: sev, Risk: 60, Status: schema.AlertOpen, Version: 1,
		Entities: map[string]string{"host": "ws1", "destination.ip": address}, FirstSeen: time.Unix(1000, 0), LastSeen: time.Unix(2000, 0)}
	return flow.AlertRef{ID: id, Playbook: "contain-address"}
}

func (w *world) update(at time.Duration, name string, arg any, want string) {
	w.env.RegisterDelayedCallback(func() {
		bad := func(err error) {
			if err != nil && (want == "" || !strings.Contains(err.Error(), want)) || err == nil && want != "" {
				w.t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
		w.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{OnAccept: func() {}, OnReject: bad, OnComplete: func(_ any, err error) { bad(err) }}, arg)
	}, at)
}

func incidentInput() flow.IncidentInput {
	return flow.IncidentInput{ID: "i1", Key: "host:ws1", Opened: time.Unix(0, 0)}
}

func TestIncidentCollectsAndCloses(t *testing.T) {
	w := newWorld(t)
	a1, a2 := w.alert("a1", bad, schema.High), w.alert("a2", bad, schema.Critical)
	ghost := flow.AlertRef{ID: "ghost", Playbook: "contain-address"}
	w.env.RegisterDelayedCallback(func() { w.env.SignalWorkflow(flow.SignalAlert, []flow.AlertRef{a1, a1, ghost}) }, 0)
	w.env.RegisterDelayedCallback(func() { w.env.SignalWorkflow(flow.SignalAlert, []flow.AlertRef{a2, a1}) }, time.Minute)
	w.update(2*time.Minute, flow.UpdateComment, flow.IncidentComment{By: "cy", Text: "looking"}, "")
	w.update(3*time.Minute, flow.UpdateComment, flow.IncidentComment{By: "cy"}, "a comment has")
	w.update(4*time.Minute, flow.UpdateAck, flow.IncidentAck{By: "cy"}, "")
	w.update(5*time.Minute, flow.UpdateClose, flow.IncidentClose{By: "cy", Verdict: "meh", Reason: "x"}, "cannot be closed as")
	w.update(6*time.Minute, flow.UpdateClose, flow.IncidentClose{By: "cy", Verdict: "true_positive", Reason: "known bad"}, "")
	w.env.ExecuteWorkflow(Incident, incidentInput())
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	got := w.mem.incidents["i1"]
	if got.Status != schema.IncidentClosed || fmt.Sprint(got.Alerts) != "[a1 a2]" || got.Severity != schema.Critical || got.Risk != 84 || got.Assignee != "cy" {
		t.Errorf("%+v", got)
	}
	if len(got.Runs) != 1 || got.Runs[0].Status != runCancelled {
		t.Errorf("runs %+v: alerts with one target share one run, and closing ends it", got.Runs)
	}
	for _, id := range []string{"a1", "a2"} {
		if a := w.mem.alerts[id]; a.Status != schema.AlertClosed || a.Verdict != "true_positive" {
			t.Errorf("%+v", a)
		}
	}
	for _, a := range w.mem.approvals {
		if a.Status != schema.ApprovalVoid {
			t.Errorf("an approval of a closed incident is %s", a.Status)
		}
	}
	w.checkTrail()
}

// TestIncidentToBlock is the main line: alert → incident → approval → block → contained.
func TestIncidentToBlock(t *testing.T) {
	w := newWorld(t)
	ref := w.alert("a1", bad, schema.High)
	w.env.RegisterDelayedCallback(func() { w.env.SignalWorkflow(flow.SignalAlert, []flow.AlertRef{ref}) }, 0)
	w.env.RegisterDelayedCallback(func() {
		if w.mem.incidents["i1"].Status != schema.IncidentAwaiting {
			t.Errorf("the incident is %s", w.mem.incidents["i1"].Status)
		}
		a := w.pending()
		if a.Requester != "system" || a.Needed != 1 {
			t.Errorf("%+v", a)
		}
		err := w.env.UpdateWorkflowByID(a.Workflow, flow.UpdateDecide, "u1", &testsuite.TestUpdateCallback{OnAccept: func() {},
			OnReject: func(err error) { t.Error(err) }, OnComplete: func(any, error) {}}, flow.Vote{Approval: a.ID, Token: w.token(a, "ana", "approve", nil)})
		if err != nil {
			t.Error(err)
		}
	}, time.Minute)
	w.env.RegisterDelayedCallback(func() {
		if got := w.mem.incidents["i1"].Status; got != schema.IncidentContained || !w.published("addresses", bad) {
			t.Errorf("the incident is %s", got)
		}
	}, 2*time.Minute)
	w.update(3*time.Minute, flow.UpdateClose, flow.IncidentClose{By: "cy", Verdict: "true_positive", Reason: "done"}, "")
	w.env.ExecuteWorkflow(Incident, incidentInput())
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if n := count(w.mem.verbs(), "action.result:ok"); n != 4 {
		t.Errorf("%d action results: %v", n, w.mem.verbs())
	}
	w.checkTrail()
}

func TestHandStartedRunKnowsItsRequester(t *testing.T) {
	for _, signed := range []bool{true, false} {
		w := newWorld(t)
		ref := w.alert("a1", bad, schema.High)
		ref.Playbook = ""
		w.env.RegisterDelayedCallback(func() { w.env.SignalWorkflow(flow.SignalAlert, []flow.AlertRef{ref}) }, 0)
		w.env.RegisterDelayedCallback(func() {
			req := flow.IncidentRespond{Playbook: "contain-address", By: "ana"}
			if signed {
				req.Token, _, _ = w.key.SignDecision(auth.RequestClaims("ana", req.Playbook, "i1", w.env.Now()), w.env.Now())
			}
			w.env.UpdateWorkflow(flow.UpdateRespond, "", &testsuite.TestUpdateCallback{OnAccept: func() {}, OnReject: func(err error) { t.Error(err) }, OnComplete: func(any, error) {}}, req)
		}, time.Minute)
		w.env.RegisterDelayedCallback(func() {
			a := w.pending()
			if want := map[bool]string{true: "ana 1", false: "unknown 2"}[signed]; fmt.Sprintf("%s %d", a.Requester, a.Needed) != want {
				t.Errorf("requester %s, %d needed; want %s", a.Requester, a.Needed, want)
			}
		}, 2*time.Minute)
		w.update(3*time.Minute, flow.UpdateClose, flow.IncidentClose{By: "cy", Verdict: "benign", Reason: "x"}, "")
		w.env.ExecuteWorkflow(Incident, incidentInput())
		if err := w.env.GetWorkflowError(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAdminRefusesUnknownVerbs(t *testing.T) {
	w := newWorld(t)
	w.env.ExecuteWorkflow(Admin, flow.AdminInput{Verb: "user.delete"})
	if err := w.env.GetWorkflowError(); err == nil || !strings.Contains(err.Error(), "user.put") {
		t.Errorf("%v", err)
	}
}
