package rules

import (
	"slices"

	"vigil/internal/expr"
)

// index is the plan for thousands of rules. Each rule is filed under its terms; an
// event's values are looked up once, whatever the number of rules: whole values,
// beginnings and ends by hash, inner texts by the rarest four bytes of each. The rules
// found are then filtered by their necessary conditions. Rules without terms are
// always filtered.
type index struct {
	rules    []*Rule
	always   []int32 // positions in rules
	fields   []*fieldIndex
	postings [][]int32 // by term: positions in rules
}

// scratch is what one evaluation of an index needs; the evaluator owns it.
type scratch struct {
	seen  []uint32 // by rule: the run in which it was found
	run   uint32
	found []int32
}

func (s *scratch) begin(rules int) {
	if len(s.seen) < rules {
		s.seen = make([]uint32, rules)
		s.run = 0
	}
	if s.run++; s.run == 0 {
		clear(s.seen)
		s.run = 1
	}
	s.found = s.found[:0]
}

func (s *scratch) add(rules []int32) {
	for _, r := range rules {
		if s.seen[r] != s.run {
			s.seen[r] = s.run
			s.found = append(s.found, r)
		}
	}
}

func newIndex(rs []*Rule) *index {
	x := &index{rules: rs}
	ids := map[term]int32{}
	byRef := map[expr.Ref]*fieldIndex{}
	for i, r := range rs {
		if r.terms == nil {
			x.always = append(x.always, int32(i))
			continue
		}
		for _, a := range r.terms.any {
			id, ok := ids[a]
			if !ok {
				id = int32(len(x.postings))
				ids[a] = id
				x.postings = append(x.postings, nil)
				f := byRef[a.ref]
				if f == nil {
					f = &fieldIndex{ref: a.ref, list: a.ref.Type() == expr.StringList}
					byRef[a.ref] = f
					x.fields = append(x.fields, f)
				}
				f.file(a, id)
			}
			if p := x.postings[id]; len(p) == 0 || p[len(p)-1] != int32(i) {
				x.postings[id] = append(p, int32(i))
			}
		}
	}
	return x
}

func (x *index) candidates(in *expr.Input, dst []*Rule, s *scratch) []*Rule {
	s.begin(len(x.rules))
	s.add(x.always)
	for _, f := range x.fields {
		switch {
		case f.numbers != nil:
			for _, id := range f.numbers[in.Event.Int(f.ref.Field)] {
				s.add(x.postings[id])
			}
		case f.list:
			for _, v := range in.Event.List(f.ref.Field) {
				f.look(v, x, s)
			}
		default:
			if v := in.Text(f.ref); v != "" {
				f.look(v, x, s)
			}
		}
	}
	slices.Sort(s.found) // hits come in the order of the set
	for _, i := range s.found {
		if r := x.rules[i]; r.need.may(in) {
			dst = append(dst, r)
		}
	}
	return dst
}

// fieldIndex looks up the values of one field.
type fieldIndex struct {
	ref      expr.Ref
	list     bool
	numbers  map[int64][]int32
	whole    texts
	starts   texts
	ends     texts
	inside   grams
	maxWhole int
}

func (f *fieldIndex) file(a term, id int32) {
	switch a.how {
	case isNumber:
		if f.numbers == nil {
			f.numbers = map[int64][]int32{}
		}
		f.numbers[a.number] = append(f.numbers[a.number], id)
	case isEqual:
		f.whole.put(a.text, id, false)
		f.maxWhole = max(f.maxWhole, len(a.text))
	case isPrefix:
		f.starts.put(a.text, id, false)
	case isSuffix:
		f.ends.put(a.text, id, true)
	case isWithin:
		f.inside.put(a.text, id)
	}
}

// look marks the rules of the terms that hold for a value.
func (f *fieldIndex) look(v string, x *index, s *scratch) {
	if len(v) <= f.maxWhole && f.whole.table != nil {
		h := uint64(offset64)
		for i := 0; i < len(v); i++ {
			h = step(h, v[i])
		}
		f.whole.hit(h, v, x, s)
	}
	if f.starts.table != nil {
		h := uint64(offset64)
		for i := 0; i < len(v) && i < f.starts.longest; i++ {
			if h = step(h, v[i]); f.starts.sizes[i+1] {
				f.starts.hit(h, v[:i+1], x, s)
			}
		}
	}
	if f.ends.table != nil {
		h := uint64(offset64)
		for i := 0; i < len(v) && i < f.ends.longest; i++ {
			if h = step(h, v[len(v)-1-i]); f.ends.sizes[i+1] {
				f.ends.hit(h, v[len(v)-1-i:], x, s)
			}
		}
	}
	if f.inside.table != nil {
		f.inside.look(v, x, s)
	}
}

// FNV-1a over folded bytes.
const (
	offset64 = 14695981039346656037
	prime64  = 1099511628211
)

func step(h uint64, c byte) uint64 { return (h ^ uint64(fold[c])) * prime64 }

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

// filed is a text with its term.
type filed struct {
	text string
	term int32
}

// texts finds whole texts by hash; a bitmap keeps most misses out of the table.
type texts struct {
	table   map[uint64][]filed
	bits    []uint64
	sizes   []bool // by length: whether a text has it
	longest int
}

const filterBits = 1 << 15

func (t *texts) put(text string, id int32, backwards bool) {
	if t.table == nil {
		t.table, t.bits = map[uint64][]filed{}, make([]uint64, filterBits/64)
	}
	h := uint64(offset64)
	for i := range len(text) {
		if backwards {
			i = len(text) - 1 - i
		}
		h = step(h, text[i])
	}
	t.table[h] = append(t.table[h], filed{text, id})
	b := h >> 40 % filterBits
	t.bits[b/64] |= 1 << (b % 64)
	for len(t.sizes) <= len(text) {
		t.sizes = append(t.sizes, false)
	}
	t.sizes[len(text)] = true
	t.longest = max(t.longest, len(text))
}

func (t *texts) hit(h uint64, v string, x *index, s *scratch) {
	b := h >> 40 % filterBits
	if t.bits[b/64]&(1<<(b%64)) == 0 {
		return
	}
	for _, f := range t.table[h] {
		if same(v, f.text) {
			s.add(x.postings[f.term])
		}
	}
}

// grams finds texts inside of a value by one group of four bytes of each, the rarest
// by a prior; texts of three bytes by all of theirs.
type grams struct {
	table map[uint32][]placed
	bits  []uint64
	short []filed
}

// placed is a text whose group stands at an offset in it.
type placed struct {
	filed
	at int
}

const gramBits = 1 << 17

func gramBit(g uint32) uint32 { return g * 2654435761 >> 15 % gramBits }

func (g *grams) put(text string, id int32) {
	if g.table == nil {
		g.table, g.bits = map[uint32][]placed{}, make([]uint64, gramBits/64)
	}
	if len(text) < 4 {
		g.short = append(g.short, filed{text, id})
		return
	}
	best, at := 1<<30, 0
	for i := 0; i+4 <= len(text); i++ {
		sum := 0
		for j := i; j < i+4; j++ {
			sum += common(text[j])
		}
		if sum < best {
			best, at = sum, i
		}
	}
	k := uint32(text[at])<<24 | uint32(text[at+1])<<16 | uint32(text[at+2])<<8 | uint32(text[at+3])
	g.table[k] = append(g.table[k], placed{filed{text, id}, at})
	b := gramBit(k)
	g.bits[b/64] |= 1 << (b % 64)
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
	for _, f := range g.short {
		if within(v, f.text) {
			s.add(x.postings[f.term])
		}
	}
	if len(v) < 4 {
		return
	}
	k := uint32(fold[v[0]])<<16 | uint32(fold[v[1]])<<8 | uint32(fold[v[2]])
	for i := 3; i < len(v); i++ {
		k = k<<8 | uint32(fold[v[i]])
		if b := gramBit(k); g.bits[b/64]&(1<<(b%64)) == 0 {
			continue
		}
		for _, p := range g.table[k] {
			from := i - 3 - p.at
			if from >= 0 && from+len(p.text) <= len(v) && same(v[from:from+len(p.text)], p.text) {
				s.add(x.postings[p.term])
			}
		}
	}
}

// within looks for a folded text of three bytes.
func within(v, text string) bool {
	for i := 0; i+len(text) <= len(v); i++ {
		if same(v[i:i+len(text)], text) {
			return true
		}
	}
	return false
}
