package sigma

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"vigil/internal/expr"
)

// test is how a value is compared.
type test uint8

const (
	equals test = iota
	contains
	startsWith
	endsWith
	like // wildcards inside
	matches
	inRange
	absent
	present
	below // numbers
	atMost
	above
	atLeast
	sameAs // another field
	clock  // a part of a time
)

// match is one comparison of a field, or of the whole record when it names none.
type match struct {
	field string
	test  test
	text  string
	pat   pattern // of like
	cased bool
	part  string // of clock: minute, hour …
	from  *node
}

// op joins trees.
type op uint8

const (
	leaf op = iota
	and
	or
	not
)

// tree is a condition over matches.
type tree struct {
	op    op
	kids  []*tree
	match *match
}

func joined(o op, kids []*tree) *tree {
	if len(kids) == 1 {
		return kids[0]
	}
	return &tree{op: o, kids: kids}
}

// comparisons are the modifiers that choose the comparison; at most one stands on a field.
var comparisons = map[string]test{"re": matches, "cidr": inRange, "exists": present, "fieldref": sameAs,
	"lt": below, "lte": atMost, "gt": above, "gte": atLeast}

var clockParts = []string{"minute", "hour", "day", "week", "month", "year"}

// flags are the modifiers that say something about others.
var flags = []string{"all", "neq", "cased", "expand", "i", "m", "s", "ignorecase", "multiline", "dotall"}

// modifiers returns the names of the value modifiers that are understood.
func modifiers() []string {
	out := append(append([]string{}, flags...), clockParts...)
	for name := range transforms() {
		out = append(out, name)
	}
	for name := range comparisons {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// reader reads the searches of one document.
type reader struct {
	*paper
	lists map[string][]string
}

// search reads a named search: a mapping is an "and", a list an "or".
func (r *reader) search(n *node) *tree {
	before := len(r.problems)
	switch n.kind {
	case mapping:
		var kids []*tree
		for i, k := range n.keys {
			if t := r.item(k, n.items[i]); t != nil {
				kids = append(kids, t)
			}
		}
		if len(kids) > 0 {
			return joined(and, kids)
		}
	case list:
		var kids []*tree
		for _, x := range n.items {
			if t := r.search(x); t != nil {
				kids = append(kids, t)
			}
		}
		if len(kids) > 0 {
			return joined(or, kids)
		}
	case scalar:
		return r.item(&node{kind: scalar, line: n.line, column: n.column}, n)
	}
	if len(r.problems) == before {
		r.refuse(n, "", "the search is empty")
	}
	return nil
}

// item reads one field with its modifiers and values.
func (r *reader) item(key, values *node) *tree {
	field, rest, _ := strings.Cut(key.text, "|")
	var mods []string
	if rest != "" {
		mods = strings.Split(rest, "|")
	}
	if !r.checkModifiers(key, mods) {
		return nil
	}
	var kids []*tree
	for _, v := range values.each() {
		if t := r.value(strings.TrimSpace(field), mods, v); t != nil {
			kids = append(kids, t)
		}
	}
	if len(kids) == 0 {
		if values.kind == list && len(values.items) == 0 {
			r.refuse(values, "", "the list of values is empty")
		}
		return nil
	}
	o := or
	if slices.Contains(mods, "all") {
		o = and
	}
	t := joined(o, kids)
	if slices.Contains(mods, "neq") {
		t = &tree{op: not, kids: []*tree{t}}
	}
	return t
}

func (r *reader) checkModifiers(key *node, mods []string) bool {
	known := modifiers()
	compare := ""
	for _, m := range mods {
		if !slices.Contains(known, m) {
			hint := ""
			if near := expr.Nearest(m, known); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			r.refuse(key, hint, "there is no value modifier %q", m)
			return false
		}
		_, is := comparisons[m]
		if is || slices.Contains(clockParts, m) {
			if compare != "" {
				r.refuse(key, "", "the modifiers %s and %s exclude each other", compare, m)
				return false
			}
			compare = m
		}
	}
	changes := transforms()
	for _, m := range mods {
		if _, is := changes[m]; is && compare != "" {
			r.refuse(key, "", "the modifiers %s and %s cannot be combined", compare, m)
			return false
		}
		if isFlag(m) && compare != "re" {
			r.refuse(key, "", "the modifier %s belongs to re", m)
			return false
		}
	}
	return true
}

func isFlag(m string) bool { return regexFlags[m] != "" }

var regexFlags = map[string]string{"i": "i", "m": "m", "s": "s", "ignorecase": "i", "multiline": "m", "dotall": "s"}

// value reads one value.
func (r *reader) value(field string, mods []string, v *node) *tree {
	m := &match{field: field, from: v, cased: slices.Contains(mods, "cased")}
	switch v.kind {
	case null:
		if field == "" {
			r.refuse(v, "", "a keyword without content")
			return nil
		}
		m.test = absent
		return &tree{match: m}
	case mapping, list:
		r.refuse(v, "", "the value of %q must be plain", field)
		return nil
	}
	if slices.Contains(mods, "expand") {
		return r.expand(field, mods, v)
	}
	for _, mod := range mods {
		if t, ok := comparisons[mod]; ok {
			m.test = t
			return r.compared(m, mods)
		}
		if slices.Contains(clockParts, mod) {
			m.test, m.part = clock, mod
			return r.compared(m, mods)
		}
	}
	return r.texts(m, mods)
}

// compared reads the value of a comparison.
func (r *reader) compared(m *match, mods []string) *tree {
	v := m.from
	m.text = v.text
	if m.field == "" && m.test != matches {
		r.refuse(v, "", "this modifier needs a field")
		return nil
	}
	switch m.test {
	case present:
		switch strings.ToLower(v.text) {
		case "true", "yes":
		case "false", "no":
			m.test = absent
		default:
			r.refuse(v, "write true or false", "exists cannot be %q", v.text)
			return nil
		}
	case inRange:
		if _, err := expr.ParsePrefixes([]string{v.text}); err != nil {
			r.refuse(v, "", "%v", err)
			return nil
		}
	case below, atMost, above, atLeast, clock:
		if _, err := strconv.ParseInt(v.text, 10, 64); err != nil {
			r.refuse(v, "", "%q is no whole number", v.text)
			return nil
		}
	case matches:
		return r.regex(m, mods)
	case sameAs:
		m.text = strings.TrimSpace(v.text)
	}
	return &tree{match: m}
}

func (r *reader) regex(m *match, mods []string) *tree {
	set := ""
	for _, mod := range mods {
		if f := regexFlags[mod]; f != "" && !strings.Contains(set, f) {
			set += f
		}
	}
	if set != "" {
		m.text = "(?" + set + ")" + m.text
	}
	if _, err := regexp.Compile(m.text); err != nil {
		r.refuse(m.from, "Vigil's regular expressions are RE2: no look-around, no back-references", "%v", err)
		return nil
	}
	return &tree{match: m}
}

// texts reads a text with the modifiers that change it, in their order.
func (r *reader) texts(m *match, mods []string) *tree {
	values := []pattern{parsePattern(m.from.text)}
	if m.field == "" && m.from.text == "" {
		r.refuse(m.from, "", "an empty keyword")
		return nil
	}
	all := transforms()
	for _, mod := range mods {
		change, ok := all[mod]
		if !ok {
			continue
		}
		m.cased = m.cased || strings.HasPrefix(mod, "base64") // its alphabet knows case
		var next []pattern
		for _, p := range values {
			more, err := change(p)
			if err != nil {
				r.refuse(m.from, "", "%v", err)
				return nil
			}
			next = append(next, more...)
		}
		values = next
	}
	var kids []*tree
	for _, p := range values {
		if !p.printable() {
			r.refuse(m.from, "put base64 or base64offset after it", "the encoded value is not text")
			return nil
		}
		one := *m
		if m.field == "" {
			p = p.open(true, true)
		}
		if one.test, one.text = p.shape(); one.test == like {
			one.pat = p
		}
		kids = append(kids, &tree{match: &one})
	}
	if len(kids) == 0 {
		r.refuse(m.from, "", "the value is too short to be encoded")
		return nil
	}
	return joined(or, kids)
}

var placeholder = regexp.MustCompile(`%[^%\s]+%`)

// expand replaces the placeholders of a value by the values of the named lists.
func (r *reader) expand(field string, mods []string, v *node) *tree {
	texts := []string{v.text}
	for _, name := range placeholder.FindAllString(v.text, -1) {
		values, ok := r.lists[strings.Trim(name, "%")]
		if !ok || len(values) == 0 {
			r.refuse(v, "give its values with --lists", "the placeholder %s has no values", name)
			return nil
		}
		var next []string
		for _, t := range texts {
			for _, x := range values {
				next = append(next, strings.Replace(t, name, escapeWild(x), 1))
			}
		}
		if texts = next; len(texts) > maxExpansion {
			r.refuse(v, "", "the placeholders become more than %d values", maxExpansion)
			return nil
		}
	}
	rest := slices.DeleteFunc(slices.Clone(mods), func(m string) bool { return m == "expand" })
	var kids []*tree
	for _, t := range texts {
		one := *v
		one.text = t
		if k := r.value(field, rest, &one); k != nil {
			kids = append(kids, k)
		}
	}
	if len(kids) == 0 {
		return nil
	}
	return joined(or, kids)
}

// escapeWild makes the backslashes and wildcards of a list's value plain.
func escapeWild(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(s)
}

// valid address spelling for comparisons of address fields with equal texts.
func canonicalAddr(s string) (string, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return "", false
	}
	return a.Unmap().String(), true
}
