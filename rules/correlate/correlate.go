// Package correlate judges detections over windows of event time: what stateful rules
// make of their base detections. It is pure: base detections in, detections out; the
// caller keeps the store and the clock.
//
// A judgement is a function of the set of base detections alone: neither order nor
// repeats nor the time of arrival matter. Late ones change what is right, so the caller
// judges again what [Affected] names, writes what is new and takes back what is wrong.
package correlate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/rules"
	"vigil/schema"
)

// Range is a range of event times; To exclusive.
type Range struct{ From, To time.Time }

// Holds says whether the time is in the range.
func (r Range) Holds(t time.Time) bool { return !t.Before(r.From) && t.Before(r.To) }

// Affected returns where detections of the rule may change when base detections with
// times from first to last come in. It starts and ends at bucket edges of the rule.
func Affected(r *rules.Rule, first, last time.Time) Range {
	w := bucketWidth(r)
	back, ahead := reach(r)
	return Range{edge(first.Add(-back), w), edge(last.Add(ahead), w).Add(w)}
}

// Aligned widens a range to bucket edges of the rule, so that it can be judged.
func Aligned(r *rules.Rule, x Range) Range {
	w := bucketWidth(r)
	to := edge(x.To, w)
	if to.Before(x.To) {
		to = to.Add(w)
	}
	return Range{edge(x.From, w), to}
}

// Halves cuts an aligned range in two at a bucket edge; ok is false when it is one bucket.
func Halves(r *rules.Rule, x Range) (a, b Range, ok bool) {
	w := bucketWidth(r)
	n := int64(x.To.Sub(x.From) / w)
	if n < 2 {
		return x, x, false
	}
	mid := x.From.Add(time.Duration(n/2) * w)
	return Range{x.From, mid}, Range{mid, x.To}, true
}

// Needs returns the range of base detections that decide an aligned range.
func Needs(r *rules.Rule, judged Range) Range {
	back, ahead := reach(r)
	return Range{judged.From.Add(-ahead), judged.To.Add(back)}
}

// Judge returns the detections of a stateful rule with times in an aligned range, from
// all base detections of [Needs], ordered by time and id. now is when absences count:
// open is the latest time at which one that is not over yet will be; zero when all are.
func Judge(r *rules.Rule, bases []schema.Detection, judged Range, now time.Time) (fires []schema.Detection, open time.Time) {
	j := &judge{rule: r, judged: judged, now: now}
	groups := grouped(r, bases)
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		switch {
		case r.Count != nil:
			j.threshold(key, groups[key])
		case r.Order != nil && r.Order.AnyOrder:
			j.together(key, groups[key])
		case r.Order != nil:
			j.sequence(key, groups[key])
		case r.Terms != nil:
			j.terms(key, groups[key])
		}
	}
	slices.SortFunc(j.fires, byTime)
	return j.fires, j.open
}

// judge is the state of one Judge.
type judge struct {
	rule   *rules.Rule
	judged Range
	now    time.Time
	fires  []schema.Detection
	open   time.Time
}

const day = 24 * time.Hour

// bucketWidth is the width of the time buckets of a rule: of one group and bucket there
// is at most one detection (for new terms: one of each value).
func bucketWidth(r *rules.Rule) time.Duration {
	switch {
	case r.Count != nil:
		return r.Count.Within
	case r.Order != nil:
		return r.Order.Within
	}
	return day
}

// reach is how far a base detection can matter: for detections before it, and for
// detections behind it.
func reach(r *rules.Rule) (back, ahead time.Duration) {
	switch {
	case r.Count != nil:
		return 0, r.Count.Within
	case r.Order != nil:
		if last := r.Order.Steps[len(r.Order.Steps)-1]; last.Absent {
			back = r.Order.Within
		}
		return back, r.Order.Within
	}
	return 0, time.Duration(r.Terms.Days+1) * day
}

// edge is the start of the bucket that a time is in; buckets count from the Unix epoch.
func edge(t time.Time, width time.Duration) time.Time {
	w := max(int64(width/time.Microsecond), 1)
	us := t.UnixMicro()
	if us < 0 {
		us -= w - 1
	}
	return time.UnixMicro(us / w * w).UTC()
}

func byTime(a, b schema.Detection) int {
	return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.EventID, b.EventID), strings.Compare(a.ID, b.ID))
}

// grouped sorts the rule's base detections into groups, each in time order and without
// repeats. One that lacks a group value belongs to no group.
func grouped(r *rules.Rule, bases []schema.Detection) map[string][]schema.Detection {
	out := map[string][]schema.Detection{}
	seen := map[string]bool{}
	for _, d := range bases {
		key, ok := keyOf(d.Entities, r.Groups())
		if !ok || d.Rule != r.ID || d.Kind != string(rules.Base) || seen[d.ID] {
			continue
		}
		seen[d.ID] = true
		key = d.Org + "\x00" + key
		out[key] = append(out[key], d)
	}
	for _, g := range out {
		slices.SortFunc(g, byTime)
	}
	return out
}

// keyOf joins the values of some entities; false when one is absent.
func keyOf(entities map[string]string, names []string) (string, bool) {
	var b strings.Builder
	for _, name := range names {
		v := entities[name]
		if v == "" {
			return "", false
		}
		fmt.Fprintf(&b, "%s=%d:%s|", name, len(v), strings.ToLower(v))
	}
	return b.String(), true
}

// firsts lets the first detection of each bucket through.
type firsts struct {
	width time.Duration
	last  time.Time
	any   bool
}

func (f *firsts) take(t time.Time) bool {
	b := edge(t, f.width)
	if f.any && b.Equal(f.last) {
		return false
	}
	f.last, f.any = b, true
	return true
}

// maxEvents is how many contributing events a detection names.
const maxEvents = 100

// fire makes the detection that members, in time order, are. Its id is that of its last
// event: what late events change is another detection.
func (j *judge) fire(kind rules.Kind, key string, members []schema.Detection, why schema.Why) {
	r := j.rule
	first, d := members[0], members[len(members)-1]
	if !j.judged.Holds(d.Time) {
		return
	}
	d.ID = schema.HashID(string(kind), d.Org, r.ID, r.Version, key, strconv.FormatInt(d.Time.UnixMicro(), 10), d.EventID)
	d.Kind, d.Steps = string(kind), nil
	d.RuleVersion, d.RuleTitle, d.Severity, d.Risk, d.Attack = r.Version, r.Title, r.Severity, r.Risk, r.Attack
	d.Entities = common(r, members)
	d.DedupKey = r.DedupKey(d.Entities)
	why.Values["first"], why.Values["last"] = stamp(first.Time), stamp(d.Time)
	d.Why = append([]schema.Why{why}, d.Why...)
	d.Events = nil
	for _, m := range members[max(0, len(members)-maxEvents):] {
		d.Events = append(d.Events, m.EventID)
	}
	for _, m := range members {
		if m.Ingested.After(d.Ingested) {
			d.Ingested = m.Ingested
		}
	}
	j.fires = append(j.fires, d)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// common keeps the group's entities and those that all members agree on.
func common(r *rules.Rule, members []schema.Detection) map[string]string {
	out := map[string]string{}
	for name, v := range members[len(members)-1].Entities {
		same := slices.Contains(r.Groups(), name) || !slices.ContainsFunc(members, func(m schema.Detection) bool {
			return !strings.EqualFold(m.Entities[name], v)
		})
		if same {
			out[name] = v
		}
	}
	return out
}
