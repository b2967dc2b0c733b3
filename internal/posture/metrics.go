package posture

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"vigil/schema"
)

// The units of metrics.
const (
	Percent = "percent"
	Seconds = "seconds"
	Count   = "count"
)

// measured is what a metric found; not known when there is nothing to measure.
type measured struct {
	known    bool
	value    float64
	text     string   // what was looked at, or why it is not known
	evidence []string // what it fails on, worst first
}

// metric is a row of the table of metrics: one thing that an objective can want.
type metric struct {
	name       string
	doc        string
	unit       string
	comparator string // when the objective names none
	example    string // of a target
	scope      []string
	measure    func(o *Objective, x *view) measured
}

// metrics is the table of metrics. docs/reference/posture.md lists them; a test
// holds the two equal.
func metrics() []metric {
	return []metric{
		{"technique_coverage", "share of the techniques that a rule with data covers", Percent, AtLeast, "60%", []string{"tactic", "techniques"}, coverageShare},
		{"rule_health", "share of the enabled rules one of whose data sets is present", Percent, AtLeast, "80%", []string{"rules", "severity"}, ruleHealth},
		{"source_silence", "longest time since a source last committed anything", Seconds, AtMost, "24h", []string{"sources"}, sourceSilence},
		{"ack_time_p90", "time within which nine of ten alerts were acknowledged", Seconds, AtMost, "1h", []string{"severity"}, ackTime},
		{"parse_failures", "share of the window's records that no parser took", Percent, AtMost, "1%", []string{"sources"}, parseFailures},
		{"unproved_sources", "sources without a good proof within the time, or since their last commit", Count, AtMost, "0", []string{"sources", "within"}, unproved},
		{"intel_age", "age of the feed that was synced longest ago", Seconds, AtMost, "48h", []string{"feeds"}, intelAge},
		{"model_age", "age of the oldest champion model", Seconds, AtMost, "30d", []string{"detectors"}, modelAge},
	}
}

func metricNames() []string {
	var out []string
	for _, m := range metrics() {
		out = append(out, m.name)
	}
	return out
}

func metricOf(name string) (metric, bool) {
	for _, m := range metrics() {
		if m.name == name {
			return m, true
		}
	}
	return metric{}, false
}

// maxEvidence bounds what a result names.
const maxEvidence = 20

func evidence(list []string) []string { return list[:min(len(list), maxEvidence)] }

func share(part, all int) float64 { return 100 * float64(part) / float64(max(all, 1)) }

func coverageShare(o *Objective, x *view) measured {
	rows := x.techniques(o.Scope)
	if len(rows) == 0 {
		return measured{text: "no technique is named"}
	}
	var missing []string
	covered := 0
	for _, t := range rows {
		if t.State == schema.Covered {
			covered++
		} else {
			missing = append(missing, strings.TrimSpace(t.ID+" "+t.Name)+": "+string(t.State))
		}
	}
	return measured{true, share(covered, len(rows)), fmt.Sprintf("%d of %d techniques", covered, len(rows)), evidence(missing)}
}

func ruleHealth(o *Objective, x *view) measured {
	good, all := 0, 0
	var bad []string
	for _, r := range x.rules {
		if !matches(o.Scope.Rules, r.ID) || o.Scope.Severity != "" && r.Severity.Rank() < o.Scope.Severity.Rank() {
			continue
		}
		all++
		if r.State == schema.Present {
			good++
		} else {
			bad = append(bad, r.ID+": its data is "+string(r.State))
		}
	}
	if all == 0 {
		return measured{text: "no rule is meant"}
	}
	return measured{true, share(good, all), fmt.Sprintf("%d of %d rules see data", good, all), evidence(bad)}
}

func sourceSilence(o *Objective, x *view) measured {
	var rows []schema.Presence
	for _, s := range x.sources {
		if matches(o.Scope.Sources, s.ID) {
			rows = append(rows, s)
		}
	}
	if len(rows) == 0 {
		return measured{text: "there is no such source"}
	}
	slices.SortStableFunc(rows, func(a, b schema.Presence) int { return cmp.Compare(b.Silence, a.Silence) })
	var late []string
	for _, s := range rows {
		if float64(s.Silence) > o.Target {
			late = append(late, s.ID+": silent for "+human(time.Duration(s.Silence)*time.Second))
		}
	}
	return measured{true, float64(rows[0].Silence), fmt.Sprintf("%s was silent longest, of %d sources", rows[0].ID, len(rows)), evidence(late)}
}

// ackTime is the time within which nine of ten alerts were acknowledged. An alert that
// still waits counts with its age so far once that is over the target; before that
// nobody can tell yet, and it is left out.
func ackTime(o *Objective, x *view) measured {
	type wait struct {
		id   string
		time float64
		open bool
	}
	var waits []wait
	for _, a := range x.facts.Alerts {
		if o.Scope.Severity != "" && a.Severity.Rank() < o.Scope.Severity.Rank() {
			continue
		}
		w := wait{id: a.ID, time: a.Acknowledged.Sub(a.Created).Seconds()}
		if a.Acknowledged.IsZero() {
			w.time, w.open = x.now.Sub(a.Created).Seconds(), true
			if w.time <= o.Target {
				continue
			}
		}
		w.time = max(w.time, 0)
		waits = append(waits, w)
	}
	if len(waits) == 0 {
		return measured{text: "no alert of the window is acknowledged or overdue"}
	}
	slices.SortStableFunc(waits, func(a, b wait) int { return cmp.Compare(a.time, b.time) })
	var late []string
	open := 0
	for _, w := range slices.Backward(waits) {
		if w.open {
			open++
			late = append(late, w.id+": waits for "+human(time.Duration(w.time*float64(time.Second))))
		}
	}
	p90 := waits[int(math.Ceil(0.9*float64(len(waits))))-1]
	return measured{true, p90.time, fmt.Sprintf("of %d alerts, %d still wait", len(waits), open), evidence(late)}
}

func parseFailures(o *Objective, x *view) measured {
	var records, failures int64
	var rows []schema.SourceFact
	for _, s := range x.facts.Sources {
		if matches(o.Scope.Sources, s.ID) {
			records, failures = records+s.Records, failures+s.Failures
			rows = append(rows, s)
		}
	}
	if records == 0 {
		return measured{text: "no record came within the window"}
	}
	slices.SortStableFunc(rows, func(a, b schema.SourceFact) int { return cmp.Compare(b.Failures, a.Failures) })
	var bad []string
	for _, s := range rows {
		if s.Failures > 0 {
			bad = append(bad, fmt.Sprintf("%s: %d of %d records", s.ID, s.Failures, s.Records))
		}
	}
	return measured{true, 100 * float64(failures) / float64(records), fmt.Sprintf("%d of %d records", failures, records), evidence(bad)}
}

// proofAge is how old a proof may be when the objective does not say.
const proofAge = 7 * 24 * time.Hour

func unproved(o *Objective, x *view) measured {
	within := o.Scope.Within
	if within == 0 {
		within = proofAge
	}
	all := 0
	var bad []string
	for _, s := range x.facts.Sources {
		if !matches(o.Scope.Sources, s.ID) {
			continue
		}
		all++
		switch {
		case s.Proved.IsZero():
			bad = append(bad, s.ID+": never proved")
		case !s.ProofOK:
			bad = append(bad, s.ID+": its newest proof found differences")
		case s.Proved.Before(s.LastIngest) && x.now.Sub(s.Proved) > within:
			bad = append(bad, s.ID+": proved "+human(x.now.Sub(s.Proved))+" ago")
		}
	}
	if all == 0 {
		return measured{text: "there is no such source"}
	}
	return measured{true, float64(len(bad)), fmt.Sprintf("of %d sources", all), evidence(bad)}
}

// oldest measures the oldest of some dated things.
func oldest(ages map[string]time.Time, what, none string, target float64, now time.Time) measured {
	if len(ages) == 0 {
		return measured{text: none}
	}
	var worst time.Duration
	var bad []string
	name := ""
	for _, id := range sortedKeys(ages) {
		age := max(now.Sub(ages[id]), 0)
		if name == "" || age > worst {
			name, worst = id, age
		}
		if age.Seconds() > target {
			bad = append(bad, id+": "+human(age)+" old")
		}
	}
	return measured{true, worst.Seconds(), fmt.Sprintf("%s is the oldest of %d %s", name, len(ages), what), evidence(bad)}
}

func intelAge(o *Objective, x *view) measured {
	ages := map[string]time.Time{}
	for _, f := range x.facts.Feeds {
		if matches(o.Scope.Feeds, f.ID) {
			ages[f.ID] = f.Synced
		}
	}
	return oldest(ages, "feeds", "no feed is synced", o.Target, x.now)
}

func modelAge(o *Objective, x *view) measured {
	ages := map[string]time.Time{}
	for _, m := range x.facts.Models {
		if matches(o.Scope.Detectors, m.Detector) {
			ages[m.Detector] = m.Created
		}
	}
	return oldest(ages, "champions", "no detector has a champion", o.Target, x.now)
}
