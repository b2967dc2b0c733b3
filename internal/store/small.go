package store

import (
	"context"

	"vigil/internal/gather"
	"vigil/schema"
)

// ClickHouse takes some ten milliseconds of processor for an insert, however small it is:
// rows of nouns that are written one by one, by many workflows at once, go in together.

// newSmall gathers small inserts; its lanes are inserts without their rows.
func newSmall(s *Store) *gather.Gatherer[[]any] {
	return gather.New(gather.Options{}, func(ctx context.Context, into string, rows [][]any) error {
		return s.insertInto(ctx, into, "", rows)
	})
}

// insertSmall appends a few rows, together with those that others append to the table at
// the same time. Nothing tells a repeat, so the table must bear one. columns is "a, b, c".
func (s *Store) insertSmall(ctx context.Context, table, columns string, rows ...[]any) error {
	if len(rows) == 0 {
		return nil
	}
	into := insertion(table, columns)
	shared, err := s.small.Put(ctx, into, rows...)
	if err == nil || !shared || schema.CodeOf(err) == schema.Unavailable || ctx.Err() != nil {
		return err
	}
	return s.insertInto(ctx, into, "", rows) // the fault may be another's
}
