package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vigil/internal/secret"
	"vigil/internal/standalone/clickhouse"
	"vigil/internal/standalone/temporal"
	"vigil/schema"
	"vigil/schema/flow"
)

// upOptions are the flags of `vigil up`.
type upOptions struct {
	listen, ops       string
	receive           receiveOptions
	tls               tlsOptions
	web               webOptions
	clickhouse        string
	clickhouseUser    string
	temporal          string
	namespace         string
	temporalPort      int
	temporalUIPort    int
	noTemporalUI      bool
	demo              bool
	webhook           string
	stopAfter         time.Duration
	maxEngineMemoryMB int64
}

func newUpCmd(a *app) *cobra.Command {
	o := upOptions{}
	c := &cobra.Command{
		Use:   "up",
		Short: "Start everything on this machine",
		Long: `Starts ClickHouse and Temporal (embedded, unless told otherwise), the workers and the web server in
one process tree, prints where they answer, and runs until Ctrl-C. Everything is kept under the data folder.`,
		Example: `  vigil up
  vigil up --data ./trial --listen localhost:9480
  VIGIL_CLICKHOUSE_PASSWORD=… vigil up --clickhouse ch.example:9000 --clickhouse-user vigil --temporal temporal.example:7233`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.receive.changed(c)
			return up(c.Context(), a, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "localhost:8480", "address of the web UI and API; port 0 picks a free one")
	f.StringVar(&o.ops, "ops-listen", "localhost:0", "address of /healthz, /readyz and /metrics")
	o.receive.flags(c)
	o.tls.flags(c)
	o.web.flags(c)
	f.StringVar(&o.clickhouse, "clickhouse", os.Getenv("VIGIL_CLICKHOUSE"), "HOST:PORT of a ClickHouse server (native protocol) instead of the embedded engine")
	f.StringVar(&o.clickhouseUser, "clickhouse-user", envOr("VIGIL_CLICKHOUSE_USER", "default"), "its user; the password is VIGIL_CLICKHOUSE_PASSWORD")
	f.StringVar(&o.temporal, "temporal", os.Getenv("VIGIL_TEMPORAL"), "HOST:PORT of a Temporal frontend instead of the embedded one; its API key is VIGIL_TEMPORAL_TOKEN")
	f.StringVar(&o.namespace, "namespace", envOr("VIGIL_TEMPORAL_NAMESPACE", "default"), "Temporal namespace")
	f.IntVar(&o.temporalPort, "temporal-port", 7233, "port of the embedded Temporal; another is taken when it is busy")
	f.IntVar(&o.temporalUIPort, "temporal-ui-port", 8233, "port of the Temporal web UI; another is taken when it is busy")
	f.BoolVar(&o.noTemporalUI, "no-temporal-ui", false, "do not start the Temporal web UI")
	f.BoolVar(&o.demo, "demo", false, "load a written attack after start, so that alerts are on screen")
	f.StringVar(&o.webhook, "webhook", os.Getenv("VIGIL_WEBHOOK"), "URL that notify steps post to (VIGIL_WEBHOOK); none: notifications stay in the UI")
	f.DurationVar(&o.stopAfter, "stop-after", 0, "stop by itself after this time (for tests)")
	f.Int64Var(&o.maxEngineMemoryMB, "engine-memory-mb", 0, "memory limit of the embedded ClickHouse in MiB; default: half of the machine's")
	_ = f.MarkHidden("stop-after")
	return c
}

func envOr(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}

// lockData takes the data folder for this process; the lock ends with it.
func lockData(data string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Join(data, "run"), 0o700); err != nil {
		return nil, fmt.Errorf("creating the data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(data, "run", "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, schema.E(schema.Conflict, "another Vigil runs with the data folder "+data,
			"stop it first, or name another folder with --data", err)
	}
	return func() { _ = f.Close() }, nil
}

// engines are the database and the workflow server of one `vigil up`.
type engines struct {
	ch *clickhouse.Engine
	tp *temporal.Server
}

func (e engines) stop(log *slog.Logger) {
	if e.tp != nil {
		e.tp.Stop()
	}
	if e.ch != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := e.ch.Stop(ctx); err != nil {
			log.Warn("stopping ClickHouse", "error", err)
		}
	}
}

// startEngines starts what is embedded, both at once, and says where all answer.
func startEngines(ctx context.Context, a *app, o upOptions, log *slog.Logger) (engines, endpoints, error) {
	var e engines
	ep := endpoints{PID: os.Getpid(), ClickHouse: o.clickhouse, ClickHouseUser: o.clickhouseUser, ClickHousePass: os.Getenv("VIGIL_CLICKHOUSE_PASSWORD"),
		Temporal: o.temporal, Namespace: o.namespace, TemporalToken: os.Getenv("VIGIL_TEMPORAL_TOKEN"), Encrypt: encrypts(o.temporal != "")}
	g, gctx := errgroup.WithContext(ctx)
	if o.clickhouse == "" {
		g.Go(func() (err error) {
			e.ch, err = clickhouse.Start(gctx, clickhouse.Options{
				Dir: filepath.Join(a.data, "clickhouse"), Orgs: []string{a.org}, MaxMemory: o.maxEngineMemoryMB << 20, Logger: log})
			return err
		})
	}
	if o.temporal == "" {
		g.Go(func() (err error) {
			e.tp, err = temporal.Start(gctx, temporal.Options{
				Dir: filepath.Join(a.data, "temporal"), Port: o.temporalPort, UIPort: o.temporalUIPort, NoUI: o.noTemporalUI,
				Namespace: o.namespace, SearchAttributes: flow.SearchAttributes(), Logger: log})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		e.stop(log)
		return engines{}, ep, err
	}
	if e.ch != nil {
		ep.ClickHouse, ep.ClickHouseHTTP, ep.ClickHouseEmbeded = e.ch.Addr, e.ch.HTTPAddr, true
		ep.ClickHouseUser, ep.ClickHousePass = e.ch.User, e.ch.Password.Reveal()
		ep.AnalystUser, ep.AnalystPass = e.ch.AnalystUser, e.ch.AnalystPassword.Reveal()
	}
	if e.tp != nil {
		ep.Temporal, ep.TemporalUI, ep.Namespace = e.tp.HostPort, e.tp.UIAddr, e.tp.Namespace
		ep.TemporalToken = e.tp.CLIToken.Reveal()
	}
	return e, ep, nil
}

// addAnalyst gives orgs their users of the embedded database; nil when it is somebody else's.
func (e engines) addAnalyst() func(context.Context, string) error {
	if e.ch == nil {
		return nil
	}
	return e.ch.AddOrg
}

// workerToken is the stronger credential of our own workers, where there is one.
func (e engines) workerToken(ep endpoints) secret.Value {
	if e.tp != nil {
		return e.tp.WorkerToken
	}
	return secret.New(ep.TemporalToken)
}

func up(ctx context.Context, a *app, o upOptions) error {
	began := time.Now()
	release, err := lockData(a.data)
	if err != nil {
		return err
	}
	defer release()
	log := a.logger()
	if o.stopAfter > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.stopAfter)
		defer cancel()
	}
	eng, ep, err := startEngines(ctx, a, o, log)
	if err != nil {
		return err
	}
	defer eng.stop(log)
	node, err := newNode(ctx, a, ep, eng.workerToken(ep), nodeOptions{worker: true, server: true, listen: o.listen, ops: o.ops, webhook: o.webhook, temporalUI: ep.TemporalUI, receive: o.receive, tls: o.tls, web: o.web, addAnalyst: eng.addAnalyst(), log: log})
	if err != nil {
		return err
	}
	defer node.stop()
	ep.API, ep.OpsAddr, ep.Receive, ep.CA = node.url(), node.opsURL(), node.receiveURL(), node.served.ca
	ep.ReceiveGRPC, ep.Syslog, ep.SyslogSource = node.intake.grpc, node.intake.syslog, o.receive.syslogSource
	if err := ep.save(a.data); err != nil {
		return fmt.Errorf("saving where Vigil listens: %w", err)
	}
	if err := node.ensureSchedules(ctx); err != nil {
		return err
	}
	link, err := node.adminLink(ctx)
	if err != nil {
		return err
	}
	a.banner(ep, link, node.intake.said, time.Since(began))
	if o.demo {
		if err := loadDemo(ctx, a, node); err != nil && !errors.Is(err, context.Canceled) {
			log.Error("loading the demo", "error", err)
		}
	}
	return node.wait(ctx)
}

func (a *app) banner(ep endpoints, link string, said []string, took time.Duration) {
	fmt.Fprintf(a.err, "\nVigil is up (%.1f s). Ctrl-C stops it.\n\n", took.Seconds())
	fmt.Fprintf(a.out, "  Web UI       %s\n", ep.API)
	if link != "" {
		fmt.Fprintf(a.out, "  Admin link   %s   (once, within 24 h)\n", link)
	}
	if ep.Receive != "" {
		fmt.Fprintf(a.out, "  Receivers    %s   (_bulk, HEC, OTLP/HTTP; a token: vigil sources add-push NAME --kind bulk)\n", ep.Receive)
	}
	for _, s := range said {
		fmt.Fprintln(a.out, s)
	}
	if ep.CA != "" {
		fmt.Fprintf(a.out, "  Authority    %s   (browsers and senders must trust it)\n", ep.CA)
	}
	fmt.Fprintf(a.out, "  Temporal     %s   (eval \"$(vigil env)\" for the temporal CLI)\n", ep.Temporal)
	if ep.TemporalUI != "" {
		fmt.Fprintf(a.out, "  Temporal UI  http://%s\n", ep.TemporalUI)
	}
	fmt.Fprintf(a.out, "  ClickHouse   %s (native)  %s (HTTP)\n", ep.ClickHouse, ep.ClickHouseHTTP)
	fmt.Fprintf(a.out, "  Data         %s\n\n", a.data)
	fmt.Fprintf(a.err, "Next: vigil ingest FILE…   (or: vigil ingest --help, vigil doctor)\n\n")
}
