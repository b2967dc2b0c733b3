package expr

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestGuardNeverRefusesAMatch tries expressions on texts made of their own letters,
// many of which match.
func TestGuardNeverRefusesAMatch(t *testing.T) {
	letters := []string{"a", "b", "k", "K", "\u212a", "s", "ſ", "S", "é", "\xff", "&&", "1", "abcabcabc", "\n", " ", "A", "kAb"}
	r := rand.New(rand.NewPCG(3, 4))
	for _, pattern := range []string{
		`[a-cA-C0-9]{9}[ kA]`, `(?i)ak+b`, `ab|k`, `(ab){2}s?`, `(?i)(set|ask).*&&`, `[^a]{9}`, `(?i)[k-s]{8,}`, `^ab`, `a.b`, `(?s)a.b$`, `é{2}`, `(?:)`, `x*`, `[abc]{9}k{0,2}[s1]`, `.{10,}`,
		GlobRegexp("*ab*k?"), GlobRegexp("*&&*"), GlobRegexp("s*"),
	} {
		re, g, matched, refused := regexp.MustCompile(pattern), newGuard(pattern), 0, 0
		for range 20000 {
			var b strings.Builder
			for range r.IntN(14) {
				b.WriteString(letters[r.IntN(len(letters))])
			}
			s := b.String()
			switch passes := g.passes(s); {
			case !re.MatchString(s):
				if !passes {
					refused++
				}
			case !passes:
				t.Fatalf("%s matches %q, the guard refuses it", pattern, s)
			default:
				matched++
			}
		}
		if matched == 0 {
			t.Errorf("%s never matched", pattern)
		}
		t.Logf("%-24s %5d matched, %5d refused by the guard", pattern, matched, refused)
	}
}

// TestLongLine compares the short way with the expression.
func TestLongLine(t *testing.T) {
	m, err := NewMatcher("matches", []string{`.{20,}`})
	if err != nil {
		t.Fatal(err)
	}
	re, r, matched := regexp.MustCompile(`.{20,}`), rand.New(rand.NewPCG(5, 6)), 0
	for range 20000 {
		var b strings.Builder
		for range r.IntN(40) {
			b.WriteString([]string{"a", "é", "\n", "\xff", "bc", "def"}[r.IntN(6)])
		}
		s := b.String()
		if m(s) != re.MatchString(s) {
			t.Fatalf("%q: %v", s, m(s))
		}
		if m(s) {
			matched++
		}
	}
	if matched < 100 {
		t.Error("hardly any text matched")
	}
}

// BenchmarkGuard is what refusing a long command line costs with and without.
func BenchmarkGuard(b *testing.B) {
	const pattern = `\s[a-fA-F0-9]{64}\s[a-fA-F0-9]{16}`
	text := strings.Repeat(`C:\Windows\system32\svchost.exe -k netsvcs -p 0123456789abcdef `, 8)
	re, g := regexp.MustCompile(pattern), newGuard(pattern)
	b.Run("guard", func(b *testing.B) {
		for b.Loop() {
			if g.passes(text) {
				b.Fatal("it cannot match")
			}
		}
	})
	b.Run("regexp", func(b *testing.B) {
		for b.Loop() {
			if re.MatchString(text) {
				b.Fatal("it cannot match")
			}
		}
	})
}
