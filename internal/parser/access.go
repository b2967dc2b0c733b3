package parser

import (
	"bytes"
	"errors"
	"strings"

	"vigil/schema"
)

// accessParser reads the common and combined formats of Apache and NGINX, also with
// one pair of quotes around each line.
type accessParser struct{ to named }

func newAccess(o Options) Parser { return &accessParser{namedOf("access", o)} }

func detectAccess(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	if bytes.HasPrefix(line, []byte("[")) && bytes.Contains(line, []byte("] ")) && bytes.Contains(line, []byte(" TLSv1")) && bytes.Contains(line, []byte(" HTTP/")) {
		return 85, "[time], address, TLS version and quoted request"
	}
	open, end := bytes.Index(line, []byte(" [")), bytes.Index(line, []byte(`] "`))
	if open > 0 && end > open && end-open < 32 && bytes.Count(line[open:end], []byte(":")) >= 3 {
		return 85, "address, [time] and quoted request"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *accessParser) Parse(raw []byte, e *schema.Event) error {
	s := strings.TrimSpace(schema.View(raw))
	if s == "" {
		return ErrSkip
	}
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' && strings.Count(s[:min(len(s), 80)], `"`) >= 2 {
		s = s[1 : len(s)-1]
	}
	if s[0] == '[' {
		return p.ssl(s, e)
	}
	head, rest, ok := strings.Cut(s, " [")
	when, rest, ok2 := strings.Cut(rest, `] "`)
	if !ok || !ok2 {
		return errors.New("the line has no [time] followed by a quoted request")
	}
	p.client(head, e)
	p.to.put(e, "time", when)
	req, rest, ok := quoted(rest)
	if !ok {
		return errors.New("the request is not closed by a quote: the line is cut off")
	}
	p.to.putRequest(e, req)
	status, rest, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	p.to.put(e, "status", status)
	size, rest, _ := strings.Cut(rest, " ")
	p.to.put(e, "size", size)
	if rest, ok := strings.CutPrefix(rest, `"`); ok {
		ref, rest, _ := quoted(rest)
		p.to.put(e, "referrer", ref)
		if rest, ok := strings.CutPrefix(strings.TrimLeft(rest, " "), `"`); ok {
			agent, _, _ := quoted(rest)
			p.to.put(e, "agent", agent)
		}
	}
	p.finish(e)
	return nil
}

func (p *accessParser) finish(e *schema.Event) {
	p.to.close(e)
	settle(e)
}

// ssl reads Apache's log of TLS requests: "[time] 192.0.2.1 TLSv1.2 CIPHER "GET / HTTP/1.1" 1375".
func (p *accessParser) ssl(s string, e *schema.Event) error {
	when, rest, ok := strings.Cut(s[1:], "] ")
	_, ok2 := clfTime(when)
	head, rest, ok3 := strings.Cut(rest, ` "`)
	word := strings.Fields(head)
	if !ok || !ok2 || !ok3 || len(word) < 3 {
		return errors.New("the line has no [time] followed by an address, a TLS version and a cipher")
	}
	p.to.put(e, "time", when)
	p.to.put(e, "tls_client", word[0])
	p.to.put(e, "tls_version", word[1])
	p.to.put(e, "tls_cipher", word[2])
	req, rest, _ := quoted(rest)
	p.to.putRequest(e, req)
	p.to.put(e, "size", strings.TrimSpace(rest))
	p.finish(e)
	return nil
}

// client reads what stands before the time: sometimes the virtual host, then one
// address or those of all proxies with commas between, the identity and the user.
func (p *accessParser) client(head string, e *schema.Event) {
	first, rest, _ := strings.Cut(head, " ")
	next, after, _ := strings.Cut(strings.TrimSpace(rest), " ")
	vhost := !looksLikeIP(strings.Trim(first, ",")) && looksLikeIP(strings.Trim(next, ","))
	if vhost || !strings.HasSuffix(first, ",") && next != "-" && strings.HasPrefix(after, "- ") { // one word more than an address, identity and user
		p.server(first, e)
		first, rest, _ = strings.Cut(strings.TrimSpace(rest), " ")
	}
	p.to.put(e, "client", strings.Trim(first, ",\""))
	for strings.HasSuffix(first, ",") { // the proxies on the way
		first, rest, _ = strings.Cut(strings.TrimSpace(rest), " ")
		if proxy := strings.Trim(first, ","); looksLikeIP(proxy) {
			p.to.put(e, "proxy", proxy)
		}
	}
	if _, user, ok := strings.Cut(strings.TrimSpace(rest), " "); ok {
		p.to.put(e, "user", strings.Trim(user, ` "`))
	}
}

// server is the virtual host that some layouts put first.
func (p *accessParser) server(v string, e *schema.Event) {
	host, port := hostPort(v)
	p.to.put(e, "server_port", port)
	if looksLikeIP(host) {
		p.to.put(e, "server_ip", host)
		return
	}
	p.to.put(e, "server_name", host)
}

// quoted returns the text up to the next quote that no backslash escapes.
func quoted(s string) (text, rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// requestLine takes "GET /index.html HTTP/1.1" apart; the version may be missing.
func requestLine(line string) (method, uri, version string, ok bool) {
	method, uri, ok = strings.Cut(line, " ")
	if i := strings.LastIndex(uri, " HTTP/"); i >= 0 {
		uri, version = uri[:i], uri[i+len(" HTTP/"):]
	}
	return method, uri, version, ok
}

// commonTime is a time as access logs write it.
func commonTime(f schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if micro, ok := clfTime(v); ok {
			setTime(e, f, micro, v)
			return
		}
		e.Warnings++
		e.AddExtra(absurdTime, v)
	}
}

// clfTime reads "17/May/2015:10:05:03 +0000".
func clfTime(s string) (int64, bool) {
	if len(s) < 26 || s[2] != '/' || s[6] != '/' || s[11] != ':' {
		return 0, false
	}
	d, ok1 := digits(s[:2])
	mo, ok2 := months[s[3:6]]
	y, ok3 := digits(s[7:11])
	h, ok4 := digits(s[12:14])
	m, ok5 := digits(s[15:17])
	sec, ok6 := digits(s[18:20])
	oh, ok7 := digits(s[22:24])
	om, ok8 := digits(s[24:26])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7 && ok8) {
		return 0, false
	}
	off := int64(oh*3600 + om*60)
	if s[21] == '-' {
		off = -off
	}
	return (unix(y, mo, d, h, m, sec) - off) * 1e6, true
}
