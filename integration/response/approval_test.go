package response

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"vigil/integration/tptest"
	"vigil/internal/auth"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
	"vigil/worker"
)

// restart ends worker and Temporal, and starts both again over what they left.
func (w *world) restart() {
	w.t.Helper()
	w.stopWorker()
	w.stopTemporal()
	w.tp, w.stopTemporal = tptest.DialIn(w.t, w.temporalDir, w.with...)
	w.startWorker()
}

// TestApprovalSurvivesRestart: a request waits for most of a day; Temporal and the
// workers are restarted while it does, and its deadline and decisions still count.
// Payloads are encrypted, but for recording.
func TestApprovalSurvivesRestart(t *testing.T) {
	var with []func(*client.Options)
	if !*record {
		codec, err := worker.OpenCodec(filepath.Join(t.TempDir(), "payload.keys"))
		if err != nil {
			t.Fatal(err)
		}
		with = append(with, codec.Encrypt)
	}
	w := newWorldWith(t, nil, with...)
	w.user("ana", "approver")
	w.user("root", "admin")
	w.commit("hunt:r", detection("r1", "ws9", address, schema.High))
	if _, err := w.alerts.FoldChunk(t.Context(), "main", []string{"hunt:r"}); err != nil {
		t.Fatal(err)
	}
	var a schema.Approval
	w.eventually("an approval request", func() (ok bool) { a, ok = w.pending(); return ok })
	if left := time.Until(a.Deadline); left < 11*time.Hour {
		t.Errorf("the deadline is in %s", left)
	}
	act := func(user, verdict string, args map[string]string) error {
		b, _ := w.pending()
		tok, _, err := w.key.SignDecision(auth.Claims{Approval: b.ID, Binding: b.Binding, User: user, Verdict: verdict, Reason: "seen", Channel: "cli", Args: args}, time.Now())
		if err == nil {
			_, err = w.decide(b, tok)
		}
		return err
	}
	if err := act("ana", "narrow", map[string]string{"hours": "2"}); err != nil {
		t.Fatal(err)
	}
	w.restart()
	b, ok := w.pending()
	if !ok || b.Binding == a.Binding || !b.Deadline.Equal(a.Deadline) {
		t.Fatalf("after the restart: %+v", b)
	}
	if err := act("root", "break-glass", nil); err != nil {
		t.Fatal(err)
	}
	w.eventually("the published block", func() bool { ok, _ := w.lists.Contains("main", "addresses", address); return ok })
	e, err := w.store.ListEntry(t.Context(), "main", "addresses", address)
	if err != nil || time.Until(e.Expires) > 2*time.Hour {
		t.Errorf("what was narrowed to two hours ends in %s: %v", time.Until(e.Expires), err)
	}
	if text, err := w.history(b.Workflow); err != nil || !*record && strings.Contains(string(text), base64.StdEncoding.EncodeToString([]byte(address))[:12]) || !*record && !strings.Contains(string(text), "YmluYXJ5L2VuY3J5cHRlZA") {
		t.Errorf("the history is readable: %v", err)
	}
	w.review(b.ID)
	w.undo(b.Incident)
	w.verify()
}

// review lets somebody else look at the break-glass decision.
func (w *world) review(id string) {
	w.t.Helper()
	waiting := func() []schema.Approval {
		list, err := w.store.Approvals(w.t.Context(), "main", store.ApprovalFilter{Review: schema.ReviewPending})
		if err != nil {
			w.t.Fatal(err)
		}
		return list
	}
	if l := waiting(); len(l) != 1 || l[0].ID != id {
		w.t.Fatalf("reviews that wait: %+v", l)
	}
	a := waiting()[0]
	for user, ok := range map[string]bool{"root": false, "ana": true} {
		tok, _, err := w.key.SignDecision(auth.Claims{Approval: id, Binding: a.Binding, User: user, Verdict: schema.ReviewUnjustified, Reason: "it was a printer"}, time.Now())
		if err != nil {
			w.t.Fatal(err)
		}
		run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: flow.AdminID("main", "approval", id), TaskQueue: flow.QueueRespond}, flow.Admin,
			flow.AdminInput{Verb: "approval.review", Key: id, Args: map[string]string{"token": tok}})
		if err == nil {
			err = run.Get(w.t.Context(), nil)
		}
		if (err == nil) != ok {
			w.t.Errorf("the review of %s: %v", user, err)
		}
	}
	if len(waiting()) != 0 {
		w.t.Error("the review still waits")
	}
}

// undo takes back what was done for the incident, long before its time box ends.
func (w *world) undo(incident string) {
	w.t.Helper()
	run := func(user string) (flow.UndoResult, error) {
		tok, _, err := w.key.SignDecision(auth.Claims{Approval: incident, User: user, Verdict: auth.VerdictUndo, Reason: "a false alarm"}, time.Now())
		if err != nil {
			w.t.Fatal(err)
		}
		var res flow.AdminResult
		run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: flow.AdminID("main", "undo", incident), TaskQueue: flow.QueueRespond}, flow.Admin,
			flow.AdminInput{Verb: "incident.undo", Key: incident, Args: map[string]string{"token": tok}})
		if err == nil {
			err = run.Get(w.t.Context(), &res)
		}
		var out flow.UndoResult
		if err == nil {
			err = json.Unmarshal([]byte(res.Doc), &out)
		}
		return out, err
	}
	w.user("cy", "analyst")
	if _, err := run("cy"); err == nil {
		w.t.Error("an analyst took an approved action back")
	}
	w.eventually("the record of the block", func() bool {
		l, err := w.store.Actions(w.t.Context(), "main", incident)
		return err == nil && len(l) > 0 && l[len(l)-1].Action == "block-address"
	})
	out, err := run("ana")
	if err != nil || len(out.Steps) == 0 || out.Steps[0].Action != "block-address" || out.Steps[0].Outcome != "done" {
		w.t.Fatalf("%+v %v", out, err)
	}
	if ok, _ := w.lists.Contains("main", "addresses", address); ok {
		w.t.Error("the address is still published")
	}
	if out, err = run("ana"); err != nil || len(out.Steps) != 0 {
		w.t.Errorf("a second undo: %+v %v", out, err)
	}
	w.eventually("the undo on the timeline", func() bool {
		i, err := w.store.Incident(w.t.Context(), "main", incident)
		return err == nil && slices.ContainsFunc(i.Timeline, func(e schema.TimelineEntry) bool {
			return e.By == "ana" && strings.HasPrefix(e.Text, "Took back block-address")
		})
	})
	if *record {
		w.recordAll(map[string]string{"Admin-incident-undo": flow.AdminID("main", "undo", incident)})
	}
}

// TestSharedAction: two playbooks ask for the same at once; it is done once, and both
// get its result.
func TestSharedAction(t *testing.T) {
	w := newWorld(t)
	in := flow.RunPlaybookInput{Playbook: "low-risk-notify", Requester: "system", Incident: "i1", Variables: map[string]string{"alerts": "none", "subject": "ws5", "title": "Beacon"}}
	var runs []client.WorkflowRun
	for n := range 2 {
		run, err := w.tp.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: flow.RunID("main", "i1", in.Playbook, n), TaskQueue: flow.QueueRespond}, flow.RunPlaybook, in)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
	}
	for _, run := range runs {
		var r schema.Run
		if err := run.Get(t.Context(), &r); err != nil || r.Status != "completed" {
			t.Errorf("%+v %v", r, err)
		}
	}
	if posts := w.seen(); len(posts) != 1 {
		t.Errorf("people were told %d times: %v", len(posts), posts)
	}
	all, err := w.store.Actions(t.Context(), "main", "i1")
	if err != nil || len(all) != 3 {
		t.Errorf("%d actions were performed, want tag, notify, watch once each: %v", len(all), err)
	}
}
