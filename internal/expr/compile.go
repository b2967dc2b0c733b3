package expr

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"vigil/schema"
)

// Program is a compiled expression over variables of its own, for playbooks,
// policies and mappings. It is safe for concurrent use.
type Program struct {
	source  string
	program cel.Program
}

// Compile parses, checks, bounds and plans an expression over the given
// variables. Besides standard CEL it knows the text predicates, cidr and
// [TextFunctions]. The error is a schema.Error of code Invalid that carries Issues.
func Compile(src string, vars map[string]Type) (Program, error) {
	opts := append(append(limits(), declarations()...), textDeclarations()...)
	names := slices.Sorted(maps.Keys(vars))
	for _, n := range names {
		opts = append(opts, cel.Variable(n, vars[n].cel()))
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return Program{}, fmt.Errorf("building the expression environment: %w", err)
	}
	c, err := compileCondition(env, src, names)
	if err != nil {
		return Program{}, schema.E(schema.Invalid, fmt.Sprintf("expression %q", src), "", err)
	}
	return c, nil
}

func compileCondition(env *cel.Env, src string, names []string) (Program, error) {
	parsed, iss := env.Parse(src)
	if iss.Err() != nil {
		return Program{}, explain(src, nil, iss, nil)
	}
	checked, iss := env.Check(parsed)
	if iss.Err() != nil {
		return Program{}, explain(src, parsed.NativeRep(), iss, append(names, textFunctionNames()...))
	}
	tree := checked.NativeRep()
	b := &binder{checked: tree, access: map[int64]access{}}
	b.walk(tree.Expr(), nil)
	if len(b.issues) > 0 {
		return Program{}, b.issues
	}
	if _, err := estimate(env, checked, nil); err != nil {
		return Program{}, err
	}
	plan := &planner{adapt: env.CELTypeAdapter()}
	prog, err := env.PlanProgram(tree, cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(plan.decorate))
	if err != nil {
		return Program{}, Issues{{Line: 1, Column: 1, Message: "planning: " + err.Error()}}
	}
	return Program{source: src, program: prog}, nil
}

// Eval evaluates the expression over values for its variables: bool, int64, int,
// float64, string, time.Time, time.Duration, []string, map[string]string or what
// JSON decodes to. The result has the Go type of its value.
func (p Program) Eval(vars map[string]any) (any, error) {
	if vars == nil {
		vars = map[string]any{}
	}
	v, _, err := p.program.Eval(vars)
	if err != nil {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("evaluating %q", p.source), "", err)
	}
	if t, ok := v.(types.Timestamp); ok {
		return t.Time, nil
	}
	return v.Value(), nil
}

// EvalBool evaluates an expression that must yield true or false.
func (p Program) EvalBool(vars map[string]any) (bool, error) {
	v, err := p.Eval(vars)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, schema.E(schema.Invalid, fmt.Sprintf("evaluating %q: the result is %T, not true or false", p.source, v), "")
	}
	return b, nil
}

// EvalString evaluates an expression that must yield text.
func (p Program) EvalString(vars map[string]any) (string, error) {
	v, err := p.Eval(vars)
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", schema.E(schema.Invalid, fmt.Sprintf("evaluating %q: the result is %T, not text", p.source, v), "")
	}
	return s, nil
}
