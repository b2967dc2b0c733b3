package parser

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"

	"vigil/schema"
)

// auditdParser reads the log of the Linux audit daemon, one record a line.
type auditdParser struct {
	table table
	close func(e *schema.Event)
	names interner
	kv    *kvParser
}

func newAuditd(o Options) Parser {
	m := mapperOf("auditd", o, nil)
	p := &auditdParser{table: m.table(), close: m.closing(m.Section)}
	p.kv, _ = newKV(o).(*kvParser)
	return p
}

func detectAuditd(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	before, _, ok := bytes.Cut(line, []byte("msg=audit("))
	if ok && bytes.Contains(before, []byte("type=")) && line[0] != '{' {
		return 95, "type=… msg=audit(time:id)"
	}
	return 0, ""
}

// auditName takes quotes off a value, or decodes one that the kernel wrote in hex
// because it has odd characters.
func auditName(f schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if v = auditValue(e, v); v != "?" && v != "(null)" && v != "unset" {
			e.SetStr(f, v)
		}
	}
}

// auditValue decodes a value of an even number of capital hex digits.
func auditValue(e *schema.Event, v string) string {
	if len(v) < 8 || len(v)%2 != 0 {
		return v
	}
	for i := 0; i < len(v); i++ {
		if c := v[i]; !(c >= '0' && c <= '9' || c >= 'A' && c <= 'F') {
			return v
		}
	}
	out, err := hex.AppendDecode(e.Buffer(len(v)/2), []byte(v))
	if err != nil {
		return v
	}
	for i, c := range out {
		if c == 0 {
			out[i] = ' ' // between arguments
		}
	}
	return e.Commit(bytes.TrimRight(out, " "))
}

func auditTitle(e *schema.Event, v string) {
	e.SetStr(schema.FProcessCommandLine, auditValue(e, v))
}

func auditPath(e *schema.Event, v string) {
	if v = auditValue(e, v); v != "(null)" {
		setFile(e, v)
	}
}

func auditResult(e *schema.Event, v string) {
	switch strings.Trim(v, "')") {
	case "yes", "success", "1":
		e.SetStr(schema.FEventOutcome, "success")
	case "no", "failed", "0":
		e.SetStr(schema.FEventOutcome, "failure")
	}
}

// Parse implements Parser.
func (p *auditdParser) Parse(raw []byte, e *schema.Event) error {
	s := schema.View(bytes.TrimSpace(raw))
	if s == "" {
		return ErrSkip
	}
	head, rest, ok := strings.Cut(s, "msg=audit(")
	stamp, body, ok2 := strings.Cut(rest, ")")
	if !ok || !ok2 {
		return errors.New("the line has no msg=audit(time:id)")
	}
	when, id, _ := strings.Cut(stamp, ":")
	if micro, ok := epochTime(when); ok {
		setTime(e, schema.FTimestamp, micro, when)
	}
	e.SetStr(schema.FEventID, id)
	p.pairs(head, e)
	body = strings.ReplaceAll(strings.TrimPrefix(body, ":"), "\x1d", " ") // what enrichment adds
	args := ""
	if inner, after, ok := strings.Cut(body, "msg='"); ok {
		p.pairs(inner, e)
		body = strings.TrimSuffix(after, "'")
	}
	if e.Str(schema.FEventAction) == "EXECVE" {
		args = auditArgs(body, e)
	}
	p.pairs(body, e)
	e.SetStr(schema.FProcessCommandLine, args)
	p.close(e)
	e.Add(schema.FRelatedUser, e.Str(schema.FUserName))
	if e.Has(schema.FSourceIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FSourceIP))
	}
	return nil
}

func (p *auditdParser) pairs(s string, e *schema.Event) {
	args := e.Str(schema.FEventAction) == "EXECVE" // its arguments are process.args
	eachPair(s, func(key, v string, _ int) {
		to, ok := p.table[key]
		switch {
		case args && isArg(key):
		case !ok:
			e.AddExtra(p.names.name(append([]byte("auditd."), key...)), v)
		case to.skip || v == "":
		case to.set != nil:
			to.set(e, v)
		default:
			e.Set(to.field, v)
		}
	})
}

// auditArgs joins a0, a1 … of an EXECVE record.
func auditArgs(s string, e *schema.Event) string {
	var out []byte
	eachPair(s, func(key, v string, _ int) {
		if !isArg(key) || strings.Contains(key, "len") {
			return
		}
		v = auditValue(e, v)
		e.Add(schema.FProcessArgs, v)
		if len(out) > 0 {
			out = append(out, ' ')
		}
		out = append(out, v...)
	})
	return e.Copy(out)
}

// isArg says whether a key is a0, a1 …
func isArg(key string) bool {
	return len(key) > 1 && key[0] == 'a' && key[1] >= '0' && key[1] <= '9'
}
