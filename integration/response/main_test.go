// Package response tests what workflows do with what is stored — alerts, incidents,
// playbooks, hunts, posture — against the embedded engines: real ClickHouse, real
// Temporal, real workers.
package response

import (
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"vigil/activities"
	"vigil/integration/chtest"
	"vigil/integration/tptest"
	"vigil/internal/action"
	"vigil/internal/action/actiontest"
	"vigil/internal/approval"
	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/playbook"
	"vigil/internal/secret"
	"vigil/internal/standalone/clickhouse"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
	"vigil/schema/flow"
	"vigil/worker"
)

// record rewrites the histories of workflows/testdata/replay:
// go test ./integration/response -run 'TestMainLine|TestHunt' -record
var record = flag.Bool("record", false, "write workflow histories to workflows/testdata/replay")

func TestMain(m *testing.M) { chtest.Main(m) }

// world is one Vigil: engines, store, worker and a webhook listener.
type world struct {
	t                        *testing.T
	engine                   *clickhouse.Engine
	store                    *store.Store
	tp                       client.Client
	key                      auth.DecisionKey
	alerts                   *activities.Alerts
	act                      *activities.Actions
	log                      *audit.Log
	lists                    *action.Publisher
	sets                     *activities.RuleSets
	stopWorker, stopTemporal func()
	temporalDir              string
	with                     []func(*client.Options)
	heads                    string
	// atIngest are the rules that ingestion runs; nil: those of the library.
	atIngest *rules.Set

	mail    *actiontest.Mailbox
	reports *forgetful

	mu    sync.Mutex
	posts map[string]int // idempotency key → times
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, nil)
}

func newWorldWith(t *testing.T, atIngest *rules.Set, with ...func(*client.Options)) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, atIngest: atIngest, with: with, posts: map[string]int{}, heads: filepath.Join(dir, "audit"), lists: action.NewPublisher(filepath.Join(dir, "lists"))}
	w.store, w.engine = chtest.Open(t)
	w.mail, w.reports = actiontest.NewMailbox(t), &forgetful{Store: w.store}
	w.temporalDir = t.TempDir()
	w.tp, w.stopTemporal = tptest.DialIn(t, w.temporalDir, w.with...)
	key, err := auth.LoadDecisionKey(filepath.Join(dir, "keys", "decision.key"))
	if err != nil {
		t.Fatal(err)
	}
	w.key = key
	w.startWorker()
	return w
}

func (w *world) startWorker() {
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.posts[r.Header.Get("Idempotency-Key")]++
	}))
	w.t.Cleanup(hook.Close)
	set, errs := rules.Load(library.FS)
	pbs, more := playbook.Load(activities.PlaybookVerbs(nil))
	for _, err := range append(errs, more...) {
		w.t.Fatal(err)
	}
	get := func(string) *rules.Set { return set }
	sets := &activities.RuleSets{Store: w.store, Local: set}
	if _, err := sets.InForce(w.t.Context(), "main"); err != nil {
		w.t.Fatal(err)
	}
	w.log = audit.NewLog(w.store, w.key, "test-"+time.Now().Format("150405.000000"), w.heads)
	trail := activities.Trail{Log: w.log}
	ports := activities.ActionPorts(w.store, trail)
	ports.Systems = action.Connectors{"smtp": {Name: "smtp", URL: secret.New("smtp://" + w.mail.Addr), Auth: "none", Timeout: 10 * time.Second,
		Options: map[string]string{"from": "vigil@example.org", "to": "soc@example.org", "tls": "none"}}}
	ports.Publish, ports.Webhook = w.lists, action.Webhook{URL: hook.URL, Secret: secret.New("hook")}
	w.alerts = &activities.Alerts{Store: w.store, Rules: sets, Playbooks: pbs, Temporal: w.tp, Log: slog.New(slog.DiscardHandler)}
	w.act = &activities.Actions{Table: action.NewTable(ports), Store: w.store, Trail: trail, Temporal: w.tp, Policies: approval.Default(), Public: w.key.Public()}
	atIngest := sets
	if w.atIngest != nil {
		atIngest = &activities.RuleSets{Store: w.store, Local: w.atIngest}
	}
	w.sets = sets
	hunts := &activities.Hunts{Store: w.store, Rules: sets.InForce, Folder: w.alerts, Trail: trail, Log: slog.New(slog.DiscardHandler)}
	g, err := worker.Start(w.tp, worker.Activities{Alerts: w.alerts, Actions: w.act,
		Ingest:    &activities.Ingest{Store: w.store, Rules: atIngest, Folder: w.alerts, Log: slog.New(slog.DiscardHandler)},
		Prove:     &activities.Prove{Store: w.store, Trail: trail},
		Hunts:     hunts,
		Rules:     &activities.RuleChanges{Store: w.store, Rules: sets, Hunts: hunts, Trail: trail, Public: w.key.Public()},
		Exempt:    &activities.Exceptions{Store: w.store, Rules: sets, Trail: trail},
		Posture:   &activities.Posture{Store: w.store, Rules: get, Trail: trail},
		Samples:   &activities.Samples{Store: w.store, InForce: sets.InForce, Trail: trail},
		Incidents: &activities.Incidents{Store: w.store, Playbooks: pbs, Trail: trail, Public: w.key.Public()},
		Playbooks: &activities.Playbooks{Store: w.store, Playbooks: pbs, Public: w.key.Public(), Policies: approval.Default()},
		Approvals: &activities.Approvals{Store: w.store, Trail: trail, Policies: approval.Default(), Table: w.act.Table, Public: w.key.Public()},
		Audit:     &activities.Audit{Trail: trail, Store: w.store},
		Saved:     &activities.Saved{Store: w.store, Trail: trail},
		Reports:   &activities.Reports{Store: w.reports, Trail: trail, Temporal: w.tp, Post: action.NewPost(ports)},
		Admin:     &activities.Admin{Store: w.store, Trail: trail, Temporal: w.tp, Public: w.key.Public()}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.stopWorker = sync.OnceFunc(func() { _ = g.Stop() })
	w.t.Cleanup(w.stopWorker)
}

// commit writes detections as a committed chunk would have them.
func (w *world) commit(chunk string, ds ...schema.Detection) {
	w.t.Helper()
	for i := range ds {
		ds[i].Chunk = chunk
	}
	if err := w.store.PutDetections(w.t.Context(), chunk, ds); err != nil {
		w.t.Fatal(err)
	}
}

// detection is what a rule found on one event.
func detection(id, host, address string, sev schema.Severity) schema.Detection {
	at := time.Date(2026, 3, 1, 10, 5, 0, 0, time.UTC)
	return schema.Detection{ID: id, Org: schema.DefaultOrg, Source: "s", Rule: "r-" + string(sev), RuleVersion: "v1", RuleTitle: "Beacon", Kind: "match", Severity: sev, Risk: 70,
		Attack: []string{"T1071"}, EventID: schema.EventID{}.String(), Dataset: "zeek.conn", Time: at, Ingested: time.Now().UTC().Truncate(time.Millisecond),
		Entities: map[string]string{"host": host, "destination.ip": address}, DedupKey: "host=" + host}
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(4 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s did not happen", what)
		}
	}
}

func (w *world) user(name, role string) {
	w.t.Helper()
	run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: flow.AdminID("main", "user", name), TaskQueue: flow.QueueRespond}, flow.Admin,
		flow.AdminInput{Verb: "user.put", By: "test", Key: name, Args: map[string]string{"role": role}})
	if err == nil {
		err = run.Get(w.t.Context(), nil)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) verify() {
	w.t.Helper()
	heads, err := audit.ReadHeads(w.heads)
	if err != nil {
		w.t.Fatal(err)
	}
	v := audit.NewVerifier(heads, func(h audit.Head) bool {
		return auth.VerifySignature(w.key.Public(), audit.HeadDomain, h.Message(), h.Signature)
	})
	if err := w.store.EachAudit(w.t.Context(), "main", func(r schema.AuditRecord) error { v.Add(r); return nil }); err != nil {
		w.t.Fatal(err)
	}
	if rep := v.Report(); !rep.OK || rep.Records == 0 || rep.Heads == 0 {
		w.t.Errorf("audit: %+v", rep)
	}
}
