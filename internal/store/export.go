package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// MaxExport is how many events one export holds at most.
const MaxExport = 1_000_000

// ExportColumn is a field of an export.
type ExportColumn struct {
	Name string
	Kind schema.Kind
}

// ExportColumns are the columns of the named fields; of none, all fields. Id, time and
// source lead.
func ExportColumns(names []string) ([]ExportColumn, error) {
	out := []ExportColumn{{"id", schema.Keyword}, {"@timestamp", schema.Date}, {"source", schema.Keyword}}
	if len(names) == 0 {
		for _, f := range schema.Fields() {
			if f.Name != schema.FTimestamp.String() {
				out = append(out, ExportColumn{f.Name, kindOfField(&f)})
			}
		}
		return append(out, ExportColumn{"raw", schema.Text}), nil
	}
	for _, name := range names {
		f, ok := schema.Lookup(name)
		switch {
		case name == "raw":
			out = append(out, ExportColumn{"raw", schema.Text})
		case ok:
			out = append(out, ExportColumn{f.Name, kindOfField(&f)})
		case fieldName(name):
			out = append(out, ExportColumn{name, schema.Text})
		default:
			return nil, schema.E(schema.Invalid, fmt.Sprintf("there is no field %q", clipped(name)), "`vigil explain` and GET /fields list them")
		}
	}
	return out, nil
}

// kindOfField: lists are one text.
func kindOfField(f *schema.Field) schema.Kind {
	if f.Multi {
		return schema.Text
	}
	return f.Kind
}

// Export reads every event that a query without stages finds, newest first and at most
// limit, and hands each as values of the columns; nil is absent. It says what it cost.
func (s *Store) Export(ctx context.Context, q SearchRequest, columns []ExportColumn, limit int, row func([]any) error) (SearchStats, error) {
	var stats SearchStats
	began := time.Now()
	if err := s.closeRange(ctx, &q); err != nil {
		return stats, err
	}
	c, err := q.compile()
	if err != nil {
		return stats, err
	}
	if c.pipe != nil {
		return stats, schema.E(schema.Internal, "a statistic is no list of events", "")
	}
	if limit <= 0 || limit > MaxExport {
		limit = MaxExport
	}
	cols := make([]string, len(columns))
	for i, col := range columns {
		cols[i] = exportText(col.Name, c.params)
	}
	ctx = searchContext(ctx, q, &stats, clickhouse.Settings{"max_execution_time": 600, "max_memory_usage": 2_000_000_000, "max_result_rows": 0})
	sql := fmt.Sprintf("SELECT %s FROM events WHERE %s ORDER BY timestamp DESC, id LIMIT %d", strings.Join(cols, ", "), c.where, limit)
	texts, to := make([]string, len(columns)), make([]any, len(columns))
	for i := range texts {
		to[i] = &texts[i]
	}
	err = s.analystEach(ctx, sql, c.params, func(r driver.Rows) error {
		if err := r.Scan(to...); err != nil {
			return err
		}
		values := make([]any, len(columns))
		for i, text := range texts {
			values[i] = typed(columns[i].Kind, text)
		}
		return row(values)
	})
	stats.Millis = time.Since(began).Milliseconds()
	return stats, err
}

func exportText(name string, p P) string {
	switch name {
	case "id":
		return "lower(hex(id))"
	case "@timestamp":
		return "toString(toUnixTimestamp64Micro(timestamp))"
	case "source":
		return "toString(source)"
	case "raw":
		return "raw"
	}
	if f, ok := schema.Lookup(name); ok {
		return exactText(&f)
	}
	c := &queryCompiler{p: p}
	return "attrs[" + c.bind(name) + "]"
}

// exactText is exactOf with lists as one text.
func exactText(f *schema.Field) string {
	if f.Multi {
		return textOf(f)
	}
	return exactOf(f)
}

// typed is a stored text as a value of its kind; nil when it is absent.
func typed(k schema.Kind, text string) any {
	if text == "" {
		return nil
	}
	switch k {
	case schema.Long:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case schema.Double:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	case schema.Bool:
		return text == "true"
	case schema.Date:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return time.UnixMicro(n).UTC()
		}
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
