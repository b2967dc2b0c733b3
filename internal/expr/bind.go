package expr

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

const (
	root     = "e"
	partFunc = "part__" // what a reference to a named part is rewritten to
)

// selection is a chain of selections from an identifier: e.a.b.c.
type selection struct {
	root  string
	names []string
	test  bool // has(…)
	ids   []int64
}

// chain reads e as a selection chain; a bare identifier is a chain of none.
func chain(e celast.Expr) (selection, bool) {
	switch e.Kind() {
	case celast.IdentKind:
		return selection{root: e.AsIdent()}, true
	case celast.SelectKind:
		s := e.AsSelect()
		c, ok := chain(s.Operand())
		if !ok || c.test {
			return selection{}, false
		}
		c.names = append(c.names, s.FieldName())
		c.ids = append(c.ids, e.ID())
		c.test = s.IsTestOnly()
		return c, true
	}
	return selection{}, false
}

// rewriter changes a parsed tree before the type check: keys below an open
// namespace become one key (e.aws.a.b is the field aws.a.b), literal indexes of
// namespaces become selections, and names of parts become calls.
type rewriter struct {
	open  []string
	parts func(name string) bool
	fac   celast.ExprFactory
}

func (r *rewriter) walk(e celast.Expr, bound []string) {
	switch e.Kind() {
	case celast.SelectKind:
		if !r.joinKeys(e, bound) {
			r.walk(e.AsSelect().Operand(), bound)
		}
	case celast.IdentKind:
		name := e.AsIdent()
		if r.parts(name) && !slices.Contains(bound, name) {
			e.SetKindCase(r.fac.NewCall(e.ID(), partFunc, r.fac.NewLiteral(-e.ID(), types.String(name))))
		}
	case celast.CallKind:
		r.walkCall(e, bound)
	case celast.ListKind:
		for _, x := range e.AsList().Elements() {
			r.walk(x, bound)
		}
	case celast.MapKind:
		for _, x := range e.AsMap().Entries() {
			r.walk(x.AsMapEntry().Key(), bound)
			r.walk(x.AsMapEntry().Value(), bound)
		}
	case celast.ComprehensionKind:
		c := e.AsComprehension()
		r.walk(c.IterRange(), bound)
		r.walk(c.AccuInit(), bound)
		inner := append(bound[:len(bound):len(bound)], c.IterVar(), c.IterVar2(), c.AccuVar())
		for _, x := range []celast.Expr{c.LoopCondition(), c.LoopStep(), c.Result()} {
			r.walk(x, inner)
		}
	}
}

func (r *rewriter) walkCall(e celast.Expr, bound []string) {
	c := e.AsCall()
	if c.FunctionName() == "_[_]" && c.Args()[1].Kind() == celast.LiteralKind {
		key, ok := c.Args()[1].AsLiteral().(types.String)
		at, isChain := chain(c.Args()[0])
		if ok && isChain && at.root == root && !slices.Contains(bound, root) && slices.Contains(r.open, strings.Join(at.names, ".")) {
			e.SetKindCase(r.fac.NewSelect(e.ID(), c.Args()[0], string(key)))
			return
		}
	}
	if c.IsMemberFunction() {
		r.walk(c.Target(), bound)
	}
	for _, a := range c.Args() {
		r.walk(a, bound)
	}
}

// joinKeys rewrites a chain that goes more than one key below an open namespace
// and says whether e is a chain from the event at all.
func (r *rewriter) joinKeys(e celast.Expr, bound []string) bool {
	c, ok := chain(e)
	if !ok || c.root != root || slices.Contains(bound, root) {
		return false
	}
	full := strings.Join(c.names, ".")
	for _, ns := range r.open {
		depth := strings.Count(ns, ".") + 1
		if !strings.HasPrefix(full, ns+".") || len(c.names) <= depth+1 {
			continue
		}
		at := e
		for range len(c.names) - depth {
			at = at.AsSelect().Operand()
		}
		key := strings.Join(c.names[depth:], ".")
		if c.test {
			e.SetKindCase(r.fac.NewPresenceTest(e.ID(), at, key))
		} else {
			e.SetKindCase(r.fac.NewSelect(e.ID(), at, key))
		}
		break
	}
	return true
}

// access is what a syntax node reads from the event.
type access struct {
	ref  Ref
	test bool
}

// binder resolves the field accesses of a checked tree and checks what the type
// checker cannot see: objects used as values, literals that do not parse.
type binder struct {
	checked *celast.AST
	access  map[int64]access
	lists   map[string][]string
	event   bool
	issues  Issues
}

func (b *binder) fail(id int64, hint, format string, args ...any) {
	loc := b.checked.SourceInfo().GetStartLocation(id)
	b.issues = append(b.issues, Issue{Line: max(loc.Line(), 1), Column: loc.Column() + 1,
		Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (b *binder) walk(e celast.Expr, bound []string) {
	switch e.Kind() {
	case celast.SelectKind, celast.IdentKind:
		b.bindChain(e, bound)
	case celast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			b.walk(c.Target(), bound)
		}
		for _, a := range c.Args() {
			b.walk(a, bound)
		}
		b.checkCall(e)
	case celast.ListKind:
		for _, x := range e.AsList().Elements() {
			b.walk(x, bound)
		}
	case celast.MapKind:
		for _, x := range e.AsMap().Entries() {
			b.walk(x.AsMapEntry().Key(), bound)
			b.walk(x.AsMapEntry().Value(), bound)
		}
	case celast.ComprehensionKind:
		c := e.AsComprehension()
		b.walk(c.IterRange(), bound)
		b.walk(c.AccuInit(), bound)
		inner := append(bound[:len(bound):len(bound)], c.IterVar(), c.IterVar2(), c.AccuVar())
		for _, x := range []celast.Expr{c.LoopCondition(), c.LoopStep(), c.Result()} {
			b.walk(x, inner)
		}
	}
}

func (b *binder) bindChain(e celast.Expr, bound []string) {
	c, ok := chain(e)
	if !b.event || !ok || c.root != root || slices.Contains(bound, root) {
		if e.Kind() == celast.SelectKind {
			b.walk(e.AsSelect().Operand(), bound)
		}
		return
	}
	name := strings.Join(c.names, ".")
	ref, ok := ParseRef(name)
	if !ok {
		what := "e." + name
		if name == "" {
			what = "e"
		}
		b.fail(e.ID(), "name one of its fields", "%s is an object, not a value", what)
		return
	}
	b.access[e.ID()] = access{ref, c.test}
}

// checkCall compiles the literals of calls once, so that bad ones fail at load.
func (b *binder) checkCall(e celast.Expr) {
	c := e.AsCall()
	name := c.FunctionName()
	switch {
	case isPredicate(name), name == "matches" && c.IsMemberFunction():
		b.checkLiterals(c.Args()[0], name)
	case name == "cidr":
		b.checkLiterals(c.Args()[1], name)
	case name == "inList":
		b.checkList(c.Args()[1])
	case name == "score", name == "threshold":
		if s, ok := literalText(c.Args()[0]); b.event && (!ok || s == "") {
			b.fail(c.Args()[0].ID(), "write score('name')", "%s needs the name of a detector as literal", name)
		}
	case name == "_==_", name == "_!=_", name == "@in":
		b.checkAddress(c.Args()[0], c.Args()[1])
	}
}

func (b *binder) checkLiterals(arg celast.Expr, name string) {
	values, ok := literalTexts(arg)
	if !ok {
		if b.event && name != "ieq" {
			b.fail(arg.ID(), "", "%s needs a literal or a list of literals", name)
		}
		return
	}
	if len(values) == 0 {
		b.fail(arg.ID(), "", "%s of an empty list is never true", name)
		return
	}
	if _, err := NewMatcher(name, values); err != nil {
		b.fail(arg.ID(), "", "%v", err)
	}
}

func (b *binder) checkList(arg celast.Expr) {
	name, ok := literalText(arg)
	if !ok {
		b.fail(arg.ID(), "", "inList needs the name of a list as literal")
		return
	}
	if _, ok := b.lists[name]; !ok {
		var names []string
		for n := range b.lists {
			names = append(names, n)
		}
		b.fail(arg.ID(), didYouMean(name, names), "no list %q", name)
	}
}

// checkAddress refuses an address literal that is not in canonical spelling,
// because addresses are compared as canonical text.
func (b *binder) checkAddress(l, r celast.Expr) {
	a, ok := b.access[l.ID()]
	if !ok || a.test || a.ref.Extra != "" || a.ref.Raw || !isAddr(a.ref) {
		return
	}
	values, ok := literalTexts(r)
	if !ok {
		return
	}
	for _, v := range values {
		addr, err := netip.ParseAddr(v)
		switch {
		case v == "":
		case err != nil:
			b.fail(r.ID(), "for a range write cidr(e."+a.ref.Name()+", '…')", "%q is no address", v)
		case addr.Unmap().String() != v:
			b.fail(r.ID(), fmt.Sprintf("write %q", addr.Unmap()), "%q is not the canonical spelling of the address", v)
		}
	}
}

func literalText(e celast.Expr) (string, bool) {
	if e.Kind() != celast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

func literalTexts(e celast.Expr) ([]string, bool) {
	if s, ok := literalText(e); ok {
		return []string{s}, true
	}
	if e.Kind() != celast.ListKind {
		return nil, false
	}
	out := make([]string, 0, e.AsList().Size())
	for _, x := range e.AsList().Elements() {
		s, ok := literalText(x)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}
