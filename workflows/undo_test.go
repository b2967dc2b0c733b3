package workflows

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"

	"vigil/internal/auth"
	"vigil/schema"
	"vigil/schema/flow"
)

// undo runs the undo of the incident i1 as the user.
func (w *world) undo(user string) (flow.UndoResult, error) {
	w.t.Helper()
	tok, _, err := w.key.SignDecision(auth.Claims{Approval: "i1", User: user, Verdict: auth.VerdictUndo, Reason: "a false alarm"}, w.env.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	w.env.ExecuteWorkflow(Admin, flow.AdminInput{Verb: "incident.undo", Key: "i1", Args: map[string]string{"token": tok}})
	if err := w.env.GetWorkflowError(); err != nil {
		return flow.UndoResult{}, err
	}
	var res flow.AdminResult
	var out flow.UndoResult
	if err := w.env.GetWorkflowResult(&res); err != nil {
		w.t.Fatal(err)
	}
	return out, json.Unmarshal([]byte(res.Doc), &out)
}

// acted is a world in which an incident has had three actions.
func acted(t *testing.T) *world {
	w := newWorld(t)
	w.undoes = true
	// No time box of these waits in this environment; integration/response ends a real one.
	w.env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, flow.SignalEnd, mock.Anything).Return(errors.New("there is no such workflow"))
	w.mem.incidents["i1"] = schema.Incident{ID: "i1"}
	w.mem.alerts["a1"] = schema.Alert{ID: "a1"}
	for _, in := range []flow.ActionInput{
		{Action: "watch", Target: "ws1", Arguments: map[string]string{"value": "ws1"}, Key: "k1"},
		{Action: "tag", Target: "x", Arguments: map[string]string{"tag": "x", "alerts": "a1"}, Key: "k2"},
		{Action: "watch", Target: "ws2", Arguments: map[string]string{"value": "ws2"}, Key: "k3"},
	} {
		in.Org, in.Run, in.Step, in.Incident = "main", "r", "s", "i1"
		if _, err := w.act.RunAction(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	return w
}

func TestUndoInReverse(t *testing.T) {
	w := acted(t)
	out, err := w.undo("ana")
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Steps) != 2 || out.Steps[0].Target != "ws2" || out.Steps[1].Target != "ws1" || len(out.Left) != 1 || out.Left[0] != "tag x" || out.By != "ana" {
		t.Errorf("%+v", out)
	}
	for _, host := range []string{"ws1", "ws2"} {
		if w.mem.entries["watch "+host].Active(time.Now()) {
			t.Errorf("%s is still watched", host)
		}
	}
	if rec, _ := w.mem.Action(t.Context(), "main", "k1"); rec.UndoneBy != "ana" || rec.UndoResult != "done" {
		t.Errorf("%+v", rec)
	}
	w.checkTrail()
}

func TestWhoMayUndo(t *testing.T) {
	for user, want := range map[string]string{"cy": "may not take actions back", "nobody": "no user"} {
		w := acted(t)
		if _, err := w.undo(user); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", user, err)
		}
	}
	w := acted(t)
	w.env.ExecuteWorkflow(Admin, flow.AdminInput{Verb: "incident.undo", Key: "i1", By: "ana", Args: map[string]string{"token": ""}})
	if err := w.env.GetWorkflowError(); err == nil || !strings.Contains(err.Error(), "no decision token") || !w.mem.entries["watch ws1"].Active(time.Now()) {
		t.Errorf("without a token: %v", err)
	}
}

// TestEndedTimeBoxIsNoRepeat: the same action in the same incident is done again once
// the time box of the first has ended.
func TestEndedTimeBoxIsNoRepeat(t *testing.T) {
	w := newWorld(t)
	w.mem.alerts["a1"] = schema.Alert{ID: "a1", Version: 1}
	in := flow.ActionInput{Org: "main", Action: "watch", Target: "ws1", Arguments: map[string]string{"value": "ws1"}, Incident: "i1"}
	if a, b := actionID(in), actionID(in, "2026-03-01T10:00:00Z"); a == b || a != actionID(in) {
		t.Error("the id does not tell the second time box from the first")
	}
}
