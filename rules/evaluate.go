package rules

import (
	"fmt"
	"strings"

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
	failures   int64
	failure    error
	exhaustive bool
}

// plan chooses, for the events of one dataset, the rules that may fire. It may
// name a rule that does not fire, never leave out one that does: the condition
// itself is always decided by the rule's programs. An index over the literals of
// many rules takes the place of [filter] here.
type plan interface {
	candidates(in *expr.Input, dst []*Rule) []*Rule
}

// filter is the plan for some hundreds of rules: each rule's necessary condition
// in turn.
type filter struct{ rules []*Rule }

func (f *filter) candidates(in *expr.Input, dst []*Rule) []*Rule {
	for _, r := range f.rules {
		if r.need.may(in) {
			dst = append(dst, r)
		}
	}
	return dst
}

// everything is the plan without any prefilter: the reference.
type everything struct{ rules []*Rule }

func (e *everything) candidates(_ *expr.Input, dst []*Rule) []*Rule { return append(dst, e.rules...) }

// route holds the plans for the events of one dataset: one for each event code
// seen, because most rules ask for certain codes, and one for when there are too
// many codes to keep.
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
	v.in.Event = e
	v.candidates = v.plan().candidates(&v.in, v.candidates[:0])
	for _, r := range v.candidates {
		if v.fires(r) {
			dst = append(dst, Hit{Rule: r, in: &v.in})
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
		return r.rest
	}
	var rs []*Rule
	for _, rule := range r.rules {
		if v.exhaustive || rule.code.may(&v.in) {
			rs = append(rs, rule)
		}
	}
	p := v.over(rs)
	r.byCode[strings.Clone(code)] = p
	return p
}

func (v *Evaluator) route(dataset string) *route {
	r := &route{byCode: map[string]plan{}}
	for _, rule := range v.set.rules {
		if rule.Runs() && rule.takes(dataset) {
			r.rules = append(r.rules, rule)
		}
	}
	r.rest = v.over(r.rules)
	if len(v.routes) < maxRoutes {
		v.routes[strings.Clone(dataset)] = r
	}
	return r
}

// over makes the plan over some rules; here an index takes its place.
func (v *Evaluator) over(rs []*Rule) plan {
	if v.exhaustive {
		return &everything{rs}
	}
	return &filter{rs}
}

func (v *Evaluator) fires(r *Rule) bool {
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
