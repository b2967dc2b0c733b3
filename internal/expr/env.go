package expr

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"

	"vigil/schema"
)

// MaxCost is the highest estimated cost an expression may have, in CEL cost
// units; an ordinary rule has some hundreds to some thousands. The estimate is
// made at load, because tracking cost while running is eight times slower.
const MaxCost = 500_000

// MaxSource is the longest expression text, in bytes.
const MaxSource = 64 << 10

// Env compiles expressions over events. It is immutable and safe for concurrent use.
type Env struct {
	cel   *cel.Env
	lists map[string][]string
}

// Options configure an Env.
type Options struct {
	// Lists are the named lists that inList looks in.
	Lists map[string][]string
}

// NewEnv builds the environment of event expressions from the field table.
func NewEnv(o Options) (*Env, error) {
	reg, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("building the type registry: %w", err)
	}
	opts := []cel.EnvOption{
		cel.CustomTypeProvider(&provider{Provider: reg, objects: objects()}),
		cel.CustomTypeAdapter(reg),
		cel.Variable(root, cel.ObjectType(rootType)),
	}
	opts = append(opts, limits()...)
	opts = append(opts, declarations()...)
	opts = append(opts, eventDeclarations()...)
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, fmt.Errorf("building the expression environment: %w", err)
	}
	return &Env{cel: env, lists: maps.Clone(o.Lists)}, nil
}

func limits() []cel.EnvOption {
	return []cel.EnvOption{
		cel.EnableIdentifierEscapeSyntax(),
		cel.ParserExpressionSizeLimit(MaxSource),
		cel.ParserRecursionLimit(100),
		cel.DefaultUTCTimeZone(true),
	}
}

// provider adds the typed event to the standard types.
type provider struct {
	types.Provider
	objects map[string]*object
}

// FindStructType implements the type provider of the CEL library.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if o, ok := p.objects[name]; ok {
		return types.NewTypeTypeWithParam(o.typ), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames implements the type provider of the CEL library.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	if o, ok := p.objects[name]; ok {
		return o.names, true
	}
	return p.Provider.FindStructFieldNames(name)
}

// FindStructFieldType implements the type provider of the CEL library.
func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	o, ok := p.objects[name]
	if !ok {
		return p.Provider.FindStructFieldType(name, field)
	}
	t, ok := o.fields[field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{Type: t}, true
}

// EventProgram is a compiled expression over events.
type EventProgram struct {
	source  string
	program cel.Program
	node    *Node
	refs    []Ref
	cost    uint64
}

// Source returns the text of the expression.
func (p *EventProgram) Source() string { return p.source }

// Node returns the checked syntax tree.
func (p *EventProgram) Node() *Node { return p.node }

// Refs returns the event values that the expression reads, once each, in the
// order of their first use; parts it names are not followed.
func (p *EventProgram) Refs() []Ref { return p.refs }

// Cost returns the estimated highest cost of one evaluation, in CEL units.
func (p *EventProgram) Cost() uint64 { return p.cost }

// Eval evaluates the program by the CEL interpreter. It fails only on run-time
// errors of the expression itself (division by zero, overflow).
func (p *EventProgram) Eval(in *Input) (bool, error) {
	v, _, err := p.program.Eval(in)
	if err != nil {
		return false, err
	}
	return v == types.True, nil
}

// Compile parses, checks, bounds and plans an expression that yields true or
// false over one event. It may name parts: programs compiled before. The error
// is Issues.
func (v *Env) Compile(src string, parts map[string]*EventProgram) (*EventProgram, error) {
	parsed, iss := v.cel.Parse(src)
	if iss.Err() != nil {
		return nil, explain(src, nil, iss, nil)
	}
	rw := &rewriter{open: schema.OpenNamespaces(), fac: celast.NewExprFactory(),
		parts: func(n string) bool { return parts[n] != nil }}
	rw.walk(parsed.NativeRep().Expr(), nil)
	checked, iss := v.cel.Check(parsed)
	if iss.Err() != nil {
		return nil, explain(src, parsed.NativeRep(), iss, v.names(parts))
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) {
		return nil, Issues{{Line: 1, Column: 1, Message: fmt.Sprintf("must be true or false, but is %s", t)}}
	}
	return v.finish(src, checked, parts)
}

func (v *Env) finish(src string, checked *cel.Ast, parts map[string]*EventProgram) (*EventProgram, error) {
	tree := checked.NativeRep()
	b := &binder{checked: tree, access: map[int64]access{}, lists: v.lists, event: true}
	b.walk(tree.Expr(), nil)
	if len(b.issues) > 0 {
		return nil, b.issues
	}
	cost, err := estimate(v.cel, checked, parts)
	if err != nil {
		return nil, err
	}
	p := &EventProgram{source: src, node: b.build(tree.Expr()), cost: cost}
	p.refs = refsOf(p.node, nil)
	b.flatten(tree.Expr())
	plan := &planner{access: b.access, parts: parts, lists: v.lists, adapt: v.cel.CELTypeAdapter()}
	p.program, err = v.cel.PlanProgram(tree, cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(plan.decorate))
	if err != nil {
		return nil, Issues{{Line: 1, Column: 1, Message: "planning: " + err.Error()}}
	}
	return p, nil
}

// flatten replaces each field access by the bare variable under the access's own
// id; the planner then puts a direct read in its place.
func (b *binder) flatten(e celast.Expr) {
	fac := celast.NewExprFactory()
	celast.PreOrderVisit(e, celast.NewExprVisitor(func(x celast.Expr) {
		if _, ok := b.access[x.ID()]; ok && x.Kind() == celast.SelectKind {
			x.SetKindCase(fac.NewIdent(x.ID(), root))
			b.checked.SetReference(x.ID(), celast.NewIdentReference(root, nil))
		}
	}))
}

func refsOf(n *Node, refs []Ref) []Ref {
	if (n.Op == OpField || n.Op == OpHas) && !slices.Contains(refs, n.Ref) {
		refs = append(refs, n.Ref)
	}
	for _, a := range n.Args {
		refs = refsOf(a, refs)
	}
	return refs
}

// names lists what an identifier may be, for suggestions.
func (v *Env) names(parts map[string]*EventProgram) []string {
	out := slices.Sorted(maps.Keys(parts))
	out = append(out, root, "has", "size", "timestamp", "duration", "matches", "contains", "startsWith", "endsWith")
	for _, f := range Functions() {
		out = append(out, f.Name)
	}
	return out
}

// estimate returns the highest static cost, or Issues when it is beyond MaxCost.
func estimate(env *cel.Env, checked *cel.Ast, parts map[string]*EventProgram) (uint64, error) {
	est, err := env.EstimateCost(checked, sizes{parts})
	if err != nil {
		return 0, Issues{{Line: 1, Column: 1, Message: "estimating the cost: " + err.Error()}}
	}
	if est.Max > MaxCost {
		return 0, Issues{{Line: 1, Column: 1,
			Message: fmt.Sprintf("too expensive: up to %d units an event, the limit is %d", est.Max, MaxCost),
			Hint:    "use fewer nested loops, shorter lists or plainer patterns"}}
	}
	return est.Max, nil
}

// sizes tells the cost estimator how long event values usually get at most.
type sizes struct{ parts map[string]*EventProgram }

const (
	maxText = 4096
	maxRaw  = 16384
	maxList = 64
)

// EstimateSize implements the estimator of the CEL library.
func (sizes) EstimateSize(n checker.AstNode) *checker.SizeEstimate {
	limit := uint64(maxText)
	path := n.Path()
	switch {
	case n.Type().Kind() == types.ListKind || n.Type().Kind() == types.MapKind:
		limit = maxList
	case len(path) == 2 && path[1] == RawField:
		limit = maxRaw
	}
	return &checker.SizeEstimate{Min: 0, Max: limit}
}

// EstimateCallCost implements the estimator of the CEL library for our functions.
func (s sizes) EstimateCallCost(function, _ string, target *checker.AstNode, args []checker.AstNode) *checker.CallEstimate {
	perByte := 0.1
	switch {
	case function == partFunc:
		if name, ok := literalText(args[0].Expr()); ok && s.parts[name] != nil {
			return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 1, Max: s.parts[name].cost + 1}}
		}
		return nil
	case function == "ilike":
		perByte = 1
	case function == "ieq":
		return equalityCost(s.EstimateSize(*target).Max, (*target).Type(), args)
	case isPredicate(function):
	case function == "inList" || function == "intel" || function == "score" || function == "threshold" || function == "cidr":
		return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 1, Max: 50}}
	default:
		return nil
	}
	patterns := 1
	if len(args) > 0 {
		if v, ok := literalTexts(args[0].Expr()); ok {
			patterns = len(v)
		}
	}
	size := s.EstimateSize(*target).Max
	if (*target).Type().Kind() == types.ListKind {
		size *= 64
	}
	most := uint64(float64(size)*perByte)*uint64(max(patterns, 1)) + 1
	return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 1, Max: most}}
}

// equalityCost is what comparing a text with a list costs: reading it once, and a
// look at each literal.
func equalityCost(size uint64, target *types.Type, args []checker.AstNode) *checker.CallEstimate {
	literals := 1
	if v, ok := literalTexts(args[0].Expr()); ok {
		literals = len(v)
	}
	if target.Kind() == types.ListKind {
		size *= 64
	}
	return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 1, Max: size/10 + uint64(literals) + 1}}
}

// AsIssues returns the problems that an error of Compile carries.
func AsIssues(err error) (Issues, bool) {
	var is Issues
	return is, errors.As(err, &is)
}
