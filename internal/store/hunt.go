package store

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// HuntQuery asks stored events for a condition, as a person would: as the analyst
// user, within limits.
type HuntQuery struct {
	Org       string
	Condition string // rendered by rules/chsql
	Params    P
	From, To  time.Time // event time; To exclusive
	ID        string    // query id, so that the engine's process list names the hunt; "" for none
	Samples   int       // ids of hits that CountHits returns, the oldest
}

// HuntCount is what a condition hits, and what asking cost.
type HuntCount struct {
	Hits  int64
	IDs   []string // the oldest, as many as were asked for
	Stats SearchStats
}

// HuntCursor is the place of the last event seen, in the order of time and id.
type HuntCursor struct {
	Time time.Time
	ID   string
}

// Limits of one statement of a hunt.
const (
	huntSeconds = 600
	huntMemory  = 2_000_000_000
)

func (q HuntQuery) where() (string, P) {
	p := P{"org": q.Org, "from": q.From, "to": q.To}
	maps.Copy(p, q.Params)
	return "org = {org:String} AND timestamp >= {from:DateTime64(6)} AND timestamp < {to:DateTime64(6)} AND (" + q.Condition + ")", p
}

// huntContext limits a statement on the engine and counts what it reads. When ctx
// ends, the driver cancels the statement there.
func huntContext(ctx context.Context, id string, stats *SearchStats) context.Context {
	opts := []clickhouse.QueryOption{
		clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": huntSeconds, "max_memory_usage": huntMemory, "max_query_size": 4 << 20}),
		clickhouse.WithProgress(func(p *clickhouse.Progress) { stats.Rows += p.Rows; stats.Bytes += p.Bytes }),
	}
	ctx = clickhouse.Context(ctx, opts...)
	if id != "" {
		return withQueryID(ctx, id)
	}
	return ctx
}

// CountHits counts the events for which the condition holds and names the first of them,
// in the order of time and id, in one reading.
func (s *Store) CountHits(ctx context.Context, q HuntQuery) (HuntCount, error) {
	var c HuntCount
	where, p := q.where()
	ids := "[]::Array(String)"
	if q.Samples > 0 {
		ids = fmt.Sprintf("arrayMap(x -> lower(hex(x.2)), groupArraySorted(%d)((timestamp, id)))", q.Samples)
	}
	began := time.Now()
	err := s.analystEach(huntContext(ctx, q.ID, &c.Stats), "SELECT toInt64(count()), "+ids+" FROM events WHERE "+where, p, func(r driver.Rows) error { return r.Scan(&c.Hits, &c.IDs) })
	c.Stats.Millis = time.Since(began).Milliseconds()
	if err != nil {
		return c, fmt.Errorf("counting hits: %w", err)
	}
	return c, nil
}

// HitEvent is a stored event as rules see it.
type HitEvent struct {
	Event    *schema.Event
	Source   string
	Ingested time.Time
}

// HitEvents returns the next events for which the condition holds, in the order of
// time and id, behind the cursor; a repeated event comes once.
func (s *Store) HitEvents(ctx context.Context, q HuntQuery, after HuntCursor, limit int) ([]HitEvent, error) {
	var stats SearchStats
	where, p := q.where()
	if after.ID != "" {
		where += " AND (timestamp, id) > ({after:DateTime64(6)}, unhex({after_id:String}))"
		p["after"], p["after_id"] = after.Time, after.ID
	}
	sql := fmt.Sprintf("SELECT %s FROM events WHERE %s ORDER BY timestamp, id LIMIT 1 BY id LIMIT %d", wholeEvent(), where, limit)
	var out []HitEvent
	err := s.analystEach(huntContext(ctx, q.ID, &stats), sql, p, func(r driver.Rows) error {
		h, err := scanHit(r, schema.Fields())
		out = append(out, h)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading hits: %w", err)
	}
	return out, nil
}

// wholeEvent are the columns that scanHit reads.
func wholeEvent() string {
	fields := schema.Fields()
	cols := make([]string, len(fields))
	for i := range fields {
		cols[i] = exactOf(&fields[i])
	}
	return "lower(hex(id)), source, ingested, offset, attrs, raw, " + strings.Join(cols, ", ")
}

// exactOf is a column without loss: lists stay lists, dates are microseconds.
func exactOf(f *schema.Field) string {
	switch {
	case f.Multi:
		return f.Column
	case f.Kind == schema.Date:
		return "if(toUnixTimestamp64Micro(" + f.Column + ") = 0, '', toString(toUnixTimestamp64Micro(" + f.Column + ")))"
	default:
		return textOf(f)
	}
}

// scanHit rebuilds the event of a row.
func scanHit(r driver.Rows, fields []schema.Field) (HitEvent, error) {
	var h HitEvent
	var id, raw string
	var offset int64
	extras := map[string]string{}
	texts, lists := make([]string, len(fields)), make([][]string, len(fields))
	to := []any{&id, &h.Source, &h.Ingested, &offset, &extras, &raw}
	for i := range fields {
		if fields[i].Multi {
			to = append(to, &lists[i])
		} else {
			to = append(to, &texts[i])
		}
	}
	if err := r.Scan(to...); err != nil {
		return h, err
	}
	e := new(schema.Event)
	e.Reset([]byte(raw), offset)
	var err error
	if e.ID, err = schema.ParseEventID(id); err != nil {
		return h, err
	}
	for i := range fields {
		restore(e, &fields[i], texts[i], lists[i])
	}
	for name, v := range extras {
		e.AddExtra(name, v)
	}
	h.Event, h.Ingested = e, h.Ingested.UTC()
	return h, nil
}

// restore puts a stored value back on the event.
func restore(e *schema.Event, f *schema.Field, text string, list []string) {
	switch {
	case f.Multi:
		for _, v := range list {
			e.Add(f.ID, v)
		}
	case text == "":
	case f.Kind == schema.Date:
		var micro int64
		if _, err := fmt.Sscan(text, &micro); err == nil {
			e.SetInt(f.ID, micro)
		}
	default:
		e.Set(f.ID, text)
	}
}
