package parser

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"vigil/schema"
)

// Parse implements Parser.
func (p *zeekTSV) Parse(raw []byte, e *schema.Event) error {
	if len(raw) == 0 {
		return ErrSkip
	}
	if raw[0] == '#' || p.columns == nil && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("#")) {
		return p.header(strings.TrimLeft(string(raw), " \t"))
	}
	if p.columns == nil {
		return errors.New("a Zeek row stands before its #fields header")
	}
	for i := 0; ; i++ {
		value, rest, more := bytes.Cut(raw, []byte{p.sep})
		if i >= len(p.columns) {
			return fmt.Errorf("the row has more than the %d columns of its header", len(p.columns))
		}
		p.value(&p.columns[i], value, e)
		if !more {
			if i+1 < len(p.columns) {
				return fmt.Errorf("the row has %d columns, its header %d: it is cut off", i+1, len(p.columns))
			}
			break
		}
		raw = rest
	}
	p.plan.finish(e)
	return nil
}

// header takes in one # line.
func (p *zeekTSV) header(line string) error {
	key, rest, _ := strings.Cut(line, string(p.sep))
	if k, v, ok := strings.Cut(line, " "); ok && k == "#separator" {
		if strings.HasPrefix(v, `\x`) {
			if n, err := strconv.ParseUint(v[2:], 16, 8); err == nil {
				p.sep = byte(n)
			}
		}
		return ErrHeader
	}
	switch key {
	case "#set_separator":
		p.set = rest
	case "#empty_field":
		p.empty = rest
	case "#unset_field":
		p.unset = rest
	case "#path":
		p.plan = p.plans.plan(rest)
	case "#fields":
		if p.plan == nil {
			p.plan = p.plans.plan(p.object)
		}
		p.fields(strings.Split(rest, string(p.sep)))
	case "#types":
		for i, kind := range strings.Split(rest, string(p.sep)) {
			if i < len(p.columns) {
				p.columns[i].list = strings.HasPrefix(kind, "set[") || strings.HasPrefix(kind, "vector[")
				p.columns[i].bool = kind == "bool"
			}
		}
	}
	return ErrHeader
}

func (p *zeekTSV) fields(names []string) {
	p.columns = make([]zeekColumn, 0, min(len(names), 1000))
	for _, n := range names {
		c := zeekColumn{extra: p.names.name([]byte(p.plan.prefix + "." + n))}
		if to, ok := p.plan.table[n]; ok {
			c.to = &to
		}
		p.columns = append(p.columns, c)
	}
}

func (p *zeekTSV) value(c *zeekColumn, raw []byte, e *schema.Event) {
	v := schema.View(raw)
	if v == p.unset || v == p.empty || v == "" || c.to != nil && c.to.skip {
		return
	}
	if bytes.IndexByte(raw, '\\') >= 0 {
		v = unescapeTSV(raw, e)
	}
	switch {
	case c.list:
		p.list(c, v, e)
	case c.to == nil:
		if c.bool {
			v = zeekBool(v)
		}
		e.AddExtra(c.extra, v)
	case c.to.set != nil:
		c.to.set(e, v)
	default:
		e.Set(c.to.field, v)
	}
}

// list hands the elements to a list target, or keeps them as a JSON array, which is
// how the JSON layout keeps them.
func (p *zeekTSV) list(c *zeekColumn, v string, e *schema.Event) {
	if c.to != nil {
		for one := range strings.SplitSeq(v, p.set) {
			if c.to.set != nil {
				c.to.set(e, one)
			} else {
				e.Set(c.to.field, one)
			}
		}
		return
	}
	e.AddExtra(c.extra, v)
}

// unescapeTSV writes Zeek's \xNN and \\ escapes as bytes.
func unescapeTSV(b []byte, e *schema.Event) string {
	out := e.Buffer(len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) {
			if b[i+1] == '\\' {
				i++
			} else if b[i+1] == 'x' && i+3 < len(b) {
				if n, err := strconv.ParseUint(schema.View(b[i+2:i+4]), 16, 8); err == nil {
					out = append(out, byte(n))
					i += 3
					continue
				}
			}
		}
		out = append(out, b[i])
	}
	return e.Commit(out)
}
