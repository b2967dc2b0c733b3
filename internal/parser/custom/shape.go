package custom

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"vigil/internal/parser"
	"vigil/schema"
)

// shape is how records are taken apart, checked. It is shared by all parsers of the format.
type shape struct {
	kind            string
	syslog          bool
	pattern         *regexp.Regexp
	names           []string // of the pattern's groups, "" for groups without name
	columns         []string
	header          bool
	delimiter       rune
	pair, separator string
	skip            *regexp.Regexp
}

// shapeKinds are the shapes, with the settings that each takes beside syslog and skip.
var shapeKinds = map[string][]string{"json": nil, "logfmt": nil, "kv": {"pair", "separator"}, "csv": {"columns", "header", "delimiter"}, "regex": {"pattern"}}

func (r *reader) shape() *shape {
	d := &r.doc.Shape
	s := &shape{kind: d.Type, syslog: d.Syslog, columns: d.Columns, header: d.Header, delimiter: ',', pair: d.Pair, separator: d.Separator,
		pattern: r.pattern("$.shape.pattern", d.Pattern), skip: r.pattern("$.shape.skip", d.Skip)}
	takes, ok := shapeKinds[d.Type]
	if !ok {
		r.fail("$.shape.type", "type is %q: want json, kv, logfmt, csv or regex", d.Type)
		return s
	}
	for name, given := range map[string]bool{"pattern": d.Pattern != "", "columns": d.Columns != nil, "header": d.Header, "delimiter": d.Delimiter != "", "pair": d.Pair != "", "separator": d.Separator != ""} {
		if given && !slices.Contains(takes, name) {
			r.fail("$.shape."+name, "%s is no setting of the shape %s", name, d.Type)
		}
	}
	switch d.Type {
	case "regex":
		r.groups(s)
	case "csv":
		if d.Header == (len(d.Columns) > 0) {
			r.fail("$.shape", "csv needs columns, or header: true when the first record names them")
		}
		if d.Header && d.Syslog {
			r.fail("$.shape.header", "a header record cannot stand behind a syslog header: name the columns")
		}
		if d.Delimiter != "" {
			c, n := utf8.DecodeRuneInString(d.Delimiter)
			if n != len(d.Delimiter) || c == '"' || c == '\n' || c == '\r' || c == utf8.RuneError {
				r.fail("$.shape.delimiter", "delimiter is %q: want one character", d.Delimiter)
			}
			s.delimiter = c
		}
	case "kv":
		if s.pair == "" {
			s.pair = "="
		}
		if s.separator == "" {
			s.separator = " "
		}
		if s.pair == s.separator {
			r.fail("$.shape.pair", "pair and separator are the same")
		}
	case "logfmt":
		s.pair, s.separator = "=", " "
	}
	return s
}

func (r *reader) groups(s *shape) {
	if r.doc.Shape.Pattern == "" {
		r.fail("$.shape.pattern", "pattern is missing: a regular expression (RE2) with named groups, (?P<name>…)")
	}
	if s.pattern == nil {
		return
	}
	s.names = s.pattern.SubexpNames()
	if !slices.ContainsFunc(s.names, func(n string) bool { return n != "" }) {
		r.fail("$.shape.pattern", "the pattern has no named group, (?P<name>…)")
	}
}

// keys are the values that the shape can yield, nil when any can be.
func (s *shape) keys() []string {
	switch {
	case s.kind == "regex":
		return s.names
	case s.kind == "csv" && !s.header:
		return s.columns
	}
	return nil
}

// splitter takes the records of one object apart. It is not safe for concurrent use.
type splitter struct {
	s        *shape
	envelope *parser.Envelope
	json     parser.Plain
	columns  []string
	scratch  schema.Event
}

func (s *shape) splitter(o parser.Options) *splitter {
	return &splitter{s: s, envelope: parser.NewEnvelope(o), columns: s.columns}
}

// split returns the values of a record as extras, which live until the next call. What a
// syslog header says goes onto e.
func (x *splitter) split(raw []byte, e *schema.Event) ([]schema.Extra, error) {
	text := schema.View(raw)
	if strings.TrimSpace(text) == "" || x.s.skip != nil && x.s.skip.Match(raw) {
		return nil, parser.ErrSkip
	}
	if x.s.syslog {
		var err error
		if text, err = x.envelope.Open(raw, e); err != nil {
			return nil, err
		}
	}
	x.scratch.Reset(raw, e.Offset)
	var err error
	switch x.s.kind {
	case "json":
		err = x.json.Read(bytes.TrimSpace([]byte(text)), &x.scratch)
	case "csv":
		err = x.csv(text)
	case "regex":
		err = x.regex(text)
	default:
		err = x.pairs(text)
	}
	return x.scratch.Extras(), err
}

func (x *splitter) csv(text string) error {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = x.s.delimiter, -1, true
	row, err := r.Read()
	if err != nil {
		return fmt.Errorf("not a row of values: %w", err)
	}
	if x.columns == nil {
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		x.columns = row
		return parser.ErrHeader
	}
	if len(row) > len(x.columns) {
		return fmt.Errorf("the row has %d values, there are %d columns", len(row), len(x.columns))
	}
	for i, v := range row {
		x.scratch.AddExtra(x.columns[i], v)
	}
	return nil
}

var errNoMatch = errors.New("the record does not match the pattern")

func (x *splitter) regex(text string) error {
	at := x.s.pattern.FindStringSubmatchIndex(text)
	if at == nil {
		return errNoMatch
	}
	for i, name := range x.s.names {
		if name != "" && at[2*i] >= 0 {
			x.scratch.AddExtra(name, text[at[2*i]:at[2*i+1]])
		}
	}
	return nil
}

// pairs reads key=value pairs; values may stand in quotes, with backslashes before quotes
// inside. What is no pair is passed over.
func (x *splitter) pairs(text string) error {
	found := false
	for text = strings.TrimLeft(text, x.s.separator); text != ""; text = strings.TrimLeft(text, x.s.separator) {
		i := strings.Index(text, x.s.pair)
		if i < 0 {
			break
		}
		key := text[:i]
		if j := strings.LastIndex(key, x.s.separator); j >= 0 {
			key = key[j+len(x.s.separator):]
		}
		var value string
		value, text = x.value(text[i+len(x.s.pair):])
		if key = strings.TrimSpace(key); key != "" && len(key) <= 256 {
			found = true
			x.scratch.AddExtra(key, value)
		}
	}
	if !found {
		return fmt.Errorf("the record has no key%svalue pair", x.s.pair)
	}
	return nil
}

// value reads one value and returns what follows it.
func (x *splitter) value(text string) (value, rest string) {
	if text == "" || text[0] != '"' {
		value, rest, _ = strings.Cut(text, x.s.separator)
		return strings.TrimRight(value, " \r"), rest
	}
	escaped := false
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			value, rest = text[1:i], text[i+1:]
			if escaped {
				value = x.scratch.Copy([]byte(strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(value)))
			}
			return value, rest
		}
	}
	return text[1:], ""
}
