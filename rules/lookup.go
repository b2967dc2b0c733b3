package rules

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"vigil/internal/expr"
)

// fieldIndex looks up the values of one field: whole values, beginnings and ends by
// up to eight of their bytes, texts inside of a value by groups of four.
type fieldIndex struct {
	ref     expr.Ref
	list    bool
	held    bool // its value is the event's own text
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
	if len(v) < 8 {
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
	} else {
		if len(f.starts.sizes) > 0 {
			k := eight(v, 0)
			for _, n := range f.starts.sizes {
				f.starts.look(firstOf(k, n), n, v, true, x, s)
			}
		}
		if len(f.ends.sizes) > 0 {
			k := eight(v, len(v)-8)
			for _, n := range f.ends.sizes {
				f.ends.look(lastOf(k, n), n, v, false, x, s)
			}
		}
	}
	f.inside.look(v, x, s)
}

// The bytes of keys are folded by one bit, which folds ASCII letters and mixes up a few
// other characters: what a key finds is compared anyway.
const (
	foldByte  = 0x20
	foldTwo   = 0x2020
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

// few is the key of up to seven bytes: what they are, and how many.
func few(v string) uint64 {
	k := uint64(0)
	for i := 0; i < len(v); i++ {
		k |= uint64(v[i]|foldByte) << (8 * i)
	}
	return k | uint64(len(v))<<56
}

// firstOf is the key of the first n of the eight bytes of k.
func firstOf(k uint64, n int) uint64 {
	if n == 8 {
		return k
	}
	return k&(1<<(8*n)-1) | uint64(n)<<56
}

// lastOf is the key of the last n of the eight bytes of k.
func lastOf(k uint64, n int) uint64 {
	if n == 8 {
		return k
	}
	return k>>(8*(8-n)) | uint64(n)<<56
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
		if expr.SameFolded(v, f.text) {
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
		if expr.SameFolded(part, f.text) {
			s.add(x.postings[f.term])
		}
	}
}

// grams finds texts inside of a value. Each text is filed under groups of its bytes,
// the rarest by a prior: under one group, and each place of the value is looked at; or,
// when all texts are long enough, under up to eight groups that follow each other, and
// only every so many places is.
type grams struct {
	texts  []filed
	step   int
	places []placed // by group
	slots  []slot   // by hash of a group, and behind it; a power of two
	bits   []uint64 // by hash of a group: whether the table has it
	shifts struct{ slots, bits uint8 }
	shorts shorts
	single []filed // texts of one byte
}

// slot says which of the places a group has; none when to is 0.
type slot struct {
	group    uint32
	from, to int32
}

// placed is a text whose group stands at an offset in it.
type placed struct {
	filed
	at int
}

const (
	maxStep = 8
	// bitsPerGroup is how many bits the bitmap has for each group: one in so many
	// other groups is looked up in vain.
	bitsPerGroup = 32
	// smallBitmap is the binary logarithm of how many bits a bitmap may have that gets
	// four times as many: it shares the first-level cache with the values.
	smallBitmap = 14
)

// hashFactor spreads groups (Knuth's multiplicative hash).
const hashFactor = 2654435761

// hashGroup is a hash of the bits that shift leaves of 32.
func hashGroup(g uint32, shift uint8) uint32 { return g * hashFactor >> (shift & 31) }

func (g *grams) seal() {
	shortest := maxStep + 3
	for _, f := range g.texts {
		if len(f.text) > 3 {
			shortest = min(shortest, len(f.text))
		}
	}
	g.step = max(shortest-3, 1)
	var all []grouped
	for _, f := range g.texts {
		switch {
		case len(f.text) == 1:
			g.single = append(g.single, f)
			continue
		case len(f.text) < 4:
			g.shorts.put(f)
			continue
		}
		at := rarest(f.text, g.step)
		for o := at; o < at+g.step; o++ {
			all = append(all, grouped{four(f.text, o), placed{f, o}})
		}
	}
	g.texts = nil
	if len(all) > 0 {
		g.fill(all)
	}
}

// grouped is a place with its group, while the table is made.
type grouped struct {
	group uint32
	placed
}

// fill makes the table and its bitmap.
func (g *grams) fill(all []grouped) {
	slices.SortStableFunc(all, func(a, b grouped) int { return cmp.Compare(a.group, b.group) })
	size := bits.Len(uint(2 * len(all)))
	g.slots, g.shifts.slots = make([]slot, 1<<size), uint8(32-size)
	size = bits.Len(uint(len(all) * bitsPerGroup))
	size = min(max(size+2, 6), max(size, smallBitmap))
	g.bits, g.shifts.bits = make([]uint64, 1<<size/64), uint8(32-size)
	g.places = make([]placed, len(all))
	for i, p := range all {
		g.places[i] = p.placed
		s := g.slot(p.group)
		if s.to == 0 {
			*s = slot{group: p.group, from: int32(i)}
			b := hashGroup(p.group, g.shifts.bits)
			g.bits[b/64] |= 1 << (b % 64)
		}
		s.to = int32(i) + 1
	}
}

// slot is where a group is filed, or would be.
func (g *grams) slot(group uint32) *slot {
	for i := hashGroup(group, g.shifts.slots); ; i++ {
		if s := &g.slots[int(i)&(len(g.slots)-1)]; s.to == 0 || s.group == group {
			return s
		}
	}
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
	for _, f := range g.single {
		if strings.Contains(v, f.text) {
			s.add(x.postings[f.term])
		}
	}
	if len(g.slots) == 0 {
		return
	}
	// Held in variables, because the compiler reads fields anew at every place.
	has, step, shift := g.bits, g.step, g.shifts.bits&31
	for i := 0; i+4 <= len(v); i += step {
		k := four(v, i)
		if b := k * hashFactor >> shift; has[b/64]>>(b%64)&1 != 0 {
			g.stands(k, i, v, x, s)
		}
	}
}

// stands adds the rules of the texts that stand in v with group k at i.
func (g *grams) stands(k uint32, i int, v string, x *index, s *scratch) {
	at := g.slot(k)
	for _, p := range g.places[at.from:at.to] {
		from := i - p.at
		if from >= 0 && from+len(p.text) <= len(v) && expr.SameFolded(v[from:from+len(p.text)], p.text) {
			s.add(x.postings[p.term])
		}
	}
}

// shorts finds texts of two and three bytes by their first two.
type shorts struct {
	table map[uint16][]filed
	bits  []uint64 // by the two bytes: whether the table has them
}

// two reads two bytes at i, folded.
func two(v string, i int) uint16 {
	w := v[i : i+2]
	return (uint16(w[0]) | uint16(w[1])<<8) | foldTwo
}

func (t *shorts) put(f filed) {
	if t.table == nil {
		t.table, t.bits = map[uint16][]filed{}, make([]uint64, 1<<16/64)
	}
	k := two(f.text, 0)
	t.table[k] = append(t.table[k], f)
	t.bits[k/64] |= 1 << (k % 64)
}

func (t *shorts) look(v string, x *index, s *scratch) {
	for i := 0; i+2 <= len(v); i++ {
		k := two(v, i)
		if t.bits[k/64]&(1<<(k%64)) == 0 {
			continue
		}
		for _, f := range t.table[k] {
			if i+len(f.text) <= len(v) && expr.SameFolded(v[i:i+len(f.text)], f.text) {
				s.add(x.postings[f.term])
			}
		}
	}
}
