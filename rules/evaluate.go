package rules

import (
	"fmt"
	"strings"
	"time"

	"vigil/internal/expr"
	"vigil/schema"
)

// Scores answers score() for the event in hand, see [expr.Scores].
type Scores = expr.Scores

// Evaluator evaluates a set over events. It holds buffers: each goroutine needs
// its own. Make one with [Set.Evaluator].
type Evaluator struct {
	set        *Set
	in         expr.Input
	routes     map[string]*route // by dataset
	candidates []*Rule
	scratch    scratch
	failures   int64
	failure    error
	exhaustive bool
	events     uint            // evaluated so far
	watched    int             // events for which every rule is timed from now on
	spent      map[*Rule]spent // of the evaluations that were timed
}

// spent is the time that some evaluations of a rule took.
type spent struct {
	n    int
	time time.Duration
}

// Every so many events one is timed. When it takes longer than one rule may, the rules
// are timed for a while, each by itself; one that takes more than the budget on average
// is over it. An ordinary evaluation takes a microsecond.
const (
	timedEvery   = 16
	timedFor     = 256
	timedAtLeast = 16
	// Budget is the mean time an evaluation of a rule may take.
	Budget = 500 * time.Microsecond
)

// OverBudget names the rules whose evaluations took more than [Budget] on average, with
// the reason for people.
func (v *Evaluator) OverBudget() map[*Rule]string {
	var out map[*Rule]string
	for r, s := range v.spent {
		if mean := s.time / time.Duration(s.n); s.n >= timedAtLeast && mean > Budget {
			if out == nil {
				out = map[*Rule]string{}
			}
			out[r] = fmt.Sprintf("an evaluation took %s on average of %d, the limit is %s", mean.Round(time.Microsecond), s.n, Budget)
		}
	}
	return out
}

// plan chooses, for the events of one dataset, the rules that may fire. It may
// name a rule that does not fire, never leave out one that does: the condition
// itself is always decided by the rule's programs. Plans are shared by evaluators.
type plan interface {
	candidates(in *expr.Input, dst []*Rule, s *scratch) []*Rule
}

// filter is the plan for few rules: each rule's necessary condition in turn.
type filter struct{ rules []*Rule }

func (f *filter) candidates(in *expr.Input, dst []*Rule, _ *scratch) []*Rule {
	for _, r := range f.rules {
		if r.need.may(in) {
			dst = append(dst, r)
		}
	}
	return dst
}

// everything is the plan without any prefilter: the reference.
type everything struct{ rules []*Rule }

func (e *everything) candidates(_ *expr.Input, dst []*Rule, _ *scratch) []*Rule {
	return append(dst, e.rules...)
}

// route holds the plans for the events of one dataset: one for each event code
// seen, because most rules ask for certain codes, and one, made when needed, for when
// there are too many codes to keep.
type route struct {
	rules  []*Rule
	rest   plan
	byCode map[string]plan
}

// The routing caches are bounded: data sets and codes are few unless input is hostile.
const (
	maxRoutes = 1024
	maxCodes  = 256
)

// Evaluator returns a new evaluator of the set.
func (s *Set) Evaluator() *Evaluator { return &Evaluator{set: s, routes: map[string]*route{}} }

// Set returns the set that is evaluated.
func (v *Evaluator) Set() *Set { return v.set }

// Reference returns an evaluator that routes by dataset but runs every rule by
// the interpreter: what other executors are compared with.
func (s *Set) Reference() *Evaluator {
	v := s.Evaluator()
	v.exhaustive = true
	return v
}

// SetScores makes score() ask s instead of the event's extras; nil undoes it.
func (v *Evaluator) SetScores(s Scores) { v.in.Scores = s }

// Evaluate appends a hit for each rule that fires on e and returns the extended
// slice. Hits are valid until the next call and as long as e is unchanged. When
// no rule fires it allocates nothing.
func (v *Evaluator) Evaluate(e *schema.Event, dst []Hit) []Hit {
	if v.events++; v.events%timedEvery == 0 || v.watched > 0 {
		return v.timed(e, dst)
	}
	return v.evaluate(e, dst)
}

// timed is evaluate with an eye on the clock.
func (v *Evaluator) timed(e *schema.Event, dst []Hit) []Hit {
	began := time.Now()
	dst = v.evaluate(e, dst)
	v.watched = max(v.watched-1, 0)
	if v.watched == 0 && time.Since(began) > Budget {
		v.watched = timedFor
	}
	return dst
}

func (v *Evaluator) evaluate(e *schema.Event, dst []Hit) []Hit {
	v.in.Event = e
	v.candidates = v.plan().candidates(&v.in, v.candidates[:0], &v.scratch)
	for _, r := range v.candidates {
		if v.fires(r) {
			dst = append(dst, Hit{Rule: r, Exception: v.set.excepted(r, &v.in), in: &v.in})
		}
	}
	return dst
}

// Failures returns how many evaluations ended in a run-time error (which counts
// as not firing) and the last of the errors.
func (v *Evaluator) Failures() (int64, error) { return v.failures, v.failure }

// plan finds or makes the plan for the event in hand.
func (v *Evaluator) plan() plan {
	dataset, code := v.in.Event.Str(schema.FEventDataset), v.in.Event.Str(schema.FEventCode)
	r, ok := v.routes[dataset]
	if !ok {
		r = v.route(dataset)
	}
	if p, ok := r.byCode[code]; ok {
		return p
	}
	if len(r.byCode) >= maxCodes {
		if r.rest == nil {
			r.rest = v.over(dataset, anyCode, r.rules)
		}
		return r.rest
	}
	var rs []*Rule
	for _, rule := range r.rules {
		if v.exhaustive || rule.code.may(&v.in) {
			rs = append(rs, rule)
		}
	}
	p := v.over(dataset, code, rs)
	r.byCode[strings.Clone(code)] = p
	return p
}

func (v *Evaluator) route(dataset string) *route {
	r := &route{byCode: map[string]plan{}}
	for _, rule := range v.set.rules {
		if v.set.Runs(rule) && rule.takes(dataset) {
			r.rules = append(r.rules, rule)
		}
	}
	if len(v.routes) < maxRoutes {
		v.routes[strings.Clone(dataset)] = r
	}
	return r
}

// fewRules is up to how many rules going through them is as fast as an index.
const fewRules = 4

// anyCode stands for all event codes in the names of shared plans.
const anyCode = "\x00"

// over makes the plan over some rules. An index takes time and space, so that the
// evaluators of a set share it.
func (v *Evaluator) over(dataset, code string, rs []*Rule) plan {
	switch {
	case v.exhaustive:
		return &everything{rs}
	case len(rs) <= fewRules:
		return &filter{rs}
	}
	return v.set.index(dataset+"\x00"+code, rs)
}

func (v *Evaluator) fires(r *Rule) bool {
	if v.watched == 0 {
		return v.holds(r)
	}
	began := time.Now()
	ok := v.holds(r)
	if v.spent == nil {
		v.spent = map[*Rule]spent{}
	}
	s := v.spent[r]
	v.spent[r] = spent{s.n + 1, s.time + time.Since(began)}
	return ok
}

// holds says whether all conditions of the rule are true of the event in hand.
func (v *Evaluator) holds(r *Rule) bool {
	for _, c := range r.conditions {
		ok, err := c.Eval(&v.in)
		if err != nil {
			v.failures++
			v.failure = fmt.Errorf("evaluating rule %s: %w", r.ID, err)
			return false
		}
		if !ok {
			return false
		}
	}
	return len(r.conditions) > 0
}
