package expr

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// guard refuses texts that a regular expression cannot match, by means that are many
// times cheaper than running it. It never refuses a text that matches.
type guard struct {
	size  int       // bytes that the text has at least
	texts []literal // each of which occurs, ASCII letters folded
	run   byteRun
}

// byteRun asks for that many bytes of a class in a row; none when size is 0.
type byteRun struct {
	class [256]bool
	size  int
}

// Bounds of a guard: more texts cost more than they refuse, shorter runs refuse little.
const (
	maxGuardTexts = 3
	minGuardRun   = 8
	maxGuardDepth = 50
)

// longLine returns n for an expression like .{n,}, which asks for nothing but that many
// characters in a row. The automaton of such a one has n states, and each byte of a long
// text visits all of them.
func longLine(pattern string) (n int, ok bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || re.Op != syntax.OpRepeat || re.Sub[0].Op != syntax.OpAnyCharNotNL {
		return 0, false
	}
	return re.Min, true
}

// hasLine says whether the text has a line of at least n characters.
func hasLine(s string, n int) bool {
	for line := range strings.SplitSeq(s, "\n") {
		if len(line) >= n && utf8.RuneCountInString(line) >= n {
			return true
		}
	}
	return false
}

// newGuard reads the guard out of an expression that compiles.
func newGuard(pattern string) guard {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return guard{}
	}
	g := guard{size: shortest(re, 0)}
	var texts []string
	g.collect(re, &texts, 0)
	slices.SortStableFunc(texts, func(a, b string) int { return len(b) - len(a) })
	for _, t := range slices.Compact(texts) {
		if len(g.texts) < maxGuardTexts {
			g.texts = append(g.texts, newLiteral(t))
		}
	}
	return g
}

func (g *guard) passes(s string) bool {
	if len(s) < g.size {
		return false
	}
	for i := range g.texts {
		if !g.texts[i].within(s) {
			return false
		}
	}
	return g.run.size == 0 || g.run.within(s)
}

// within looks at every size-th byte, and around it only when that is of the class.
func (r *byteRun) within(s string) bool {
	for end := r.size - 1; end < len(s); {
		at := end
		for at > end-r.size && r.class[s[at]] {
			at--
		}
		if at == end-r.size {
			return true
		}
		end = at + r.size
	}
	return false
}

// collect gathers what must occur whichever way the expression matches.
func (g *guard) collect(re *syntax.Regexp, texts *[]string, depth int) {
	if depth > maxGuardDepth {
		return
	}
	switch re.Op {
	case syntax.OpLiteral:
		*texts = append(*texts, certain(re)...)
	case syntax.OpCapture, syntax.OpPlus:
		g.collect(re.Sub[0], texts, depth+1)
	case syntax.OpRepeat:
		if re.Min > 0 {
			g.collect(re.Sub[0], texts, depth+1)
		}
		if re.Min >= minGuardRun && re.Min > g.run.size && re.Sub[0].Op == syntax.OpCharClass {
			g.run = byteRun{bytesOf(re.Sub[0]), re.Min}
		}
	case syntax.OpConcat:
		for _, x := range re.Sub {
			g.collect(x, texts, depth+1)
		}
	}
}

// certain returns the texts of a literal that occur as they are but for ASCII letters.
// An expression that ignores case takes more than ASCII for k and s.
func certain(re *syntax.Regexp) []string {
	folded := re.Flags&syntax.FoldCase != 0
	runs := strings.FieldsFunc(string(re.Rune), func(r rune) bool {
		return r >= utf8.RuneSelf || folded && strings.ContainsRune("kKsS", r)
	})
	return slices.DeleteFunc(runs, func(s string) bool { return len(s) < 2 })
}

// bytesOf are the bytes that characters of a class may have in UTF-8, and outside of it.
func bytesOf(re *syntax.Regexp) (class [256]bool) {
	for i := 0; i+1 < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1] && r < utf8.RuneSelf; r++ {
			class[r] = true
		}
		if re.Rune[i+1] >= utf8.RuneSelf {
			for b := utf8.RuneSelf; b < len(class); b++ {
				class[b] = true
			}
		}
	}
	return class
}

// shortest is how many bytes a match has at least: each character has one.
func shortest(re *syntax.Regexp, depth int) int {
	if depth > maxGuardDepth {
		return 0
	}
	n := 0
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return shortest(re.Sub[0], depth+1)
	case syntax.OpRepeat:
		return re.Min * shortest(re.Sub[0], depth+1)
	case syntax.OpConcat:
		for _, x := range re.Sub {
			n += shortest(x, depth+1)
		}
	case syntax.OpAlternate:
		n = shortest(re.Sub[0], depth+1)
		for _, x := range re.Sub[1:] {
			n = min(n, shortest(x, depth+1))
		}
	}
	return n
}
