package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// EventClass is the events of a data set that share what most rules ask first.
type EventClass struct {
	Dataset string
	Codes   []string // event codes; nil: there are too many to tell apart
	Events  int64
}

// maxClassCodes is how many event codes of one data set are told apart.
const maxClassCodes = 500

// EventClasses says which data sets and event codes are stored in a range, the largest
// data set first.
func (s *Store) EventClasses(ctx context.Context, org string, from, to time.Time) ([]EventClass, error) {
	var stats SearchStats
	var out []EventClass
	where, p := HuntQuery{Org: org, Condition: "1", From: from, To: to}.where()
	sql := fmt.Sprintf("SELECT toString(event_dataset), groupUniqArray(%d)(toString(event_code)), toInt64(count()) FROM events WHERE %s GROUP BY event_dataset ORDER BY 3 DESC, 1", maxClassCodes+1, where)
	err := s.analystEach(huntContext(ctx, "", &stats), sql, p, func(r driver.Rows) error {
		var c EventClass
		if err := r.Scan(&c.Dataset, &c.Codes, &c.Events); err != nil {
			return err
		}
		if slices.Sort(c.Codes); len(c.Codes) > maxClassCodes {
			c.Codes = nil
		}
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting data sets: %w", err)
	}
	return out, nil
}

// HourCount is how many events an hour of event time has.
type HourCount struct {
	Hour   time.Time
	Events int64
}

// exactHours is up to how many events are counted one by one.
const exactHours = 2_000_000

// EventHours counts the events of a range by hour of event time, oldest first; hours
// without any are left out. More than exactHours are reckoned from the primary index, which
// has a row for thousands of events: to count a hundred million takes longer than a hunt
// that an index answers.
func (s *Store) EventHours(ctx context.Context, org string, from, to time.Time) ([]HourCount, error) {
	// A row of the index tells the first event of a granule: one that begins before the range
	// and reaches into it is left out, one that begins in it counts whole.
	hours, events, err := s.hours(ctx, s.conn, "sum(rows_in_granule)", "mergeTreeIndex(currentDatabase(), 'events')", org, from, to)
	if err == nil && events <= exactHours {
		var a *analyst
		if a, err = s.analysts.of(org); err == nil {
			hours, _, err = s.hours(ctx, a.conn, "count()", "events", org, from, to)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("counting events by hour: %w", err)
	}
	return hours, nil
}

// hours asks a table that has event times for counts by hour, and adds them up.
func (s *Store) hours(ctx context.Context, conn driver.Conn, count, table, org string, from, to time.Time) (out []HourCount, events int64, err error) {
	var stats SearchStats
	where, p := HuntQuery{Org: org, Condition: "1", From: from, To: to}.where()
	sql := fmt.Sprintf("SELECT intDiv(toUnixTimestamp64Micro(timestamp), 3600000000) AS h, toInt64(%s) FROM %s WHERE %s GROUP BY h ORDER BY h", count, table, where)
	err = s.eachOn(huntContext(ctx, "", &stats), conn, sql, p, func(r driver.Rows) error {
		var h, n int64
		err := r.Scan(&h, &n)
		out, events = append(out, HourCount{time.Unix(h*3600, 0).UTC(), n}), events+n
		return err
	})
	return out, events, err
}

// EstimateRows is how many rows a query will read once the indexes have had their say.
func (s *Store) EstimateRows(ctx context.Context, q HuntQuery) (int64, error) {
	var stats SearchStats
	rows := int64(0)
	where, p := q.where()
	err := s.analystEach(huntContext(ctx, "", &stats), "EXPLAIN ESTIMATE SELECT count() FROM events WHERE "+where, p, func(r driver.Rows) error {
		var database, table string
		var parts, n, marks uint64
		err := r.Scan(&database, &table, &parts, &n, &marks)
		rows += int64(n)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("estimating a query: %w", err)
	}
	return rows, nil
}

// Sweep is one pass over stored events by columns: nothing is read but what is asked for,
// and no row is built that nobody looks at.
type Sweep struct {
	Org       string
	Dataset   string   // "" for any
	Codes     []string // event codes; nil for any
	From, To  time.Time
	Fields    []schema.FieldID
	Extras    []string // names of fields that the field table does not model
	Record    bool     // read the record itself
	Condition string   // rendered by rules/chsql; "" for none
	Params    P
	ID        string // query id
}

// fewExtras is up to how many unmodelled fields are read one by one, and not as the
// whole map of them.
const fewExtras = 8

func (q Sweep) sql() (string, P) {
	cond := q.Condition
	if cond == "" {
		cond = "1"
	}
	where, p := HuntQuery{Org: q.Org, Condition: cond, Params: q.Params, From: q.From, To: q.To}.where()
	if q.Dataset != "" {
		p["dataset"] = q.Dataset
		where = "event_dataset = {dataset:String} AND " + where
	}
	if q.Codes != nil {
		names := make([]string, len(q.Codes))
		for i, c := range q.Codes {
			name := "code" + strconv.Itoa(i)
			names[i], p[name] = "{"+name+":String}", c
		}
		where = "event_code IN (" + strings.Join(names, ", ") + ") AND " + where
	}
	cols := []string{"id", "source", "ingested", "offset"}
	for _, f := range q.Fields {
		cols = append(cols, f.Def().Column)
	}
	switch {
	case len(q.Extras) > fewExtras:
		cols = append(cols, "attrs")
	default:
		for i, name := range q.Extras {
			key := "extra" + strconv.Itoa(i)
			cols, p[key] = append(cols, "attrs[{"+key+":String}] AS "+key), name
		}
	}
	if q.Record {
		cols = append(cols, "raw")
	}
	return "SELECT " + strings.Join(cols, ", ") + " FROM events WHERE " + where, p
}

// SweepEvents reads events and hands each to do, in no order. The event and what it holds
// are valid until do returns. Only what the sweep asks for is set on it.
func (s *Store) SweepEvents(ctx context.Context, q Sweep, do func(HitEvent) error) (SearchStats, error) {
	var stats SearchStats
	began := time.Now()
	a, err := s.analysts.of(q.Org)
	if err != nil {
		return stats, err
	}
	c, err := a.sweeps.take(ctx)
	if err != nil {
		return stats, err
	}
	sql, p := q.sql()
	b := newSweepBlock(q)
	var failed error
	until, stop := context.WithCancel(ctx)
	defer stop()
	run, done := s.killable(context.WithValue(until, queryID{}, q.ID))
	err = c.Do(run, ch.Query{Body: sql, QueryID: q.ID, Parameters: p.parameters(), Result: b.results(),
		Settings: []ch.Setting{{Key: "max_execution_time", Value: strconv.Itoa(huntSeconds), Important: true}, {Key: "max_memory_usage", Value: strconv.Itoa(huntMemory), Important: true},
			{Key: "max_query_size", Value: strconv.Itoa(4 << 20), Important: true}},
		OnProgress: func(_ context.Context, x proto.Progress) error {
			stats.Rows += x.Rows
			stats.Bytes += x.Bytes
			return nil
		},
		OnResult: func(context.Context, proto.Block) error {
			if until.Err() != nil {
				return nil // the rest of the answer is only read off the connection
			}
			if failed = b.each(do); failed != nil {
				stop()
			}
			return nil
		}})
	done()
	stats.Millis = time.Since(began).Milliseconds()
	if err != nil {
		_ = c.Close()
	} else {
		a.sweeps.give(c)
	}
	switch {
	case failed != nil:
		return stats, failed
	case ctx.Err() != nil:
		return stats, errors.Join(context.Cause(ctx), err)
	case err != nil:
		return stats, fmt.Errorf("sweeping events: %w", columnarError(err))
	}
	return stats, nil
}

// columnarError classes an error of the columnar client as wrap does those of the other.
func columnarError(err error) error {
	ex, ok := ch.AsException(err)
	if !ok {
		return schema.E(schema.Unavailable, "ClickHouse broke off a query", "it may be restarting; try again", err)
	}
	switch ex.Code {
	case proto.ErrMemoryLimitExceeded, proto.ErrTimeoutExceeded, proto.ErrTooManyRows:
		return schema.E(schema.Exhausted, "the query is over its limits", "narrow the time range or add a condition", err)
	case proto.ErrQueryWasCancelled:
		return schema.E(schema.Conflict, "the query was cancelled", "", err)
	}
	return fmt.Errorf("clickhouse: %s (code %d)", firstLine(ex.Message), ex.Code)
}

// paramText is how the engine reads a text parameter; paramDump how the protocol carries it.
var (
	paramText = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)
	paramDump = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
)

// parameters are the parameters in the form of the columnar client.
func (p P) parameters() []proto.Parameter {
	out := make([]proto.Parameter, 0, len(p))
	for _, name := range slices.Sorted(maps.Keys(p)) {
		text := ""
		switch v := p[name].(type) {
		case time.Time:
			text = v.UTC().Format("2006-01-02 15:04:05.000000")
		default:
			text = paramText.Replace(fmt.Sprint(v))
		}
		out = append(out, proto.Parameter{Key: name, Value: "'" + paramDump.Replace(text) + "'"})
	}
	return out
}
