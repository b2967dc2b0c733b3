package expr

import (
	"slices"
	"strings"
)

// Sketch says which pairs of neighbouring bytes a text may have, letters folded: one bit for
// each pair, which others may share. Made once of a text, it refuses most of the literals
// that the text is then searched for.
type Sketch [16]uint64

// Of makes it the sketch of s.
func (k *Sketch) Of(s string) {
	*k = Sketch{}
	for i := 1; i < len(s); i++ {
		b := pair(s[i-1], s[i])
		k[b/64] |= 1 << (b % 64)
	}
}

func (k *Sketch) has(b uint16) bool { return k[b/64]&(1<<(b%64)) != 0 }

// pair is the bit of two bytes. They are folded by one bit, which mixes up a few characters
// that are no letters: more pairs share a bit.
func pair(a, b byte) uint16 {
	return uint16((uint32(a|0x20)<<8 | uint32(b|0x20)) * 2654435761 >> 22)
}

// Within is icontains or icontainsAll over many literals.
type Within struct {
	ascii  []paired
	others []literal
	all    bool
}

// paired is a literal with the bits of its rarest pairs.
type paired struct {
	literal
	bits []uint16
}

// fewLiterals is up to how many literals are searched for sooner than a sketch is made.
const fewLiterals = 3

// maxPairs is how many pairs of a literal are asked for.
const maxPairs = 3

// NewWithin makes the predicate that NewMatcher makes of the same name and literals; nil when
// a sketch is of no use to it.
func NewWithin(name string, values []string) *Within {
	if name != "icontains" && name != "icontainsAll" || len(values) <= fewLiterals || slices.Contains(values, "") {
		return nil
	}
	w := &Within{all: name == "icontainsAll"}
	for _, v := range values {
		if l := newLiteral(v); l.ascii {
			w.ascii = append(w.ascii, paired{l, rarePairs(l.text)})
		} else {
			w.others = append(w.others, l)
		}
	}
	return w
}

// rarePairs are the bits of the pairs of a folded text that occur least, by a prior.
func rarePairs(text string) (bits []uint16) {
	var at []int
	for i := 1; i < len(text); i++ {
		at = append(at, i)
	}
	slices.SortStableFunc(at, func(i, j int) int {
		return commonness(text[i-1]) + commonness(text[i]) - commonness(text[j-1]) - commonness(text[j])
	})
	for _, i := range at {
		if b := pair(text[i-1], text[i]); !slices.Contains(bits, b) && len(bits) < maxPairs {
			bits = append(bits, b)
		}
	}
	return bits
}

// Match says whether s, of which k is the sketch, has any, or all, of the literals in it.
func (w *Within) Match(s string, k *Sketch) bool {
	for i := range w.ascii {
		if w.ascii[i].in(s, k) != w.all {
			return !w.all
		}
	}
	if len(w.others) == 0 || !w.all && IsASCII(s) { // folded, an ASCII text has no other literal
		return w.all
	}
	folded := Fold(s)
	for i := range w.others {
		if strings.Contains(folded, w.others[i].text) != w.all {
			return !w.all
		}
	}
	return w.all
}

func (p *paired) in(s string, k *Sketch) bool {
	for _, b := range p.bits {
		if !k.has(b) {
			return false
		}
	}
	return p.within(s)
}
