package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"vigil/activities"
	"vigil/internal/action"
	"vigil/internal/approval"
	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/enrich"
	"vigil/internal/expr"
	"vigil/internal/live"
	"vigil/internal/pipeline"
	"vigil/internal/playbook"
	"vigil/internal/secret"
	"vigil/internal/store"
	"vigil/internal/telemetry"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/schema"
	"vigil/schema/flow"
	"vigil/server"
	"vigil/server/ui"
	"vigil/worker"
)

// rulesEvery is how often a process looks whether other rules are in force.
const rulesEvery = 2 * time.Second

// nodeOptions say which halves of Vigil a process runs.
type nodeOptions struct {
	worker, server bool
	listen, ops    string
	webhook        string
	temporalUI     string
	receive        receiveOptions
	tls            tlsOptions
	web            webOptions
	// addAnalyst gives an org its user of the engine; nil: the engine is somebody else's, who does.
	addAnalyst func(ctx context.Context, org string) error
	log        *slog.Logger
}

// node is the running halves of one process: workers, server, or both.
type node struct {
	a       *app
	o       nodeOptions
	store   *store.Store
	tp      client.Client
	audit   *audit.Log
	key     auth.DecisionKey
	rules   *activities.RuleSets
	metrics *telemetry.Metrics
	books   *playbook.Set
	asks    *approval.Policies
	systems action.Connectors
	group   *worker.Group
	srv     *server.Server
	web     net.Listener
	ops     net.Listener
	intake  intake
	served  served
	hub     *live.Hubs
	cancel  context.CancelFunc
	running sync.WaitGroup
	failed  chan error
}

// newNode starts the halves of Vigil that o names.
func newNode(ctx context.Context, a *app, ep endpoints, token secret.Value, o nodeOptions) (_ *node, err error) {
	n := &node{a: a, o: o, metrics: telemetry.New(version()), failed: make(chan error, 4)}
	defer func() {
		if err != nil {
			n.stop()
		}
	}()
	if n.served, err = o.tls.serve(a.data, o.listen, o.receive.http, o.receive.grpc, o.receive.syslogTLS); err != nil {
		return nil, err
	}
	if err := n.open(ctx, ep, token); err != nil {
		return nil, err
	}
	if err := n.load(); err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n.cancel = cancel
	n.hub = live.NewHubs(run, n.store, o.log)
	if _, err := n.rules.InForce(ctx, a.org); err != nil {
		return nil, err
	}
	n.background(func() error {
		n.rules.Watch(run, n.orgs, rulesEvery, func(err error) { o.log.Warn("looking for the rule set in force", "error", err) })
		return nil
	})
	if o.worker {
		if err := n.openSpool(); err != nil {
			return nil, err
		}
		if n.group, err = worker.Start(n.tp, n.activities()); err != nil {
			return nil, fmt.Errorf("starting the workers: %w", err)
		}
	}
	if o.worker {
		if err := n.receive(run); err != nil {
			return nil, err
		}
	}
	if o.server {
		if err := n.serve(run, ep); err != nil {
			return nil, err
		}
	}
	return n, n.serveOps(run)
}

// open connects to the engines, brings the tables up to date and opens the audit trail.
func (n *node) open(ctx context.Context, ep endpoints, token secret.Value) (err error) {
	if n.store, err = store.Open(ctx, storeOptions(ep)); err != nil {
		return err
	}
	if err := n.store.Migrate(ctx); err != nil {
		return fmt.Errorf("bringing the tables up to date: %w", err)
	}
	ep.TemporalToken = token.Reveal()
	if n.tp, err = n.a.dialTemporal(ctx, ep); err != nil {
		return err
	}
	if n.key, err = auth.LoadDecisionKey(keyPath(n.a.data)); err != nil {
		return fmt.Errorf("opening the decision key: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	writer := fmt.Sprintf("%s-%d-%s", host, os.Getpid(), time.Now().UTC().Format("20060102T150405.000"))
	n.audit = audit.NewLog(n.store, n.key, writer, headsPath(n.a.data))
	return nil
}

// load reads rules and playbooks; what is wrong with one is said and stops no other.
// Approval policies are all or nothing: half of them could ask nobody.
func (n *node) load() (err error) {
	set, errs := rules.Load(n.a.ruleSystems()...)
	for _, err := range errs {
		n.o.log.Error("a rule is not used", "error", err)
	}
	n.rules = &activities.RuleSets{Store: n.store, Local: set}
	if n.systems, err = n.a.connectors(); err != nil {
		return err
	}
	books, errs := playbook.Load(activities.PlaybookVerbs(n.systems), n.a.playbookSystems()...)
	for _, err := range errs {
		n.o.log.Error("a playbook is not used", "error", err)
	}
	n.books = books
	n.asks, err = n.a.approvalPolicies()
	return err
}

// activities composes the capabilities of the workers.
func (n *node) activities() worker.Activities {
	trail := activities.Trail{Log: n.audit}
	crash := crashPoints(n.a.data, n.o.log)
	ports := activities.ActionPorts(n.store, trail)
	ports.Publish = action.NewPublisher(filepath.Join(n.a.data, "lists"))
	ports.Webhook = action.Webhook{URL: n.o.webhook, Secret: secret.New(os.Getenv("VIGIL_WEBHOOK_SECRET"))}
	ports.Systems, ports.Hunts = n.systems, activities.HuntStarter{Temporal: n.tp}
	table := action.NewTable(ports)
	alerts := &activities.Alerts{Store: n.store, Rules: n.rules, Playbooks: n.books, Temporal: n.tp, Log: n.o.log, Crash: crash}
	sets := &activities.IntelSets{Store: n.store}
	live := &activities.LiveTables{Store: n.store, FormatDir: formatDir(n.a.data), Log: n.o.log}
	ingest := &activities.Ingest{Store: n.store, Rules: n.rules, Folder: alerts, Metrics: n.metrics, Log: n.o.log, Crash: crash,
		Enricher: enricher(sets, live), IntelVersion: sets.Version, TableVersion: live.Version, Formats: live.Formats, Models: &activities.LiveModels{Store: n.store, Log: n.o.log}}
	var drain *activities.Drain
	var tail *activities.Tail
	var pull *activities.Pull
	if n.intake.spool != nil {
		drain = &activities.Drain{Ingest: ingest, Spool: n.intake.spool}
		tail = &activities.Tail{Ingest: ingest, Dir: filepath.Join(n.a.data, "tail")}
		pull = &activities.Pull{Spool: n.intake.spool, Sources: n.store, Dir: filepath.Join(n.a.data, "pull"), Begun: n.kickDrain}
	}
	hunts := &activities.Hunts{Store: n.store, Rules: n.rules.InForce, Folder: alerts, Trail: trail, Log: n.o.log, Crash: crash}
	return worker.Activities{
		Ingest:    ingest,
		Kafka:     &activities.Kafka{Ingest: ingest, Sources: n.store},
		Objects:   &activities.Objects{Ingest: ingest, Sources: n.store, Dir: filepath.Join(n.a.data, "objects")},
		Drain:     drain,
		Tail:      tail,
		Pull:      pull,
		Host:      n.intake.host,
		Prove:     &activities.Prove{Store: n.store, Trail: trail, Spool: n.intake.spool, Sources: n.store},
		Tables:    &activities.Tables{Store: n.store, Trail: trail},
		Intel:     &activities.Intel{Store: n.store, Sets: sets, Trail: trail, Temporal: n.tp, Log: n.o.log},
		Alerts:    alerts,
		Incidents: &activities.Incidents{Store: n.store, Playbooks: n.books, Trail: trail, Public: n.key.Public()},
		Playbooks: &activities.Playbooks{Store: n.store, Playbooks: n.books, Public: n.key.Public(), Policies: n.asks},
		Approvals: &activities.Approvals{Store: n.store, Trail: trail, Policies: n.asks, Table: table, Public: n.key.Public(), Authors: n.authors},
		Actions:   &activities.Actions{Table: table, Store: n.store, Trail: trail, Temporal: n.tp, Crash: crash, Policies: n.asks, Public: n.key.Public()},
		Audit:     &activities.Audit{Trail: trail, Store: n.store},
		Orgs:      &activities.Orgs{Store: n.store, Trail: trail, Platform: n.a.org, Begin: n.beginOrg},
		Admin:     &activities.Admin{Store: n.store, Trail: trail, Temporal: n.tp, Public: n.key.Public()},
		Saved:     &activities.Saved{Store: n.store, Trail: trail, CEL: searchCondition},
		Reports: &activities.Reports{Store: n.store, Trail: trail, Temporal: n.tp, Post: action.NewPost(ports), Dashboards: n.a.dashboardSystems, CEL: searchCondition,
			Address: strings.TrimSuffix(n.o.web.url, "/")},
		Controls: &activities.Controls{Store: n.store, Trail: trail, Temporal: n.tp},
		Models:   &activities.Models{Store: n.store, Trail: trail},
		Hunts:    hunts,
		Rules:    &activities.RuleChanges{Store: n.store, Rules: n.rules, Hunts: hunts, Trail: trail, Public: n.key.Public()},
		Exempt:   &activities.Exceptions{Store: n.store, Rules: n.rules, Trail: trail},
		Posture:  &activities.Posture{Store: n.store, Rules: n.rules.Now, Trail: trail},
		Samples:  &activities.Samples{Store: n.store, InForce: n.rules.InForce, Trail: trail},
	}
}

// authors are the users whom a rule names as its author, by name or address.
func (n *node) authors(org, rule string) []string {
	r, ok := n.rules.Now(org).Rule(rule)
	if !ok {
		return nil
	}
	return approval.Split(r.Author)
}

// enricher composes what is put on events, with the versions that a plan pins.
func enricher(sets *activities.IntelSets, live *activities.LiveTables) func(context.Context, string, flow.IngestPlan) (pipeline.Enricher, error) {
	return func(ctx context.Context, org string, plan flow.IngestPlan) (pipeline.Enricher, error) {
		indicators, err := sets.Part(ctx, org, plan)
		if err != nil {
			return nil, err
		}
		known, err := live.Part(ctx, org, plan)
		if err != nil {
			return nil, err
		}
		return enrich.All(known, indicators), nil
	}
}

// serve starts the web server and the tail of the live outbox.
func (n *node) serve(ctx context.Context, ep endpoints) error {
	l, err := net.Listen("tcp", n.o.listen)
	if err != nil {
		return schema.E(schema.Unavailable, "the address "+n.o.listen+" cannot be listened on", "another program uses it; choose one with --listen localhost:PORT, or port 0", err)
	}
	n.web = l
	n.warnPlain("the web server listens", l.Addr(), n.served.web)
	if n.served.web != nil {
		l = tls.NewListener(l, n.served.web)
	}
	o := server.Options{Store: n.store, Temporal: n.tp, Hub: n.hub, Audit: n.audit, Decisions: n.key, Rules: n.rules.Now, RuleSets: n.rules, Playbooks: n.books,
		Org: n.a.org, Namespace: cmp.Or(ep.Namespace, "default"), Version: version(), Log: n.o.log, CEL: searchCondition, Dashboards: n.a.dashboardSystems, Measure: n.metrics.Requests,
		Spool: n.intake.spool, Host: n.intake.host, Secure: n.served.web != nil}
	if err := n.o.web.apply(n.a, n.url(), &o); err != nil {
		return err
	}
	if ep.TemporalUI != "" {
		o.TemporalUI = "http://" + ep.TemporalUI
	}
	if ep.Encrypt {
		codec, err := worker.OpenCodec(payloadKeys(n.a.data))
		if err != nil {
			return err
		}
		o.Codec = converter.NewPayloadCodecHTTPHandler(codec)
	}
	if ui.Built() {
		o.UI = ui.FS()
	}
	n.srv = server.New(o)
	n.background(func() error { n.hub.Wait(); return nil })
	n.background(func() error { return n.srv.Run(ctx, l) })
	return nil
}

// searchCondition renders a cel: search as a ClickHouse condition.
func searchCondition(text string) (string, store.P, error) {
	env, err := expr.NewEnv(expr.Options{})
	if err != nil {
		return "", nil, err
	}
	p, err := env.Compile(text, nil)
	if err != nil {
		return "", nil, err
	}
	c, err := chsql.Condition(p)
	if err != nil {
		return "", nil, err
	}
	return c.SQL, params(c.Params), nil
}

// serveOps starts health and metrics on their own listener.
func (n *node) serveOps(ctx context.Context) error {
	l, err := net.Listen("tcp", n.o.ops)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", n.o.ops, err)
	}
	n.ops = l
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		check, cancel := context.WithTimeout(r.Context(), 3*time.Second)
		defer cancel()
		_, terr := n.tp.CheckHealth(check, &client.CheckHealthRequest{})
		if err := errors.Join(n.store.Ping(check), terr); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	mux.Handle("GET /metrics", n.metrics.Handler())
	mux.HandleFunc("GET /receivers", n.serveReceivers)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	n.background(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	n.background(func() error { <-ctx.Done(); return srv.Close() })
	return nil
}

func (n *node) background(fn func() error) {
	n.running.Go(func() {
		if err := fn(); err != nil {
			n.failed <- err
		}
	})
}

func (n *node) url() string {
	if n.web == nil {
		return ""
	}
	return fmt.Sprintf("%s://localhost:%d", scheme(n.served.web), n.web.Addr().(*net.TCPAddr).Port)
}

// warnPlain warns when something is served to more than this machine without TLS.
func (n *node) warnPlain(what string, addr net.Addr, certs *tls.Config) {
	if ip := addr.(*net.TCPAddr).IP; certs == nil && !ip.IsLoopback() {
		n.o.log.Warn(what+" on more than this machine, without TLS: add --tls, or --tls-cert and --tls-key, or put a TLS proxy before it", "address", addr)
	}
}

func (n *node) opsURL() string { return "http://" + n.ops.Addr().String() }

// adminLink is the one-time link of the first admin, "" when there is one already.
func (n *node) adminLink(ctx context.Context) (string, error) {
	token, err := n.srv.AdminLink(ctx)
	if err != nil || token == "" {
		return "", err
	}
	return n.srv.Address() + "/link#" + token, nil
}

func (n *node) ensureSchedules(ctx context.Context) error {
	orgs, err := n.orgs(ctx)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		if err := n.beginOrg(ctx, org); err != nil {
			return fmt.Errorf("preparing the org %s: %w", org, err)
		}
	}
	return nil
}

// wait returns when ctx ends (nil) or a part fails.
func (n *node) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.failed:
		return err
	}
}

// stop ends intake first, then the workers, then the connections.
func (n *node) stop() {
	if n.cancel != nil {
		n.cancel()
	}
	n.running.Wait()
	if n.group != nil {
		_ = n.group.Stop()
	}
	if n.intake.spool != nil {
		_ = n.intake.spool.Close()
	}
	if n.store != nil {
		_ = n.store.Close()
	}
}

func params(in map[string]string) store.P {
	p := store.P{}
	for k, v := range in {
		p[k] = v
	}
	return p
}
