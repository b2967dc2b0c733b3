package intel

import (
	"errors"
	"fmt"
	"strings"
)

// pattern reads a STIX pattern and returns the values any one of which fulfils it. It
// takes the part of the grammar that a table of values can honour:
//
//   - observation expressions joined by OR
//   - comparisons = and IN, and ISSUBSET of addresses, joined by OR, in parentheses
//   - AND where it says the same of one thing twice: hashes of one file (with its name or
//     size beside them, which a hash makes redundant), or the type and value of an address
//
// Everything else (NOT, !=, <, LIKE, MATCHES, FOLLOWEDBY, qualifiers, objects that no
// event names) is a reason. A branch of an OR that cannot be honoured is left out with its
// reason; the others still hold.
func pattern(text string) (values []observable, reasons []string) {
	if len(text) > 256<<10 {
		return nil, []string{"a pattern longer than 256 KiB"}
	}
	p := &patternReader{}
	if err := p.lex(text); err != nil {
		return nil, []string{"pattern: " + err.Error()}
	}
	r, err := p.observations()
	if err == nil && p.i < len(p.tokens) {
		err = fmt.Errorf("%q is not expected here", p.tokens[p.i].text)
	}
	if err != nil {
		return nil, []string{"pattern: " + err.Error()}
	}
	return r.values, r.reasons
}

type patternToken struct {
	text string // keywords in upper case
	str  bool   // a string literal
	word bool   // object path, number or keyword
}

type patternReader struct {
	tokens []patternToken
	i      int
	depth  int
}

const maxPatternTokens = 20_000

func (p *patternReader) lex(s string) error {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case strings.IndexByte("[](),", c) >= 0:
			p.tokens = append(p.tokens, patternToken{text: string(c)})
			i++
		case c == '=' || c == '!' || c == '<' || c == '>':
			n := 1
			if i+1 < len(s) && (s[i+1] == '=' || c == '<' && s[i+1] == '>') {
				n = 2
			}
			p.tokens = append(p.tokens, patternToken{text: s[i : i+n]})
			i += n
		case c == '\'':
			text, n, err := quoted(s[i:])
			if err != nil {
				return err
			}
			p.tokens = append(p.tokens, patternToken{text: text, str: true})
			i += n
		default:
			n, err := wordEnd(s[i:])
			if err != nil {
				return err
			}
			p.tokens = append(p.tokens, patternToken{text: s[i : i+n], word: true})
			i += n
		}
		if len(p.tokens) > maxPatternTokens {
			return errors.New("it is too long")
		}
	}
	return nil
}

// quoted reads a string literal; a backslash takes the next character as it is.
func quoted(s string) (text string, size int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '\'':
			return b.String(), i + 1, nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, errors.New("a quote is not closed")
}

// wordEnd is the size of an object path, number or keyword; keys of a path may be
// quoted (file:hashes.'SHA-256'), list steps stand in brackets (args[*]).
func wordEnd(s string) (int, error) {
	path := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ':':
			path = true
		case c == '\'' && path && s[i-1] == '.':
			_, n, err := quoted(s[i:])
			if err != nil {
				return 0, err
			}
			i += n - 1
		case c == '[' && path:
			end := strings.IndexByte(s[i:], ']')
			if end < 0 {
				return 0, errors.New("a bracket is not closed")
			}
			i += end
		case c == '\'' && i > 0:
			return 0, fmt.Errorf("constants like %s'…' are not taken", plain(s[:i], 10))
		case strings.IndexByte(" \t\r\n[](),=!<>'", c) >= 0:
			return i, nil
		}
	}
	return len(s), nil
}

func (p *patternReader) peek(text string) bool {
	return p.i < len(p.tokens) && !p.tokens[p.i].str && strings.EqualFold(p.tokens[p.i].text, text)
}

func (p *patternReader) accept(text string) bool {
	if p.peek(text) {
		p.i++
		return true
	}
	return false
}

func (p *patternReader) expect(text string) error {
	if p.accept(text) {
		return nil
	}
	if p.i >= len(p.tokens) {
		return fmt.Errorf("%q is missing at the end", text)
	}
	return fmt.Errorf("want %q, not %q", text, plain(p.tokens[p.i].text, 40))
}

// reduced is what a part of a pattern comes down to.
type reduced struct {
	values  []observable
	reasons []string
	single  comparison // set for one comparison, for AND
	isOne   bool
}

func (r *reduced) or(b reduced) {
	r.values = append(r.values, b.values...)
	r.reasons = append(r.reasons, b.reasons...)
	r.isOne = false
}

func no(reason string) reduced { return reduced{reasons: []string{reason}} }

// observations reads observation expressions joined by OR.
func (p *patternReader) observations() (reduced, error) {
	if p.depth++; p.depth > 50 {
		return reduced{}, errors.New("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	out, err := p.observation()
	if err != nil {
		return out, err
	}
	for {
		switch {
		case p.accept("OR"):
			next, err := p.observation()
			if err != nil {
				return out, err
			}
			out.or(next)
		case p.accept("AND"), p.accept("FOLLOWEDBY"):
			if _, err := p.observation(); err != nil {
				return out, err
			}
			out = no("pattern: several observations must come together (AND, FOLLOWEDBY)")
		default:
			return out, nil
		}
	}
}

func (p *patternReader) observation() (reduced, error) {
	var out reduced
	var err error
	if p.accept("(") {
		if out, err = p.observations(); err == nil {
			err = p.expect(")")
		}
	} else if err = p.expect("["); err == nil {
		if out, err = p.either(); err == nil {
			err = p.expect("]")
		}
	}
	if err != nil {
		return out, err
	}
	if p.peek("WITHIN") || p.peek("REPEATS") || p.peek("START") {
		for p.i < len(p.tokens) && !p.peek("OR") && !p.peek("AND") && !p.peek("FOLLOWEDBY") && !p.peek(")") {
			p.i++
		}
		return no("pattern: qualifiers (WITHIN, REPEATS, START) are not taken"), nil
	}
	return out, nil
}

// either reads comparisons: OR binds looser than AND.
func (p *patternReader) either() (reduced, error) {
	if p.depth++; p.depth > 50 {
		return reduced{}, errors.New("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	out, err := p.both()
	for err == nil && p.accept("OR") {
		var next reduced
		if next, err = p.both(); err == nil {
			out.or(next)
		}
	}
	return out, err
}

func (p *patternReader) both() (reduced, error) {
	first, err := p.one()
	if err != nil || !p.peek("AND") {
		return first, err
	}
	all := []reduced{first}
	for p.accept("AND") {
		next, err := p.one()
		if err != nil {
			return next, err
		}
		all = append(all, next)
	}
	return conjunction(all), nil
}

// conjunction reduces an AND when its parts say the same of one thing.
func conjunction(all []reduced) reduced {
	var out reduced
	object := ""
	for _, r := range all {
		c := r.single
		if !r.isOne || object != "" && c.object != object {
			return no("pattern: AND of different things")
		}
		object = c.object
		switch {
		case c.redundant():
		case len(r.values) == 1:
			out.values = append(out.values, r.values...)
		default:
			return no("pattern: AND with a condition that no single value carries (" + c.path + ")")
		}
	}
	hashes := 0
	for _, v := range out.values {
		if v.kind == MD5 || v.kind == SHA1 || v.kind == SHA256 {
			hashes++
		}
	}
	switch {
	case len(out.values) == 0:
		return no("pattern: AND of conditions that no event carries")
	case hashes == len(out.values), len(out.values) == 1 && len(all) == 2 && strings.HasSuffix(object, "_ref"):
		return out
	}
	return no("pattern: AND of several values")
}

// comparison is one comparison of an object path.
type comparison struct {
	path, object string // file:hashes.MD5 → file; network-traffic:dst_ref.value → network-traffic:dst_ref
}

// redundant conditions add nothing to a hash of the same file, or to the value of the
// same address.
func (c comparison) redundant() bool {
	switch c.path {
	case "file:name", "file:size", "network-traffic:src_ref.type", "network-traffic:dst_ref.type":
		return true
	}
	return false
}

func (p *patternReader) one() (reduced, error) {
	if p.accept("(") {
		out, err := p.either()
		if err == nil {
			err = p.expect(")")
		}
		return out, err
	}
	if p.accept("EXISTS") {
		p.i++
		return no("pattern: EXISTS is not taken"), nil
	}
	if p.i >= len(p.tokens) || !p.tokens[p.i].word || !strings.Contains(p.tokens[p.i].text, ":") {
		return reduced{}, errors.New("an object path is missing")
	}
	path := strings.ReplaceAll(p.tokens[p.i].text, "'", "")
	p.i++
	not := p.accept("NOT")
	if p.i >= len(p.tokens) {
		return reduced{}, errors.New("it ends after an object path")
	}
	op := strings.ToUpper(p.tokens[p.i].text)
	p.i++
	texts, err := p.constants(op)
	if err != nil {
		return reduced{}, err
	}
	out := compare(path, op, texts)
	if not {
		out = no("pattern: NOT is not taken")
	}
	out.isOne = true
	out.single = comparison{path: path, object: objectOf(path)}
	return out, nil
}

func objectOf(path string) string {
	if i := strings.Index(path, "_ref."); i >= 0 {
		return path[:i+4]
	}
	object, _, _ := strings.Cut(path, ":")
	return object
}

// constants reads what stands on the right side: one constant, or a list for IN.
func (p *patternReader) constants(op string) ([]string, error) {
	next := func() (string, error) {
		if p.i >= len(p.tokens) || !p.tokens[p.i].str && !p.tokens[p.i].word {
			return "", errors.New("a value is missing")
		}
		p.i++
		return p.tokens[p.i-1].text, nil
	}
	if op != "IN" {
		v, err := next()
		return []string{v}, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var out []string
	for {
		v, err := next()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if !p.accept(",") {
			return out, p.expect(")")
		}
	}
}

// compare turns a comparison into values.
func compare(path, op string, texts []string) reduced {
	kind := stixPath(path)
	switch op {
	case "=", "==", "IN":
	case "ISSUBSET":
		if kind != IP {
			return no("pattern: ISSUBSET of something that is no address")
		}
	case "!=", "<>", "<", ">", "<=", ">=", "LIKE", "MATCHES", "ISSUPERSET":
		return no("pattern: the operator " + op + " is not taken")
	default:
		return no("pattern: " + plain(op, 20) + " is no operator")
	}
	if kind == "" {
		return no("pattern: " + plain(path, 60) + " is not matched")
	}
	var out reduced
	for _, t := range texts {
		out.values = append(out.values, observable{kind, t})
	}
	return out
}

// stixPath is the table of object paths whose value an event can carry; "" for others.
func stixPath(path string) string {
	object, rest, _ := strings.Cut(path, ":")
	if name, ok := strings.CutPrefix(rest, "hashes."); ok {
		switch object {
		case "file", "artifact", "x509-certificate":
			return map[string]string{"MD5": MD5, "SHA1": SHA1, "SHA256": SHA256}[strings.ToUpper(strings.ReplaceAll(name, "-", ""))]
		}
		return ""
	}
	switch path {
	case "ipv4-addr:value", "ipv6-addr:value", "network-traffic:src_ref.value", "network-traffic:dst_ref.value":
		return IP
	case "domain-name:value":
		return Domain
	case "url:value":
		return URL
	case "email-addr:value", "email-message:from_ref.value", "email-message:sender_ref.value":
		return Email
	}
	return ""
}
