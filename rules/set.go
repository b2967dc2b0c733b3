package rules

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"vigil/internal/expr"
	"vigil/schema"
)

// Set is an immutable set of checked rules. It is safe for concurrent use.
type Set struct {
	rules    []*Rule
	byID     map[string]*Rule
	hash     string
	programs []*program
	slots    int32 // of answers that the tests of the programs keep
	sketches int   // of fields that the tests search
	lists    map[string][]string

	overlay    Overlay
	exceptions map[string][]*Exception // by rule

	mu      sync.Mutex
	indexes map[string]*index   // by data set and event code
	sorted  map[string]*byCodes // by data set
}

// program is a rule with its gate for events of any kind.
type program struct {
	rule *Rule
	gate *gate
}

// index returns the index over the programs for the events of a data set and code. Few
// are kept, so that hostile input cannot make many.
func (s *Set) index(dataset, code string, ps []*program) *index {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := dataset + "\x00" + code
	x, ok := s.indexes[name]
	if !ok {
		x = newIndex(settled(dataset, code, s.byCodes(dataset, ps).of(code)))
		if len(s.indexes) < maxRoutes {
			s.indexes[name] = x
		}
	}
	return x
}

// byCodes are the programs for a data set by the event codes that they ask for, so that
// each code looks at few of them.
type byCodes struct {
	all    []*program // with their gates for the data set
	coded  map[string][]int
	others []int // that ask for no code
}

func (s *Set) byCodes(dataset string, ps []*program) *byCodes {
	if c, ok := s.sorted[dataset]; ok {
		return c
	}
	c := &byCodes{coded: map[string][]int{}}
	for i, x := range settled(dataset, anyCode, ps) {
		c.all = append(c.all, &program{x.rule, x.gate})
		codes, ok := x.gate.codes()
		if !ok {
			c.others = append(c.others, i)
		}
		for _, code := range codes {
			if l := c.coded[code]; len(l) == 0 || l[len(l)-1] != i {
				c.coded[code] = append(l, i)
			}
		}
	}
	if len(s.sorted) < maxRoutes {
		s.sorted[dataset] = c
	}
	return c
}

// of returns the programs that may fire on events of a code, in their order.
func (c *byCodes) of(code string) []*program {
	if code == anyCode {
		return c.all
	}
	at := slices.Concat(c.others, c.coded[code])
	slices.Sort(at)
	out := make([]*program, len(at))
	for i, n := range at {
		out[i] = c.all[n]
	}
	return out
}

// settled returns the rules that can fire on events of a data set and code.
func settled(dataset, code string, ps []*program) []*candidate {
	var e schema.Event
	e.SetStr(schema.FEventDataset, dataset)
	known := setRef
	if code != anyCode {
		e.SetStr(schema.FEventCode, code)
		known = func(r expr.Ref) bool { return setRef(r) || codeRef(r) }
	}
	in := &expr.Input{Event: &e}
	var out []*candidate
	for _, p := range ps {
		if g := p.gate.settle(in, known); g.op != gateShut {
			out = append(out, &candidate{p.rule, g})
		}
	}
	return out
}

func newSet(rs []*Rule, lists map[string][]string) *Set {
	s := &Set{rules: rs, lists: lists, byID: map[string]*Rule{}, indexes: map[string]*index{}, sorted: map[string]*byCodes{}}
	sortRules(s.rules)
	parts := []string{"rules"}
	for _, r := range s.rules {
		s.byID[r.ID] = r
		parts = append(parts, r.ID, r.Version)
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		parts = append(append(parts, "list", name), lists[name]...)
	}
	s.hash = schema.HashID(parts...)
	shared := &gates{tests: map[string]*test{}, sketches: map[expr.Ref]int32{}}
	for _, r := range s.rules {
		s.programs = append(s.programs, &program{r, shared.of(r)})
	}
	s.slots, s.sketches = shared.slots, len(shared.sketches)
	return s
}

// SetOf makes a set of rules that are checked already.
func SetOf(rs ...*Rule) *Set { return newSet(slices.Clone(rs), nil) }

// Put returns the set with the rule, in the place of the one of its id if there is one.
// What is laid over the set is not laid over the new one.
func (s *Set) Put(r *Rule) *Set {
	kept := slices.DeleteFunc(slices.Clone(s.rules), func(old *Rule) bool { return old.ID == r.ID })
	return newSet(append(kept, r), s.lists)
}

// Hash is the content hash of the set: of every rule's id and version and of the
// named lists. Chunks pin it.
func (s *Set) Hash() string { return s.hash }

// Rules returns the rules, ordered by id. The slice must not be changed.
func (s *Set) Rules() []*Rule { return s.rules }

// Rule returns the rule of that id.
func (s *Set) Rule(id string) (*Rule, bool) {
	r, ok := s.byID[id]
	return r, ok
}

// takes says whether the rule is for events of the dataset.
func (r *Rule) takes(dataset string) bool {
	for _, d := range r.Datasets {
		if d == "*" || d == dataset {
			return true
		}
		if prefix, ok := strings.CutSuffix(d, "*"); ok && strings.HasPrefix(dataset, prefix) {
			return true
		}
	}
	return false
}
