//go:build !slim

package temporal

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	persistencesql "go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql" // registers the driver "pgx" too
	"go.temporal.io/server/common/resolver"
	serverschema "go.temporal.io/server/schema"
	"go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"

	"vigil/schema"
)

// The two databases of a Temporal on PostgreSQL, and the lock that keeps a second
// one-process server away: with static membership both would own every shard.
const (
	mainDatabase       = "temporal"
	visibilityDatabase = "temporal_visibility"
	serverLock         = 0x76696769
)

// postgres is a Temporal store on a PostgreSQL server.
type postgres struct {
	main, visibility *config.SQL
	lock             *sql.DB // holds the advisory lock while open
}

// openPostgres connects to the server that dsn names (postgres://USER:PASSWORD@HOST:PORT),
// takes the server lock, makes or upgrades both databases and makes the namespace.
// It waits until ctx ends for a server that does not answer yet.
func openPostgres(ctx context.Context, o Options) (_ *postgres, err error) {
	u, err := url.Parse(o.Postgres.Reveal())
	if err != nil || u.Host == "" || u.User == nil {
		return nil, schema.E(schema.Invalid, "the PostgreSQL address is not valid", "write postgres://USER:PASSWORD@HOST:5432") // never quotes the password
	}
	p := &postgres{main: postgresConfig(u, mainDatabase), visibility: postgresConfig(u, visibilityDatabase)}
	if p.lock, err = lockPostgres(ctx, u); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = p.lock.Close()
		}
	}()
	for dir, db := range map[string]*config.SQL{"postgresql/v12/temporal": p.main, "postgresql/v12/visibility": p.visibility} {
		if err := setUpPostgres(ctx, p.lock, db, dir); err != nil {
			return nil, fmt.Errorf("bringing the database %s up to date: %w", db.DatabaseName, err)
		}
	}
	ns, err := sqlite.NewNamespaceConfig(clusterName, o.Namespace, false, attributes(o.SearchAttributes))
	if err != nil {
		return nil, err
	}
	ns.Detail.Config.Retention = durationpb.New(o.Retention)
	if err := sqlite.CreateNamespaces(p.main, ns); err != nil { // plain SQL persistence, whatever its name says
		return nil, fmt.Errorf("making the namespace %s: %w", o.Namespace, err)
	}
	return p, nil
}

func postgresConfig(u *url.URL, database string) *config.SQL {
	password, _ := u.User.Password()
	port := cmp.Or(u.Port(), "5432")
	return &config.SQL{PluginName: postgresql.PluginNamePGX, User: u.User.Username(), Password: password, DatabaseName: database,
		ConnectAddr: net.JoinHostPort(u.Hostname(), port), ConnectProtocol: "tcp", MaxConns: 20, MaxIdleConns: 20, MaxConnLifetime: time.Hour}
}

// lockPostgres waits for the server and takes the lock on one connection, which the
// returned handle keeps open.
func lockPostgres(ctx context.Context, u *url.URL) (*sql.DB, error) {
	admin := *u
	admin.Path, admin.RawQuery = "/postgres", "sslmode=prefer"
	db, err := sql.Open("pgx", admin.String())
	if err != nil {
		return nil, errors.New("opening PostgreSQL at " + u.Host) // the driver's error quotes the address
	}
	db.SetMaxOpenConns(1)
	db.SetConnMaxLifetime(0)
	for {
		var got bool
		err := db.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", serverLock).Scan(&got)
		if err == nil && got {
			return db, nil
		}
		if err == nil {
			_ = db.Close()
			return nil, schema.E(schema.Conflict, "another Temporal of ours uses the PostgreSQL server "+u.Host, "stop it first; more than one needs the official Temporal images")
		}
		select {
		case <-ctx.Done():
			_ = db.Close()
			return nil, schema.E(schema.Unavailable, "PostgreSQL does not answer at "+u.Host, "check that it runs and that user and password are right", err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// manifest is the head of one step of the server's own versioned schema.
type manifest struct {
	CurrVersion          string
	MinCompatibleVersion string
	Description          string
	SchemaUpdateCqlFiles []string
}

// setUpPostgres makes the database when it is missing and applies the schema steps
// that it lacks, which is both the first set-up and every later upgrade.
func setUpPostgres(ctx context.Context, server *sql.DB, cfg *config.SQL, dir string) error {
	var exists bool
	if err := server.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", cfg.DatabaseName).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		if _, err := server.ExecContext(ctx, `CREATE DATABASE "`+cfg.DatabaseName+`"`); err != nil { // a constant of ours
			return err
		}
	}
	db, err := persistencesql.NewSQLAdminDB(sqlplugin.DbKindUnknown, cfg, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.CreateSchemaVersionTables(); err != nil {
		return err
	}
	at, err := db.ReadSchemaVersion(cfg.DatabaseName)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	steps, err := schemaSteps(dir + "/versioned")
	if err != nil {
		return err
	}
	for _, step := range steps {
		if compareVersions(step, at) <= 0 {
			continue
		}
		if err := applyStep(db, cfg.DatabaseName, at, dir+"/versioned/v"+step); err != nil {
			return fmt.Errorf("schema step %s: %w", step, err)
		}
		at = step
	}
	return nil
}

// schemaSteps are the versions under dir, oldest first.
func schemaSteps(dir string) ([]string, error) {
	entries, err := fs.ReadDir(serverschema.Assets(), dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if v, ok := strings.CutPrefix(e.Name(), "v"); ok && e.IsDir() {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, compareVersions)
	return out, nil
}

func applyStep(db sqlplugin.AdminDB, database, from, dir string) error {
	assets := serverschema.Assets()
	b, err := fs.ReadFile(assets, path.Join(dir, "manifest.json"))
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	for _, name := range m.SchemaUpdateCqlFiles {
		f, err := assets.Open(path.Join(dir, name))
		if err != nil {
			return err
		}
		statements, err := persistence.LoadAndSplitQueryFromReaders([]io.Reader{f})
		_ = f.Close()
		if err != nil {
			return err
		}
		for _, s := range statements {
			if err := db.Exec(s); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if err := db.UpdateSchemaVersion(database, m.CurrVersion, m.MinCompatibleVersion); err != nil {
		return err
	}
	return db.WriteSchemaUpdateLog(cmp.Or(from, "0"), m.CurrVersion, "", m.Description)
}

// compareVersions orders "1.2" before "1.10"; "" comes first.
func compareVersions(a, b string) int {
	major := func(v string) (int, int) {
		x, y, _ := strings.Cut(v, ".")
		m, _ := strconv.Atoi(x)
		n, _ := strconv.Atoi(y)
		return m, n
	}
	a1, a2 := major(a)
	b1, b2 := major(b)
	return cmp.Or(cmp.Compare(a1, b1), cmp.Compare(a2, b2))
}
