// Package intel tests threat intelligence against the embedded engines: real
// ClickHouse, real Temporal, real workers.
package intel

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"vigil/activities"
	"vigil/integration/chtest"
	"vigil/integration/tptest"
	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/enrich"
	"vigil/internal/pipeline"
	"vigil/internal/playbook"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
	"vigil/schema/flow"
	"vigil/worker"
)

// record rewrites the histories of workflows/testdata/replay:
// go test ./integration/intel -record
var record = flag.Bool("record", false, "write workflow histories to workflows/testdata/replay")

func TestMain(m *testing.M) { chtest.Main(m) }

// world is one Vigil that ingests and syncs.
type world struct {
	t     *testing.T
	dir   string
	store *store.Store
	tp    client.Client
	sets  *activities.IntelSets
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
	set, errs := rules.Load(library.FS)
	books, more := playbook.Load(activities.PlaybookVerbs(nil))
	key, err := auth.LoadDecisionKey(filepath.Join(w.dir, "keys", "decision.key"))
	if err := errors.Join(append(append(errs, more...), err)...); err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	trail := activities.Trail{Log: audit.NewLog(w.store, key, "test", filepath.Join(w.dir, "audit"))}
	w.sets = &activities.IntelSets{Store: w.store}
	all := &activities.RuleSets{Store: w.store, Local: set}
	alerts := &activities.Alerts{Store: w.store, Rules: all, Playbooks: books, Temporal: w.tp, Log: log}
	g, err := worker.Start(w.tp, worker.Activities{Alerts: alerts,
		Intel: &activities.Intel{Store: w.store, Sets: w.sets, Trail: trail, Temporal: w.tp, Log: log},
		Ingest: &activities.Ingest{Store: w.store, Rules: all, Folder: alerts, Log: log,
			IntelVersion: w.sets.Version,
			Enricher: func(ctx context.Context, org string, plan flow.IngestPlan) (pipeline.Enricher, error) {
				p, err := w.sets.Part(ctx, org, plan)
				return enrich.All(p), err
			}},
		Incidents: &activities.Incidents{Store: w.store, Playbooks: books, Trail: trail, Public: key.Public()},
		Playbooks: &activities.Playbooks{Store: w.store, Playbooks: books, Public: key.Public()},
		Approvals: &activities.Approvals{Store: w.store, Trail: trail},
		Audit:     &activities.Audit{Trail: trail, Store: w.store},
		Admin:     &activities.Admin{Store: w.store, Trail: trail, Temporal: w.tp}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = g.Stop() })
}

// file writes a file and returns its path.
func (w *world) file(name, text string) string {
	w.t.Helper()
	p := filepath.Join(w.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// start runs SyncIntel under any id, as the stock CLI does.
func (w *world) start(in flow.SyncIntelInput) (flow.SyncIntelResult, string, error) {
	w.t.Helper()
	var res flow.SyncIntelResult
	id := fmt.Sprintf("cli-%d", time.Now().UnixNano())
	run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueIntel}, flow.SyncIntel, in)
	if err == nil {
		err = run.Get(w.t.Context(), &res)
	}
	return res, id, err
}

func (w *world) sync(in flow.SyncIntelInput) flow.SyncIntelResult {
	w.t.Helper()
	res, _, err := w.start(in)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// ingest ingests a file as a new source and returns the totals.
func (w *world) ingest(source, path string) flow.IngestProgress {
	w.t.Helper()
	return w.run(flow.IngestInput{Source: source, Paths: []string{path}})
}

// resume ingests a connection to the bad address with a plan that was made before.
func (w *world) resume(source string, plan flow.IngestPlan) flow.IngestProgress {
	w.t.Helper()
	return w.run(flow.IngestInput{Source: source, Paths: []string{w.file(source+".log", connections(source, bad))}, Cursor: &flow.IngestCursor{Plan: plan}})
}

func (w *world) run(in flow.IngestInput) flow.IngestProgress {
	w.t.Helper()
	var p flow.IngestProgress
	run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: flow.IngestID("main", in.Source), TaskQueue: flow.QueueIngest}, flow.Ingest, in)
	if err == nil {
		err = run.Get(w.t.Context(), &p)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// alerts returns the alerts of the indicator rule.
func (w *world) alerts() []schema.Alert {
	w.t.Helper()
	list, _, err := w.store.Alerts(w.t.Context(), "main", store.AlertFilter{Rule: "intel-indicator-seen"})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) feed(id string) schema.Feed {
	w.t.Helper()
	f, err := w.store.Feed(w.t.Context(), "main", id)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// status is what is stored of one value.
func (w *world) status(value string) (revoked bool, n int) {
	w.t.Helper()
	list, _, err := w.store.Indicators(w.t.Context(), "main", store.IndicatorFilter{Value: value})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, x := range list {
		revoked = revoked || x.Revoked
	}
	return revoked, len(list)
}

// keep writes a history for the replay tests.
func (w *world) keep(name, id string) {
	w.t.Helper()
	if !*record {
		return
	}
	var h historypb.History
	it := w.tp.GetWorkflowHistory(w.t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			w.t.Fatal(err)
		}
		h.Events = append(h.Events, e)
	}
	b, err := protojson.Marshal(&h)
	var v any // protojson's spacing differs from run to run
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err == nil {
		b, err = json.MarshalIndent(v, "", " ")
	}
	if err == nil {
		err = os.WriteFile(filepath.Join("..", "..", "workflows", "testdata", "replay", name+".json"), b, 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
