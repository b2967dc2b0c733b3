//go:build !slim

// Package temporal runs a Temporal server inside this process on an SQLite file:
// frontend, history, matching and worker services, authorisation by token, search
// attributes, and the Temporal web UI on its own loopback port.
package temporal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"

	"vigil/internal/secret"
)

// Server is a running embedded Temporal.
type Server struct {
	HostPort    string // frontend gRPC
	UIAddr      string // HOST:PORT of the web UI, "" when off
	Namespace   string
	WorkerToken secret.Value // may do everything: for our own workers and server
	CLIToken    secret.Value // may start, signal, update, query: for this machine's operator
	ReadToken   secret.Value // may only look

	srv  temporal.Server
	ui   *uiserver.Server
	db   *stores
	stop sync.Once
}

// stores are the databases of a server; close releases the lock on them.
type stores struct {
	main, visibility *config.SQL
	shards           int32 // fixed for the life of the databases
	close            func() error
}

// Start opens (or makes, or upgrades) the database under o.Dir and returns once the
// frontend serves. A second process on the same folder is refused.
func Start(ctx context.Context, o Options) (*Server, error) {
	o.defaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the folder of the embedded Temporal: %w", err)
	}
	db, err := openStores(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("opening the database of the embedded Temporal: %w", err)
	}
	s, err := start(o, db)
	if err != nil {
		_ = db.close()
		return nil, fmt.Errorf("starting the embedded Temporal: %w", err)
	}
	s.db = db
	return s, nil
}

func openStores(ctx context.Context, o Options) (*stores, error) {
	if !o.Postgres.Empty() {
		p, err := openPostgres(ctx, o)
		if err != nil {
			return nil, err
		}
		return &stores{main: p.main, visibility: p.visibility, shards: 64, close: p.lock.Close}, nil
	}
	db := filepath.Join(o.Dir, "temporal.db")
	lock, err := lockFile(db)
	if err != nil {
		return nil, err
	}
	cfg, err := openFile(ctx, o, db)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &stores{main: cfg, visibility: cfg, shards: 1, close: lock.Close}, nil
}

// openFile opens, makes or upgrades an SQLite file that this process has locked.
func openFile(ctx context.Context, o Options, db string) (*config.SQL, error) {
	backup, err := migrate(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("upgrading %s: %w", db, err)
	}
	if backup != "" {
		o.Logger.Info("the Temporal database was upgraded", "backup", backup)
	}
	return openSQLite(ctx, db, o)
}

func start(o Options, db *stores) (*Server, error) {
	tokens, err := loadTokens(filepath.Join(o.Dir, "tokens.json"))
	if err != nil {
		return nil, err
	}
	if !o.WorkerToken.Empty() {
		tokens.Worker = o.WorkerToken.Reveal()
	}
	ports, err := choosePorts(o)
	if err != nil {
		return nil, err
	}
	s := &Server{HostPort: net.JoinHostPort(dialHost(o.Host), strconv.Itoa(ports.frontend)), Namespace: o.Namespace,
		WorkerToken: secret.New(tokens.Worker), CLIToken: secret.New(tokens.CLI), ReadToken: secret.New(tokens.Read)}
	if s.srv, err = newServer(o, serverConfig(o, db, ports), ports, tokens); err != nil {
		return nil, err
	}
	if err := s.srv.Start(); err != nil {
		return nil, err
	}
	if !o.NoUI {
		s.startUI(o)
	}
	return s, nil
}

func newServer(o Options, cfg *config.Config, p ports, t tokens) (temporal.Server, error) {
	host := func(port int) static.Hosts {
		return static.SingleLocalHost(net.JoinHostPort(dialHost(o.Host), strconv.Itoa(port)))
	}
	opts := []temporal.ServerOption{
		temporal.WithConfig(cfg),
		temporal.WithStaticHosts(map[primitives.ServiceName]static.Hosts{
			primitives.FrontendService: host(p.frontend), primitives.HistoryService: host(p.history),
			primitives.MatchingService: host(p.matching), primitives.WorkerService: host(p.worker),
			primitives.InternalFrontendService: host(p.internal),
		}),
		temporal.WithLogger(logger{o.Logger}),
		temporal.WithDynamicConfigClient(dynamicconfig.StaticClient{
			dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 8096,
			dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 200,
			dynamicconfig.EnablePrincipalPropagation.Key():                   true,
		}),
	}
	services := append([]string(nil), temporal.DefaultServices...)
	if !o.NoAuth {
		// The server's own system worker talks to a frontend without authorisation.
		services = append(services, string(primitives.InternalFrontendService))
		opts = append(opts,
			temporal.WithAuthorizer(authorization.NewDefaultAuthorizer()),
			temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims{t} }))
	}
	return temporal.NewServer(append(opts, temporal.ForServices(services))...)
}

// startUI starts the web UI unless its port is busy: the UI library ends the whole
// process when it cannot listen, so the port is probed first.
func (s *Server) startUI(o Options) {
	port, err := portOrFree(o.Host, o.UIPort)
	if err != nil {
		o.Logger.Warn("the Temporal web UI is off: no port is free", "error", err)
		return
	}
	s.ui = uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host: o.Host, Port: port, TemporalGRPCAddress: s.HostPort, EnableUI: true, DefaultNamespace: o.Namespace,
		CORS: uiconfig.CORS{CookieInsecure: true}, HideLogs: true, DisableNewsFetch: true,
	}))
	ui := s.ui
	go func() {
		if err := ui.Start(); err != nil {
			o.Logger.Warn("the Temporal web UI stopped", "error", err)
		}
	}()
	s.UIAddr = net.JoinHostPort(o.Host, strconv.Itoa(port))
}

// Stop ends the UI, then the server, then releases the database.
func (s *Server) Stop() {
	s.stop.Do(func() {
		if s.ui != nil {
			s.ui.Stop()
		}
		_ = s.srv.Stop()
		_ = s.db.close()
	})
}

func (o *Options) defaults() {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	if o.Retention == 0 {
		o.Retention = 7 * 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

type ports struct{ frontend, history, matching, worker, internal int }

// choosePorts keeps the frontend where it was at the last start, so that addresses
// people have noted stay true; the inner services take free ones.
func choosePorts(o Options) (ports, error) {
	var p ports
	file := filepath.Join(o.Dir, "port")
	want := o.Port
	if b, err := os.ReadFile(file); err == nil && want == 0 {
		want, _ = strconv.Atoi(strings.TrimSpace(string(b)))
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	var err error
	if p.frontend, err = portOrFree(o.Host, want); err != nil {
		return p, err
	}
	for _, to := range []*int{&p.history, &p.matching, &p.worker, &p.internal} {
		if *to, err = portOrFree(innerHost, 0); err != nil {
			return p, err
		}
	}
	return p, os.WriteFile(file, []byte(strconv.Itoa(p.frontend)+"\n"), 0o600)
}

// portOrFree returns want when it can be listened on, else a free port.
func portOrFree(host string, want int) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(want)))
	if err != nil && want != 0 {
		l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
