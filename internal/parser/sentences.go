package parser

import (
	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// sentences are what texts mean, made ready for one parser.
type sentences []sentence

type sentence struct {
	*mapping.Sentence
	words []setter
	then  sentences
}

func (m *mapper) sentences(from []mapping.Sentence) sentences {
	out := make(sentences, len(from))
	for i := range from {
		s := &from[i]
		out[i] = sentence{Sentence: s, then: m.sentences(s.Then)}
		for j := range s.Words {
			out[i].words = append(out[i].words, m.target(&s.Words[j]).put())
		}
	}
	return out
}

// sentencesOf are those of a table of a document.
func (m *mapper) sentencesOf(table string) sentences { return m.sentences(m.Tables[table].Sentences) }

// find is the first sentence that a text is, and what stands behind its start; nil where it
// is none of them.
func (s sentences) find(text string) (*sentence, string) {
	for i := range s {
		if rest, ok := s[i].Fits(text); ok {
			return &s[i], rest
		}
	}
	return nil, ""
}

// apply sets what the first sentence means that a text is, and says whether it is one.
func (s sentences) apply(text string, e *schema.Event) bool {
	is, rest := s.find(text)
	if is == nil {
		return false
	}
	constants(e, is.Set)
	for _, set := range is.words {
		set(e, rest)
	}
	is.then.apply(rest, e)
	return true
}
