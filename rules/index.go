package rules

import (
	"slices"

	"vigil/internal/expr"
)

// index is the plan over many rules. Each rule is filed under its terms; an event's
// values are looked up once, whatever the number of rules. The rules found, and those
// without terms, are then tried by their gates.
type index struct {
	all      []*candidate
	always   []int32 // positions in all
	fields   []*fieldIndex
	extras   [extraSizes][]*fieldIndex // fields that the schema does not model, by length of the name
	postings [][]int32                 // by term: positions in all
}

// extraSizes is by how many remainders of their length the names of extras are told apart.
const extraSizes = 64

// scratch is what one evaluation needs; the evaluator owns it.
type scratch struct {
	run     uint64   // number of the event in hand
	seen    []uint64 // by candidate: the run in which it was found
	found   []int32
	answers []uint64 // by slot of a test: its run, and the answer in the lowest bit
	// sketches are of texts of the event in hand, made when a test first asks.
	sketches []sketched
}

// sketched is the sketch of one field, and the run in which it was made.
type sketched struct {
	run uint64
	of  expr.Sketch
}

func (s *scratch) begin(candidates int) {
	if len(s.seen) < candidates {
		s.seen = append(s.seen, make([]uint64, candidates-len(s.seen))...)
	}
	s.run++
	s.found = s.found[:0]
}

func (s *scratch) add(candidates []int32) {
	for _, c := range candidates {
		if s.seen[c] != s.run {
			s.seen[c] = s.run
			s.found = append(s.found, c)
		}
	}
}

// answer asks a test about the event in hand, once if the answer has a slot.
func (s *scratch) answer(t *test, in *expr.Input) bool {
	if t.slot < 0 {
		return s.ask(t, in)
	}
	if a := s.answers[t.slot]; a>>1 == s.run {
		return a&1 == 1
	}
	ok := s.ask(t, in)
	s.answers[t.slot] = s.run << 1
	if ok {
		s.answers[t.slot] |= 1
	}
	return ok
}

func (s *scratch) ask(t *test, in *expr.Input) bool {
	if t.within == nil {
		return t.holds(in)
	}
	text, k := in.Text(t.refs[0]), &s.sketches[t.sketch]
	if k.run != s.run {
		k.run = s.run
		k.of.Of(text)
	}
	return t.within.Match(text, &k.of)
}

// fewRules is up to how many rules trying them all is as fast as looking values up,
// unless one reads the whole record.
const fewRules = 4

func newIndex(all []*candidate) *index {
	x := &index{all: all}
	ids := map[term]int32{}
	byRef := map[expr.Ref]*fieldIndex{}
	few := len(all) <= fewRules && !slices.ContainsFunc(all, readsRecord)
	for i, c := range all {
		if few || c.rule.terms == nil {
			x.always = append(x.always, int32(i))
			continue
		}
		for _, a := range c.rule.terms.any {
			id, ok := ids[a]
			if !ok {
				id = int32(len(x.postings))
				ids[a] = id
				x.postings = append(x.postings, nil)
				f := byRef[a.ref]
				if f == nil {
					f = &fieldIndex{ref: a.ref, list: a.ref.Type() == expr.StringList, held: a.ref.Held()}
					byRef[a.ref] = f
					x.put(f)
				}
				f.file(a, id)
			}
			if p := x.postings[id]; len(p) == 0 || p[len(p)-1] != int32(i) {
				x.postings[id] = append(p, int32(i))
			}
		}
	}
	for _, f := range byRef {
		f.seal()
	}
	return x
}

func (x *index) put(f *fieldIndex) {
	if n := len(f.ref.Extra) % extraSizes; f.ref.Extra != "" {
		x.extras[n] = append(x.extras[n], f)
		return
	}
	x.fields = append(x.fields, f)
}

// readsRecord says whether the rule is filed under texts of the whole record.
func readsRecord(c *candidate) bool {
	return c.rule.terms != nil && slices.ContainsFunc(c.rule.terms.any, func(t term) bool { return t.ref.Raw })
}

func (x *index) candidates(in *expr.Input, dst []*candidate, s *scratch) []*candidate {
	x.find(in, s)
	for _, i := range s.found {
		if c := x.all[i]; c.gate.passes(in, s) {
			dst = append(dst, c)
		}
	}
	return dst
}

// find puts into s.found the rules to try, in the order of the set, which is that of hits.
func (x *index) find(in *expr.Input, s *scratch) {
	s.begin(len(x.all))
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
		case f.held:
			if v := in.Event.Str(f.ref.Field); v != "" {
				f.look(v, x, s)
			}
		default:
			if v := in.Text(f.ref); v != "" {
				f.look(v, x, s)
			}
		}
	}
	for _, e := range in.Event.Extras() {
		for _, f := range x.extras[len(e.Name)%extraSizes] {
			if f.ref.Extra == e.Name {
				f.look(e.Value, x, s)
			}
		}
	}
	slices.Sort(s.found)
}
