package rules

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"vigil/internal/document"
	"vigil/internal/expr"
)

// Levels of cost that a rule is warned of.
const (
	lintCost   = 50_000                // estimated units of all its conditions
	lintTime   = 20 * time.Microsecond // measured an event that it is evaluated on
	lintRepeat = 200                   // characters that a regular expression counts
)

// Cost is the estimated cost of evaluating the rule once, in units of CEL.
func (r *Rule) Cost() uint64 {
	var n uint64
	for _, c := range r.conditions {
		n += c.Cost()
	}
	return n
}

// Indexed says whether an index over values can choose the events that the rule is
// evaluated on.
func (r *Rule) Indexed() bool { return r.terms != nil || r.Query != nil }

// Coded says whether the rule is evaluated on events of certain codes only.
func (r *Rule) Coded() bool {
	return slices.ContainsFunc(r.conditions, func(c *expr.EventProgram) bool { return codeBound(r, c.Node(), false) })
}

// Lint returns what makes the rule dear: warnings, each at its place.
func (r *Rule) Lint() []error {
	var out []error
	warn := func(hint, format string, args ...any) {
		out = append(out, &document.Error{File: r.File, Line: r.Line, Column: 1, ID: r.ID, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	if !r.Indexed() && !r.Coded() {
		warn("add a test for equality, a prefix, a suffix or a text that must occur", "no index can serve the rule: it is evaluated on every event of %s", strings.Join(r.Datasets, ", "))
	}
	if c := r.Cost(); c > lintCost {
		warn("an ordinary rule has some thousands", "the estimated cost is %d units", c)
	}
	for _, re := range r.patterns() {
		if why := expensive(re); why != "" {
			warn("test the length with size(), or anchor the expression", "the regular expression %q %s", clip(re), why)
		}
	}
	if t := r.measure(); t > lintTime {
		warn("look at its regular expressions and long lists", "an evaluation takes %s on the events of its tests", t)
	}
	return out
}

// patterns are the regular expressions of the rule.
func (r *Rule) patterns() []string {
	var out []string
	var walk func(n *expr.Node)
	walk = func(n *expr.Node) {
		if n.Op == expr.OpCall && n.Name == "matches" && len(n.Args) == 2 {
			if texts, ok := n.Args[1].Strings(); ok {
				out = append(out, texts...)
			}
		}
		for _, a := range n.Args {
			walk(a)
		}
	}
	for _, p := range r.Detect {
		walk(p.program.Node())
	}
	for _, c := range r.conditions {
		walk(c.Node())
	}
	return out
}

// expensive says why a regular expression costs much in an automaton without backtracking:
// counted repeats are written out, and each of them inside another multiplies.
func expensive(re string) string {
	p, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		return "" // the compiler has refused it
	}
	if n := repeats(p); n >= lintRepeat {
		return fmt.Sprintf("counts up to %d characters", n)
	}
	return ""
}

func repeats(p *syntax.Regexp) int {
	n := 0
	for _, s := range p.Sub {
		n = max(n, repeats(s))
	}
	if p.Op == syntax.OpRepeat {
		return max(n, 1) * max(p.Min, p.Max)
	}
	return n
}

// measure evaluates the rule on the events of its tests, a thousand times.
func (r *Rule) measure() time.Duration {
	var events [][][2]string
	for _, c := range r.Tests {
		if c.Event != nil {
			events = append(events, c.Event)
		}
		events = append(events, c.Events...)
	}
	if len(events) == 0 || r.Query != nil {
		return 0
	}
	set := newSet([]*Rule{r}, nil)
	v := set.Reference()
	best := time.Duration(0)
	for i, fields := range events[:min(len(events), 10)] {
		e, err := r.testEvent(fields, i)
		if err != nil {
			continue
		}
		const rounds = 100
		least := time.Duration(1 << 62) // other work on the machine only adds
		for range 10 {
			began := time.Now()
			for range rounds {
				v.Evaluate(e, nil)
			}
			least = min(least, time.Since(began)/rounds)
		}
		best = max(best, least)
	}
	return best
}
