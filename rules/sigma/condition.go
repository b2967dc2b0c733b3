package sigma

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"vigil/internal/expr"
)

// condition is a parsed condition over the names of searches.
type condition struct {
	op   op // leaf: name
	kids []*condition
	name string
}

// aggregate is what stands behind the pipe of an old condition: count(field) by
// group > number.
type aggregate struct {
	field, group string
	least        int
	from         *node
}

// parser reads one condition.
type conditionParser struct {
	doc    *paper
	from   *node
	tokens []string
	places []int // byte offsets of the tokens
	next   int
	names  []string // of the searches, in order
	depth  int
}

var conditionToken = regexp.MustCompile(`[()|]|>=|<=|!=|[<>=]|[^\s()|<>=!]+`)

// maxNesting bounds parentheses and negations of a condition.
const maxNesting = 100

// parseCondition reads a condition over the searches; nil when it is refused.
func parseCondition(d *paper, n *node, names []string) (*condition, *aggregate) {
	p := &conditionParser{doc: d, from: n, names: names}
	for _, at := range conditionToken.FindAllStringIndex(n.text, -1) {
		p.tokens, p.places = append(p.tokens, n.text[at[0]:at[1]]), append(p.places, at[0])
	}
	before := len(d.problems)
	c := p.or()
	var agg *aggregate
	if p.word() == "|" {
		p.next++
		agg = p.aggregate()
	}
	if len(d.problems) == before && p.next < len(p.tokens) {
		p.fail("", "the condition should end before %q", p.tokens[p.next])
	}
	if len(d.problems) > before {
		return nil, nil
	}
	return c, agg
}

// word returns the token in hand in small letters, "" at the end.
func (p *conditionParser) word() string {
	if p.next < len(p.tokens) {
		return strings.ToLower(p.tokens[p.next])
	}
	return ""
}

// fail refuses the condition at the token in hand.
func (p *conditionParser) fail(hint, format string, args ...any) {
	at := *p.from
	if p.next < len(p.places) && !strings.Contains(p.from.text, "\n") {
		at.column += p.places[p.next]
		if p.from.quoted {
			at.column++
		}
	}
	p.doc.refuse(&at, hint, format, args...)
	p.next = len(p.tokens) + 1 // one problem a condition is enough
}

func (p *conditionParser) or() *condition  { return p.series("or", or, p.and) }
func (p *conditionParser) and() *condition { return p.series("and", and, p.not) }

func (p *conditionParser) series(word string, o op, next func() *condition) *condition {
	kids := []*condition{next()}
	for p.word() == word {
		p.next++
		kids = append(kids, next())
	}
	if len(kids) == 1 {
		return kids[0]
	}
	return &condition{op: o, kids: kids}
}

func (p *conditionParser) not() *condition {
	if p.word() != "not" {
		return p.primary()
	}
	if p.depth++; p.depth > maxNesting {
		p.fail("", "the condition is nested deeper than %d", maxNesting)
		return nil
	}
	p.next++
	c := &condition{op: not, kids: []*condition{p.not()}}
	p.depth--
	return c
}

func (p *conditionParser) primary() *condition {
	switch w := p.word(); {
	case w == "":
		p.fail("", "the condition ends too early")
	case w == "(":
		if p.depth++; p.depth > maxNesting {
			p.fail("", "the condition is nested deeper than %d", maxNesting)
			return nil
		}
		p.next++
		c := p.or()
		if p.word() != ")" {
			p.fail("", "a parenthesis is not closed")
			return nil
		}
		p.next++
		p.depth--
		return c
	case p.next+1 < len(p.tokens) && strings.EqualFold(p.tokens[p.next+1], "of"):
		return p.quantified(w)
	default:
		return p.search()
	}
	return nil
}

func (p *conditionParser) search() *condition {
	name := p.tokens[p.next]
	if slices.Contains(p.names, name) {
		p.next++
		return &condition{name: name}
	}
	hint := ""
	if near := expr.Nearest(name, p.names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	p.fail(hint, "there is no search %q", name)
	return nil
}

// quantified reads "1 of x*", "all of x*", "any of them".
func (p *conditionParser) quantified(quantity string) *condition {
	o := or
	switch quantity {
	case "1", "any":
	case "all":
		o = and
	default:
		p.fail("write 1 of or all of", "%q of is not part of Sigma", quantity)
		return nil
	}
	p.next += 2
	if p.next >= len(p.tokens) {
		p.fail("", "the condition ends behind of")
		return nil
	}
	want := p.tokens[p.next]
	var kids []*condition
	for _, n := range p.names {
		ok := !strings.HasPrefix(n, "_")
		if !strings.EqualFold(want, "them") {
			ok, _ = path.Match(want, n)
		}
		if ok {
			kids = append(kids, &condition{name: n})
		}
	}
	if len(kids) == 0 {
		p.fail("", "no search is named like %q", want)
		return nil
	}
	p.next++
	if len(kids) == 1 {
		return kids[0]
	}
	return &condition{op: o, kids: kids}
}

var countForm = regexp.MustCompile(`^count\s*\(\s*([^()\s]*)\s*\)\s*(?:by\s+(\S+)\s*)?(>=|>)\s*(\d{1,7})\s*$`)

// aggregate reads the old way to count: "count() by field > 5".
func (p *conditionParser) aggregate() *aggregate {
	if p.next >= len(p.places) {
		p.fail("", "the condition ends behind the pipe")
		return nil
	}
	text := p.from.text[p.places[p.next]:]
	m := countForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		p.fail("write a correlation rule of type event_count or value_count", "the aggregation %q is not supported: Vigil counts up to a threshold", text)
		return nil
	}
	a := &aggregate{field: m[1], group: m[2], from: p.from}
	for _, c := range m[4] {
		a.least = a.least*10 + int(c-'0')
	}
	if m[3] == ">" {
		a.least++
	}
	p.next = len(p.tokens)
	return a
}

// used lists the searches that the condition names, once each.
func (c *condition) used(out []string) []string {
	if c.op == leaf {
		if slices.Contains(out, c.name) {
			return out
		}
		return append(out, c.name)
	}
	for _, k := range c.kids {
		out = k.used(out)
	}
	return out
}
