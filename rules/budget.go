package rules

import (
	"fmt"
	"time"

	"vigil/schema"
)

// Every so many events one is timed. When it takes longer than one rule may, each time it
// is tried, the programs of all its rules are timed for a while, each by itself. A rule is
// over the budget when most of its evaluations were: one that waited for a busy processor
// is no fault of the rule. An ordinary evaluation takes a microsecond.
const (
	timedEvery   = 16
	watchedFor   = 32 // events, each of them dear: every rule is evaluated
	maxWatches   = 16
	timedAtLeast = 16
	triedAgain   = 2
	// Budget is the time an evaluation of a rule may take.
	Budget = 500 * time.Microsecond
)

// budget is what an evaluator knows of the time that rules take.
type budget struct {
	events  uint            // evaluated so far
	watched int             // events for which every rule is timed from now on
	watches int             // how often that has begun
	spent   map[*Rule]spent // of the evaluations that were timed
}

// spent is the time that some evaluations of a rule took.
type spent struct {
	n, over int // evaluations; those that took more than the budget
	time    time.Duration
}

// due says whether the event in hand is timed.
func (b *budget) due() bool {
	b.events++
	return b.watched > 0 || b.events%timedEvery == 0
}

// timed is evaluate with an eye on the clock. What a new plan takes to make does not count.
func (v *Evaluator) timed(e *schema.Event, dst []Hit) []Hit {
	b := &v.budget
	v.in.Event = e
	p := v.plan()
	began := time.Now()
	dst = v.try(p, dst)
	switch {
	case b.watched > 0:
		b.watched--
		v.timeRules()
	case time.Since(began) > Budget && b.watches < maxWatches && v.slow(p):
		b.watched, b.watches = watchedFor, b.watches+1
	}
	return dst
}

// slow says whether the event in hand takes long whenever it is tried. On a busy machine
// each of many evaluations waits for the processor once.
func (v *Evaluator) slow(p plan) bool {
	failures, failure := v.failures, v.failure
	defer func() { v.failures, v.failure = failures, failure }()
	for range triedAgain {
		began := time.Now()
		v.try(p, nil)
		if time.Since(began) <= Budget {
			return false
		}
	}
	return true
}

// timeRules times the program of every rule for the event in hand.
func (v *Evaluator) timeRules() {
	r := v.routes[v.in.Event.Str(schema.FEventDataset)]
	if r == nil {
		return
	}
	failures, failure := v.failures, v.failure
	if v.budget.spent == nil {
		v.budget.spent = map[*Rule]spent{}
	}
	for _, p := range r.programs {
		began := time.Now()
		v.fires(p.rule)
		took := time.Since(began)
		s := v.budget.spent[p.rule]
		s.n, s.time = s.n+1, s.time+took
		if took > Budget {
			s.over++
		}
		v.budget.spent[p.rule] = s
	}
	v.failures, v.failure = failures, failure
}

// OverBudget names the rules most of whose evaluations took more than [Budget], with the
// reason for people.
func (v *Evaluator) OverBudget() map[*Rule]string {
	out := map[*Rule]string{}
	for r, s := range v.budget.spent {
		if s.n >= timedAtLeast && 2*s.over > s.n {
			mean := s.time / time.Duration(s.n)
			out[r] = fmt.Sprintf("an evaluation took %s on average of %d, the limit is %s", mean.Round(time.Microsecond), s.n, Budget)
		}
	}
	return out
}
