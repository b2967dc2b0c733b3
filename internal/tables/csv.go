package tables

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"vigil/schema"
)

// Bounds of a CSV table.
const (
	maxRows     = 2_000_000
	maxColumns  = 200
	maxCell     = 4096
	maxProblems = 20 // that are told
)

// column is one known column: take puts a cell into the row and says what is wrong with it.
type column[R any] struct {
	name string
	take func(r *R, cell string) error
}

// sheet is the shape of one kind of table.
type sheet[R any] struct {
	columns []column[R]
	key     string // the column that every row fills in
	// fact keeps the cell of a column that is not known; nil refuses such columns.
	fact func(r *R, column, cell string)
}

// problems are what is wrong with a file.
type problems struct {
	list []string
	all  int
}

func (p *problems) add(line, column int, format string, args ...any) {
	p.all++
	if len(p.list) < maxProblems {
		p.list = append(p.list, fmt.Sprintf("line %d, column %d: ", line, column)+fmt.Sprintf(format, args...))
	}
}

// err is nil when there are none.
func (p *problems) err() error {
	if p.all == 0 {
		return nil
	}
	text := strings.Join(p.list, "\n")
	if more := p.all - len(p.list); more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	return schema.E(schema.Invalid, text, "nothing was changed")
}

// parse reads a CSV file with a header line; comma, semicolon and tab may part it. Every
// problem of every row is told with its place. place is handed each row and where it stands.
func (s *sheet[R]) parse(body []byte, place func(row *R, line int) error) error {
	body = bytes.TrimPrefix(body, []byte("\uFEFF"))
	if !utf8.Valid(body) {
		return schema.E(schema.Invalid, "the file is no UTF-8 text", "save it as CSV in UTF-8")
	}
	r := csv.NewReader(bytes.NewReader(body))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = separator(body), -1, true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return schema.E(schema.Invalid, "the file is empty", "its first line names the columns: "+s.names())
	}
	if err != nil {
		return schema.E(schema.Invalid, "the header line cannot be read", "its first line names the columns: "+s.names(), err)
	}
	var bad problems
	columns := s.header(slices.Clone(head), r, &bad)
	if err := bad.err(); err != nil {
		return err
	}
	for rows := 0; ; rows++ {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return bad.err()
		}
		if pe, ok := errors.AsType[*csv.ParseError](err); ok {
			bad.add(pe.Line, pe.Column, "%v", pe.Err)
			return bad.err() // what follows would be read from the wrong place
		}
		if err != nil {
			return err
		}
		if rows == maxRows {
			return schema.E(schema.Invalid, fmt.Sprintf("the file has more than %d rows", maxRows), "")
		}
		s.row(cells, columns, r, &bad, place)
	}
}

// separator is what parts the header's columns.
func separator(body []byte) rune {
	head, _, _ := bytes.Cut(body, []byte{'\n'})
	for _, c := range ";\t" {
		if bytes.Count(head, []byte(string(c))) > bytes.Count(head, []byte{','}) {
			return c
		}
	}
	return ','
}

// header finds the columns; -1 is a column of facts.
func (s *sheet[R]) header(head []string, r *csv.Reader, bad *problems) []target {
	if len(head) > maxColumns {
		bad.add(1, 1, "%d columns, more than %d", len(head), maxColumns)
		return nil
	}
	var out []target
	for i, h := range head {
		line, col := r.FieldPos(i)
		name := strings.ToLower(strings.TrimSpace(h))
		at := slices.IndexFunc(s.columns, func(c column[R]) bool { return c.name == name })
		switch {
		case name == "":
			bad.add(line, col, "the column has no name")
		case slices.ContainsFunc(out, func(t target) bool { return t.name == name }):
			bad.add(line, col, "the column %s is there twice", name)
		case at < 0 && s.fact == nil:
			bad.add(line, col, "there is no column %q; the columns are %s", name, s.names())
		case at < 0:
			if near := schema.Nearest(name, s.known()); near != "" && !slices.Contains(head, near) {
				bad.add(line, col, "there is no column %q; is it %s?", name, near)
			}
		}
		out = append(out, target{name, at})
	}
	if !slices.ContainsFunc(out, func(t target) bool { return t.name == s.key }) {
		bad.add(1, 1, "the column %s is missing; the columns are %s", s.key, s.names())
	}
	return out
}

type target struct {
	name string
	at   int // in the sheet's columns, -1: a fact
}

// row takes one row.
func (s *sheet[R]) row(cells []string, columns []target, r *csv.Reader, bad *problems, place func(*R, int) error) {
	line, _ := r.FieldPos(0)
	if len(cells) != len(columns) {
		bad.add(line, 1, "%d cells, but %d columns", len(cells), len(columns))
		return
	}
	var row R
	was := bad.all
	for i, t := range columns {
		cell := strings.TrimSpace(cells[i])
		line, col := r.FieldPos(i)
		switch {
		case len(cell) > maxCell:
			bad.add(line, col, "%s: %d bytes, more than %d", t.name, len(cell), maxCell)
		case cell == "" && t.name == s.key:
			bad.add(line, col, "%s is empty", t.name)
		case cell == "":
		case t.at < 0:
			s.fact(&row, strings.Clone(t.name), strings.Clone(cell))
		default:
			if err := s.columns[t.at].take(&row, strings.Clone(cell)); err != nil {
				bad.add(line, col, "%s: %v", t.name, err)
			}
		}
	}
	if bad.all > was {
		return
	}
	if err := place(&row, line); err != nil {
		bad.add(line, 1, "%v", err)
	}
}

func (s *sheet[R]) known() (names []string) {
	for _, c := range s.columns {
		names = append(names, c.name)
	}
	return names
}

func (s *sheet[R]) names() string { return strings.Join(s.known(), ", ") }

// listOf splits a cell of several values at blanks, semicolons and bars.
func listOf(cell string) []string {
	return strings.FieldsFunc(cell, func(c rune) bool { return c == ' ' || c == ';' || c == '|' || c == ',' })
}

// oneOf checks a cell against its few values and returns it in small letters.
func oneOf(cell string, values ...string) (string, error) {
	v := strings.ToLower(cell)
	if !slices.Contains(values, v) {
		return "", fmt.Errorf("%q is not one of %s", cell, strings.Join(values, ", "))
	}
	return v, nil
}

// yesNo reads a truth value.
func yesNo(cell string) (bool, error) {
	switch strings.ToLower(cell) {
	case "true", "yes", "y", "1", "x":
		return true, nil
	case "false", "no", "n", "0", "-":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", cell)
}

// text is a column that is a plain text.
func text[R any](name string, to func(*R) *string) column[R] {
	return column[R]{name, func(r *R, cell string) error { *to(r) = cell; return nil }}
}

// texts is a column of several values.
func texts[R any](name string, to func(*R) *[]string) column[R] {
	return column[R]{name, func(r *R, cell string) error { *to(r) = listOf(cell); return nil }}
}

// choice is a column of few values.
func choice[R any](name string, to func(*R) *string, values ...string) column[R] {
	return column[R]{name, func(r *R, cell string) (err error) { *to(r), err = oneOf(cell, values...); return err }}
}

// criticalities are how much depends on an entity, least first.
var criticalities = []string{"low", "medium", "high", "critical"}
