package activities

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"vigil/schema"
)

// recountRows compares the rows that the footer of a Parquet file tells of, altogether and
// by row group, with its chunks, which must join. It reads the footer's encoding (Thrift,
// compact) by itself, and shares no code with the reader of rows.
func (p *Proof) recountRows(in *bufio.Reader, list []schema.Chunk) error {
	last := list[len(list)-1]
	rows, err := parquetRows(in)
	damaged := errors.Is(err, errFooter) && last.Failures > 0 // it was when it was ingested, too, and that is on record
	if err != nil && !damaged {
		return err
	}
	var have int64
	for i, c := range list {
		if i > 0 && c.From != list[i-1].To {
			p.problem("chunk %s (%s): starts at row %d, but the chunk before it ends at %d", c.ID, c.Object, c.From, list[i-1].To)
		}
		if n := c.Records + c.Skipped; n != c.To-c.From && c.Failures == 0 {
			p.problem("chunk %s (%s): it has %d records of the rows %d to %d", c.ID, c.Object, n, c.From, c.To)
		}
		have = c.To
	}
	if last.Last && have != rows && last.Failures == 0 {
		p.problem("chunk %s (%s): the file has %d rows, the manifest ends at %d", last.ID, last.Object, rows, have)
	}
	return nil
}

const maxProvedFooter = 64 << 20

// errFooter is that of a file that cannot say how many rows it has.
var errFooter = errors.New("the end of the Parquet file is missing or damaged")

// parquetRows reads to the end of a Parquet file and returns its number of rows.
func parquetRows(in *bufio.Reader) (int64, error) {
	f, err := os.CreateTemp("", "vigil-prove-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	_ = os.Remove(f.Name())
	size, err := io.Copy(f, in)
	if err != nil {
		return 0, err
	}
	var tail [8]byte
	if _, err := f.ReadAt(tail[:], size-8); err != nil || string(tail[4:]) != "PAR1" {
		return 0, errFooter
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if n > min(maxProvedFooter, size-12) {
		return 0, fmt.Errorf("%w: the footer claims %d bytes", errFooter, n)
	}
	footer := make([]byte, n)
	if _, err := f.ReadAt(footer, size-8-n); err != nil {
		return 0, err
	}
	rows, err := footerRows(footer)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errFooter, err)
	}
	return rows, nil
}

// footerRows adds up a footer: field 3 of it is the number of rows, field 4 the row
// groups, whose field 3 is theirs.
func footerRows(footer []byte) (int64, error) {
	t := compact{b: footer}
	var rows, sum int64
	groups := 0
	t.fields(func(id int64, kind byte) {
		switch {
		case id == 3 && kind == 6:
			rows = t.zigzag()
		case id == 4 && kind == 9:
			head := t.byte()
			n := uint64(head >> 4)
			if n == 15 {
				n = t.varint()
			}
			for ; n > 0 && t.err == nil; n-- {
				groups++
				t.fields(func(id int64, kind byte) {
					if id == 3 && kind == 6 {
						sum += t.zigzag()
						return
					}
					t.skip(kind, 0)
				})
			}
		default:
			t.skip(kind, 0)
		}
	})
	if t.err == nil && rows != sum {
		return 0, fmt.Errorf("the footer tells of %d rows, its %d row groups of %d", rows, groups, sum)
	}
	return rows, t.err
}

// compact reads Thrift's compact encoding.
type compact struct {
	b   []byte
	err error
}

func (t *compact) byte() byte {
	if len(t.b) == 0 {
		t.err = io.ErrUnexpectedEOF
		return 0
	}
	x := t.b[0]
	t.b = t.b[1:]
	return x
}

func (t *compact) varint() uint64 {
	x, n := binary.Uvarint(t.b)
	if n <= 0 {
		t.err = io.ErrUnexpectedEOF
		return 0
	}
	t.b = t.b[n:]
	return x
}

func (t *compact) zigzag() int64 {
	x := t.varint()
	return int64(x>>1) ^ -int64(x&1)
}

// fields walks a struct; fn must take or skip each value.
func (t *compact) fields(fn func(id int64, kind byte)) {
	id := int64(0)
	for t.err == nil {
		head := t.byte()
		if head == 0 {
			return
		}
		if d := int64(head >> 4); d > 0 {
			id += d
		} else {
			id = t.zigzag()
		}
		fn(id, head&15)
	}
}

func (t *compact) skip(kind byte, depth int) {
	if depth > 32 {
		t.err = errors.New("the footer is nested too deeply")
		return
	}
	switch kind {
	case 1, 2: // booleans stand in the head of their field
	case 3:
		t.byte()
	case 4, 5, 6:
		t.varint()
	case 7:
		t.take(8)
	case 8:
		t.take(t.varint())
	case 9, 10:
		head := t.byte()
		n := uint64(head >> 4)
		if n == 15 {
			n = t.varint()
		}
		for ; n > 0 && t.err == nil; n-- {
			if head&15 <= 2 {
				t.byte() // in a list a boolean is a byte
				continue
			}
			t.skip(head&15, depth+1)
		}
	case 12:
		t.fields(func(_ int64, kind byte) { t.skip(kind, depth+1) })
	default:
		t.err = fmt.Errorf("the footer has a value of unknown kind %d", kind)
	}
}

func (t *compact) take(n uint64) {
	if n > uint64(len(t.b)) {
		t.err = io.ErrUnexpectedEOF
		return
	}
	t.b = t.b[n:]
}
