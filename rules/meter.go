package rules

import (
	"cmp"
	"slices"
	"time"

	"vigil/schema"
)

// Cost is what a rule costs on the events that a [Meter] took.
type Cost struct {
	Rule  *Rule
	Tried int           // events on which it was tried: the index found it, or has no terms of it
	Fired int           // events on which it fired
	Time  time.Duration // of all tries
}

// Meter evaluates a set as an [Evaluator] does, and measures each rule by itself. It is
// many times slower, and for one goroutine.
type Meter struct {
	v      *Evaluator
	costs  map[*Rule]*Cost
	events int
	look   time.Duration
	clock  time.Duration // what looking at the clock takes
}

// measuredTimes is how often everything is measured: the least time counts, because other
// work on the machine only adds.
const measuredTimes = 3

// Meter returns a meter of the set.
func (s *Set) Meter() *Meter {
	m := &Meter{v: s.Evaluator(), costs: map[*Rule]*Cost{}}
	clock := time.Hour
	for range 10 {
		clock = min(clock, m.least(func() {}))
	}
	m.clock = clock
	return m
}

// Take evaluates an event.
func (m *Meter) Take(e *schema.Event) {
	v := m.v
	v.in.Event = e
	x, ok := v.plan().(*index)
	if !ok {
		return // only references have other plans
	}
	m.events++
	m.look += m.least(func() { x.find(&v.in, &v.scratch) })
	for _, i := range slices.Clone(v.scratch.found) {
		c, fired := x.all[i], false
		took := m.least(func() {
			v.scratch.run++ // forgets the answers that rules share
			fired = c.gate.passes(&v.in, &v.scratch) && (c.gate.sure || v.fires(c.rule))
		})
		cost := m.costs[c.rule]
		if cost == nil {
			cost = &Cost{Rule: c.rule}
			m.costs[c.rule] = cost
		}
		cost.Tried++
		cost.Time += took
		if fired {
			cost.Fired++
		}
	}
}

// Events is how many events were taken, and what looking them up took, which rules share.
func (m *Meter) Events() (n int, look time.Duration) { return m.events, m.look }

// Costs returns the costs of the rules that were tried, the dearest first.
func (m *Meter) Costs() []Cost {
	out := make([]Cost, 0, len(m.costs))
	for _, c := range m.costs {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Cost) int { return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Rule.ID, b.Rule.ID)) })
	return out
}

func (m *Meter) least(do func()) time.Duration {
	best := time.Duration(1 << 62)
	for range measuredTimes {
		began := time.Now()
		do()
		best = min(best, time.Since(began))
	}
	return max(best-m.clock, 0)
}
