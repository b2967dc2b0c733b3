// Package document reads YAML files that people write, and tells every mistake with its
// file, line and column.
package document

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"vigil/schema"
)

// Error is one thing wrong with a file, at its exact place.
type Error struct {
	File         string
	Line, Column int    // from 1, in characters
	ID           string // of what the file describes, "" when it has none yet
	Message      string
	Hint         string // what to write instead, "" when unknown
}

// Error returns "file:line:column: message (hint)".
func (e *Error) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the error as a schema.Error of code Invalid.
func (e *Error) Unwrap() error { return schema.E(schema.Invalid, e.Message, e.Hint) }

var idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,63}$`)

// Reader collects what is wrong with one document of a file.
type Reader struct {
	File  string
	First int    // line of the file that the document begins at, from 1; 0 means 1
	Lines int    // of the document, 0 for unknown; places behind its end are moved to its last line
	ID    string // goes into the errors
	Errs  []error
}

// Read parses a file of one document, of at most limit bytes, and hands its body to read.
// It returns what is wrong with it, nil when nothing is; nothing about a file makes it
// panic.
func Read(file string, text []byte, limit int, read func(*Reader, ast.Node)) []error {
	r := &Reader{File: file, Lines: 1 + bytes.Count(text, []byte("\n"))}
	if len(text) > limit {
		r.FailAt(1, 1, "", "the file has %d bytes, the limit is %d", len(text), limit)
		return r.Errs
	}
	if body, ok := r.Parse(text); ok {
		r.guard(func() { read(r, body) })
	} else if len(r.Errs) == 0 {
		r.FailAt(1, 1, "", "a file holds one document")
	}
	return r.Errs
}

// guard notes a panic of the YAML library, which must not take us down, as a mistake.
func (r *Reader) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			r.FailAt(1, 1, "", "not readable as YAML: %v", p)
		}
	}()
	f()
}

// Parse parses one document. ok is false when it is no YAML, which is noted, and when
// there is not exactly one.
func (r *Reader) Parse(text []byte) (body ast.Node, ok bool) {
	r.guard(func() {
		f, err := Tree(text)
		if err != nil {
			r.notYAML(err)
		} else if len(f.Docs) == 1 && f.Docs[0].Body != nil {
			body, ok = f.Docs[0].Body, true
		}
	})
	return body, ok
}

func (r *Reader) notYAML(err error) {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		p := at.GetToken().Position
		r.FailAt(p.Line, p.Column, "", "not YAML: %s", at.GetMessage())
		return
	}
	r.FailAt(1, 1, "", "not YAML: %v", err)
}

// FailAt notes a mistake at a line and column of the document, both from 1.
func (r *Reader) FailAt(line, column int, hint, format string, args ...any) {
	line = max(line, 1)
	if r.Lines > 0 {
		line = min(line, r.Lines) // the YAML library may point behind the end
	}
	r.Errs = append(r.Errs, &Error{File: r.File, Line: max(r.First, 1) + line - 1, Column: max(column, 1), ID: r.ID,
		Message: fmt.Sprintf(format, args...), Hint: hint})
}

// Fail notes a mistake at a node.
func (r *Reader) Fail(n ast.Node, hint, format string, args ...any) {
	line, column := Place(n)
	r.FailAt(line, column, hint, format, args...)
}

// Place returns the line and column of the document where a node begins, from 1.
func Place(n ast.Node) (line, column int) {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line, t.Position.Column
	}
	return 1, 1
}

// maxChoices bounds the choices that a hint lists.
const maxChoices = 24

// Suggest is a hint that names what comes nearest, or all there is when that is not much.
func Suggest(name string, among []string) string {
	if near := schema.Nearest(name, among); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(among) > maxChoices {
		return ""
	}
	return "one of " + strings.Join(among, ", ")
}

// Mapping is a YAML mapping with its values, and its keys in order.
type Mapping struct {
	*Reader
	Node ast.Node
	Keys []string
	At   map[string]ast.Node // values
	Key  map[string]ast.Node
}

// Mapping reads n as a mapping whose keys are among known; nil allows any.
func (r *Reader) Mapping(n ast.Node, what string, known []string) (*Mapping, bool) {
	m := &Mapping{Reader: r, Node: n, At: map[string]ast.Node{}, Key: map[string]ast.Node{}}
	var values []*ast.MappingValueNode
	switch x := n.(type) {
	case *ast.MappingNode:
		values = x.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{x}
	default:
		r.Fail(n, "", "%s must be a mapping of names to values", what)
		return m, false
	}
	for _, v := range values {
		k, ok := Scalar(v.Key)
		switch {
		case !ok:
			r.Fail(v.Key, "", "%s has a key that is not a plain name", what)
		case known != nil && !slices.Contains(known, k):
			r.Fail(v.Key, Suggest(k, known), "%s has no key %q", what, k)
		case m.At[k] != nil:
			r.Fail(v.Key, "", "%s has the key %q twice", what, k)
		default:
			m.Keys = append(m.Keys, k)
			m.At[k], m.Key[k] = v.Value, v.Key
		}
	}
	return m, true
}

// Scalar returns the text of a scalar node.
func Scalar(n ast.Node) (string, bool) {
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

// Text is the text of a key, "" when it is absent.
func (m *Mapping) Text(key string) string {
	n, ok := m.At[key]
	if !ok {
		return ""
	}
	s, ok := Scalar(n)
	if !ok {
		m.Fail(n, "", "%s must be text", key)
	}
	return strings.TrimSpace(s)
}

// Need is Text of a key that must be there.
func (m *Mapping) Need(key, why string) string {
	s := m.Text(key)
	if _, ok := m.At[key]; !ok {
		m.Fail(m.Node, why, "the key %q is missing", key)
	} else if s == "" {
		m.Fail(m.At[key], why, "%s is empty", key)
	}
	return s
}

// Name reads a stable name.
func (m *Mapping) Name(key, why string) string {
	s := m.Need(key, why)
	if s != "" && !idForm.MatchString(s) {
		m.Fail(m.At[key], "small letters, digits and hyphens, 2 to 64 characters", "%s cannot be %q", key, s)
	}
	return s
}

// List reads a list of texts; a single text is a list of one.
func (m *Mapping) List(key string) ([]string, []ast.Node) {
	n, ok := m.At[key]
	if !ok {
		return nil, nil
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		if s := m.Text(key); s != "" {
			return []string{s}, []ast.Node{n}
		}
		return nil, nil
	}
	var out []string
	var nodes []ast.Node
	for _, v := range seq.Values {
		s, ok := Scalar(v)
		if !ok || s == "" {
			m.Fail(v, "", "%s must be a list of texts", key)
			continue
		}
		out, nodes = append(out, s), append(nodes, v)
	}
	return out, nodes
}

// OneOf reads a word that must be among the allowed ones; def when absent.
func (m *Mapping) OneOf(key, def string, allowed []string) string {
	n, ok := m.At[key]
	if !ok {
		return def
	}
	s := m.Text(key)
	if !slices.Contains(allowed, s) {
		m.Fail(n, Suggest(s, allowed), "%s cannot be %q", key, s)
	}
	return s
}

// Duration reads a time like 90s, 15m, 1h or 7d.
func (m *Mapping) Duration(key string, def time.Duration) time.Duration {
	n, ok := m.At[key]
	if !ok {
		return def
	}
	d, ok := ParseDuration(m.Text(key))
	if !ok {
		m.Fail(n, "write a time like 15m, 1h or 7d", "%s cannot be %q", key, m.Text(key))
	}
	return d
}

// Int reads a whole number from low to high.
func (m *Mapping) Int(key string, def, low, high int) int {
	n, ok := m.At[key]
	if !ok {
		return def
	}
	v, err := strconv.Atoi(m.Text(key))
	if err != nil || v < low || v > high {
		m.Fail(n, fmt.Sprintf("a whole number from %d to %d", low, high), "%s cannot be %q", key, m.Text(key))
	}
	return v
}

// ParseDuration reads 90s, 15m, 1h, 7d; up to ten years.
func ParseDuration(s string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if v, err := strconv.Atoi(days); err == nil && v > 0 && v <= 3650 {
			return time.Duration(v) * 24 * time.Hour, true
		}
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0 && d <= 3650*24*time.Hour
}
