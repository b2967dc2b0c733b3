package rules

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/expr"
	"vigil/schema"
)

// NewEvent builds an event from field names and values, for tests and previews.
// A value that does not fit its field is an error.
func NewEvent(fields [][2]string) (*schema.Event, error) {
	e := &schema.Event{}
	e.Reset(nil, 0)
	for _, f := range fields {
		ref, ok := expr.ParseRef(f[0])
		switch {
		case !ok:
			return nil, fmt.Errorf("no field %q", f[0])
		case ref.Raw:
			e.Raw = []byte(f[1])
		case ref.Extra != "":
			e.AddExtra(ref.Extra, f[1])
		case !e.Set(ref.Field, f[1]):
			return nil, fmt.Errorf("%s cannot be %q", f[0], f[1])
		}
	}
	return e, nil
}

// Check runs the rule's inline tests and returns one LoadError for each that
// does not do what it says. The event of a test gets the rule's first dataset
// when it names none.
func (r *Rule) Check() []error {
	var errs []error
	one := newSet([]*Rule{r}, nil).Evaluator()
	fail := func(c Case, format string, args ...any) {
		errs = append(errs, &LoadError{File: r.File, Line: c.Line, Column: 1, Rule: r.ID,
			Message: fmt.Sprintf("test %q: ", c.Name) + fmt.Sprintf(format, args...)})
	}
	for _, c := range r.Tests {
		e, err := NewEvent(c.Event)
		if err != nil {
			fail(c, "%v", err)
			continue
		}
		if !e.Has(schema.FEventDataset) {
			e.SetStr(schema.FEventDataset, strings.TrimSuffix(r.Datasets[0], ".*"))
		}
		hits := one.Evaluate(e, nil)
		if n, err := one.Failures(); n > 0 {
			fail(c, "%v", err)
		} else if fired := len(hits) > 0; fired != c.Match && r.Runs() {
			fail(c, "the rule fired: %t, want %t", fired, c.Match)
		}
	}
	return errs
}

func (d *document) readTests(m *mapping, r *Rule) {
	n, ok := m.at["tests"]
	if !ok {
		return
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, "", "tests must be a list")
		return
	}
	for _, v := range seq.Values {
		tm, ok := d.mapping(v, "a test", []string{"name", "match", "event"})
		if !ok {
			continue
		}
		c := Case{Name: tm.need("name", "what the event shows"), Match: tm.oneOf("match", "true", "true", "false") == "true",
			Line: d.line + v.GetToken().Position.Line - 1}
		if ev, ok := tm.at["event"]; ok {
			c.Event = d.readEvent(ev)
		} else {
			d.fail(v, "", "the test has no event")
		}
		r.Tests = append(r.Tests, c)
	}
}

func (d *document) readEvent(n ast.Node) [][2]string {
	em, ok := d.mapping(n, "an event", nil)
	if !ok {
		return nil
	}
	var out [][2]string
	for _, name := range em.keys {
		if _, ok := expr.ParseRef(name); !ok {
			d.fail(em.key[name], suggest(name, fieldNames()), "no field %q", name)
			continue
		}
		for _, v := range em.list(name) {
			out = append(out, [2]string{name, v})
		}
	}
	return out
}
