package posture

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/schema"
)

// view is the facts with what every metric needs worked out once.
type view struct {
	facts    *schema.PostureFacts
	now      time.Time
	sources  []schema.Presence
	datasets []schema.Presence
	rules    []schema.RulePresence
	enabled  []schema.RuleFact
	matrix   []schema.TechniqueCoverage
}

// Assess measures every objective of the document at a time. The assessment has no
// id yet.
func Assess(d *Document, facts schema.PostureFacts, now time.Time) schema.Assessment {
	x := newView(&facts, now)
	a := schema.Assessment{Objectives: d.ID, Title: d.Title, Time: now.UTC(), Status: schema.ObjectiveMet,
		Sources: x.sources, Datasets: x.datasets, Rules: x.rules, Coverage: x.coverage(d)}
	for i := range d.Objectives {
		r := result(&d.Objectives[i], x)
		a.Results = append(a.Results, r)
		switch r.Status {
		case schema.ObjectiveMet:
			a.Met++
		case schema.ObjectiveMissed:
			a.Missed++
		default:
			a.Unknown++
		}
	}
	switch {
	case a.Missed > 0:
		a.Status = schema.ObjectiveMissed
	case a.Unknown > 0:
		a.Status = schema.ObjectiveUnknown
	}
	return a
}

func newView(facts *schema.PostureFacts, now time.Time) *view {
	x := &view{facts: facts, now: now, sources: []schema.Presence{}, datasets: []schema.Presence{}, rules: []schema.RulePresence{}}
	for _, s := range facts.Sources {
		x.sources = append(x.sources, presence(s.ID, s.LastEvent, s.LastIngest, s.Gap, 0, now))
	}
	for _, d := range facts.Datasets {
		x.datasets = append(x.datasets, presence(d.ID, d.LastEvent, d.LastIngest, d.Gap, d.Events, now))
	}
	byID := func(a, b schema.Presence) int { return strings.Compare(a.ID, b.ID) }
	slices.SortFunc(x.sources, byID)
	slices.SortFunc(x.datasets, byID)
	for _, r := range facts.Rules {
		if r.Enabled {
			x.enabled = append(x.enabled, r)
			x.rules = append(x.rules, x.rulePresence(r))
		}
	}
	slices.SortFunc(x.rules, func(a, b schema.RulePresence) int { return strings.Compare(a.ID, b.ID) })
	x.matrix = x.cover()
	return x
}

// result measures one objective.
func result(o *Objective, x *view) schema.ObjectiveResult {
	m := o.metric.measure(o, x)
	r := schema.ObjectiveResult{ID: o.ID, Title: o.Title, Metric: o.Metric, Unit: o.metric.unit, Comparator: o.Comparator, Severity: o.Severity,
		Status: schema.ObjectiveUnknown, Target: o.Target, Measured: m.value, Evidence: m.evidence}
	want := map[string]string{AtLeast: "at least ", AtMost: "at most "}[o.Comparator] + format(o.metric.unit, o.Target)
	if !m.known {
		r.Text = "Not known: " + m.text + ". Wanted: " + want + "."
		return r
	}
	r.Status = schema.ObjectiveMissed
	if o.Comparator == AtLeast && m.value >= o.Target || o.Comparator == AtMost && m.value <= o.Target {
		r.Status = schema.ObjectiveMet
	}
	r.Text = fmt.Sprintf("%s (%s). Wanted: %s.", format(o.metric.unit, m.value), m.text, want)
	return r
}

// format writes a value in its unit.
func format(unit string, v float64) string {
	switch unit {
	case Percent:
		return strconv.FormatFloat(math.Round(100*v)/100, 'f', -1, 64) + " %"
	case Seconds:
		return human(time.Duration(v * float64(time.Second)))
	default:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
}

// human writes a duration as people say it.
func human(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	case d >= 2*time.Hour || d == time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	default:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// When silence becomes stale and silent. A source's own rhythm decides: one that
// commits every minute is stale after an hour, one that comes daily after three days.
const (
	freshAtLeast  = time.Hour
	freshUnknown  = 24 * time.Hour // for sources whose rhythm is not known yet
	freshFactor   = 3
	silentAtLeast = 24 * time.Hour
	silentFactor  = 10
	silentAtMost  = 30 * 24 * time.Hour
)

// limits returns after how much silence data is stale, and after how much silent.
func limits(gap time.Duration) (stale, silent time.Duration) {
	stale = max(freshAtLeast, freshFactor*gap)
	if gap == 0 {
		stale = freshUnknown
	}
	stale = min(stale, silentAtMost)
	return stale, max(stale, min(max(silentAtLeast, silentFactor*gap), silentAtMost))
}

func presence(id string, event, ingest time.Time, gap time.Duration, events int64, now time.Time) schema.Presence {
	stale, silent := limits(gap)
	p := schema.Presence{ID: id, State: schema.Present, LastEvent: event.UTC(), LastIngest: ingest.UTC(), StaleAfter: int64(stale / time.Second), Events: events}
	quiet := max(now.Sub(ingest), 0)
	p.Silence = int64(quiet / time.Second)
	switch {
	case quiet > silent:
		p.State = schema.Silent
	case quiet > stale:
		p.State = schema.Stale
	}
	return p
}

// takes says whether a rule's pattern means the data set.
func takes(pattern, dataset string) bool {
	prefix, wild := strings.CutSuffix(pattern, "*")
	return pattern == dataset || wild && strings.HasPrefix(dataset, prefix)
}

// rank orders presence, best first.
func rank(s schema.PresenceState) int {
	return slices.Index([]schema.PresenceState{schema.Present, schema.Stale, schema.Silent}, s)
}

// blind says whether the rule lacks what it looks for: indicators without a feed,
// scores without a champion.
func (x *view) blind(r schema.RuleFact) bool {
	champion := slices.ContainsFunc(x.facts.Models, func(m schema.ModelFact) bool { return m.Detector == r.Detector })
	return r.Indicator && len(x.facts.Feeds) == 0 || r.Detector != "" && !champion
}

// rulePresence is as present as the best of the rule's data sets, unless it is blind.
func (x *view) rulePresence(r schema.RuleFact) schema.RulePresence {
	p := schema.RulePresence{ID: r.ID, Title: r.Title, Severity: r.Severity, State: schema.Silent, Datasets: []string{}, Fired: r.Fired, LastFired: r.LastFired, Tests: r.Tests}
	if x.blind(r) {
		return p
	}
	for _, d := range x.datasets {
		if !slices.ContainsFunc(r.Datasets, func(pattern string) bool { return takes(pattern, d.ID) }) {
			continue
		}
		if rank(d.State) < rank(p.State) {
			p.State = d.State
		}
		if d.State == schema.Present {
			p.Datasets = append(p.Datasets, d.ID)
		}
	}
	return p
}

// cover makes the row of every technique that a rule names.
func (x *view) cover() []schema.TechniqueCoverage {
	state := map[string]schema.RulePresence{}
	for _, r := range x.rules {
		state[r.ID] = r
	}
	rows := map[string]*schema.TechniqueCoverage{}
	for _, r := range x.enabled {
		for _, id := range r.Attack {
			if !techniqueForm.MatchString(id) {
				continue
			}
			for _, t := range []string{id, parent(id)} { // joining twice changes nothing
				if rows[t] == nil {
					rows[t] = newRow(t)
				}
				join(rows[t], r, state[r.ID])
			}
		}
	}
	out := make([]schema.TechniqueCoverage, 0, len(rows))
	for _, id := range sortedKeys(rows) {
		out = append(out, *rows[id])
	}
	return out
}

func parent(technique string) string {
	p, _, _ := strings.Cut(technique, ".")
	return p
}

func newRow(id string) *schema.TechniqueCoverage {
	t := attack()[parent(id)]
	row := &schema.TechniqueCoverage{ID: id, State: schema.NotCovered, Tactics: t.tactics}
	if id == parent(id) {
		row.Name = t.name
	}
	return row
}

// join adds a rule to the row of a technique; the best rule gives the state.
func join(row *schema.TechniqueCoverage, r schema.RuleFact, p schema.RulePresence) {
	if slices.Contains(row.Rules, r.ID) {
		return
	}
	row.Rules = append(row.Rules, r.ID)
	slices.Sort(row.Rules)
	row.Fired += r.Fired
	if r.LastFired.After(row.LastFired) {
		row.LastFired = r.LastFired.UTC()
	}
	state := schema.CoveredSilent
	if p.State == schema.Present {
		state = schema.CoveredUntest
		if r.Fired > 0 || r.Tests > 0 {
			state = schema.Covered
		}
	}
	order := []schema.CoverageState{schema.Covered, schema.CoveredUntest, schema.CoveredSilent, schema.NotCovered}
	if slices.Index(order, state) < slices.Index(order, row.State) {
		row.State = state
	}
}

// row returns the coverage of one technique. A technique is covered by rules for it
// or for its sub-techniques; a sub-technique only by its own.
func (x *view) row(id string) schema.TechniqueCoverage {
	i, ok := slices.BinarySearchFunc(x.matrix, id, func(t schema.TechniqueCoverage, id string) int { return strings.Compare(t.ID, id) })
	if ok {
		return x.matrix[i]
	}
	return *newRow(id)
}

// techniques are those that a scope means: its list, its tactic, both, or, without
// either, every technique we know.
func (x *view) techniques(s Scope) []schema.TechniqueCoverage {
	ids := map[string]bool{}
	for _, t := range s.Techniques {
		ids[t] = true
	}
	for id, t := range attack() {
		if s.Tactic != "" && slices.Contains(t.tactics, s.Tactic) || s.Tactic == "" && len(s.Techniques) == 0 {
			ids[id] = true
		}
	}
	var out []schema.TechniqueCoverage
	for _, id := range sortedKeys(ids) {
		out = append(out, x.row(id))
	}
	return out
}

// coverage is the matrix that is shown: every technique that a rule or an objective
// names, by tactic as an attack goes.
func (x *view) coverage(d *Document) []schema.TechniqueCoverage {
	ids := map[string]bool{}
	for _, t := range x.matrix {
		ids[t.ID] = true
	}
	for i := range d.Objectives {
		if o := &d.Objectives[i]; o.Metric == "technique_coverage" {
			for _, t := range x.techniques(o.Scope) {
				ids[t.ID] = true
			}
		}
	}
	out := make([]schema.TechniqueCoverage, 0, len(ids))
	for _, id := range sortedKeys(ids) {
		out = append(out, x.row(id))
	}
	slices.SortStableFunc(out, func(a, b schema.TechniqueCoverage) int {
		return cmp.Or(cmp.Compare(stage(a), stage(b)), strings.Compare(a.ID, b.ID))
	})
	return out
}

// stage is the place of a technique's first tactic; unknown techniques come last.
func stage(t schema.TechniqueCoverage) int {
	if len(t.Tactics) == 0 {
		return len(Tactics())
	}
	return slices.Index(Tactics(), t.Tactics[0])
}
