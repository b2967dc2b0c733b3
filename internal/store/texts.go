package store

import (
	"encoding/binary"

	"github.com/ClickHouse/ch-go/proto"
)

// texts is a String column kept as it goes over the wire: each value behind its length.
// Beside the column of the library it saves a position per row and, when the insert is
// sent, the pass that puts lengths and values together.
type texts struct {
	wire []byte
	rows int
}

// Append copies a value behind the others.
func (t *texts) Append(v string) {
	t.wire = binary.AppendUvarint(t.wire, uint64(len(v)))
	t.wire = append(t.wire, v...)
	t.rows++
}

// Reset empties the column and keeps its buffer.
func (t *texts) Reset() { t.wire, t.rows = t.wire[:0], 0 }

// Type implements proto.ColInput.
func (t *texts) Type() proto.ColumnType { return proto.ColumnTypeString }

// Rows implements proto.ColInput.
func (t *texts) Rows() int { return t.rows }

// EncodeColumn implements proto.ColInput.
func (t *texts) EncodeColumn(b *proto.Buffer) { b.PutRaw(t.wire) }

// WriteColumn implements proto.ColInput; the buffer is sent without another copy.
func (t *texts) WriteColumn(w *proto.Writer) { w.ChainWrite(t.wire) }
