package activities

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"go.temporal.io/sdk/activity"

	"vigil/schema"
)

// Windows event logs are recounted by their framing alone: blocks of 64 KiB behind a
// header, records with a signature and their size at both ends. What the records say
// plays no part.
const (
	logHeader  = 4096
	logBlock   = 64 << 10
	blockHead  = 512
	leastEntry = 28
)

func isEventLog(in *bufio.Reader) bool {
	head, _ := in.Peek(8)
	return string(head) == "ElfFile\x00"
}

// logCount is what the log holds in the range of one manifest chunk.
type logCount struct {
	records int64
	sum     hash.Hash
}

// eventLog counts and hashes the log's records and compares them with the manifest.
func (p *Proof) eventLog(ctx context.Context, in *bufio.Reader, list []schema.Chunk) error {
	counts := make([]logCount, len(list))
	for i := range counts {
		counts[i].sum = sha256.New()
	}
	if _, err := in.Discard(logHeader); err != nil {
		return nil // no block follows: the tables alone are compared
	}
	block, i := make([]byte, logBlock), 0
	for at := int64(logHeader); ; at += logBlock {
		activity.RecordHeartbeat(ctx, at)
		n, err := io.ReadFull(in, block)
		entries(block[:n], func(off int, entry []byte) {
			for i < len(list)-1 && at+int64(off) >= list[i].To {
				i++
			}
			if o := at + int64(off); o >= list[i].From && o < list[i].To {
				counts[i].records++
				counts[i].sum.Write(entry)
				counts[i].sum.Write([]byte{'\n'})
			} else if list[len(list)-1].Last && list[i].Failures == 0 {
				p.problem("chunk %s (%s): the record at %d is in no chunk", list[i].ID, list[i].Object, o)
			}
		})
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	for i, c := range list {
		p.logChunk(c, counts[i])
	}
	return nil
}

// logChunk compares one chunk. Damage is kept as failures of its own, so where there
// are failures only bounds can be held.
func (p *Proof) logChunk(c schema.Chunk, have logCount) {
	if c.Failures == 0 {
		if have.records != c.Records+c.Skipped || c.From < c.To && hex.EncodeToString(have.sum.Sum(nil)) != c.Hash {
			p.problem("chunk %s (%s %d–%d): the log holds %d records there, the manifest %d, or their bytes differ", c.ID, c.Object, c.From, c.To, have.records, c.Records+c.Skipped)
		}
		return
	}
	if have.records > c.Records || c.Events > have.records+c.Failures {
		p.problem("chunk %s (%s %d–%d): the log holds %d whole records there, the manifest %d events and %d failures", c.ID, c.Object, c.From, c.To, have.records, c.Events, c.Failures)
	}
}

// entries calls found for each whole record of a block. Behind the end that the block
// names, records count while their ids go on; after damage, those with higher ids.
func entries(b []byte, found func(off int, entry []byte)) {
	if len(b) < blockHead {
		return
	}
	end := len(b)
	if free := int(binary.LittleEndian.Uint32(b[48:])); string(b[:8]) == "ElfChnk\x00" && free >= blockHead {
		end = min(end, free)
	}
	last, any := uint64(0), false
	for off := blockHead; off+leastEntry <= len(b); {
		size, id, ok := entry(b[off:])
		if off >= end && (!ok || !any || id != last+1) {
			return
		}
		if ok && (!any || id > last || off < end) {
			found(off, b[off:off+size])
			last, any = id, true
			off += size
			continue
		}
		next := bytes.Index(b[off+1:], []byte("**\x00\x00"))
		if next < 0 {
			return
		}
		off += 1 + next
	}
}

func entry(b []byte) (size int, id uint64, ok bool) {
	if !bytes.HasPrefix(b, []byte("**\x00\x00")) {
		return 0, 0, false
	}
	size = int(binary.LittleEndian.Uint32(b[4:]))
	if size < leastEntry || size > len(b) || int(binary.LittleEndian.Uint32(b[size-4:])) != size {
		return 0, 0, false
	}
	return size, binary.LittleEndian.Uint64(b[8:]), true
}
