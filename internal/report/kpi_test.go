package report

import (
	"testing"
	"time"

	"vigil/schema"
)

func TestKPIs(t *testing.T) {
	o := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	list := []schema.Incident{
		{FirstSeen: o.Add(-10 * time.Minute), Opened: o, Acknowledged: o.Add(time.Minute), Triaged: o.Add(time.Minute), Qualified: o.Add(time.Hour), Closed: o.Add(2 * time.Hour)},
		{FirstSeen: o.Add(-20 * time.Minute), Opened: o, Acknowledged: o.Add(3 * time.Minute)},
		{FirstSeen: o.AddDate(-3, 0, 0), Opened: o, Acknowledged: o.Add(5 * time.Minute)},                      // a recording
		{FirstSeen: o, Opened: o, Acknowledged: o.Add(time.Hour), Closed: o.Add(time.Hour), Verdict: "merged"}, // counts where it went
	}
	want := map[string]struct {
		n           int
		median, p90 float64
	}{"TTD": {2, 600, 1200}, "TTA": {3, 180, 300}, "TTT": {1, 60, 60}, "TTQ": {1, 3600, 3600}, "TTR": {1, 7200, 7200}}
	for _, k := range KPIs(list) {
		if w := want[k.Name]; k.Count != w.n || k.Median != w.median || k.P90 != w.p90 {
			t.Errorf("%+v, want %+v", k, w)
		}
	}
	for _, k := range KPIs(nil) {
		if k.Count != 0 || k.Mean != 0 {
			t.Errorf("of nothing: %+v", k)
		}
	}
}
