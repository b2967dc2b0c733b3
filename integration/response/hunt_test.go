package response

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/internal/store"
	"vigil/internal/testdata"
	"vigil/rules"
	"vigil/schema"
	"vigil/schema/flow"
)

// huntRecordings hold what rules of several kinds fire on.
var huntRecordings = []string{
	"linux/auth.log.gz",
	"mordor/windows/credential_access/empire_shell_reg_dump_sam.jsonl.zst",
	"mordor/windows/execution/empire_launcher_vbs.jsonl.zst",
}

// run starts a workflow and waits for its result.
func (w *world) run(id, kind string, in, out any) error {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Minute)
	defer cancel()
	run, err := w.tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(kind)}, kind, in)
	if err != nil {
		return err
	}
	return run.Get(ctx, out)
}

// ingest ingests the recordings as one source.
func (w *world) ingest(names ...string) {
	w.t.Helper()
	in := flow.IngestInput{Source: "rec"}
	for _, name := range names {
		in.Paths = append(in.Paths, filepath.Join(testdata.Shared(w.t), name))
	}
	var p flow.IngestProgress
	if err := w.run(flow.IngestID("main", "rec"), flow.Ingest, in, &p); err != nil {
		w.t.Fatal(err)
	}
	w.t.Logf("%d events, %d detections, %d alerts", p.Events, p.Detections, p.Alerts)
}

// query asks the engine over HTTP, beside the store.
func (w *world) query(sql string) string {
	w.t.Helper()
	q := url.Values{"user": {w.engine.User}, "password": {w.engine.Password.Reveal()}, "database": {"vigil"}}
	res, err := http.Post("http://"+w.engine.HTTPAddr+"/?"+q.Encode(), "text/plain", strings.NewReader(sql))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s %v", sql, b, err)
	}
	return strings.TrimSpace(string(b))
}

// found is what is stored of detections and alerts.
type found struct {
	detections map[string]schema.Detection // by id
	alerts     map[string]schema.Alert
	rules      map[string][2]time.Time // first and last detection
}

func (w *world) found() found {
	w.t.Helper()
	f := found{map[string]schema.Detection{}, map[string]schema.Alert{}, map[string][2]time.Time{}}
	for line := range strings.Lines(w.query("SELECT doc FROM detections WHERE kind != 'base' FORMAT TSVRaw")) {
		var d schema.Detection
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			w.t.Fatal(err)
		}
		if _, twice := f.detections[d.ID]; twice {
			w.t.Errorf("detection %s of %s is stored twice", d.ID, d.Rule)
		}
		r, ok := f.rules[d.Rule]
		if !ok {
			r = [2]time.Time{d.Time, d.Time}
		}
		if d.Time.Before(r[0]) {
			r[0] = d.Time
		}
		if d.Time.After(r[1]) {
			r[1] = d.Time
		}
		f.rules[d.Rule] = r
		d.Chunk, d.Ingested = "", time.Time{} // what may differ
		f.detections[d.ID] = d
	}
	list, _, err := w.store.Alerts(w.t.Context(), "main", store.AlertFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range list {
		a.Created, a.Incident, a.Version, a.Status, a.Acknowledged, a.Tags = time.Time{}, "", 0, "", time.Time{}, nil
		f.alerts[a.ID] = a
	}
	return f
}

// only keeps what some rules found: the log of the others spans months, and hunting
// it for each of them takes minutes.
func (f found) only(keep func(rule string) bool) found {
	maps.DeleteFunc(f.rules, func(rule string, _ [2]time.Time) bool { return !keep(rule) })
	maps.DeleteFunc(f.detections, func(_ string, d schema.Detection) bool { return !keep(d.Rule) })
	maps.DeleteFunc(f.alerts, func(_ string, a schema.Alert) bool { return !keep(a.Rule) })
	return f
}

// TestHunt: what rules find when they see events come is what hunts make of the same
// events later, and a hunt that is repeated adds nothing.
func TestHunt(t *testing.T) {
	testdata.Shared(t)
	var want found
	var whole found
	t.Run("inline", func(t *testing.T) {
		w := newWorld(t)
		w.ingest(huntRecordings...)
		if _, err := w.alerts.EvaluateWindows(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
		whole = w.found()
		w.allAtOnce(whole, 0)
		want = w.found().only(func(rule string) bool { return rule == "linux-ssh-brute-force" || !strings.HasPrefix(rule, "linux-") })
		w.huntsAgree(want)
	})
	t.Run("many", func(t *testing.T) {
		w := newWorldWith(t, rules.SetOf())
		w.ingest(huntRecordings...)
		w.previewAgrees(whole)
		w.allAtOnce(whole, int64(len(whole.detections)))
		w.allAtOnce(whole, 0)
		if got := w.found(); !reflect.DeepEqual(got.detections, whole.detections) || !reflect.DeepEqual(got.alerts, whole.alerts) {
			t.Errorf("all rules at once made %d detections and %d alerts, ingestion %d and %d", len(got.detections), len(got.alerts), len(whole.detections), len(whole.alerts))
			for id, d := range whole.detections {
				if !reflect.DeepEqual(got.detections[id], d) {
					t.Fatalf("%s: the hunt made\n%+v, ingestion\n%+v", d.Rule, got.detections[id], d)
				}
			}
			for id, a := range whole.alerts {
				if !reflect.DeepEqual(got.alerts[id], a) {
					t.Fatalf("the hunt's alert is\n%+v, ingestion's\n%+v", got.alerts[id], a)
				}
			}
		}
	})
	t.Run("raise", func(t *testing.T) {
		w := newWorldWith(t, rules.SetOf())
		w.ingest(huntRecordings...)
		if n := len(w.found().detections); n > 0 {
			t.Fatalf("%d detections without rules", n)
		}
		w.raiseAll(want)
		w.refusedHunts()
		w.posture()
	})
}

// hunt runs a hunt of a rule around the time of its detections.
func (w *world) hunt(in flow.HuntInput, span [2]time.Time) flow.HuntResult {
	w.t.Helper()
	in.From, in.To, in.By = span[0].Add(-time.Hour), span[1].Add(time.Hour), "test"
	var res flow.HuntResult
	id := flow.HuntID("main", in.Rule, schema.HashID(fmt.Sprint(in), w.t.Name()))
	if err := w.run(id, flow.Hunt, in, &res); err != nil {
		w.t.Fatal(err)
	}
	return res
}

// huntsAgree hunts for every rule that fired; raising adds nothing to what
// ingestion has found.
func (w *world) huntsAgree(want found) {
	w.t.Helper()
	kinds := map[string]int{}
	for rule, span := range want.rules {
		n := int64(0)
		for _, d := range want.detections {
			if d.Rule == rule {
				n++
			}
		}
		res := w.hunt(flow.HuntInput{Rule: rule, Raise: true, Limit: 3}, span)
		kinds[res.Kind]++
		if res.Fires != n || res.Detections != 0 || res.Alerts != 0 || len(res.Samples) != int(min(n, 3)) || res.Scanned == 0 || res.Bytes == 0 {
			w.t.Errorf("%s: ingestion made %d detections, the hunt says %+v", rule, n, res)
		}
		if res.Kind != "threshold" && res.Hits != n {
			w.t.Errorf("%s: %d hits, want %d", rule, res.Hits, n)
		}
	}
	w.t.Logf("rules hunted, by kind: %v", kinds)
	if kinds["match"] < 3 || kinds["threshold"] < 1 {
		w.t.Errorf("too few rules fire on the recordings: %v", kinds)
	}
	if n := w.query("SELECT count() FROM detections WHERE startsWith(chunk, 'hunt:')"); n != "0" {
		w.t.Errorf("hunts over what is known added %s detections", n)
	}
}

// allAtOnce hunts for all rules in one pass, raising: each finds what ingestion found, and
// so many detections are new.
func (w *world) allAtOnce(want found, fresh int64) {
	w.t.Helper()
	var res flow.HuntResult
	in := flow.HuntInput{Rules: []string{"*"}, Raise: true, By: "test"}
	if err := w.run(flow.HuntID("main", in.Name(), schema.HashID(w.t.Name(), fmt.Sprint(fresh))), flow.Hunt, in, &res); err != nil {
		w.t.Fatal(err)
	}
	n := map[string]int64{}
	for _, d := range want.detections {
		n[d.Rule]++
	}
	for _, f := range res.Found {
		if f.Fires != n[f.Rule] || len(f.Samples) != int(min(f.Fires, 3)) {
			w.t.Errorf("%s: ingestion made %d detections, all rules at once %+v", f.Rule, n[f.Rule], f)
		}
	}
	if len(res.Found) != len(n) || len(n) < 4 || res.Rules < 20 || res.Fires != int64(len(want.detections)) || res.Detections != fresh || res.Scanned == 0 || res.Bytes == 0 {
		w.t.Errorf("%d rules fired at ingestion, %d detections: %+v", len(n), len(want.detections), res)
	}
	if len(res.Skipped) == 0 || !strings.Contains(res.Skipped[0], "a query over windows") {
		w.t.Errorf("aggregate rules are not named: %q", res.Skipped)
	}
}

// previewAgrees: a preview over few events knows them all, and writes nothing.
func (w *world) previewAgrees(want found) {
	w.t.Helper()
	var res flow.HuntResult
	in := flow.HuntInput{Rules: []string{"*"}, Raise: true, Preview: true, By: "test"}
	if err := w.run(flow.HuntID("main", in.Name(), "preview"), flow.Hunt, in, &res); err != nil {
		w.t.Fatal(err)
	}
	p := res.Preview
	if p == nil || p.Events == 0 || p.SampleEvents != p.Events || p.Fires != int64(len(want.detections)) || p.Alerts != int64(len(want.alerts)) || p.Rows != p.Events || p.Bytes == 0 {
		w.t.Errorf("%d detections, %d alerts; the preview says %+v", len(want.detections), len(want.alerts), p)
	}
	if err := w.run(flow.HuntID("main", "condition", "preview"), flow.Hunt, flow.HuntInput{When: "e.message.icontains(['accepted password'])", Datasets: []string{"linux.*"}, Preview: true}, &res); err != nil {
		w.t.Fatal(err)
	}
	if p = res.Preview; p.Fires == 0 || p.Alerts == 0 || p.Rows == 0 || p.Rows > p.Events {
		w.t.Errorf("a condition: %+v", p)
	}
	if n := len(w.found().detections); n > 0 {
		w.t.Errorf("a preview wrote %d detections", n)
	}
}

// raiseAll raises every rule twice over events that came without rules.
func (w *world) raiseAll(want found) {
	w.t.Helper()
	for round := range 2 {
		for rule, span := range want.rules {
			res := w.hunt(flow.HuntInput{Rule: rule, Raise: true, Limit: round + 1}, span)
			if fresh := res.Detections > 0; fresh != (round == 0) {
				w.t.Errorf("round %d: %+v", round, res)
			}
		}
		got := w.found()
		for id, d := range want.detections {
			if !reflect.DeepEqual(got.detections[id], d) {
				w.t.Errorf("round %d, %s: the hunt made\n%+v, ingestion\n%+v", round, d.Rule, got.detections[id], d)
			}
		}
		for id, a := range want.alerts {
			if !reflect.DeepEqual(got.alerts[id], a) {
				w.t.Errorf("round %d: the hunt's alert is\n%+v, ingestion's\n%+v", round, got.alerts[id], a)
			}
		}
		if len(got.detections) != len(want.detections) || len(got.alerts) != len(want.alerts) {
			w.t.Errorf("round %d: %d detections, want %d; %d alerts, want %d", round, len(got.detections), len(want.detections), len(got.alerts), len(want.alerts))
		}
	}
	if n := w.query("SELECT count() FROM audit WHERE verb = 'hunt.run' AND actor = 'test'"); n != fmt.Sprint(2*len(want.rules)) {
		w.t.Errorf("%s hunts are in the audit trail", n)
	}
	if *record {
		for rule, span := range want.rules {
			if rule != "linux-ssh-brute-force" {
				continue
			}
			in := flow.HuntInput{Rule: rule, Raise: true, From: span[0].Add(-time.Hour), To: span[1].Add(time.Hour), By: "test"}
			if err := w.run(flow.HuntID("main", rule, "recorded"), flow.Hunt, in, nil); err != nil {
				w.t.Fatal(err)
			}
			w.recordAll(map[string]string{"Hunt-raise": flow.HuntID("main", rule, "recorded"), "Ingest-files": flow.IngestID("main", "rec")})
		}
	}
}

const draftRule = `id: my-draft
title: Accepted logins
author: test
status: draft
severity: low
dataset: linux.auth
when: e.message.istartsWith(['Accepted'])
`

// refusedHunts: what cannot be hunted is refused at once, with what to do.
func (w *world) refusedHunts() {
	w.t.Helper()
	for _, c := range []struct {
		in   flow.HuntInput
		want string
	}{
		{flow.HuntInput{}, "a hunt needs a rule"},
		{flow.HuntInput{Rule: "linux-ssh-brute-forse"}, `did you mean "linux-ssh-brute-force"?`},
		{flow.HuntInput{Rule: "linux-ssh-brute-force", YAML: "x"}, "names a rule and brings another"},
		{flow.HuntInput{YAML: strings.Replace(draftRule, "e.message", "e.mesage", 1)}, "rule.yaml:7:"},
		{flow.HuntInput{YAML: draftRule, Raise: true}, "not in use as it is written here"},
		{flow.HuntInput{YAML: draftRule, Limit: 5000}, "1 to 1000"},
		{flow.HuntInput{Rules: []string{"*"}, Limit: 50}, "1 to 10"},
		{flow.HuntInput{Rules: []string{"no-such-*"}}, "no rule in use fits"},
		{flow.HuntInput{Rules: []string{"win-*", "linux-ssh-brute-forse"}}, `did you mean "linux-ssh-brute-force"?`},
		{flow.HuntInput{When: "e.user.nam == 'x'"}, "condition:1:8"},
		{flow.HuntInput{When: "e.user.name == 'x'", Raise: true}, "not in use as it is written here"},
		{flow.HuntInput{Rule: aggregateRule(w.sets.Now(schema.DefaultOrg))}, "is a query over windows"},
		{flow.HuntInput{YAML: draftRule, From: time.Now(), To: time.Now().Add(-time.Hour)}, "is empty"},
	} {
		err := w.run(flow.HuntID("main", "refused", schema.HashID(fmt.Sprint(c.in))), flow.Hunt, c.in, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			w.t.Errorf("%+v: %v, want %q", c.in, err, c.want)
		}
	}
	var res flow.HuntResult
	id := flow.HuntID("main", "draft", "1")
	if err := w.run(id, flow.Hunt, flow.HuntInput{YAML: draftRule}, &res); err != nil || res.Hits == 0 || res.Fires != res.Hits || len(res.Samples) == 0 {
		w.t.Errorf("a draft over all history: %+v %v", res, err)
	}
	v, err := w.tp.QueryWorkflow(w.t.Context(), id, "", flow.QueryState)
	var st flow.HuntState
	if err == nil {
		err = v.Get(&st)
	}
	if err != nil || st.Status != "completed" || st.Windows != st.All || st.Result.Hits != res.Hits || st.All == 0 {
		w.t.Errorf("state: %+v %v", st, err)
	}
}

// aggregateRule is the id of a rule that is a query.
func aggregateRule(set *rules.Set) string {
	for _, r := range set.Rules() {
		if r.Query != nil {
			return r.ID
		}
	}
	return ""
}

const objectives = `id: test
title: Test
objectives:
  - {id: coverage, title: SSH guessing is seen, metric: technique_coverage, target: 100%, scope: {techniques: [T1110.001]}}
  - {id: proved, title: Sources are proved, metric: unproved_sources, target: 0, severity: high}
  - {id: feeds, title: Feeds are fresh, metric: intel_age, target: 1h}
`

// posture assesses, proves the source, and assesses again: the finding closes.
func (w *world) posture() {
	w.t.Helper()
	assess := func(text string) flow.AssessPostureResult {
		var res flow.AssessPostureResult
		if err := w.run(flow.PostureID("main"), flow.AssessPosture, flow.AssessPostureInput{Objectives: text, By: "test"}, &res); err != nil {
			w.t.Fatal(err)
		}
		return res
	}
	want := func(res flow.AssessPostureResult, met, missed, unknown, opened, closed int) {
		w.t.Helper()
		if res.Met != met || res.Missed != missed || res.Unknown != unknown || res.Opened != opened || res.Closed != closed {
			a, _ := w.store.Assessment(w.t.Context(), "main", res.Objectives)
			w.t.Errorf("%+v, want %d met, %d missed, %d unknown, %d opened, %d closed\n%+v", res, met, missed, unknown, opened, closed, a.Results)
		}
	}
	want(assess(objectives), 1, 1, 1, 1, 0)
	open, err := w.store.Findings(w.t.Context(), "main", "objective", "open", 10)
	if err != nil || len(open) != 1 || open[0].Subject != "test/proved" || open[0].Severity != schema.High || open[0].Version != 1 {
		w.t.Errorf("%+v %v", open, err)
	}
	want(assess(objectives), 1, 1, 1, 0, 0)
	if err := w.run(flow.AdminID("main", "prove", "rec"), flow.Admin, flow.AdminInput{Verb: "prove", Key: "rec"}, nil); err != nil {
		w.t.Fatal(err)
	}
	want(assess(objectives), 2, 0, 1, 0, 1)
	a, err := w.store.Assessment(w.t.Context(), "main", "test")
	if err != nil || a.Status != schema.ObjectiveUnknown || len(a.Results) != 3 || len(a.Sources) != 1 || a.Sources[0].State != schema.Present || len(a.Datasets) < 2 {
		w.t.Errorf("%+v %v", a, err)
	}
	h, err := w.store.ObjectiveHistory(w.t.Context(), "main", "test", time.Now().Add(-time.Hour))
	if err != nil || len(h["proved"]) != 3 || h["proved"][0].Status != schema.ObjectiveMissed || h["proved"][2].Status != schema.ObjectiveMet {
		w.t.Errorf("%+v %v", h, err)
	}
	w.facts()
	// An objective that leaves the file takes its finding along.
	missing := "id: test\ntitle: Test\nobjectives:\n  - {id: zerologon, title: Firmware, metric: technique_coverage, target: 1%, scope: {techniques: [T1495]}}\n"
	want(assess(missing), 0, 1, 0, 1, 0)
	want(assess(objectives), 2, 0, 1, 0, 1)
	res := assess("")
	if res.Objectives != "builtin" || res.Met+res.Missed+res.Unknown < 8 {
		w.t.Errorf("%+v", res)
	}
	if *record {
		w.recordAll(map[string]string{"AssessPosture-builtin": flow.PostureID("main")})
	}
	err = w.run(flow.PostureID("main"), flow.AssessPosture, flow.AssessPostureInput{Objectives: "id: x1\ntitle: T\nobjectives:\n  - {id: a1, title: A, metric: intel_ages, target: 1h}\n"}, nil)
	if err == nil || !strings.Contains(err.Error(), `objectives.yaml:4:32: there is no metric "intel_ages" (did you mean "intel_age"?)`) {
		w.t.Errorf("%v", err)
	}
	notes, err := w.store.NotesSince(w.t.Context(), "main", "", 5000)
	n := 0
	for _, x := range notes {
		if x.Topic == "posture" {
			n++
		}
	}
	if err != nil || n != 6 {
		w.t.Errorf("%d notes about posture, %v", n, err)
	}
}

// facts checks what the store says of a source with a rhythm, and of alerts that
// somebody took.
func (w *world) facts() {
	w.t.Helper()
	now := time.Now().UTC()
	for i := range 8 { // every half hour, the newest two hours ago
		at := now.Add(-2*time.Hour - time.Duration(i)*30*time.Minute)
		w.query(fmt.Sprintf("INSERT INTO chunks (org, source, id, records, failures, committed) VALUES ('main', 'rhythm', 'r%d', 10, 1, '%s')", i, at.Format("2006-01-02 15:04:05.000000")))
	}
	list, _, err := w.store.Alerts(w.t.Context(), "main", store.AlertFilter{Limit: 1})
	if err != nil || len(list) != 1 {
		w.t.Fatal(list, err)
	}
	id := list[0].ID
	if err := w.run(flow.AdminID("main", "alert", id), flow.Admin, flow.AdminInput{Verb: "alert.update", Key: id, By: "cy", Args: map[string]string{"status": "acknowledged"}}, nil); err != nil {
		w.t.Fatal(err)
	}
	f, err := w.store.PostureFacts(w.t.Context(), "main", now.AddDate(0, 0, -30), now)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range f.Sources {
		if quiet := now.Sub(s.LastIngest).Round(time.Minute); s.ID == "rhythm" && (s.Gap != 30*time.Minute || s.Records != 80 || s.Failures != 8 || quiet != 2*time.Hour) {
			w.t.Errorf("%+v, silent for %s", s, quiet)
		}
	}
	taken := 0
	for _, a := range f.Alerts {
		if !a.Acknowledged.IsZero() {
			taken++
			if a.ID != id || a.Acknowledged.Before(a.Created) {
				w.t.Errorf("%+v", a)
			}
		}
	}
	if len(f.Sources) != 2 || taken != 1 {
		w.t.Errorf("%d sources, %d alerts taken", len(f.Sources), taken)
	}
	w.query("ALTER TABLE chunks DELETE WHERE source = 'rhythm' SETTINGS mutations_sync = 1")
}

// TestHuntCancel: a hunt that is cancelled stops its query on the engine.
func TestHuntCancel(t *testing.T) {
	w := newWorld(t)
	var e schema.Event
	b := store.NewBatch()
	const days, rows = 30, 10
	for day := range days { // a partition each, so that they are never merged to one block
		b.Reset()
		for i := range rows {
			at := time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC)
			e.Reset([]byte("slow"), int64(i))
			e.ID = schema.EventIDAt(uint64(day), int64(i))
			e.SetTime(schema.FTimestamp, at)
			b.Append(&e)
		}
		if err := w.store.InsertEvents(t.Context(), "main", "slow", fmt.Sprint("slow", day), time.Now().AddDate(0, 0, -day), b); err != nil {
			t.Fatal(err)
		}
	}
	q := store.HuntQuery{Org: "main", Condition: "sleepEachRow(0.25) = 0", From: time.Unix(0, 0), To: time.Now(), ID: "hunt-to-cancel"}
	for what, ask := range map[string]func(context.Context) error{
		"count": func(ctx context.Context) error { _, err := w.store.CountHits(ctx, q); return err },
		"sweep": func(ctx context.Context) error {
			_, err := w.store.SweepEvents(ctx, store.Sweep{Org: q.Org, From: q.From, To: q.To, Condition: q.Condition, ID: q.ID}, func(store.HitEvent) error { return nil })
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ask(ctx) }()
		running := func() bool {
			return w.query("SELECT count() FROM system.processes WHERE query_id = 'hunt-to-cancel'") == "1"
		}
		w.eventually("the query", running)
		began := time.Now()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
		w.eventually("the end of the query on the engine", func() bool { return !running() })
		if took, whole := time.Since(began), days*rows*250*time.Millisecond/2; took > whole/2 {
			t.Errorf("%s: the engine went on for %s, the whole query takes %s", what, took, whole)
		}
	}
	enough := errors.New("enough")
	if _, err := w.store.SweepEvents(t.Context(), store.Sweep{Org: "main", From: q.From, To: q.To, ID: "hunt-broken-off"}, func(store.HitEvent) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("a sweep that its reader ends: %v", err)
	}
	var started enums.WorkflowExecutionStatus
	id := flow.HuntID("main", "cancelled", "1")
	run, err := w.tp.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueDetect}, flow.Hunt, flow.HuntInput{YAML: draftRule, From: time.Unix(0, 0)})
	if err == nil {
		err = w.tp.CancelWorkflow(t.Context(), id, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Get(t.Context(), nil); err == nil {
		t.Error("a cancelled hunt completed")
	}
	w.eventually("a cancelled hunt", func() bool {
		d, err := w.tp.DescribeWorkflowExecution(t.Context(), id, "")
		if err == nil {
			started = d.WorkflowExecutionInfo.Status
		}
		return started == enums.WORKFLOW_EXECUTION_STATUS_CANCELED
	})
}
