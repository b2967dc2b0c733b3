package mapping

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
)

// Sentence is what a text means that begins with certain words, or has them in it.
type Sentence struct {
	Start []string // it begins with one of these; none: it may begin in any way
	Has   []string // each of these stands behind the start
	Any   []string // at least one of these stands behind the start; none: nothing is asked
	Set   []Constant
	Words []Row      // rows of what stands behind the start
	Then  []Sentence // of what stands behind the start, the first that fits
}

// Fits says whether a text is such a sentence, and what of it stands behind the start.
func (s *Sentence) Fits(text string) (rest string, ok bool) {
	rest, ok = s.behind(text)
	if !ok {
		return "", false
	}
	for _, w := range s.Has {
		if !strings.Contains(rest, w) {
			return "", false
		}
	}
	for _, w := range s.Any {
		if strings.Contains(rest, w) {
			return rest, true
		}
	}
	return rest, len(s.Any) == 0
}

func (s *Sentence) behind(text string) (string, bool) {
	for _, start := range s.Start {
		if rest, ok := strings.CutPrefix(text, start); ok {
			return rest, true
		}
	}
	return text, len(s.Start) == 0
}

// maxNested bounds sentences within sentences.
const maxNested = 4

var sentenceKeys = []string{"start", "has", "any", "set", "words", "then"}

// readSentences reads a list of sentences.
func readSentences(r *document.Reader, n ast.Node, lang Language, depth int) []Sentence {
	seq, ok := n.(*ast.SequenceNode)
	switch {
	case !ok:
		r.Fail(n, "", "the sentences must be a list")
		return nil
	case len(seq.Values) > MaxRows:
		r.Fail(n, "", "more than %d sentences", MaxRows)
		return nil
	case depth > maxNested:
		r.Fail(n, "", "sentences nest deeper than %d", maxNested)
		return nil
	}
	var out []Sentence
	for i, v := range seq.Values {
		s, all := readSentence(r, v, lang, depth)
		if all && i+1 < len(seq.Values) {
			r.Fail(v, "put it last", "this sentence fits every text: those behind it are never reached")
		}
		out = append(out, s)
	}
	return out
}

// readSentence reads one; all says that it fits every text.
func readSentence(r *document.Reader, n ast.Node, lang Language, depth int) (s Sentence, all bool) {
	m, ok := r.Mapping(n, "the sentence", sentenceKeys)
	if !ok {
		return s, false
	}
	in := &reader{Reader: r, Language: lang}
	s.Start, s.Has, s.Any = in.marks(m, "start"), in.marks(m, "has"), in.marks(m, "any")
	if at, ok := m.At["set"]; ok {
		s.Set = in.set(at)
	}
	if at, ok := m.At["words"]; ok {
		s.Words = in.words(at)
	}
	if at, ok := m.At["then"]; ok {
		s.Then = readSentences(r, at, lang, depth+1)
	}
	if s.Set == nil && s.Words == nil && s.Then == nil {
		r.Fail(n, "give it set, words or then", "the sentence says nothing")
	}
	return s, s.Start == nil && s.Has == nil && s.Any == nil
}

// words reads a list of rows for one text.
func (r *reader) words(n ast.Node) []Row {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.Fail(n, "", "the words must be a list of rows")
		return nil
	}
	var out []Row
	for _, v := range seq.Values {
		out = append(out, r.short(v))
	}
	return out
}

// marks reads one text or a list of texts, each as it is written, blanks and all.
func (r *reader) marks(m *document.Mapping, key string) []string {
	n, ok := m.At[key]
	if !ok {
		return nil
	}
	nodes := []ast.Node{n}
	if seq, ok := n.(*ast.SequenceNode); ok {
		nodes = seq.Values
	}
	if len(nodes) == 0 {
		r.Fail(n, "", "%s has no text", key)
	}
	var out []string
	for _, v := range nodes {
		s, ok := document.Scalar(v)
		if !ok || s == "" {
			r.Fail(v, "", "%s must be text", key)
		}
		out = append(out, s)
	}
	return out
}
