package mapping

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"vigil/internal/expr"
	"vigil/schema"
)

// ValuesVar is what expressions call the values of a record: a map of text to text.
const ValuesVar = "v"

// Condition is a checked CEL expression that is true or false: of the event (e.FIELD, as in
// rules) or, in custom formats, of the values of the record (v["KEY"]).
type Condition struct {
	Text    string                     // the expression
	native  func(e *schema.Event) bool // nil: CEL interprets it
	event   *expr.EventProgram
	program *expr.Program // over the record's values
}

// events is the environment of expressions over events. It is the same for all of them, and
// takes about a millisecond to make; two that ask at once may both make it.
var events atomic.Pointer[expr.Env]

func eventEnv() (*expr.Env, error) {
	if env := events.Load(); env != nil {
		return env, nil
	}
	env, err := expr.NewEnv(expr.Options{})
	if err == nil {
		events.Store(env)
	}
	return env, err
}

// ofEvent finds expressions that ask for fields of the event.
var ofEvent = regexp.MustCompile(`(^|[^.\w"'])e\.[a-z]`)

func newCondition(text string, record bool) (*Condition, error) {
	c := &Condition{Text: text}
	if record && !ofEvent.MatchString(text) {
		p, err := expr.Compile(text, map[string]expr.Type{ValuesVar: expr.StringMap})
		c.program = &p
		return c, err
	}
	env, err := eventEnv()
	if err != nil {
		return nil, err
	}
	if c.event, err = env.Compile(text, nil); err != nil {
		return nil, fmt.Errorf("expression %q: %w", text, err)
	}
	if test, ok := native(c.event.Node()); ok {
		c.native = test
	}
	return c, nil
}

// Native is the condition as code of its own; nil when CEL has to interpret it.
func (c *Condition) Native() func(e *schema.Event) bool {
	if c == nil {
		return nil
	}
	return c.native
}

// Holds says whether the condition is true; one that fails, because a value is not there,
// is not. A nil condition is true.
func (c *Condition) Holds(e *schema.Event, values map[string]string) bool {
	switch {
	case c == nil:
		return true
	case c.native != nil:
		return c.native(e)
	case c.event != nil:
		ok, err := c.event.Eval(&expr.Input{Event: e})
		return err == nil && ok
	}
	ok, err := c.program.EvalBool(map[string]any{ValuesVar: values})
	return err == nil && ok
}

// native makes a test of the shapes that mappings are made of: comparisons of single fields
// with constants, and, or and not of these. It allocates nothing when it runs.
func native(n *expr.Node) (func(*schema.Event) bool, bool) {
	switch {
	case n.Op == expr.OpHas && plain(n):
		return present(n.Ref.Field), true
	case n.Op != expr.OpCall || len(n.Args) == 0:
		return nil, false
	case n.Name == "&&" || n.Name == "||":
		return junction(n)
	case n.Name == "!":
		test, ok := native(n.Args[0])
		return func(e *schema.Event) bool { return !test(e) }, ok
	case len(n.Args) != 2 || n.Args[0].Op != expr.OpField || !plain(n.Args[0]):
		return nil, false
	}
	f := n.Args[0].Ref.Field
	switch value := n.Args[1].Value.(type) {
	case int64:
		return number(n.Name, f, value)
	case string:
		return text(n.Name, f, value)
	}
	list, ok := n.Args[1].Strings()
	if !ok || !isText(f) {
		return nil, false
	}
	if n.Name == "in" {
		return func(e *schema.Event) bool { return slices.Contains(list, e.Str(f)) }, true
	}
	return folded(n.Name, f, list)
}

// present says whether a field has a value other than the one that stands for none.
func present(f schema.FieldID) func(*schema.Event) bool {
	switch d := f.Def(); {
	case d.Multi:
		return func(e *schema.Event) bool { return len(e.List(f)) > 0 }
	case isText(f):
		return func(e *schema.Event) bool { return e.Str(f) != "" }
	case d.Kind == schema.IP:
		return func(e *schema.Event) bool { a := e.Addr(f); return a.IsValid() && a != netip.IPv6Unspecified() }
	}
	return func(e *schema.Event) bool { return e.Int(f) != 0 }
}

// folded are the predicates that take large and small letters for equal.
func folded(name string, f schema.FieldID, list []string) (func(*schema.Event) bool, bool) {
	if !slices.Contains(expr.Predicates(), name) {
		return nil, false
	}
	match, err := expr.NewMatcher(name, list)
	if err != nil {
		return nil, false
	}
	return func(e *schema.Event) bool { return match(e.Str(f)) }, true
}

// plain says whether a node reads a field of the table.
func plain(n *expr.Node) bool { return n.Ref.Extra == "" && !n.Ref.Raw }

// isText says whether the field holds one text, which is spelled in one way.
func isText(f schema.FieldID) bool {
	switch d := f.Def(); d.Kind {
	case schema.Keyword, schema.LowCard, schema.Text:
		return !d.Multi
	}
	return false
}

func junction(n *expr.Node) (func(*schema.Event) bool, bool) {
	var tests []func(*schema.Event) bool
	for _, a := range n.Args {
		test, ok := native(a)
		if !ok {
			return nil, false
		}
		tests = append(tests, test)
	}
	all := n.Name == "&&"
	return func(e *schema.Event) bool {
		for _, test := range tests {
			if test(e) != all {
				return !all
			}
		}
		return all
	}, true
}

func number(op string, f schema.FieldID, x int64) (func(*schema.Event) bool, bool) {
	if d := f.Def(); d.Kind != schema.Long || d.Multi {
		return nil, false
	}
	switch op {
	case "==":
		return func(e *schema.Event) bool { return e.Int(f) == x }, true
	case "!=":
		return func(e *schema.Event) bool { return e.Int(f) != x }, true
	case ">=":
		return func(e *schema.Event) bool { return e.Int(f) >= x }, true
	case ">":
		return func(e *schema.Event) bool { return e.Int(f) > x }, true
	case "<":
		return func(e *schema.Event) bool { return e.Int(f) < x }, true
	case "<=":
		return func(e *schema.Event) bool { return e.Int(f) <= x }, true
	}
	return nil, false
}

func text(op string, f schema.FieldID, x string) (func(*schema.Event) bool, bool) {
	if !isText(f) {
		return nil, false
	}
	switch op {
	case "==":
		return func(e *schema.Event) bool { return e.Str(f) == x }, true
	case "!=":
		return func(e *schema.Event) bool { return e.Str(f) != x }, true
	case "startsWith":
		return func(e *schema.Event) bool { return strings.HasPrefix(e.Str(f), x) }, true
	case "endsWith":
		return func(e *schema.Event) bool { return strings.HasSuffix(e.Str(f), x) }, true
	case "contains":
		return func(e *schema.Event) bool { return strings.Contains(e.Str(f), x) }, true
	}
	return folded(op, f, []string{x})
}
