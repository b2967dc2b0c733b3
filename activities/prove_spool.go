package activities

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"go.temporal.io/sdk/activity"

	"vigil/schema"
)

// spooled is one record of a spool segment, as the proof's own reader finds it.
type spooled struct {
	at, end int64 // its range in the segment
	data    []byte
	suspect bool
}

// eachSpooled walks the records of a segment. It is written from the description of the
// file, and shares nothing with the reader that fills the store.
func eachSpooled(in *bufio.Reader, fn func(spooled)) error {
	if _, err := in.Discard(36); err != nil {
		return err
	}
	at := int64(36)
	for {
		var head [9]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil // the end, or a batch that is being written
			}
			return err
		}
		n := int64(binary.BigEndian.Uint32(head[:4]))
		payload, err := io.ReadAll(io.LimitReader(in, n))
		if err != nil {
			return err
		}
		if int64(len(payload)) < n {
			return nil
		}
		sum := crc32.Update(crc32.Checksum(head[8:], crc32.MakeTable(crc32.Castagnoli)), crc32.MakeTable(crc32.Castagnoli), payload)
		if sum != binary.BigEndian.Uint32(head[4:8]) {
			return fmt.Errorf("the checksum at %d is wrong", at)
		}
		next := at + 9 + n
		if from := map[byte]int{'B': 8, 'R': 8 + 16}[head[8]]; from > 0 {
			if err := eachInBatch(payload, at, from, fn); err != nil {
				return err
			}
		}
		at = next
	}
}

// eachInBatch takes a batch apart: time (and id of the request), then flags, id, length
// and bytes of each record.
func eachInBatch(payload []byte, at int64, skipHead int, fn func(spooled)) error {
	if len(payload) < skipHead {
		return fmt.Errorf("the batch at %d has no time", at)
	}
	start, from := at, at+9+int64(skipHead)
	for rest := payload[skipHead:]; len(rest) > 0; {
		skip := 1
		if rest[0]&1 != 0 {
			skip += 16
		}
		if skip > len(rest) {
			return fmt.Errorf("the batch at %d breaks off", at)
		}
		n, used := binary.Uvarint(rest[skip:])
		skip += used
		if used <= 0 || n > uint64(len(rest)-skip) {
			return fmt.Errorf("the batch at %d breaks off", at)
		}
		end := from + int64(skip) + int64(n)
		fn(spooled{at: start, end: end, data: rest[skip : skip+int(n)], suspect: rest[0]&2 != 0})
		start, from, rest = end, end, rest[skip+int(n):]
	}
	return nil
}

// respool compares the records of a spool segment with its chunks: each must be in the
// one that covers it, with the bytes whose hash the manifest has. Records behind the last
// chunk wait to be committed, unless the segment is complete.
func (p *Proof) respool(ctx context.Context, in *bufio.Reader, list []schema.Chunk) error {
	i, n := 0, 0
	sum, records := sha256.New(), int64(0)
	check := func() {
		c := list[i]
		if c.From < c.To && (hex.EncodeToString(sum.Sum(nil)) != c.Hash || records != c.Records+c.Skipped) {
			p.problem("chunk %s (%s %d–%d): the spool holds %d records there, the manifest %d, or their bytes differ", c.ID, c.Object, c.From, c.To, records, c.Records+c.Skipped)
		}
		sum.Reset()
		records = 0
		i++
	}
	err := eachSpooled(in, func(r spooled) {
		if r.suspect {
			p.Suspected++
		}
		if n++; n%10_000 == 0 {
			activity.RecordHeartbeat(ctx, r.at)
		}
		for i < len(list) && r.at >= list[i].To {
			check()
		}
		switch {
		case i == len(list) && !list[i-1].Last:
			p.Waiting++
		case i == len(list) || r.at < list[i].From || r.end > list[i].To:
			p.problem("%s: the record at %d is in no chunk", list[0].Object, r.at)
		default:
			records++
			_, _ = sum.Write(r.data)
			_, _ = sum.Write([]byte{'\n'})
		}
	})
	for err == nil && i < len(list) {
		check()
	}
	return err
}

// unseen counts the records of segments that no chunk is of yet.
func (x *Prove) unseen(ctx context.Context, p *Proof, chunks []schema.Chunk) error {
	if x.Spool == nil {
		return nil
	}
	log, ok := x.Spool.Lookup(p.org, p.Source)
	if !ok {
		return nil
	}
	known := map[string]bool{}
	for _, c := range chunks {
		known[c.Fingerprint] = true
	}
	for _, s := range log.Segments() {
		if known[s.ID] {
			continue
		}
		r, closeAll, err := openAgain(s.Path)
		if err != nil {
			return fmt.Errorf("counting what waits in the spool: %w", err)
		}
		err = eachSpooled(bufio.NewReaderSize(r, 1<<20), func(spooled) { p.Waiting++ })
		closeAll()
		activity.RecordHeartbeat(ctx, p.Waiting)
		if err != nil {
			p.problem("%s: reading it again: %v", s.Path, err)
		}
	}
	return nil
}
