package store

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"vigil/schema"
)

// compile turns the query language into a ClickHouse condition with bound
// parameters:
//
//	field:value  field:val*  field:>10  field:10.0.0.0/8  field:*   a field's value
//	field:[10 TO 20]  field:[2026-01-01 TO *]                      a range, ends included
//	word  "a phrase"                                               text of message, command line or the record
//	-term  NOT term  a AND b  a OR b  ( … )                         AND is implied
func (c *queryCompiler) compile(q string) (string, error) {
	if err := c.lex(q); err != nil {
		return "", err
	}
	if len(c.tokens) == 0 {
		return "1", nil
	}
	cond, err := c.or()
	if err == nil && c.i < len(c.tokens) {
		err = fmt.Errorf("%q is not expected here", c.tokens[c.i].text)
	}
	if err != nil {
		return "", schema.E(schema.Invalid, "the query cannot be read: "+err.Error(), `examples: source.ip:10.0.0.0/8  user.name:"j doe"  event.outcome:failure -host.name:test*  (a OR b)`)
	}
	return cond, nil
}

// queryToken is a word, a quoted phrase, or one of ( ) AND OR NOT -.
type queryToken struct {
	text   string
	quoted bool
	field  string   // before the colon
	ends   []string // of a range: low and high, * is open
}

type queryCompiler struct {
	tokens []queryToken
	i      int
	p      P
	depth  int
}

func (c *queryCompiler) lex(q string) error {
	for i := 0; i < len(q); {
		switch ch := q[i]; {
		case ch == ' ' || ch == '\t' || ch == '\n':
			i++
		case ch == '(' || ch == ')':
			c.tokens = append(c.tokens, queryToken{text: string(ch)})
			i++
		case ch == '-' && i+1 < len(q) && q[i+1] != ' ':
			c.tokens = append(c.tokens, queryToken{text: "NOT"})
			i++
		default:
			t, n, err := lexTerm(q[i:])
			if err != nil {
				return schema.E(schema.Invalid, "the query cannot be read: "+err.Error(), "")
			}
			c.tokens = append(c.tokens, t)
			i += n
		}
		if len(c.tokens) > 500 {
			return schema.E(schema.Invalid, "the query has more than 500 terms", "")
		}
	}
	return nil
}

// lexTerm reads [field:]value or [field:]"value".
func lexTerm(s string) (queryToken, int, error) {
	var t queryToken
	i := 0
	for ; i < len(s) && !strings.ContainsRune(" \t\n()\"", rune(s[i])); i++ {
		if s[i] == ':' && t.field == "" && fieldName(s[:i]) {
			t.field = s[:i]
			if i+1 < len(s) && s[i+1] == '[' {
				return lexRange(t, s, i+2)
			}
			if i+1 < len(s) && s[i+1] == '"' {
				i++
				break
			}
		}
	}
	start := 0
	if t.field != "" {
		start = len(t.field) + 1
	}
	if i < len(s) && s[i] == '"' && i == start {
		end := strings.IndexByte(s[i+1:], '"')
		if end < 0 {
			return t, 0, fmt.Errorf("a quote is not closed")
		}
		t.text, t.quoted = s[i+1:i+1+end], true
		return t, i + end + 2, nil
	}
	if i == 0 {
		i = 1
	}
	t.text = s[start:i]
	return t, i, nil
}

// lexRange reads the rest of field:[low TO high].
func lexRange(t queryToken, s string, at int) (queryToken, int, error) {
	end := strings.IndexByte(s[at:], ']')
	if end < 0 {
		return t, 0, fmt.Errorf("a range is not closed: write %s:[low TO high]", t.field)
	}
	low, high, ok := strings.Cut(s[at:at+end], " TO ")
	low, high = strings.TrimSpace(low), strings.TrimSpace(high)
	if !ok || low == "" || high == "" || low == "*" && high == "*" {
		return t, 0, fmt.Errorf("%q is no range: write %s:[low TO high], with * for an open end", clipped(s[at:at+end]), t.field)
	}
	t.ends = []string{low, high}
	return t, at + end + 1, nil
}

func fieldName(s string) bool {
	if s == "source" || s == "chunk" || s == "id" {
		return true
	}
	if _, ok := schema.Lookup(s); ok {
		return true
	}
	for _, ns := range schema.OpenNamespaces() {
		if strings.HasPrefix(s, ns+".") {
			return true
		}
	}
	return false
}

func (c *queryCompiler) peek() string {
	if c.i < len(c.tokens) && !c.tokens[c.i].quoted && c.tokens[c.i].field == "" {
		return c.tokens[c.i].text
	}
	return ""
}

func (c *queryCompiler) or() (string, error) {
	if c.depth++; c.depth > 50 {
		return "", fmt.Errorf("parentheses are nested too deeply")
	}
	defer func() { c.depth-- }()
	parts := []string{}
	for {
		p, err := c.and()
		if err != nil {
			return "", err
		}
		parts = append(parts, p)
		if c.peek() != "OR" {
			return "(" + strings.Join(parts, " OR ") + ")", nil
		}
		c.i++
	}
}

func (c *queryCompiler) and() (string, error) {
	parts := []string{}
	for c.i < len(c.tokens) {
		switch c.peek() {
		case "AND":
			c.i++
			continue
		case "OR", ")":
			if len(parts) == 0 {
				return "", fmt.Errorf("a term is missing before %q", c.peek())
			}
			return strings.Join(parts, " AND "), nil
		}
		p, err := c.not()
		if err != nil {
			return "", err
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return "", fmt.Errorf("a term is missing at the end")
	}
	return strings.Join(parts, " AND "), nil
}

func (c *queryCompiler) not() (string, error) {
	negate := false
	for c.peek() == "NOT" {
		negate = !negate
		c.i++
	}
	var cond string
	var err error
	switch {
	case c.i >= len(c.tokens):
		return "", fmt.Errorf("a term is missing at the end")
	case c.peek() == "(":
		c.i++
		if cond, err = c.or(); err != nil {
			return "", err
		}
		if c.peek() != ")" {
			return "", fmt.Errorf("a parenthesis is not closed")
		}
		c.i++
	default:
		t := c.tokens[c.i]
		c.i++
		if cond, err = c.term(t); err != nil {
			return "", err
		}
	}
	if negate {
		return "NOT (" + cond + ")", nil
	}
	return cond, nil
}

func (c *queryCompiler) bind(v string) string {
	name := fmt.Sprintf("q%d", len(c.p))
	c.p[name] = v
	return "{" + name + ":String}"
}

func (c *queryCompiler) term(t queryToken) (string, error) {
	if t.field == "" {
		return c.words(t.text), nil
	}
	switch t.field {
	case "source", "chunk":
		return t.field + " = " + c.bind(t.text), nil
	case "id":
		return "id = unhex(" + c.bind(t.text) + ")", nil
	}
	if t.ends != nil {
		return c.between(t)
	}
	f, ok := schema.Lookup(t.field)
	if !ok {
		return c.text("attrs["+c.bind(t.field)+"]", t), nil
	}
	switch {
	case t.text == "*" && !t.quoted:
		return textOf(&f) + " != ''", nil
	case f.Multi:
		return "arrayExists(x -> " + c.text("x", t) + ", " + f.Column + ")", nil
	case f.Kind == schema.IP:
		return c.address(f.Column, t.text)
	case f.Kind == schema.Long, f.Kind == schema.Double:
		return c.number(f.Column, t.text)
	case f.Kind == schema.Bool:
		if t.text == "true" {
			return f.Column, nil
		}
		return "NOT " + f.Column, nil
	case f.Kind == schema.Date:
		return "toString(" + f.Column + ") LIKE " + c.bind(likePrefix(t.text)), nil
	default:
		return c.text(f.Column, t), nil
	}
}

// between compares with the ends of a range, which belong to it.
func (c *queryCompiler) between(t queryToken) (string, error) {
	var parts []string
	for i, op := range []string{">=", "<="} {
		if t.ends[i] == "*" {
			continue
		}
		part, err := c.compare(t.field, op, t.ends[i])
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	return "(" + strings.Join(parts, " AND ") + ")", nil
}

// compare holds a field against one end of a range by the field's own order.
func (c *queryCompiler) compare(field, op, v string) (string, error) {
	f, ok := schema.Lookup(field)
	switch {
	case !ok, f.Multi, f.Kind == schema.Bool:
		return "", fmt.Errorf("%s has no order: a range needs a number, a time, an address or a text", field)
	case f.Kind == schema.Long, f.Kind == schema.Double:
		return c.number(f.Column, op+v)
	case f.Kind == schema.IP:
		a, err := netip.ParseAddr(v)
		if err != nil {
			return "", fmt.Errorf("%q is no address", clipped(v))
		}
		return fmt.Sprintf("%s %s toIPv6(%s)", f.Column, op, c.bind(netip.AddrFrom16(a.As16()).String())), nil
	case f.Kind == schema.Date:
		at, err := parseTime(v)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %s fromUnixTimestamp64Micro(%d)", f.Column, op, at.UnixMicro()), nil
	default:
		return fmt.Sprintf("lowerUTF8(%s) %s lowerUTF8(%s)", f.Column, op, c.bind(v)), nil
	}
}

// parseTime reads a day or a time.
func parseTime(v string) (time.Time, error) {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(form, v); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 2026-01-31 or 2026-01-31T12:00:00Z", clipped(v))
}

// words looks where text is indexed first; a word that is found nowhere there may
// still be in the record.
func (c *queryCompiler) words(v string) string {
	b := c.bind(v)
	return "(positionCaseInsensitiveUTF8(message, " + b + ") > 0 OR positionCaseInsensitiveUTF8(process_command_line, " + b + ") > 0 OR positionCaseInsensitiveUTF8(raw, " + b + ") > 0)"
}

// text compares without regard to case; * and ? are wildcards outside quotes.
func (c *queryCompiler) text(col string, t queryToken) string {
	if !t.quoted && strings.ContainsAny(t.text, "*?") {
		var b strings.Builder
		for _, r := range t.text {
			switch r {
			case '*':
				b.WriteByte('%')
			case '?':
				b.WriteByte('_')
			case '%', '_', '\\':
				b.WriteByte('\\')
				b.WriteRune(r)
			default:
				b.WriteRune(r)
			}
		}
		return col + " ILIKE " + c.bind(b.String())
	}
	for _, r := range t.text {
		if r > 127 || unicode.IsLetter(r) {
			return "lowerUTF8(" + col + ") = lowerUTF8(" + c.bind(t.text) + ")"
		}
	}
	return col + " = " + c.bind(t.text)
}

func likePrefix(s string) string {
	return strings.NewReplacer("%", `\%`, "_", `\_`, "T", " ").Replace(strings.TrimSuffix(s, "*")) + "%"
}

func (c *queryCompiler) address(col, v string) (string, error) {
	if p, err := netip.ParsePrefix(v); err == nil {
		a := p.Masked()
		bits := a.Bits()
		if a.Addr().Is4() {
			bits += 96
		}
		lo := netip.AddrFrom16(a.Addr().As16())
		return fmt.Sprintf("(%s BETWEEN toIPv6(%s) AND tupleElement(IPv6CIDRToRange(toIPv6(%s), %d), 2))", col, c.bind(lo.String()), c.bind(lo.String()), bits), nil
	}
	a, err := netip.ParseAddr(v)
	if err != nil {
		return "", fmt.Errorf("%q is no address or network", v)
	}
	return col + " = toIPv6(" + c.bind(a.String()) + ")", nil
}

func (c *queryCompiler) number(col, v string) (string, error) {
	op := "="
	for _, o := range []string{">=", "<=", ">", "<"} {
		if rest, ok := strings.CutPrefix(v, o); ok {
			op, v = o, rest
			break
		}
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return "", fmt.Errorf("%q is no number", v)
	}
	return fmt.Sprintf("%s %s %s", col, op, strconv.FormatFloat(n, 'f', -1, 64)), nil
}
