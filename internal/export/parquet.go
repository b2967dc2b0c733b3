package export

import (
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"

	"vigil/schema"
)

// parquetGroup is how many rows a row group holds: what is kept in memory.
const parquetGroup = 20_000

type parquetWriter struct {
	w       *parquet.GenericWriter[any]
	columns []Column
	at      []int // place in the file of each column: the library orders them by name
	rows    []parquet.Row
	n       int
}

func newParquet(w io.Writer, columns []Column) Writer {
	group := parquet.Group{}
	for _, c := range columns {
		group[c.Name] = parquet.Optional(parquet.Compressed(leaf(c.Kind), &parquet.Zstd))
	}
	s := parquet.NewSchema("events", group)
	p := &parquetWriter{w: parquet.NewGenericWriter[any](w, s, parquet.CreatedBy("vigil", "1", "")), columns: columns}
	place := map[string]int{}
	for i, path := range s.Columns() {
		place[path[0]] = i
	}
	for _, c := range columns {
		p.at = append(p.at, place[c.Name])
	}
	return p
}

func leaf(k schema.Kind) parquet.Node {
	switch k {
	case schema.Long:
		return parquet.Leaf(parquet.Int64Type)
	case schema.Double:
		return parquet.Leaf(parquet.DoubleType)
	case schema.Bool:
		return parquet.Leaf(parquet.BooleanType)
	case schema.Date:
		return parquet.Timestamp(parquet.Microsecond)
	default:
		return parquet.String()
	}
}

// Write adds a row. A value that does not fit its column's kind is an error.
func (p *parquetWriter) Write(values []any) error {
	row := make(parquet.Row, len(values))
	for i, v := range values {
		value, err := p.value(i, v)
		if err != nil {
			return err
		}
		level := 1
		if value.IsNull() {
			level = 0
		}
		row[p.at[i]] = value.Level(0, level, p.at[i])
	}
	p.rows = append(p.rows, row)
	if len(p.rows) == 500 {
		return p.flush()
	}
	return nil
}

func (p *parquetWriter) value(i int, v any) (parquet.Value, error) {
	want := p.columns[i].Kind
	switch x := v.(type) {
	case nil:
		return parquet.NullValue(), nil
	case time.Time:
		if want == schema.Date {
			return parquet.Int64Value(x.UnixMicro()), nil
		}
	case int64:
		if want == schema.Long {
			return parquet.Int64Value(x), nil
		}
	case float64:
		if want == schema.Double {
			return parquet.DoubleValue(x), nil
		}
	case bool:
		if want == schema.Bool {
			return parquet.BooleanValue(x), nil
		}
	case string:
		if want != schema.Date && want != schema.Long && want != schema.Double && want != schema.Bool {
			return parquet.ByteArrayValue([]byte(x)), nil
		}
	}
	return parquet.Value{}, fmt.Errorf("the value %v of %s does not fit its column", v, p.columns[i].Name)
}

func (p *parquetWriter) flush() error {
	if len(p.rows) == 0 {
		return nil
	}
	if _, err := p.w.WriteRows(p.rows); err != nil {
		return fmt.Errorf("writing Parquet: %w", err)
	}
	if p.n += len(p.rows); p.n >= parquetGroup {
		p.n = 0
		if err := p.w.Flush(); err != nil {
			return fmt.Errorf("writing Parquet: %w", err)
		}
	}
	p.rows = p.rows[:0]
	return nil
}

// Close writes the last rows and the footer.
func (p *parquetWriter) Close() error {
	if err := p.flush(); err != nil {
		return err
	}
	return p.w.Close()
}
