package store_test

import (
	"testing"
	"time"

	"vigil/integration/chtest"
	"vigil/internal/store"
)

// TestTimesOfManyEvents: the span of event times is exact, whatever the times; events by
// hour are exact of few events, and of many about right.
func TestTimesOfManyEvents(t *testing.T) {
	s, e := chtest.Open(t)
	from, to, err := s.TimeRange(t.Context(), "main")
	if err != nil || from.Unix() != 0 || to.Unix() != 0 {
		t.Errorf("an empty store spans %s to %s, %v", from, to, err)
	}
	searchEvents(t, s, "main", 200)
	searchEvents(t, s, "other", 50)
	check := func(org string, wantFrom, wantTo time.Time) {
		t.Helper()
		if from, to, err := s.TimeRange(t.Context(), org); err != nil || !from.Equal(wantFrom) || !to.Equal(wantTo) {
			t.Errorf("%s spans %s to %s, %v; want %s to %s", org, from, to, err, wantFrom, wantTo)
		}
	}
	check("main", searchDay, searchDay.Add(199*time.Minute))
	check("other", searchDay, searchDay.Add(49*time.Minute))
	sum := func(hours []store.HourCount, err error) (n int64) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hours {
			n += h.Events
		}
		return n
	}
	if n := sum(s.EventHours(t.Context(), "main", searchDay.Add(time.Minute), searchDay.Add(61*time.Minute))); n != 60 {
		t.Errorf("an hour from the second minute on has %d events, want 60", n)
	}

	// Two million and more, a second apart, and one before and one after all that a 32-bit time can tell.
	const many = 2_200_000
	first, last := time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC)
	engineSays(t, e, `INSERT INTO vigil.events (org, source, ingested, timestamp) SELECT 'many', 'made', now(),
		if(number = 0, toDateTime64('1950-01-01 00:00:00', 6, 'UTC'), if(number = 1, toDateTime64('2150-01-01 00:00:00', 6, 'UTC'), toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + number))
		FROM numbers(2200000) SETTINGS max_block_size = 50000, min_insert_block_size_rows = 50000, min_insert_block_size_bytes = 0, max_insert_threads = 1, max_threads = 1`)
	check("many", first, last)
	hours, err := s.EventHours(t.Context(), "many", first, last.Add(1))
	if n := sum(hours, err); n < many-many/10 || n > many+many/10 {
		t.Errorf("about %d events of %d", n, many)
	}
	day := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	if n := sum(s.EventHours(t.Context(), "many", day, day.Add(24*time.Hour))); n != 86_400 {
		t.Errorf("a day of few events among many has %d, want 86400", n)
	}
}
