// Package evtx reads the chunks of Windows event log files (.evtx). A record is
// Binary XML whose templates and names it shares with the other records of its 64 KiB
// chunk, so a record cannot be read alone: a Chunk frames its records and renders
// each as a JSON document that stands for itself, in the layout of the JSON that
// evtx_dump writes (Event.System…, Event.EventData.NAME). It does no I/O; any bytes
// may be handed in, and what cannot be read is told with a reason and an extent.
package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Sizes of the parts of a file, in bytes.
const (
	ChunkSize   = 64 << 10
	chunkHeader = 512
	fileHeader  = 4096
	recordHead  = 24 // signature, size, id, time
	minRecord   = recordHead + 4
)

var (
	fileMagic   = []byte("ElfFile\x00")
	chunkMagic  = []byte("ElfChnk\x00")
	recordMagic = []byte("**\x00\x00")
)

// IsFile says whether the bytes are the beginning of an event log file.
func IsFile(head []byte) bool { return bytes.HasPrefix(head, fileMagic) }

// HeaderSize is how many bytes of the file stand before its first chunk: 4,096, unless
// the header says otherwise and a chunk does begin there.
func HeaderSize(head []byte) int {
	if len(head) >= 42 {
		if n := int(binary.LittleEndian.Uint16(head[40:])); n >= 128 && n < len(head) && bytes.HasPrefix(head[n:], chunkMagic) {
			return n
		}
	}
	return fileHeader
}

// Record is the extent of one record in its chunk.
type Record struct {
	Offset, Size int
	ID           uint64
	// Damage says why these bytes are no record; nil for a record.
	Damage error

	torn bool // the closing size is missing
}

// Chunk reads one chunk after another; the zero value is ready for Reset. It is not
// safe for concurrent use.
type Chunk struct {
	b      []byte
	at     int    // where the next record is expected
	free   int    // end of the records as the header says, 0 when it is not believed
	last   uint64 // id of the record before
	any    bool   // a record was seen
	done   bool
	damage []Record // of the header, to be told first

	templates map[int]*template
	names     map[int]string
	compiled  int  // bytes of templates compiled so far
	steps     int  // left for the record
	budget    int  // steps left for the chunk
	room      int  // bytes that its records may still be rendered to
	lenient   bool // the record's end is damaged
	out       []byte
	values    []value
}

// Reset starts on the bytes of a chunk; b must stay unchanged until the next Reset.
// It is shorter than ChunkSize where the file ends too early.
func (c *Chunk) Reset(b []byte) {
	c.b, c.at, c.free, c.last, c.any, c.done, c.damage = b, chunkHeader, 0, 0, false, false, c.damage[:0]
	if c.templates == nil {
		c.templates, c.names = map[int]*template{}, map[int]string{}
	}
	clear(c.templates)
	clear(c.names)
	c.compiled, c.budget, c.room = 0, maxChunkSteps, maxChunkOut
	c.header()
}

// header judges the chunk's header. A header that is damaged is told, and the records
// are then found by their own signatures and ids.
func (c *Chunk) header() {
	switch {
	case allZero(c.b):
		c.done = true // room that was never written
	case len(c.b) < chunkHeader:
		c.done = true
		c.damage = append(c.damage, Record{Size: len(c.b), Damage: fmt.Errorf("the file ends inside the header of a chunk: %d of %d bytes are there", len(c.b), chunkHeader)})
	case !bytes.HasPrefix(c.b, chunkMagic):
		c.headerDamage("the chunk does not begin with its signature; records are looked for by their own")
	case !c.headerSum():
		c.headerDamage("the checksum of the chunk's header is wrong; records are looked for by their own signatures")
	default:
		c.free = int(binary.LittleEndian.Uint32(c.b[48:]))
		if c.free < chunkHeader || c.free > ChunkSize {
			c.free = 0
			c.headerDamage("the chunk's header places the end of its records outside the chunk; records are looked for by their own signatures")
		} else if c.free > len(c.b) {
			c.headerDamage(fmt.Sprintf("the file ends inside this chunk: %d of its %d bytes of records are there", len(c.b)-chunkHeader, c.free-chunkHeader))
		} else if crc32.ChecksumIEEE(c.b[chunkHeader:c.free]) != binary.LittleEndian.Uint32(c.b[52:]) {
			c.headerDamage("the checksum of the chunk's records is wrong: they were altered or damaged after they were written; those that can be read are kept")
		}
	}
}

func (c *Chunk) headerDamage(why string) {
	c.damage = append(c.damage, Record{Size: chunkHeader, Damage: errors.New(why)})
}

func (c *Chunk) headerSum() bool {
	sum := crc32.ChecksumIEEE(c.b[:120])
	sum = crc32.Update(sum, crc32.IEEETable, c.b[128:chunkHeader])
	return sum == binary.LittleEndian.Uint32(c.b[124:])
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// Next returns the next record, or an extent that is none (Damage), in the order of
// the file; false at the end of the chunk.
func (c *Chunk) Next() (Record, bool) {
	if len(c.damage) > 0 {
		r := c.damage[0]
		c.damage = c.damage[1:]
		return r, true
	}
	if c.done {
		return Record{}, false
	}
	if c.free != 0 && c.at >= c.free {
		// A log that was in use when it was copied may go on behind the end that its
		// header knows. What was there before this chunk was begun has other ids.
		if r, ok := c.record(c.at); ok && c.any && r.ID == c.last+1 {
			return c.take(r), true
		}
		c.done = true
		return Record{}, false
	}
	if r, ok := c.record(c.at); ok && (c.free != 0 || !c.any || r.ID == c.last+1) {
		return c.take(r), true
	}
	if r, ok := c.torn(c.at); ok {
		return c.take(r), true
	}
	return c.search()
}

// torn frames a record whose end is damaged: it is the next by its id, the size before
// it fits, and no whole record lies inside. What can be read of it is worth having; the
// closing size is left to be told as damage.
func (c *Chunk) torn(at int) (Record, bool) {
	if !c.any || at+minRecord > len(c.b) || !bytes.HasPrefix(c.b[at:], recordMagic) {
		return Record{}, false
	}
	size := int(binary.LittleEndian.Uint32(c.b[at+4:]))
	id := binary.LittleEndian.Uint64(c.b[at+8:])
	if size < minRecord || size > len(c.b)-at || id != c.last+1 {
		return Record{}, false
	}
	for i := at + 4; i < at+size; i++ {
		j := bytes.Index(c.b[i:at+size], recordMagic)
		if j < 0 {
			break
		}
		i += j
		if _, ok := c.record(i); ok {
			return Record{}, false
		}
	}
	return Record{Offset: at, Size: size - 4, ID: id, torn: true}, true
}

func (c *Chunk) take(r Record) Record {
	c.at, c.last, c.any = r.Offset+r.Size, r.ID, true
	return r
}

// record frames the record at an offset: signature, and its size before and behind.
func (c *Chunk) record(at int) (Record, bool) {
	if at+minRecord > len(c.b) || !bytes.HasPrefix(c.b[at:], recordMagic) {
		return Record{}, false
	}
	size := int(binary.LittleEndian.Uint32(c.b[at+4:]))
	if size < minRecord || size > len(c.b)-at || binary.LittleEndian.Uint32(c.b[at+size-4:]) != uint32(size) {
		return Record{}, false
	}
	return Record{Offset: at, Size: size, ID: binary.LittleEndian.Uint64(c.b[at+8:])}, true
}

// search looks for the next record behind bytes that are none, and tells their extent.
func (c *Chunk) search() (Record, bool) {
	from, end := c.at, len(c.b)
	if c.free != 0 {
		end = min(end, c.free)
	}
	for at := from + 1; at < end; at++ {
		i := bytes.Index(c.b[at:end], recordMagic)
		if i < 0 {
			break
		}
		at += i
		if r, ok := c.record(at); ok && (c.free != 0 || !c.any || r.ID > c.last) {
			c.at, c.any = at, false
			return Record{Offset: from, Size: at - from, Damage: errors.New("these bytes are no record: reading goes on at the next one")}, true
		}
	}
	c.done = true
	switch {
	case len(c.b) < ChunkSize && from < end:
		return Record{Offset: from, Size: len(c.b) - from, Damage: errors.New("these bytes are no whole record: the file ends here")}, true
	case from < end && c.free != 0:
		return Record{Offset: from, Size: end - from, Damage: errors.New("these bytes should be records, but are none")}, true
	}
	return Record{}, false
}

// Stored is the record's own bytes.
func (c *Chunk) Stored(r Record) []byte { return c.b[r.Offset : r.Offset+r.Size] }

// JSON renders a record that Next has returned. The bytes are valid until the next
// call. What all records of a chunk may cost is bounded too, so it matters that they
// are rendered in order and none is left out.
func (c *Chunk) JSON(r Record) ([]byte, error) {
	c.out = append(c.out[:0], '{')
	c.values = c.values[:0]
	c.steps, c.lenient = min(maxSteps, c.budget), r.torn
	granted := c.steps
	defer func() {
		c.budget -= granted - c.steps
		c.room -= len(c.out)
	}()
	f := frame{c: c, first: true, dynamic: true}
	end := r.Offset + r.Size
	if !r.torn {
		end -= 4
	}
	if err := f.fragment(r.Offset+recordHead, end, 0); err != nil && !(r.torn && f.whole) {
		return nil, fmt.Errorf("reading the Binary XML of record %d: %w", r.ID, err)
	}
	if !f.whole {
		return nil, fmt.Errorf("reading the Binary XML of record %d: it holds no element", r.ID)
	}
	c.out = append(c.out, '}')
	return c.out, nil
}
