// Package export writes rows for other programs: NDJSON, CSV and Parquet. It is pure:
// rows in, bytes out.
package export

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"vigil/schema"
)

// Column is a named column of one kind.
type Column struct {
	Name string
	Kind schema.Kind
}

// Writer takes rows, one value a column. Values are string, int64, float64, bool,
// time.Time, or nil for absent.
type Writer interface {
	Write(row []any) error
	// Close writes what is left; the underlying writer stays open.
	Close() error
}

// format is one row of the table of formats.
type format struct {
	name, contentType string
	open              func(io.Writer, []Column) Writer
}

func formats() []format {
	return []format{
		{"ndjson", "application/x-ndjson", newNDJSON},
		{"csv", "text/csv; charset=utf-8", newCSV},
		{"parquet", "application/vnd.apache.parquet", newParquet},
	}
}

// Formats returns the names of the formats.
func Formats() []string {
	var out []string
	for _, f := range formats() {
		out = append(out, f.name)
	}
	return out
}

// New returns a writer of that format and the media type of what it writes.
func New(name string, w io.Writer, columns []Column) (Writer, string, error) {
	i := slices.IndexFunc(formats(), func(f format) bool { return f.name == name })
	if i < 0 {
		return nil, "", schema.E(schema.Invalid, fmt.Sprintf("there is no export format %q", name), "one of "+strings.Join(Formats(), ", "))
	}
	f := formats()[i]
	return f.open(w, columns), f.contentType, nil
}
