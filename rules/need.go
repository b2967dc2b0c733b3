package rules

import (
	"slices"

	"vigil/internal/expr"
	"vigil/schema"
)

// need is a condition that an event must meet for a rule to fire: a cheap part
// of the rule's own condition. A nil need says nothing, so the rule may fire.
type need struct {
	test func(in *expr.Input) bool
	cost int // rough order of expense
}

func (n *need) may(in *expr.Input) bool { return n == nil || n.test(in) }

// necessary derives the need of a rule from its checked conditions, out of the
// tests of values that keep lets through.
func necessary(r *Rule, keep func(expr.Ref) bool) *need {
	var all []*need
	for _, c := range r.conditions {
		if n := weaken(r, c.Node(), keep, false); n != nil {
			all = append(all, n)
		}
	}
	return conjunction(all)
}

// weaken returns a need implied by n, or by its negation; nil when nothing cheap
// is implied.
func weaken(r *Rule, n *expr.Node, keep func(expr.Ref) bool, negate bool) *need {
	switch {
	case n.Op == expr.OpPart:
		if p := r.Part(n.Name); p != nil {
			return weaken(r, p.Node(), keep, negate)
		}
		return nil
	case n.Op == expr.OpCall && n.Name == "!":
		return weaken(r, n.Args[0], keep, !negate)
	case n.Op == expr.OpCall && (n.Name == "&&" || n.Name == "||"):
		var kids []*need
		for _, a := range n.Args {
			kids = append(kids, weaken(r, a, keep, negate))
		}
		if (n.Name == "&&") != negate {
			return conjunction(slices.DeleteFunc(kids, func(k *need) bool { return k == nil }))
		}
		return disjunction(kids)
	}
	a := atom(n, keep)
	if a == nil || !negate {
		return a
	}
	test := a.test
	return &need{func(in *expr.Input) bool { return !test(in) }, a.cost}
}

func anyRef(expr.Ref) bool { return true }

// codeRef lets only tests of event.code through: what is known when routing.
func codeRef(r expr.Ref) bool { return !r.Raw && r.Extra == "" && r.Field == schema.FEventCode }

func conjunction(kids []*need) *need {
	switch len(kids) {
	case 0:
		return nil
	case 1:
		return kids[0]
	}
	slices.SortStableFunc(kids, func(a, b *need) int { return a.cost - b.cost })
	return &need{func(in *expr.Input) bool {
		for _, k := range kids {
			if !k.test(in) {
				return false
			}
		}
		return true
	}, kids[0].cost}
}

func disjunction(kids []*need) *need {
	cost := 0
	for _, k := range kids {
		if k == nil {
			return nil
		}
		cost += k.cost
	}
	return &need{func(in *expr.Input) bool {
		for _, k := range kids {
			if k.test(in) {
				return true
			}
		}
		return false
	}, cost}
}

// atom translates one test of a field with literals exactly; nil when it is
// anything else.
func atom(n *expr.Node, keep func(expr.Ref) bool) *need {
	if n.Op == expr.OpCall {
		for _, a := range n.Args {
			if a.Op == expr.OpField && !keep(a.Ref) {
				return nil
			}
		}
		return callAtom(n)
	}
	if !keep(n.Ref) {
		return nil
	}
	switch n.Op {
	case expr.OpHas:
		ref := n.Ref
		return &need{func(in *expr.Input) bool { return in.Has(ref) }, 1}
	case expr.OpField:
		if n.Type == expr.Bool {
			f := n.Ref.Field
			return &need{func(in *expr.Input) bool { return in.Event.Int(f) != 0 }, 1}
		}
	}
	return nil
}

func callAtom(n *expr.Node) *need {
	if len(n.Args) != 2 {
		return nil
	}
	l, r := n.Args[0], n.Args[1]
	if n.Name == "in" && r.Op == expr.OpField && r.Type == expr.StringList {
		if values, ok := l.Strings(); ok && l.Op == expr.OpLiteral {
			return textAtom(r.Ref, "==", values)
		}
		return nil
	}
	if l.Op != expr.OpField {
		return nil
	}
	if l.Type == expr.Int {
		return intAtom(l.Ref.Field, n.Name, r)
	}
	values, ok := r.Strings()
	if !ok || l.Type != expr.String && l.Type != expr.StringList {
		return nil
	}
	switch name := n.Name; name {
	case "==", "in", "!=":
		a := textAtom(l.Ref, "==", values)
		if name != "!=" || a == nil {
			return a
		}
		test := a.test
		return &need{func(in *expr.Input) bool { return !test(in) }, a.cost}
	case "inList":
		return textAtom(l.Ref, "ieq", values)
	case "cidr":
		return rangeAtom(l.Ref, values)
	case "icontains", "icontainsAll", "istartsWith", "iendsWith", "ieq", "contains", "startsWith", "endsWith":
		return textAtom(l.Ref, name, values)
	}
	return nil // regular expressions and the like are left to the condition
}

func textAtom(ref expr.Ref, name string, values []string) *need {
	m, err := expr.NewMatcher(name, values)
	if err != nil {
		return nil
	}
	cost := 2 + len(values)
	if name == "contains" || name == "icontains" || name == "icontainsAll" {
		cost = 10 * (1 + len(values))
	}
	if ref.Raw {
		cost *= 5
	}
	if ref.Type() != expr.StringList {
		return &need{func(in *expr.Input) bool { return m(in.Text(ref)) }, cost}
	}
	f := ref.Field
	return &need{func(in *expr.Input) bool { return slices.ContainsFunc(in.Event.List(f), m) }, cost}
}

func rangeAtom(ref expr.Ref, values []string) *need {
	ranges, err := expr.ParsePrefixes(values)
	if err != nil || ref.Raw || ref.Extra != "" || ref.Type() == expr.StringList || ref.Field.Def().Kind != schema.IP {
		return nil
	}
	f := ref.Field
	return &need{func(in *expr.Input) bool { return expr.InRanges(in.Event.Addr(f), ranges) }, 5}
}

func intAtom(f schema.FieldID, name string, r *expr.Node) *need {
	if r.Op == expr.OpList && name == "in" {
		var values []int64
		for _, a := range r.Args {
			v, ok := a.Value.(int64)
			if !ok || a.Op != expr.OpLiteral {
				return nil
			}
			values = append(values, v)
		}
		return &need{func(in *expr.Input) bool { return slices.Contains(values, in.Event.Int(f)) }, 1}
	}
	v, ok := r.Value.(int64)
	if !ok || r.Op != expr.OpLiteral {
		return nil
	}
	var test func(x int64) bool
	switch name {
	case "==":
		test = func(x int64) bool { return x == v }
	case "!=":
		test = func(x int64) bool { return x != v }
	case "<":
		test = func(x int64) bool { return x < v }
	case "<=":
		test = func(x int64) bool { return x <= v }
	case ">":
		test = func(x int64) bool { return x > v }
	case ">=":
		test = func(x int64) bool { return x >= v }
	default:
		return nil
	}
	return &need{func(in *expr.Input) bool { return test(in.Event.Int(f)) }, 1}
}
