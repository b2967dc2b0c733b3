package parser

import (
	"strings"

	"vigil/schema"
)

// csvRow appends the comma-separated values of a record to row. A value in quotes may
// hold commas and line ends, and two quotes for one; a quote elsewhere is a character
// like any other, because devices write such lines. Values are views of s, but for those
// with doubled quotes.
func csvRow(s string, e *schema.Event, row []string) []string {
	for {
		var v string
		if strings.HasPrefix(s, `"`) {
			v, s = csvQuoted(s[1:], e)
		} else {
			end := strings.IndexByte(s, ',')
			if end < 0 {
				end = len(s)
			}
			v, s = s[:end], s[end:]
		}
		row = append(row, v)
		if s == "" {
			return row
		}
		s = s[1:]
	}
}

// csvQuoted reads a value up to its closing quote; rest begins with the comma behind it.
// What stands between the quote and the comma belongs to the value.
func csvQuoted(s string, e *schema.Event) (v, rest string) {
	doubled := false
	for i := 0; i < len(s); i++ {
		if s[i] != '"' {
			continue
		}
		switch {
		case i+1 < len(s) && s[i+1] == '"':
			doubled = true
			i++
		case i+1 == len(s):
			return csvPlain(s[:i], doubled, e), ""
		case s[i+1] == ',':
			return csvPlain(s[:i], doubled, e), s[i+1:]
		}
	}
	return csvPlain(s, doubled, e), "" // the quote is not closed
}

// csvPlain writes one quote for two.
func csvPlain(s string, doubled bool, e *schema.Event) string {
	if !doubled {
		return s
	}
	out := e.Buffer(len(s))
	for i := 0; i < len(s); i++ {
		out = append(out, s[i])
		if s[i] == '"' && i+1 < len(s) && s[i+1] == '"' {
			i++
		}
	}
	return e.Commit(out)
}
