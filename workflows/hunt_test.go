package workflows

import (
	"testing"
	"time"
)

// TestHuntWindows: windows join without gap or overlap, and are never too many.
func TestHuntWindows(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		from, to string
		events   int64
		want     int
	}{
		{"2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z", 1e9, 0},
		{"2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", 1e9, 1},
		{"2026-03-01T23:59:59Z", "2026-03-02T00:00:01Z", 1e9, 2},
		{"2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", 1e9, 2},
		{"2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", 1000, 1},
		{"2026-01-01T05:00:00Z", "2026-02-20T00:00:00Z", 1e9, 50},
		{"2026-01-01T05:00:00Z", "2026-01-11T00:00:00Z", 5e6, 3},
		{"1970-01-01T00:00:00Z", "2106-01-01T00:00:00Z", 1e9, 60},
		{"1970-01-01T00:00:00Z", "2106-01-01T00:00:00Z", 0, 1},
		{"1969-06-01T12:00:00Z", "1969-06-02T12:00:00Z", 1e9, 2},
	} {
		from, to := at(c.from), at(c.to)
		got := huntWindows(from, to, c.events)
		if len(got) != c.want {
			t.Errorf("%s to %s, %d events: %d windows, want %d", c.from, c.to, c.events, len(got), c.want)
		}
		for _, w := range got {
			if !w[0].Equal(from) || !w[1].After(w[0]) {
				t.Errorf("%s to %s: window %v does not start at %s", c.from, c.to, w, from)
			}
			from = w[1]
		}
		if !from.Equal(to) {
			t.Errorf("%s to %s: ends at %s", c.from, c.to, from)
		}
	}
}
