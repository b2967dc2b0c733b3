package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vigil/integration/chtest"
	"vigil/internal/store"
	"vigil/schema"
)

// TestAlertList: pages hold every alert once, as it is now, newest first; also those of one
// millisecond, those that changed since, and one that two folds created at once.
func TestAlertList(t *testing.T) {
	st, _ := chtest.Open(t)
	base := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	alert := func(n int, created time.Time, status schema.AlertStatus, version uint64) schema.Alert {
		return schema.Alert{ID: fmt.Sprintf("a%03d", n), Org: "main", Rule: fmt.Sprint("rule-", n%3), Title: "Straße N", Severity: schema.High, Status: status, Created: created, FirstSeen: created, LastSeen: created,
			Entities: map[string]string{"host": fmt.Sprintf("WS%03d.corp", n)}, Version: version}
	}
	put := func(list ...schema.Alert) {
		t.Helper()
		if err := st.PutAlerts(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	pages := func(f store.AlertFilter) (ids []string) {
		t.Helper()
		var last time.Time
		for {
			list, next, err := st.Alerts(t.Context(), "main", f)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				if !last.IsZero() && a.Created.After(last) {
					t.Errorf("%s is newer than the one before", a.ID)
				}
				if f.Status != "" && string(a.Status) != f.Status {
					t.Errorf("%s is %s", a.ID, a.Status)
				}
				last, ids = a.Created, append(ids, a.ID)
			}
			if f.Cursor = next; next == "" {
				return ids
			}
		}
	}
	var open, all []string
	var first, later []schema.Alert
	for n := range 100 {
		created := base.Add(time.Duration(n/10) * time.Minute) // ten of each millisecond
		first = append(first, alert(n, created, schema.AlertOpen, 1))
		if n%4 == 0 {
			later = append(later, alert(n, created, schema.AlertClosed, 2))
		} else {
			open = append(open, fmt.Sprintf("a%03d", n))
		}
		all = append(all, fmt.Sprintf("a%03d", n))
	}
	put(first...)
	put(later...)
	// Somebody else's, and one that was created twice: the alert itself is the later row.
	other := alert(1, base, schema.AlertOpen, 1)
	other.Org = "other"
	put(other)
	put(alert(500, base.Add(time.Hour), schema.AlertOpen, 1))
	put(alert(500, base.Add(time.Hour+3*time.Second), schema.AlertOpen, 1))
	open, all = append(open, "a500"), append(all, "a500")
	for _, limit := range []int{7, 10, 1000} {
		for status, want := range map[string][]string{"open": open, "": all} {
			ids := pages(store.AlertFilter{Status: status, Limit: limit})
			if slices.Sort(ids); !slices.Equal(ids, want) {
				t.Errorf("status %q, pages of %d: %d alerts, want %d", status, limit, len(ids), len(want))
			}
		}
	}
	for what, c := range map[string]struct {
		f    store.AlertFilter
		want int
	}{
		"an entity, in other letters": {store.AlertFilter{Text: "ws042.CORP"}, 1}, "a title": {store.AlertFilter{Text: "STRASSE"}, 0}, "a title, as it is": {store.AlertFilter{Text: "straße"}, 101},
		"a rule": {store.AlertFilter{Rule: "rule-1"}, 33}, "of late": {store.AlertFilter{Since: base.Add(9 * time.Minute)}, 11}, "nothing": {store.AlertFilter{Severity: "low"}, 0},
	} {
		c.f.Limit = 1000
		if ids := pages(c.f); len(ids) != c.want {
			t.Errorf("%s: %d alerts, want %d", what, len(ids), c.want)
		}
	}
	n := 0
	still, err := st.CountAlerts(t.Context(), "main", schema.AlertOpen)
	for _, c := range still {
		n += c.Count
	}
	if err != nil || n != len(open) { // the one that was created twice is one
		t.Errorf("%d open alerts are counted, there are %d: %v", n, len(open), err)
	}
	counts, err := st.CountAlerts(t.Context(), "main", schema.AlertClosed)
	if err != nil {
		t.Fatal(err)
	}
	n = 0
	for _, c := range counts {
		n += c.Count
	}
	if n != 25 || len(counts) != 3 || counts[0].Title != "Straße N" || counts[0].Severity != schema.High {
		t.Errorf("closed alerts: %+v", counts)
	}
	if _, _, err := st.Alerts(t.Context(), "main", store.AlertFilter{Cursor: "000001785585600000a001"}); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("a cursor that is none: %v", err)
	}
}
