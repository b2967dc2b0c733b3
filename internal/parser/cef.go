package parser

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"vigil/schema"
)

// cefParser reads the Common Event Format, with or without a syslog header.
type cefParser struct {
	table table
	kv    *kvParser // knows the names that vendors put behind a prefix of theirs
	names interner
	maker deviceHeader
	pairs []cefPair
}

type cefPair struct{ key, value string }

func newCEF(o Options) Parser {
	kv, _ := newKV(o).(*kvParser)
	return &cefParser{table: mapperOf("cef", o, nil).table(), kv: kv}
}

// setFileName takes a name, or a path where one is written in its place.
func setFileName(e *schema.Event, v string) {
	if strings.ContainsAny(v, `\/`) {
		setFile(e, v)
		return
	}
	e.SetStr(schema.FFileName, v)
	e.SetStr(schema.FFileExtension, extension(v))
}

// setFileHash tells hashes apart by their length.
func setFileHash(e *schema.Event, v string) {
	switch len(v) {
	case 32:
		e.SetStr(schema.FFileHashMd5, v)
	case 40:
		e.SetStr(schema.FFileHashSha1, v)
	case 64:
		e.SetStr(schema.FFileHashSha256, v)
	default:
		e.AddExtra("labels.file_hash", v)
		return
	}
	e.Add(schema.FRelatedHash, v)
}

// cefTime reads the times that the format allows: epoch milliseconds and
// "Jan 02 2006 15:04:05" with optional fraction and zone.
func cefTime(f schema.FieldID, zone *time.Location) setter {
	iso := timeField(f, zone)
	return func(e *schema.Event, v string) {
		if len(v) > 3 && months[v[:3]] > 0 {
			for _, layout := range []string{"Jan 02 2006 15:04:05", "Jan 2 2006 15:04:05", "Jan 02 2006 15:04:05 MST", "Jan 02 2006 15:04:05 GMT-07:00", "Jan 02 2006 15:04:05 -0700", "Jan 02 2006 15:04:05.000 MST"} {
				if t, err := time.ParseInLocation(layout, v, zone); err == nil {
					setTime(e, f, t.UnixMicro(), v)
					return
				}
			}
		}
		iso(e, v)
	}
}

// cefStart is where the event begins in a line, -1 for none.
func cefStart(line []byte) int {
	for _, mark := range []string{"CEF:0|", "CEF:1|", "CEF: 0|"} {
		if i := bytes.Index(line[:min(len(line), 512)], []byte(mark)); i >= 0 {
			return i
		}
	}
	if bytes.HasPrefix(line, []byte("0|")) && bytes.Count(line[:min(len(line), 512)], []byte("|")) >= 6 {
		return 0 // a relay took "CEF:" for a syslog tag
	}
	return -1
}

func detectCEF(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	if i := cefStart(line); i >= 0 && bytes.Count(line[i:], []byte("|")) >= 6 && line[0] != '{' {
		return 96, "CEF: and its seven header fields"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *cefParser) Parse(raw []byte, e *schema.Event) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return ErrSkip
	}
	i := cefStart(raw)
	if i < 0 {
		return errors.New("the line has no CEF: header")
	}
	p.kv.begin()
	if i > 0 {
		p.kv.header(schema.View(raw[:i]), e)
	}
	rest := schema.View(raw[i:])
	var head [7]string
	for n := 0; n < len(head); n++ {
		var ok bool
		if head[n], rest, ok = barField(rest, e); !ok && n < 6 {
			return errors.New("the CEF header ends before its seventh field")
		}
		if n == 1 && head[1] == "" && strings.Count(rest, "|") > 5 {
			n-- // some exporters write an empty field before the vendor
		}
	}
	p.extension(rest, e)
	p.maker.put(device{vendor: head[1], product: head[2], version: head[3], code: head[4], name: head[5], severity: head[6]}, e)
	settleFlow(e)
	return nil
}

// barField cuts the next header field; \| and \\ stand for the character.
func barField(s string, e *schema.Event) (text, rest string, ok bool) {
	escaped := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escaped = true
			i++
		case '|':
			return cefPlain(s[:i], escaped, e), s[i+1:], true
		}
	}
	return cefPlain(s, escaped, e), "", false
}

// cefPlain resolves the escapes of the format.
func cefPlain(s string, escaped bool, e *schema.Event) string {
	if !escaped || strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out := e.Buffer(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			switch s[i+1] {
			case '\\', '=', '|':
				i++
				out = append(out, s[i])
				continue
			case 'n':
				i++
				out = append(out, '\n')
				continue
			case 'r':
				i++
				out = append(out, '\r')
				continue
			}
		}
		out = append(out, s[i])
	}
	return e.Commit(out)
}

// extension reads key=value pairs; a value ends where the next key begins, and keeps
// its blanks.
func (p *cefParser) extension(s string, e *schema.Event) {
	p.pairs = p.pairs[:0]
	for s = strings.TrimLeft(s, " "); s != ""; {
		eq := strings.IndexByte(s, '=')
		if eq <= 0 {
			break
		}
		value, rest, escaped := cefValue(s[eq+1:])
		p.pairs = append(p.pairs, cefPair{s[:eq], cefPlain(value, escaped, e)})
		s = rest
	}
	for _, kv := range p.pairs {
		p.put(kv.key, strings.TrimSpace(kv.value), e)
	}
}

// cefValue reads to the blank before the next key=.
func cefValue(s string) (value, rest string, escaped bool) {
	blank := -1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escaped = true
			i++
		case ' ', '\t', '\n':
			blank = i
		case '=':
			if blank >= 0 && i > blank+1 && cefKey(s[blank+1:i]) {
				return s[:blank], s[blank+1:], escaped
			}
		}
	}
	return s, "", escaped
}

func cefKey(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isKey(s[i]) && s[i] != '[' && s[i] != ']' {
			return false
		}
	}
	return true
}

// vendorPrefixes are what vendors put before names of their own.
var vendorPrefixes = []string{"FTNTFGT", "FortinetFortiGate", "ad."}

func (p *cefParser) put(key, value string, e *schema.Event) {
	if value == "" {
		return
	}
	to, ok := p.table[key]
	for _, prefix := range vendorPrefixes {
		if own, found := strings.CutPrefix(key, prefix); found && !ok {
			key = own
			to, ok = p.kv.table[own]
			ok = ok && own != "date" && own != "time" && own != "tz"
		}
	}
	switch {
	case ok && to.skip, strings.HasSuffix(key, "Label"):
	case !ok && isRuleLabel(p.label(key)):
		e.SetStr(schema.FRuleName, value)
	case ok && to.set != nil:
		to.set(e, value)
	case ok:
		e.Set(to.field, value)
	default:
		e.AddExtra(p.names.name(append([]byte("cef."), p.label(key)...)), value)
	}
}

// setCaller takes a process, or where somebody came from: 192.0.2.1 or ssh(192.0.2.1).
func setCaller(e *schema.Event, v string) {
	name, from, ok := strings.Cut(v, "(")
	if !ok {
		from = v
	}
	if ip := strings.TrimSuffix(from, ")"); looksLikeIP(ip) {
		if !e.Has(schema.FSourceIP) {
			e.Set(schema.FSourceIP, ip)
		}
		if !ok {
			return
		}
	}
	e.SetStr(schema.FProcessName, name)
}

// isRuleLabel says whether products call the rule that decided by this label.
func isRuleLabel(label string) bool {
	switch label {
	case "Rule", "Rule Name", "RuleName", "Threat Prevention Rule Name":
		return true
	}
	return false
}

// label is the name that the event itself gives to a custom field.
func (p *cefParser) label(key string) string {
	for _, kv := range p.pairs[:min(len(p.pairs), 400)] { // a hostile event may have millions
		if name, ok := strings.CutSuffix(kv.key, "Label"); ok && name == key && kv.value != "" {
			return kv.value
		}
	}
	return key
}
