package parser

import (
	"bytes"
	"strings"

	"vigil/schema"
)

// mapped is a JSON format that needs no more than a mapping and a last look.
type mapped struct {
	w       walker
	module  string
	dataset string
	begin   func()                // forgets what setters have kept of the record before; may be nil
	settle  func(e *schema.Event) // what only code can say of the whole record; may be nil
	close   func(e *schema.Event) // what the mapping says of it
}

// newMapped makes a parser of one JSON format of its mapping.
func newMapped(m *mapper) *mapped { return newMappedTable(m, m.table()) }

// newMappedTable is newMapped with more in the table.
func newMappedTable(m *mapper, t table) *mapped {
	return &mapped{w: walker{root: t.tree(), prefix: m.Dataset}, module: m.Module, dataset: m.Dataset, close: m.closing(m.Section)}
}

// Parse implements Parser.
func (p *mapped) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	if p.begin != nil {
		p.begin()
	}
	if err := p.w.walk(raw, e); err != nil {
		return err
	}
	if p.settle != nil {
		p.settle(e)
	}
	p.close(e)
	for _, d := range []pair{{schema.FEventModule, p.module}, {schema.FEventDataset, p.dataset}, {schema.FEventKind, "event"}} {
		if !e.Has(d.f) {
			e.SetStr(d.f, d.v)
		}
	}
	settle(e)
	return nil
}

// embedded is a target for text that is a JSON object itself. What its table does not know
// becomes extras below the prefix; text that is no such object is kept as one.
func embedded(t table, prefix string) target {
	inner := walker{root: t.tree(), prefix: prefix}
	return by(func(e *schema.Event, v string) {
		if inner.walk([]byte(v), e) != nil {
			e.AddExtra(prefix, v)
		}
	})
}

// hasKeys says whether a sample is JSON objects that have all of the keys.
func hasKeys(sample []byte, keys ...string) bool {
	if !startsObject(sample) {
		return false
	}
	for _, k := range keys {
		if !bytes.Contains(sample, []byte(`"`+k+`"`)) {
			return false
		}
	}
	return true
}

// firstIP is an address field that keeps the first value, and takes [::1]:443 and
// 192.0.2.1:443 apart.
func firstIP(ip, port schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		host, p := hostPort(v)
		if e.Has(ip) || !looksLikeIP(host) {
			return
		}
		e.Set(ip, host)
		if p != "" && p != "0" && port != ip {
			e.Set(port, p)
		}
	}
}

// hostPort splits an address from the port behind it.
func hostPort(v string) (host, port string) {
	if rest, ok := strings.CutPrefix(v, "["); ok {
		host, port, _ = strings.Cut(rest, "]")
		return host, strings.TrimPrefix(port, ":")
	}
	if strings.Count(v, ":") == 1 {
		host, port, _ = strings.Cut(v, ":")
		return host, port
	}
	return v, ""
}

// mailbox takes an e-mail address as user: whole, and as name and domain.
func mailbox(whole bool) setter {
	return func(e *schema.Event, v string) {
		if e.Has(schema.FUserName) {
			return
		}
		name, domain, ok := strings.Cut(v, "@")
		if ok {
			e.SetStr(schema.FUserEmail, v)
			e.SetStr(schema.FUserDomain, domain)
		}
		if whole || !ok {
			name = v
		}
		e.SetStr(schema.FUserName, name)
	}
}

// webAddress takes a URL apart.
func webAddress(e *schema.Event, v string) {
	if v == "-" || v == "" || e.Has(schema.FUrlOriginal) {
		return
	}
	e.SetStr(schema.FUrlOriginal, v)
	rest := v
	if scheme, after, ok := strings.Cut(v, "://"); ok && len(scheme) < 10 {
		e.SetStr(schema.FUrlScheme, scheme)
		e.SetStr(schema.FUrlFull, v)
		host, path := after, ""
		if i := strings.IndexAny(after, "/?"); i >= 0 {
			host, path = after[:i], after[i:]
		}
		host, port := hostPort(host)
		e.SetStr(schema.FUrlDomain, host)
		if port != "" {
			e.Set(schema.FUrlPort, port)
		}
		rest = path
	}
	path, query, _ := strings.Cut(rest, "?")
	e.SetStr(schema.FUrlPath, path)
	e.SetStr(schema.FUrlQuery, query)
}
