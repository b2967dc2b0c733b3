// Package posture measures how well this Vigil sees and answers, against an
// objectives file: which sources, rules and techniques are present, stale or silent,
// how soon people acknowledge, how much is lost to parsers, how old feeds and models
// are. It is pure: facts and a time in, an assessment out.
package posture

import (
	_ "embed"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
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

// Parse reads and checks an objectives file. The document is nil when there is any
// error; every error names its place.
func Parse(file string, text []byte) (doc *Document, errs []error) {
	errs = document.Read(file, text, MaxDocument, func(d *document.Reader, body ast.Node) { doc = (&reader{d}).document(body) })
	if len(errs) > 0 {
		return nil, errs
	}
	return doc, nil
}

// reader reads an objectives file.
type reader struct{ *document.Reader }

func (r *reader) document(n ast.Node) *Document {
	m, ok := r.Mapping(n, "an objectives file", []string{"id", "title", "objectives"})
	if !ok {
		return nil
	}
	d := &Document{ID: m.Name("id", "a stable name like office; findings are kept under it"), Title: m.Need("title", "one line for people")}
	seq, ok := m.At["objectives"].(*ast.SequenceNode)
	if !ok || len(seq.Values) == 0 {
		at := m.At["objectives"]
		if at == nil {
			at = n
		}
		r.Fail(at, "write objectives: and a list below it", "the file has no list of objectives")
		return nil
	}
	seen := map[string]bool{}
	for _, v := range seq.Values {
		o, node, ok := r.objective(v)
		if !ok {
			continue
		}
		if seen[o.ID] {
			r.Fail(node, "", "the id %q is used before", o.ID)
		}
		seen[o.ID] = true
		d.Objectives = append(d.Objectives, o)
	}
	return d
}

func (r *reader) objective(n ast.Node) (o Objective, id ast.Node, ok bool) {
	m, ok := r.Mapping(n, "an objective", []string{"id", "title", "metric", "comparator", "target", "severity", "scope"})
	if !ok {
		return o, n, false
	}
	o.ID, o.Title = m.Name("id", "a stable name; the finding is kept under it"), m.Need("title", "what is wanted, in one line")
	name := m.Need("metric", "one of "+strings.Join(metricNames(), ", "))
	x, known := metricOf(name)
	if !known {
		if name != "" {
			r.Fail(m.At["metric"], document.Suggest(name, metricNames()), "there is no metric %q", name)
		}
		return o, n, false
	}
	o.Metric, o.metric = name, x
	o.Comparator = m.OneOf("comparator", x.comparator, []string{AtLeast, AtMost})
	o.Severity = schema.Severity(m.OneOf("severity", string(schema.Medium), severities()))
	o.Target = r.target(m, x)
	if s, ok := m.At["scope"]; ok {
		o.Scope = r.scope(s, x)
	}
	if id = m.At["id"]; id == nil {
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
func (r *reader) target(m *document.Mapping, x metric) float64 {
	s := m.Need("target", "in "+x.unit+", like "+x.example)
	if s == "" {
		return 0
	}
	switch x.unit {
	case Seconds:
		if d, ok := document.ParseDuration(s); ok {
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
	r.Fail(m.At["target"], "write it like "+x.example, "target cannot be %q for %s", s, x.name)
	return 0
}

var techniqueForm = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)

func (r *reader) scope(n ast.Node, x metric) Scope {
	var s Scope
	m, ok := r.Mapping(n, "the scope of "+x.name, x.scope)
	if !ok {
		return s
	}
	s.Tactic = m.OneOf("tactic", "", Tactics())
	techniques, nodes := m.List("techniques")
	for i, t := range techniques {
		if !techniqueForm.MatchString(t) {
			r.Fail(nodes[i], "write T1059 or T1059.001", "a technique cannot be %q", t)
		}
	}
	s.Techniques = techniques
	s.Sources, s.Rules, s.Feeds, s.Detectors = r.patterns(m, "sources"), r.patterns(m, "rules"), r.patterns(m, "feeds"), r.patterns(m, "detectors")
	s.Severity = schema.Severity(m.OneOf("severity", "", severities()))
	s.Within = m.Duration("within", 0)
	return s
}

// patterns reads a list of ids that may hold wildcards.
func (r *reader) patterns(m *document.Mapping, key string) []string {
	list, nodes := m.List(key)
	for i, p := range list {
		if _, err := path.Match(p, "x"); err != nil {
			r.Fail(nodes[i], "* stands for any characters", "%q is no pattern", p)
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
