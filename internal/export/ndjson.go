package export

import (
	"bufio"
	"encoding/json"
	"io"
	"time"
)

// ndjsonWriter writes one object a line, in the order of the columns, without absent values.
type ndjsonWriter struct {
	w     *bufio.Writer
	names [][]byte
}

func newNDJSON(w io.Writer, columns []Column) Writer {
	n := &ndjsonWriter{w: bufio.NewWriterSize(w, 64<<10)}
	for _, c := range columns {
		name, _ := json.Marshal(c.Name) // a string always can be written
		n.names = append(n.names, append(name, ':'))
	}
	return n
}

// Write adds a line.
func (n *ndjsonWriter) Write(row []any) error {
	sep := byte('{')
	for i, v := range row {
		if v == nil {
			continue
		}
		if t, ok := v.(time.Time); ok {
			v = t.UTC().Format(time.RFC3339Nano)
		}
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_ = n.w.WriteByte(sep) // a buffered writer keeps its first error for the end of the line
		_, _ = n.w.Write(n.names[i])
		_, _ = n.w.Write(b)
		sep = ','
	}
	if sep == '{' {
		_ = n.w.WriteByte('{')
	}
	_, err := n.w.WriteString("}\n")
	return err
}

// Close flushes.
func (n *ndjsonWriter) Close() error { return n.w.Flush() }
