package models

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"vigil/internal/ml"
	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/internal/store"
	"vigil/internal/testdata"
	"vigil/schema"
	"vigil/schema/flow"
)

const detector = "zeek-conn-iforest"

// connLogs extracts the connection logs of the shared recordings that are large enough
// to learn from and carry times: 3,000 connections of four networks.
func connLogs(t *testing.T) []string {
	t.Helper()
	root := testdata.Shared(t)
	var out []string
	for i, name := range []string{"zeek/ocsf-raw-zeek.zip!Zeek/conn.log", "zeek/lsass-campaigns.zip!LSASS_campaign_05/conn.log", "zeek/apt29-day1.zip!NASHUA/conn.log", "zeek/rita-edge-cases.zip!proxy/conn.log"} {
		archive, member, _ := strings.Cut(name, "!")
		z, err := zip.OpenReader(filepath.Join(root, archive))
		if err != nil {
			t.Fatal(err)
		}
		f, err := z.Open(member)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = z.Close()
		out = append(out, write(t, fmt.Sprintf("%d/conn.log", i), string(text)))
	}
	return out
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// conn is a line of a connection log.
func conn(uid string, at time.Time, responder string, port int, service, state string, seconds float64, out, in int64) string {
	b, _ := json.Marshal(map[string]any{"ts": float64(at.UnixMilli()) / 1000, "uid": uid, "id.orig_h": "10.0.1.6", "id.orig_p": 50123, "id.resp_h": responder, "id.resp_p": port, "proto": "tcp",
		"service": service, "conn_state": state, "duration": seconds, "orig_bytes": out, "resp_bytes": in, "orig_pkts": out/1400 + 1, "resp_pkts": in/60 + 1, "history": "ShADadfF"})
	return string(b) + "\n"
}

// stolen is an hour in which three gigabytes leave the network to a port nobody uses.
func stolen(t *testing.T, uid string) string {
	return write(t, uid+"/conn.log", conn(uid, time.Date(2024, 9, 3, 20, 0, 0, 0, time.UTC), "203.0.113.66", 4444, "ssl", "SF", 3600, 3<<30, 2<<20))
}

// TestRetrain: a model is trained on real connections and promoted, one is refused
// for too little data and one because its data was poisoned, a second one is promoted and
// rolled back, then the first. An injected anomaly alerts while a model is in force and
// never else.
func TestRetrain(t *testing.T) {
	logs := connLogs(t)
	w := newWorld(t)
	p := w.ingest("network", logs...)
	t.Logf("%d events, %d records not taken, %d detections", p.Events, p.Failures, p.Detections)
	w.featuresAgree(logs)
	w.ingest("before", stolen(t, "CBefore"))
	if got := w.anomalies("before"); len(got) > 0 {
		t.Errorf("an alert without a model: %+v", got)
	}
	w.attacksAreNotLearned("before")
	w.scoresOnce()

	first := w.promoted(flow.RetrainInput{Detector: detector, By: "ana"})
	w.keep("Retrain-promoted", flow.RetrainID("main", detector))
	w.pinned(first.Model)
	w.alertsOn("stolen-1")

	// A window with too few rows: refused, and the champion stays.
	few := w.retrain(flow.RetrainInput{Detector: detector, From: time.Date(2023, 1, 4, 0, 0, 0, 0, time.UTC), To: time.Date(2023, 1, 10, 0, 0, 0, 0, time.UTC)})
	if few.Decision != "refused" || few.Champion != first.Model || few.Model != "" || few.Rows < 100 || !strings.Contains(few.Why, "too little data") {
		t.Errorf("%+v", few)
	}
	w.keep("Retrain-refused", flow.RetrainID("main", detector))

	// Other rows give another model, which takes the first one's place.
	second := w.promoted(flow.RetrainInput{Detector: detector, MaxRows: 2500})
	if second.Model == first.Model {
		t.Error("other rows gave the same model")
	}
	w.status(first.Model, "retired")
	w.refusedPoison(second.Model)

	w.rolledBack(first.Model)
	w.status(second.Model, "rolled-back")
	w.alertsOn("stolen-2")
	w.rolledBack("")
	w.keep("Retrain-rolled-back", flow.RetrainID("main", detector))
	w.status(first.Model, "rolled-back")
	w.eventually(func() bool { now, err := w.live.InForce(t.Context(), "main"); return err == nil && now == "" })
	w.ingest("stolen-3", stolen(t, "CThird"))
	if got := w.anomalies("stolen-3"); len(got) > 0 {
		t.Errorf("an alert after the rollback: %+v", got)
	}
	w.underItsOwnID()
	w.oneAtATime()
	w.audited()
}

// promoted trains, which must pass the gate.
func (w *world) promoted(in flow.RetrainInput) flow.RetrainResult {
	w.t.Helper()
	res := w.retrain(in)
	if res.Decision != "promoted" || res.Champion != res.Model || len(res.Checks) < 4 || res.Metrics["recall"] < 0.5 {
		w.t.Fatalf("%+v", res)
	}
	w.status(res.Model, "champion")
	w.eventually(func() bool {
		now, err := w.live.InForce(w.t.Context(), "main")
		return err == nil && now == detector+"="+res.Model
	})
	return res
}

func (w *world) status(model, want string) {
	w.t.Helper()
	m, err := w.store.Model(w.t.Context(), "main", model)
	if err != nil || m.Status != want || ml.ModelID(m.Body) != model {
		w.t.Errorf("model %s is %q, want %q (%v)", model, m.Status, want, err)
	}
}

func (w *world) eventually(ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatal("it did not happen")
		}
	}
}

// alertsOn ingests the injected anomaly as a source; it must raise the alert, say why,
// and leave its score.
func (w *world) alertsOn(name string) {
	w.t.Helper()
	w.ingest(name, stolen(w.t, "C"+name))
	got := w.anomalies(name)
	if len(got) != 1 {
		w.t.Fatalf("%s: %d detections of an anomaly", name, len(got))
	}
	d := got[0]
	w.t.Logf("%s: %s %+v", name, d.Rule, d.Why)
	why := fmt.Sprint(d.Why)
	if d.Entities["destination.ip"] != "203.0.113.66" || !strings.Contains(why, "explanation") || !strings.Contains(why, "usual") {
		w.t.Errorf("%+v", d)
	}
	chunks, err := w.store.Chunks(w.t.Context(), "main", name)
	if err != nil || len(chunks) == 0 {
		w.t.Fatal(err)
	}
	_, model, _ := strings.Cut(chunks[0].Models, "=")
	m, err := w.store.Model(w.t.Context(), "main", model)
	if err != nil {
		w.t.Fatalf("the chunk names model %q: %v", chunks[0].Models, err)
	}
	kept, above, err := w.store.ScoreStats(w.t.Context(), "main", model, m.Threshold)
	if err != nil || above < 1 || kept < above {
		w.t.Errorf("%d scores kept, %d above the threshold (%v)", kept, above, err)
	}
}

// refusedPoison floods the network with the theft until it would be usual.
func (w *world) refusedPoison(champion string) {
	w.t.Helper()
	var b strings.Builder
	at := time.Date(2024, 9, 2, 0, 0, 0, 0, time.UTC)
	for i := range int64(4000) {
		b.WriteString(conn(fmt.Sprintf("CPoison%d", i), at.Add(time.Duration(i)*20*time.Second), fmt.Sprintf("203.0.113.%d", i%256), int(1024+(i*16411)%64000), "ssl", "SF",
			float64(60+i), 20<<20+i<<20, 20<<10+i<<10))
	}
	p := w.ingest("flood", write(w.t, "flood/conn.log", b.String()))
	w.t.Logf("flood: %+v", p)
	res := w.retrain(flow.RetrainInput{Detector: detector})
	var failed strings.Builder
	for _, c := range res.Checks {
		if !c.Pass {
			failed.WriteString(" " + c.Name)
		}
	}
	if res.Decision != "refused" || res.Champion != champion || !strings.Contains(failed.String(), "no-attack-lost") {
		w.t.Errorf("a poisoned model: %+v", res)
	}
	w.status(res.Model, "refused")
	w.status(champion, "champion")
}

// rolledBack rolls back as a person does; want is what must be in force then.
func (w *world) rolledBack(want string) {
	w.t.Helper()
	var res flow.AdminResult
	if err := w.run(flow.AdminID("main", "model", detector), flow.QueueRespond, flow.Admin,
		flow.AdminInput{Verb: "model.rollback", Key: detector, By: "ana", Args: map[string]string{"reason": "too many alerts"}}, &res); err != nil {
		w.t.Fatal(err)
	}
	if res.Doc != want {
		w.t.Errorf("after the rollback %q is in force, want %q", res.Doc, want)
	}
	w.eventually(func() bool {
		now, err := w.live.InForce(w.t.Context(), "main")
		_, id, _ := strings.Cut(now, "=")
		return err == nil && id == want
	})
}

// underItsOwnID: a run with any id does its work under the detector's, and a model that
// was rolled back does not come back.
func (w *world) underItsOwnID() {
	w.t.Helper()
	var res flow.RetrainResult
	id := "retrain-weekly/main/" + detector + "-2026-03-01"
	run := func(in flow.RetrainInput) error {
		in.Detector, res = detector, flow.RetrainResult{}
		return w.run(id, flow.QueueTrain, flow.Retrain, in, &res)
	}
	beforeFlood := flow.RetrainInput{MaxRows: 2500, To: time.Date(2024, 9, 2, 0, 0, 0, 0, time.UTC)}
	if err := run(beforeFlood); err != nil || res.Decision != "promoted" {
		w.t.Errorf("%+v %v", res, err)
	}
	w.keep("Retrain-scheduled", id)
	if err := run(beforeFlood); err != nil || res.Decision != "refused" || !strings.Contains(res.Why, "the same data gave the champion again") {
		w.t.Errorf("%+v %v", res, err)
	}
	if err := run(flow.RetrainInput{Rollback: true}); err != nil || res.Decision != "rolled-back" || res.Champion != "" {
		w.t.Errorf("%+v %v", res, err)
	}
	if err := run(beforeFlood); err != nil || res.Decision != "refused" || !strings.Contains(res.Why, "rolled back") {
		w.t.Errorf("%+v %v", res, err)
	}
	if err := run(flow.RetrainInput{Rollback: true}); err == nil || !strings.Contains(err.Error(), "no model of "+detector+" is in force") {
		w.t.Errorf("rolling back nothing: %+v %v", res, err)
	}
	for in, want := range map[string]flow.RetrainInput{"needs a detector": {}, "there is no detector": {Detector: "other"},
		"ends before it begins": {Detector: detector, From: time.Unix(2000, 0), To: time.Unix(1000, 0)}} {
		if err := w.run("retrain-bad", flow.QueueTrain, flow.Retrain, want, &res); err == nil || !strings.Contains(err.Error(), in) {
			w.t.Errorf("%q: %v", in, err)
		}
	}
}

// oneAtATime: while something runs under the detector's id, a training is refused, not failed,
// and a rollback says what to wait for.
func (w *world) oneAtATime() {
	w.t.Helper()
	id := flow.RetrainID("main", detector)
	if _, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "nobody"}, flow.Retrain, flow.RetrainInput{Detector: detector}); err != nil {
		w.t.Fatal(err)
	}
	var res flow.RetrainResult
	if err := w.run("retrain-second", flow.QueueTrain, flow.Retrain, flow.RetrainInput{Detector: detector}, &res); err != nil || res.Decision != "refused" || !strings.Contains(res.Why, id) {
		w.t.Errorf("%+v %v", res, err)
	}
	err := w.run(flow.AdminID("main", "model", detector), flow.QueueRespond, flow.Admin, flow.AdminInput{Verb: "model.rollback", Key: detector}, nil)
	if err == nil || !strings.Contains(err.Error(), "a training of "+detector+" is running") {
		w.t.Errorf("%v", err)
	}
	if err := w.tp.TerminateWorkflow(w.t.Context(), id, "", "test"); err != nil {
		w.t.Fatal(err)
	}
}

// audited: every decision is in the trail.
func (w *world) audited() {
	w.t.Helper()
	verbs := map[string]int{}
	if err := w.store.EachAudit(w.t.Context(), "main", func(r schema.AuditRecord) error {
		if strings.HasPrefix(r.Verb, "model.") {
			verbs[r.Verb]++
			if r.Object != detector || r.Details["why"] == "" {
				w.t.Errorf("%+v", r)
			}
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	if verbs["model.promote"] < 2 || verbs["model.refuse"] < 2 || verbs["model.rollback"] < 2 {
		w.t.Errorf("%v", verbs)
	}
	notes, err := w.store.NotesSince(w.t.Context(), "main", "", 5000)
	if err != nil || !slices.ContainsFunc(notes, func(n schema.Note) bool { return n.Topic == "models" }) {
		w.t.Errorf("no note of a model (%v)", err)
	}
}

// pinned: a plan keeps its model, whatever is in force.
func (w *world) pinned(model string) {
	w.t.Helper()
	for pin, want := range map[string]bool{"": false, detector + "=" + model: true} {
		s, err := w.live.Scorer(w.t.Context(), "main", pin)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, _, ok := s.Score(detector); ok != want {
			w.t.Errorf("models %q: a score is %v", pin, ok)
		}
	}
	if _, err := w.live.Scorer(w.t.Context(), "main", detector+"=gone"); schema.CodeOf(err) != schema.NotFound {
		w.t.Errorf("a model that is not there: %v", err)
	}
}

// featuresAgree: the events as they came in and the events rebuilt from their columns
// have the same features, all 3,000 of them.
func (w *world) featuresAgree(logs []string) {
	w.t.Helper()
	d, err := ml.ByID(detector)
	if err != nil {
		w.t.Fatal(err)
	}
	fresh := &collector{set: ml.NewDataset(d), dataset: d.Dataset}
	chunks, err := w.store.Chunks(w.t.Context(), "main", "network")
	if err != nil || len(chunks) == 0 {
		w.t.Fatal(err)
	}
	plan := flow.IngestPlan{Ingested: chunks[0].Ingested, BaseYear: 2026, Records: 25_000, Bytes: 32 << 20}
	for o, err := range source.Objects(w.t.Context(), logs) {
		if err == nil {
			err = pipeline.Run(w.t.Context(), pipeline.Config{Org: "main", Source: "network", Plan: plan}, o, pipeline.Position{}, fresh)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	stored := ml.NewDataset(d)
	win := w.window(d)
	total, days, err := w.store.TrainingSize(w.t.Context(), win)
	if err != nil || total < 3000 || days < 2 {
		w.t.Fatalf("%d rows of %d days (%v)", total, days, err)
	}
	if err := w.store.TrainingRows(w.t.Context(), win, d.Fields, 1, func(e *schema.Event) error { stored.Add(e); return nil }); err != nil {
		w.t.Fatal(err)
	}
	if a, b := fresh.set.Seal(1<<20), stored.Seal(1<<20); a != b || int64(stored.Rows()) != total {
		w.t.Errorf("%d events as they came in and %d as stored differ in their features", fresh.set.Rows(), stored.Rows())
	}
	thin := 0
	if err := w.store.TrainingRows(w.t.Context(), win, d.Fields, 0.25, func(*schema.Event) error { thin++; return nil }); err != nil {
		w.t.Fatal(err)
	}
	if share := float64(thin) / float64(total); share < 0.2 || share > 0.3 {
		w.t.Errorf("a quarter of %d rows is %d", total, thin)
	}
}

func (w *world) window(d *ml.Detector) store.TrainingWindow {
	w.t.Helper()
	last, err := w.store.LastCommit(w.t.Context(), "main")
	if err != nil || last.IsZero() {
		w.t.Fatal(last, err)
	}
	return store.TrainingWindow{Org: "main", Dataset: d.Dataset, Ingested: time.Now().Add(-time.Hour), Committed: last}
}

// attacksAreNotLearned: an event on which a rule of high severity fired is no training row.
func (w *world) attacksAreNotLearned(source string) {
	w.t.Helper()
	d, err := ml.ByID(detector)
	if err != nil {
		w.t.Fatal(err)
	}
	chunks, err := w.store.Chunks(w.t.Context(), "main", source)
	if err != nil || len(chunks) == 0 {
		w.t.Fatal(err)
	}
	win := w.window(d)
	count := func() (total, stolen int, id string) {
		if err := w.store.TrainingRows(w.t.Context(), win, d.Fields, 1, func(e *schema.Event) error {
			total++
			if e.Int(schema.FSourceBytes) == 3<<30 {
				stolen, id = stolen+1, e.ID.String()
			}
			return nil
		}); err != nil {
			w.t.Fatal(err)
		}
		return total, stolen, id
	}
	total, stolen, id := count()
	if stolen != 1 {
		w.t.Fatalf("%d stolen rows", stolen)
	}
	if err := w.store.PutDetections(w.t.Context(), "test", []schema.Detection{{ID: "found", Org: "main", Source: source, Chunk: chunks[0].ID, Rule: "r", Kind: "match", Severity: schema.High,
		EventID: id, Dataset: d.Dataset, Time: time.Now(), Ingested: chunks[0].Ingested}}); err != nil {
		w.t.Fatal(err)
	}
	if now, stolen, _ := count(); stolen != 0 || now != total-1 {
		w.t.Errorf("%d of %d rows are left, %d stolen ones", now, total, stolen)
	}
}

// scoresOnce: however often a chunk is committed, its scores are stored once.
func (w *world) scoresOnce() {
	w.t.Helper()
	at := time.Now().UTC().Truncate(time.Millisecond)
	c := schema.Chunk{Org: "main", Source: "scores", ID: "chunk-1", Object: "o", Fingerprint: "f", Ingested: at}
	d := store.ChunkData{Chunk: c, Events: store.NewBatch()}
	for i := range 3 {
		d.Scores = append(d.Scores, schema.Score{Org: "main", Model: "m", Detector: detector, EventID: fmt.Sprint(i), Source: c.Source, Chunk: c.ID, Score: float64(i) / 2, Time: at, Ingested: at})
	}
	for attempt := range 3 {
		d.InDoubt = attempt == 2
		if err := w.store.CommitChunk(w.t.Context(), d); err != nil {
			w.t.Fatal(err)
		}
	}
	if kept, above, err := w.store.ScoreStats(w.t.Context(), "main", "m", 0.5); err != nil || kept != 3 || above != 2 {
		w.t.Errorf("%d scores, %d above (%v)", kept, above, err)
	}
	d.Scores = d.Scores[:2]
	if err := w.store.CommitChunk(w.t.Context(), d); err == nil {
		w.t.Error("another number of scores than the attempt before is not noticed")
	}
}

// collector is a sink that keeps features only.
type collector struct {
	set     *ml.Dataset
	dataset string
	rows    int
}

func (c *collector) NewEvents() pipeline.Events                     { return c }
func (c *collector) Recycle(pipeline.Events)                        {}
func (c *collector) Commit(context.Context, *pipeline.Commit) error { return nil }
func (c *collector) Rows() int                                      { return c.rows }
func (c *collector) Reset()                                         { c.rows = 0 }
func (c *collector) Append(e *schema.Event) {
	c.rows++
	if e.Str(schema.FEventDataset) == c.dataset {
		c.set.Add(e)
	}
}
