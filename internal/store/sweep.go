package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
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

// EventHours counts the events of a range by hour of event time, oldest first; hours
// without any are left out.
func (s *Store) EventHours(ctx context.Context, org string, from, to time.Time) ([]HourCount, error) {
	var stats SearchStats
	var out []HourCount
	where, p := HuntQuery{Org: org, Condition: "1", From: from, To: to}.where()
	err := s.analystEach(huntContext(ctx, "", &stats), "SELECT intDiv(toUnixTimestamp64Micro(timestamp), 3600000000) AS h, toInt64(count()) FROM events WHERE "+where+" GROUP BY h ORDER BY h", p, func(r driver.Rows) error {
		var h, n int64
		err := r.Scan(&h, &n)
		out = append(out, HourCount{time.Unix(h*3600, 0).UTC(), n})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting events by hour: %w", err)
	}
	return out, nil
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
	c, err := s.sweeps.take(ctx)
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
		s.sweeps.give(c)
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

// sweepBlock is the buffers of one block of rows, and the event that they fill.
type sweepBlock struct {
	fields []*sweepColumn
	ids    proto.ColFixedStr16
	source lowColumn
	ingest proto.ColDateTime64
	offset proto.ColInt64
	extras []string
	single []*proto.ColStr // by extra, when few are read
	attrs  mapColumn
	wanted map[string]string // extras: name → the same, long-lived
	record *proto.ColStr
	event  schema.Event
}

func newSweepBlock(q Sweep) *sweepBlock {
	b := &sweepBlock{extras: q.Extras, wanted: map[string]string{}}
	b.ingest = *new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
	for _, f := range q.Fields {
		b.fields = append(b.fields, newSweepColumn(f.Def()))
	}
	for _, name := range q.Extras {
		b.wanted[name] = name
		if len(q.Extras) <= fewExtras {
			b.single = append(b.single, new(proto.ColStr))
		}
	}
	if q.Record {
		b.record = new(proto.ColStr)
	}
	return b
}

// results names the columns in the order of [Sweep.sql].
func (b *sweepBlock) results() proto.Results {
	b.source.init()
	out := proto.Results{{Name: "id", Data: &b.ids}, {Name: "source", Data: &b.source}, {Name: "ingested", Data: &b.ingest}, {Name: "offset", Data: &b.offset}}
	for _, c := range b.fields {
		out = append(out, proto.ResultColumn{Name: c.field.Column, Data: c.result()})
	}
	switch {
	case len(b.single) > 0:
		for i, c := range b.single {
			out = append(out, proto.ResultColumn{Name: "extra" + strconv.Itoa(i), Data: c})
		}
	case len(b.extras) > 0:
		b.attrs.keys.init()
		out = append(out, proto.ResultColumn{Name: "attrs", Data: &b.attrs})
	}
	if b.record != nil {
		out = append(out, proto.ResultColumn{Name: "raw", Data: b.record})
	}
	return out
}

// each hands on the rows of the block as events.
func (b *sweepBlock) each(do func(HitEvent) error) error {
	b.source.values()
	for _, c := range b.fields {
		c.low.values()
	}
	b.attrs.read(b.wanted)
	for i := range b.ids {
		var raw []byte
		if b.record != nil {
			raw = b.record.RowBytes(i)
		}
		b.event.Reset(raw, b.offset[i])
		b.event.ID = b.ids[i]
		for _, c := range b.fields {
			c.set(&b.event, i)
		}
		for k, c := range b.single {
			b.event.AddExtra(b.extras[k], text(c, i))
		}
		b.attrs.set(&b.event, i)
		if err := do(HitEvent{Event: &b.event, Source: b.source.at(i), Ingested: time.UnixMilli(int64(b.ingest.Data[i])).UTC()}); err != nil {
			return err
		}
	}
	return nil
}

// text is a value as a view into the block.
func text(c *proto.ColStr, i int) string { return schema.View(c.RowBytes(i)) }

// lowColumn reads a LowCardinality(String) column: its values by their keys.
type lowColumn struct {
	proto.ColLowCardinalityRaw
	dict []string // of the block
}

func (l *lowColumn) init() { l.Index = new(proto.ColStr) }

// values makes the dictionary of the block.
func (l *lowColumn) values() {
	index, ok := l.Index.(*proto.ColStr)
	if !ok {
		return
	}
	l.dict = l.dict[:0]
	for i := range index.Rows() {
		l.dict = append(l.dict, text(index, i))
	}
}

func (l *lowColumn) key(i int) int {
	switch l.Key {
	case proto.KeyUInt8:
		return int(l.Keys8[i])
	case proto.KeyUInt16:
		return int(l.Keys16[i])
	case proto.KeyUInt32:
		return int(l.Keys32[i])
	default:
		return int(l.Keys64[i])
	}
}

func (l *lowColumn) at(i int) string { return l.dict[l.key(i)] }

// sweepColumn reads one event field.
type sweepColumn struct {
	field *schema.Field
	str   proto.ColStr
	low   lowColumn
	ip    proto.ColIPv6
	num   proto.ColInt64
	flt   proto.ColFloat64
	flag  proto.ColBool
	date  proto.ColDateTime64
	list  listColumn
}

func newSweepColumn(f *schema.Field) *sweepColumn {
	c := &sweepColumn{field: f}
	c.date = *new(proto.ColDateTime64).WithPrecision(proto.PrecisionMicro)
	return c
}

func (c *sweepColumn) result() proto.ColResult {
	switch {
	case c.field.Multi:
		return &c.list
	case c.field.Kind == schema.LowCard:
		c.low.init()
		return &c.low
	case c.field.Kind == schema.IP:
		return &c.ip
	case c.field.Kind == schema.Long:
		return &c.num
	case c.field.Kind == schema.Double:
		return &c.flt
	case c.field.Kind == schema.Bool:
		return &c.flag
	case c.field.Kind == schema.Date:
		return &c.date
	default:
		return &c.str
	}
}

// set puts row i on the event; the zero value stands for none, as it does in the store.
func (c *sweepColumn) set(e *schema.Event, i int) {
	f := c.field.ID
	switch {
	case c.field.Multi:
		for k := c.list.start(i); k < int(c.list.ends[i]); k++ {
			e.Add(f, text(&c.list.vals, k))
		}
	case c.field.Kind == schema.LowCard:
		e.SetStr(f, c.low.at(i))
	case c.field.Kind == schema.IP:
		if c.ip[i] != (proto.IPv6{}) {
			a := netip.AddrFrom16(c.ip[i]).Unmap()
			e.SetAddr(f, a, e.Commit(a.AppendTo(e.Buffer(48))))
		}
	case c.field.Kind == schema.Long:
		if c.num[i] != 0 {
			e.SetInt(f, c.num[i])
		}
	case c.field.Kind == schema.Double:
		if c.flt[i] != 0 {
			e.SetFloat(f, c.flt[i])
		}
	case c.field.Kind == schema.Bool:
		if c.flag[i] {
			e.SetInt(f, 1)
		}
	case c.field.Kind == schema.Date:
		if v := int64(c.date.Data[i]); v != 0 {
			e.SetInt(f, v)
		}
	default:
		e.SetStr(f, text(&c.str, i))
	}
}

// listColumn reads an Array(String) column.
type listColumn struct {
	ends proto.ColUInt64
	vals proto.ColStr
}

func (l *listColumn) Type() proto.ColumnType {
	return proto.ColumnTypeArray.Sub(proto.ColumnTypeString)
}
func (l *listColumn) Rows() int { return l.ends.Rows() }
func (l *listColumn) Reset()    { l.ends.Reset(); l.vals.Reset() }
func (l *listColumn) DecodeColumn(r *proto.Reader, rows int) error {
	n, err := decodeEnds(&l.ends, r, rows)
	if err != nil || n == 0 {
		return err
	}
	return l.vals.DecodeColumn(r, n)
}

func (l *listColumn) start(i int) int { return start(l.ends, i) }

func start(ends proto.ColUInt64, i int) int {
	if i == 0 {
		return 0
	}
	return int(ends[i-1])
}

// maxBlockValues bounds what one block may claim to hold: the engine sends some
// 65,000 rows at once.
const maxBlockValues = 1 << 28

func decodeEnds(ends *proto.ColUInt64, r *proto.Reader, rows int) (int, error) {
	if rows == 0 {
		return 0, nil
	}
	if err := ends.DecodeColumn(r, rows); err != nil {
		return 0, err
	}
	n := (*ends)[rows-1]
	if n > maxBlockValues {
		return 0, fmt.Errorf("a block claims %d values", n)
	}
	return int(n), nil
}

// mapColumn reads a Map(LowCardinality(String), String) column.
type mapColumn struct {
	ends  proto.ColUInt64
	keys  lowColumn
	vals  proto.ColStr
	names []string // by key: the wanted name, "" for others
}

func (m *mapColumn) Type() proto.ColumnType {
	return proto.ColumnTypeMap.Sub(m.keys.Type(), proto.ColumnTypeString)
}
func (m *mapColumn) Rows() int { return m.ends.Rows() }
func (m *mapColumn) Reset() {
	m.ends.Reset()
	m.keys.Reset()
	m.vals.Reset()
}
func (m *mapColumn) DecodeState(r *proto.Reader) error { return m.keys.DecodeState(r) }
func (m *mapColumn) DecodeColumn(r *proto.Reader, rows int) error {
	n, err := decodeEnds(&m.ends, r, rows)
	if err != nil || n == 0 {
		return err
	}
	if err := m.keys.DecodeColumn(r, n); err != nil {
		return err
	}
	return m.vals.DecodeColumn(r, n)
}

// read finds out which keys of the block are wanted.
func (m *mapColumn) read(wanted map[string]string) {
	m.names = m.names[:0]
	if m.ends.Rows() == 0 || m.vals.Rows() == 0 {
		return
	}
	m.keys.values()
	for _, k := range m.keys.dict {
		m.names = append(m.names, wanted[k])
	}
}

func (m *mapColumn) set(e *schema.Event, i int) {
	if len(m.names) == 0 {
		return
	}
	for k := start(m.ends, i); k < int(m.ends[i]); k++ {
		if name := m.names[m.keys.key(k)]; name != "" {
			e.AddExtra(name, text(&m.vals, k))
		}
	}
}

// analystOptions are those of a columnar client that may only read.
func (o Options) analystOptions() Options {
	o.User, o.Password = o.AnalystUser, o.AnalystPassword
	return o
}
