package parser

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"vigil/schema"
)

// webErrorParser reads the error logs of Apache ("[Mon Dec 26 16:22:08 2016] [error] …")
// and NGINX ("2016/10/25 14:49:34 [error] 54053#0: *1 …").
type webErrorParser struct {
	zone *time.Location
	to   named
}

func newWebError(o Options) Parser {
	return &webErrorParser{zone: o.zone(), to: namedOf("weberror", o)}
}

func detectWebError(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	p := webErrorParser{zone: time.UTC}
	if _, _, _, ok := p.stamp(schema.View(line)); ok {
		return 85, "the time and level of a web server's error log"
	}
	return 0, ""
}

// stamp reads time and level; rest is what follows.
func (p *webErrorParser) stamp(s string) (micro int64, level, rest string, ok bool) {
	if len(s) > 24 && s[0] == '[' { // Apache
		when, rest, ok := strings.Cut(s[1:], "] [")
		if !ok || len(when) < 20 || len(when) > 36 {
			return 0, "", "", false
		}
		for _, layout := range []string{"Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04:05.000000 2006"} {
			if t, err := time.ParseInLocation(layout, when, p.zone); err == nil {
				level, rest, ok = strings.Cut(rest, "]")
				return t.UnixMicro(), level, strings.TrimLeft(rest, " "), ok
			}
		}
		return 0, "", "", false
	}
	if len(s) > 24 && s[4] == '/' && s[7] == '/' { // NGINX
		t, err := time.ParseInLocation("2006/01/02 15:04:05", s[:19], p.zone)
		if err != nil || s[20] != '[' {
			return 0, "", "", false
		}
		level, rest, ok = strings.Cut(s[21:], "]")
		return t.UnixMicro(), level, strings.TrimLeft(rest, " "), ok
	}
	return 0, "", "", false
}

// Parse implements Parser.
func (p *webErrorParser) Parse(raw []byte, e *schema.Event) error {
	s := schema.View(bytes.TrimSpace(raw))
	if s == "" {
		return ErrSkip
	}
	micro, level, rest, ok := p.stamp(s)
	if !ok {
		return errors.New("the line does not begin with the time and level of an error log")
	}
	setTime(e, schema.FTimestamp, micro, s[:min(len(s), 30)])
	product := "nginx.error"
	if s[0] == '[' {
		product = "apache.error"
		if module, l, ok := strings.Cut(level, ":"); ok {
			p.to.put(e, "module", module)
			level = l
		}
		rest = p.apache(rest, e)
	} else {
		rest = p.nginx(rest, e)
	}
	p.to.put(e, "level", level)
	p.to.put(e, "message", rest)
	p.to.put(e, "product", product)
	p.to.close(e)
	settle(e)
	return nil
}

// apache reads the [pid …] and [client …] that follow, in any order.
func (p *webErrorParser) apache(rest string, e *schema.Event) string {
	for strings.HasPrefix(rest, "[") {
		part, after, ok := strings.Cut(rest[1:], "]")
		key, v, has := strings.Cut(part, " ")
		if !ok || !has || key != "pid" && key != "client" && key != "tid" && key != "remote" {
			break
		}
		switch key {
		case "pid":
			pid, thread, _ := strings.Cut(v, ":")
			p.to.put(e, "pid", pid)
			p.to.put(e, "thread", strings.TrimPrefix(thread, "tid "))
		case "client", "remote":
			host, port := hostPort(v)
			p.to.putAddress(e, "client", host, port)
		}
		rest = strings.TrimLeft(after, " ")
	}
	if message, referrer, ok := strings.Cut(rest, ", referer: "); ok {
		p.to.put(e, "referrer", referrer)
		rest = message
	}
	for _, before := range []string{"File does not exist: ", "script not found or unable to stat: ", "script '"} {
		if _, path, ok := strings.Cut(rest, before); ok {
			path, _, _ = strings.Cut(path, "'")
			p.to.put(e, "path", path)
		}
	}
	return rest
}

// nginx reads "54053#0: *1 message, client: …, server: …, request: "…", host: "…"".
func (p *webErrorParser) nginx(rest string, e *schema.Event) string {
	if pid, after, ok := strings.Cut(rest, "#"); ok && len(pid) < 12 {
		p.to.put(e, "pid", pid)
		if thread, message, ok := strings.Cut(after, ": "); ok {
			p.to.put(e, "thread", thread)
			rest = message
		}
	}
	if id, message, ok := strings.Cut(rest, " "); ok && strings.HasPrefix(rest, "*") {
		p.to.put(e, "connection", id[1:])
		rest = message
	}
	for part := range strings.SplitSeq(rest, ", ") {
		key, v, ok := strings.Cut(part, ": ")
		v = strings.Trim(v, `"`)
		switch {
		case !ok:
		case key == "client":
			p.to.putAddress(e, "client", v, "")
		case key == "request":
			p.to.putRequest(e, v)
		case key == "host":
			host, _ := hostPort(v)
			p.to.put(e, "host", host)
		case key == "server", key == "referrer":
			p.to.put(e, key, v)
		}
	}
	return rest
}
