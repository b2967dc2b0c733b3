package rulesql

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
)

// TestLibraryAggregates has a real engine answer the inline tests of the library's
// aggregate rules; addresses come as events spell them.
func TestLibraryAggregates(t *testing.T) {
	db := open(t)
	set, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	cases := 0
	for _, r := range set.Rules() {
		if r.Kind != rules.Aggregate {
			continue
		}
		if err := db.store.CheckAggregate(t.Context(), "main", r.Query.SQL); err != nil {
			t.Errorf("%s: %v", r.ID, err)
		}
		for _, c := range r.Tests {
			cases++
			events, err := r.TestEvents(c)
			if err != nil {
				t.Fatalf("%s: %v", r.ID, err)
			}
			starts, rows := map[time.Time]bool{}, 0
			for _, e := range events {
				starts[e.Time().UTC().Truncate(r.Query.Window)] = true
			}
			for start := range starts {
				got, err := db.store.TestAggregate(t.Context(), "main", r.Query.SQL, schema.HashID(r.ID, c.Name, start.String()), events, start, start.Add(r.Query.Window))
				if err != nil {
					t.Errorf("%s: %s: %v", r.ID, c.Name, err)
				}
				rows += len(got)
				for _, row := range got {
					for name, v := range row {
						if strings.HasPrefix(v, "::ffff:") {
							t.Errorf("%s: %s is %s, not as events spell it", r.ID, name, v)
						}
					}
				}
			}
			if (rows > 0) != c.Match {
				t.Errorf("%s: %s: %d rows, the test wants a hit: %t", r.ID, c.Name, rows, c.Match)
			}
		}
	}
	if cases < 4 {
		t.Errorf("only %d cases were tried", cases)
	}
}
