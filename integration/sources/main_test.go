// Package sources tests the sources that go on (followed files, pulled APIs) and their
// controls against the embedded engines: real ClickHouse, real Temporal, real workers.
package sources

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
	"vigil/internal/playbook"
	"vigil/internal/spool"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
	"vigil/schema/flow"
	"vigil/worker"
)

// record rewrites the histories of workflows/testdata/replay:
// go test ./integration/sources -record
var record = flag.Bool("record", false, "write workflow histories to workflows/testdata/replay")

func TestMain(m *testing.M) { chtest.Main(m) }

const host = "test-host"

// world is one Vigil that has sources.
type world struct {
	t     *testing.T
	dir   string
	store *store.Store
	tp    client.Client
	stop  func()
	spool *spool.Dir
	crash func(string)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.store, _ = chtest.Open(t)
	w.tp = tptest.Dial(t)
	w.startWorker()
	t.Cleanup(func() { w.stop() })
	return w
}

// startWorker starts what a process of Vigil runs; stop ends it.
func (w *world) startWorker() {
	w.t.Helper()
	set, errs := rules.Load(library.FS)
	books, more := playbook.Load(activities.PlaybookVerbs(nil))
	key, err := auth.LoadDecisionKey(filepath.Join(w.dir, "keys", "decision.key"))
	if err := errors.Join(append(append(errs, more...), err)...); err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if w.spool, err = spool.Open(filepath.Join(w.dir, "spool"), spool.Options{Log: log}); err != nil {
		w.t.Fatal(err)
	}
	trail := activities.Trail{Log: audit.NewLog(w.store, key, fmt.Sprint("test-", time.Now().UnixNano()), filepath.Join(w.dir, "audit"))}
	all := &activities.RuleSets{Store: w.store, Local: set}
	alerts := &activities.Alerts{Store: w.store, Rules: all, Playbooks: books, Temporal: w.tp, Log: log}
	ingest := &activities.Ingest{Store: w.store, Rules: all, Folder: alerts, Log: log, Crash: func(p string) {
		if w.crash != nil {
			w.crash(p)
		}
	}}
	g, err := worker.Start(w.tp, worker.Activities{Alerts: alerts, Ingest: ingest, Host: host,
		Drain:    &activities.Drain{Ingest: ingest, Spool: w.spool},
		Tail:     &activities.Tail{Ingest: ingest, Dir: filepath.Join(w.dir, "tail")},
		Kafka:    &activities.Kafka{Ingest: ingest, Sources: w.store},
		Objects:  &activities.Objects{Ingest: ingest, Sources: w.store, Dir: filepath.Join(w.dir, "objects")},
		Pull:     &activities.Pull{Spool: w.spool, Sources: w.store, Dir: filepath.Join(w.dir, "pull")},
		Controls: &activities.Controls{Store: w.store, Trail: trail, Temporal: w.tp},
		Prove:    &activities.Prove{Store: w.store, Trail: trail, Spool: w.spool, Sources: w.store},
		Audit:    &activities.Audit{Trail: trail, Store: w.store},
		Admin:    &activities.Admin{Store: w.store, Trail: trail, Temporal: w.tp}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.stop = func() {
		w.stop = func() {}
		_ = g.Stop()
		_ = w.spool.Close()
	}
}

// start starts the source's Ingest workflow.
func (w *world) start(in flow.IngestInput) {
	w.t.Helper()
	in.Host = host
	if _, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: flow.IngestID("main", in.Source), TaskQueue: flow.QueueIngest}, flow.Ingest, in); err != nil {
		w.t.Fatal(err)
	}
}

// tell sends an update to a source's workflow.
func (w *world) tell(source, update string, c flow.SourceControl) flow.IngestProgress {
	w.t.Helper()
	p, err := w.try(source, update, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) try(source, update string, c flow.SourceControl) (p flow.IngestProgress, err error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 40*time.Second)
	defer cancel()
	h, err := w.tp.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: flow.IngestID("main", source), UpdateName: update, Args: []any{c}, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err == nil {
		err = h.Get(ctx, &p)
	}
	return p, err
}

// totals are what the manifest says of a source.
func (w *world) totals(source string) schema.SourceStatus {
	w.t.Helper()
	st, err := w.store.Source(w.t.Context(), "main", source)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		w.t.Fatal(err)
	}
	return st
}

// reach waits until a source has so many events, and not more.
func (w *world) reach(source string, events int64) {
	w.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		st := w.totals(source)
		if st.Events+st.Failures == events {
			return
		}
		if time.Now().After(end) || st.Events+st.Failures > events {
			w.t.Fatalf("%s has %d events and %d failures, want %d", source, st.Events, st.Failures, events)
		}
	}
}

// prove proves a source.
func (w *world) prove(source string) activities.Proof {
	w.t.Helper()
	res := w.admin(flow.AdminInput{Verb: "prove", Key: source, By: "ana"})
	var p activities.Proof
	if err := json.Unmarshal([]byte(res.Doc), &p); err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) proved(source string, records int64) activities.Proof {
	w.t.Helper()
	p := w.prove(source)
	if !p.OK || p.Records != records {
		w.t.Errorf("%+v, want %d records", p, records)
	}
	return p
}

func (w *world) admin(in flow.AdminInput) flow.AdminResult {
	w.t.Helper()
	res, err := w.tryAdmin(in)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *world) tryAdmin(in flow.AdminInput) (res flow.AdminResult, err error) {
	id := fmt.Sprintf("admin/main/test/%d", time.Now().UnixNano())
	run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueRespond}, flow.Admin, in)
	if err == nil {
		err = run.Get(w.t.Context(), &res)
	}
	return res, err
}

// save writes a workflow's history for the replay tests, when asked to.
func (w *world) save(id, name string) {
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
	b, err := protojson.MarshalOptions{Indent: " "}.Marshal(&h)
	if err == nil {
		err = os.WriteFile(filepath.Join("..", "..", "workflows", "testdata", "replay", name+".json"), b, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// put appends to a file.
func (w *world) put(path, text string) {
	w.t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
