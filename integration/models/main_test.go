// Package models tests training, gate, promotion and rollback of models on the
// embedded engines: real ClickHouse, real Temporal, real workers, real recordings.
package models

import (
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"vigil/activities"
	"vigil/integration/chtest"
	"vigil/integration/tptest"
	"vigil/internal/action"
	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/playbook"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
	"vigil/schema/flow"
	"vigil/worker"
)

// record rewrites the histories of workflows/testdata/replay:
// go test ./integration/models -run TestRetrain -record
var record = flag.Bool("record", false, "write workflow histories to workflows/testdata/replay")

func TestMain(m *testing.M) { chtest.Main(m) }

// world is one Vigil: engines, store and workers.
type world struct {
	t     *testing.T
	dir   string
	store *store.Store
	tp    client.Client
	live  *activities.LiveModels
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.store, _ = chtest.Open(t)
	w.tp = tptest.Dial(t)
	w.startWorker()
	return w
}

func (w *world) startWorker() {
	log := slog.New(slog.DiscardHandler)
	key, err := auth.LoadDecisionKey(filepath.Join(w.dir, "keys", "decision.key"))
	if err != nil {
		w.t.Fatal(err)
	}
	set, errs := rules.Load(library.FS)
	pbs, more := playbook.Load(activities.PlaybookVerbs(nil))
	for _, err := range append(errs, more...) {
		w.t.Fatal(err)
	}
	loaded := &activities.RuleSets{Store: w.store, Local: set}
	trail := activities.Trail{Log: audit.NewLog(w.store, key, "test-"+time.Now().Format("150405.000000"), filepath.Join(w.dir, "audit"))}
	alerts := &activities.Alerts{Store: w.store, Rules: loaded, Playbooks: pbs, Temporal: w.tp, Log: log}
	w.live = &activities.LiveModels{Store: w.store, Log: log}
	ports := activities.ActionPorts(w.store, trail)
	ports.Publish = action.NewPublisher(filepath.Join(w.dir, "lists"))
	g, err := worker.Start(w.tp, worker.Activities{Alerts: alerts,
		Incidents: &activities.Incidents{Store: w.store, Playbooks: pbs, Trail: trail, Public: key.Public()},
		Playbooks: &activities.Playbooks{Store: w.store, Playbooks: pbs, Public: key.Public()},
		Approvals: &activities.Approvals{Store: w.store, Trail: trail},
		Actions:   &activities.Actions{Table: action.NewTable(ports), Store: w.store, Trail: trail, Temporal: w.tp},
		Audit:     &activities.Audit{Trail: trail, Store: w.store},
		Ingest:    &activities.Ingest{Store: w.store, Rules: loaded, Folder: alerts, Log: log, Models: w.live},
		Models:    &activities.Models{Store: w.store, Trail: trail},
		Admin:     &activities.Admin{Store: w.store, Trail: trail, Temporal: w.tp}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = g.Stop() })
}

// run starts a workflow and waits for its result.
func (w *world) run(id, queue, workflow string, in, out any) error {
	w.t.Helper()
	run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: queue, WorkflowExecutionErrorWhenAlreadyStarted: true}, workflow, in)
	if err != nil {
		return err
	}
	return run.Get(w.t.Context(), out)
}

// ingest ingests files as a source, which must work without a failed record.
func (w *world) ingest(source string, paths ...string) flow.IngestProgress {
	w.t.Helper()
	var p flow.IngestProgress
	if err := w.run(flow.IngestID("main", source), flow.QueueIngest, flow.Ingest, flow.IngestInput{Source: source, Paths: paths}, &p); err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) retrain(in flow.RetrainInput) flow.RetrainResult {
	w.t.Helper()
	var res flow.RetrainResult
	if err := w.run(flow.RetrainID("main", in.Detector), flow.QueueTrain, flow.Retrain, in, &res); err != nil {
		w.t.Fatal(err)
	}
	w.t.Logf("%s: %s; model %s of %d rows, champion %s\n%v", res.Decision, res.Why, res.Model, res.Rows, res.Champion, res.Metrics)
	return res
}

// anomalies are the alerts of the anomaly rule on events of a source.
func (w *world) anomalies(source string) []schema.Detection {
	w.t.Helper()
	list, _, err := w.store.Alerts(w.t.Context(), "main", store.AlertFilter{Text: "203.0.113.66"})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []schema.Detection
	for _, a := range list {
		if a.Rule != "zeek-conn-anomaly" {
			continue
		}
		ds, err := w.store.AlertDetections(w.t.Context(), "main", a.ID, 100)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, d := range ds {
			if d.Source == source {
				out = append(out, d)
			}
		}
	}
	return out
}

// keep writes a workflow's history as the replayer reads it.
func (w *world) keep(name, id string) {
	w.t.Helper()
	if !*record {
		return
	}
	var h historypb.History
	it := w.tp.GetWorkflowHistory(w.t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			w.t.Fatal(err)
		}
		h.Events = append(h.Events, e)
	}
	b, err := protojson.Marshal(&h)
	if err != nil {
		w.t.Fatal(err)
	}
	var v any // protojson's spacing differs from run to run
	if err := json.Unmarshal(b, &v); err != nil {
		w.t.Fatal(err)
	}
	if b, err = json.MarshalIndent(v, "", " "); err == nil {
		err = os.WriteFile(filepath.Join("..", "..", "workflows", "testdata", "replay", name+".json"), append(b, '\n'), 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
