package response

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"vigil/internal/auth"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

const address = "203.0.113.77"

func (w *world) pending() (schema.Approval, bool) {
	list, err := w.store.Approvals(w.t.Context(), "main", store.ApprovalFilter{Status: "pending", Limit: 10})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(list) == 0 {
		return schema.Approval{}, false
	}
	return list[0], true
}

func (w *world) decide(a schema.Approval, token string) (flow.VoteResult, error) {
	var res flow.VoteResult
	h, err := w.tp.UpdateWorkflow(w.t.Context(), client.UpdateWorkflowOptions{WorkflowID: a.Workflow, UpdateName: flow.UpdateDecide,
		Args: []any{flow.Vote{Approval: a.ID, Token: token}}, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err == nil {
		err = h.Get(w.t.Context(), &res)
	}
	return res, err
}

// TestMainLine: detections → alerts → incident → playbook → forged and real
// decisions → block, once → verified → closed, with the audit to prove it.
func TestMainLine(t *testing.T) {
	w := newWorld(t)
	w.user("ana", "approver")
	w.user("cy", "analyst")
	w.commit("hunt:1", detection("d1", `OFFICE\ws1`, address, schema.High), detection("d2", `OFFICE\ws1`, address, schema.High), detection("d3", "ws2", "10.0.0.9", schema.Low))
	began := time.Now()
	res, err := w.alerts.FoldChunk(t.Context(), "main", []string{"hunt:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("fold: %+v in %s", res, time.Since(began))
	if res.Alerts != 2 || res.Incidents != 1 || res.Runs != 1 {
		t.Fatalf("%+v", res)
	}
	list, _, err := w.store.Alerts(t.Context(), "main", store.AlertFilter{Severity: "high", Text: `office\WS1`})
	if err != nil || len(list) != 1 || list[0].Count != 2 {
		t.Fatalf("%+v %v", list, err)
	}
	var a schema.Approval
	w.eventually("an approval request", func() (ok bool) { a, ok = w.pending(); return ok })
	t.Logf("alert to approval: %s", time.Since(began))
	w.refuses(a)
	tok, _, err := w.key.SignDecision(auth.Claims{Approval: a.ID, Binding: a.Binding, User: "ana", Verdict: "approve", Reason: "seen", Channel: "temporal"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if got, err := w.decide(a, tok); err != nil || got.Status != "approved" {
		t.Fatalf("%+v %v", got, err)
	}
	w.eventually("the published block", func() bool { ok, _ := w.lists.Contains("main", "addresses", address); return ok })
	t.Logf("approval to block: %s", time.Since(began))
	if got, err := w.decide(a, tok); err == nil && got.Have != 1 {
		t.Errorf("a second click counted: %+v", got)
	}
	w.eventually("a contained incident", func() bool {
		i, err := w.store.Incident(t.Context(), "main", list[0].Incident)
		return err == nil && i.Status == schema.IncidentContained
	})
	w.closeIncident(list[0].Incident)
	w.lowRisk()
	for key, n := range w.seen() {
		if key == "" || n != 1 {
			t.Errorf("the listener saw key %q %d times", key, n)
		}
	}
	w.verify()
	w.detectRound()
	if *record {
		w.record(a.Workflow, list[0].Incident)
	}
}

func (w *world) seen() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.posts)
}

// refuses sends what somebody can make who may write to Temporal but has no key,
// and what a signed-in user without the role gets.
func (w *world) refuses(a schema.Approval) {
	w.t.Helper()
	own, err := auth.LoadDecisionKey(filepath.Join(w.t.TempDir(), "own"))
	if err != nil {
		w.t.Fatal(err)
	}
	claims := auth.Claims{Approval: a.ID, Binding: a.Binding, User: "ana", Verdict: "approve", Reason: "x", Channel: "temporal"}
	forged, _, _ := own.SignDecision(claims, time.Now())
	for _, tok := range []string{"", "ana", forged} {
		if _, err := w.decide(a, tok); err == nil || !strings.Contains(err.Error(), "vigil approvals sign "+a.ID) {
			w.t.Errorf("a forged decision: %v", err)
		}
	}
	claims.User = "cy"
	weak, _, _ := w.key.SignDecision(claims, time.Now())
	if _, err := w.decide(a, weak); err == nil || !strings.Contains(err.Error(), "may not decide") {
		w.t.Errorf("an analyst's decision: %v", err)
	}
}

func (w *world) closeIncident(id string) {
	w.t.Helper()
	i, err := w.store.Incident(w.t.Context(), "main", id)
	if err != nil {
		w.t.Fatal(err)
	}
	run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: flow.AdminID("main", "incident", id), TaskQueue: flow.QueueRespond}, flow.Admin,
		flow.AdminInput{Verb: "incident.close", By: "cy", Key: id, Args: map[string]string{"workflow": i.Workflow, "verdict": "true_positive", "reason": "seen"}})
	if err == nil {
		err = run.Get(w.t.Context(), nil)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.eventually("closed alerts", func() bool {
		l, _, err := w.store.Alerts(w.t.Context(), "main", store.AlertFilter{Status: "closed"})
		return err == nil && len(l) == 1 && l[0].Verdict == "true_positive"
	})
}

// lowRisk: the low alert was answered without a person.
func (w *world) lowRisk() {
	w.t.Helper()
	w.eventually("the watch list entry", func() bool {
		e, err := w.store.ListEntry(w.t.Context(), "main", "watch", "ws2")
		return err == nil && e.Version == 1
	})
}

func (w *world) detectRound() {
	w.t.Helper()
	run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: flow.DetectID("main"), TaskQueue: flow.QueueDetect}, flow.Detect, flow.DetectInput{})
	var res flow.DetectResult
	if err == nil {
		err = run.Get(w.t.Context(), &res)
	}
	if err != nil || res.Folded != 0 {
		w.t.Errorf("a round with nothing to do: %+v %v", res, err)
	}
	w.eventually("exported histories", func() bool {
		l, err := w.store.RunsWithoutHistory(w.t.Context(), "main", 10)
		return err == nil && len(l) == 0
	})
	heads, err := w.store.AuditHeads(w.t.Context(), "main")
	if err != nil || len(heads) != 1 {
		w.t.Errorf("heads %v %v", heads, err)
	}
}

// TestKillBetweenInsertAndFold kills the fold at each of its points; the sweep
// makes the same alerts, one incident and one run.
func TestKillBetweenInsertAndFold(t *testing.T) {
	w := newWorld(t)
	for n, point := range []string{"before-fold", "between-insert-and-answer", "before-ledger"} {
		host := fmt.Sprint("kill", n)
		chunk := "hunt:" + point
		w.commit(chunk, detection("k1"+point, host, address, schema.High), detection("k2"+point, "low"+host, "10.1.1.1", schema.Low))
		w.kill(chunk, point)
		res, err := w.alerts.SweepAlerts(t.Context(), "main")
		if err != nil || res.Chunks != 1 || res.Alerts != 2 {
			t.Fatalf("%s: %+v %v", point, res, err)
		}
		if res, err = w.alerts.SweepAlerts(t.Context(), "main"); err != nil || res.Chunks != 0 {
			t.Errorf("%s: swept again: %+v %v", point, res, err)
		}
		w.eventually("one incident with one alert", func() bool {
			list, _, err := w.store.Incidents(t.Context(), "main", "", 100, "")
			found := 0
			for _, i := range list {
				if i.Key == "host:"+host && len(i.Alerts) == 1 && len(i.Runs) == 1 {
					found++
				}
			}
			return err == nil && found == 1
		})
	}
}

func (w *world) kill(chunk, point string) {
	w.t.Helper()
	reached := false
	w.alerts.Crash = func(p string) {
		if p == point {
			reached = true
			panic("killed at " + p)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = w.alerts.FoldChunk(w.t.Context(), "main", []string{chunk})
	}()
	w.alerts.Crash = nil
	if !reached {
		w.t.Fatalf("the crash point %s was not reached", point)
	}
}

// record writes the histories of the main line for the replay tests.
func (w *world) record(run, incident string) {
	w.t.Helper()
	i, err := w.store.Incident(w.t.Context(), "main", incident)
	if err != nil {
		w.t.Fatal(err)
	}
	act := ""
	for _, e := range i.Timeline {
		if e.Kind == "action" {
			act = e.Ref
		}
	}
	w.t.Logf("last action: %s", act)
	w.recordAll(map[string]string{"RunPlaybook-contain-address": run, "Incident-closed": i.Workflow, "Detect-idle": flow.DetectID("main"), "Admin-user-put": flow.AdminID("main", "user", "ana"),
		"Admin-incident-close": flow.AdminID("main", "incident", incident), "Action-block-address": w.actionOf(run)})
}

// recordAll writes the histories of workflows under names for the replay tests.
func (w *world) recordAll(ids map[string]string) {
	w.t.Helper()
	for name, id := range ids {
		text, err := w.history(id)
		if err != nil {
			w.t.Fatal(err)
		}
		dir := filepath.Join("..", "..", "workflows", "testdata", "replay")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".json"), text, 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
}
