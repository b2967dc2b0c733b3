package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
	"unicode/utf16"

	"vigil/internal/parser/evtx"
	"vigil/internal/spool"
)

// Record is one unit of bytes. Data is valid until the next record is asked for.
type Record struct {
	Data   []byte // without line ending
	Offset int64  // of its first byte in the decompressed object
	Size   int64  // bytes it takes there, line ending included
	// Weight is the record's length in bytes where Offset and Size count something else:
	// rows, or places in a queue. 0 elsewhere.
	Weight  int64
	TooLong bool // longer than MaxRecord: Data is its head, Size its length
	// Cut says that this is no record: a chunk ends here. Only spool segments and feeds have cuts.
	Cut bool
	// Received is when a receiver took the record; zero for files.
	Received time.Time
	// Suspect says that the request it came in had come before: perhaps it is a re-send.
	Suspect bool
	// Stored is the record's own bytes where Data is a rendering of them, nil elsewhere.
	Stored []byte
	// Damage says why these bytes are no record; reading goes on behind them.
	Damage error
}

// Own is the record's own bytes.
func (r Record) Own() []byte {
	if r.Stored != nil {
		return r.Stored
	}
	return r.Data
}

// Reader reads the records of an object one after another.
type Reader struct {
	r      *stack
	buf    []byte
	start  int // of unread bytes in buf
	end    int
	offset int64 // of buf[start]
	eof    error // what ended the stream, io.EOF when all is well
	array  *arrayFrame
	text   *utf16Frame
	spool  *spoolFrame
	evtx   *evtxFrame
	rows   *rowFrame
	feed   *feedFrame
	xml    bool // framed by Event elements
}

// Records opens the object and yields its records from the given offset on. An error
// ends the sequence; the records before it are good (a truncated archive yields
// what it holds, then the error).
func (o Object) Records(ctx context.Context, from int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r, err := o.Reader(from)
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer func() { _ = r.Close() }()
		for {
			if ctx.Err() != nil {
				yield(Record{}, context.Cause(ctx))
				return
			}
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// Reader opens the object at an offset that was the end of a record before.
func (o Object) Reader(from int64) (*Reader, error) {
	if o.Feed != nil {
		return &Reader{feed: &feedFrame{feed: o.Feed}}, nil
	}
	rc, err := o.open()
	if err != nil {
		return nil, err
	}
	r := &Reader{r: rc, buf: make([]byte, 256<<10)}
	if err := r.frame(o.Limit); err != nil {
		_ = rc.Close()
		return nil, err
	}
	if err := r.skip(from); err != nil {
		_ = rc.Close()
		return nil, fmt.Errorf("going to offset %d of %s: %w", from, o.Name(), err)
	}
	return r, nil
}

// Close ends reading.
func (r *Reader) Close() error {
	switch {
	case r.feed != nil:
		return nil
	case r.rows != nil:
		return errors.Join(r.rows.Close(), r.r.Close())
	default:
		return r.r.Close()
	}
}

// Sample returns the first bytes of the object (up to 64 KiB, decompressed), for the
// detection of its format. It must be called before Next and leaves the position.
func (r *Reader) Sample() ([]byte, error) {
	switch {
	case r.spool != nil:
		return r.spool.sample()
	case r.feed != nil:
		return r.feed.sample(), nil
	case r.rows != nil:
		return r.rows.sample()
	}
	for r.end-r.start < 64<<10 && r.eof == nil {
		r.fill()
	}
	if r.evtx != nil {
		return r.eventSample(), nil
	}
	if r.text != nil {
		units := make([]uint16, 0, 4096)
		for i := r.start; i+1 < min(r.end, r.start+8192); i += 2 {
			units = append(units, r.text.unit(r.buf[i:]))
		}
		return []byte(string(utf16.Decode(units))), nil
	}
	if r.start == r.end && r.eof != nil && !errors.Is(r.eof, io.EOF) {
		return nil, r.eof
	}
	return r.buf[r.start:min(r.end, r.start+64<<10)], nil
}

// Stored is how many stored (compressed) bytes have been read.
func (r *Reader) Stored() int64 {
	switch {
	case r.feed != nil:
		return 0
	case r.rows != nil:
		return r.rows.stored()
	default:
		return r.r.count.read()
	}
}

// frame looks at the first bytes: a JSON document that is one array (or CloudTrail's
// {"Records":[…]}) and objects over several lines are framed by element, UTF-16 text is converted, Windows event logs
// spool segments and Parquet files are framed by their own structure, XML exports of event logs by element, the rest is lines.
func (r *Reader) frame(limit int64) error {
	for r.end < 4096 && r.eof == nil {
		r.fill()
	}
	head := r.buf[r.start:r.end]
	if bytes.HasPrefix(head, []byte(spool.Magic)) {
		in, err := spool.NewReader(io.MultiReader(bytes.NewReader(head), r.r), limit)
		r.spool = &spoolFrame{r: in}
		return err
	}
	if bytes.HasPrefix(head, []byte(parquetMagic)) {
		return r.parquet(head)
	}
	if evtx.IsFile(head) {
		if len(head) < evtx.HeaderSize(head) {
			return errors.New("the event log ends inside its header")
		}
		r.evtx = &evtxFrame{}
		return r.skip(int64(evtx.HeaderSize(head)))
	}
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		r.text = &utf16Frame{bigEndian: head[0] == 0xfe}
		r.start += 2
		r.offset += 2
		return nil
	}
	if bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}) {
		r.start += 3
		r.offset += 3
		head = head[3:]
	}
	if bytes.IndexByte(head, 0) >= 0 && isBinary(head) {
		return errors.New("the file is binary, not a log of lines or JSON; its format is not supported")
	}
	if r.xml = xmlStart(head); r.xml {
		return nil
	}
	if spread(head) {
		r.array = &arrayFrame{}
		return nil
	}
	if at := arrayStart(head); at > 0 {
		r.array = &arrayFrame{}
		r.start += at
		r.offset += int64(at)
	}
	return nil
}

// isBinary says whether a sample with NUL bytes is more than a text with some.
func isBinary(sample []byte) bool {
	odd := 0
	for _, b := range sample {
		if b < 9 || b > 13 && b < 32 && b != 27 {
			odd++
		}
	}
	return odd*10 > len(sample)*3
}

// arrayStart is the offset behind the bracket of a JSON array document, 0 for none.
func arrayStart(head []byte) int {
	i := blanks(head, 0)
	if i < len(head) && head[i] == '{' {
		j := blanks(head, i+1)
		if !bytes.HasPrefix(head[j:], []byte(`"Records"`)) {
			return 0
		}
		j = blanks(head, j+len(`"Records"`))
		if j >= len(head) || head[j] != ':' {
			return 0
		}
		i = blanks(head, j+1)
	}
	if i >= len(head) || head[i] != '[' {
		return 0
	}
	if j := blanks(head, i+1); j < len(head) && head[j] != '{' && head[j] != ']' {
		return 0 // "[Mon Jan …" is a log line, not JSON
	}
	return i + 1
}

// spread says whether the document is JSON objects written over several lines.
func spread(head []byte) bool {
	i := blanks(head, 0)
	if i >= len(head) || head[i] != '{' || arrayStart(head) > 0 {
		return false
	}
	line, rest, ok := bytes.Cut(head[i+1:], []byte("\n"))
	j := blanks(rest, 0)
	return ok && len(bytes.TrimSpace(line)) == 0 && j < len(rest) && rest[j] == '"'
}

func blanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// fill reads more bytes behind those that are unread.
func (r *Reader) fill() {
	if r.start > 0 && r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.end == len(r.buf) {
		if r.start > len(r.buf)/2 {
			copy(r.buf, r.buf[r.start:r.end])
		} else {
			bigger := make([]byte, 2*len(r.buf))
			copy(bigger, r.buf[r.start:r.end])
			r.buf = bigger
		}
		r.end -= r.start
		r.start = 0
	}
	n, err := r.r.Read(r.buf[r.end:])
	r.end += n
	if err != nil {
		r.eof = err
	}
}

// skip drops bytes until the stream is at the offset.
func (r *Reader) skip(to int64) error {
	if r.spool != nil {
		return r.spool.r.Skip(to)
	}
	if r.rows != nil {
		return r.rows.to(to)
	}
	if r.evtx != nil && r.offset > 0 {
		r.evtx.from = to // chunks are skipped whole
		return nil
	}
	for r.offset < to {
		if r.start == r.end {
			if r.eof != nil {
				return io.ErrUnexpectedEOF
			}
			if left := to - r.offset; left > int64(len(r.buf)) && r.r.base != nil {
				if err := r.r.ahead(left); err != nil {
					return err
				}
				r.offset = to
				continue
			}
			r.fill()
			continue
		}
		n := min(int64(r.end-r.start), to-r.offset)
		r.start += int(n)
		r.offset += n
	}
	return nil
}

// Next returns the next record; io.EOF after the last. Any other error tells at which
// offset the stream broke.
func (r *Reader) Next() (Record, error) {
	switch {
	case r.spool != nil:
		return r.spool.next()
	case r.feed != nil:
		return r.feed.next()
	case r.rows != nil:
		return r.rows.next()
	case r.evtx != nil:
		return r.event()
	case r.xml:
		return r.xmlEvent()
	case r.array != nil:
		return r.element()
	case r.text != nil:
		return r.line16()
	default:
		return r.line()
	}
}

func (r *Reader) line() (Record, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(r.buf[r.start+seen:r.end], '\n'); i >= 0 {
			return r.take(seen+i, seen+i+1), nil
		}
		seen = r.end - r.start
		if seen >= MaxRecord {
			return r.tooLong('\n')
		}
		if r.eof != nil {
			return r.last(seen)
		}
		r.fill()
	}
}

// take hands out n bytes as a record and moves on by size.
func (r *Reader) take(n, size int) Record {
	data := r.buf[r.start : r.start+n]
	if n > 0 && data[n-1] == '\r' {
		data = data[:n-1]
	}
	rec := Record{Data: data, Offset: r.offset, Size: int64(size)}
	r.start += size
	r.offset += int64(size)
	return rec
}

// last hands out what stands behind the last line end, then the end of the stream.
func (r *Reader) last(n int) (Record, error) {
	if n > 0 {
		return r.take(n, n), nil
	}
	if errors.Is(r.eof, io.EOF) {
		return Record{}, io.EOF
	}
	return Record{}, fmt.Errorf("the data breaks off at offset %d: %w", r.offset, r.eof)
}

// tooLong keeps the head of an over-long record and reads on to its end.
func (r *Reader) tooLong(end byte) (Record, error) {
	head := bytes.Clone(r.buf[r.start : r.start+keptHead])
	rec := Record{Data: head, Offset: r.offset, TooLong: true}
	for {
		i := bytes.IndexByte(r.buf[r.start:r.end], end)
		n := r.end - r.start
		if i >= 0 {
			n = i + 1
		}
		rec.Size += int64(n)
		r.start += n
		r.offset += int64(n)
		if i >= 0 || r.eof != nil && r.start == r.end {
			if len(r.buf) > 4<<20 {
				r.buf = append(make([]byte, 0, 256<<10), r.buf[r.start:r.end]...)
				r.buf = append(r.buf, make([]byte, max(0, 256<<10-len(r.buf)))...)
				r.end -= r.start
				r.start = 0
			}
			return rec, nil
		}
		r.start, r.end = 0, 0
		r.fill()
	}
}

// arrayFrame frames the elements of one JSON array, or objects that follow each other.
type arrayFrame struct{ done bool }

// element hands out the next {…} of the array. Commas and blanks between elements
// count into the size of the element behind them, so that sizes add up.
func (r *Reader) element() (Record, error) {
	if r.array.done {
		r.offset += int64(r.end - r.start)
		r.start = r.end
		return Record{}, io.EOF
	}
	at, depth, first, inString, escaped := 0, 0, -1, false, false
	for {
		for b := r.buf[r.start:r.end]; at < len(b); at++ {
			c := b[at]
			switch {
			case inString:
				switch {
				case escaped:
					escaped = false
				case c == '\\':
					escaped = true
				case c == '"':
					inString = false
				}
			case c == '"':
				inString = true
			case c == '{' || c == '[':
				if depth == 0 {
					first = at
				}
				depth++
			case c == '}' || c == ']':
				depth--
				if depth == 0 {
					rec := r.take(at+1, at+1)
					rec.Data = rec.Data[first:]
					rec.Offset += int64(first)
					rec.Size -= int64(first)
					return rec, nil
				}
				if depth < 0 {
					r.array.done = true
					return Record{}, io.EOF
				}
			}
		}
		if at >= MaxRecord {
			return r.tooLong('\n')
		}
		if r.eof != nil {
			r.array.done = true
			return r.last(at)
		}
		r.fill()
	}
}

// utf16Frame converts lines of UTF-16 text. Offsets stay those of the stored bytes.
type utf16Frame struct {
	bigEndian bool
	out       []byte
	units     []uint16
}

func (r *Reader) line16() (Record, error) {
	t, at := r.text, 0
	for {
		for ; at+1 < r.end-r.start; at += 2 {
			if t.unit(r.buf[r.start+at:]) == '\n' {
				return t.convert(r.take(at, at+2)), nil
			}
		}
		if at >= MaxRecord {
			return r.tooLong('\n')
		}
		if r.eof != nil {
			rec, err := r.last(r.end - r.start)
			return t.convert(rec), err
		}
		r.fill()
	}
}

func (t *utf16Frame) unit(b []byte) uint16 {
	if t.bigEndian {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return uint16(b[1])<<8 | uint16(b[0])
}

func (t *utf16Frame) convert(rec Record) Record {
	t.units = t.units[:0]
	for i := 0; i+1 < len(rec.Data); i += 2 {
		t.units = append(t.units, t.unit(rec.Data[i:]))
	}
	t.out = append(t.out[:0], string(utf16.Decode(t.units))...)
	rec.Data = bytes.TrimSuffix(t.out, []byte("\r"))
	return rec
}

// spoolFrame reads a spool segment, whose batches carry the lengths of their records.
type spoolFrame struct {
	r      *spool.Reader
	peeked *spool.Entry // read for a sample
	err    error        // that came with it
}

// sample is the first record.
func (f *spoolFrame) sample() ([]byte, error) {
	if f.peeked == nil {
		e, err := f.r.Next()
		f.peeked, f.err = &e, err
	}
	if f.err != nil && !errors.Is(f.err, io.EOF) {
		return nil, f.err
	}
	return f.peeked.Data[:min(len(f.peeked.Data), 64<<10)], nil
}

func (f *spoolFrame) next() (Record, error) {
	e, err := spool.Entry{}, error(nil)
	if f.peeked != nil {
		e, err = *f.peeked, f.err
		f.peeked, f.err = nil, nil
	} else {
		e, err = f.r.Next()
	}
	rec := Record{Data: e.Data, Offset: e.Offset, Size: e.Size, Cut: e.Cut, Received: e.Received, Suspect: e.Suspect}
	if len(rec.Data) > MaxRecord {
		rec.TooLong, rec.Data = true, rec.Data[:keptHead]
	}
	return rec, err
}

// Lines says whether a file that starts with head is framed by line ends; if not, the
// error says by what.
func Lines(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte(spool.Magic)):
		return errors.New("this is a segment of a spool")
	case evtx.IsFile(head):
		return errors.New("this is a Windows event log")
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return errors.New("this is UTF-16 text")
	case bytes.IndexByte(head, 0) >= 0 && isBinary(head):
		return errors.New("this is binary")
	case xmlStart(head):
		return errors.New("this is XML")
	case spread(head):
		return errors.New("these are JSON objects over several lines")
	case arrayStart(head) > 0:
		return errors.New("this is one JSON array")
	}
	return nil
}
