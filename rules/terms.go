package rules

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"vigil/internal/expr"
	"vigil/schema"
)

// how says how an term compares.
type how uint8

const (
	isEqual how = iota
	isPrefix
	isSuffix
	isWithin
	isNumber
)

// term is one test of a value of the event that an index can look up: with ASCII
// letters folded, so that it may hold where the rule's own test does not, never the
// other way.
type term struct {
	ref    expr.Ref
	how    how
	text   string // folded
	number int64
}

// terms are tests of which at least one holds on any event that a rule fires on.
type terms struct {
	any  []term
	cost float64 // how often they hold, roughly: lower is better
}

// maxTerms bounds the terms of one rule; a rule with more is always a candidate.
const maxTerms = 6000

// anyTerms derives the terms of a rule from its conditions, all of which must hold;
// nil when there are none.
func anyTerms(r *Rule) *terms {
	var best *terms
	for _, c := range r.conditions {
		best = better(best, termsOf(r, c.Node(), false))
	}
	return best
}

func better(a, b *terms) *terms {
	if a == nil || b != nil && b.cost < a.cost {
		return b
	}
	return a
}

// termsOf returns terms implied by n, or by its negation; nil when none are.
func termsOf(r *Rule, n *expr.Node, negate bool) *terms {
	switch {
	case n.Op == expr.OpPart:
		if p := r.Part(n.Name); p != nil {
			return termsOf(r, p.Node(), negate)
		}
	case n.Op == expr.OpCall && n.Name == "!":
		return termsOf(r, n.Args[0], !negate)
	case n.Op == expr.OpCall && (n.Name == "&&" || n.Name == "||"):
		if (n.Name == "&&") != negate {
			var best *terms
			for _, a := range n.Args {
				best = better(best, termsOf(r, a, negate))
			}
			return best
		}
		var all []*terms
		for _, a := range n.Args {
			all = append(all, termsOf(r, a, negate))
		}
		return union(all)
	case n.Op == expr.OpCall && !negate:
		return callTerms(n)
	}
	return nil
}

func union(all []*terms) *terms {
	out := &terms{}
	for _, a := range all {
		if a == nil || len(out.any)+len(a.any) > maxTerms {
			return nil
		}
		out.any = append(out.any, a.any...)
		out.cost += a.cost
	}
	if len(out.any) == 0 {
		return nil
	}
	return out
}

// routed are fields that the choice of a plan has looked at already, or that most
// events have alike: they select nothing.
func routed(r expr.Ref) bool {
	if r.Raw || r.Extra != "" {
		return false
	}
	switch r.Field {
	case schema.FEventCode, schema.FEventDataset, schema.FEventModule, schema.FEventKind, schema.FEventCategory, schema.FEventType, schema.FEventOutcome:
		return true
	}
	return false
}

// fewValued are fields with so few values that one of them selects little.
func fewValued(r expr.Ref) bool {
	switch r.Extra {
	case "":
	case "winlog.event_data.EventType", "winlog.event_data.ObjectType", "winlog.event_data.AccessMask", "winlog.event_data.Initiated":
		return true
	default:
		return false
	}
	if r.Raw {
		return false
	}
	switch r.Field {
	case schema.FNetworkDirection, schema.FNetworkTransport, schema.FHttpRequestMethod, schema.FHttpResponseStatusCode, schema.FWinlogChannel, schema.FWinlogProviderName,
		schema.FWinlogLogonType, schema.FProcessIntegrityLevel, schema.FFileCodeSignatureStatus, schema.FLogLevel:
		return true
	}
	return false
}

func callTerms(n *expr.Node) *terms {
	if len(n.Args) != 2 {
		return nil
	}
	l, r := n.Args[0], n.Args[1]
	if n.Name == "in" && r.Op == expr.OpField && r.Type == expr.StringList {
		l, r = r, l
	}
	if l.Op != expr.OpField || routed(l.Ref) {
		return nil
	}
	if l.Type == expr.Int {
		return numberTerms(l.Ref, n.Name, r)
	}
	values, ok := r.Strings()
	if !ok || len(values) == 0 || l.Type != expr.String && l.Type != expr.StringList {
		return nil
	}
	switch n.Name {
	case "==", "in", "ieq", "inList":
		return textTerms(l.Ref, isEqual, values)
	case "startsWith", "istartsWith":
		return textTerms(l.Ref, isPrefix, values)
	case "endsWith", "iendsWith":
		return textTerms(l.Ref, isSuffix, values)
	case "contains", "icontains":
		return textTerms(l.Ref, isWithin, values)
	case "icontainsAll":
		var best *terms
		for _, v := range values {
			best = better(best, textTerms(l.Ref, isWithin, []string{v}))
		}
		return best
	case "ilike":
		var all []*terms
		for _, v := range values {
			all = append(all, longest(l.Ref, unfoldable(strings.FieldsFunc(v, func(r rune) bool { return r == '*' || r == '?' }))))
		}
		return union(all)
	case "matches":
		return patternTerms(l.Ref, values[0])
	}
	return nil
}

func numberTerms(ref expr.Ref, name string, r *expr.Node) *terms {
	list := r.Args
	if name == "==" {
		list = []*expr.Node{r}
	} else if name != "in" || r.Op != expr.OpList {
		return nil
	}
	out := &terms{}
	for _, x := range list {
		v, ok := x.Value.(int64)
		if !ok || x.Op != expr.OpLiteral {
			return nil
		}
		out.any = append(out.any, term{ref: ref, how: isNumber, number: v})
		if out.cost += 5; fewValued(ref) {
			out.cost += halfCost
		}
	}
	return out
}

// minText is the shortest text that is worth an index entry, unless it is one of the
// bytes that hardly any value has.
const (
	minText   = 2
	rareBytes = "`^~"
)

func textTerms(ref expr.Ref, h how, values []string) *terms {
	out := &terms{}
	for _, v := range values {
		if !expr.IsASCII(v) {
			rare := longest(ref, caseless(v))
			if rare == nil {
				rare = spellings(ref, v)
			}
			if rare == nil {
				return nil
			}
			out.any = append(out.any, rare.any...)
			out.cost++ // other than ASCII letters are rare in logs
			continue
		}
		if len(v) < minText && h != isEqual || v == "" {
			return nil
		}
		t := term{ref: ref, how: h, text: expr.Fold(v)}
		out.any = append(out.any, t)
		out.cost += textCost(ref, h, t.text)
	}
	if len(out.any) > maxTerms {
		return nil
	}
	return out
}

// halfCost is the cost of a value that about half of all events have: that of a list of a
// hundred rare texts.
const halfCost = 400

// textCost is a prior of how often a folded text occurs.
func textCost(ref expr.Ref, h how, text string) float64 {
	n := float64(len(text))
	switch {
	case h == isEqual && fewValued(ref):
		return halfCost
	case h == isEqual && usual(text):
		return 40
	case ref.Raw:
		return 40 + 200/n
	case h == isEqual && ref.Extra != "":
		return 7
	case h == isEqual:
		return 1
	case (h == isWithin || h == isPrefix) && frequent(text):
		return 60
	case h == isSuffix && strings.HasSuffix(`:\windows\system32\svchost.exe`, text):
		return 30
	case h == isWithin:
		return 3 + 60/n
	}
	return 2 + 20/n
}

// usual says whether a whole value is one of those that many events of Sysmon have.
func usual(text string) bool {
	switch text {
	case "0x1000", "0x1400", "0x1410", "0x1fffff", "0x1f3fff", "dword (0x00000000)", "dword (0x00000001)", "binary data":
		return true
	}
	return false
}

// frequent says whether a text is part of what most Windows paths and command lines
// hold: looking for it selects little.
func frequent(text string) bool {
	for _, s := range []string{`c:\windows\system32\windowspowershell\v1.0\powershell.exe `, `c:\program files (x86)\`, `c:\users\public\appdata\local\temp\`,
		`hklm\software\microsoft\windows nt\currentversion\`, `hklm\software\microsoft\windows\currentversion\`, `hklm\software\wow6432node\microsoft\`, `|c:\windows\system32\kernelbase.dll+`, `hklm\system\currentcontrolset\services\`, `new-object`, `http`, `cmd.exe /c `} {
		if strings.Contains(s, text) {
			return true
		}
	}
	return false
}

// longest makes a term of the longest of texts all of which must occur as they are,
// but for ASCII letters.
func longest(ref expr.Ref, runs []string) *terms {
	var best *terms
	for _, s := range runs {
		if len(s) >= minText || len(s) == 1 && strings.Contains(rareBytes, s) {
			s = foldASCII(s)
			best = better(best, &terms{[]term{{ref: ref, how: isWithin, text: s}}, textCost(ref, isWithin, s)})
		}
	}
	return best
}

func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// caseless splits a text, which is compared after Unicode lower-casing of both sides,
// where a character of the value may be another than that of the text: what is left
// must occur as it is, but for ASCII letters. The lower case of the Kelvin sign is k,
// and of the dotted capital I is i.
func caseless(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool {
		if r < utf8.RuneSelf {
			return strings.ContainsRune("kKiI", r)
		}
		return r == utf8.RuneError || unicode.SimpleFold(r) != r
	})
}

// spellings makes terms of all that the first character of a text beyond ASCII may be the
// lower case of: a value that holds the text holds one of them.
func spellings(ref expr.Ref, text string) *terms {
	i := strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
	first, _ := utf8.DecodeRuneInString(text[i:])
	if first == utf8.RuneError {
		return nil
	}
	lower, out := unicode.ToLower(first), &terms{}
	for r := unicode.SimpleFold(lower); ; r = unicode.SimpleFold(r) {
		if unicode.ToLower(r) == lower && r >= utf8.RuneSelf {
			s := string(r)
			out.any = append(out.any, term{ref: ref, how: isWithin, text: s})
			out.cost += textCost(ref, isWithin, s)
		}
		if r == lower {
			return out
		}
	}
}

// unfoldable splits texts where an expression that ignores case matches more than
// ASCII letters: k and s have a third form each in Unicode.
func unfoldable(runs []string) []string {
	var out []string
	for _, s := range runs {
		out = append(out, strings.FieldsFunc(s, func(r rune) bool { return r >= 0x80 || strings.ContainsRune("kKsS", r) })...)
	}
	return out
}

// patternTerms derives terms from a regular expression: texts of which one occurs in
// all that it matches.
func patternTerms(ref expr.Ref, pattern string) *terms {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	return syntaxTerms(ref, re, 0)
}

func syntaxTerms(ref expr.Ref, re *syntax.Regexp, depth int) *terms {
	if depth > 50 {
		return nil
	}
	switch re.Op {
	case syntax.OpLiteral:
		runs := []string{string(re.Rune)}
		if re.Flags&syntax.FoldCase != 0 {
			runs = unfoldable(runs)
		}
		return longest(ref, slices.DeleteFunc(runs, func(s string) bool { return !expr.IsASCII(s) }))
	case syntax.OpCapture, syntax.OpPlus:
		return syntaxTerms(ref, re.Sub[0], depth+1)
	case syntax.OpRepeat:
		if re.Min > 0 {
			return syntaxTerms(ref, re.Sub[0], depth+1)
		}
	case syntax.OpConcat:
		var best *terms
		for i, x := range re.Sub {
			best = better(best, syntaxTerms(ref, x, depth+1))
			if i+1 < len(re.Sub) {
				best = better(best, pairTerms(ref, x, re.Sub[i+1]))
			}
		}
		return best
	case syntax.OpAlternate:
		var all []*terms
		for _, x := range re.Sub {
			all = append(all, syntaxTerms(ref, x, depth+1))
		}
		return union(all)
	}
	return nil
}

// maxClass bounds the characters of a class that are written out.
const maxClass = 4

// pairTerms makes terms of a literal with each character of a small class that follows.
func pairTerms(ref expr.Ref, text, class *syntax.Regexp) *terms {
	for class.Op == syntax.OpPlus || class.Op == syntax.OpCapture || class.Op == syntax.OpRepeat && class.Min > 0 {
		class = class.Sub[0]
	}
	head := string(text.Rune)
	if text.Op != syntax.OpLiteral || text.Flags&syntax.FoldCase != 0 || class.Op != syntax.OpCharClass || !expr.IsASCII(head) {
		return nil
	}
	out := &terms{}
	for i := 0; i+1 < len(class.Rune); i += 2 {
		for r := class.Rune[i]; r <= class.Rune[i+1]; r++ {
			if len(out.any) == maxClass || r >= utf8.RuneSelf {
				return nil
			}
			s := foldASCII(head + string(r))
			out.any = append(out.any, term{ref: ref, how: isWithin, text: s})
			out.cost += textCost(ref, isWithin, s)
		}
	}
	if len(out.any) == 0 {
		return nil
	}
	return out
}

// codeBound says whether n, or its negation, asks for certain event codes or has terms,
// whichever way it holds: the choice of a plan by the code keeps the rule from the events
// of other codes.
func codeBound(r *Rule, n *expr.Node, negate bool) bool {
	bound := func(a *expr.Node) bool { return codeBound(r, a, negate) }
	switch {
	case n.Op == expr.OpPart:
		p := r.Part(n.Name)
		return p != nil && codeBound(r, p.Node(), negate)
	case n.Op == expr.OpCall && n.Name == "!":
		return codeBound(r, n.Args[0], !negate)
	case n.Op == expr.OpCall && (n.Name == "&&" || n.Name == "||"):
		if (n.Name == "&&") != negate {
			return slices.ContainsFunc(n.Args, bound)
		}
		return !slices.ContainsFunc(n.Args, func(a *expr.Node) bool { return !bound(a) })
	case n.Op != expr.OpCall || negate:
		return false
	}
	return callTerms(n) != nil || len(n.Args) == 2 && (n.Name == "==" || n.Name == "in") && n.Args[0].Op == expr.OpField && codeRef(n.Args[0].Ref)
}
