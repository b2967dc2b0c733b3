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
	routes     map[string]plan // by dataset
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

// maxRoutes bounds the routing cache; datasets are few unless input is hostile.
const maxRoutes = 4096

// Evaluator returns a new evaluator of the set.
func (s *Set) Evaluator() *Evaluator { return &Evaluator{set: s, routes: map[string]plan{}} }

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
	dataset := e.Str(schema.FEventDataset)
	p, ok := v.routes[dataset]
	if !ok {
		p = v.route(strings.Clone(dataset))
	}
	v.in.Event = e
	v.candidates = p.candidates(&v.in, v.candidates[:0])
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

func (v *Evaluator) route(dataset string) plan {
	var rs []*Rule
	for _, r := range v.set.rules {
		if r.Runs() && r.takes(dataset) {
			rs = append(rs, r)
		}
	}
	var p plan = &filter{rs}
	if v.exhaustive {
		p = &everything{rs}
	}
	if len(v.routes) < maxRoutes {
		v.routes[dataset] = p
	}
	return p
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
