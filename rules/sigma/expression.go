package sigma

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"vigil/schema"
)

// expression is a piece of text in the expression language with how tightly it
// binds. The empty one is always true.
type expression struct {
	text  string
	binds strength
}

type strength uint8

const (
	alternative strength = iota // a || b
	conjunctive                 // a && b
	relation                    // a == b
	atomic                      // a.f(), !a
)

func (x expression) empty() bool { return x.text == "" }

// in returns the text for a place that needs at least that strength.
func (x expression) in(least strength) string {
	if x.binds < least {
		return "(" + x.text + ")"
	}
	return x.text
}

func anyOf(xs []expression) expression { return join(xs, " || ", alternative) }
func allOf(xs []expression) expression { return join(xs, " && ", conjunctive) }

func join(xs []expression, with string, s strength) expression {
	var texts []string
	var last expression
	seen := map[string]bool{}
	for _, x := range xs {
		if x.empty() || seen[x.text] {
			continue
		}
		seen[x.text] = true
		last = x
		texts = append(texts, x.in(s))
	}
	if len(texts) <= 1 {
		return last
	}
	return expression{strings.Join(texts, with), s}
}

func negated(x expression) expression {
	if inner, ok := strings.CutPrefix(x.text, "!"); ok && x.binds == atomic {
		return expression{inner, atomic}
	}
	return expression{"!" + x.in(atomic), atomic}
}

// parsed takes an expression of the tables.
func parsed(text string) expression {
	s := atomic
	switch {
	case strings.Contains(text, " || "):
		s = alternative
	case strings.Contains(text, " && "):
		s = conjunctive
	case strings.Contains(text, " == "), strings.Contains(text, " in "):
		s = relation
	}
	if strings.HasPrefix(text, "!(") && strings.HasSuffix(text, ")") {
		s = atomic
	}
	return expression{text, s}
}

var never = expression{"false", atomic}

var (
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	escapable  = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)
)

// reserved words cannot be selected plainly.
var reserved = map[string]bool{"as": true, "break": true, "const": true, "continue": true, "else": true, "false": true, "for": true, "function": true, "if": true,
	"import": true, "in": true, "let": true, "loop": true, "namespace": true, "null": true, "package": true, "return": true, "true": true, "var": true, "void": true, "while": true}

// selects returns how a field is read: e.process.name, e.labels.`cs-uri`.
func selects(ref string) string {
	for _, ns := range schema.OpenNamespaces() {
		key, ok := strings.CutPrefix(ref, ns+".")
		if !ok {
			continue
		}
		simple := true
		for p := range strings.SplitSeq(key, ".") {
			simple = simple && identifier.MatchString(p) && !reserved[p]
		}
		switch {
		case simple:
		case escapable.MatchString(key):
			return "e." + ns + ".`" + key + "`"
		default:
			return "e." + ns + "[" + quote(key) + "]"
		}
	}
	return "e." + ref
}

// hasField is presence. An index cannot be asked for it, but compared.
func hasField(ref string) expression {
	s := selects(ref)
	if strings.HasSuffix(s, "]") {
		return expression{s + " != ''", relation}
	}
	return expression{"has(" + s + ")", atomic}
}

// quote writes a text literal; what is not printable is escaped.
func quote(s string) string {
	ok := true
	for _, r := range s {
		ok = ok && r != utf8.RuneError && unicode.IsPrint(r)
	}
	if ok && !strings.Contains(s, "'") {
		switch {
		case !strings.Contains(s, `\`):
			return "'" + s + "'"
		case !strings.HasSuffix(s, `\`):
			return "r'" + s + "'"
		}
	}
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r) && r != utf8.RuneError:
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// quoteAll writes a literal or a list of literals, each once.
func quoteAll(values []string) string {
	seen := map[string]bool{}
	var out []string
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			out = append(out, quote(v))
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return "[" + strings.Join(out, ", ") + "]"
}
