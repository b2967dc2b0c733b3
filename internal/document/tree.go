package document

import (
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxNesting is how deep lists and mappings may stand in each other. The YAML library
// takes time by the square of the depth: 20,000 brackets are seconds, a megabyte of them hours.
const maxNesting = 100

// Tree parses YAML that may be hostile. What is nested too deep is a yaml.SyntaxError, as
// what is no YAML.
func Tree(text []byte) (*ast.File, error) {
	tokens := lexer.Tokenize(string(text))
	if t := tooDeep(tokens); t != nil {
		return nil, &yaml.SyntaxError{Message: fmt.Sprintf("nested deeper than %d", maxNesting), Token: t}
	}
	return parser.Parse(tokens, 0)
}

// tooDeep is the first token below the limit, nil when there is none. Nesting is written
// by brackets, by marks that follow each other in a line, or by indentation.
func tooDeep(tokens token.Tokens) *token.Token {
	depth, row, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, row = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			row++
		case token.MappingValueType:
			if depth <= 0 {
				row++
			}
		}
		if depth > maxNesting || row > maxNesting || t.Position.IndentLevel > maxNesting {
			return t
		}
	}
	return nil
}
