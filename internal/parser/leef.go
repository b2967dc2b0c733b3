package parser

import (
	"bytes"
	"errors"
	"maps"
	"strconv"
	"strings"

	"vigil/schema"
)

// leefParser reads the Log Event Extended Format, versions 1 and 2.
type leefParser struct {
	kv    *kvParser
	maker deviceHeader
}

func newLEEF(o Options) Parser {
	kv, _ := newKV(o).(*kvParser)
	maps.Copy(kv.table, mapperOf("leef", o, nil).table())
	return &leefParser{kv: kv}
}

func leefStart(line []byte) int {
	for _, mark := range []string{"LEEF:1.0|", "LEEF:2.0|"} {
		if i := bytes.Index(line[:min(len(line), 512)], []byte(mark)); i >= 0 {
			return i
		}
	}
	return -1
}

func detectLEEF(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	if i := leefStart(line); i >= 0 && bytes.Count(line[i:], []byte("|")) >= 4 {
		return 96, "LEEF: and its header fields"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *leefParser) Parse(raw []byte, e *schema.Event) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return ErrSkip
	}
	i := leefStart(raw)
	if i < 0 {
		return errors.New("the line has no LEEF: header")
	}
	p.kv.begin()
	if i > 0 {
		p.kv.header(schema.View(raw[:i]), e)
	}
	part := strings.SplitN(schema.View(raw[i:]), "|", 6)
	if len(part) < 5 {
		return errors.New("the LEEF header ends before its fifth field")
	}
	rest, sep := "", byte('\t')
	if len(part) == 6 {
		rest = part[5]
	}
	if part[0] == "LEEF:2.0" {
		delimiter, after, ok := strings.Cut(rest, "|")
		if ok {
			rest = after
			sep = leefSeparator(delimiter)
		}
	}
	for _, pair := range splitAttributes(rest, sep) {
		key, value, ok := strings.Cut(pair, "=")
		if key = strings.TrimSpace(key); ok && key != "" {
			p.kv.put(e, key, value)
		}
	}
	p.kv.settleTime(e)
	if p.kv.marks.host != "" && !e.Has(schema.FHostName) {
		e.SetStr(schema.FHostName, p.kv.marks.host)
	}
	p.maker.put(device{vendor: part[1], product: part[2], version: part[3], code: part[4], name: part[4]}, e)
	settleFlow(e)
	return nil
}

// splitAttributes splits at the separator. Relays turn tabs into #011 or blanks.
func splitAttributes(s string, sep byte) []string {
	if sep == '\t' && strings.IndexByte(s, '\t') < 0 && strings.Contains(s, "#011") {
		return strings.Split(s, "#011")
	}
	return strings.Split(s, string(rune(sep)))
}

// leefSeparator reads the delimiter field: a character, or its code as x5E or 0x5E.
func leefSeparator(s string) byte {
	if len(s) == 1 {
		return s[0]
	}
	if i := strings.IndexByte(s, 'x'); i >= 0 && i < 2 {
		if n, err := strconv.ParseUint(s[i+1:], 16, 8); err == nil && n > 0 {
			return byte(n)
		}
	}
	return '\t'
}
