package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// The limits of a table.
const (
	maxTableRows = 10_000
	maxCell      = 32 << 10 // bytes of a text
	maxSafeInt   = 1 << 53  // what a JSON number holds exactly
)

// Table is what a statistic or an SQL query gives.
type Table struct {
	Columns   []TableColumn `json:"columns" nullable:"false"`
	Rows      [][]any       `json:"rows" nullable:"false"`  // texts, numbers, and times as RFC 3339
	Chart     string        `json:"chart" enum:",bar,time"` // how it is best drawn: "", "bar" or "time"
	Truncated bool          `json:"truncated,omitempty"`
}

// analystTable reads a statement of which nothing is known as a table.
func (s *Store) analystTable(ctx context.Context, sql string, p P) (*Table, error) {
	t := &Table{Columns: []TableColumn{}, Rows: [][]any{}}
	var kinds []reflect.Type
	err := s.analystEach(ctx, sql, p, func(r driver.Rows) error {
		if len(t.Rows) == maxTableRows {
			t.Truncated = true
			return nil
		}
		if kinds == nil {
			for i, c := range r.ColumnTypes() {
				kinds = append(kinds, c.ScanType())
				t.Columns = append(t.Columns, TableColumn{r.Columns()[i], kindOf(c.DatabaseTypeName())})
			}
		}
		to := make([]any, len(kinds))
		for i, k := range kinds {
			to[i] = reflect.New(k).Interface()
		}
		if err := r.Scan(to...); err != nil {
			return err
		}
		row := make([]any, len(to))
		for i, v := range to {
			row[i] = plain(reflect.ValueOf(v).Elem().Interface())
		}
		t.Rows = append(t.Rows, row)
		return nil
	})
	return t, err
}

// kindOf classes a ClickHouse type.
func kindOf(t string) string {
	for _, wrapper := range []string{"LowCardinality(", "Nullable("} {
		t = strings.TrimPrefix(t, wrapper)
	}
	switch {
	case strings.HasPrefix(t, "Int"), strings.HasPrefix(t, "UInt"), strings.HasPrefix(t, "Float"), strings.HasPrefix(t, "Decimal"):
		return numberColumn
	case strings.HasPrefix(t, "Date"):
		return timeColumn
	default:
		return textColumn
	}
}

// plain is a value as JSON carries it without loss, and within bounds.
func plain(v any) any {
	r := reflect.ValueOf(v)
	if !r.IsValid() || r.Kind() == reflect.Pointer && r.IsNil() {
		return nil
	}
	if r.Kind() == reflect.Pointer {
		return plain(r.Elem().Interface())
	}
	switch x := v.(type) {
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano)
	case net.IP:
		if a, ok := netip.AddrFromSlice(x); ok {
			return a.Unmap().String()
		}
	case netip.Addr:
		return x.Unmap().String()
	case fmt.Stringer:
		return bounded(x.String())
	}
	switch r.Kind() {
	case reflect.Bool:
		return fmt.Sprint(v)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := r.Int(); n > maxSafeInt || n < -maxSafeInt {
			return fmt.Sprint(n)
		}
		return v
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if r.Uint() > maxSafeInt {
			return fmt.Sprint(v)
		}
		return v
	case reflect.Float32, reflect.Float64:
		if f := r.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprint(f)
		}
		return v
	case reflect.String:
		return bounded(r.String())
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return bounded(fmt.Sprint(v))
		}
		return bounded(string(b))
	}
}

// bounded is text as JSON carries it, cut where it is very long.
func bounded(s string) string {
	if len(s) > maxCell {
		s = s[:maxCell] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// table runs the stages of a query.
func (s *Store) table(ctx context.Context, p *pipe, params P) (*Table, error) {
	t, err := s.analystTable(ctx, fmt.Sprintf("SELECT * FROM (%s) LIMIT %d", p.sql, maxTableRows+1), params)
	if err != nil {
		return nil, err
	}
	t.Columns, t.Chart = p.columns, p.chart
	if p.span > 0 {
		t.Rows = p.buckets(t)
	}
	if p.chart == "bar" && len(t.Columns) < 2 {
		t.Chart = ""
	}
	return t, nil
}

// buckets lays out a timechart: a row for each bucket, those without events too, and
// of a chart by a field a column for each series.
func (p *pipe) buckets(t *Table) [][]any {
	var series []string
	if p.series {
		for _, r := range t.Rows {
			if name := fmt.Sprint(r[1]); !slices.Contains(series, name) {
				series = append(series, name)
			}
		}
		slices.SortFunc(series, func(a, b string) int {
			if (a == "other") != (b == "other") {
				return map[bool]int{true: 1, false: -1}[a == "other"]
			}
			return strings.Compare(a, b)
		})
		t.Columns = []TableColumn{{"time", timeColumn}}
		for _, name := range series {
			t.Columns = append(t.Columns, TableColumn{name, numberColumn})
		}
	}
	width := len(t.Columns)
	at := map[int64][]any{}
	row := func(sec int64) []any {
		if at[sec] == nil {
			r := make([]any, width)
			r[0] = time.Unix(sec, 0).UTC().Format(time.RFC3339)
			for i := 1; i < width; i++ {
				r[i] = 0
			}
			at[sec] = r
		}
		return at[sec]
	}
	for sec := p.from.Unix() / p.span * p.span; sec < p.to.Unix() && len(at) <= maxTableRows/2; sec += p.span {
		row(sec)
	}
	for _, r := range t.Rows {
		sec, _ := r[0].(int64)
		if p.series {
			row(sec)[1+slices.Index(series, fmt.Sprint(r[1]))] = r[2]
		} else {
			copy(row(sec)[1:], r[1:])
		}
	}
	out := make([][]any, 0, len(at))
	for _, r := range at {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return out
}

// Typed gives a table as an export takes it: numbers as float64, times as time.Time. Columns
// of one name, which SQL allows, get a number.
func (t *Table) Typed() ([]ExportColumn, [][]any) {
	kinds := map[string]schema.Kind{numberColumn: schema.Double, timeColumn: schema.Date, textColumn: schema.Text}
	cols, seen := make([]ExportColumn, len(t.Columns)), map[string]int{}
	for i, c := range t.Columns {
		name := c.Name
		if seen[c.Name]++; seen[c.Name] > 1 {
			name = fmt.Sprintf("%s_%d", c.Name, seen[c.Name])
		}
		cols[i] = ExportColumn{name, kinds[c.Kind]}
	}
	rows := make([][]any, len(t.Rows))
	for i, r := range t.Rows {
		rows[i] = make([]any, len(r))
		for j, v := range r {
			rows[i][j] = typedCell(cols[j].Kind, v)
		}
	}
	return cols, rows
}

// typedCell is a cell as its column's kind, nil when it is none.
func typedCell(k schema.Kind, v any) any {
	if v == nil {
		return nil
	}
	text := fmt.Sprint(v)
	switch k {
	case schema.Double:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
		return nil
	case schema.Date:
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return at
		}
		return nil
	}
	return text
}
