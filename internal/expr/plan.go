package expr

import (
	"slices"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"

	"vigil/schema"
)

func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// node is one planned step of ours in a program.
type node struct {
	id   int64
	ref  *Ref // set when the step only reads a field
	exec func(*interpreter.ExecutionFrame) ref.Val
}

// ID implements the interpreter's node.
func (n *node) ID() int64 { return n.id }

// Exec implements the interpreter's node. Both Exec and Eval must be ours: the
// planner calls Exec, and an embedded one would silently take the slow path.
func (n *node) Exec(f *interpreter.ExecutionFrame) ref.Val { return n.exec(f) }

// Eval implements the interpreter's node.
func (n *node) Eval(a interpreter.Activation) ref.Val { return n.exec(interpreter.AsFrame(a)) }

func boolean(b bool) ref.Val {
	if b {
		return types.True
	}
	return types.False
}

// planner replaces steps of a CEL plan by ones that read the event directly and
// carry their literals compiled, so that a miss allocates nothing.
type planner struct {
	access map[int64]access
	parts  map[string]*EventProgram
	lists  map[string][]string
	adapt  types.Adapter
}

func (p *planner) decorate(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	if a, ok := p.access[i.ID()]; ok {
		if _, ok := i.(interpreter.InterpretableAttribute); ok {
			return p.field(i.ID(), a), nil
		}
	}
	c, ok := i.(interpreter.InterpretableCall)
	if !ok {
		return i, nil
	}
	n, err := p.call(c)
	if err != nil || n == nil {
		return i, err
	}
	return n, nil
}

func (p *planner) field(id int64, a access) *node {
	r := a.ref
	if a.test {
		return &node{id: id, exec: func(f *interpreter.ExecutionFrame) ref.Val { return boolean(inputOf(f).Has(r)) }}
	}
	return &node{id: id, ref: &r, exec: func(f *interpreter.ExecutionFrame) ref.Val { return inputOf(f).value(r, p.adapt) }}
}

// call returns the replacement of a call, nil to leave it alone.
func (p *planner) call(c interpreter.InterpretableCall) (*node, error) {
	args := c.Args()
	switch name := c.Function(); {
	case name == partFunc:
		return p.part(c)
	case isPredicate(name), name == "cidr":
		return p.predicate(c, name)
	case name == "contains", name == "startsWith", name == "endsWith", name == "matches":
		if len(args) != 2 || fieldOf(args[0]) == nil {
			return nil, nil
		}
		return p.predicate(c, name)
	case name == "inList":
		values := p.lists[string(constText(args[1]))]
		if len(values) == 0 {
			return &node{id: c.ID(), exec: func(*interpreter.ExecutionFrame) ref.Val { return types.False }}, nil
		}
		m, err := NewMatcher("ieq", values)
		if err != nil {
			return nil, err
		}
		return p.test(c.ID(), args[0], m), nil
	case name == "intel":
		return p.intel(c), nil
	case name == "score", name == "threshold":
		return scoreNode(c, name == "threshold"), nil
	case len(args) == 2:
		return p.comparison(c, name)
	}
	return nil, nil
}

func (p *planner) part(c interpreter.InterpretableCall) (*node, error) {
	prog := p.parts[string(constText(c.Args()[0]))].program
	return &node{id: c.ID(), exec: func(f *interpreter.ExecutionFrame) ref.Val {
		v, _, err := prog.Eval(f)
		if err != nil {
			return types.WrapErr(err)
		}
		return v
	}}, nil
}

func (p *planner) predicate(c interpreter.InterpretableCall, name string) (*node, error) {
	values, ok := constTexts(c.Args()[1])
	if !ok {
		return nil, nil
	}
	m, err := NewMatcher(name, values)
	if err != nil {
		return nil, err
	}
	if r := fieldOf(c.Args()[0]); r != nil && name == "cidr" && r.Extra == "" && !r.Raw && isAddr(*r) {
		ranges, err := ParsePrefixes(values)
		field := r.Field
		return &node{id: c.ID(), exec: func(f *interpreter.ExecutionFrame) ref.Val {
			return boolean(InRanges(inputOf(f).Event.Addr(field), ranges))
		}}, err
	}
	return p.test(c.ID(), c.Args()[0], m), nil
}

// test applies a matcher to a field without boxing it, or to any other operand.
func (p *planner) test(id int64, arg interpreter.Interpretable, m Matcher) *node {
	r := fieldOf(arg)
	switch {
	case r == nil:
		operand, ok := arg.(interpreter.InterpretableV2)
		if !ok {
			return &node{id: id, exec: func(f *interpreter.ExecutionFrame) ref.Val { return matchValue(m, arg.Eval(f)) }}
		}
		return &node{id: id, exec: func(f *interpreter.ExecutionFrame) ref.Val { return matchValue(m, operand.Exec(f)) }}
	case r.Type() == StringList:
		field := r.Field
		return &node{id: id, exec: func(f *interpreter.ExecutionFrame) ref.Val {
			if slices.ContainsFunc(inputOf(f).Event.List(field), m) {
				return types.True
			}
			return types.False
		}}
	default:
		at := *r
		return &node{id: id, exec: func(f *interpreter.ExecutionFrame) ref.Val { return boolean(m(inputOf(f).Text(at))) }}
	}
}

func (p *planner) intel(c interpreter.InterpretableCall) *node {
	arg := c.Args()[0]
	return &node{id: c.ID(), exec: func(f *interpreter.ExecutionFrame) ref.Val {
		found := inputOf(f).Event.List(schema.FThreatIndicatorValue)
		if len(found) == 0 {
			return types.False
		}
		m, err := NewMatcher("ieq", found)
		if err != nil {
			return types.WrapErr(err)
		}
		v := arg.Eval(f)
		if s, ok := v.(types.String); ok && s == "" {
			return types.False
		}
		return matchValue(m, v)
	}}
}

func scoreNode(c interpreter.InterpretableCall, threshold bool) *node {
	detector := string(constText(c.Args()[0]))
	score, limit := ScorePrefix+detector, ThresholdPrefix+detector
	return &node{id: c.ID(), exec: func(f *interpreter.ExecutionFrame) ref.Val {
		return types.Double(inputOf(f).score(detector, score, limit, threshold))
	}}
}

// comparison replaces ==, !=, in and orderings of a field with literals.
func (p *planner) comparison(c interpreter.InterpretableCall, name string) (*node, error) {
	args := c.Args()
	if r := fieldOf(args[1]); name == "@in" && r != nil && r.Type() == StringList {
		v, ok := constValue(args[0])
		s, isText := v.(types.String)
		if !ok || !isText {
			return nil, nil
		}
		m, err := NewMatcher("==", []string{string(s)})
		return p.test(c.ID(), args[1], m), err
	}
	r := fieldOf(args[0])
	if r == nil {
		return nil, nil
	}
	switch r.Type() {
	case String:
		values, ok := constTexts(args[1])
		if !ok || (name != "_==_" && name != "_!=_" && name != "@in") {
			return nil, nil
		}
		m, err := NewMatcher("==", values)
		if err != nil || name != "_!=_" {
			return p.test(c.ID(), args[0], m), err
		}
		return p.test(c.ID(), args[0], func(s string) bool { return !m(s) }), nil
	case Int:
		return intComparison(c, name, r.Field), nil
	}
	return nil, nil
}

func intComparison(c interpreter.InterpretableCall, name string, field schema.FieldID) *node {
	values, ok := constInts(c.Args()[1])
	if !ok || len(values) == 0 {
		return nil
	}
	test := intTest(name, values)
	if test == nil {
		return nil
	}
	return &node{id: c.ID(), exec: func(f *interpreter.ExecutionFrame) ref.Val {
		return boolean(test(inputOf(f).Event.Int(field)))
	}}
}

func intTest(name string, values []int64) func(int64) bool {
	v := values[0]
	switch name {
	case "_==_":
		return func(x int64) bool { return x == v }
	case "_!=_":
		return func(x int64) bool { return x != v }
	case "_<_":
		return func(x int64) bool { return x < v }
	case "_<=_":
		return func(x int64) bool { return x <= v }
	case "_>_":
		return func(x int64) bool { return x > v }
	case "_>=_":
		return func(x int64) bool { return x >= v }
	case "@in":
		return func(x int64) bool {
			return slices.Contains(values, x)
		}
	}
	return nil
}

func fieldOf(i interpreter.Interpretable) *Ref {
	if n, ok := i.(*node); ok {
		return n.ref
	}
	return nil
}

func constValue(i interpreter.Interpretable) (ref.Val, bool) {
	c, ok := i.(interpreter.InterpretableConst)
	if !ok {
		return nil, false
	}
	return c.Value(), true
}

func constText(i interpreter.Interpretable) types.String {
	v, _ := constValue(i)
	s, _ := v.(types.String)
	return s
}

// constAll reads a constant or a list of constants. A list literal arrives folded
// to a constant, or as its constructor where folding was not worth its while.
func constAll(i interpreter.Interpretable) ([]ref.Val, bool) {
	if v, ok := constValue(i); ok {
		l, isList := v.(traits.Lister)
		if !isList {
			return []ref.Val{v}, true
		}
		var out []ref.Val
		for it := l.Iterator(); it.HasNext() == types.True; {
			out = append(out, it.Next())
		}
		return out, true
	}
	l, ok := i.(interpreter.InterpretableConstructor)
	if !ok {
		return nil, false
	}
	var out []ref.Val
	for _, x := range l.InitVals() {
		v, ok := constValue(x)
		if !ok {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

func constTexts(i interpreter.Interpretable) ([]string, bool) {
	vals, ok := constAll(i)
	if !ok {
		return nil, false
	}
	out := make([]string, len(vals))
	for i, v := range vals {
		s, ok := v.(types.String)
		if !ok {
			return nil, false
		}
		out[i] = string(s)
	}
	return out, true
}

func constInts(i interpreter.Interpretable) ([]int64, bool) {
	vals, ok := constAll(i)
	if !ok {
		return nil, false
	}
	out := make([]int64, len(vals))
	for i, v := range vals {
		n, ok := v.(types.Int)
		if !ok {
			return nil, false
		}
		out[i] = int64(n)
	}
	return out, true
}
