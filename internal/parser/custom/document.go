// Package custom makes parsers of documents: one YAML file says how a format is recognised,
// how its records are taken apart, which value goes to which field, and holds samples with the
// events that must come out. It does no I/O; a set of documents is named by its hash, and a
// plan pins it by that name.
package custom

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"vigil/internal/document"
	"vigil/internal/parser"
)

// Bounds of a document. Regular expressions run in time that is linear in the record, times
// the size of the expression; that is what maxPattern is for.
const (
	MaxFile    = 256 << 10
	maxSamples = 200
	maxPattern = 4096
)

// written is a file as it is written.
type written struct {
	ID          string      `yaml:"id"`
	Description string      `yaml:"description"`
	Module      string      `yaml:"module"`
	Dataset     string      `yaml:"dataset"`
	Detect      detectDoc   `yaml:"detect"`
	Shape       shapeDoc    `yaml:"shape"`
	Keys        nodeDoc     `yaml:"keys"`
	Drop        texts       `yaml:"drop"`
	Set         nodeDoc     `yaml:"set"`
	Fields      nodeDoc     `yaml:"fields"`
	Samples     []sampleDoc `yaml:"samples"`
}

type detectDoc struct {
	Confidence int      `yaml:"confidence"`
	Contains   []string `yaml:"contains"`
	Matches    string   `yaml:"matches"`
	Name       string   `yaml:"name"`
}

type shapeDoc struct {
	Type      string   `yaml:"type"`
	Syslog    bool     `yaml:"syslog"`
	Pattern   string   `yaml:"pattern"`
	Columns   []string `yaml:"columns"`
	Header    bool     `yaml:"header"`
	Delimiter string   `yaml:"delimiter"`
	Pair      string   `yaml:"pair"`
	Separator string   `yaml:"separator"`
	Skip      string   `yaml:"skip"`
}

// nodeDoc is a part that package mapping reads.
type nodeDoc struct{ ast.Node }

// UnmarshalYAML implements the decoder's interface.
func (d *nodeDoc) UnmarshalYAML(n ast.Node) error {
	d.Node = n
	return nil
}

type sampleDoc struct {
	Record string           `yaml:"record"`
	Is     string           `yaml:"is"`
	Error  string           `yaml:"error"`
	Event  map[string]texts `yaml:"event"`
}

// texts is one text or a list of texts; numbers and truth values are taken as they are written.
type texts []string

// UnmarshalYAML implements the decoder's interface.
func (t *texts) UnmarshalYAML(n ast.Node) error {
	switch n := n.(type) {
	case *ast.SequenceNode:
		for _, v := range n.Values {
			s, err := scalarText(v)
			if err != nil {
				return err
			}
			*t = append(*t, s)
		}
		return nil
	case *ast.NullNode:
		return nil
	default:
		s, err := scalarText(n)
		*t = texts{s}
		return err
	}
}

func scalarText(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	}
	return "", &yaml.SyntaxError{Message: "want a text or a list of texts", Token: n.GetToken()}
}

// Problem is what is wrong with a document, and where.
type Problem struct {
	File         string
	Line, Column int
	Message      string
}

// Error implements error.
func (p *Problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// reader turns one file into a format and collects what is wrong with it.
type reader struct {
	file     string
	tree     *ast.File
	doc      written
	problems []error
}

// fail notes a problem at the node of a YAML path, or at the nearest node above it that is there.
func (r *reader) fail(path, format string, args ...any) {
	p := &Problem{File: r.file, Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)}
	for at := path; at != "$" && at != ""; at = parent(at) {
		q, err := yaml.PathString(at)
		if err != nil {
			continue
		}
		if n, err := q.FilterFile(r.tree); err == nil && n != nil && n.GetToken() != nil {
			pos := start(n).Position
			p.Line, p.Column = pos.Line, pos.Column
			break
		}
	}
	r.problems = append(r.problems, p)
}

// start is a node's first token; that of a mapping is its first colon.
func start(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// decode reads the text; false when it is no document at all.
func (r *reader) decode(text []byte) bool {
	if len(text) > MaxFile {
		r.fail("", "the file has %d bytes, more than %d", len(text), MaxFile)
		return false
	}
	if p := guard(r.file, string(text)); p != nil {
		r.problems = append(r.problems, p)
		return false
	}
	var err error
	if r.tree, err = document.Tree(text); err != nil {
		r.problems = append(r.problems, yamlProblem(r.file, err))
		return false
	}
	if len(r.tree.Docs) != 1 || r.tree.Docs[0].Body == nil {
		r.fail("", "a file holds one document, this one %d", len(r.tree.Docs))
		return false
	}
	if err := yaml.NodeToValue(r.tree.Docs[0].Body, &r.doc, yaml.Strict()); err != nil {
		r.problems = append(r.problems, yamlProblem(r.file, err))
		return false
	}
	return true
}

// yamlProblem gives a decoder's error its place.
func yamlProblem(file string, err error) *Problem {
	p := &Problem{File: file, Line: 1, Column: 1, Message: err.Error()}
	if e, ok := err.(yaml.Error); ok {
		p.Message = e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	p.Message, _, _ = strings.Cut(p.Message, "\n")
	return p
}

var idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,62}$`)

// head checks what names the format.
func (r *reader) head() {
	d := &r.doc
	switch {
	case !idForm.MatchString(d.ID):
		r.fail("$.id", "id is %q: want small letters, digits and hyphens", d.ID)
	case slices.ContainsFunc(parser.Formats(), func(f parser.Format) bool { return f.Name == d.ID }):
		r.fail("$.id", "%s is a built-in format", d.ID)
	}
	if d.Description == "" {
		r.fail("$.description", "description is missing: one sentence for people")
	}
	if d.Fields.Node == nil && d.Keys.Node == nil {
		r.fail("$.fields", "keys and fields are missing: say which value goes to which field")
	}
	if len(d.Samples) == 0 {
		r.fail("$.samples", "samples is empty: give a record and the event that must come out")
	}
	if len(d.Samples) > maxSamples {
		r.fail("$.samples", "more than %d samples", maxSamples)
	}
}

// pattern compiles a bounded regular expression; nil when it is none, or bad.
func (r *reader) pattern(path, text string) *regexp.Regexp {
	if text == "" {
		return nil
	}
	if len(text) > maxPattern {
		r.fail(path, "the expression has %d bytes, more than %d", len(text), maxPattern)
		return nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		r.fail(path, "%v", err)
		return nil
	}
	return re
}
