package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"vigil/internal/expr"
	"vigil/schema"
)

// AnyRule is the rule of an exception that is for all rules.
const AnyRule = "*"

// Exception hides what a rule finds in certain events: detections are stored and
// counted, but raise nothing.
type Exception struct {
	ID   string `json:"id"`
	Rule string `json:"rule"` // or AnyRule
	When string `json:"when"` // condition over e

	program *expr.EventProgram
}

// Program is the checked condition.
func (x *Exception) Program() *expr.EventProgram { return x.program }

// NewException checks an exception's condition.
func NewException(id, rule, when string) (*Exception, error) {
	env, err := expr.NewEnv(expr.Options{})
	if err != nil {
		return nil, err
	}
	p, err := env.Compile(when, nil)
	if issues, ok := expr.AsIssues(err); ok && len(issues) > 0 {
		i := issues[0]
		return nil, schema.E(schema.Invalid, fmt.Sprintf("the condition, line %d, column %d: %s", i.Line, i.Column, i.Message), i.Hint)
	}
	if err != nil {
		return nil, schema.E(schema.Invalid, "the condition: "+err.Error(), "write it as in a rule: e.source.ip == '192.0.2.1'")
	}
	return &Exception{ID: id, Rule: rule, When: p.Source(), program: p}, nil
}

// Overlay is what is laid over the rules of a set without changing them.
type Overlay struct {
	Exceptions []*Exception
	Off        map[string]string // rules that are not run: id → why
}

// With returns the set with an overlay in place of the one it has. Its hash tells the
// overlay too, so that chunks pin it. Reasons do not count.
func (s *Set) With(o Overlay) *Set {
	out := newSet(slices.Clone(s.rules), s.lists)
	out.overlay = o
	parts := []string{"overlay", out.hash}
	byID := func(a, b *Exception) int { return strings.Compare(a.ID, b.ID) }
	for _, x := range slices.SortedFunc(slices.Values(o.Exceptions), byID) {
		parts = append(parts, "exception", x.ID, x.Rule, x.When)
		if out.exceptions == nil {
			out.exceptions = map[string][]*Exception{}
		}
		out.exceptions[x.Rule] = append(out.exceptions[x.Rule], x)
	}
	for _, id := range slices.Sorted(maps.Keys(o.Off)) {
		parts = append(parts, "off", id)
	}
	if len(parts) > 2 {
		out.hash = schema.HashID(parts...)
	}
	return out
}

// Overlay returns what is laid over the set.
func (s *Set) Overlay() Overlay { return s.overlay }

// Lists returns the named lists of the set.
func (s *Set) Lists() map[string][]string { return s.lists }

// Runs says whether the set evaluates the rule.
func (s *Set) Runs(r *Rule) bool { return r.Runs() && s.overlay.Off[r.ID] == "" }

// excepted returns the id of the first exception that hides the rule's hit, "" for none.
func (s *Set) excepted(r *Rule, in *expr.Input) string {
	if s.exceptions == nil {
		return ""
	}
	for _, list := range [][]*Exception{s.exceptions[r.ID], s.exceptions[AnyRule]} {
		for _, x := range list {
			if ok, err := x.program.Eval(in); ok && err == nil {
				return x.ID
			}
		}
	}
	return ""
}
