package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/expr"
	"vigil/schema"
)

// LoadError is one thing wrong with a rule file, at its exact place.
type LoadError struct {
	File         string
	Line, Column int    // from 1, in characters
	Rule         string // id of the rule, "" when it has none yet
	Message      string
	Hint         string // what to write instead, "" when unknown
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

// document is one YAML document being read, with its place in the file.
type document struct {
	file  string
	line  int // line of the document's first line in the file, from 1
	lines []string
	rule  string
	errs  []error
	id    spot  // of the rule's id
	good  *Rule // when there are no mistakes
}

// spot is where something stands in a document, from 1.
type spot struct{ line, column int }

func (d *document) failAt(line, column int, hint, format string, args ...any) {
	line = min(max(line, 1), max(len(d.lines), 1)) // the YAML library may point behind the end
	column = max(column, 1)
	d.errs = append(d.errs, &LoadError{File: d.file, Line: d.line + line - 1, Column: column, Rule: d.rule,
		Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (d *document) fail(n ast.Node, hint, format string, args ...any) {
	at := spotOf(n)
	d.failAt(at.line, at.column, hint, format, args...)
}

func spotOf(n ast.Node) spot {
	at := spot{1, 1}
	if t := n.GetToken(); t != nil && t.Position != nil {
		at = spot{t.Position.Line, t.Position.Column}
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		p := m.Values[0].Key.GetToken().Position
		at = spot{p.Line, p.Column}
	}
	return at
}

// mapping is a YAML mapping with its keys in order.
type mapping struct {
	doc  *document
	node ast.Node
	keys []string
	at   map[string]ast.Node // values
	key  map[string]ast.Node
}

// mapping reads n as a mapping whose keys are among known; nil known allows any.
func (d *document) mapping(n ast.Node, what string, known []string) (*mapping, bool) {
	m := &mapping{doc: d, node: n, at: map[string]ast.Node{}, key: map[string]ast.Node{}}
	var values []*ast.MappingValueNode
	switch x := n.(type) {
	case *ast.MappingNode:
		values = x.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{x}
	default:
		d.fail(n, "", "%s must be a mapping of names to values", what)
		return m, false
	}
	for _, v := range values {
		k, ok := scalar(v.Key)
		if !ok {
			d.fail(v.Key, "", "%s has a key that is not a plain name", what)
			continue
		}
		if known != nil && !slices.Contains(known, k) {
			d.fail(v.Key, suggest(k, known), "%s has no key %q", what, k)
			continue
		}
		if _, dup := m.at[k]; dup {
			d.fail(v.Key, "", "%s has the key %q twice", what, k)
			continue
		}
		m.keys = append(m.keys, k)
		m.at[k], m.key[k] = v.Value, v.Key
	}
	return m, true
}

func suggest(name string, among []string) string {
	if near := expr.Nearest(name, among); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
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
	case *ast.MappingKeyNode, *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return "", false
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
		m.doc.fail(n, "", "%s must be text", key)
	}
	return strings.TrimSpace(s)
}

func (m *mapping) need(key, why string) string {
	s := m.text(key)
	if _, ok := m.at[key]; !ok {
		m.doc.fail(m.node, why, "the key %q is missing", key)
	} else if s == "" {
		m.doc.fail(m.at[key], why, "%s is empty", key)
	}
	return s
}

// oneOf reads a word that must be among the allowed ones; def when absent.
func (m *mapping) oneOf(key, def string, allowed ...string) string {
	n, ok := m.at[key]
	if !ok {
		return def
	}
	s := m.text(key)
	if !slices.Contains(allowed, s) {
		hint := suggest(s, allowed)
		if hint == "" {
			hint = "one of " + strings.Join(allowed, ", ")
		}
		m.doc.fail(n, hint, "%s cannot be %q", key, s)
	}
	return s
}

// list reads a list of texts; a single text is a list of one.
func (m *mapping) list(key string) []string {
	texts, _ := m.listNodes(key)
	return texts
}

func (m *mapping) listNodes(key string) ([]string, []ast.Node) {
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
		if !ok {
			m.doc.fail(v, "", "%s must be a list of texts", key)
			continue
		}
		out, nodes = append(out, s), append(nodes, v)
	}
	return out, nodes
}

func (m *mapping) integer(key string, def, low, high int) int {
	n, ok := m.at[key]
	if !ok {
		return def
	}
	v, err := strconv.Atoi(m.text(key))
	if err != nil || v < low || v > high {
		m.doc.fail(n, "", "%s must be a whole number from %d to %d", key, low, high)
		return def
	}
	return v
}

func (m *mapping) duration(key string, def time.Duration) time.Duration {
	n, ok := m.at[key]
	if !ok {
		return def
	}
	s := m.text(key)
	if days, isDays := strings.CutSuffix(s, "d"); isDays {
		if v, err := strconv.Atoi(days); err == nil && v > 0 && v <= 366 {
			return time.Duration(v) * 24 * time.Hour
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil || v <= 0 || v%time.Millisecond != 0 || v > 366*24*time.Hour {
		m.doc.fail(n, "write a time like 90s, 5m, 1h or 7d", "%s cannot be %q", key, s)
		return def
	}
	return v
}

// places maps each character of a scalar's value to its line and column in the
// document, by walking value and source side by side; quoting, escapes and line
// folding are skipped in the source.
func (d *document) places(n ast.Node, value string) [][2]int {
	t := n.GetToken()
	s := source{lines: d.lines, line: t.Position.Line, column: 1}
	for s.column < t.Position.Column {
		s.forward()
	}
	if _, block := n.(*ast.LiteralNode); block {
		s.down()
		s.indent = 1 << 30
		s.skipIndent()
		s.indent = s.column - 1
	} else if q := s.rune(); q == '\'' || q == '"' {
		s.quote = q
		s.forward()
	}
	var out [][2]int
	for _, v := range value {
		s.seek(v)
		out = append(out, [2]int{s.line, s.column})
		s.next(v)
	}
	return append(out, [2]int{s.line, s.column})
}

// source is a reading position in the lines of a document.
type source struct {
	lines        []string
	line, column int
	at           int  // bytes of the line before the column
	indent       int  // of a block; 0 for other scalars, whose line starts do not count
	quote        rune // the quote that the scalar is in, 0 for none
}

// skipIndent moves over the blanks at the start of a line that are not part of
// the value.
func (s *source) skipIndent() {
	for s.rune() == ' ' && (s.indent == 0 || s.column <= s.indent) {
		s.forward()
	}
}

// forward moves over one character of the line, and stays where the line ends.
func (s *source) forward() {
	if s.line <= len(s.lines) && s.at < len(s.lines[s.line-1]) {
		_, n := utf8.DecodeRuneInString(s.lines[s.line-1][s.at:])
		s.at += n
	}
	s.column++
}

// skip moves over some characters.
func (s *source) skip(n int) {
	for range n {
		s.forward()
	}
}

// down moves to the start of the next line.
func (s *source) down() { s.line, s.column, s.at = s.line+1, 1, 0 }

// rune returns the character at the position, '\n' at the end of a line, 0 at
// the end of the document.
func (s *source) rune() rune {
	if s.line > len(s.lines) {
		return 0
	}
	if s.at >= len(s.lines[s.line-1]) {
		return '\n'
	}
	r, _ := utf8.DecodeRuneInString(s.lines[s.line-1][s.at:])
	return r
}

// seek moves on to where the value's character v stands.
func (s *source) seek(v rune) {
	for {
		switch r := s.rune(); {
		case r == 0, r == v, r == '\n' && v == ' ', s.quote == '"' && r == '\\':
			return
		case r == '\n':
			s.down()
		default:
			s.forward()
		}
	}
}

// next moves behind the character that stands for v.
func (s *source) next(v rune) {
	switch r := s.rune(); {
	case r == 0:
	case r == '\n':
		s.down()
		s.skipIndent()
	case r == '\\' && s.quote == '"':
		s.forward()
		switch s.rune() {
		case 'x':
			s.skip(2)
		case 'u':
			s.skip(4)
		case 'U':
			s.skip(8)
		}
		s.forward()
	case r == '\'' && s.quote == '\'' && v == '\'':
		s.skip(2)
	default:
		s.forward()
	}
}

// place returns where the character at line and column of an expression stands.
func place(places [][2]int, value string, line, column int) (int, int) {
	i, l, c := 0, 1, 1
	for _, r := range value {
		if l == line && c == column {
			break
		}
		if r == '\n' {
			if l == line {
				break
			}
			l, c = l+1, 0
		}
		c++
		i++
	}
	i = min(i, len(places)-1)
	return places[i][0], places[i][1]
}
