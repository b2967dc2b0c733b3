package expr

import (
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"math"
	"strconv"
)

// Names of the extras the pipeline adds for a scored event: the score of the
// detector and the threshold of its promoted model, as decimal text.
const (
	ScorePrefix     = "labels.score."
	ThresholdPrefix = "labels.threshold."
)

// Function describes one function of the language for the reference. The examples of a
// function hold: tests evaluate them.
type Function struct {
	Name, Signature, Doc string
	Examples             []string
}

// Functions returns the functions added to standard CEL, in reference order.
func Functions() []Function {
	const lit = "(text or list of texts)"
	return []Function{
		{"icontains", "text.icontains" + lit, "True if the text holds any of the literals, ignoring case.",
			[]string{`e.process.command_line.icontains(' -ENC ')`, `e.process.command_line.icontains(['mimikatz', 'powershell'])`, `e.tags.icontains('vp')`}},
		{"icontainsAll", "text.icontainsAll" + lit, "True if the text holds every one of the literals, ignoring case.",
			[]string{`e.process.command_line.icontainsAll(['PowerShell', '-enc'])`, `!e.process.command_line.icontainsAll(['powershell', '-nop'])`}},
		{"istartsWith", "text.istartsWith" + lit, "True if the text starts with any of the literals, ignoring case.",
			[]string{`e.process.executable.istartsWith(['c:\\windows\\', 'c:\\program files\\'])`}},
		{"iendsWith", "text.iendsWith" + lit, "True if the text ends with any of the literals, ignoring case.",
			[]string{`e.process.executable.iendsWith(r'\powershell.exe')`}},
		{"ieq", "text.ieq" + lit, "True if the text equals any of the literals, ignoring case.",
			[]string{`e.user.name.ieq('BOB')`, `e.tags.ieq(['vpn', 'dmz'])`}},
		{"ilike", "text.ilike" + lit, "True if the whole text fits any of the patterns, ignoring case; * stands for any text, ? for one character; a backslash is plain.",
			[]string{`e.process.executable.ilike(r'?:\windows\*\powershell.exe')`}},
		{"cidr", "cidr(address, range or list of ranges)", "True if the text is an address inside any of the ranges. Never true of an absent address.",
			[]string{`cidr(e.source.ip, ['10.0.0.0/8', 'fc00::/7'])`, `!cidr(e.client.ip, '0.0.0.0/0')`}},
		{"inList", "inList(text, 'name')", "True if the text is in the named list, ignoring case. An unknown list fails at load.",
			[]string{`inList(e.user.name, 'admins')`}},
		{"intel", "intel(text)", "True if the value is among the indicators that enrichment found in this event (threat.indicator.value), ignoring case.",
			[]string{`intel(e.destination.ip)`, `!intel(e.source.ip)`}},
		{"score", "score('detector')", "The score the named detector gave this event; 0 when it gave none.",
			[]string{`score('zeek-conn-iforest') > 0.9`, `score('another') == 0.0`}},
		{"threshold", "threshold('detector')", "The score from which the detector's promoted model calls an event anomalous; infinity when none is in force.",
			[]string{`score('zeek-conn-iforest') >= threshold('zeek-conn-iforest')`, `score('another') < threshold('another')`}},
	}
}

var (
	textList = cel.ListType(cel.StringType)
	texts    = map[string]*cel.Type{"string": cel.StringType, "list": textList}
)

// declarations declares our functions. Their bindings serve calls whose
// arguments are not literal; literal calls are replaced at plan time.
func declarations() []cel.EnvOption {
	var opts []cel.EnvOption
	for _, name := range Predicates() {
		var o []cel.FunctionOpt
		for _, l := range []string{"string", "list"} {
			for _, r := range []string{"string", "list"} {
				o = append(o, cel.MemberOverload(l+"_"+name+"_"+r, []*cel.Type{texts[l], texts[r]}, cel.BoolType,
					cel.BinaryBinding(bindPredicate(name))))
			}
		}
		opts = append(opts, cel.Function(name, o...))
	}
	var o []cel.FunctionOpt
	for _, l := range []string{"string", "list"} {
		for _, r := range []string{"string", "list"} {
			o = append(o, cel.Overload("cidr_"+l+"_"+r, []*cel.Type{texts[l], texts[r]}, cel.BoolType,
				cel.BinaryBinding(bindPredicate("cidr"))))
		}
	}
	return append(opts, cel.Function("cidr", o...))
}

// eventDeclarations declares the functions that only an event answers; the
// planner replaces each of their calls.
func eventDeclarations() []cel.EnvOption {
	refuse := func(name string) cel.OverloadOpt {
		return cel.FunctionBinding(func(...ref.Val) ref.Val { return types.NewErr("%s needs an event", name) })
	}
	return []cel.EnvOption{
		cel.Function("inList",
			cel.Overload("inlist_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType, refuse("inList")),
			cel.Overload("inlist_list", []*cel.Type{textList, cel.StringType}, cel.BoolType, refuse("inList"))),
		cel.Function("intel",
			cel.Overload("intel_string", []*cel.Type{cel.StringType}, cel.BoolType, refuse("intel")),
			cel.Overload("intel_list", []*cel.Type{textList}, cel.BoolType, refuse("intel"))),
		cel.Function("score", cel.Overload("score_string", []*cel.Type{cel.StringType}, cel.DoubleType, refuse("score"))),
		cel.Function("threshold", cel.Overload("threshold_string", []*cel.Type{cel.StringType}, cel.DoubleType, refuse("threshold"))),
		cel.Function(partFunc, cel.Overload("part_string", []*cel.Type{cel.StringType}, cel.BoolType, refuse("a part"))),
	}
}

func bindPredicate(name string) func(l, r ref.Val) ref.Val {
	return func(l, r ref.Val) ref.Val {
		values, ok := textsOf(r)
		if !ok {
			return types.MaybeNoSuchOverloadErr(r)
		}
		m, err := NewMatcher(name, values)
		if err != nil {
			return types.WrapErr(err)
		}
		return matchValue(m, l)
	}
}

// matchValue applies m to a text, or to any element of a list of texts.
func matchValue(m Matcher, v ref.Val) ref.Val {
	if s, ok := v.(types.String); ok {
		return types.Bool(m(string(s)))
	}
	values, ok := textsOf(v)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	if slices.ContainsFunc(values, m) {
		return types.True
	}
	return types.False
}

func textsOf(v ref.Val) ([]string, bool) {
	switch x := v.(type) {
	case types.String:
		return []string{string(x)}, true
	case traits.Lister:
		var out []string
		for it := x.Iterator(); it.HasNext() == types.True; {
			s, ok := it.Next().(types.String)
			if !ok {
				return nil, false
			}
			out = append(out, string(s))
		}
		return out, true
	}
	return nil, false
}

func parseScore(text string, absent float64) float64 {
	if text == "" {
		return absent
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) {
		return absent
	}
	return f
}
