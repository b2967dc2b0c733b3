// Package correlate counts detections over windows of event time. It is pure:
// base detections in, detections out; the caller keeps the store and the clock.
package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/rules"
	"vigil/schema"
)

// Span returns the range of event times whose base detections decide every
// window that an event in [from, to] takes part in.
func Span(r *rules.Rule, from, to time.Time) (time.Time, time.Time) {
	if r.Count == nil {
		return from, to
	}
	// An event counts in windows that end up to one window later, and a window
	// bucket is judged by its first crossing, which needs the window before it.
	return from.Add(-2 * r.Count.Within), to.Add(2 * r.Count.Within)
}

// Threshold returns the detections of a threshold rule over its base detections:
// for each group and each time bucket of length within, one when, at some event
// of the bucket, the events (or distinct values) of the group in the window that
// ends there reach the count.
//
// Input order and repeats do not matter. More input never takes a detection
// away, and the id of each depends only on rule, group and bucket; so late
// events may be added and a window judged again, as long as all base detections
// of [Span] are given. The result is ordered by time and id.
func Threshold(r *rules.Rule, bases []schema.Detection) []schema.Detection {
	if r.Count == nil {
		return nil
	}
	var out []schema.Detection
	for key, group := range groups(r, bases) {
		out = append(out, crossings(r, key, group)...)
	}
	slices.SortFunc(out, func(a, b schema.Detection) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID))
	})
	return out
}

// groups sorts the rule's base detections into groups, each in time order and
// without repeats. One that lacks a group value belongs to no group.
func groups(r *rules.Rule, bases []schema.Detection) map[string][]schema.Detection {
	out := map[string][]schema.Detection{}
	seen := map[string]bool{}
	for _, d := range bases {
		key, ok := groupKey(r, d.Entities)
		if !ok || d.Rule != r.ID || d.Kind != string(rules.Base) || seen[d.ID] {
			continue
		}
		seen[d.ID] = true
		key = d.Org + "\x00" + key
		out[key] = append(out[key], d)
	}
	for _, g := range out {
		slices.SortFunc(g, func(a, b schema.Detection) int {
			return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID))
		})
	}
	return out
}

func groupKey(r *rules.Rule, entities map[string]string) (string, bool) {
	var b strings.Builder
	for _, name := range r.Count.GroupBy {
		v := entities[name]
		if v == "" {
			return "", false
		}
		fmt.Fprintf(&b, "%s=%d:%s|", name, len(v), strings.ToLower(v))
	}
	return b.String(), true
}

// crossings slides the window over one group and makes a detection of the first
// event of each bucket at which the count is reached.
func crossings(r *rules.Rule, key string, group []schema.Detection) []schema.Detection {
	var out []schema.Detection
	w := window{distinct: r.Count.Distinct, values: map[string]int{}}
	last, from := int64(0), 0
	for i, d := range group {
		w.add(d)
		for d.Time.Sub(group[from].Time) >= r.Count.Within {
			w.remove(group[from])
			from++
		}
		bucket := bucketOf(d.Time, r.Count.Within)
		if w.count() < r.Count.Count || len(out) > 0 && bucket == last {
			continue
		}
		last = bucket
		out = append(out, detection(r, key, bucket, group[from:i+1], w.count()))
	}
	return out
}

// bucketOf numbers the time buckets from the Unix epoch, rounding down.
func bucketOf(t time.Time, within time.Duration) int64 {
	ns, w := t.Unix(), int64(max(within/time.Second, 1))
	if ns < 0 {
		return (ns+1)/w - 1
	}
	return ns / w
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

// detection is the result of a window whose last event made it full.
func detection(r *rules.Rule, key string, bucket int64, members []schema.Detection, count int) schema.Detection {
	first, d := members[0], members[len(members)-1]
	d.ID = schema.HashID("threshold", d.Org, r.ID, r.Version, key, strconv.FormatInt(bucket, 10))
	d.Kind = string(rules.Threshold)
	d.RuleVersion, d.RuleTitle, d.Severity, d.Risk, d.Attack = r.Version, r.Title, r.Severity, r.Risk, r.Attack
	d.Entities = common(r, members)
	d.DedupKey = r.DedupKey(d.Entities)
	what := "events"
	if r.Count.Distinct != "" {
		what = "different " + r.Count.Distinct
	}
	d.Why = append([]schema.Why{{
		Part: "threshold",
		Expr: fmt.Sprintf("at least %d %s within %s by %s", r.Count.Count, what, r.Count.Within, strings.Join(r.Count.GroupBy, ", ")),
		Values: map[string]string{
			"count": strconv.Itoa(count), "events": strconv.Itoa(len(members)),
			"first": first.Time.UTC().Format(time.RFC3339Nano), "last": d.Time.UTC().Format(time.RFC3339Nano),
		},
	}}, d.Why...)
	for _, m := range members {
		if m.Ingested.After(d.Ingested) {
			d.Ingested = m.Ingested
		}
	}
	return d
}

// common keeps the group's entities and those that all members agree on.
func common(r *rules.Rule, members []schema.Detection) map[string]string {
	out := map[string]string{}
	for name, v := range members[len(members)-1].Entities {
		same := slices.Contains(r.Count.GroupBy, name) || !slices.ContainsFunc(members, func(m schema.Detection) bool {
			return !strings.EqualFold(m.Entities[name], v)
		})
		if same {
			out[name] = v
		}
	}
	return out
}
