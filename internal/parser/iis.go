package parser

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"vigil/schema"
)

// w3cParser reads the W3C extended log format of IIS and proxies; #Fields names the
// columns, and may come again with others.
type w3cParser struct {
	zone    *time.Location
	table   table
	names   interner
	columns []zeekColumn
	date    string
	clock   string
	close   func(e *schema.Event)
}

func newW3C(o Options) Parser {
	p := &w3cParser{zone: time.UTC} // the format says UTC
	keep := func(to *string) setter { return func(_ *schema.Event, v string) { *to = v } }
	m := mapperOf("w3c", o, holds{"date": keep(&p.date), "clock": keep(&p.clock)})
	p.table, p.close = m.table(), m.closing(m.Section)
	return p
}

// plusBlanks takes + for a blank, as IIS writes them.
func plusBlanks(f schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if strings.IndexByte(v, '+') < 0 || strings.IndexByte(v, ' ') >= 0 {
			e.SetStr(f, v)
			return
		}
		e.SetStr(f, e.Commit(bytes.ReplaceAll(append(e.Buffer(len(v)), v...), []byte("+"), []byte(" "))))
	}
}

func detectW3C(sample []byte, _ string) (int, string) {
	head := sample[:min(len(sample), 2048)]
	if bytes.HasPrefix(head, []byte("#")) && bytes.Contains(head, []byte("#Fields: ")) {
		return 95, "a #Fields: line"
	}
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	if iisDefault(schema.View(bytes.TrimSpace(line))) != "" {
		return 75, "the columns that IIS logs by default, without their #Fields: line"
	}
	return 0, ""
}

// iisDefault are the columns of a line that stands without its #Fields: line, "" if it
// does not look like one that IIS writes by default.
func iisDefault(line string) string {
	word := strings.Fields(line)
	if len(word) < 13 || len(word) > 15 || !looksLikeIP(word[2]) || !strings.HasPrefix(word[4], "/") || !looksLikeIP(word[8]) {
		return ""
	}
	if _, ok := isoTime(word[0]+"T"+word[1], time.UTC); !ok {
		return ""
	}
	columns := "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent)"
	if _, status := digits(word[10]); !status {
		columns += " cs(Referer)"
	}
	columns += " sc-status sc-substatus sc-win32-status time-taken"
	return strings.Join(strings.Fields(columns)[:len(word)], " ")
}

// Parse implements Parser.
func (p *w3cParser) Parse(raw []byte, e *schema.Event) error {
	s := schema.View(bytes.TrimSpace(raw))
	switch {
	case s == "":
		return ErrSkip
	case s[0] == '#':
		if list, ok := strings.CutPrefix(s, "#Fields:"); ok {
			p.header(list)
		}
		return ErrHeader
	case p.columns == nil && iisDefault(s) != "":
		p.header(iisDefault(s))
	case p.columns == nil:
		return errors.New("a row stands before its #Fields line")
	}
	p.date, p.clock = "", ""
	n := 0
	for rest := s; rest != ""; n++ {
		var v string
		if v, rest = w3cValue(rest); n >= len(p.columns) {
			return fmt.Errorf("the row has more than the %d columns of its #Fields line", len(p.columns))
		}
		p.value(&p.columns[n], v, e)
	}
	if n < len(p.columns) {
		return fmt.Errorf("the row has %d columns, its #Fields line %d: it is cut off", n, len(p.columns))
	}
	p.finish(e)
	return nil
}

func (p *w3cParser) header(list string) {
	p.columns = make([]zeekColumn, 0, 32)
	for n := range strings.FieldsSeq(list) {
		c := zeekColumn{extra: p.names.name([]byte("iis.access." + n))}
		if to, ok := p.table[n]; ok {
			c.to = &to
		}
		p.columns = append(p.columns, c)
	}
}

// w3cValue cuts the next value; one in quotes may hold blanks.
func w3cValue(s string) (v, rest string) {
	if s[0] == '"' {
		if v, rest, ok := strings.Cut(s[1:], `"`); ok {
			return v, strings.TrimLeft(rest, " \t")
		}
	}
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}

func (p *w3cParser) value(c *zeekColumn, v string, e *schema.Event) {
	switch {
	case v == "-" || v == "" || c.to != nil && c.to.skip:
	case c.to == nil:
		e.AddExtra(c.extra, v)
	case c.to.set != nil:
		c.to.set(e, v)
	default:
		e.Set(c.to.field, v)
	}
}

func (p *w3cParser) finish(e *schema.Event) {
	if p.date != "" && p.clock != "" {
		text := p.date + " " + p.clock
		if micro, ok := isoTime(text, p.zone); ok {
			setTime(e, schema.FTimestamp, micro, e.Copy([]byte(text)))
		}
	}
	p.close(e)
	e.SetStr(schema.FEventAction, e.Str(schema.FHttpRequestMethod))
	if !e.Has(schema.FNetworkProtocol) {
		e.SetStr(schema.FNetworkProtocol, "http")
	}
	e.SetStr(schema.FUrlOriginal, e.Str(schema.FUrlPath))
	if q := e.Str(schema.FUrlQuery); q != "" {
		e.SetStr(schema.FUrlOriginal, e.Copy([]byte(e.Str(schema.FUrlPath)+"?"+q)))
	}
	outcome := "success"
	if e.Int(schema.FHttpResponseStatusCode) >= 400 {
		outcome = "failure"
	}
	e.SetStr(schema.FEventOutcome, outcome)
	settleFlow(e)
}
