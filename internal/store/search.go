package store

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// SearchRequest is one query over the events.
type SearchRequest struct {
	Org       string
	Query     string // query language of query.go; "" matches everything
	From, To  time.Time
	Limit     int
	Cursor    string // Next of the page before, "" for the first page
	Histogram bool
	ID        string // handed back in the result
	// Since, when set, keeps what was ingested from then on, newest arrivals first: a live
	// tail asks with an overlap and drops the ids it knows.
	Since time.Time
	// Progress, when set, is told what the engine has read so far.
	Progress func(SearchStats)
	// CEL renders a rule's expression as a ClickHouse condition, for cel: queries.
	CEL func(expr string) (string, P, error)
}

// SearchRow is one event of a result.
type SearchRow struct {
	ID      string            `json:"id"`
	Time    time.Time         `json:"time"`
	Source  string            `json:"source"`
	Dataset string            `json:"dataset"`
	Fields  map[string]string `json:"fields" nullable:"false"`
}

// SearchBucket is one bar of the histogram.
type SearchBucket struct {
	Time  time.Time         `json:"time"`
	Count uint64            `json:"count"`
	By    map[string]uint64 `json:"by" nullable:"false"` // by data set
}

// FacetValue is a value with its count.
type FacetValue struct {
	Value string `json:"value"`
	Count uint64 `json:"count"`
}

// SearchResult is rows, bars and facets of one query object.
type SearchResult struct {
	ID        string                  `json:"id"`
	Rows      []SearchRow             `json:"rows" nullable:"false"`
	Next      string                  `json:"next"` // cursor of the next page, "" at the end
	Total     uint64                  `json:"total"`
	From      time.Time               `json:"from"` // the range that was searched
	To        time.Time               `json:"to"`
	Step      int64                   `json:"step"` // seconds of a histogram bucket
	Histogram []SearchBucket          `json:"histogram" nullable:"false"`
	Facets    map[string][]FacetValue `json:"facets" nullable:"false"`
	Table     *Table                  `json:"table,omitempty"` // of a query with a pipe, or of sql:
	At        time.Time               `json:"at"`              // when it was asked
	Stats     SearchStats             `json:"stats"`
}

// SearchStats says what the query cost.
type SearchStats struct {
	Rows   uint64 `json:"rows"`  // read
	Bytes  uint64 `json:"bytes"` // read, uncompressed
	Millis int64  `json:"ms"`
}

// shown are the fields that result rows carry.
var shown = []schema.FieldID{schema.FMessage, schema.FHostName, schema.FUserName, schema.FSourceIP, schema.FSourcePort, schema.FDestinationIP, schema.FDestinationPort, schema.FEventAction,
	schema.FEventOutcome, schema.FEventCode, schema.FProcessName, schema.FProcessCommandLine, schema.FDnsQuestionName, schema.FUrlOriginal, schema.FUrlDomain, schema.FRuleName, schema.FFilePath, schema.FRegistryPath, schema.FNetworkTransport, schema.FNetworkProtocol}

// facetFields are counted beside the rows.
var facetFields = []schema.FieldID{schema.FEventDataset, schema.FHostName, schema.FUserName, schema.FSourceIP, schema.FDestinationIP, schema.FEventAction, schema.FEventOutcome, schema.FProcessName}

// query is a compiled search: what holds of its events, and its stages.
type query struct {
	where  string
	params P
	pipe   *pipe // nil without stages
}

// compile reads a query that is not sql:. Its range must be closed.
func (q SearchRequest) compile() (query, error) {
	parts := splitPipe(q.Query)
	c := &queryCompiler{p: P{}}
	cond, err := "", error(nil)
	if text, ok := strings.CutPrefix(parts[0], "cel:"); ok {
		if q.CEL == nil {
			return query{}, schema.E(schema.Invalid, "cel: searches are not available here", "")
		}
		if cond, c.p, err = q.CEL(strings.TrimSpace(text)); err != nil {
			return query{}, schema.E(schema.Invalid, "the expression cannot be read: "+err.Error(), "example: cel: e.source.ip.cidr(['10.0.0.0/8'])")
		}
	} else if cond, err = c.compile(parts[0]); err != nil {
		return query{}, err
	}
	if c.p == nil {
		c.p = P{}
	}
	out := query{where: "org = {org:String} AND timestamp >= {from:DateTime64(6)} AND timestamp < {to:DateTime64(6)} AND (" + cond + ")", params: c.p}
	if !q.Since.IsZero() {
		out.where += " AND ingested >= {since:DateTime64(3)}"
	}
	if len(parts) > 1 {
		if out.pipe, err = compilePipe(c, out.where, parts[1:], q.From, q.To); err != nil {
			return query{}, err
		}
	}
	c.p["org"], c.p["from"], c.p["to"] = q.Org, q.From, q.To
	if !q.Since.IsZero() {
		c.p["since"] = q.Since
	}
	return out, nil
}

// closeRange fills the open ends of a range from what is stored, so that the histogram
// spans the events and not the years since 1970.
func (s *Store) closeRange(ctx context.Context, q *SearchRequest) error {
	if !q.From.IsZero() && !q.To.IsZero() {
		return nil
	}
	first, last, err := s.TimeRange(ctx, q.Org)
	if err != nil {
		return err
	}
	if q.From.IsZero() {
		q.From = first
	}
	if q.To.IsZero() {
		q.To = last.Add(time.Microsecond)
	}
	if q.To.Before(q.From) {
		q.To = q.From
	}
	return nil
}

// Search runs a query as the analyst user, within limits.
func (s *Store) Search(ctx context.Context, q SearchRequest) (SearchResult, error) {
	began := time.Now()
	if err := s.closeRange(ctx, &q); err != nil {
		return SearchResult{}, err
	}
	res := SearchResult{ID: q.ID, From: q.From.UTC(), To: q.To.UTC(), Step: bucketSeconds(q.To.Sub(q.From)), Rows: []SearchRow{}, Histogram: []SearchBucket{}, Facets: map[string][]FacetValue{}, At: began.UTC()}
	var err error
	if text, ok := strings.CutPrefix(strings.TrimSpace(q.Query), "sql:"); ok {
		err = s.searchSQL(ctx, q, text, &res)
	} else {
		err = s.searchEvents(ctx, q, &res)
	}
	res.Stats.Millis = time.Since(began).Milliseconds()
	return res, err
}

func (s *Store) searchEvents(ctx context.Context, q SearchRequest, res *SearchResult) error {
	c, err := q.compile()
	if err != nil {
		return err
	}
	ctx = searchContext(ctx, q, &res.Stats, searchLimits())
	if c.pipe != nil {
		res.Table, err = s.table(ctx, c.pipe, c.params)
	} else {
		err = s.searchRows(ctx, q, c.where, c.params, res)
	}
	if err != nil || !q.Histogram {
		return err
	}
	if err := s.searchHistogram(ctx, c.where, c.params, res); err != nil || c.pipe != nil {
		return err
	}
	return s.searchFacets(ctx, c.where, c.params, res)
}

// SearchEvents returns the events of a search whole, in its order; next is the cursor of the
// following page, "" at the end.
func (s *Store) SearchEvents(ctx context.Context, q SearchRequest) (list []HitEvent, next string, err error) {
	if err := s.closeRange(ctx, &q); err != nil {
		return nil, "", err
	}
	c, err := q.compile()
	if err != nil {
		return nil, "", err
	}
	if c.pipe != nil {
		return nil, "", schema.E(schema.Invalid, "a statistic has no events to show whole", "remove what stands behind the pipe")
	}
	page, err := behind(q.Cursor, c.params)
	if err != nil {
		return nil, "", err
	}
	limit := searchLimit(q.Limit)
	var stats SearchStats
	sql := "SELECT " + wholeEvent() + " FROM events WHERE " + c.where + page + fmt.Sprintf(" ORDER BY timestamp DESC, id LIMIT %d", limit)
	err = s.analystEach(searchContext(ctx, q, &stats, searchLimits()), sql, c.params, func(r driver.Rows) error {
		h, err := scanHit(r, schema.Fields())
		list = append(list, h)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("reading events: %w", err)
	}
	if len(list) == limit {
		last := list[limit-1].Event
		next = cursor(SearchRow{Time: last.Time(), ID: last.ID.String()})
	}
	return list, next, nil
}

func searchLimit(n int) int {
	if n <= 0 || n > 1000 {
		return 100
	}
	return n
}

// searchLimits are the engine's limits of one search.
func searchLimits() clickhouse.Settings {
	return clickhouse.Settings{"max_execution_time": 30, "max_memory_usage": 2_000_000_000}
}

// searchContext limits the query on the engine, counts what it reads and tells so. When
// ctx ends, the driver cancels the query there.
func searchContext(ctx context.Context, q SearchRequest, stats *SearchStats, limits clickhouse.Settings) context.Context {
	began := time.Now()
	count := func(p *clickhouse.Progress) {
		stats.Rows, stats.Bytes = stats.Rows+p.Rows, stats.Bytes+p.Bytes
		if q.Progress != nil {
			q.Progress(SearchStats{Rows: stats.Rows, Bytes: stats.Bytes, Millis: time.Since(began).Milliseconds()})
		}
	}
	limits["log_comment"] = "search " + q.ID // names the search in the engine's process list
	return clickhouse.Context(ctx, clickhouse.WithProgress(count), clickhouse.WithSettings(limits))
}

// cursor is the place behind a row: events of one time are ordered by id.
func cursor(r SearchRow) string { return r.Time.Format(time.RFC3339Nano) + "|" + r.ID }

// behind restricts a query to the rows behind a cursor, "" for the first page.
func behind(c string, p P) (string, error) {
	if c == "" {
		return "", nil
	}
	at, id, ok := strings.Cut(c, "|")
	t, err := time.Parse(time.RFC3339Nano, at)
	if !ok || err != nil || len(id) != 32 {
		return "", schema.E(schema.Invalid, "the cursor is not one of ours", "pass next of the page before, unchanged")
	}
	p["before"], p["before_id"] = t, id
	return " AND (timestamp < {before:DateTime64(6)} OR timestamp = {before:DateTime64(6)} AND id > unhex({before_id:String}))", nil
}

func (s *Store) searchRows(ctx context.Context, q SearchRequest, where string, p P, res *SearchResult) error {
	limit := searchLimit(q.Limit)
	page, err := behind(q.Cursor, p)
	if err != nil {
		return err
	}
	res.Rows, err = s.rowsOf(ctx, where+page, "ORDER BY "+newestFirst(q)+"timestamp DESC, id", p, limit)
	if len(res.Rows) == limit {
		res.Next = cursor(res.Rows[limit-1])
	}
	delete(p, "before")
	delete(p, "before_id")
	return err
}

// rowsOf reads events as rows of a result.
func (s *Store) rowsOf(ctx context.Context, where, order string, p P, limit int) ([]SearchRow, error) {
	cols := make([]string, len(shown))
	for i, f := range shown {
		cols[i] = textOf(f.Def())
	}
	rows := []SearchRow{}
	sql := fmt.Sprintf("SELECT lower(hex(id)), timestamp, source, event_dataset, %s FROM events WHERE %s %s LIMIT %d", strings.Join(cols, ", "), where, order, limit)
	err := s.analystEach(ctx, sql, p, func(r driver.Rows) error {
		row := SearchRow{Fields: map[string]string{}}
		vals := make([]string, len(shown))
		to := []any{&row.ID, &row.Time, &row.Source, &row.Dataset}
		for i := range vals {
			to = append(to, &vals[i])
		}
		if err := r.Scan(to...); err != nil {
			return err
		}
		for i, v := range vals {
			if v != "" {
				row.Fields[shown[i].String()] = bounded(v)
			}
		}
		row.Time = row.Time.UTC()
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// newestFirst orders a live tail by arrival: old events that arrive now are news.
func newestFirst(q SearchRequest) string {
	if q.Since.IsZero() {
		return ""
	}
	return "ingested DESC, "
}

// textOf is a column as text, "" when absent.
func textOf(f *schema.Field) string {
	switch {
	case f.Multi:
		return "arrayStringConcat(" + f.Column + ", ', ')"
	case f.Kind == schema.IP:
		return "if(" + f.Column + " = toIPv6('::'), '', replaceOne(toString(" + f.Column + "), '::ffff:', ''))"
	case f.Kind == schema.Long, f.Kind == schema.Double:
		return "if(" + f.Column + " = 0, '', toString(" + f.Column + "))"
	case f.Kind == schema.Bool:
		return "if(" + f.Column + ", 'true', '')"
	case f.Kind == schema.Date:
		return "if(toUnixTimestamp64Micro(" + f.Column + ") = 0, '', toString(" + f.Column + "))"
	case f.Kind == schema.LowCard:
		return "toString(" + f.Column + ")"
	default:
		return f.Column
	}
}

// searchHistogram counts per time bucket and data set; the bars add up to Total.
func (s *Store) searchHistogram(ctx context.Context, where string, p P, res *SearchResult) error {
	step := res.Step
	byTime := map[int64]*SearchBucket{}
	sql := fmt.Sprintf("SELECT toInt64(intDiv(toUnixTimestamp64Micro(timestamp), %d)) * %d AS t, event_dataset, count() FROM events WHERE %s GROUP BY t, event_dataset", step*1e6, step, where)
	err := s.analystEach(ctx, sql, p, func(r driver.Rows) error {
		var t int64
		var set string
		var n uint64
		if err := r.Scan(&t, &set, &n); err != nil {
			return err
		}
		b := byTime[t]
		if b == nil {
			b = &SearchBucket{Time: time.Unix(t, 0).UTC(), By: map[string]uint64{}}
			byTime[t] = b
		}
		b.Count += n
		b.By[set] += n
		res.Total += n
		return nil
	})
	for _, b := range byTime {
		res.Histogram = append(res.Histogram, *b)
	}
	sort.Slice(res.Histogram, func(i, j int) bool { return res.Histogram[i].Time.Before(res.Histogram[j].Time) })
	return err
}

// bucketSeconds makes about 100 bars of a round width.
func bucketSeconds(span time.Duration) int64 {
	for _, s := range []int64{1, 5, 10, 30, 60, 300, 900, 1800, 3600, 4 * 3600, 12 * 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400} {
		if span/time.Duration(s)/time.Second <= 120 {
			return s
		}
	}
	return 3650 * 86400
}

// searchFacets counts the top values of the facet fields in one pass.
func (s *Store) searchFacets(ctx context.Context, where string, p P, res *SearchResult) error {
	for _, f := range facetFields {
		text := textOf(f.Def())
		sql := fmt.Sprintf("SELECT %s AS v, count() AS n FROM events WHERE %s AND v != '' GROUP BY v ORDER BY n DESC, v LIMIT 10", text, where)
		values := []FacetValue{}
		err := s.analystEach(ctx, sql, p, func(r driver.Rows) error {
			var v FacetValue
			if err := r.Scan(&v.Value, &v.Count); err != nil {
				return err
			}
			values = append(values, v)
			return nil
		})
		if err != nil {
			return err
		}
		res.Facets[f.String()] = values
	}
	return nil
}

// StoredEvent is an event as read back.
type StoredEvent struct {
	ID       string            `json:"id"`
	Source   string            `json:"source"`
	Chunk    string            `json:"chunk"`
	Offset   int64             `json:"offset"`
	Time     time.Time         `json:"time"`
	Ingested time.Time         `json:"ingested"`
	Fields   map[string]string `json:"fields" nullable:"false"`
	Extras   map[string]string `json:"extras"`
	Raw      string            `json:"raw"`
}

// Event reads one event whole; NotFound when there is none of that id.
func (s *Store) Event(ctx context.Context, org, id string) (StoredEvent, error) {
	eid, err := schema.ParseEventID(id)
	if err != nil {
		return StoredEvent{}, schema.E(schema.Invalid, err.Error(), "")
	}
	fields := schema.Fields()
	cols := make([]string, len(fields))
	for i := range fields {
		cols[i] = textOf(&fields[i])
	}
	e := StoredEvent{ID: id, Fields: map[string]string{}}
	found := false
	err = s.analystEach(ctx, "SELECT source, chunk, offset, timestamp, ingested, attrs, raw, "+strings.Join(cols, ", ")+" FROM events WHERE org = {org:String} AND id = unhex({id:String}) LIMIT 1",
		P{"org": org, "id": eid.String()}, func(r driver.Rows) error {
			found = true
			vals := make([]string, len(fields))
			to := []any{&e.Source, &e.Chunk, &e.Offset, &e.Time, &e.Ingested, &e.Extras, &e.Raw}
			for i := range vals {
				to = append(to, &vals[i])
			}
			if err := r.Scan(to...); err != nil {
				return err
			}
			for i, v := range vals {
				if v != "" {
					e.Fields[fields[i].Name] = v
				}
			}
			return nil
		})
	if err == nil && !found {
		err = schema.E(schema.NotFound, "there is no event "+id, "it may have expired")
	}
	return e, err
}

// TimeRange is the span of event times stored. Each end is asked by itself, so that the
// index over times leaves out all that cannot hold it; min and max read every time there is.
func (s *Store) TimeRange(ctx context.Context, org string) (from, to time.Time, err error) {
	const end = "ifNull((SELECT timestamp FROM events WHERE org = {org:String} ORDER BY timestamp %s LIMIT 1), fromUnixTimestamp64Micro(toInt64(0), 'UTC'))"
	_, err = s.row(ctx, "SELECT "+fmt.Sprintf(end, "ASC")+", "+fmt.Sprintf(end, "DESC"), P{"org": org}, &from, &to)
	return from, to, err
}

// CheckQuery says what is wrong with a query without asking it.
func CheckQuery(q SearchRequest) error {
	if text, ok := strings.CutPrefix(strings.TrimSpace(q.Query), "sql:"); ok {
		return checkSQL(text)
	}
	q.From, q.To = time.Unix(0, 0), time.Unix(86400, 0)
	_, err := q.compile()
	return err
}
