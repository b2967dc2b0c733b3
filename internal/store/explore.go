package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// Estimate is what a search would read at most, before it runs: parts and ranges that the
// primary key and the skip indexes leave.
type Estimate struct {
	Rows  uint64 `json:"rows"`
	Parts uint64 `json:"parts"`
}

// Estimate asks the engine what a search would read. SQL is not estimated.
func (s *Store) Estimate(ctx context.Context, q SearchRequest) (Estimate, error) {
	var e Estimate
	if strings.HasPrefix(strings.TrimSpace(q.Query), "sql:") {
		return e, schema.E(schema.Invalid, "sql: queries are not estimated", "`sql: EXPLAIN ESTIMATE SELECT …` does")
	}
	if err := s.closeRange(ctx, &q); err != nil {
		return e, err
	}
	c, err := q.compile()
	if err != nil {
		return e, err
	}
	err = s.analystEach(ctx, "EXPLAIN ESTIMATE SELECT count() FROM events WHERE "+c.where, c.params, func(r driver.Rows) error {
		var db, table string
		var parts, rows, marks uint64
		if err := r.Scan(&db, &table, &parts, &rows, &marks); err != nil {
			return err
		}
		e.Rows, e.Parts = e.Rows+rows, e.Parts+parts
		return nil
	})
	return e, err
}

// exploring limits the small questions that are asked while a person types or points: what
// is found within two seconds is good enough.
func exploring(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_execution_time": 2, "timeout_overflow_mode": "break", "max_memory_usage": 500_000_000}))
}

// FieldValues returns the most frequent values of a field that start with the prefix, in
// a range of event time. It reads for two seconds at most.
func (s *Store) FieldValues(ctx context.Context, org, field, prefix string, from, to time.Time, limit int) ([]FacetValue, error) {
	c := &queryCompiler{p: P{"org": org, "from": from, "to": to}}
	col, err := (&pipe{c: c}).column(field)
	if err != nil {
		return nil, schema.E(schema.Invalid, err.Error(), "GET /fields lists them")
	}
	sql := fmt.Sprintf(`SELECT %s AS v, count() AS n FROM events WHERE org = {org:String} AND timestamp >= {from:DateTime64(6)} AND timestamp < {to:DateTime64(6)}
GROUP BY v HAVING v != '' AND startsWith(lowerUTF8(v), lowerUTF8(%s)) ORDER BY n DESC, v LIMIT %d`, col, c.bind(prefix), limit)
	out := []FacetValue{}
	err = s.analystEach(exploring(ctx), sql, c.p, func(r driver.Rows) error {
		var v FacetValue
		if err := r.Scan(&v.Value, &v.Count); err != nil {
			return err
		}
		v.Value = bounded(v.Value)
		out = append(out, v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading values of %s: %w", field, err)
	}
	return out, nil
}

// Around returns the events just before and after one, of the same host, or of the same
// source where it names no host, oldest first, with the event itself among them.
func (s *Store) Around(ctx context.Context, org, id string, n int) ([]SearchRow, error) {
	e, err := s.Event(ctx, org, id)
	if err != nil {
		return nil, err
	}
	c := &queryCompiler{p: P{"org": org, "at": e.Time, "id": id}}
	same := "source = " + c.bind(e.Source)
	if host := e.Fields[schema.FHostName.String()]; host != "" {
		same = "host_name = " + c.bind(host)
	}
	part := func(op, order string, limit int) ([]SearchRow, error) {
		where := fmt.Sprintf("org = {org:String} AND %s AND (timestamp, id) %s ({at:DateTime64(6)}, unhex({id:String}))", same, op)
		return s.rowsOf(exploring(ctx), where, "ORDER BY timestamp "+order+", id "+order, c.p, limit)
	}
	before, err := part("<", "DESC", n)
	if err != nil {
		return nil, fmt.Errorf("reading what came before: %w", err)
	}
	after, err := part(">=", "ASC", n+1)
	if err != nil {
		return nil, fmt.Errorf("reading what came after: %w", err)
	}
	slices.Reverse(before)
	return append(before, after...), nil
}

// Prevalence says how common a value is: where few hosts have it, it stands out.
type Prevalence struct {
	Field  string    `json:"field"`
	Value  string    `json:"value"`
	Events uint64    `json:"events"`
	Hosts  uint64    `json:"hosts"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
}

// prevalenceFields are the fields whose rare values tell something.
var prevalenceFields = []schema.FieldID{schema.FHostName, schema.FUserName, schema.FSourceIP, schema.FDestinationIP, schema.FProcessName, schema.FProcessExecutable, schema.FProcessCommandLine,
	schema.FFilePath, schema.FDnsQuestionName, schema.FUrlDomain, schema.FRegistryPath, schema.FProcessHashSha256, schema.FFileHashSha256, schema.FEventAction}

// Prevalence counts how often the telling values of an event occur in the 30 days before
// and the day after it, and on how many hosts, in one pass.
func (s *Store) Prevalence(ctx context.Context, org, id string) ([]Prevalence, error) {
	e, err := s.Event(ctx, org, id)
	if err != nil {
		return nil, err
	}
	c := &queryCompiler{p: P{"org": org, "from": e.Time.AddDate(0, 0, -30), "to": e.Time.AddDate(0, 0, 1)}}
	out := []Prevalence{}
	var cols []string
	for _, f := range prevalenceFields {
		v := e.Fields[f.String()]
		if v == "" || len(v) > maxCell {
			continue
		}
		col := f.Def().Column + " = " + c.bind(v)
		if f.Def().Kind == schema.IP {
			col = f.Def().Column + " = toIPv6(" + c.bind(v) + ")"
		}
		cols = append(cols, fmt.Sprintf("countIf(%[1]s), uniqIf(host_name, %[1]s), minIf(timestamp, %[1]s), maxIf(timestamp, %[1]s)", col))
		out = append(out, Prevalence{Field: f.String(), Value: v})
	}
	if len(out) == 0 {
		return out, nil
	}
	sql := "SELECT " + strings.Join(cols, ", ") + " FROM events WHERE org = {org:String} AND timestamp >= {from:DateTime64(6)} AND timestamp < {to:DateTime64(6)}"
	err = s.analystEach(exploring(ctx), sql, c.p, func(r driver.Rows) error {
		var to []any
		for i := range out {
			to = append(to, &out[i].Events, &out[i].Hosts, &out[i].First, &out[i].Last)
		}
		return r.Scan(to...)
	})
	if err != nil {
		return nil, fmt.Errorf("counting the values: %w", err)
	}
	return out, nil
}
