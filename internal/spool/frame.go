// Package spool is the durable local buffer behind network receivers: append-only
// segments, one row of them a source, written with one fsync for many writers. A
// sender is answered only after its records are on disk. Segments carry their own
// identity and the places where chunks are cut, so that whoever drains them, however
// often it is killed, cuts the same chunks.
package spool

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"
)

// A segment is a header and frames:
//
//	header: magic (8) | id (16, random) | created (8, Unix ms) | CRC-32C of these (4)
//	frame:  payload length (4) | CRC-32C of kind and payload (4) | kind (1) | payload
//
// A batch is what one sender sent in one request. It is one frame, so that after a crash
// it is there as a whole or not at all: received (8, Unix ms), then for each record
// flags (1) | id (16, when flagIdentified) | length (uvarint) | bytes. A request has the id
// of the request's bytes (16) behind the time. All numbers are big-endian.
const (
	magic      = "VIGILSP1"
	headerSize = 36
	frameHead  = 9

	kindBatch   = 'B'
	kindRequest = 'R' // a batch with the id of the request it came in
	kindCut     = 'C' // a chunk ends here
	kindSeal    = 'S' // a chunk ends here, and nothing follows

	flagIdentified = 1
	flagSuspect    = 2 // the same request came before: perhaps a re-send
)

// MaxBatch is the largest batch, in bytes of its frame.
const MaxBatch = 96 << 20

// Start is the offset of the first entry of a segment.
const Start = headerSize

// Magic is what every segment starts with.
const Magic = magic

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged means that bytes of a segment are not what was written.
var ErrDamaged = errors.New("the spool segment is damaged")

// ID identifies a record for de-duplication; the zero ID identifies nothing.
type ID [16]byte

// Header is the identity of a segment; it does not change while the segment grows.
type Header struct {
	ID      string // hex
	Created time.Time
}

func appendHeader(b []byte, id [16]byte, created time.Time) []byte {
	start := len(b)
	b = append(b, magic...)
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(created.UnixMilli()))
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func parseHeader(b []byte) (Header, error) {
	if len(b) < headerSize || string(b[:8]) != magic {
		return Header{}, fmt.Errorf("%w: it does not start as one", ErrDamaged)
	}
	if crc32.Checksum(b[:32], castagnoli) != binary.BigEndian.Uint32(b[32:]) {
		return Header{}, fmt.Errorf("%w: its header", ErrDamaged)
	}
	return Header{ID: hex.EncodeToString(b[8:24]), Created: time.UnixMilli(int64(binary.BigEndian.Uint64(b[24:]))).UTC()}, nil
}

func appendFrame(b []byte, kind byte, payload []byte) []byte {
	crc := crc32.Update(crc32.Checksum([]byte{kind}, castagnoli), castagnoli, payload)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.BigEndian.AppendUint32(b, crc)
	b = append(b, kind)
	return append(b, payload...)
}

func appendRecord(b []byte, r Record) []byte {
	switch {
	case r.ID != (ID{}):
		b = append(b, flagIdentified)
		b = append(b, r.ID[:]...)
	case r.suspect:
		b = append(b, flagSuspect)
	default:
		b = append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Data)))
	return append(b, r.Data...)
}

// Record is one record of a batch.
type Record struct {
	Data []byte
	ID   ID // what tells a re-send from a new record; zero: nothing does

	suspect bool
}

// Entry is one thing read from a segment: a record, or the end of a chunk.
type Entry struct {
	Data     []byte // valid until the next Next
	ID       ID
	Received time.Time
	Offset   int64 // of the entry in the segment
	Size     int64 // bytes up to the next entry
	Cut      bool  // a chunk ends behind this entry; it carries no record
	Suspect  bool  // the same request had come before: perhaps this is a re-send
	Request  ID    // of the first record of a batch that came in a request: its id
}

// Reader reads the entries of a segment in order. It checks every frame before it hands
// out anything of it.
type Reader struct {
	Header
	r        *bufio.Reader
	at       int64 // offset of the next unread frame
	limit    int64 // frames that end behind it are not read; 0: none
	frame    []byte
	rest     []byte // of the batch, unread
	restAt   int64  // offset of rest
	received time.Time
	sealed   bool
}

// NewReader reads a segment. Frames that end behind limit are left alone, unless limit
// is 0: an active segment is read to where it was cut.
func NewReader(r io.Reader, limit int64) (*Reader, error) {
	x := &Reader{r: bufio.NewReaderSize(r, 256<<10), at: headerSize, limit: limit}
	var head [headerSize]byte
	if _, err := io.ReadFull(x.r, head[:]); err != nil {
		return nil, fmt.Errorf("%w: its header is cut off", ErrDamaged)
	}
	var err error
	x.Header, err = parseHeader(head[:])
	return x, err
}

// Sealed says whether the seal has been read.
func (x *Reader) Sealed() bool { return x.sealed }

// Offset is where the next entry starts.
func (x *Reader) Offset() int64 {
	if len(x.rest) > 0 {
		return x.restAt
	}
	return x.at
}

// Skip goes on until Offset is at least to, which was the end of an entry before.
// Frames that lie before it are passed over unread.
func (x *Reader) Skip(to int64) error {
	for x.Offset() < to {
		if len(x.rest) == 0 {
			size, err := x.peek()
			if err != nil {
				return err
			}
			if x.at+size <= to {
				if _, err := x.r.Discard(int(size)); err != nil {
					return fmt.Errorf("%w: it ends at %d, before %d", ErrDamaged, x.at, to)
				}
				x.at += size
				continue
			}
		}
		if _, err := x.Next(); err != nil {
			return err
		}
	}
	return nil
}

// peek returns the size of the next frame; io.EOF when there is none.
func (x *Reader) peek() (int64, error) {
	head, err := x.r.Peek(frameHead)
	switch {
	case x.limit > 0 && x.at >= x.limit, x.sealed, len(head) == 0 && errors.Is(err, io.EOF):
		return 0, io.EOF
	case errors.Is(err, io.EOF):
		return 0, fmt.Errorf("%w: it breaks off at %d", ErrDamaged, x.at)
	case err != nil:
		return 0, err
	}
	n := int64(binary.BigEndian.Uint32(head))
	if n > MaxBatch {
		return 0, fmt.Errorf("%w: a frame of %d bytes at %d", ErrDamaged, n, x.at)
	}
	if x.limit > 0 && x.at+frameHead+n > x.limit {
		return 0, io.EOF
	}
	return frameHead + n, nil
}

// Next returns the next entry; io.EOF at the end of what may be read, and ErrDamaged
// where the bytes are not what was written.
func (x *Reader) Next() (Entry, error) {
	if len(x.rest) > 0 {
		return x.record()
	}
	size, err := x.peek()
	if err != nil {
		return Entry{}, err
	}
	kind, payload, err := x.read(int(size))
	if err != nil {
		return Entry{}, err
	}
	start := x.at
	x.at += size
	switch {
	case kind == kindBatch && len(payload) > 8, kind == kindRequest && len(payload) > 24:
		x.received = time.UnixMilli(int64(binary.BigEndian.Uint64(payload))).UTC()
		skip := 8
		var request ID
		if kind == kindRequest {
			skip += copy(request[:], payload[8:])
		}
		x.rest, x.restAt = payload[skip:], start+frameHead+int64(skip)
		e, err := x.record()
		e.Request = request
		// The first record of a batch takes the frame's head: sizes add up.
		e.Size += e.Offset - start
		e.Offset = start
		return e, err
	case kind == kindCut && len(payload) == 0, kind == kindSeal && len(payload) == 0:
		x.sealed = kind == kindSeal
		return Entry{Offset: start, Size: size, Cut: true, Received: x.received}, nil
	default:
		return Entry{}, fmt.Errorf("%w: a frame of unknown kind at %d", ErrDamaged, start)
	}
}

func (x *Reader) read(size int) (byte, []byte, error) {
	if cap(x.frame) < size {
		// Grown as bytes arrive: a damaged length must not take memory.
		x.frame = make([]byte, 0, min(size, 1<<20))
	}
	x.frame = x.frame[:0]
	for len(x.frame) < size {
		n := min(size-len(x.frame), 1<<20)
		at := len(x.frame)
		x.frame = append(x.frame, make([]byte, n)...)
		if _, err := io.ReadFull(x.r, x.frame[at:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return 0, nil, fmt.Errorf("%w: it breaks off in the frame at %d", ErrDamaged, x.at)
			}
			return 0, nil, err
		}
	}
	if crc32.Checksum(x.frame[8:], castagnoli) != binary.BigEndian.Uint32(x.frame[4:]) {
		return 0, nil, fmt.Errorf("%w: the checksum of the frame at %d", ErrDamaged, x.at)
	}
	return x.frame[8], x.frame[frameHead:], nil
}

// record takes the next record off the batch.
func (x *Reader) record() (Entry, error) {
	e := Entry{Received: x.received, Offset: x.restAt}
	b := x.rest
	flags := b[0]
	e.Suspect = flags&flagSuspect != 0
	b = b[1:]
	if flags&flagIdentified != 0 {
		if len(b) < len(e.ID) {
			return x.broken()
		}
		b = b[copy(e.ID[:], b):]
	}
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return x.broken()
	}
	e.Data = b[used : used+int(n) : used+int(n)]
	b = b[used+int(n):]
	e.Size = int64(len(x.rest) - len(b))
	x.rest = b
	x.restAt += e.Size
	return e, nil
}

func (x *Reader) broken() (Entry, error) {
	x.rest = nil
	return Entry{}, fmt.Errorf("%w: the batch before %d", ErrDamaged, x.at)
}

// ReadHeader reads the identity of the segment at path.
func ReadHeader(path string) (Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return Header{}, err
	}
	defer func() { _ = f.Close() }()
	var head [headerSize]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return Header{}, fmt.Errorf("%w: its header is cut off", ErrDamaged)
	}
	return parseHeader(head[:])
}
