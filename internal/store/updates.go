package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// NoteOffset makes the offset of a note: ordered by time (microseconds), the same
// for the same note, so that a repeat is recognised.
func NoteOffset(n schema.Note) string {
	return fmt.Sprintf("%016x%s", n.Time.UnixMicro(), schema.HashID("note", n.Org, n.Topic, n.Kind, n.ID, n.Data)[:8])
}

// PutNotes appends notes to the live outbox; those without offset get one.
func (s *Store) PutNotes(ctx context.Context, notes ...schema.Note) error {
	rows := make([][]any, len(notes))
	for i, n := range notes {
		if n.Offset == "" {
			n.Offset = NoteOffset(n)
		}
		rows[i] = []any{n.Org, n.Offset, n.Topic, n.Kind, n.ID, n.Data, n.Time}
	}
	if err := s.insertSmall(ctx, "updates", "org, offset, topic, kind, id, data, time", rows...); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
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
