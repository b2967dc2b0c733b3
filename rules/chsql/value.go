package chsql

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"vigil/internal/expr"
	"vigil/schema"
)

// value renders a node that is text, a number or a time.
func (w *writer) value(n *expr.Node) (string, error) {
	switch n.Op {
	case expr.OpLiteral:
		return w.literal(n.Value)
	case expr.OpVar:
		if v := w.loopVar(n.Name); v != "" {
			return v, nil
		}
	case expr.OpField:
		return w.field(n.Ref), nil
	case expr.OpCall:
		return w.function(n)
	}
	if n.Type == expr.Bool {
		return w.boolean(n)
	}
	return "", fmt.Errorf("no SQL for a value of type %s here", n.Type)
}

func (w *writer) literal(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return w.text(x), nil
	case int64:
		return "toInt64(" + strconv.FormatInt(x, 10) + ")", nil
	case float64:
		return "toFloat64(" + strconv.FormatFloat(x, 'g', -1, 64) + ")", nil
	case bool:
		return strconv.FormatBool(x), nil
	}
	return "", fmt.Errorf("no SQL for the literal %v", v)
}

// field renders the value of a reference; an address is its canonical text.
func (w *writer) field(r expr.Ref) string {
	switch {
	case r.Raw:
		return "raw"
	case r.Extra != "":
		return "attrs[" + w.text(r.Extra) + "]"
	}
	d := r.Field.Def()
	if d.Kind == schema.IP && !d.Multi {
		return "if(" + d.Column + " = toIPv6('::'), '', replaceRegexpOne(toString(" + d.Column + "), '^::ffff:([0-9]+[.])', '\\\\1'))"
	}
	return d.Column
}

var timeParts = map[string]string{
	"getHours": "toHour(%s, 'UTC')", "getMinutes": "toMinute(%s, 'UTC')", "getSeconds": "toSecond(%s, 'UTC')",
	"getFullYear": "toYear(%s, 'UTC')", "getDayOfWeek": "(toDayOfWeek(%s, 0, 'UTC') %% 7)", "getDate": "toDayOfMonth(%s, 'UTC')",
	"getMonth": "(toMonth(%s, 'UTC') - 1)", "getDayOfMonth": "(toDayOfMonth(%s, 'UTC') - 1)",
}

func (w *writer) function(n *expr.Node) (string, error) {
	switch n.Name {
	case "score", "threshold":
		return w.score(n)
	case "?:":
		return w.choice(n, w.value)
	case "+", "-", "*":
		return w.arithmetic(n)
	case "timestamp":
		return timeLiteral(n)
	case "size":
		return w.size(n.Args[0])
	case "double":
		return w.double(n.Args[0])
	case "string", "int":
		return w.convert(n)
	}
	if form, ok := timeParts[n.Name]; ok && len(n.Args) == 1 {
		v, err := w.value(n.Args[0])
		return "toInt64(" + fmt.Sprintf(form, v) + ")", err
	}
	if n.Type == expr.Bool {
		return w.boolean(n)
	}
	return "", fmt.Errorf("no SQL for the function %s", n.Name)
}

func (w *writer) score(n *expr.Node) (string, error) {
	name, ok := n.Args[0].Strings()
	if !ok {
		return "", fmt.Errorf("%s needs a literal", n.Name)
	}
	key, absent := expr.ScorePrefix, "0"
	if n.Name == "threshold" {
		key, absent = expr.ThresholdPrefix, "inf"
	}
	return "ifNull(toFloat64OrNull(attrs[" + w.text(key+name[0]) + "]), " + absent + ")", nil
}

// convert renders a number as text, and text as a number. Text that is no number is
// NULL, which spreads through conditions as the interpreter's error does.
func (w *writer) convert(n *expr.Node) (string, error) {
	form := ""
	switch from := n.Args[0].Type; {
	case n.Type == expr.String && from == expr.Int:
		form = "toString("
	case n.Type == expr.Int && from == expr.String:
		form = "toInt64OrNull("
	default:
		return "", fmt.Errorf("no SQL for %s of %s", n.Name, from)
	}
	v, err := w.value(n.Args[0])
	return form + v + ")", err
}

func (w *writer) arithmetic(n *expr.Node) (string, error) {
	if n.Name == "+" && n.Type == expr.String && len(n.Args) == 2 {
		l, err := w.value(n.Args[0])
		if err != nil {
			return "", err
		}
		r, err := w.value(n.Args[1])
		return "concat(" + l + ", " + r + ")", err
	}
	if len(n.Args) != 2 || n.Type != expr.Int && n.Type != expr.Double {
		return "", fmt.Errorf("no SQL for %s of %s", n.Name, n.Type)
	}
	l, err := w.value(n.Args[0])
	if err != nil {
		return "", err
	}
	r, err := w.value(n.Args[1])
	return "(" + l + " " + n.Name + " " + r + ")", err
}

func timeLiteral(n *expr.Node) (string, error) {
	s, ok := n.Args[0].Strings()
	if !ok {
		return "", fmt.Errorf("timestamp needs a literal")
	}
	t, err := time.Parse(time.RFC3339Nano, s[0])
	if err != nil {
		return "", fmt.Errorf("reading the timestamp: %w", err)
	}
	return "fromUnixTimestamp64Micro(toInt64(" + strconv.FormatInt(t.UnixMicro(), 10) + "), 'UTC')", nil
}

func (w *writer) size(n *expr.Node) (string, error) {
	if n.Type == expr.StringList {
		list, err := w.list(n)
		return "toInt64(length(" + list + "))", err
	}
	v, err := w.value(n)
	return "toInt64(lengthUTF8(" + v + "))", err
}

func (w *writer) double(n *expr.Node) (string, error) {
	if s, ok := n.Strings(); ok && n.Op == expr.OpLiteral {
		f, err := strconv.ParseFloat(s[0], 64)
		if err != nil {
			return "", fmt.Errorf("reading a number: %w", err)
		}
		return "toFloat64(" + strconv.FormatFloat(f, 'g', -1, 64) + ")", nil
	}
	if n.Type != expr.Int && n.Type != expr.Double {
		return "", fmt.Errorf("no SQL for double of %s", n.Type)
	}
	v, err := w.value(n)
	return "toFloat64(" + v + ")", err
}

// compare renders ==, !=, orderings and in.
func (w *writer) compare(n *expr.Node) (string, error) {
	l, r := n.Args[0], n.Args[1]
	if n.Name == "in" {
		return w.in(l, r)
	}
	if s, ok, err := w.addrEqual(l, r); ok && (n.Name == "==" || n.Name == "!=") {
		if n.Name == "!=" {
			s = "(NOT " + s + ")"
		}
		return s, err
	}
	a, err := w.value(l)
	if err != nil {
		return "", err
	}
	b, err := w.value(r)
	op := n.Name
	if op == "==" {
		op = "="
	}
	return "(" + a + " " + op + " " + b + ")", err
}

// addrEqual compares an address column with literal addresses without making
// text of it; ok is false when the operands are something else.
func (w *writer) addrEqual(l, r *expr.Node) (sql string, ok bool, err error) {
	if l.Op != expr.OpField || l.Ref.Raw || l.Ref.Extra != "" || l.Ref.Field.Def().Kind != schema.IP || l.Type != expr.String {
		return "", false, nil
	}
	values, ok := r.Strings()
	if !ok || len(values) == 0 {
		return "", false, nil
	}
	var parts []string
	for _, v := range values {
		if v == "" {
			v = "::"
		}
		a, err := netip.ParseAddr(v)
		if err != nil {
			return "", true, fmt.Errorf("reading an address: %w", err)
		}
		parts = append(parts, "toIPv6('"+mapped(a).String()+"')")
	}
	return l.Ref.Field.Def().Column + " IN (" + strings.Join(parts, ", ") + ")", true, nil
}

func (w *writer) in(l, r *expr.Node) (string, error) {
	if r.Op == expr.OpField {
		list, err := w.list(r)
		if err != nil {
			return "", err
		}
		v, err := w.value(l)
		return "has(" + list + ", " + v + ")", err
	}
	if r.Op != expr.OpList {
		return "", fmt.Errorf("in needs a list")
	}
	if len(r.Args) == 0 {
		return "0", nil
	}
	if s, ok, err := w.addrEqual(l, r); ok {
		return s, err
	}
	v, err := w.value(l)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, a := range r.Args {
		s, err := w.value(a)
		if err != nil {
			return "", err
		}
		parts = append(parts, s)
	}
	return v + " IN (" + strings.Join(parts, ", ") + ")", nil
}

// mapped returns the IPv6 form of an address, as the column holds it.
func mapped(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }

// bounds returns the first and last address of a range in IPv6 form.
func bounds(p netip.Prefix) (first, last netip.Addr) {
	low := mapped(p.Addr()).As16()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	high := low
	for half := range 2 {
		free := min(max(128-bits-64*(1-half), 0), 64)
		v := binary.BigEndian.Uint64(high[8*half:])
		if free == 64 {
			v = ^uint64(0)
		} else {
			v |= 1<<free - 1
		}
		binary.BigEndian.PutUint64(high[8*half:], v)
	}
	return netip.AddrFrom16(low), netip.AddrFrom16(high)
}
