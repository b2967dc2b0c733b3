// Package posture measures how well this Vigil sees and answers, against an
// objectives file: which sources, rules and techniques are present, stale or silent,
// how soon people acknowledge, how much is lost to parsers, how old feeds and models
// are. It is pure: facts and a time in, an assessment out.
package posture

import (
	_ "embed"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"vigil/schema"
)

// Document is a checked objectives file.
type Document struct {
	ID         string
	Title      string
	Objectives []Objective
}

// Objective is one thing that is wanted.
type Objective struct {
	ID, Title  string
	Metric     string
	Comparator string  // at_least, at_most
	Target     float64 // percent, seconds or a count, by metric
	Severity   schema.Severity
	Scope      Scope

	metric metric
}

// Scope narrows an objective; which keys a metric takes is in its row of [Metrics].
type Scope struct {
	Tactic     string
	Techniques []string
	Sources    []string // ids, * is a wildcard
	Rules      []string
	Feeds      []string
	Detectors  []string
	Severity   schema.Severity // at least so severe
	Within     time.Duration
}

// The comparators.
const (
	AtLeast = "at_least"
	AtMost  = "at_most"
)

// MaxDocument is the largest objectives file, in bytes.
const MaxDocument = 256 << 10

//go:embed default.yaml
var builtin []byte

// Default returns the built-in objectives file.
func Default() (*Document, []error) { return Parse("default.yaml", builtin) }

// DefaultText is the built-in objectives file as text, to start an own one from.
func DefaultText() string { return string(builtin) }

// LoadError is one thing wrong with an objectives file, at its exact place.
type LoadError struct {
	File         string
	Line, Column int // from 1
	Message      string
	Hint         string
}

// Error returns "file:line:column: message (hint)".
func (e *LoadError) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the error as a schema.Error of code Invalid.
func (e *LoadError) Unwrap() error { return schema.E(schema.Invalid, e.Message, e.Hint) }

var idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,63}$`)

// Parse reads and checks an objectives file. The document is nil when there is any
// error; every error names its place.
func Parse(file string, text []byte) (doc *Document, errs []error) {
	r := &reader{file: file}
	defer func() {
		if p := recover(); p != nil { // the YAML parser must not take us down
			doc, errs = nil, []error{&LoadError{File: file, Line: 1, Column: 1, Message: fmt.Sprintf("not readable as YAML: %v", p)}}
		}
	}()
	if len(text) > MaxDocument {
		return nil, []error{&LoadError{File: file, Line: 1, Column: 1, Message: fmt.Sprintf("the file has %d bytes, the limit is %d", len(text), MaxDocument)}}
	}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, []error{r.yamlError(err)}
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		return nil, []error{&LoadError{File: file, Line: 1, Column: 1, Message: "a file holds one document with objectives", Hint: "see docs/reference/posture.md"}}
	}
	doc = r.document(f.Docs[0].Body)
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	return doc, nil
}

// reader collects what is wrong with a file.
type reader struct {
	file string
	errs []error
}

func (r *reader) yamlError(err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		p := at.GetToken().Position
		return &LoadError{File: r.file, Line: max(p.Line, 1), Column: max(p.Column, 1), Message: "not YAML: " + at.GetMessage()}
	}
	return &LoadError{File: r.file, Line: 1, Column: 1, Message: "not YAML: " + err.Error()}
}

func (r *reader) fail(n ast.Node, hint, format string, args ...any) {
	line, column := 1, 1
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		line, column = t.Position.Line, t.Position.Column
	}
	r.errs = append(r.errs, &LoadError{File: r.file, Line: max(line, 1), Column: max(column, 1), Message: fmt.Sprintf(format, args...), Hint: hint})
}

func suggest(name string, among []string) string {
	if near := schema.Nearest(name, among); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "one of " + strings.Join(among, ", ")
}

// mapping is a YAML mapping with its values and keys.
type mapping struct {
	r    *reader
	node ast.Node
	at   map[string]ast.Node
}

// mapping reads n as a mapping whose keys are among known.
func (r *reader) mapping(n ast.Node, what string, known []string) (*mapping, bool) {
	m := &mapping{r: r, node: n, at: map[string]ast.Node{}}
	var values []*ast.MappingValueNode
	switch x := n.(type) {
	case *ast.MappingNode:
		values = x.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{x}
	default:
		r.fail(n, "", "%s must be a mapping of names to values", what)
		return m, false
	}
	for _, v := range values {
		k, ok := scalar(v.Key)
		switch {
		case !ok:
			r.fail(v.Key, "", "%s has a key that is not a plain name", what)
		case !slices.Contains(known, k):
			r.fail(v.Key, suggest(k, known), "%s has no key %q", what, k)
		case m.at[k] != nil:
			r.fail(v.Key, "", "%s has the key %q twice", what, k)
		default:
			m.at[k] = v.Value
		}
	}
	return m, true
}

// scalar returns the text of a scalar node.
func scalar(n ast.Node) (string, bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.LiteralNode:
		return x.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return x.GetToken().Value, true
	case *ast.NullNode:
		return "", true
	}
	return "", false
}

func (m *mapping) text(key string) string {
	n, ok := m.at[key]
	if !ok {
		return ""
	}
	s, ok := scalar(n)
	if !ok {
		m.r.fail(n, "", "%s must be text", key)
	}
	return strings.TrimSpace(s)
}

func (m *mapping) need(key, why string) string {
	s := m.text(key)
	if _, ok := m.at[key]; !ok {
		m.r.fail(m.node, why, "the key %q is missing", key)
	} else if s == "" {
		m.r.fail(m.at[key], why, "%s is empty", key)
	}
	return s
}

// name reads a stable name.
func (m *mapping) name(key, why string) string {
	s := m.need(key, why)
	if s != "" && !idForm.MatchString(s) {
		m.r.fail(m.at[key], "small letters, digits and hyphens, 2 to 64 characters", "%s cannot be %q", key, s)
	}
	return s
}

// list reads a list of texts; a single text is a list of one.
func (m *mapping) list(key string) ([]string, []ast.Node) {
	n, ok := m.at[key]
	if !ok {
		return nil, nil
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		if s := m.text(key); s != "" {
			return []string{s}, []ast.Node{n}
		}
		return nil, nil
	}
	var out []string
	var nodes []ast.Node
	for _, v := range seq.Values {
		s, ok := scalar(v)
		if !ok || s == "" {
			m.r.fail(v, "", "%s must be a list of texts", key)
			continue
		}
		out, nodes = append(out, s), append(nodes, v)
	}
	return out, nodes
}

// oneOf reads a word that must be among the allowed ones; def when absent.
func (m *mapping) oneOf(key, def string, allowed []string) string {
	n, ok := m.at[key]
	if !ok {
		return def
	}
	s := m.text(key)
	if !slices.Contains(allowed, s) {
		m.r.fail(n, suggest(s, allowed), "%s cannot be %q", key, s)
	}
	return s
}

func (r *reader) document(n ast.Node) *Document {
	m, ok := r.mapping(n, "an objectives file", []string{"id", "title", "objectives"})
	if !ok {
		return nil
	}
	d := &Document{ID: m.name("id", "a stable name like office; findings are kept under it"), Title: m.need("title", "one line for people")}
	seq, ok := m.at["objectives"].(*ast.SequenceNode)
	if !ok || len(seq.Values) == 0 {
		at := m.at["objectives"]
		if at == nil {
			at = n
		}
		r.fail(at, "write objectives: and a list below it", "the file has no list of objectives")
		return nil
	}
	seen := map[string]bool{}
	for _, v := range seq.Values {
		o, node, ok := r.objective(v)
		if !ok {
			continue
		}
		if seen[o.ID] {
			r.fail(node, "", "the id %q is used before", o.ID)
		}
		seen[o.ID] = true
		d.Objectives = append(d.Objectives, o)
	}
	return d
}

func (r *reader) objective(n ast.Node) (o Objective, id ast.Node, ok bool) {
	m, ok := r.mapping(n, "an objective", []string{"id", "title", "metric", "comparator", "target", "severity", "scope"})
	if !ok {
		return o, n, false
	}
	o.ID, o.Title = m.name("id", "a stable name; the finding is kept under it"), m.need("title", "what is wanted, in one line")
	name := m.need("metric", "one of "+strings.Join(metricNames(), ", "))
	x, known := metricOf(name)
	if !known {
		if name != "" {
			r.fail(m.at["metric"], suggest(name, metricNames()), "there is no metric %q", name)
		}
		return o, n, false
	}
	o.Metric, o.metric = name, x
	o.Comparator = m.oneOf("comparator", x.comparator, []string{AtLeast, AtMost})
	o.Severity = schema.Severity(m.oneOf("severity", string(schema.Medium), severities()))
	o.Target = r.target(m, x)
	if s, ok := m.at["scope"]; ok {
		o.Scope = r.scope(s, x)
	}
	if id = m.at["id"]; id == nil {
		id = n
	}
	return o, id, true
}

func severities() []string {
	var out []string
	for _, s := range schema.Severities() {
		out = append(out, string(s))
	}
	return out
}

// target reads a target in the metric's unit.
func (r *reader) target(m *mapping, x metric) float64 {
	s := m.need("target", "in "+x.unit+", like "+x.example)
	if s == "" {
		return 0
	}
	switch x.unit {
	case Seconds:
		if d, ok := duration(s); ok {
			return d.Seconds()
		}
	case Percent:
		if v, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64); err == nil && v >= 0 && v <= 100 {
			return v
		}
	default:
		if v, err := strconv.Atoi(s); err == nil && v >= 0 {
			return float64(v)
		}
	}
	r.fail(m.at["target"], "write it like "+x.example, "target cannot be %q for %s", s, x.name)
	return 0
}

// duration reads 90s, 15m, 1h, 7d.
func duration(s string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if v, err := strconv.Atoi(days); err == nil && v > 0 && v <= 3650 {
			return time.Duration(v) * 24 * time.Hour, true
		}
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0 && d <= 3650*24*time.Hour
}

var techniqueForm = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)

func (r *reader) scope(n ast.Node, x metric) Scope {
	var s Scope
	m, ok := r.mapping(n, "the scope of "+x.name, x.scope)
	if !ok {
		return s
	}
	s.Tactic = m.oneOf("tactic", "", Tactics())
	techniques, nodes := m.list("techniques")
	for i, t := range techniques {
		if !techniqueForm.MatchString(t) {
			r.fail(nodes[i], "write T1059 or T1059.001", "a technique cannot be %q", t)
		}
	}
	s.Techniques = techniques
	s.Sources, s.Rules, s.Feeds, s.Detectors = r.patterns(m, "sources"), r.patterns(m, "rules"), r.patterns(m, "feeds"), r.patterns(m, "detectors")
	s.Severity = schema.Severity(m.oneOf("severity", "", severities()))
	if w, ok := m.at["within"]; ok {
		if s.Within, ok = duration(m.text("within")); !ok {
			r.fail(w, "write a time like 15m, 1h or 7d", "within cannot be %q", m.text("within"))
		}
	}
	return s
}

// patterns reads a list of ids that may hold wildcards.
func (r *reader) patterns(m *mapping, key string) []string {
	list, nodes := m.list(key)
	for i, p := range list {
		if _, err := path.Match(p, "x"); err != nil {
			r.fail(nodes[i], "* stands for any characters", "%q is no pattern", p)
		}
	}
	return list
}

// matches says whether the id is meant by the patterns; none mean all.
func matches(patterns []string, id string) bool {
	if len(patterns) == 0 {
		return true
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, id)
		return ok && err == nil
	})
}
