package rules

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
	"vigil/internal/expr"
)

// compile checks and plans the rule's expressions; problems are placed in the
// file to the character.
func (l *loader) compile(d *reader, m *document.Mapping, r *Rule) {
	defer func() { r.terms = anyTerms(r) }()
	parts := map[string]*expr.EventProgram{}
	if n, ok := m.At["detect"]; ok {
		l.compileParts(d, n, r, parts)
	}
	if src, ok := implied(r); ok {
		p, err := l.env.Compile(src, nil)
		if err != nil {
			d.Fail(m.Node, "", "the %s condition: %v", r.Kind, err)
			return
		}
		r.conditions = append(r.conditions, p)
	}
	if r.Order != nil {
		l.compileSteps(d, m, r, parts)
		return
	}
	n, ok := m.At["when"]
	if !ok {
		if r.Kind == Match || r.Kind == Threshold || r.Kind == NewTerms {
			d.Fail(m.Node, "the condition, over e and the names of detect", "the key %q is missing", "when")
		}
		return
	}
	if p := l.expression(d, n, "when", parts); p != nil {
		r.When = p.Source()
		r.conditions = append(r.conditions, p)
		d.unusedParts(m.At["detect"], r, p.Node())
	}
}

// compileSteps compiles the steps of a sequence; the rule's condition is that an event
// is of any of them.
func (l *loader) compileSteps(d *reader, m *document.Mapping, r *Rule, parts map[string]*expr.EventProgram) {
	list, _ := m.At["sequence"].(*ast.MappingNode)
	if list == nil || len(d.Errs) > 0 {
		return // the places of steps are not known
	}
	var any []string
	var nodes []*expr.Node
	for i := range r.Order.Steps {
		s := &r.Order.Steps[i]
		if s.program = l.expression(d, stepNode(list, i), "a step", parts); s.program == nil {
			return
		}
		any = append(any, "("+s.When+")")
		nodes = append(nodes, s.program.Node())
	}
	p, err := l.env.Compile(strings.Join(any, " || "), parts)
	if err != nil {
		d.Fail(m.At["sequence"], "", "the steps together: %v", err)
		return
	}
	r.When = p.Source()
	r.conditions = append(r.conditions, p)
	d.unusedParts(m.At["detect"], r, nodes...)
}

// stepNode finds the expression of a step in the document.
func stepNode(sequence *ast.MappingNode, i int) ast.Node {
	for _, v := range sequence.Values {
		steps, ok := v.Value.(*ast.SequenceNode)
		if k, _ := document.Scalar(v.Key); !ok || k != "steps" {
			continue
		}
		step := steps.Values[i]
		values := []*ast.MappingValueNode{}
		switch x := step.(type) {
		case *ast.MappingNode:
			values = x.Values
		case *ast.MappingValueNode:
			values = append(values, x)
		}
		for _, kv := range values {
			if k, _ := document.Scalar(kv.Key); k == "when" || k == "absent" {
				return kv.Value
			}
		}
	}
	return sequence
}

func (l *loader) compileParts(d *reader, n ast.Node, r *Rule, parts map[string]*expr.EventProgram) {
	dm, ok := d.Mapping(n, "detect", nil)
	if !ok {
		return
	}
	for _, name := range dm.Keys {
		if !nameForm.MatchString(name) || name == "e" {
			d.Fail(dm.Key[name], "small letters, digits and _", "no part can be named %q", name)
			continue
		}
		p := l.expression(d, dm.At[name], name, parts)
		if p == nil {
			parts[name], _ = l.env.Compile("true", nil) // so that its uses are not errors too
		} else {
			parts[name] = p
			r.Detect = append(r.Detect, Part{Name: name, Expr: p.Source(), program: p})
		}
	}
}

// expression compiles one scalar; nil when it is wrong.
func (l *loader) expression(d *reader, n ast.Node, what string, parts map[string]*expr.EventProgram) *expr.EventProgram {
	src, ok := document.Scalar(n)
	if !ok || src == "" {
		d.Fail(n, "", "%s must be an expression", what)
		return nil
	}
	p, err := l.env.Compile(src, parts)
	if err == nil {
		return p
	}
	issues, ok := expr.AsIssues(err)
	if !ok {
		d.Fail(n, "", "%s: %v", what, err)
		return nil
	}
	places := d.places(n, src)
	for _, x := range issues {
		line, column := place(places, src, x.Line, x.Column)
		d.FailAt(line, column, x.Hint, "%s", x.Message)
	}
	return nil
}

// unusedParts refuses names that the condition does not use: a forgotten
// exclusion is a false alarm, a forgotten condition a miss.
func (d *reader) unusedParts(n ast.Node, r *Rule, conditions ...*expr.Node) {
	used := map[string]bool{}
	var walk func(n *expr.Node)
	walk = func(n *expr.Node) {
		if n.Op == expr.OpPart && !used[n.Name] {
			used[n.Name] = true
			if p := r.Part(n.Name); p != nil {
				walk(p.Node())
			}
		}
		for _, a := range n.Args {
			walk(a)
		}
	}
	for _, c := range conditions {
		walk(c)
	}
	for _, p := range r.Detect {
		if !used[p.Name] {
			d.Fail(n, "use it in when, or remove it", "the part %q is never used", p.Name)
		}
	}
}

// implied returns the condition that the kind of the rule brings along.
func implied(r *Rule) (string, bool) {
	switch {
	case r.Kind == Indicator:
		return "has(e.threat.indicator.value)", true
	case r.Kind == Anomaly && r.Detector != nil && idForm.MatchString(r.Detector.Name):
		name := "'" + r.Detector.Name + "'"
		if r.Detector.Threshold != nil {
			v := strconv.FormatFloat(*r.Detector.Threshold, 'f', -1, 64)
			return "score(" + name + ") >= double('" + v + "')", true
		}
		return "score(" + name + ") > 0.0 && score(" + name + ") >= threshold(" + name + ")", true
	}
	return "", false
}
