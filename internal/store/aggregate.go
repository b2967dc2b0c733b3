package store

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// Limits of one statement of an aggregate rule.
const (
	aggregateSeconds = 60
	aggregateMemory  = 2_000_000_000
	aggregateRows    = 1000
)

// AggregateRow is a row of an aggregate rule's query: column name to text.
type AggregateRow map[string]string

// testEvents are the events of inline tests of aggregate rules; analysts cannot read
// them, and they belong to no tenant's data.
const testEvents = "vigil.rule_test_events"

var withWord = regexp.MustCompile(`(?i)^with\s`)

// aggregateSQL puts the events of a window in the place of the table that the query
// names: one tenant's, and no others.
func aggregateSQL(sql, table string) string {
	events := "events AS (SELECT * FROM " + table + " WHERE org = {org:String} AND ({chunk:String} = '' OR chunk = {chunk:String}) AND timestamp >= {from:DateTime64(6)} AND timestamp < {to:DateTime64(6)})"
	if sql = strings.TrimSpace(sql); withWord.MatchString(sql) {
		return "WITH " + events + ", " + sql[len("with "):]
	}
	return "WITH " + events + " " + sql
}

func aggregateContext(ctx context.Context, filter string) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"additional_table_filters": filter, "max_execution_time": aggregateSeconds, "max_memory_usage": aggregateMemory,
		"max_result_rows": aggregateRows, "result_overflow_mode": "break", "max_threads": 1}))
}

// Aggregate runs an aggregate rule's query over one window, as the user who may only
// read, within limits. At most 1000 rows are returned.
func (s *Store) Aggregate(ctx context.Context, org, sql string, from, to time.Time) ([]AggregateRow, error) {
	if err := s.checkTyped(ctx, sql); err != nil {
		return nil, err
	}
	return s.aggregate(ctx, aggregateSQL(sql, s.o.Database+".events"), P{"org": org, "chunk": "", "from": from, "to": to})
}

func (s *Store) aggregate(ctx context.Context, sql string, p P) ([]AggregateRow, error) {
	org, _ := p["org"].(string)
	filter := "{}"
	if s.o.AnalystUser == "" {
		var err error
		if filter, err = s.orgFilter(ctx, org); err != nil {
			return nil, err
		}
	}
	var out []AggregateRow
	err := s.analystEach(aggregateContext(ctx, filter), sql, p, func(r driver.Rows) error {
		if len(out) >= aggregateRows {
			return nil
		}
		row, err := scanTexts(r)
		out = append(out, row)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("running the query of an aggregate rule: %w", err)
	}
	return out, nil
}

// scanTexts reads a row of any columns as texts.
func scanTexts(r driver.Rows) (AggregateRow, error) {
	types := r.ColumnTypes()
	to := make([]any, len(types))
	for i, t := range types {
		to[i] = reflect.New(t.ScanType()).Interface()
	}
	if err := r.Scan(to...); err != nil {
		return nil, err
	}
	row := AggregateRow{}
	for i, t := range types {
		v := reflect.ValueOf(to[i]).Elem()
		for v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		switch x := v.Interface().(type) {
		case time.Time:
			row[t.Name()] = x.UTC().Format(time.RFC3339Nano)
		default:
			row[t.Name()] = canonicalAddress(fmt.Sprint(x))
		}
	}
	return row, nil
}

// canonicalAddress spells an IPv4 address as events and other rules do: its column is
// IPv6, and a query sees it as ::ffff:10.1.2.3. Other texts stay as they are.
func canonicalAddress(text string) string {
	if !strings.HasPrefix(text, "::ffff:") {
		return text
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4In6() {
		return text
	}
	return a.Unmap().String()
}

// CheckAggregate has the engine read the query, without running it.
func (s *Store) CheckAggregate(ctx context.Context, org, sql string) error {
	now := time.Now().UTC()
	err := s.checkTyped(ctx, sql)
	if err == nil {
		_, err = s.aggregate(ctx, "EXPLAIN SYNTAX "+aggregateSQL(sql, s.o.Database+".events"), P{"org": org, "chunk": "", "from": now, "to": now})
	}
	if err != nil {
		return schema.E(schema.Invalid, "the engine does not take the query: "+err.Error(), "columns are the fields of docs/reference/fields.md with underscores")
	}
	return nil
}

// TestAggregate runs an aggregate rule's query over the events of an inline test, as Aggregate
// would: somebody typed it.
func (s *Store) TestAggregate(ctx context.Context, org, sql, test string, events []*schema.Event, from, to time.Time) ([]AggregateRow, error) {
	if err := s.exec(ctx, "CREATE TABLE IF NOT EXISTS "+testEvents+" AS "+s.o.Database+".events", nil); err != nil {
		return nil, fmt.Errorf("making the table of test events: %w", err)
	}
	b := NewBatch()
	for _, e := range events {
		b.Append(e)
	}
	if err := s.insertEvents(ctx, testEvents, org, "test", test, time.Now().UTC(), b); err != nil {
		return nil, fmt.Errorf("storing test events: %w", err)
	}
	rows, err := s.aggregate(ctx, aggregateSQL(sql, testEvents), P{"org": org, "chunk": test, "from": from, "to": to})
	derr := s.exec(ctx, "ALTER TABLE "+testEvents+" DELETE WHERE org = {org:String} AND chunk = {chunk:String}", P{"org": org, "chunk": test})
	if err == nil {
		err = derr
	}
	return rows, err
}

// PendingAggregate is an aggregate rule version that has not seen committed chunks.
type PendingAggregate struct {
	Rule, Version string
	Chunks        []string
	Events        int64
	Last          time.Time // when it was evaluated last
}

// PendingAggregates returns, for each version of an aggregate rule, committed chunks that
// pin it and are not in its ledger; limit bounds the chunks of each.
func (s *Store) PendingAggregates(ctx context.Context, org string, limit int) ([]PendingAggregate, error) {
	var out []PendingAggregate
	err := s.each(ctx, `WITH versions AS (SELECT DISTINCT rule, version FROM rule_versions WHERE org = {org:String} AND kind = 'aggregate' AND enabled),
  pinned AS (SELECT hash, r.1 AS rule, r.2 AS version FROM (SELECT hash, overlay, arrayJoin(CAST(rules, 'Array(Tuple(String, String))')) AS r FROM rule_sets FINAL WHERE org = {org:String})
    WHERE (rule, version) IN (SELECT rule, version FROM versions) AND NOT JSONHas(overlay, 'off', rule)),
  ledger AS (SELECT rule, rule_version, chunk, time FROM evaluations WHERE org = {org:String} AND (rule, rule_version) IN (SELECT rule, version FROM versions))
SELECT p.rule, p.version, groupArray({limit:UInt32})(c.id), toInt64(sum(c.events)) FROM (SELECT id, rule_set, events FROM chunks FINAL WHERE org = {org:String} AND events > 0) AS c
JOIN pinned AS p ON p.hash = c.rule_set WHERE (p.rule, p.version, c.id) NOT IN (SELECT rule, rule_version, chunk FROM ledger)
GROUP BY p.rule, p.version ORDER BY p.rule, p.version`, P{"org": org, "limit": uint32(limit)}, func(r driver.Rows) error {
		var x PendingAggregate
		err := r.Scan(&x.Rule, &x.Version, &x.Chunks, &x.Events)
		out = append(out, x)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for windows of aggregate rules: %w", err)
	}
	for i := range out {
		x := &out[i]
		if _, err := s.row(ctx, `SELECT max(time) FROM evaluations WHERE org = {org:String} AND rule = {rule:String} AND rule_version = {version:String}`,
			P{"org": org, "rule": x.Rule, "version": x.Version}, &x.Last); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// TouchedWindows returns the starts of the windows of that width that events of the
// chunks and data sets are in, oldest first. A data set is exact, or a beginning that
// ends in ".*", or "*".
func (s *Store) TouchedWindows(ctx context.Context, org string, chunks, datasets []string, width time.Duration) ([]time.Time, error) {
	var out []time.Time
	err := s.each(ctx, `SELECT DISTINCT toInt64(floor(toUnixTimestamp64Micro(timestamp) / {width:Int64})) AS n FROM events WHERE org = {org:String} AND chunk IN {chunks:Array(String)}
  AND arrayExists(d -> event_dataset = d OR endsWith(d, '*') AND startsWith(event_dataset, substring(d, 1, length(d) - 1)), {datasets:Array(String)}) ORDER BY n`,
		P{"org": org, "chunks": chunks, "datasets": datasets, "width": width.Microseconds()}, func(r driver.Rows) error {
			var n int64
			err := r.Scan(&n)
			out = append(out, time.UnixMicro(n*width.Microseconds()).UTC())
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("looking for the windows that chunks touch: %w", err)
	}
	return out, nil
}
