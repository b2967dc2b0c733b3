package expr

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Matcher tests one text.
type Matcher func(s string) bool

// Predicates lists the case-insensitive text predicates of the language. Each
// is a member function of text and of lists of text and takes one literal or a
// list of literals; the plain forms ask for any literal, icontainsAll for all.
func Predicates() []string {
	return []string{"icontains", "icontainsAll", "istartsWith", "iendsWith", "ieq", "ilike"}
}

func isPredicate(name string) bool {
	return slices.Contains(Predicates(), name)
}

// NewMatcher compiles the text predicate name over literal values. The functions
// contains, startsWith, endsWith, matches and == of the standard library are
// known too, and cidr. It fails on an unknown name and on literals that do not
// parse.
func NewMatcher(name string, values []string) (Matcher, error) {
	switch name {
	case "cidr":
		return cidrMatcher(values)
	case "ilike":
		return regexMatcher(values, func(g string) string { return GlobRegexp(g) })
	case "matches":
		return regexMatcher(values, func(r string) string { return r })
	case "==", "contains", "startsWith", "endsWith":
		return exactMatcher(name, values), nil
	}
	if !isPredicate(name) {
		return nil, fmt.Errorf("no text predicate %q", name)
	}
	lits := make([]literal, len(values))
	for i, v := range values {
		if v == "" && name != "ieq" {
			return nil, fmt.Errorf("%s of an empty text is always true", name)
		}
		lits[i] = newLiteral(v)
	}
	return foldMatcher(name, lits), nil
}

func foldMatcher(name string, lits []literal) Matcher {
	var test func(l *literal, s string) bool
	switch name {
	case "icontains":
		test = (*literal).within
	case "icontainsAll":
		return func(s string) bool {
			for i := range lits {
				if !lits[i].within(s) {
					return false
				}
			}
			return true
		}
	case "istartsWith":
		if len(lits) >= manyLiterals {
			return endAny(lits, (*literal).prefix, firstBytes)
		}
		test = (*literal).prefix
	case "iendsWith":
		if len(lits) >= manyLiterals {
			return endAny(lits, (*literal).suffix, lastBytes)
		}
		test = (*literal).suffix
	default:
		if len(lits) >= manyLiterals {
			return equalAny(lits)
		}
		test = (*literal).equal
	}
	return anyOf(lits, test)
}

// anyOf tests for each of the literals. Those of other than ASCII bytes, folded (the
// Kelvin sign folds to k), are spared when the text has none.
func anyOf(lits []literal, test func(l *literal, s string) bool) Matcher {
	var ascii, others []literal
	for _, l := range lits {
		if IsASCII(l.text) {
			ascii = append(ascii, l)
		} else {
			others = append(others, l)
		}
	}
	match := func(lits []literal, s string) bool {
		for i := range lits {
			if test(&lits[i], s) {
				return true
			}
		}
		return false
	}
	if len(others) == 0 {
		return func(s string) bool { return match(ascii, s) }
	}
	return func(s string) bool { return match(ascii, s) || !IsASCII(s) && match(others, s) }
}

// manyLiterals is from how many literals on a table is looked into.
const manyLiterals = 16

// endAny looks beginnings or ends up by as many bytes as all literals have, eight at most; key
// reads the first or last n bytes of a text that has as many. Literals of other than ASCII
// bytes are compared one by one.
func endAny(lits []literal, test func(l *literal, s string) bool, key func(s string, n int) uint64) Matcher {
	var ascii, others []literal
	n := 8
	for _, l := range lits {
		if l.ascii {
			ascii = append(ascii, l)
			n = min(n, len(l.text))
		} else {
			others = append(others, l)
		}
	}
	table := map[uint64][]*literal{}
	for i := range ascii {
		k := key(ascii[i].text, n)
		table[k] = append(table[k], &ascii[i])
	}
	rest := anyOf(others, test)
	return func(s string) bool {
		if len(s) >= n {
			for _, l := range table[lowerEight(key(s, n))] {
				if test(l, s) {
					return true
				}
			}
		}
		return len(others) > 0 && rest(s)
	}
}

// firstBytes reads the first n ≤ 8 bytes of s, the first lowest.
func firstBytes(s string, n int) uint64 {
	if len(s) >= 8 {
		return eight(s, 0) & (1<<(8*n) - 1)
	}
	return few(s[:n])
}

// lastBytes reads the last n ≤ 8 bytes of s, the first of them lowest.
func lastBytes(s string, n int) uint64 {
	if len(s) >= 8 {
		return eight(s, len(s)-8) >> (64 - 8*n)
	}
	return few(s[len(s)-n:])
}

func few(s string) (k uint64) {
	for i := 0; i < len(s); i++ {
		k |= uint64(s[i]) << (8 * i)
	}
	return k
}

// equalAny looks a text up by the hash of its folded bytes; literals of other than
// ASCII bytes are compared one by one.
func equalAny(lits []literal) Matcher {
	table := make(map[uint64][]*literal, len(lits))
	var others []*literal
	for i := range lits {
		if l := &lits[i]; l.ascii {
			table[foldedHash(l.text)] = append(table[foldedHash(l.text)], l)
		} else {
			others = append(others, l)
		}
	}
	return func(s string) bool {
		for _, l := range table[foldedHash(s)] {
			if l.equal(s) {
				return true
			}
		}
		for _, l := range others {
			if l.equal(s) {
				return true
			}
		}
		return false
	}
}

// foldedHash is FNV-1a over the bytes with ASCII letters folded.
func foldedHash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(lowerByte(s[i]))) * 1099511628211
	}
	return h
}

func exactMatcher(name string, values []string) Matcher {
	var test func(s, v string) bool
	switch name {
	case "==":
		test = func(s, v string) bool { return s == v }
	case "contains":
		test = strings.Contains
	case "startsWith":
		test = strings.HasPrefix
	default:
		test = strings.HasSuffix
	}
	if len(values) == 1 {
		v := values[0]
		return func(s string) bool { return test(s, v) }
	}
	return func(s string) bool {
		for _, v := range values {
			if test(s, v) {
				return true
			}
		}
		return false
	}
}

func regexMatcher(values []string, pattern func(string) string) (Matcher, error) {
	if len(values) == 1 {
		if n, ok := longLine(pattern(values[0])); ok {
			return func(s string) bool { return hasLine(s, n) }, nil
		}
	}
	type guarded struct {
		guard
		*regexp.Regexp
	}
	all := make([]guarded, len(values))
	for i, v := range values {
		re, err := regexp.Compile(pattern(v))
		if err != nil {
			return nil, fmt.Errorf("compiling %q: %w", v, err)
		}
		all[i] = guarded{newGuard(pattern(v)), re}
	}
	return func(s string) bool {
		for i := range all {
			if all[i].passes(s) && all[i].MatchString(s) {
				return true
			}
		}
		return false
	}, nil
}

// ParsePrefixes reads address ranges; a bare address is a range of one.
func ParsePrefixes(values []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, len(values))
	for i, v := range values {
		if a, err := netip.ParseAddr(v); err == nil {
			a = a.Unmap()
			out[i] = netip.PrefixFrom(a, a.BitLen())
			continue
		}
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return nil, fmt.Errorf("%q is no address range like 10.0.0.0/8", v)
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		out[i] = p.Masked()
	}
	return out, nil
}

func cidrMatcher(values []string) (Matcher, error) {
	ranges, err := ParsePrefixes(values)
	if err != nil {
		return nil, err
	}
	return func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && InRanges(a, ranges)
	}, nil
}

// InRanges says whether the address is in any of the ranges. The zero address and
// the unspecified IPv6 address, which stand for absent, are in none.
func InRanges(a netip.Addr, ranges []netip.Prefix) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a == netip.IPv6Unspecified() {
		return false
	}
	for _, p := range ranges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// GlobRegexp turns a pattern with * and ? into an anchored, case-insensitive RE2
// expression whose dot takes line ends. A backslash is plain: paths need no care.
func GlobRegexp(glob string) string {
	var b strings.Builder
	b.WriteString(`(?is)\A`)
	for i := 0; i < len(glob); i++ {
		switch glob[i] {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		default:
			j := i
			for j < len(glob) && glob[j] != '*' && glob[j] != '?' {
				j++
			}
			b.WriteString(regexp.QuoteMeta(glob[i:j]))
			i = j - 1
		}
	}
	b.WriteString(`\z`)
	return b.String()
}
