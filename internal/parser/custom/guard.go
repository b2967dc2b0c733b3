package custom

import (
	"fmt"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// guard refuses YAML that would cost more than its size: aliases multiply what they name, and
// nesting that is written in one line makes the reader call itself that often.
func guard(file, text string) *Problem {
	depth, row, line := 0, 0, 0
	for _, t := range lexer.Tokenize(text) {
		problem := func(format string, args ...any) *Problem {
			return &Problem{File: file, Line: t.Position.Line, Column: t.Position.Column, Message: fmt.Sprintf(format, args...)}
		}
		if t.Position.Line != line {
			line, row = t.Position.Line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.MappingKeyType:
			return problem("%s is not used here: write the value out", t.Value)
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingValueType:
			row++
		}
		if depth > maxNesting || depth == 0 && row > maxNesting || t.Position.IndentLevel > 2*maxNesting {
			return problem("nested deeper than %d", maxNesting)
		}
	}
	return nil
}
