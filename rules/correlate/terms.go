package correlate

import (
	"fmt"
	"strings"
	"time"

	"vigil/rules"
	"vigil/schema"
)

// terms looks for values that are new. Time is counted in UTC days: the first event of
// a day with the values fires when none of the days before, as many as the rule says,
// has them, but has the group with others: what is seen at first is learned, not news.
func (j *judge) terms(key string, group []schema.Detection) {
	t := j.rule.Terms
	latest := map[string]time.Time{} // day on which the values were seen last
	var days []time.Time             // on which the group was seen
	for _, d := range group {
		values, ok := keyOf(d.Entities, t.Of)
		if !ok {
			continue
		}
		today := edge(d.Time, day)
		before, seen := latest[values]
		latest[values] = today
		if len(days) == 0 || !days[len(days)-1].Equal(today) {
			days = append(days, today)
		}
		oldest := today.Add(-time.Duration(t.Days) * day)
		if seen && !before.Before(oldest) || len(days) < 2 || days[len(days)-2].Before(oldest) {
			continue
		}
		j.fire(rules.NewTerms, key+values, []schema.Detection{d}, schema.Why{Part: "new terms",
			Expr: fmt.Sprintf("%s not seen in %d days%s", strings.Join(t.Of, ", "), t.Days, by(t.By)), Values: newValues(d, t.Of)})
	}
}

func by(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " by " + strings.Join(names, ", ")
}

func newValues(d schema.Detection, of []string) map[string]string {
	out := map[string]string{}
	for _, name := range of {
		out[name] = d.Entities[name]
	}
	return out
}

// Thin keeps of the base detections of one chunk what a judgement needs: of new_terms
// rules the first of each value and day. The rest would only fill the store.
func Thin(set *rules.Set, ds []schema.Detection) []schema.Detection {
	kept := map[string]int{}
	out := ds[:0]
	for _, d := range ds {
		key, thin := thinKey(set, d)
		at, have := kept[key]
		switch {
		case !thin || !have:
			kept[key] = len(out)
			out = append(out, d)
		case byTime(d, out[at]) < 0:
			out[at] = d
		}
	}
	return out
}

func thinKey(set *rules.Set, d schema.Detection) (string, bool) {
	if d.Kind != string(rules.Base) {
		return "", false
	}
	r, ok := set.Rule(d.Rule)
	if !ok || r.Terms == nil {
		return "", false
	}
	group, _ := keyOf(d.Entities, r.Terms.By)
	values, _ := keyOf(d.Entities, r.Terms.Of)
	return strings.Join([]string{d.Rule, group, values, edge(d.Time, day).String()}, "\x00"), true
}
