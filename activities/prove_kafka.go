package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"go.temporal.io/sdk/activity"

	"vigil/internal/source/kafka"
	"vigil/schema"
)

// isLost says whether a chunk stands for offsets that were deleted from the topic before
// they were read: it has one failure and no bytes.
func isLost(c schema.Chunk) bool { return c.Records == 1 && c.Failures == 1 && c.Bytes == 0 }

// recounted is what a proof finds in a chunk's range.
type recounted struct {
	records int64
	sum     []byte
}

// requeue reads a partition again by its offsets and compares what is there with its
// chunks, which must join. What retention has deleted since cannot be read again: that is
// said, and the tables were still compared.
func (p *Proof) requeue(ctx context.Context, list []schema.Chunk) error {
	for i, c := range list {
		if i > 0 && c.From > list[i-1].To {
			p.problem("chunk %s (%s): starts at %d, but the chunk before it ends at %d: the offsets between are in no chunk", c.ID, c.Object, c.From, list[i-1].To)
		}
		if isLost(c) {
			p.Lost += c.To - c.From
		} else {
			p.Gaps += c.To - c.From - c.Records - c.Skipped
		}
	}
	first, last := list[0], list[len(list)-1]
	found := make([]recounted, len(list))
	sum, at, n := sha256.New(), 0, 0
	log, err := kafka.Again(ctx, p.def.Kafka, first.Object, first.Fingerprint, first.From, last.To, func(offset int64, data []byte) {
		if n++; n%10_000 == 0 {
			activity.RecordHeartbeat(ctx, offset)
		}
		for at < len(list) && offset >= list[at].To {
			found[at].sum = sum.Sum(nil)
			sum.Reset()
			at++
		}
		if at == len(list) || offset < list[at].From {
			p.problem("%s: the record at offset %d is in no chunk", first.Object, offset)
			return
		}
		found[at].records++
		if len(data) > 16<<20 {
			data = data[:64<<10]
		}
		_, _ = sum.Write(data)
		_, _ = sum.Write([]byte{'\n'})
	})
	if err != nil {
		return err
	}
	for ; at < len(list); at++ {
		found[at].sum = sum.Sum(nil)
		sum.Reset()
	}
	p.recountQueue(list, found, log)
	return nil
}

func (p *Proof) recountQueue(list []schema.Chunk, found []recounted, log kafka.Log) {
	last := list[len(list)-1]
	if log.End < last.To && log.End > 0 {
		p.problem("chunk %s (%s): the log ends at %d, the manifest at %d", last.ID, last.Object, log.End, last.To)
	}
	p.Waiting += max(0, log.End-last.To)
	gone := 0
	for i, c := range list {
		f := found[i]
		switch {
		case isLost(c):
		case c.From < log.Start:
			gone++
		case log.Compacted && f.records < c.Records+c.Skipped: // the rest was compacted since
			p.Gaps += c.Records + c.Skipped - f.records
		case f.records != c.Records+c.Skipped || hex.EncodeToString(f.sum) != c.Hash:
			p.problem("chunk %s (%s %d–%d): the log holds %d records there, the manifest %d, or their bytes differ", c.ID, c.Object, c.From, c.To, f.records, c.Records+c.Skipped)
		}
	}
	if gone > 0 {
		p.Gone = append(p.Gone, fmt.Sprintf("%s up to offset %d: retention has deleted it since; its %d chunks were compared with the tables only", last.Object, log.Start, gone))
	}
}
