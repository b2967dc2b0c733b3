package source

import (
	"errors"
	"fmt"
	"io"

	"vigil/internal/parser/evtx"
)

// evtxFrame frames the records of a Windows event log. Templates and names are shared
// within a chunk of 64 KiB, so a record is handed on as the JSON document that it
// stands for; its own bytes go along as Stored. The whole chunk is framed from its
// start even when reading is resumed inside it, so offsets never depend on where
// reading began.
type evtxFrame struct {
	chunk evtx.Chunk
	open  bool  // chunk holds bytes
	size  int   // of those
	from  int64 // records before this offset were read earlier
}

// evtxLayout stands for the records of a log without any when its format is detected.
const evtxLayout = `{"Event":{"System":{"EventID":0}}}`

// load brings the next chunk into the buffer.
func (r *Reader) load() error {
	f := r.evtx
	if f.open {
		r.start += f.size
		r.offset += int64(f.size)
		f.open = false
	}
	for r.end-r.start < evtx.ChunkSize && r.eof == nil {
		r.fill()
	}
	f.size = min(r.end-r.start, evtx.ChunkSize)
	if f.size == 0 {
		if errors.Is(r.eof, io.EOF) {
			return io.EOF
		}
		return fmt.Errorf("the data breaks off at offset %d: %w", r.offset, r.eof)
	}
	f.open = true
	f.chunk.Reset(r.buf[r.start : r.start+f.size])
	return nil
}

// event hands out the next record of an event log, or an extent of it that is damaged.
func (r *Reader) event() (Record, error) {
	f := r.evtx
	for {
		if !f.open || r.offset+int64(f.size) <= f.from {
			if err := r.load(); err != nil {
				return Record{}, err
			}
			if r.offset+int64(f.size) <= f.from {
				continue
			}
		}
		e, ok := f.chunk.Next()
		if !ok {
			if err := r.load(); err != nil {
				return Record{}, err
			}
			continue
		}
		if rec := r.render(e); rec.Offset >= f.from {
			return rec, nil
		}
	}
}

func (r *Reader) render(e evtx.Record) Record {
	stored := r.evtx.chunk.Stored(e)
	rec := Record{Data: stored, Offset: r.offset + int64(e.Offset), Size: int64(e.Size), Stored: stored, Damage: e.Damage}
	if e.Damage != nil {
		return rec
	}
	doc, err := r.evtx.chunk.JSON(e)
	if err != nil {
		rec.Damage = err
		return rec
	}
	rec.Data = doc
	return rec
}

// eventSample renders the first records of the first chunk, which is left unread.
func (r *Reader) eventSample() []byte {
	for r.end-r.start < evtx.ChunkSize && r.eof == nil {
		r.fill()
	}
	var c evtx.Chunk
	c.Reset(r.buf[r.start:min(r.end, r.start+evtx.ChunkSize)])
	var out []byte
	for len(out) < 16<<10 {
		e, ok := c.Next()
		if !ok {
			break
		}
		if e.Damage != nil {
			continue
		}
		if doc, err := c.JSON(e); err == nil {
			out = append(append(out, doc...), '\n')
		}
	}
	if len(out) == 0 {
		return []byte(evtxLayout)
	}
	return out
}
