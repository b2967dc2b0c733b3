package activities

import (
	"math/rand/v2"
	"testing"
	"time"

	"vigil/internal/store"
)

// TestCutWindows: windows join without gap or overlap, and hold about as many events as
// they should, whether they are spread over years or in one hour.
func TestCutWindows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		var hours []store.HourCount
		all := int64(0)
		for range 1 + random.IntN(50) {
			h := store.HourCount{Hour: at, Events: 1 + random.Int64N(5000)}
			hours, all = append(hours, h), all+h.Events
			at = at.Add(time.Duration(1+random.IntN(2000)) * time.Hour)
		}
		from, to := hours[0].Hour.Add(20*time.Minute), hours[len(hours)-1].Hour.Add(40*time.Minute)
		size := 1 + random.Int64N(8000)
		got := cutWindows(hours, from, to, size)
		for _, w := range got {
			if !w[0].Equal(from) || !w[1].After(w[0]) {
				t.Fatalf("the window %v does not start at %s", w, from)
			}
			from = w[1]
		}
		if !from.Equal(to) {
			t.Fatalf("the windows end at %s, not at %s", from, to)
		}
		if least, most := all/size/3-1, 3*all/size+int64(len(hours))+1; int64(len(got)) < least || int64(len(got)) > most {
			t.Fatalf("%d events in windows of %d: %d windows", all, size, len(got))
		}
		if n := newest(hours, hours[0].Hour, to, size); n[1] != to || all <= size && n[0] != hours[0].Hour || !n[0].Before(to) {
			t.Fatalf("%d of %d events: the newest are %v", size, all, n)
		}
	}
	if got := cutWindows(nil, time.Unix(0, 0), time.Unix(0, 0), 10); got == nil || len(got) != 0 {
		t.Errorf("an empty range has the windows %v; nil would say that an older version planned it", got)
	}
}
