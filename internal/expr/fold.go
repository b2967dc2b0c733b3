package expr

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Case folding of rules: a literal of ASCII bytes is compared with ASCII letters
// folded, whatever the text holds; a literal with other bytes is compared after
// simple Unicode lower-casing of both sides. The SQL functions of ClickHouse
// draw the same line, which keeps stream and history equal.

func lowerByte(c byte) byte {
	if c-'A' <= 'Z'-'A' {
		return c + 'a' - 'A'
	}
	return c
}

// IsASCII says whether s holds only ASCII bytes.
func IsASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Fold lower-cases s: ASCII letters only when it is ASCII, simple Unicode
// lower-casing otherwise.
func Fold(s string) string {
	if IsASCII(s) {
		return strings.ToLower(s)
	}
	return strings.Map(unicode.ToLower, s)
}

// SameFolded compares s with a text that is folded to ASCII lower case already.
func SameFolded(s, folded string) bool {
	n := len(folded)
	if len(s) != n {
		return false
	}
	if n < 8 {
		for i := range n {
			if lowerByte(s[i]) != folded[i] {
				return false
			}
		}
		return true
	}
	for i := 0; i < n-8; i += 8 {
		if lowerEight(eight(s, i)) != eight(folded, i) {
			return false
		}
	}
	return lowerEight(eight(s, n-8)) == eight(folded, n-8)
}

// eight reads eight bytes at i.
func eight(s string, i int) uint64 {
	w := s[i : i+8]
	return uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
		uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
}

// lowerEight folds eight bytes to ASCII lower case. Of each byte, the highest bit of the sums
// says whether its other bits are at least those of A, and more than those of Z.
func lowerEight(w uint64) uint64 {
	const each = 0x0101010101010101
	low := w &^ (0x80 * each)
	capital := ((low + (0x80-'A')*each) ^ (low + (0x80-'Z'-1)*each)) &^ w & (0x80 * each)
	return w | capital>>2
}

// literal is one folded pattern with what its comparison needs precomputed.
type literal struct {
	text  string // folded
	ascii bool
	rare  int  // index of the rarest byte of an ASCII literal
	upper byte // the other case of that byte, or the byte itself
}

func newLiteral(v string) literal {
	l := literal{text: Fold(v), ascii: IsASCII(v)}
	best := 1000
	for i := 0; i < len(l.text); i++ {
		if r := commonness(l.text[i]); r < best {
			best, l.rare = r, i
		}
	}
	if l.text != "" {
		l.upper = l.text[l.rare]
		if l.upper-'a' <= 'z'-'a' {
			l.upper -= 'a' - 'A'
		}
	}
	return l
}

// commonness is a prior of how often a byte occurs in log text. Punctuation is
// rarer than letters, above all in the base64 that makes texts long.
func commonness(c byte) int {
	switch {
	case strings.IndexByte("etaoinsr ", c) >= 0:
		return 40
	case c == '\\':
		return 25
	case strings.IndexByte("jkqvwxz", c) >= 0:
		return 13
	case c >= 'a' && c <= 'z':
		return 20
	case strings.IndexByte("./", c) >= 0:
		return 14
	case c >= '0' && c <= '9':
		return 15
	case strings.IndexByte("-:", c) >= 0:
		return 9
	default:
		return 6
	}
}

// EqualFolded compares a text with a literal as ieq does.
func EqualFolded(s, literal string) bool {
	if !IsASCII(literal) {
		return Fold(s) == Fold(literal)
	}
	if len(s) != len(literal) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if lowerByte(s[i]) != lowerByte(literal[i]) {
			return false
		}
	}
	return true
}

func (l *literal) equal(s string) bool {
	if !l.ascii {
		return Fold(s) == l.text
	}
	return SameFolded(s, l.text)
}

func (l *literal) prefix(s string) bool {
	if !l.ascii {
		return strings.HasPrefix(Fold(s), l.text)
	}
	return len(s) >= len(l.text) && SameFolded(s[:len(l.text)], l.text)
}

func (l *literal) suffix(s string) bool {
	if !l.ascii {
		return strings.HasSuffix(Fold(s), l.text)
	}
	return len(s) >= len(l.text) && SameFolded(s[len(s)-len(l.text):], l.text)
}

// within looks for the literal by its rarest byte, so that most texts are
// refused by a vectorised byte search without folding anything.
func (l *literal) within(s string) bool {
	if !l.ascii {
		return strings.Contains(Fold(s), l.text)
	}
	if len(l.text) == 0 {
		return true
	}
	if len(s) < len(l.text) {
		return false
	}
	c := l.text[l.rare]
	return l.seek(s, c) || l.upper != c && l.seek(s, l.upper)
}

func (l *literal) seek(s string, c byte) bool {
	last := len(s) - len(l.text) + l.rare // the last place where c may stand
	for o := l.rare; o <= last; o++ {
		i := strings.IndexByte(s[o:last+1], c)
		if i < 0 {
			return false
		}
		o += i
		if SameFolded(s[o-l.rare:o-l.rare+len(l.text)], l.text) {
			return true
		}
	}
	return false
}
