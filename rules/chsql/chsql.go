// Package chsql renders the conditions of a checked rule as a ClickHouse boolean
// expression over the events table, so that stored history answers as the stream
// does. It renders expressions only; statements belong to the store.
package chsql

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"vigil/internal/expr"
	"vigil/rules"
	"vigil/schema"
)

// Expr is a boolean expression with its parameters. SQL names each parameter as
// {p0:String}; Params holds the values, unescaped.
type Expr struct {
	SQL    string
	Params map[string]string
}

// Inline returns the expression with its parameters as quoted literals.
func (e Expr) Inline() string {
	pairs := make([]string, 0, 2*len(e.Params))
	for _, name := range slices.Sorted(maps.Keys(e.Params)) {
		pairs = append(pairs, "{"+name+":String}", Quote(e.Params[name]))
	}
	return strings.NewReplacer(pairs...).Replace(e.SQL)
}

// Quote returns s as a ClickHouse string literal.
func Quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\0`).Replace(s) + "'"
}

// Where renders the whole rule: its datasets and all its conditions. It fails on
// language elements that have no exact counterpart; the error names them.
func Where(r *rules.Rule) (Expr, error) {
	w := &writer{params: map[string]string{}}
	s, err := w.whole(r)
	return Expr{SQL: s, Params: w.params}, err
}

// Candidates renders what holds wherever one of the rules does, and at few events more,
// which the rules are to judge. The texts that rules look for in the record are looked for
// in one search by Hyperscan: each rule by itself would go through all records again, and
// multiSearchAny takes thirty times as long for a hundred texts. It is the fuzzy function,
// with no difference allowed, because multiMatchAny takes records for valid UTF-8.
func Candidates(list []*rules.Rule) (Expr, error) {
	w := &writer{params: map[string]string{}}
	var texts, any []string
	for _, r := range list {
		if of := r.RecordTexts(); of != nil {
			texts = append(texts, of...)
			continue
		}
		s, err := w.whole(r)
		if err != nil {
			return Expr{}, err
		}
		any = append(any, s)
	}
	if slices.Sort(texts); len(texts) > 0 {
		texts = slices.Compact(texts)
		for i, s := range texts {
			texts[i] = "(?i)" + regexp.QuoteMeta(s)
		}
		any = append(any, "multiFuzzyMatchAny(raw, 0, ["+w.texts(texts)+"])")
	}
	return Expr{SQL: join(any, " OR "), Params: w.params}, nil
}

// whole renders a rule as [Where] does.
func (w *writer) whole(r *rules.Rule) (string, error) {
	w.rule = r
	parts := []string{w.datasets()}
	for _, c := range r.Conditions() {
		s, err := w.boolean(c.Node())
		if err != nil {
			return "", schema.E(schema.Invalid, fmt.Sprintf("rule %s cannot be asked of stored events", r.ID),
				"rewrite the condition with supported functions", err)
		}
		parts = append(parts, s)
	}
	return join(parts, " AND "), nil
}

// Condition renders one expression over events, without datasets.
func Condition(p *expr.EventProgram) (Expr, error) {
	w := &writer{params: map[string]string{}}
	s, err := w.boolean(p.Node())
	if err != nil {
		return Expr{}, schema.E(schema.Invalid, fmt.Sprintf("%q cannot be asked of stored events", p.Source()), "", err)
	}
	return Expr{SQL: s, Params: w.params}, nil
}

type writer struct {
	rule   *rules.Rule
	params map[string]string
	byText map[string]string
	loops  []string // loop variables, innermost last
}

// text makes a parameter of s; equal texts share one.
func (w *writer) text(s string) string {
	if p, ok := w.byText[s]; ok {
		return p
	}
	if w.byText == nil {
		w.byText = map[string]string{}
	}
	name := "p" + strconv.Itoa(len(w.params))
	w.params[name] = s
	p := "{" + name + ":String}"
	w.byText[s] = p
	return p
}

func (w *writer) texts(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = w.text(v)
	}
	return strings.Join(out, ", ")
}

func join(parts []string, op string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, op) + ")"
}

func (w *writer) datasets() string {
	var exact, any []string
	for _, d := range w.rule.Datasets {
		if d == "*" {
			return "1"
		}
		if prefix, ok := strings.CutSuffix(d, "*"); ok {
			any = append(any, "startsWith(event_dataset, "+w.text(prefix)+")")
		} else {
			exact = append(exact, d)
		}
	}
	if len(exact) > 0 {
		any = append(any, "event_dataset IN ("+w.texts(exact)+")")
	}
	return join(any, " OR ")
}

// boolean renders a node that is true or false.
func (w *writer) boolean(n *expr.Node) (string, error) {
	switch n.Op {
	case expr.OpLiteral:
		if b, ok := n.Value.(bool); ok {
			return map[bool]string{true: "1", false: "0"}[b], nil
		}
	case expr.OpHas:
		return w.has(n.Ref), nil
	case expr.OpField:
		if n.Type == expr.Bool {
			return n.Ref.Field.Def().Column, nil
		}
	case expr.OpPart:
		if w.rule != nil {
			if p := w.rule.Part(n.Name); p != nil {
				return w.boolean(p.Node())
			}
		}
	case expr.OpExists, expr.OpAll:
		return w.loop(n)
	case expr.OpCall:
		return w.call(n)
	}
	return "", fmt.Errorf("no SQL for this expression of type %s", n.Type)
}

func (w *writer) has(r expr.Ref) string {
	if r.Raw {
		return "notEmpty(raw)"
	}
	if r.Extra != "" {
		return "notEmpty(attrs[" + w.text(r.Extra) + "])"
	}
	d := r.Field.Def()
	switch {
	case d.Multi:
		return "notEmpty(" + d.Column + ")"
	case d.Kind == schema.Bool:
		return d.Column
	case d.Kind == schema.Long, d.Kind == schema.Double:
		return "(" + d.Column + " != 0)"
	case d.Kind == schema.Date:
		return "(toUnixTimestamp64Micro(" + d.Column + ") != 0)"
	case d.Kind == schema.IP:
		return "(" + d.Column + " != toIPv6('::'))"
	default:
		return "notEmpty(" + d.Column + ")"
	}
}

func (w *writer) loop(n *expr.Node) (string, error) {
	list, err := w.list(n.Args[0])
	if err != nil {
		return "", err
	}
	w.loops = append(w.loops, n.Name)
	v := w.loopVar(n.Name)
	cond, err := w.boolean(n.Args[1])
	w.loops = w.loops[:len(w.loops)-1]
	if err != nil {
		return "", err
	}
	fn := "arrayExists"
	if n.Op == expr.OpAll {
		fn = "arrayAll"
	}
	return fn + "(" + v + " -> " + cond + ", " + list + ")", nil
}

// loopVar names the loop variable so that it never meets a column.
func (w *writer) loopVar(name string) string {
	for i := len(w.loops) - 1; i >= 0; i-- {
		if w.loops[i] == name {
			return "v" + strconv.Itoa(i) + "_"
		}
	}
	return ""
}

func (w *writer) list(n *expr.Node) (string, error) {
	switch {
	case n.Op == expr.OpField && n.Type == expr.StringList:
		return n.Ref.Field.Def().Column, nil
	case n.Op == expr.OpList:
		if values, ok := n.Strings(); ok {
			return "[" + w.texts(values) + "]", nil
		}
	}
	return "", fmt.Errorf("no SQL for this list")
}

func (w *writer) call(n *expr.Node) (string, error) {
	switch n.Name {
	case "&&", "||":
		return w.logic(n)
	case "!":
		s, err := w.boolean(n.Args[0])
		return "(NOT " + s + ")", err
	case "?:":
		return w.choice(n, w.boolean)
	case "intel":
		return w.intel(n.Args[0])
	case "==", "!=", "<", "<=", ">", ">=", "in":
		return w.compare(n)
	}
	if len(n.Args) != 2 {
		return "", fmt.Errorf("no SQL for the function %s", n.Name)
	}
	return w.predicate(n)
}

func (w *writer) logic(n *expr.Node) (string, error) {
	op := map[string]string{"&&": " AND ", "||": " OR "}[n.Name]
	var parts []string
	for _, a := range n.Args {
		s, err := w.boolean(a)
		if err != nil {
			return "", err
		}
		parts = append(parts, s)
	}
	return join(parts, op), nil
}

func (w *writer) choice(n *expr.Node, render func(*expr.Node) (string, error)) (string, error) {
	cond, err := w.boolean(n.Args[0])
	if err != nil {
		return "", err
	}
	yes, err := render(n.Args[1])
	if err != nil {
		return "", err
	}
	no, err := render(n.Args[2])
	return "if(" + cond + ", " + yes + ", " + no + ")", err
}

func (w *writer) intel(n *expr.Node) (string, error) {
	if n.Type == expr.StringList {
		list, err := w.list(n)
		return "arrayExists(a_ -> arrayExists(i_ -> lower(i_) = lower(a_), threat_indicator_value), " + list + ")", err
	}
	v, err := w.value(n)
	return "(notEmpty(" + v + ") AND arrayExists(i_ -> lower(i_) = lower(" + v + "), threat_indicator_value))", err
}
