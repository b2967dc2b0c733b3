package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// noteLate is how long the insert of a note may take: half of how far readers go back.
const noteLate = 5 * time.Second

// noteOffset makes the offset of a note: ordered by the time of writing (microseconds).
// The note's own time would not do: an activity that is tried again hours later writes
// the note of its first attempt, and readers would never look back so far.
func noteOffset(at time.Time, n schema.Note) string {
	return fmt.Sprintf("%016x%s", at.UnixMicro(), schema.HashID("note", n.Org, n.Topic, n.Kind, n.ID, n.Data)[:8])
}

// PutNotes appends notes to the live outbox. One whose insert took long is written again,
// because readers may be past its offset: they hear it twice rather than never.
func (s *Store) PutNotes(ctx context.Context, notes ...schema.Note) error {
	if len(notes) == 0 {
		return nil
	}
	for {
		began := time.Now()
		rows := make([][]any, len(notes))
		for i, n := range notes {
			rows[i] = []any{n.Org, noteOffset(began, n), n.Topic, n.Kind, n.ID, n.Data, n.Time}
		}
		if err := s.insertSmall(ctx, "updates", "org, offset, topic, kind, id, data, time", rows...); err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
		s.published.tell()
		if time.Since(began) < noteLate {
			return nil
		}
	}
}

// Published returns a channel that is closed when this process writes notes next.
func (s *Store) Published() <-chan struct{} { return s.published.next() }

// bell tells everybody who waits, once.
type bell struct {
	mu   sync.Mutex
	wait chan struct{}
}

func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait == nil {
		b.wait = make(chan struct{})
	}
	return b.wait
}

func (b *bell) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait != nil {
		close(b.wait)
		b.wait = nil
	}
}

// NotesSince returns notes with an offset of at least from, oldest first. Readers
// go back 10 s from what they have seen and drop offsets they know: a slow
// insert may appear behind a quick one.
func (s *Store) NotesSince(ctx context.Context, org, from string, limit int) ([]schema.Note, error) {
	out := []schema.Note{}
	err := s.each(ctx, `SELECT org, offset, topic, kind, id, data, time FROM updates WHERE org = {org:String} AND offset >= {from:String} ORDER BY offset LIMIT 1 BY offset LIMIT {limit:UInt32}`,
		P{"org": org, "from": from, "limit": limit}, func(r driver.Rows) error {
			var n schema.Note
			if err := r.Scan(&n.Org, &n.Offset, &n.Topic, &n.Kind, &n.ID, &n.Data, &n.Time); err != nil {
				return err
			}
			n.Time = n.Time.UTC()
			out = append(out, n)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("reading updates: %w", err)
	}
	return out, nil
}
