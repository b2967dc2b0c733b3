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
	recent     [recentPlans]planned
	found      []*candidate
	scratch    scratch
	failures   int64
	failure    error
	exhaustive bool
	budget     budget
}

// candidate is a rule in a plan, with its gate for the events of the plan. The rule's
// programs have the last word only where the gate is not sure.
type candidate struct {
	rule *Rule
	gate *gate
}

// plan chooses, for the events of one dataset, the rules that may fire. It may
// name a rule that does not fire, never leave out one that does. Plans are shared by
// evaluators.
type plan interface {
	candidates(in *expr.Input, dst []*candidate, s *scratch) []*candidate
}

// everything is the plan without native programs or index: the reference.
type everything struct{ all []*candidate }

func (e *everything) candidates(_ *expr.Input, dst []*candidate, _ *scratch) []*candidate {
	return append(dst, e.all...)
}

// route holds the plans for the events of one dataset: one for each event code
// seen, because most rules ask for certain codes, and one, made when needed, for when
// there are too many codes to keep.
type route struct {
	programs []*program
	rest     plan
	byCode   map[string]planned
	dataset  string
}

// planned is the plan for the events of a dataset and code.
type planned struct {
	dataset, code string
	plan          plan
}

// recentPlans is how many plans are found without looking the dataset and code up: events of
// a few kinds make up most of a stream.
const recentPlans = 32

// slotOf tells plans apart by the end of their code, in which they differ.
func slotOf(code string) int {
	if n := len(code); n > 1 {
		return (int(code[n-1]) + 7*int(code[n-2])) % recentPlans
	}
	return len(code)
}

// The routing caches are bounded: data sets and codes are few unless input is hostile.
const (
	maxRoutes = 1024
	maxCodes  = 256
)

// Evaluator returns a new evaluator of the set.
func (s *Set) Evaluator() *Evaluator {
	return &Evaluator{set: s, routes: map[string]*route{}, scratch: scratch{answers: make([]uint64, s.slots), sketches: make([]sketched, s.sketches)}}
}

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
	if v.budget.due() {
		return v.timed(e, dst)
	}
	v.in.Event = e
	return v.try(v.plan(), dst)
}

// try appends the hits of a plan's rules on the event in hand.
func (v *Evaluator) try(p plan, dst []Hit) []Hit {
	v.found = p.candidates(&v.in, v.found[:0], &v.scratch)
	for _, c := range v.found {
		if c.gate.sure || v.fires(c.rule) {
			dst = append(dst, Hit{Rule: c.rule, Exception: v.set.excepted(c.rule, &v.in), in: &v.in})
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
	recent := &v.recent[slotOf(code)]
	if recent.plan == nil || recent.code != code || recent.dataset != dataset {
		*recent = v.routed(dataset, code)
	}
	return recent.plan
}

// routed looks the plan of a dataset and code up, or makes it.
func (v *Evaluator) routed(dataset, code string) planned {
	r, ok := v.routes[dataset]
	if !ok {
		r = v.route(dataset)
	}
	if p, ok := r.byCode[code]; ok {
		return p
	}
	if len(r.byCode) >= maxCodes {
		if r.rest == nil {
			r.rest = v.over(dataset, anyCode, r.programs)
		}
		return planned{r.dataset, anyCode, r.rest}
	}
	code = strings.Clone(code)
	p := planned{r.dataset, code, v.over(dataset, code, r.programs)}
	r.byCode[code] = p
	return p
}

func (v *Evaluator) route(dataset string) *route {
	r := &route{byCode: map[string]planned{}, dataset: strings.Clone(dataset)}
	for _, p := range v.set.programs {
		if v.set.Runs(p.rule) && p.rule.takes(dataset) {
			r.programs = append(r.programs, p)
		}
	}
	if len(v.routes) < maxRoutes {
		v.routes[r.dataset] = r
	}
	return r
}

// anyCode stands for all event codes in the names of shared plans.
const anyCode = "\x00"

// over makes the plan over some rules for the events of a dataset and code. An index
// takes time and space, so that the evaluators of a set share it.
func (v *Evaluator) over(dataset, code string, ps []*program) plan {
	if v.exhaustive {
		all := make([]*candidate, len(ps))
		for i, p := range ps {
			all[i] = &candidate{p.rule, open()}
		}
		return &everything{all}
	}
	return v.set.index(dataset, code, ps)
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
