package expr

import (
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// Op is the shape of a Node.
type Op uint8

// The shapes of nodes.
const (
	OpOther   Op = iota // something without a shape of its own (conditional comprehension, map literal …)
	OpLiteral           // Value
	OpList              // Args, all elements
	OpField             // Ref: the value of a field
	OpHas               // Ref: presence of a field
	OpPart              // Name: a named part of the rule, see EventProgram.Part
	OpCall              // Name and Args, the receiver first
	OpExists            // Name (loop variable), Args: list, condition
	OpAll               // Name (loop variable), Args: list, condition
	OpVar               // Name: a loop variable
)

// Node is the checked syntax tree of an expression, free of the CEL library, for
// the executors that do not interpret it: prefilters, native plans, SQL. It says
// what was written and nothing about how to run it. Operators have their source
// names: && || ! == != < <= > >= in + - * / % ?: and [] . The second argument of
// inList is the list itself.
type Node struct {
	Op    Op
	Name  string
	Args  []*Node
	Ref   Ref
	Value any // bool, int64, uint64, float64, string, nil
	Type  Type
	ID    int64 // id of the syntax node, for EventProgram.Position
}

var operators = map[string]string{
	"_&&_": "&&", "_||_": "||", "!_": "!", "_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=",
	"@in": "in", "_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%", "-_": "-", "_?_:_": "?:", "_[_]": "[]",
}

// build turns the checked tree into nodes; refs says which syntax nodes read fields.
func (b *binder) build(e ast.Expr) *Node {
	n := &Node{ID: e.ID(), Type: typeOf(b.checked.GetType(e.ID()))}
	if a, ok := b.access[e.ID()]; ok {
		n.Op, n.Ref = OpField, a.ref
		if a.test {
			n.Op = OpHas
		}
		return n
	}
	switch e.Kind() {
	case ast.LiteralKind:
		n.Op, n.Value = OpLiteral, literalValue(e)
	case ast.ListKind:
		n.Op = OpList
		for _, x := range e.AsList().Elements() {
			n.Args = append(n.Args, b.build(x))
		}
	case ast.IdentKind:
		n.Op, n.Name = OpVar, e.AsIdent()
	case ast.CallKind:
		b.buildCall(n, e.AsCall())
	case ast.ComprehensionKind:
		b.buildLoop(n, e.AsComprehension())
	}
	return n
}

func (b *binder) buildCall(n *Node, c ast.CallExpr) {
	n.Op, n.Name = OpCall, c.FunctionName()
	if n.Name == partFunc {
		n.Op, n.Name = OpPart, string(c.Args()[0].AsLiteral().(types.String))
		return
	}
	if s, ok := operators[n.Name]; ok {
		n.Name = s
	}
	if c.IsMemberFunction() {
		n.Args = append(n.Args, b.build(c.Target()))
	}
	for _, a := range c.Args() {
		n.Args = append(n.Args, b.build(a))
	}
	if n.Name == "inList" { // executors get the list's values in place of its name
		list := &Node{Op: OpList, Type: StringList, ID: n.Args[1].ID}
		for _, v := range b.lists[n.Args[1].Value.(string)] {
			list.Args = append(list.Args, &Node{Op: OpLiteral, Type: String, Value: v})
		}
		n.Args[1] = list
	}
}

// buildLoop recognises what the macros exists and all expand to.
func (b *binder) buildLoop(n *Node, c ast.ComprehensionExpr) {
	if c.HasIterVar2() || c.LoopStep().Kind() != ast.CallKind || c.Result().Kind() != ast.IdentKind {
		return
	}
	step := c.LoopStep().AsCall()
	if len(step.Args()) != 2 || step.Args()[0].Kind() != ast.IdentKind || step.Args()[0].AsIdent() != c.AccuVar() {
		return
	}
	switch step.FunctionName() {
	case "_||_":
		n.Op = OpExists
	case "_&&_":
		n.Op = OpAll
	default:
		return
	}
	n.Name = c.IterVar()
	n.Args = []*Node{b.build(c.IterRange()), b.build(step.Args()[1])}
}

func literalValue(e ast.Expr) any {
	switch v := e.AsLiteral().(type) {
	case types.Bool:
		return bool(v)
	case types.Int:
		return int64(v)
	case types.Uint:
		return uint64(v)
	case types.Double:
		return float64(v)
	case types.String:
		return string(v)
	case types.Duration:
		return v.Duration
	case types.Timestamp:
		return v.Time
	}
	return nil
}

func typeOf(t *types.Type) Type {
	if t == nil {
		return Dyn
	}
	switch k := t.Kind(); k {
	case types.BoolKind:
		return Bool
	case types.IntKind:
		return Int
	case types.DoubleKind:
		return Double
	case types.StringKind:
		return String
	case types.TimestampKind:
		return Timestamp
	case types.DurationKind:
		return Duration
	case types.ListKind:
		if len(t.Parameters()) == 1 && t.Parameters()[0].Kind() == types.StringKind {
			return StringList
		}
	case types.MapKind:
		return StringMap
	}
	return Dyn
}

// Strings returns the values of a literal text or a list of literal texts.
func (n *Node) Strings() ([]string, bool) {
	switch n.Op {
	case OpLiteral:
		s, ok := n.Value.(string)
		return []string{s}, ok
	case OpList:
		out := make([]string, 0, len(n.Args))
		for _, a := range n.Args {
			s, ok := a.Value.(string)
			if !ok || a.Op != OpLiteral {
				return nil, false
			}
			out = append(out, s)
		}
		return out, true
	}
	return nil, false
}
