package source

import (
	"errors"
	"io"
)

// Feed is one chunk of a queue, such as a partition of a Kafka topic. What it spans was
// fixed where every consumer of the queue can see it before any of it is stored, so a
// run makes exactly this chunk, whoever runs and however often.
type Feed struct {
	From, To int64 // places in the queue; To exclusive
	Items    []Item
	// Lost says why there is nothing to read between From and To although there was. The
	// chunk then holds that reason, as a failure, and no item.
	Lost string
}

// Item is one record of a queue.
type Item struct {
	Offset int64
	Data   []byte
}

// Fed is the object of a chunk of a queue. Its identity is the queue's own.
func Fed(name, fingerprint string, f *Feed) Object {
	return Object{Path: name, Fingerprint: fingerprint, Limit: f.To, Feed: f}
}

// feedFrame hands out a feed: its items, then the cut.
type feedFrame struct {
	feed *Feed
	at   int
	cut  bool
}

// sample is the first items as lines.
func (f *feedFrame) sample() []byte {
	var out []byte
	for _, it := range f.feed.Items {
		if len(out) > 16<<10 {
			break
		}
		out = append(append(out, it.Data[:min(len(it.Data), 64<<10)]...), '\n')
	}
	return out
}

func (f *feedFrame) next() (Record, error) {
	switch {
	case f.cut:
		return Record{}, io.EOF
	case f.at == 0 && f.feed.Lost != "":
		f.at++
		return Record{Offset: f.feed.From, Size: 1, Damage: errors.New(f.feed.Lost)}, nil
	case f.at < len(f.feed.Items):
		it := f.feed.Items[f.at]
		f.at++
		rec := Record{Data: it.Data, Offset: it.Offset, Size: 1, Weight: int64(len(it.Data))}
		if len(rec.Data) > MaxRecord {
			rec.TooLong, rec.Data = true, rec.Data[:keptHead]
		}
		return rec, nil
	default:
		f.cut = true
		return Record{Cut: true, Offset: f.feed.To}, nil
	}
}
