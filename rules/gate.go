package rules

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"vigil/internal/expr"
	"vigil/schema"
)

// gate is the native program of a condition: a tree of tests of the event, made from
// the checked syntax tree. Negations stand at its leaves. What the tests cannot say
// is left open, so that a gate may let an event pass which the condition refuses, and
// never the other way; a gate that is sure decides like the condition.
type gate struct {
	op   gateOp
	test *test // of a leaf
	not  bool  // of a leaf
	kids []*gate
	sure bool
	// cost is a rough expectation of the expense of asking, pass a rough chance that an
	// event passes: they say which kid is asked first.
	cost, pass float64
	// routed: event.dataset or event.code is asked in it.
	routed bool
}

type gateOp uint8

const (
	gateOpen gateOp = iota
	gateShut
	gateLeaf
	gateAll
	gateAny
)

// test is one test of values of the event. The answer is kept for the event in hand
// when several conditions ask and asking is dear.
type test struct {
	key    string
	holds  func(in *expr.Input) bool
	cost   int  // rough order of expense
	common bool // it often holds
	refs   []expr.Ref
	codes  []string // event codes, one of which it asks for
	uses   int
	slot   int32 // of the kept answer; -1 for none
	// within searches a text, with a sketch of it that all tests of the field share; nil: holds does.
	within *expr.Within
	sketch int32 // of its field
}

// dear is the cost from which on keeping an answer is cheaper than asking again.
const dear = 10

// passes says whether the event in hand passes; s keeps answers.
func (g *gate) passes(in *expr.Input, s *scratch) bool {
	switch g.op {
	case gateShut:
		return false
	case gateLeaf:
		return s.answer(g.test, in) != g.not
	case gateAll:
		for _, k := range g.kids {
			if !k.passes(in, s) {
				return false
			}
		}
	case gateAny:
		for _, k := range g.kids {
			if k.passes(in, s) {
				return true
			}
		}
		return false
	}
	return true
}

// settle returns the gate for events of a dataset, and a code, which known lets
// through of the values of e.
func (g *gate) settle(e *expr.Input, known func(expr.Ref) bool) *gate {
	switch {
	case !g.routed:
		return g
	case g.op == gateLeaf:
		if slices.ContainsFunc(g.test.refs, func(r expr.Ref) bool { return !known(r) }) {
			return g
		}
		return constant(g.test.holds(e) != g.not)
	}
	kids := make([]*gate, len(g.kids))
	for i, k := range g.kids {
		if kids[i] = k.settle(e, known); kids[i].op == gateShut && g.op == gateAll {
			return kids[i]
		}
	}
	return join(g.op, kids)
}

// codes returns event codes of which an event that passes has one; false when it may have
// any. No codes at all are those of a gate that nothing passes.
func (g *gate) codes() (codes []string, ok bool) {
	switch g.op {
	case gateShut:
		return nil, true
	case gateLeaf:
		return g.test.codes, g.test.codes != nil && !g.not
	case gateAll:
		for _, k := range g.kids {
			if c, bound := k.codes(); bound && (!ok || len(c) < len(codes)) {
				codes, ok = c, true
			}
		}
		return codes, ok
	case gateAny:
		for _, k := range g.kids {
			c, bound := k.codes()
			if !bound {
				return nil, false
			}
			codes = append(codes, c...)
		}
		return codes, true
	}
	return nil, false
}

func constant(open bool) *gate {
	if open {
		return &gate{op: gateOpen, sure: true, pass: 1}
	}
	return &gate{op: gateShut, sure: true}
}

// open is the gate that lets everything pass and decides nothing.
func open() *gate { return &gate{pass: 1} }

// join makes the conjunction or disjunction of gates, in the order in which asking them
// decides soonest.
func join(op gateOp, kids []*gate) *gate {
	g := &gate{op: op, sure: true}
	for _, k := range kids {
		switch {
		case k.sure && (k.op == gateOpen && op == gateAll || k.op == gateShut && op == gateAny):
			continue // says nothing
		case k.op == gateShut && op == gateAll, k.op == gateOpen && op == gateAny && k.sure:
			return k // says it all
		case k.op == op:
			g.kids = append(g.kids, k.kids...)
		case k.op == gateOpen && op == gateAll: // left open: costs nothing and decides nothing
		default:
			g.kids = append(g.kids, k)
		}
		g.sure = g.sure && k.sure
		g.routed = g.routed || k.routed
	}
	if op == gateAny && slices.ContainsFunc(g.kids, func(k *gate) bool { return k.op == gateOpen }) {
		return open()
	}
	switch len(g.kids) {
	case 0:
		none := constant(op == gateAll)
		none.sure = g.sure
		return none
	case 1:
		if g.kids[0].sure == g.sure {
			return g.kids[0]
		}
	}
	g.order()
	return g
}

// order sorts the kids by what they cost for the chance that they decide, and says what to
// expect of all: each is asked only when those before it have not decided.
func (g *gate) order() {
	decides := func(k *gate) float64 {
		if g.op == gateAll {
			return 1 - k.pass
		}
		return k.pass
	}
	slices.SortStableFunc(g.kids, func(a, b *gate) int { return cmp.Compare(a.cost*decides(b), b.cost*decides(a)) })
	undecided := 1.0
	for _, k := range g.kids {
		g.cost += undecided * k.cost
		undecided *= 1 - decides(k)
	}
	if g.pass = undecided; g.op == gateAny {
		g.pass = 1 - undecided
	}
}

// The chances of leaves. Most tests ask for something rare; that a field is there, that an
// address is in a range or a number is below another is not.
const (
	passRare   = 0.05
	passCommon = 0.5
)

func leaf(t *test, not bool) *gate {
	g := &gate{op: gateLeaf, test: t, not: not, cost: float64(t.cost), pass: passRare, sure: true}
	if t.common {
		g.pass = passCommon
	}
	if not {
		g.pass = 1 - g.pass
	}
	return g
}

// gates makes the gates of rules. Conditions that ask the same share the test.
type gates struct {
	tests    map[string]*test
	slots    int32
	sketches map[expr.Ref]int32 // by field: which one is its
}

// of returns the gate of a rule: all its conditions.
func (b *gates) of(r *Rule) *gate {
	kids := make([]*gate, 0, len(r.conditions))
	for _, c := range r.conditions {
		kids = append(kids, b.gate(r, c.Node(), false))
	}
	if len(kids) == 0 {
		return constant(false)
	}
	return join(gateAll, kids)
}

func (b *gates) gate(r *Rule, n *expr.Node, not bool) *gate {
	switch {
	case n.Op == expr.OpPart:
		if p := r.Part(n.Name); p != nil {
			return b.gate(r, p.Node(), not)
		}
		return open()
	case n.Op == expr.OpLiteral && n.Type == expr.Bool:
		v, _ := n.Value.(bool)
		return constant(v != not)
	case n.Op == expr.OpCall && n.Name == "!":
		return b.gate(r, n.Args[0], !not)
	case n.Op == expr.OpCall && (n.Name == "&&" || n.Name == "||"):
		kids := make([]*gate, len(n.Args))
		for i, a := range n.Args {
			kids[i] = b.gate(r, a, not)
		}
		if (n.Name == "&&") != not {
			return join(gateAll, kids)
		}
		return join(gateAny, kids)
	case n.Op == expr.OpCall && n.Name == "!=" && len(n.Args) == 2:
		same := *n
		same.Name = "=="
		return b.gate(r, &same, !not)
	}
	t := testOf(n)
	if t == nil {
		return open()
	}
	g := leaf(b.share(t), not)
	g.routed = slices.ContainsFunc(t.refs, func(r expr.Ref) bool { return setRef(r) || codeRef(r) })
	return g
}

// share returns the test that asks the same, if there is one.
func (b *gates) share(t *test) *test {
	known, ok := b.tests[t.key]
	if !ok {
		t.slot, t.uses = -1, 1
		if t.within != nil {
			t.sketch = b.sketchOf(t.refs[0])
		}
		b.tests[t.key] = t
		return t
	}
	if known.uses++; known.slot < 0 && known.cost >= dear {
		known.slot = b.slots
		b.slots++
	}
	return known
}

func (b *gates) sketchOf(ref expr.Ref) int32 {
	n, ok := b.sketches[ref]
	if !ok {
		n = int32(len(b.sketches))
		b.sketches[ref] = n
	}
	return n
}

// testOf translates one test of fields exactly; nil when it is something else.
func testOf(n *expr.Node) *test {
	switch n.Op {
	case expr.OpHas:
		ref := n.Ref
		return &test{key: "has " + ref.Name(), refs: []expr.Ref{ref}, cost: 1, common: true, holds: func(in *expr.Input) bool { return in.Has(ref) }}
	case expr.OpField:
		if n.Type == expr.Bool {
			f := n.Ref.Field
			return &test{key: "is " + n.Ref.Name(), refs: []expr.Ref{n.Ref}, cost: 1, common: true, holds: func(in *expr.Input) bool { return in.Event.Int(f) != 0 }}
		}
	case expr.OpCall:
		if len(n.Args) == 2 {
			return callTest(n)
		}
	}
	return nil
}

func callTest(n *expr.Node) *test {
	l, r := n.Args[0], n.Args[1]
	if n.Name == "in" && r.Op == expr.OpField && r.Type == expr.StringList {
		if values, ok := l.Strings(); ok && l.Op == expr.OpLiteral {
			return textTest(r.Ref, "==", values)
		}
		return nil
	}
	if l.Op != expr.OpField {
		return nil
	}
	switch l.Type {
	case expr.Int:
		return intTest(l.Ref, n.Name, r)
	case expr.Double:
		return floatTest(l.Ref, n.Name, r)
	case expr.String, expr.StringList:
	default:
		return nil
	}
	if r.Op == expr.OpField && r.Type == expr.String && l.Type == expr.String {
		return pairTest(l.Ref, n.Name, r.Ref)
	}
	values, ok := r.Strings()
	if !ok {
		return nil
	}
	switch name := n.Name; name {
	case "==", "in":
		if l.Type == expr.StringList {
			return nil // lists compared as lists
		}
		return textTest(l.Ref, "==", values)
	case "inList":
		return textTest(l.Ref, "ieq", values)
	case "cidr":
		return rangeTest(l.Ref, values)
	case "icontains", "icontainsAll", "istartsWith", "iendsWith", "ieq", "ilike":
		return textTest(l.Ref, name, values)
	case "contains", "startsWith", "endsWith", "matches":
		if l.Type == expr.String && r.Op == expr.OpLiteral {
			return textTest(l.Ref, name, values)
		}
	}
	return nil
}

// textCosts is what a test costs for one literal.
func textCosts(name string) int {
	switch name {
	case "contains", "icontains", "icontainsAll":
		return 10
	case "matches", "ilike":
		return 300
	}
	return 1
}

func textTest(ref expr.Ref, name string, values []string) *test {
	if len(values) == 0 { // an empty list is never met; the matchers refuse it
		return &test{key: "never", cost: 1, holds: func(*expr.Input) bool { return false }}
	}
	m, err := expr.NewMatcher(name, values)
	if err != nil {
		return nil
	}
	t := &test{key: name + " " + ref.Name() + "\x00" + strings.Join(values, "\x00"), refs: []expr.Ref{ref}, cost: 1 + textCosts(name)*len(values)}
	if ref.Raw {
		t.cost *= 5
	}
	if name == "==" && codeRef(ref) {
		t.codes = values
	}
	f := ref.Field
	if ref.Type() != expr.StringList && !ref.Raw { // a record has nearly all pairs
		t.within = expr.NewWithin(name, values)
	}
	switch {
	case ref.Type() == expr.StringList:
		t.holds = func(in *expr.Input) bool { return slices.ContainsFunc(in.Event.List(f), m) }
	case ref.Held():
		t.holds = func(in *expr.Input) bool { return m(in.Event.Str(f)) }
	default:
		t.holds = func(in *expr.Input) bool { return m(in.Text(ref)) }
	}
	return t
}

// pairTest compares two fields as texts.
func pairTest(a expr.Ref, name string, b expr.Ref) *test {
	same := func(x, y string) bool { return x == y }
	switch name {
	case "==":
	case "ieq":
		same = expr.EqualFolded
	default:
		return nil
	}
	return &test{key: name + " " + a.Name() + " " + b.Name(), refs: []expr.Ref{a, b}, cost: 3,
		holds: func(in *expr.Input) bool { return same(in.Text(a), in.Text(b)) }}
}

func rangeTest(ref expr.Ref, values []string) *test {
	ranges, err := expr.ParsePrefixes(values)
	if err != nil {
		return nil
	}
	t := &test{key: "cidr " + ref.Name() + "\x00" + strings.Join(values, "\x00"), refs: []expr.Ref{ref}, cost: 5, common: true}
	if ref.Raw || ref.Extra != "" || ref.Type() == expr.StringList || ref.Field.Def().Kind != schema.IP {
		texts := textTest(ref, "cidr", values)
		if texts != nil {
			t.holds, t.cost = texts.holds, 20
			return t
		}
		return nil
	}
	f := ref.Field
	t.holds = func(in *expr.Input) bool { return expr.InRanges(in.Event.Addr(f), ranges) }
	return t
}

func intTest(ref expr.Ref, name string, r *expr.Node) *test {
	f := ref.Field
	t := &test{refs: []expr.Ref{ref}, cost: 1}
	if r.Op == expr.OpList && name == "in" {
		var values []int64
		for _, a := range r.Args {
			v, ok := a.Value.(int64)
			if !ok || a.Op != expr.OpLiteral {
				return nil
			}
			values = append(values, v)
		}
		t.key = fmt.Sprint("in ", ref.Name(), values)
		t.holds = func(in *expr.Input) bool { return slices.Contains(values, in.Event.Int(f)) }
		return t
	}
	v, ok := r.Value.(int64)
	if !ok || r.Op != expr.OpLiteral {
		return nil
	}
	holds := ordered(name, v)
	if holds == nil {
		return nil
	}
	t.key, t.common = fmt.Sprint(name, " ", ref.Name(), " ", v), name != "=="
	t.holds = func(in *expr.Input) bool { return holds(in.Event.Int(f)) }
	return t
}

func floatTest(ref expr.Ref, name string, r *expr.Node) *test {
	v, ok := r.Value.(float64)
	if !ok || r.Op != expr.OpLiteral || math.IsNaN(v) {
		return nil
	}
	holds := ordered(name, v)
	if holds == nil {
		return nil
	}
	f := ref.Field
	return &test{key: fmt.Sprint(name, " ", ref.Name(), " ", v), refs: []expr.Ref{ref}, cost: 1,
		holds: func(in *expr.Input) bool { return holds(in.Event.Float(f)) }}
}

// ordered compares a value with v; nil when name is no comparison.
func ordered[T int64 | float64](name string, v T) func(x T) bool {
	switch name {
	case "==":
		return func(x T) bool { return x == v }
	case "<":
		return func(x T) bool { return x < v }
	case "<=":
		return func(x T) bool { return x <= v }
	case ">":
		return func(x T) bool { return x > v }
	case ">=":
		return func(x T) bool { return x >= v }
	}
	return nil
}

// codeRef lets only event.code through: what is known when routing.
func codeRef(r expr.Ref) bool { return !r.Raw && r.Extra == "" && r.Field == schema.FEventCode }

// setRef lets only event.dataset through.
func setRef(r expr.Ref) bool { return !r.Raw && r.Extra == "" && r.Field == schema.FEventDataset }
