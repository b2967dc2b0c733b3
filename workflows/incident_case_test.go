package workflows

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"vigil/schema"
	"vigil/schema/flow"
)

// signal hands alerts to the incident under test.
func (w *world) joined(at time.Duration, refs ...flow.AlertRef) {
	for i := range refs {
		refs[i].Playbook = ""
	}
	w.env.RegisterDelayedCallback(func() { w.env.SignalWorkflow(flow.SignalAlert, refs) }, at)
}

func (w *world) incident(in flow.IncidentInput) schema.Incident {
	w.t.Helper()
	// On a busy machine a step may take longer than the second that is allowed by default.
	w.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	w.env.SetTestTimeout(time.Minute)
	w.env.ExecuteWorkflow(Incident, in)
	if err := w.env.GetWorkflowError(); err != nil {
		w.t.Fatal(err)
	}
	w.checkTrail()
	return w.mem.incidents["i1"]
}

func TestIncidentCase(t *testing.T) {
	w := newWorld(t)
	w.joined(0, w.alert("a1", bad, schema.Medium))
	due := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	w.update(1*time.Minute, flow.UpdateTask, flow.IncidentTask{By: "cy"}, "needs a title")
	w.update(2*time.Minute, flow.UpdateTask, flow.IncidentTask{By: "cy", Title: "Ask the owner", Owner: "ana", Due: due}, "")
	w.update(3*time.Minute, flow.UpdateTask, flow.IncidentTask{By: "cy", ID: "t9", State: "done"}, "has no task")
	w.update(4*time.Minute, flow.UpdateTask, flow.IncidentTask{By: "cy", ID: "t1", State: "finished"}, "cannot be")
	w.update(5*time.Minute, flow.UpdateTask, flow.IncidentTask{By: "ana", ID: "t1", State: "done"}, "")
	w.update(6*time.Minute, flow.UpdateAttach, flow.IncidentAttach{By: "cy", Name: "x", Hash: "abc"}, "no SHA-256")
	w.update(7*time.Minute, flow.UpdateAttach, flow.IncidentAttach{By: "cy", Name: "x", Hash: strings.Repeat("0", 64)}, "there is no file")
	w.update(8*time.Minute, flow.UpdateAttach, flow.IncidentAttach{By: "cy", Name: "mail.eml", Hash: knownFile}, "")
	w.update(9*time.Minute, flow.UpdateAttach, flow.IncidentAttach{By: "cy", Name: "mail.eml", Hash: knownFile}, "") // a second click
	w.update(10*time.Minute, flow.UpdateAssign, flow.IncidentAssign{By: "cy", To: "ben"}, "")
	w.update(11*time.Minute, flow.UpdateQualify, flow.IncidentClose{By: "ben", Verdict: "meh", Reason: "x"}, "cannot be closed as")
	w.update(12*time.Minute, flow.UpdateQualify, flow.IncidentClose{By: "ben", Verdict: "false_positive", Reason: "backup"}, "")
	w.env.RegisterDelayedCallback(func() {
		if a := w.mem.alerts["a1"]; a.Verdict != "false_positive" || a.Status != schema.AlertOpen || a.Assignee != "ben" {
			t.Errorf("a qualified alert: %+v", a)
		}
	}, 13*time.Minute)
	w.update(14*time.Minute, flow.UpdateClose, flow.IncidentClose{By: "ben", Verdict: "false_positive", Reason: "backup"}, "")
	got := w.incident(incidentInput())
	if len(got.Tasks) != 1 || got.Tasks[0].State != "done" || got.Tasks[0].Owner != "ana" || !got.Tasks[0].Due.Equal(due) || got.Tasks[0].Ended.IsZero() {
		t.Errorf("tasks %+v", got.Tasks)
	}
	if len(got.Attachments) != 1 || got.Attachments[0].Size != int64(len("evidence")) {
		t.Errorf("files %+v: the size is that of the stored bytes, and a second click adds nothing", got.Attachments)
	}
	if minutes := fmt.Sprint(got.Triaged.Sub(got.Opened), got.Acknowledged.Sub(got.Opened), got.Qualified.Sub(got.Opened), got.Closed.Sub(got.Opened)); minutes != "2m0s 10m0s 12m0s 14m0s" {
		t.Errorf("triaged, acknowledged, qualified, closed after %s", minutes)
	}
	for _, c := range got.Clocks {
		if c.Met.IsZero() || !c.Breached.IsZero() {
			t.Errorf("clock %+v", c)
		}
	}
	for _, verb := range []string{"incident.task:ok", "incident.attach:ok", "incident.assign:ok", "incident.qualify:ok"} {
		if count(w.mem.verbs(), verb) == 0 {
			t.Errorf("%s is not audited", verb)
		}
	}
}

// TestIncidentClocks: a deadline that passes is on the timeline, audited, told to whoever has
// Vigil open and to people outside, once; what is done later makes it good.
func TestIncidentClocks(t *testing.T) {
	w := newWorld(t)
	w.joined(0, w.alert("a1", bad, schema.Critical))
	w.update(20*time.Minute, flow.UpdateAck, flow.IncidentAck{By: "cy"}, "")
	w.update(5*time.Hour, flow.UpdateClose, flow.IncidentClose{By: "cy", Verdict: "benign", Reason: "x"}, "")
	got := w.incident(incidentInput())
	for i, want := range []time.Duration{15 * time.Minute, 4 * time.Hour} { // acknowledge, resolve
		c := got.Clocks[i]
		if c.Breached.Sub(got.Opened) != want || c.Met.IsZero() {
			t.Errorf("clock %+v, opened %s", c, got.Opened)
		}
	}
	breaches, notes := 0, 0
	for _, e := range got.Timeline {
		if e.Kind == "clock" {
			breaches++
		}
	}
	for _, n := range w.mem.notes {
		if n.Topic == "incidents" && n.Kind == "breached" {
			notes++
		}
	}
	if breaches != 2 || notes != 2 || count(w.mem.verbs(), "incident.breach:ok") != 2 || count(w.mem.verbs(), "action.result:ok") != 2 {
		t.Errorf("%d lines, %d notes, %v", breaches, notes, w.mem.verbs())
	}
}

// TestIncidentClocksFollowSeverity: a worse alert shortens what is left.
func TestIncidentClocksFollowSeverity(t *testing.T) {
	w := newWorld(t)
	w.joined(0, w.alert("a1", bad, schema.Low))
	w.joined(time.Hour, w.alert("a2", bad, schema.Critical))
	w.update(90*time.Minute, flow.UpdateClose, flow.IncidentClose{By: "cy", Verdict: "benign", Reason: "x"}, "")
	got := w.incident(incidentInput())
	if b := got.Clocks[0].Breached.Sub(got.Opened); b != time.Hour {
		t.Errorf("acknowledging was missed after %s, want at once when it got critical", b)
	}
}

func TestIncidentSplit(t *testing.T) {
	w := newWorld(t)
	w.joined(0, w.alert("a1", bad, schema.Critical), w.alert("a2", bad, schema.Medium))
	w.update(1*time.Minute, flow.UpdateSplit, flow.IncidentSplit{By: "cy", Alerts: []string{"a1"}}, "needs a reason")
	w.update(2*time.Minute, flow.UpdateSplit, flow.IncidentSplit{By: "cy", Alerts: []string{"a9"}, Reason: "x"}, "has no alert")
	w.update(3*time.Minute, flow.UpdateSplit, flow.IncidentSplit{By: "cy", Alerts: []string{"a1", "a2", "a1"}, Reason: "x"}, "some must stay")
	w.update(4*time.Minute, flow.UpdateSplit, flow.IncidentSplit{By: "cy", Alerts: []string{"a1"}, Reason: "another host"}, "")
	var other schema.Incident
	w.env.RegisterDelayedCallback(func() { // the test environment waits for the new one too
		for _, i := range w.mem.incidents {
			if i.ID != "i1" {
				other = i
			}
		}
		err := w.env.UpdateWorkflowByID(other.Workflow, flow.UpdateClose, "u1", &testsuite.TestUpdateCallback{OnAccept: func() {}, OnReject: func(err error) { t.Error(err) }, OnComplete: func(any, error) {}},
			flow.IncidentClose{By: "cy", Verdict: "true_positive", Reason: "y"})
		if a := w.mem.alerts["a1"]; err != nil || a.Status == schema.AlertClosed {
			t.Errorf("%v %+v", err, a)
		}
	}, 8*time.Minute)
	w.update(10*time.Minute, flow.UpdateClose, flow.IncidentClose{By: "cy", Verdict: "benign", Reason: "x"}, "")
	got := w.incident(incidentInput())
	if fmt.Sprint(got.Alerts) != "[a2]" || got.Severity != schema.Medium || got.Risk != 60 || len(got.Links) != 1 || got.Links[0].Kind != "split-into" {
		t.Fatalf("%+v", got)
	}
	if other.ID != got.Links[0].ID {
		t.Errorf("the link leads to %s, the new incident is %s", got.Links[0].ID, other.ID)
	}
	if fmt.Sprint(other.Alerts) != "[a1]" || other.Severity != schema.Critical || other.Links[0].ID != "i1" || other.Links[0].Kind != "split-from" {
		t.Errorf("the new incident: %+v", other)
	}
	if a := w.mem.alerts["a1"]; a.Incident != other.ID || !strings.Contains(a.IncidentWhy, "another host") || a.Verdict != "true_positive" {
		t.Errorf("%+v: it is closed with the incident that it is in", a)
	}
	if w.mem.alerts["a2"].Status != schema.AlertClosed {
		t.Error("what stayed is not closed with its incident")
	}
}

func TestIncidentMerge(t *testing.T) {
	w := newWorld(t)
	w.mem.incidents["open"] = schema.Incident{ID: "open", Workflow: "incident/other", Status: schema.IncidentOpen}
	w.mem.incidents["done"] = schema.Incident{ID: "done", Workflow: "incident/done", Status: schema.IncidentClosed}
	var told []flow.RunReport
	var sent []string
	w.env.OnSignalExternalWorkflow("default-test-namespace", "incident/other", "", flow.SignalRunState, mock.Anything).Return(func(_, _, _, _ string, arg any) error {
		told = append(told, arg.(flow.RunReport))
		return nil
	})
	w.env.OnSignalExternalWorkflow("default-test-namespace", "incident/other", "", flow.SignalAlert, mock.Anything).Return(func(_, _, _, _ string, arg any) error {
		for _, r := range arg.([]flow.AlertRef) {
			sent = append(sent, r.ID)
		}
		return nil
	})
	w.joined(0, w.alert("a1", bad, schema.Medium), w.alert("a2", bad, schema.Medium))
	w.update(1*time.Minute, flow.UpdateMerge, flow.IncidentMerge{By: "cy", Into: "i1", Reason: "x"}, "another incident")
	w.update(2*time.Minute, flow.UpdateMerge, flow.IncidentMerge{By: "cy", Into: "open"}, "needs a reason")
	w.update(3*time.Minute, flow.UpdateMerge, flow.IncidentMerge{By: "cy", Into: "done", Reason: "x"}, "is closed")
	w.update(4*time.Minute, flow.UpdateMerge, flow.IncidentMerge{By: "cy", Into: "nowhere", Reason: "x"}, "there is no incident")
	w.update(5*time.Minute, flow.UpdateMerge, flow.IncidentMerge{By: "cy", Into: "open", Reason: "one attacker"}, "")
	got := w.incident(incidentInput())
	if got.Status != schema.IncidentClosed || got.Verdict != "merged" || len(got.Alerts) != 0 || got.Links[0].ID != "open" {
		t.Errorf("%+v", got)
	}
	slices.Sort(sent)
	if fmt.Sprint(sent) != "[a1 a2]" || len(told) != 1 || told[0].Link.ID != "i1" {
		t.Errorf("sent %v, told %+v", sent, told)
	}
	for _, id := range []string{"a1", "a2"} {
		if a := w.mem.alerts[id]; a.Incident != "open" || a.Status != schema.AlertOpen || a.Verdict != "" {
			t.Errorf("%+v", a)
		}
	}
	if count(w.mem.verbs(), "incident.merge:ok") != 1 {
		t.Errorf("%v", w.mem.verbs())
	}
}

// TestOldIncidentsHaveNoClocks: an incident whose history is older than deadlines keeps to it.
func TestOldIncidentsHaveNoClocks(t *testing.T) {
	w := newWorld(t)
	w.env.OnGetVersion("clocks", workflow.DefaultVersion, workflow.Version(1)).Return(workflow.DefaultVersion)
	w.joined(0, w.alert("a1", bad, schema.Critical))
	w.update(9*time.Hour, flow.UpdateClose, flow.IncidentClose{By: "cy", Verdict: "benign", Reason: "x"}, "")
	if got := w.incident(incidentInput()); len(got.Clocks) != 0 {
		t.Errorf("%+v", got.Clocks)
	}
}
