package rules

import (
	"math/bits"
	"slices"

	"vigil/internal/expr"
)

// fieldIndex looks up the values of one field: whole values, beginnings and ends by
// up to eight of their bytes, texts inside of a value by groups of four.
type fieldIndex struct {
	ref     expr.Ref
	list    bool
	numbers map[int64][]int32
	whole   wholes
	starts  ends
	ends    ends
	inside  grams
}

// filed is a folded text with its term.
type filed struct {
	text string
	term int32
}

func (f *fieldIndex) file(a term, id int32) {
	switch a.how {
	case isNumber:
		if f.numbers == nil {
			f.numbers = map[int64][]int32{}
		}
		f.numbers[a.number] = append(f.numbers[a.number], id)
	case isEqual:
		f.whole.put(filed{a.text, id})
	case isPrefix:
		f.starts.put(filed{a.text, id}, firstBytes)
	case isSuffix:
		f.ends.put(filed{a.text, id}, lastBytes)
	case isWithin:
		f.inside.texts = append(f.inside.texts, filed{a.text, id})
	}
}

// seal ends the filing.
func (f *fieldIndex) seal() { f.inside.seal() }

// look marks the rules of the terms that hold for a value.
func (f *fieldIndex) look(v string, x *index, s *scratch) {
	if f.whole.table != nil {
		f.whole.look(v, x, s)
	}
	for _, n := range f.starts.sizes {
		if len(v) >= n {
			f.starts.look(firstBytes(v, n), n, v, true, x, s)
		}
	}
	for _, n := range f.ends.sizes {
		if len(v) >= n {
			f.ends.look(lastBytes(v, n), n, v, false, x, s)
		}
	}
	f.inside.look(v, x, s)
}

// The bytes of keys are folded by one bit, which folds ASCII letters and mixes up a few
// other characters: what a key finds is compared anyway.
const (
	foldByte  = 0x20
	foldFour  = 0x20202020
	foldEight = 0x2020202020202020
)

// eight reads eight bytes at i, folded.
func eight(v string, i int) uint64 {
	w := v[i : i+8]
	return (uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
		uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56) | foldEight
}

// four reads four bytes at i, folded.
func four(v string, i int) uint32 {
	w := v[i : i+4]
	return (uint32(w[0]) | uint32(w[1])<<8 | uint32(w[2])<<16 | uint32(w[3])<<24) | foldFour
}

// firstBytes is the key of the first n ≤ 8 bytes of v.
func firstBytes(v string, n int) uint64 {
	if n == 8 {
		return eight(v, 0)
	}
	return few(v[:n])
}

// lastBytes is the key of the last n ≤ 8 bytes of v.
func lastBytes(v string, n int) uint64 {
	if n == 8 {
		return eight(v, len(v)-8)
	}
	return few(v[len(v)-n:])
}

func few(v string) uint64 {
	k := uint64(len(v))
	for i := 0; i < len(v); i++ {
		k = k<<8 | uint64(v[i]|foldByte)
	}
	return k
}

// sieve is a bitmap that keeps most misses out of a table.
type sieve [1 << 12 / 64]uint64

func mix(k uint64) uint64 {
	hi, lo := bits.Mul64(k, 0x9E3779B97F4A7C15)
	return hi ^ lo
}

func (b *sieve) put(k uint64)      { h := mix(k) >> 52; b[h/64] |= 1 << (h % 64) }
func (b *sieve) has(k uint64) bool { h := mix(k) >> 52; return b[h/64]&(1<<(h%64)) != 0 }

// wholes finds whole values by their length and first and last bytes.
type wholes struct {
	table   map[uint64][]filed
	sieve   sieve
	longest int
}

func wholeKey(v string) uint64 {
	n := min(len(v), 8)
	return mix(firstBytes(v, n)) ^ bits.RotateLeft64(lastBytes(v, n), 29) ^ uint64(len(v))<<56
}

func (t *wholes) put(f filed) {
	if t.table == nil {
		t.table = map[uint64][]filed{}
	}
	k := wholeKey(f.text)
	t.table[k] = append(t.table[k], f)
	t.sieve.put(k)
	t.longest = max(t.longest, len(f.text))
}

func (t *wholes) look(v string, x *index, s *scratch) {
	if len(v) > t.longest {
		return
	}
	k := wholeKey(v)
	if !t.sieve.has(k) {
		return
	}
	for _, f := range t.table[k] {
		if same(v, f.text) {
			s.add(x.postings[f.term])
		}
	}
}

// ends finds beginnings, or ends, of values. Texts of eight bytes and more are filed
// under eight, shorter ones under what they have.
type ends struct {
	table map[uint64][]filed
	sieve sieve
	sizes []int // of keys
}

func (t *ends) put(f filed, key func(v string, n int) uint64) {
	if t.table == nil {
		t.table = map[uint64][]filed{}
	}
	n := min(len(f.text), 8)
	k := key(f.text, n)
	t.table[k] = append(t.table[k], f)
	t.sieve.put(k)
	if slices.Contains(t.sizes, n) {
		return
	}
	t.sizes = append(t.sizes, n)
}

func (t *ends) look(k uint64, size int, v string, first bool, x *index, s *scratch) {
	if !t.sieve.has(k) {
		return
	}
	for _, f := range t.table[k] {
		n := len(f.text)
		if min(n, 8) != size || n > len(v) {
			continue
		}
		part := v[:n]
		if !first {
			part = v[len(v)-n:]
		}
		if same(part, f.text) {
			s.add(x.postings[f.term])
		}
	}
}

// grams finds texts inside of a value. Each text is filed under groups of its bytes,
// the rarest by a prior: under one group, and each place of the value is looked at; or,
// when all texts are long enough, under two or four groups that follow each other, and
// only every second or fourth place is.
type grams struct {
	texts  []filed
	step   int
	table  map[uint32][]placed
	bits   []uint64 // by hash of a group: whether the table has it
	shift  uint8    // of the hash
	shorts shorts
}

// placed is a text whose group stands at an offset in it.
type placed struct {
	filed
	at int
}

const (
	maxStep = 4
	// bitsPerGroup is how many bits the bitmap has for each group: one in so many
	// other groups is looked up in vain.
	bitsPerGroup = 32
)

func gramBit(g uint32, shift uint8) uint32 { return g * 2654435761 >> shift }

func (g *grams) seal() {
	shortest := maxStep + 3
	for _, f := range g.texts {
		if len(f.text) > 3 {
			shortest = min(shortest, len(f.text))
		}
	}
	for g.step = 1; g.step*2+3 <= shortest; {
		g.step *= 2
	}
	for _, f := range g.texts {
		if len(f.text) < 4 {
			g.shorts.put(f)
			continue
		}
		if g.table == nil {
			g.table = map[uint32][]placed{}
		}
		at := rarest(f.text, g.step)
		for o := at; o < at+g.step; o++ {
			k := four(f.text, o)
			g.table[k] = append(g.table[k], placed{f, o})
		}
	}
	size := max(bits.Len(uint(len(g.table)*bitsPerGroup)), 6)
	g.bits, g.shift = make([]uint64, 1<<size/64), uint8(32-size)
	for k := range g.table {
		b := gramBit(k, g.shift)
		g.bits[b/64] |= 1 << (b % 64)
	}
	g.texts = nil
}

// rarest is where that many groups in a row begin whose bytes are rarest.
func rarest(text string, groups int) int {
	best, at := 1<<30, 0
	for i := 0; i+groups+3 <= len(text); i++ {
		sum := 0
		for j := i; j < i+groups+3; j++ {
			sum += common(text[j])
		}
		if sum < best {
			best, at = sum, i
		}
	}
	return at
}

// common is a prior of how often a byte occurs in log text.
func common(c byte) int {
	switch c {
	case 'e', 't', 'a', 'o', 'i', 'n', 's', 'r', ' ':
		return 10
	case '\\', 'c', 'd', 'l', 'm', 'p', 'w', 'x', '.':
		return 7
	}
	if c >= 'a' && c <= 'z' {
		return 5
	}
	return 3
}

func (g *grams) look(v string, x *index, s *scratch) {
	if g.shorts.table != nil {
		g.shorts.look(v, x, s)
	}
	if g.table == nil {
		return
	}
	for i := 0; i+4 <= len(v); i += g.step {
		k := four(v, i)
		if b := gramBit(k, g.shift); g.bits[b/64]&(1<<(b%64)) == 0 {
			continue
		}
		for _, p := range g.table[k] {
			from := i - p.at
			if from >= 0 && from+len(p.text) <= len(v) && same(v[from:from+len(p.text)], p.text) {
				s.add(x.postings[p.term])
			}
		}
	}
}

// shorts finds texts of two and three bytes by their first two.
type shorts struct {
	table map[uint64][]filed
	sieve sieve
}

func (t *shorts) put(f filed) {
	if t.table == nil {
		t.table = map[uint64][]filed{}
	}
	k := few(f.text[:2])
	t.table[k] = append(t.table[k], f)
	t.sieve.put(k)
}

func (t *shorts) look(v string, x *index, s *scratch) {
	for i := 0; i+2 <= len(v); i++ {
		k := few(v[i : i+2])
		if !t.sieve.has(k) {
			continue
		}
		for _, f := range t.table[k] {
			if i+len(f.text) <= len(v) && same(v[i:i+len(f.text)], f.text) {
				s.add(x.postings[f.term])
			}
		}
	}
}

// fold is ASCII lower case.
var fold = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

// same compares a value with a folded text of the same length.
func same(v, text string) bool {
	if len(v) != len(text) {
		return false
	}
	for i := 0; i < len(text); i++ {
		if fold[v[i]] != text[i] {
			return false
		}
	}
	return true
}
