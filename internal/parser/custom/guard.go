package custom

import (
	"fmt"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// guard refuses YAML that would cost more than its size, because aliases multiply what they
// name, and what only makes a document harder to read.
func guard(file, text string) *Problem {
	for _, t := range lexer.Tokenize(text) {
		problem := func(format string, args ...any) *Problem {
			return &Problem{File: file, Line: t.Position.Line, Column: t.Position.Column, Message: fmt.Sprintf(format, args...)}
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.MappingKeyType:
			return problem("%s is not used here: write the value out", t.Value)
		}
	}
	return nil
}
