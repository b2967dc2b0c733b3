package rules

import (
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
)

// reader reads one document of a rule file.
type reader struct {
	*document.Reader
	lines []string
	id    ast.Node // the value of the rule's id, nil for none
	good  *Rule    // when there are no mistakes
}

// maxSpan bounds the times in rules.
const maxSpan = 366 * 24 * time.Hour

// span reads a time like 90s, 5m, 1h or 7d, in whole milliseconds and at most a year.
func span(m *document.Mapping, key string, def time.Duration) time.Duration {
	d := m.Duration(key, def)
	if d > maxSpan || d%time.Millisecond != 0 {
		m.Fail(m.At[key], "write a time like 90s, 5m, 1h or 7d", "%s cannot be %q", key, m.Text(key))
		return def
	}
	return d
}

// places maps each character of a scalar's value to its line and column in the
// document, by walking value and source side by side; quoting, escapes and line
// folding are skipped in the source.
func (d *reader) places(n ast.Node, value string) [][2]int {
	t := n.GetToken()
	s := source{lines: d.lines, line: t.Position.Line, column: 1}
	for s.column < t.Position.Column {
		s.forward()
	}
	if _, block := n.(*ast.LiteralNode); block {
		s.down()
		s.indent = 1 << 30
		s.skipIndent()
		s.indent = s.column - 1
	} else if q := s.rune(); q == '\'' || q == '"' {
		s.quote = q
		s.forward()
	}
	var out [][2]int
	for _, v := range value {
		s.seek(v)
		out = append(out, [2]int{s.line, s.column})
		s.next(v)
	}
	return append(out, [2]int{s.line, s.column})
}

// source is a reading position in the lines of a document.
type source struct {
	lines        []string
	line, column int
	at           int  // bytes of the line before the column
	indent       int  // of a block; 0 for other scalars, whose line starts do not count
	quote        rune // the quote that the scalar is in, 0 for none
}

// skipIndent moves over the blanks at the start of a line that are not part of
// the value.
func (s *source) skipIndent() {
	for s.rune() == ' ' && (s.indent == 0 || s.column <= s.indent) {
		s.forward()
	}
}

// forward moves over one character of the line, and stays where the line ends.
func (s *source) forward() {
	if s.line <= len(s.lines) && s.at < len(s.lines[s.line-1]) {
		_, n := utf8.DecodeRuneInString(s.lines[s.line-1][s.at:])
		s.at += n
	}
	s.column++
}

// skip moves over some characters.
func (s *source) skip(n int) {
	for range n {
		s.forward()
	}
}

// down moves to the start of the next line.
func (s *source) down() { s.line, s.column, s.at = s.line+1, 1, 0 }

// rune returns the character at the position, '\n' at the end of a line, 0 at
// the end of the document.
func (s *source) rune() rune {
	if s.line > len(s.lines) {
		return 0
	}
	if s.at >= len(s.lines[s.line-1]) {
		return '\n'
	}
	r, _ := utf8.DecodeRuneInString(s.lines[s.line-1][s.at:])
	return r
}

// seek moves on to where the value's character v stands.
func (s *source) seek(v rune) {
	for {
		switch r := s.rune(); {
		case r == 0, r == v, r == '\n' && v == ' ', s.quote == '"' && r == '\\':
			return
		case r == '\n':
			s.down()
		default:
			s.forward()
		}
	}
}

// next moves behind the character that stands for v.
func (s *source) next(v rune) {
	switch r := s.rune(); {
	case r == 0:
	case r == '\n':
		s.down()
		s.skipIndent()
	case r == '\\' && s.quote == '"':
		s.forward()
		switch s.rune() {
		case 'x':
			s.skip(2)
		case 'u':
			s.skip(4)
		case 'U':
			s.skip(8)
		}
		s.forward()
	case r == '\'' && s.quote == '\'' && v == '\'':
		s.skip(2)
	default:
		s.forward()
	}
}

// place returns where the character at line and column of an expression stands.
func place(places [][2]int, value string, line, column int) (int, int) {
	i, l, c := 0, 1, 1
	for _, r := range value {
		if l == line && c == column {
			break
		}
		if r == '\n' {
			if l == line {
				break
			}
			l, c = l+1, 0
		}
		c++
		i++
	}
	i = min(i, len(places)-1)
	return places[i][0], places[i][1]
}
