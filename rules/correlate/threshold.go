package correlate

import (
	"fmt"
	"strconv"
	"strings"

	"vigil/rules"
	"vigil/schema"
)

// threshold slides the window over one group. In each bucket, the first event at which
// the events (or different values) of the window that ends there reach the count fires.
func (j *judge) threshold(key string, group []schema.Detection) {
	c := j.rule.Count
	w := window{distinct: c.Distinct, values: map[string]int{}}
	first, from := firsts{width: c.Within}, 0
	for i, d := range group {
		w.add(d)
		for d.Time.Sub(group[from].Time) >= c.Within {
			w.remove(group[from])
			from++
		}
		if w.count() < c.Count || !first.take(d.Time) {
			continue
		}
		what := "events"
		if c.Distinct != "" {
			what = "different " + c.Distinct
		}
		j.fire(rules.Threshold, key, group[from:i+1], schema.Why{Part: "threshold",
			Expr:   fmt.Sprintf("at least %d %s within %s by %s", c.Count, what, c.Within, strings.Join(c.GroupBy, ", ")),
			Values: map[string]string{"count": strconv.Itoa(w.count()), "events": strconv.Itoa(i + 1 - from)}})
	}
}

// window counts the events or distinct values of a sliding window.
type window struct {
	distinct string
	events   int
	values   map[string]int
}

func (w *window) add(d schema.Detection) {
	w.events++
	if v := strings.ToLower(d.Entities[w.distinct]); v != "" {
		w.values[v]++
	}
}

func (w *window) remove(d schema.Detection) {
	w.events--
	v := strings.ToLower(d.Entities[w.distinct])
	if w.values[v]--; w.values[v] <= 0 {
		delete(w.values, v)
	}
}

func (w *window) count() int {
	if w.distinct == "" {
		return w.events
	}
	return len(w.values)
}
