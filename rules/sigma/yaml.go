package sigma

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
	"vigil/rules"
)

// kind is the shape of a YAML value.
type kind uint8

const (
	null kind = iota
	scalar
	list
	mapping
)

// node is a YAML value with its place in the document.
type node struct {
	kind   kind
	text   string  // of a scalar, as written but for quotes and escapes
	quoted bool    // a scalar in quotes or a block
	items  []*node // of a list, or the values of a mapping
	keys   []*node // of a mapping

	line, column int // from 1, within the document
}

// at returns the value of a key of a mapping, nil when there is none.
func (n *node) at(key string) *node {
	if n == nil {
		return nil
	}
	for i, k := range n.keys {
		if k.text == key {
			return n.items[i]
		}
	}
	return nil
}

// paper is one YAML document of a file, with what was found wrong in it.
type paper struct {
	file     string
	line     int // of its first line in the file, from 1
	lines    []string
	rule     string // id of the rule, for messages
	root     *node
	problems []*document.Error // each of them refuses the document
	warnings []*document.Error
}

func (d *paper) problem(n *node, hint, format string, args ...any) *document.Error {
	line, column := 1, 1
	if n != nil {
		line, column = n.line, n.column
	}
	line = min(max(line, 1), max(len(d.lines), 1)) // the YAML library may point behind the end
	return &document.Error{File: d.file, Line: d.line + line - 1, Column: max(column, 1), ID: d.rule,
		Message: fmt.Sprintf(format, args...), Hint: hint}
}

// refuse notes why the document cannot become a rule.
func (d *paper) refuse(n *node, hint, format string, args ...any) {
	d.problems = append(d.problems, d.problem(n, hint, format, args...))
}

// warn notes what was converted with a difference that people should know.
func (d *paper) warn(n *node, format string, args ...any) {
	d.warnings = append(d.warnings, d.problem(n, "", format, args...))
}

// documents splits a file at its separators, so that a document that is not even
// YAML leaves the others alone, and reads each. Blank ones are left out.
func documents(f File) []*paper {
	if len(f.Text) > rules.MaxFile {
		d := &paper{file: f.Name, line: 1}
		d.refuse(nil, "split it", "the file has %d bytes, the limit is %d", len(f.Text), rules.MaxFile)
		return []*paper{d}
	}
	lines := strings.Split(strings.ReplaceAll(strings.TrimPrefix(string(f.Text), "\ufeff"), "\r\n", "\n"), "\n")
	var out []*paper
	start := 0
	for i := 0; i <= len(lines); i++ {
		if i < len(lines) && strings.TrimRight(lines[i], " \t") != "---" {
			continue
		}
		d := &paper{file: f.Name, line: start + 1, lines: lines[start:i]}
		start = i + 1
		if !blank(d.lines) && (d.parse() || len(d.problems) > 0) {
			out = append(out, d)
		}
	}
	return out
}

func blank(lines []string) bool {
	for _, s := range lines {
		if s = strings.TrimSpace(s); s != "" && s[0] != '#' {
			return false
		}
	}
	return true
}

// parse reads the document; false when it has no content or is not YAML.
func (d *paper) parse() (ok bool) {
	defer func() {
		if p := recover(); p != nil { // the YAML parser must not take the import down
			d.refuse(nil, "", "not readable as YAML: %v", p)
			ok = false
		}
	}()
	f, err := document.Tree([]byte(strings.Join(d.lines, "\n") + "\n"))
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			p := at.GetToken().Position
			d.refuse(&node{line: p.Line, column: p.Column}, "", "not YAML: %s", at.GetMessage())
		} else {
			d.refuse(nil, "", "not YAML: %v", err)
		}
		return false
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return false
	}
	d.root = d.read(f.Docs[0].Body)
	return len(d.problems) == 0
}

// read takes a value out of the YAML library's tree.
func (d *paper) read(n ast.Node) *node {
	out := &node{line: 1, column: 1}
	if t := n.GetToken(); t != nil && t.Position != nil {
		out.line, out.column = t.Position.Line, t.Position.Column
	}
	switch x := n.(type) {
	case *ast.MappingNode:
		d.readMapping(out, x.Values)
	case *ast.MappingValueNode:
		d.readMapping(out, []*ast.MappingValueNode{x})
	case *ast.SequenceNode:
		out.kind = list
		for _, v := range x.Values {
			out.items = append(out.items, d.read(v))
		}
	case *ast.StringNode:
		out.kind, out.text = scalar, x.Value
		t := strings.TrimSpace(x.GetToken().Origin)
		out.quoted = t != "" && (t[0] == '\'' || t[0] == '"')
	case *ast.LiteralNode:
		out.kind, out.text, out.quoted = scalar, x.Value.Value, true
	case *ast.NullNode:
		out.kind = null
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = scalar, n.GetToken().Value
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.refuse(out, "write the value out", "anchors, aliases, tags and merge keys are not taken: nothing may expand while reading")
	default:
		d.refuse(out, "", "a YAML value of an unknown kind")
	}
	return out
}

func (d *paper) readMapping(out *node, values []*ast.MappingValueNode) {
	out.kind = mapping
	for i, v := range values {
		k := d.read(v.Key)
		if k.kind == mapping || k.kind == list {
			d.refuse(k, "", "a key that is not a plain name")
			continue
		}
		if i == 0 {
			out.line, out.column = k.line, k.column
		}
		if out.at(k.text) != nil {
			d.refuse(k, "", "the key %q is there twice", k.text)
			continue
		}
		out.keys, out.items = append(out.keys, k), append(out.items, d.read(v.Value))
	}
}

// text returns the scalar under a key, "" when it is absent or empty.
func (d *paper) text(n *node, key string) string {
	v := n.at(key)
	if v == nil || v.kind == null {
		return ""
	}
	if v.kind != scalar {
		d.refuse(v, "", "%s must be text", key)
		return ""
	}
	return strings.TrimSpace(v.text)
}

// texts returns the list of scalars under a key; one scalar is a list of one.
func (d *paper) texts(n *node, key string) []string {
	var out []string
	for _, v := range n.at(key).each() {
		switch {
		case v.kind == scalar && strings.TrimSpace(v.text) != "":
			out = append(out, strings.TrimSpace(v.text))
		case v.kind == mapping || v.kind == list:
			d.refuse(v, "", "%s must be a list of texts", key)
		}
	}
	return out
}

// each returns the elements of a list, or the value itself.
func (n *node) each() []*node {
	switch {
	case n == nil:
		return nil
	case n.kind == list:
		return n.items
	}
	return []*node{n}
}
