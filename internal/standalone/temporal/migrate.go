//go:build !slim

package temporal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	tsql "go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/resolver"
)

// migrate brings an existing database to the schema of the linked server. Temporal
// ships no SQLite migrations, so the file is rebuilt: a new file with the new
// schema, every shared plain column copied and counted, then swapped in. It returns
// the path of the backup, "" when nothing had to be done.
func migrate(ctx context.Context, path string) (backup string, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	ddl, want, err := wantedSchema(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the wanted schema: %w", err)
	}
	have, err := checkpoint(ctx, path)
	if err != nil || have == want {
		return "", err
	}
	next := path + ".next"
	_ = os.Remove(next)
	if err := rebuild(ctx, next, path, ddl, want); err != nil {
		return "", errors.Join(err, os.Remove(next))
	}
	backup = fmt.Sprintf("%s.%s.bak", path, time.Now().UTC().Format("20060102T150405"))
	if err := os.Rename(path, backup); err != nil {
		return "", err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(path + suffix)
	}
	return backup, os.Rename(next, path)
}

// checkpoint folds the write-ahead log into the file (Temporal never closes its
// database) and returns the schema stamp.
func checkpoint(ctx context.Context, path string) (stamp int64, err error) {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&stamp); err != nil {
		return 0, err
	}
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return stamp, err
}

func rebuild(ctx context.Context, next, path string, ddl []string, stamp int64) (err error) {
	db, err := sql.Open("sqlite", "file:"+next+"?_pragma=synchronous=2")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, s := range ddl {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%.60s: %w", s, err)
		}
	}
	if _, err := db.ExecContext(ctx, "ATTACH DATABASE ? AS old", path); err != nil {
		return err
	}
	tables, err := list(ctx, db, `SELECT m.name FROM main.sqlite_master m JOIN old.sqlite_master o ON o.name = m.name AND o.type = 'table'
		WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' AND m.name NOT LIKE '%\_fts\_%' ESCAPE '\'`)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := copyTable(ctx, db, t); err != nil {
			return fmt.Errorf("copying %s: %w", t, err)
		}
	}
	var ok string
	if err := db.QueryRowContext(ctx, "PRAGMA main.integrity_check").Scan(&ok); err != nil || ok != "ok" {
		return fmt.Errorf("integrity check says %q: %w", ok, err)
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA main.user_version = %d", stamp))
	return err
}

// copyTable copies the columns both sides have; generated ones rebuild themselves.
func copyTable(ctx context.Context, db *sql.DB, t string) error {
	cols, err := list(ctx, db, `SELECT n.name FROM pragma_table_xinfo(?, 'main') n JOIN pragma_table_xinfo(?, 'old') o ON o.name = n.name
		WHERE n.hidden = 0 AND o.hidden = 0`, t, t)
	if err != nil {
		return err
	}
	c := strings.Join(cols, ", ")
	if _, err := db.ExecContext(ctx, fmt.Sprintf("INSERT OR REPLACE INTO main.%s (%s) SELECT %s FROM old.%s", t, c, c, t)); err != nil {
		return err
	}
	var now, before int64
	q := fmt.Sprintf("SELECT (SELECT count(*) FROM main.%s), (SELECT count(*) FROM old.%s)", t, t)
	if err := db.QueryRowContext(ctx, q).Scan(&now, &before); err != nil {
		return err
	}
	if now != before {
		return fmt.Errorf("%d of %d rows arrived", now, before)
	}
	return nil
}

// stamp records the schema a new database was made with.
func stamp(ctx context.Context, path string) (err error) {
	_, v, err := wantedSchema(ctx)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", v))
	return err
}

// wantedSchema reads the statements of the linked server from a throw-away
// database in memory, and their hash as a positive 31-bit number.
func wantedSchema(ctx context.Context) ([]string, int64, error) {
	cfg := &config.SQL{PluginName: sqliteplugin.PluginName, DatabaseName: fmt.Sprintf("schema%d", time.Now().UnixNano()),
		ConnectAttributes: map[string]string{"mode": "memory", "cache": "shared"}}
	admin, err := tsql.NewSQLAdminDB(sqlplugin.DbKindUnknown, cfg, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = admin.Close() }()
	db, err := sql.Open("sqlite", "file:"+cfg.DatabaseName+"?mode=memory&cache=shared")
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = db.Close() }()
	ddl, err := list(ctx, db, `SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND (sql LIKE 'CREATE VIRTUAL%' OR name NOT LIKE '%\_fts\_%' ESCAPE '\')
		ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END, rowid`)
	if err != nil {
		return nil, 0, err
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(ddl)), ";")))
	return ddl, int64(binary.BigEndian.Uint32(sum[:4]) >> 1), nil
}

func list(ctx context.Context, db *sql.DB, q string, args ...any) (out []string, err error) {
	rows, err := db.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
