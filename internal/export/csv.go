package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"
)

// Cell makes a text safe for spreadsheets: one that would be read as a formula gets an
// apostrophe before it. Values come from attackers, who write =HYPERLINK(…) into logs.
func Cell(s string) string {
	if t := strings.TrimLeft(s, " \u00a0\ufeff"); t != "" && strings.ContainsRune("=+-@\t\r\n|%\uff1d\uff0b\uff0d\uff20", []rune(t)[0]) {
		return "'" + s
	}
	return s
}

type csvWriter struct {
	w       *csv.Writer
	columns []Column
	headed  bool
}

func newCSV(w io.Writer, columns []Column) Writer {
	return &csvWriter{w: csv.NewWriter(w), columns: columns}
}

func (c *csvWriter) head() error {
	if c.headed {
		return nil
	}
	c.headed = true
	names := make([]string, len(c.columns))
	for i, col := range c.columns {
		names[i] = Cell(col.Name)
	}
	return c.w.Write(names)
}

// Write adds a row.
func (c *csvWriter) Write(row []any) error {
	if err := c.head(); err != nil {
		return err
	}
	cells := make([]string, len(row))
	for i, v := range row {
		switch x := v.(type) {
		case nil:
		case string:
			cells[i] = Cell(x)
		case time.Time:
			cells[i] = x.UTC().Format(time.RFC3339Nano)
		default: // numbers and truth values are no formulas
			cells[i] = fmt.Sprint(x)
		}
	}
	return c.w.Write(cells)
}

// Close flushes; a table without rows still has its head.
func (c *csvWriter) Close() error {
	if err := c.head(); err != nil {
		return err
	}
	c.w.Flush()
	return c.w.Error()
}
