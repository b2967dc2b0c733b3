package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
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

// Check runs the rule's inline tests of single events and returns one document.Error for
// each that does not do what it says; those of several events are for
// rules/correlate. The event of a test gets the rule's first dataset when it names none.
func (r *Rule) Check() []error {
	var errs []error
	one := newSet([]*Rule{r}, nil).Evaluator()
	for _, c := range r.Tests {
		if c.Events != nil {
			continue
		}
		e, err := r.testEvent(c.Event, 0)
		if err != nil {
			errs = append(errs, r.Failed(c, "%v", err))
			continue
		}
		hits := one.Evaluate(e, nil)
		if n, err := one.Failures(); n > 0 {
			errs = append(errs, r.Failed(c, "%v", err))
		} else if fired := len(hits) > 0; fired != c.Match && r.Runs() {
			errs = append(errs, r.Failed(c, "the rule fired: %t, want %t", fired, c.Match))
		}
	}
	return errs
}

// Failed is the error of an inline test, at its place.
func (r *Rule) Failed(c Case, format string, args ...any) error {
	return &document.Error{File: r.File, Line: c.Line, Column: 1, ID: r.ID, Message: fmt.Sprintf("test %q: ", c.Name) + fmt.Sprintf(format, args...)}
}

// testEvent makes the n-th event of a test. Events without time follow each other by a
// second.
func (r *Rule) testEvent(fields [][2]string, n int) (*schema.Event, error) {
	e, err := NewEvent(fields)
	if err != nil {
		return nil, err
	}
	if !e.Has(schema.FEventDataset) {
		e.SetStr(schema.FEventDataset, strings.TrimSuffix(r.Datasets[0], ".*"))
	}
	if !e.Has(schema.FTimestamp) {
		e.SetTime(schema.FTimestamp, time.Date(2024, 1, 1, 0, 0, n, 0, time.UTC))
	}
	e.ID = schema.EventIDAt(1, int64(n))
	return e, nil
}

// TestEvents makes the events of a test of several.
func (r *Rule) TestEvents(c Case) ([]*schema.Event, error) {
	out := make([]*schema.Event, len(c.Events))
	for i, fields := range c.Events {
		var err error
		if out[i], err = r.testEvent(fields, i); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// TestBases makes the base detections of a test of several events.
func (r *Rule) TestBases(c Case) ([]schema.Detection, error) {
	events, err := r.TestEvents(c)
	if err != nil {
		return nil, err
	}
	one := newSet([]*Rule{r}, nil).Evaluator()
	var out []schema.Detection
	for _, e := range events {
		for _, h := range one.Evaluate(e, nil) {
			out = append(out, h.Detection(Origin{Org: schema.DefaultOrg}))
		}
	}
	_, err = one.Failures()
	return out, err
}

func (d *reader) readTests(m *document.Mapping, r *Rule) {
	n, ok := m.At["tests"]
	if !ok {
		return
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.Fail(n, "", "tests must be a list")
		return
	}
	for _, v := range seq.Values {
		if tm, ok := d.Mapping(v, "a test", []string{"name", "match", "event", "events"}); ok {
			d.readTest(tm, r)
		}
	}
}

func (d *reader) readTest(tm *document.Mapping, r *Rule) {
	line, _ := document.Place(tm.Node)
	c := Case{Name: tm.Need("name", "what the event shows"), Match: tm.OneOf("match", "true", []string{"true", "false"}) == "true", Line: d.First + line - 1}
	one, isOne := tm.At["event"]
	many, isMany := tm.At["events"]
	switch {
	case isOne == isMany:
		d.Fail(tm.Node, "", "the test has no event, or both event and events")
	case isOne && r.Query != nil, isMany && r.Query == nil && !r.Stateful():
		d.Fail(tm.Node, "event is for rules that look at single events, events for the others", "a rule of kind %s cannot be tested so", r.Kind)
	case isOne:
		c.Event = d.readEvent(one)
	default:
		list, ok := many.(*ast.SequenceNode)
		if !ok || len(list.Values) == 0 || len(list.Values) > maxTestEvents {
			d.Fail(many, "", "events must be a list of 1 to %d events", maxTestEvents)
			return
		}
		for _, n := range list.Values {
			c.Events = append(c.Events, d.readEvent(n))
		}
	}
	r.Tests = append(r.Tests, c)
}

// maxTestEvents bounds the events of one inline test.
const maxTestEvents = 500

func (d *reader) readEvent(n ast.Node) [][2]string {
	em, ok := d.Mapping(n, "an event", nil)
	if !ok {
		return nil
	}
	var out [][2]string
	for _, name := range em.Keys {
		if _, ok := expr.ParseRef(name); !ok {
			d.Fail(em.Key[name], document.Suggest(name, fieldNames()), "no field %q", name)
			continue
		}
		values, _ := em.List(name)
		for _, v := range values {
			out = append(out, [2]string{name, v})
		}
	}
	return out
}
