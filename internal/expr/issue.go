package expr

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"

	"vigil/schema"
)

// Issue is one thing wrong with an expression. Line and Column count from 1, in
// characters, within the expression's text.
type Issue struct {
	Line, Column int
	Message      string
	Hint         string // what to write instead, "" when unknown
}

// Issues are the problems of one expression, in source order.
type Issues []Issue

// Error joins the problems, one a line.
func (is Issues) Error() string {
	var b strings.Builder
	for i, x := range is {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%d:%d: %s", x.Line, x.Column, x.Message)
		if x.Hint != "" {
			fmt.Fprintf(&b, " (%s)", x.Hint)
		}
	}
	return b.String()
}

var (
	undefinedField = regexp.MustCompile(`^undefined field '([^']*)'`)
	undeclaredName = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	noOverload     = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '([^']*)'`)
)

// explain turns the library's messages into ours, with names near the wrong one.
func explain(src string, tree *celast.AST, iss *cel.Issues, names []string) Issues {
	var out Issues
	for _, e := range iss.Errors() {
		x := Issue{Line: max(e.Location.Line(), 1), Column: e.Location.Column() + 1, Message: e.Message}
		switch {
		case undefinedField.MatchString(e.Message):
			name := undefinedField.FindStringSubmatch(e.Message)[1]
			x = x.seek(src, name)
			full := name
			if tree != nil {
				full = chainOf(tree, e.ExprID, name)
			}
			x.Message = fmt.Sprintf("no field %q", full)
			x.Hint = didYouMean(full, fieldNames())
		case undeclaredName.MatchString(e.Message):
			name := undeclaredName.FindStringSubmatch(e.Message)[1]
			x.Message = fmt.Sprintf("no name %q", name)
			if isFirstPart(name) {
				x.Hint = "fields are written e." + name + "…"
			} else if x.Hint = didYouMean(name, names); x.Hint == "" {
				if near := Nearest(name, firstParts()); near != "" {
					x.Hint = "did you mean \"e." + near + "…\"?"
				}
			}
		case noOverload.MatchString(e.Message):
			m := noOverload.FindStringSubmatch(e.Message)
			op, args := m[1], m[2]
			if s, ok := operators[op]; ok {
				op = s
			}
			x.Message = fmt.Sprintf("%s cannot be applied to %s", op, args)
			x.Hint = overloadHint(op, args)
		default:
			x.Message = strings.TrimSpace(strings.ReplaceAll(x.Message, "\n", " "))
		}
		out = append(out, x)
	}
	return out
}

// seek moves the position to the next occurrence of name at or after it.
func (x Issue) seek(src, name string) Issue {
	lines := strings.Split(src, "\n")
	if x.Line > len(lines) {
		return x
	}
	r := []rune(lines[x.Line-1])
	from := min(x.Column-1, len(r))
	if i := strings.Index(string(r[from:]), name); i >= 0 {
		x.Column = from + utf8.RuneCountInString(string(r[from:])[:i]) + 1
	}
	return x
}

// chainOf returns the whole dotted name, without "e.", of the chain that the
// selection with that id is part of.
func chainOf(tree *celast.AST, id int64, name string) string {
	full := name
	celast.PostOrderVisit(tree.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if c, ok := chain(e); ok && slices.Contains(c.ids, id) {
			full = strings.Join(c.names, ".") // the outermost chain is visited last
		}
	}))
	return full
}

func isFirstPart(name string) bool { return slices.Contains(firstParts(), name) }

func firstParts() []string {
	var out []string
	for _, f := range fieldNames() {
		first, _, _ := strings.Cut(f, ".")
		if !slices.Contains(out, first) {
			out = append(out, first)
		}
	}
	return out
}

func overloadHint(op, args string) string {
	switch {
	case strings.HasPrefix(args, "(list(string), string)") && (op == "==" || op == "!="):
		return "the field is a list: write 'x' in e.field, or e.field.ieq('x')"
	case strings.HasPrefix(args, "list(string).") && (op == "contains" || op == "startsWith" || op == "endsWith" || op == "matches"):
		return "the field is a list: use icontains, istartsWith, iendsWith or ilike, or e.field.exists(x, x." + op + "(…))"
	case (op == "==" || op == "!=" || op == "<" || op == ">" || op == "<=" || op == ">=") && strings.Contains(args, "int") && strings.Contains(args, "string"):
		return "one side is text and the other a number: quote the literal or not, as the field's type asks"
	}
	return ""
}

func fieldNames() []string {
	out := []string{RawField}
	for _, f := range schema.Fields() {
		out = append(out, f.Name)
	}
	return append(out, schema.OpenNamespaces()...)
}

func didYouMean(name string, among []string) string {
	if near := Nearest(name, among); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// Nearest returns the candidate with the smallest edit distance to name, "" when
// none is near enough to be a likely misspelling.
func Nearest(name string, among []string) string { return schema.Nearest(name, among) }
