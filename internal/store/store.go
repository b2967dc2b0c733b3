// Package store keeps everything in ClickHouse. It is the only place that knows SQL
// and the only home of the ClickHouse clients: typed noun files around a few
// primitives for rows, and a columnar writer for events (events.go).
package store

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/internal/gather"
	"vigil/internal/secret"
	"vigil/schema"
)

// Options says which ClickHouse to use.
type Options struct {
	Addr     string // HOST:PORT of the native protocol. Required
	Database string // default "vigil"
	User     string
	Password secret.Value
	TLS      bool
	// AnalystUser begins the names of the users that run what people type (search, sql:, rules
	// in SQL): one an org, AnalystUser_ORG, who sees that org's rows only. Their passwords are
	// derived of AnalystPassword. Default: User runs everything, and sql: is refused.
	AnalystUser     string
	AnalystPassword secret.Value
}

// Store is a connection pool with typed reads and writes. It is safe for
// concurrent use.
type Store struct {
	o        Options
	conn     driver.Conn
	events   *columnar // columnar inserts
	analysts *analysts
	small    *gather.Gatherer[[]any]

	published bell // rings at every write to the live outbox
}

// Open connects and checks that the engine answers.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Database == "" {
		o.Database = "vigil"
	}
	s := &Store{o: o}
	var err error
	if s.conn, err = dial(o, o.User, o.Password); err != nil {
		return nil, err
	}
	if err := s.ping(ctx); err != nil {
		return nil, errors.Join(err, s.conn.Close())
	}
	s.events = newColumnar(o)
	s.analysts = newAnalysts(o)
	s.small = newSmall(s)
	return s, nil
}

func dial(o Options, user string, pass secret.Value) (driver.Conn, error) {
	opts := &clickhouse.Options{
		Addr:         []string{o.Addr},
		Auth:         clickhouse.Auth{Database: o.Database, Username: user, Password: pass.Reveal()},
		DialTimeout:  10 * time.Second,
		MaxOpenConns: 24, MaxIdleConns: 8, ConnMaxLifetime: time.Hour,
		Settings: clickhouse.Settings{},
	}
	if user == o.User {
		opts.Settings["async_insert"] = 0
	}
	if !loopback(o.Addr) {
		opts.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	}
	if o.TLS {
		opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("opening ClickHouse at %s: %w", o.Addr, err)
	}
	return c, nil
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Store) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := s.conn.Ping(ctx); err != nil {
		return schema.E(schema.Unavailable, "ClickHouse does not answer at "+s.o.Addr, "is it running, and are user and password right?", err)
	}
	return nil
}

// Ping says whether the engine answers.
func (s *Store) Ping(ctx context.Context) error { return s.ping(ctx) }

// Close closes every connection.
func (s *Store) Close() error {
	s.events.close()
	return errors.Join(s.conn.Close(), s.analysts.close())
}

// P are the named parameters of a query; they are always bound, never formatted.
type P map[string]any

func (p P) args() []any {
	out := make([]any, 0, len(p))
	for name, v := range p {
		if t, ok := v.(time.Time); ok {
			out = append(out, clickhouse.DateNamed(name, t.UTC(), clickhouse.MicroSeconds))
			continue
		}
		out = append(out, clickhouse.Named(name, v))
	}
	return out
}

// exec runs a statement.
func (s *Store) exec(ctx context.Context, q string, p P) error {
	if err := s.conn.Exec(ctx, q, p.args()...); err != nil {
		return wrap(ctx, err)
	}
	return nil
}

// each runs a query and hands every row to scan.
func (s *Store) each(ctx context.Context, q string, p P, scan func(driver.Rows) error) error {
	return s.eachOn(ctx, s.conn, q, p, scan)
}

func (s *Store) eachOn(ctx context.Context, conn driver.Conn, q string, p P, scan func(driver.Rows) error) (err error) {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	run, done := s.killable(ctx)
	defer done()
	rows, err := conn.Query(run, q, p.args()...)
	if err != nil {
		return wrap(ctx, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return wrap(ctx, rows.Err())
}

// row scans the first row of a query; false when there is none.
func (s *Store) row(ctx context.Context, q string, p P, to ...any) (bool, error) {
	found := false
	err := s.each(ctx, q, p, func(r driver.Rows) error {
		if found {
			return nil
		}
		found = true
		return r.Scan(to...)
	})
	return found, err
}

// docs runs a query whose only column is a JSON document and decodes each row.
func docs[T any](ctx context.Context, s *Store, q string, p P) ([]T, error) {
	out := []T{}
	err := s.each(ctx, q, p, func(r driver.Rows) error {
		var text string
		if err := r.Scan(&text); err != nil {
			return err
		}
		var v T
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return fmt.Errorf("a stored document is damaged: %w", err)
		}
		out = append(out, v)
		return nil
	})
	return out, err
}

// doc is docs for one row; a NotFound error names what was looked for.
func doc[T any](ctx context.Context, s *Store, what, q string, p P) (T, error) {
	all, err := docs[T](ctx, s, q, p)
	if err != nil || len(all) > 0 {
		if len(all) > 0 {
			return all[0], err
		}
		var zero T
		return zero, err
	}
	var zero T
	return zero, schema.E(schema.NotFound, "there is no "+what, "")
}

// insert appends rows to a table under a deduplication token ("" for none): the
// same token within a table's window is stored once. columns is "a, b, c"; each row
// has a value per column.
func (s *Store) insert(ctx context.Context, table, columns, token string, rows [][]any) error {
	return s.insertInto(ctx, insertion(table, columns), token, rows)
}

func insertion(table, columns string) string { return "INSERT INTO " + table + " (" + columns + ")" }

func (s *Store) insertInto(ctx context.Context, into, token string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	settings := clickhouse.Settings{"async_insert": 0}
	if token != "" {
		settings["insert_deduplicate"] = 1
		settings["insert_deduplication_token"] = token
	}
	b, err := s.conn.PrepareBatch(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), into)
	if err != nil {
		return wrap(ctx, err)
	}
	for _, r := range rows {
		if err := b.Append(r...); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", into, err), b.Abort())
		}
	}
	if err := b.Send(); err != nil {
		return wrap(ctx, err)
	}
	return nil
}

// asJSON is the document column of a noun. Nouns hold only what JSON can carry.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("a noun cannot be written as JSON: " + err.Error())
	}
	return string(b)
}

// wrap classes an engine error: what the caller cancelled, what is gone, the rest.
func wrap(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	var ex *clickhouse.Exception
	if errors.As(err, &ex) {
		switch ex.Code {
		case 241, 307, 396, 158, 159: // memory, rows, bytes or time limit
			return schema.E(schema.Exhausted, "the query is over its limits", "narrow the time range or add a condition", err)
		case 394:
			return schema.E(schema.Conflict, "the query was cancelled", "", err)
		case 497, 516:
			return schema.E(schema.Denied, "ClickHouse refuses this user", "", err)
		}
		return fmt.Errorf("clickhouse: %s (code %d)", firstLine(ex.Message), ex.Code)
	}
	var ne net.Error
	if errors.As(err, &ne) || errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "EOF") {
		return schema.E(schema.Unavailable, "ClickHouse does not answer", "it may be restarting; try again", err)
	}
	return err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
