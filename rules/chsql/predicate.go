package chsql

import (
	"fmt"
	"net/netip"

	"vigil/internal/expr"
	"vigil/schema"
)

// predicate renders a test of text, or of any element of a list of texts.
func (w *writer) predicate(n *expr.Node) (string, error) {
	target := n.Args[0]
	values, ok := n.Args[1].Strings()
	if !ok {
		return w.fieldEqual(n)
	}
	if len(values) == 0 {
		return "0", nil
	}
	if n.Name == "cidr" {
		return w.cidr(target, values)
	}
	if target.Type == expr.StringList {
		list, err := w.list(target)
		if err != nil {
			return "", err
		}
		s, err := w.test(n.Name, "x_", values)
		return "arrayExists(x_ -> " + s + ", " + list + ")", err
	}
	v, err := w.value(target)
	if err != nil {
		return "", err
	}
	return w.test(n.Name, v, values)
}

// fieldEqual renders a.ieq(b) of two texts of the event.
func (w *writer) fieldEqual(n *expr.Node) (string, error) {
	if n.Name != "ieq" || n.Args[0].Type != expr.String || n.Args[1].Type != expr.String {
		return "", fmt.Errorf("%s needs literals", n.Name)
	}
	a, err := w.value(n.Args[0])
	if err != nil {
		return "", err
	}
	b, err := w.value(n.Args[1])
	return "(lowerUTF8(" + a + ") = lowerUTF8(" + b + "))", err
}

// test renders the predicate name over the text expression v. ASCII literals are
// compared with ASCII letters folded, others after Unicode lower-casing, as the
// stream does.
func (w *writer) test(name, v string, values []string) (string, error) {
	each := func(op string, one func(lit, text string) string) string {
		parts := make([]string, len(values))
		for i, lit := range values {
			text := "lower(" + v + ")"
			if !expr.IsASCII(lit) {
				text = "lowerUTF8(" + v + ")"
			}
			parts[i] = one(lit, text)
		}
		return join(parts, op)
	}
	switch name {
	case "ieq", "inList":
		return w.equalFold(v, values), nil
	case "icontains":
		return w.containsAny(v, values), nil
	case "icontainsAll":
		return each(" AND ", func(lit, _ string) string { return w.containsAny(v, []string{lit}) }), nil
	case "istartsWith":
		return each(" OR ", func(lit, text string) string { return "startsWith(" + text + ", " + w.text(expr.Fold(lit)) + ")" }), nil
	case "iendsWith":
		return each(" OR ", func(lit, text string) string { return "endsWith(" + text + ", " + w.text(expr.Fold(lit)) + ")" }), nil
	case "ilike":
		return each(" OR ", func(lit, _ string) string { return "match(" + v + ", " + w.text(expr.GlobRegexp(lit)) + ")" }), nil
	case "matches": // a dot takes no line end in the stream, but does in ClickHouse unless told
		return each(" OR ", func(lit, _ string) string { return "match(" + v + ", " + w.text("(?-s)"+lit) + ")" }), nil
	case "contains":
		return each(" OR ", func(lit, _ string) string { return "(position(" + v + ", " + w.text(lit) + ") > 0)" }), nil
	case "startsWith", "endsWith":
		return each(" OR ", func(lit, _ string) string { return name + "(" + v + ", " + w.text(lit) + ")" }), nil
	}
	return "", fmt.Errorf("no SQL for the function %s", name)
}

func (w *writer) equalFold(v string, values []string) string {
	var ascii, parts []string
	for _, lit := range values {
		if expr.IsASCII(lit) {
			ascii = append(ascii, expr.Fold(lit))
		} else {
			parts = append(parts, "(lowerUTF8("+v+") = "+w.text(expr.Fold(lit))+")")
		}
	}
	if len(ascii) > 0 {
		parts = append(parts, "lower("+v+") IN ("+w.texts(ascii)+")")
	}
	return join(parts, " OR ")
}

// maxNeedles is the most patterns that ClickHouse's multi-search takes.
const maxNeedles = 255

func (w *writer) containsAny(v string, values []string) string {
	var ascii, parts []string
	for _, lit := range values {
		if expr.IsASCII(lit) {
			ascii = append(ascii, lit)
		} else {
			parts = append(parts, "(position(lowerUTF8("+v+"), "+w.text(expr.Fold(lit))+") > 0)")
		}
	}
	for len(ascii) > 0 {
		n := min(len(ascii), maxNeedles)
		if n == 1 {
			parts = append(parts, "(positionCaseInsensitive("+v+", "+w.text(ascii[0])+") > 0)")
		} else {
			parts = append(parts, "multiSearchAnyCaseInsensitive("+v+", ["+w.texts(ascii[:n])+"])")
		}
		ascii = ascii[n:]
	}
	return join(parts, " OR ")
}

// cidr renders address ranges as comparisons of IPv6 values; text that is no
// address is in no range, and neither is the absent address.
func (w *writer) cidr(target *expr.Node, values []string) (string, error) {
	ranges, err := expr.ParsePrefixes(values)
	if err != nil {
		return "", err
	}
	within := func(v string) string {
		var parts []string
		for _, p := range ranges {
			first, last := bounds(p)
			in := v + " BETWEEN toIPv6('" + first.String() + "') AND toIPv6('" + last.String() + "')"
			if !p.Addr().Is4() && p.Overlaps(mappedRange()) { // IPv4 addresses are in no IPv6 range
				in += " AND NOT (" + v + " BETWEEN toIPv6('::ffff:0.0.0.0') AND toIPv6('::ffff:255.255.255.255'))"
			}
			parts = append(parts, "("+in+")")
		}
		return "(" + v + " != toIPv6('::') AND " + join(parts, " OR ") + ")"
	}
	parsed := func(v string) string { return within("ifNull(toIPv6OrNull(" + v + "), toIPv6('::'))") }
	if target.Type == expr.StringList {
		list, err := w.list(target)
		return "arrayExists(x_ -> " + parsed("x_") + ", " + list + ")", err
	}
	if r := target.Ref; target.Op == expr.OpField && !r.Raw && r.Extra == "" && r.Field.Def().Kind == schema.IP {
		return within(r.Field.Def().Column), nil
	}
	v, err := w.value(target)
	return parsed(v), err
}

// mappedRange is where the column keeps IPv4 addresses.
func mappedRange() netip.Prefix { return netip.MustParsePrefix("::ffff:0:0/96") }
