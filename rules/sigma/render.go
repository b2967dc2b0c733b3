package sigma

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"vigil/internal/expr"
	"vigil/schema"
)

// renderer writes conditions in the expression language.
type renderer struct {
	doc    *paper
	fields *taxonomy
	// helper keeps an expression as a part of its own and returns its name; very long
	// lists are split so.
	helper func(expression) expression
}

// maxSiblings is how many values one expression holds; an expression's text is bounded.
const maxSiblings = 500

// tree renders a condition over matches. Sibling matches that differ only in their
// value become one call with a list.
func (r *renderer) tree(t *tree) expression {
	switch t.op {
	case leaf:
		return r.group([]*match{t.match}, false)
	case not:
		return negated(r.tree(t.kids[0]))
	}
	if t.op == or && len(t.kids) > maxSiblings {
		var parts []expression
		for chunk := range slices.Chunk(t.kids, maxSiblings) {
			parts = append(parts, r.helper(r.tree(&tree{op: or, kids: chunk})))
		}
		return anyOf(parts)
	}
	type key struct {
		field string
		test  test
		cased bool
	}
	groups := map[key][]*match{}
	var order []key
	var parts []expression
	for _, k := range t.kids {
		if k.op != leaf {
			continue
		}
		g := key{k.match.field, k.match.test, k.match.cased}
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], k.match)
	}
	for _, g := range order {
		parts = append(parts, r.group(groups[g], t.op == and))
	}
	for _, k := range t.kids {
		if k.op != leaf {
			parts = append(parts, r.tree(k))
		}
	}
	if t.op == and {
		return allOf(parts)
	}
	return anyOf(parts)
}

// group renders matches of one field and test; all of them must hold, or any.
func (r *renderer) group(ms []*match, all bool) expression {
	if ms[0].field == "" {
		return r.keywords(ms, all)
	}
	t := r.fields.find(ms[0].field)
	if t.hashes {
		return r.hashes(ms, all)
	}
	var special, rest []*match
	for _, m := range ms {
		if _, ok := t.values[strings.ToLower(m.text)]; ok && m.test == equals || m.test == equals && m.text == "-" && t.dashed {
			special = append(special, m)
		} else {
			rest = append(rest, m)
		}
	}
	parts := []expression{r.each(special, all, func(m *match) expression {
		if x, ok := t.values[strings.ToLower(m.text)]; ok {
			return parsed(x)
		}
		return r.places(t, []*match{{field: m.field, test: absent, from: m.from}}, false)
	})}
	if len(rest) > 0 {
		parts = append(parts, r.places(t, rest, all))
	}
	if all {
		return allOf(parts)
	}
	return anyOf(parts)
}

func (r *renderer) each(ms []*match, all bool, f func(*match) expression) expression {
	var out []expression
	for _, m := range ms {
		out = append(out, f(m))
	}
	if all {
		return allOf(out)
	}
	return anyOf(out)
}

// places renders matches over every place where the field's value may be. That all
// values must hold is asked of each place alone.
func (r *renderer) places(t target, ms []*match, all bool) expression {
	if ms[0].test == absent {
		return r.absence(t)
	}
	if t.domain != "" {
		return r.each(ms, all, func(m *match) expression { return r.account(t, m) })
	}
	var out []expression
	for _, p := range t.places {
		x := r.field(t, p.ref, ms, all)
		if p.when != "" {
			x = allOf([]expression{parsed(p.when), x})
		}
		out = append(out, x)
	}
	return anyOf(out)
}

func (r *renderer) absence(t target) expression {
	var out []expression
	for _, p := range t.places {
		x := negated(hasField(p.ref))
		if p.when != "" {
			x = anyOf([]expression{negated(parsed(p.when)), x})
		}
		out = append(out, x)
	}
	if t.domain != "" {
		out = append(out, negated(hasField(t.domain)))
	}
	return allOf(out)
}

// field renders matches of one field of ours, by its type.
func (r *renderer) field(t target, name string, ms []*match, all bool) expression {
	ref, ok := expr.ParseRef(name)
	if !ok {
		r.doc.refuse(ms[0].from, "", "the field %q has no place in an event", ms[0].field)
		return never
	}
	if t.extension {
		return r.each(ms, all, func(m *match) expression {
			return expression{selects(name) + ".iendsWith(" + quote("."+m.text) + ")", atomic}
		})
	}
	switch ms[0].test {
	case present:
		return hasField(name)
	case sameAs:
		return r.each(ms, all, func(m *match) expression { return r.reference(name, m) })
	case clock:
		return r.each(ms, all, func(m *match) expression { return r.clock(ref, m) })
	}
	switch ref.Type() {
	case expr.Int:
		return r.number(ref, ms, all)
	case expr.Bool:
		return r.boolean(ref, ms, all)
	case expr.Timestamp, expr.Double:
		r.doc.refuse(ms[0].from, "", "%s cannot be compared with texts: it is a %s", name, ref.Type())
		return never
	}
	return r.text(ref, selects(name), ms, all)
}

// emptiness is the absence of what a subject reads.
func emptiness(subject string) expression {
	if strings.HasSuffix(subject, "]") {
		return expression{subject + " == ''", relation}
	}
	return expression{"!has(" + subject + ")", atomic}
}

var ignoringCase = map[test]string{equals: "ieq", contains: "icontains", startsWith: "istartsWith", endsWith: "iendsWith", like: "ilike"}
var mindingCase = map[test]string{contains: "contains", startsWith: "startsWith", endsWith: "endsWith"}

// text renders tests of a text or a list of texts, read by the expression subject.
func (r *renderer) text(ref expr.Ref, subject string, ms []*match, all bool) expression {
	isList := ref.Type() == expr.StringList
	one := func(m *match) expression { return r.texts(ref, subject, isList, m, []string{m.text}) }
	var values []string
	for _, m := range ms {
		if m.test == equals && m.text == "" {
			rest := slices.DeleteFunc(slices.Clone(ms), func(x *match) bool { return x.text == "" })
			parts := []expression{emptiness(subject)}
			if len(rest) > 0 {
				parts = append(parts, r.text(ref, subject, rest, all))
			}
			if all {
				return allOf(parts)
			}
			return anyOf(parts)
		}
		values = append(values, m.text)
	}
	switch m := ms[0]; {
	case m.test == below || m.test == atMost || m.test == above || m.test == atLeast:
		return r.each(ms, all, func(m *match) expression { return numericText(subject, m) })
	case m.test == like:
		return r.likes(subject, isList, ms, all)
	case m.test == contains && all && !m.cased && len(ms) > 1:
		return expression{subject + ".icontainsAll(" + quoteAll(values) + ")", atomic}
	case all && len(ms) > 1, m.test == matches, m.cased && m.test != equals:
		return r.each(ms, all, one)
	default:
		return r.texts(ref, subject, isList, m, values)
	}
}

// texts renders one test of any of the values.
func (r *renderer) texts(ref expr.Ref, subject string, isList bool, m *match, values []string) expression {
	element := func(call string) expression {
		if isList {
			return expression{subject + ".exists(x, x" + call + ")", atomic}
		}
		return expression{subject + call, atomic}
	}
	switch {
	case m.test == matches:
		return element(".matches(" + quote(m.text) + ")")
	case m.test == inRange:
		return expression{"cidr(" + subject + ", " + quoteAll(values) + ")", atomic}
	case m.test == equals:
		if !isList && (m.cased || caseless(values)) {
			return equality(subject, canonical(ref, values))
		}
		if m.cased {
			return element(" in " + "[" + strings.Trim(quoteAll(values), "[]") + "]")
		}
		return expression{subject + ".ieq(" + quoteAll(values) + ")", atomic}
	case m.cased:
		return element("." + mindingCase[m.test] + "(" + quoteAll(values) + ")")
	}
	return expression{subject + "." + ignoringCase[m.test] + "(" + quoteAll(values) + ")", atomic}
}

func equality(subject string, values []string) expression {
	list := quoteAll(values)
	if strings.HasPrefix(list, "[") {
		return expression{subject + " in " + list, relation}
	}
	return expression{subject + " == " + list, relation}
}

var letters = regexp.MustCompile(`\p{L}`)

// caseless says whether none of the values has letters.
func caseless(values []string) bool {
	return !slices.ContainsFunc(values, letters.MatchString)
}

// canonical spells addresses as address fields do.
func canonical(ref expr.Ref, values []string) []string {
	if ref.Extra != "" || ref.Raw || ref.Field.Def().Kind != schema.IP {
		return values
	}
	out := slices.Clone(values)
	for i, v := range out {
		if a, ok := canonicalAddr(v); ok {
			out[i] = a
		}
	}
	return out
}

// likes renders patterns with wildcards inside.
func (r *renderer) likes(subject string, isList bool, ms []*match, all bool) expression {
	var globs []string
	var odd []*match
	for _, m := range ms {
		if g, ok := m.pat.glob(); ok && !m.cased {
			globs = append(globs, g)
		} else {
			odd = append(odd, m)
		}
	}
	var parts []expression
	if len(globs) > 0 && !all {
		parts = append(parts, expression{subject + ".ilike(" + quoteAll(globs) + ")", atomic})
	} else {
		for _, g := range globs {
			parts = append(parts, expression{subject + ".ilike(" + quote(g) + ")", atomic})
		}
	}
	for _, m := range odd {
		call := ".matches(" + quote(m.pat.regexp(m.cased)) + ")"
		if isList {
			call = ".exists(x, x" + call + ")"
		}
		parts = append(parts, expression{subject + call, atomic})
	}
	if all {
		return allOf(parts)
	}
	return anyOf(parts)
}

// numericText compares a text as a number; what is no number is on no side.
func numericText(subject string, m *match) expression {
	return expression{subject + ".matches('^-?[0-9]{1,18}$') && int(" + subject + ") " + orderings[m.test] + " " + m.text, conjunctive}
}

var orderings = map[test]string{below: "<", atMost: "<=", above: ">", atLeast: ">="}

// number renders tests of a number.
func (r *renderer) number(ref expr.Ref, ms []*match, all bool) expression {
	subject := "e." + ref.Name()
	switch ms[0].test {
	case below, atMost, above, atLeast:
		return r.each(ms, all, func(m *match) expression {
			return allOf([]expression{hasField(ref.Name()), {subject + " " + orderings[m.test] + " " + m.text, relation}})
		})
	case equals:
		var values []string
		for _, m := range ms {
			n, err := strconv.ParseInt(m.text, 0, 64)
			if err != nil && m.text != "" {
				r.doc.warn(m.from, "%s is a number here, so it never equals %q", m.field, m.text)
				continue
			}
			if n == 0 {
				r.doc.warn(m.from, "an absent %s reads as 0, so this holds for events without it too", m.field)
			}
			values = append(values, strconv.FormatInt(n, 10))
		}
		values = slices.Compact(values)
		switch {
		case len(values) == 0, all && len(values) > 1:
			return never
		case len(values) == 1:
			return expression{subject + " == " + values[0], relation}
		}
		return expression{subject + " in [" + strings.Join(values, ", ") + "]", relation}
	case inRange:
		r.doc.refuse(ms[0].from, "", "%s is a number, not an address", ms[0].field)
		return never
	}
	text := "string(" + subject + ")"
	return allOf([]expression{hasField(ref.Name()), r.text(expr.Ref{Raw: true}, text, ms, all)})
}

// boolean renders tests of a truth value, which is false when it is absent.
func (r *renderer) boolean(ref expr.Ref, ms []*match, all bool) expression {
	return r.each(ms, all, func(m *match) expression {
		if m.test != equals {
			r.doc.refuse(m.from, "", "%s is true or false here", m.field)
			return never
		}
		switch strings.ToLower(m.text) {
		case "true", "1", "yes":
			return expression{"e." + ref.Name(), atomic}
		case "false", "0", "no":
			return expression{"!e." + ref.Name(), atomic}
		}
		r.doc.warn(m.from, "%s is true or false here, so it never equals %q", m.field, m.text)
		return never
	})
}

// reference compares with another field. Two absent fields are not equal.
func (r *renderer) reference(name string, m *match) expression {
	other := r.fields.find(m.text)
	if other.hashes || len(other.places) == 0 {
		r.doc.refuse(m.from, "", "%s cannot be compared with another field", m.text)
		return never
	}
	right := selects(other.places[0].ref)
	if other.domain != "" {
		right = whole(other)
	}
	return sameField(name, selects(name), right, other.places[0].ref, m)
}

func sameField(name, left, right, other string, m *match) expression {
	a, _ := expr.ParseRef(name)
	b, _ := expr.ParseRef(other)
	if a.Type() == expr.Int && b.Type() == expr.Int || m.cased {
		return allOf([]expression{hasField(name), {left + " == " + right, relation}})
	}
	if a.Type() == expr.Int {
		left = "string(" + left + ")"
	}
	if b.Type() == expr.Int {
		right = "string(" + right + ")"
	}
	return allOf([]expression{hasField(name), {left + ".ieq(" + right + ")", atomic}})
}

var clockCalls = map[string]string{"minute": "getMinutes() == ", "hour": "getHours() == ", "day": "getDate() == ", "month": "getMonth() == ", "year": "getFullYear() == "}

func (r *renderer) clock(ref expr.Ref, m *match) expression {
	call, ok := clockCalls[m.part]
	if !ok || ref.Type() != expr.Timestamp {
		r.doc.refuse(m.from, "", "%s of %s: only minute, hour, day, month and year of a time can be asked for", m.part, m.field)
		return never
	}
	value := m.text
	if m.part == "month" { // the language counts months from 0
		n, _ := strconv.Atoi(m.text)
		value = strconv.Itoa(n - 1)
	}
	return expression{"e." + ref.Name() + "." + call + value, relation}
}

// keywords renders texts looked for in the whole record. Records are often JSON, in
// which some characters are written otherwise: both spellings are looked for.
func (r *renderer) keywords(ms []*match, all bool) expression {
	raw := expr.Ref{Raw: true}
	var spelled [][]*match
	plain := true
	for _, m := range ms {
		variants := []*match{m}
		if m.test == contains {
			if j := inJSON(m.text); j != m.text {
				other := *m
				other.text = j
				variants = append(variants, &other)
				plain = false
			}
		}
		spelled = append(spelled, variants)
	}
	if plain || !all {
		return r.text(raw, "e.raw", slices.Concat(spelled...), all && plain)
	}
	var parts []expression
	for _, v := range spelled {
		parts = append(parts, r.text(raw, "e.raw", v, false))
	}
	return allOf(parts)
}

func inJSON(s string) string {
	if !strings.ContainsAny(s, "\\\"\t\r\n") {
		return s
	}
	b, err := json.Marshal(s)
	if err != nil {
		return s
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b[1 : len(b)-1]))
}

// hashKind is a kind of hash of Sysmon's list, with its length in hex.
type hashKind struct {
	name, ref string
	size      int
}

var hashKinds = []hashKind{{"MD5", "process.hash.md5", 32}, {"SHA1", "process.hash.sha1", 40}, {"SHA256", "process.hash.sha256", 64}, {"IMPHASH", "process.pe.imphash", 32}}

// hashes renders tests of Sysmon's list "SHA1=…,MD5=…", which is kept by kind.
func (r *renderer) hashes(ms []*match, all bool) expression {
	whole := make([][]string, len(hashKinds)) // complete hashes by kind, for one list each
	var parts []expression
	for _, m := range ms {
		kind := slices.IndexFunc(hashKinds, func(k hashKind) bool {
			sum, ok := cutFold(m.text, k.name+"=")
			return ok && len(sum) == k.size && (m.test == contains || m.test == equals)
		})
		if kind >= 0 && !all {
			whole[kind] = append(whole[kind], m.text[len(hashKinds[kind].name)+1:])
		} else {
			parts = append(parts, r.hash(m))
		}
	}
	for i, sums := range whole {
		if len(sums) > 0 {
			parts = append(parts, expression{selects(hashKinds[i].ref) + ".ieq(" + quoteAll(sums) + ")", atomic})
		}
	}
	if all {
		return allOf(parts)
	}
	return anyOf(parts)
}

func (r *renderer) hash(m *match) expression {
	var each []expression
	for _, k := range hashKinds {
		subject := selects(k.ref)
		switch m.test {
		case absent:
			each = append(each, negated(hasField(k.ref)))
			continue
		case present:
			each = append(each, hasField(k.ref))
			continue
		case contains, startsWith, endsWith, equals:
		default:
			r.doc.refuse(m.from, "compare with KIND=HASH", "the list of hashes is kept by kind, so it cannot be compared like this")
			return never
		}
		if sum, ok := cutFold(m.text, k.name+"="); ok {
			if len(sum) == k.size {
				return expression{subject + ".ieq(" + quote(sum) + ")", atomic}
			}
			return expression{subject + ".istartsWith(" + quote(sum) + ")", atomic}
		}
		if m.text == "" {
			each = append(each, negated(hasField(k.ref)))
		} else {
			each = append(each, expression{subject + ".icontains(" + quote(m.text) + ")", atomic})
		}
	}
	if m.test == absent || m.text == "" && m.test == equals {
		return allOf(each)
	}
	return anyOf(each)
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) > len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return "", false
}

// whole is the text DOMAIN\name of a user kept in two fields.
func whole(t target) string {
	return "(" + selects(t.domain) + ` + '\\' + ` + selects(t.places[0].ref) + ")"
}

// account renders a test of DOMAIN\name on the two fields it is kept in.
func (r *renderer) account(t target, m *match) expression {
	domain, _ := expr.ParseRef(t.domain)
	name, _ := expr.ParseRef(t.places[0].ref)
	on := func(ref expr.Ref, how test, text string) expression {
		if text == "" && how != equals {
			return expression{}
		}
		return r.text(ref, selects(ref.Name()), []*match{{field: m.field, test: how, text: text, cased: m.cased, from: m.from}}, false)
	}
	left, right, split := strings.Cut(m.text, `\`)
	switch {
	case m.test == present:
		return hasField(t.places[0].ref)
	case m.test == sameAs:
		other := r.fields.find(m.text)
		if len(other.places) == 0 {
			r.doc.refuse(m.from, "", "%s cannot be compared with another field", m.text)
			return never
		}
		return sameField(t.places[0].ref, whole(t), selects(other.places[0].ref), other.places[0].ref, m)
	case m.test == equals && split:
		return allOf([]expression{on(domain, equals, left), on(name, equals, right)})
	case m.test == equals:
		return on(name, equals, m.text)
	case m.test == contains && split:
		return allOf([]expression{hasField(t.places[0].ref), on(domain, endsWith, left), on(name, startsWith, right)})
	case m.test == contains:
		return anyOf([]expression{on(domain, contains, m.text), on(name, contains, m.text)})
	case m.test == startsWith && split:
		return allOf([]expression{hasField(t.places[0].ref), on(domain, equals, left), on(name, startsWith, right)})
	case m.test == endsWith && split:
		return allOf([]expression{on(domain, endsWith, left), on(name, equals, right)})
	case m.test == endsWith:
		return on(name, endsWith, m.text)
	}
	return r.text(expr.Ref{Raw: true}, whole(t), []*match{m}, false)
}
