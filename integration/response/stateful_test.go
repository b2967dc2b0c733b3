package response

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vigil/activities"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/schema"
)

// statefulRules are small rules of every kind that judges events together.
const statefulRules = `id: st-count
title: Count
author: Vigil
severity: informational
kind: threshold
dataset: linux.auth
when: e.event.outcome == 'failure'
threshold: {group_by: [source], count: 3, within: 7m}
entities: {source: source.ip}
---
id: st-sequence
title: Sequence
author: Vigil
severity: informational
kind: sequence
dataset: linux.auth
sequence: {by: [source], within: 10m, steps: [{when: "e.event.outcome == 'failure'", count: 2}, {absent: "e.event.action == 'logout'"}, {when: "e.event.outcome == 'success'"}]}
entities: {source: source.ip}
---
id: st-missing
title: Absence at the end
author: Vigil
severity: informational
kind: sequence
dataset: linux.auth
sequence: {by: [source], within: 6m, steps: [{when: "e.event.outcome == 'success'"}, {absent: "e.event.action == 'logout'"}]}
entities: {source: source.ip}
---
id: st-new
title: New user
author: Vigil
severity: informational
kind: new_terms
dataset: linux.auth
when: has(e.user.name)
new_terms: {of: [user], by: [source], days: 2}
entities: {source: source.ip, user: user.name}
---
id: st-sum
title: Many events in an hour
author: Vigil
severity: informational
kind: aggregate
dataset: linux.auth
aggregate:
  window: 1h
  every: 1ms
  sql: SELECT toString(source_ip) AS source, count() AS n FROM events WHERE event_dataset = 'linux.auth' GROUP BY source HAVING n >= 4 AND countIf(event_action = 'logout') < 3
entities: {source: source}
`

// chunkOf commits events as a chunk of an org, with the base detections of the set.
func (w *world) chunkOf(set *rules.Set, org string, n int, events []*schema.Event) string {
	w.t.Helper()
	c := schema.Chunk{Org: org, Source: "s", ID: fmt.Sprintf("%s-chunk-%d", org, n), Fingerprint: fmt.Sprint(n), Records: int64(len(events)), Events: int64(len(events)),
		Ingested: time.Now().UTC().Truncate(time.Millisecond), RuleSet: set.Hash(), Last: true}
	d := store.ChunkData{Chunk: c, Events: store.NewBatch()}
	ev := set.Evaluator()
	for _, e := range events {
		d.Events.Append(e)
		for _, h := range ev.Evaluate(e, nil) {
			det := h.Detection(rules.Origin{Org: org, Source: "s", Chunk: c.ID, Ingested: c.Ingested})
			d.Detections = append(d.Detections, det)
		}
	}
	if err := w.store.CommitChunk(w.t.Context(), d); err != nil {
		w.t.Fatal(err)
	}
	return c.ID
}

// randomEvents are logins of two addresses over some days.
func randomEvents(t *testing.T, rnd *rand.Rand, n int) []*schema.Event {
	t.Helper()
	base := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	var out []*schema.Event
	for i := range n {
		at := base.AddDate(0, 0, rnd.IntN(5)).Add(time.Duration(rnd.IntN(90)) * time.Minute)
		outcome, action := []string{"failure", "failure", "success"}[rnd.IntN(3)], "login"
		if rnd.IntN(5) == 0 {
			action = "logout"
		}
		e, err := rules.NewEvent([][2]string{{"event.dataset", "linux.auth"}, {"timestamp", at.Format(time.RFC3339)}, {"event.outcome", outcome}, {"event.action", action},
			{"source.ip", fmt.Sprintf("192.0.2.%d", 1+rnd.IntN(2))}, {"user.name", fmt.Sprint("user", rnd.IntN(60))}})
		if err != nil {
			t.Fatal(err)
		}
		e.ID = schema.EventIDAt(7, int64(i))
		out = append(out, e)
	}
	return out
}

// judged are the alerts of an org, without what order of arrival may change; the count
// of detections that were taken back says whether there was anything to get wrong.
func (w *world) judged(org string) (alerts []string, withdrawn string) {
	w.t.Helper()
	list, _, err := w.store.Alerts(w.t.Context(), org, store.AlertFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range list {
		if a.Count == 0 {
			if a.Status != schema.AlertClosed || a.Reason == "" {
				w.t.Errorf("%s: alert %s of %s has nothing left and is %s %q", org, a.ID, a.Rule, a.Status, a.Reason)
			}
			continue
		}
		alerts = append(alerts, fmt.Sprint(a.Rule, a.DedupKey, a.FirstSeen, a.LastSeen, a.Count, a.Status))
	}
	slices.Sort(alerts)
	return alerts, w.query("SELECT count() FROM retractions FINAL WHERE withdrawn AND org = '" + org + "'")
}

// TestStatefulArrival: the same events, in order at once, and late and disordered in
// small chunks with kills at every point and repeats, give the same alerts; and the
// ledger then proves that every rule version has seen every chunk.
func TestStatefulArrival(t *testing.T) {
	set, errs := rules.Load(fstest.MapFS{"r.yaml": {Data: []byte(statefulRules)}})
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	w := newWorldWith(t, set)
	w.alerts.Rules = &activities.RuleSets{Store: w.store, Local: set}
	rnd := rand.New(rand.NewPCG(5, 6))
	events := randomEvents(t, rnd, 400)
	for _, org := range []string{"calm", "wild"} {
		if _, err := w.alerts.Rules.InForce(t.Context(), org); err != nil {
			t.Fatal(err)
		}
	}
	w.chunkOf(set, "calm", 0, events)
	if _, err := w.alerts.EvaluateWindows(t.Context(), "calm"); err != nil {
		t.Fatal(err)
	}
	rnd.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	points := []string{"before-window-detections", "before-window-ledger", "before-fold", "between-insert-and-answer", "before-ledger"}
	crashes := map[string]int{}
	n := 0
	for part := range slices.Chunk(events, 40) {
		id := w.chunkOf(set, "wild", n, part)
		for _, point := range points {
			w.crashAt(point, crashes, func() {
				if n%2 == 0 {
					_, _ = w.alerts.FoldChunk(t.Context(), "wild", []string{id})
				} else {
					_, _ = w.alerts.EvaluateWindows(t.Context(), "wild")
				}
			})
		}
		n++
	}
	for range 2 { // what Detect does
		if _, err := w.alerts.SweepAlerts(t.Context(), "wild"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.alerts.EvaluateWindows(t.Context(), "wild"); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range points {
		if crashes[p] == 0 {
			t.Errorf("never killed at %s: a void run", p)
		}
	}
	want, _ := w.judged("calm")
	got, taken := w.judged("wild")
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("disordered:\n%s\nin order:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, r := range set.Rules() {
		if !slices.ContainsFunc(want, func(s string) bool { return strings.HasPrefix(s, r.ID) }) {
			t.Errorf("%s raised nothing: the test shows nothing of it", r.ID)
		}
	}
	if taken == "0" {
		t.Error("nothing was ever taken back: the test shows little")
	}
	c, err := w.store.Coverage(t.Context(), "wild", 100)
	if err != nil || len(c.Unproven) != 0 || c.Late == 0 || c.Chunks != int64(n) {
		t.Errorf("coverage %+v %v", c, err)
	}
	t.Logf("%d alerts, %s detections taken back, kills %v, ledger %d evaluated %d late", len(want), taken, crashes, c.Evaluated, c.Late)
}

// crashAt kills what do does at a point, if it comes there.
func (w *world) crashAt(point string, crashes map[string]int, do func()) {
	w.alerts.Crash = func(p string) {
		if p == point {
			crashes[point]++
			panic("killed at " + p)
		}
	}
	defer func() { w.alerts.Crash = nil }()
	defer func() { _ = recover() }()
	do()
}
