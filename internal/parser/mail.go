package parser

import (
	"strings"

	"vigil/schema"
)

// mail takes apart what the programs of Postfix and its helpers say.
type mail struct {
	named
	sentences sentences
}

func newMail(o Options) mail {
	m := mapperOf("postfix", o, nil)
	return mail{m.parts(), m.sentences(m.Sentences)}
}

// put sets what a message says: its queue id, its sentence, its pairs.
func (p *mail) put(m string, e *schema.Event) {
	p.open(e)
	if id, rest, ok := strings.Cut(m, ": "); ok && isQueueID(id) {
		p.named.put(e, "queue id", id)
		m = rest
	}
	p.sentences.apply(m, e)
	p.pairs(m, e)
	p.close(e)
}

// pairs reads the key=value pairs of a mail's line.
func (p *mail) pairs(m string, e *schema.Event) {
	eachPair(m, func(key, v string, at int) {
		v = strings.Trim(strings.TrimRight(v, ",;"), "<>")
		p.named.put(e, key, v)
		if key != "status" {
			return
		}
		if why, ok := strings.CutPrefix(m[min(len(m), at+len("status=")+len(v)):], " ("); ok {
			p.named.put(e, "status reason", strings.TrimSuffix(why, ")"))
		}
	})
}

// isQueueID says whether a word is the queue id of a mail.
func isQueueID(s string) bool {
	if s == "NOQUEUE" {
		return true
	}
	if len(s) < 6 || len(s) > 20 {
		return false
	}
	digit := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			digit = true
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z' && len(s) > 11:
		default:
			return false
		}
	}
	return digit
}

// mailPeer reads "name[192.0.2.1]:25", or an address with or without a port.
func mailPeer(ip, port, name schema.FieldID) setter {
	return func(e *schema.Event, s string) {
		host, rest, ok := strings.Cut(s, "[")
		host = strings.TrimSuffix(host, " ")
		switch {
		case !ok:
			if host, p := hostPort(s); looksLikeIP(host) {
				e.Set(ip, host)
				e.Set(port, p)
			}
			return
		case strings.ContainsAny(host, " <"):
			return
		}
		address, rest, _ := strings.Cut(rest, "]")
		address, _, _ = strings.Cut(address, "/")
		if looksLikeIP(address) {
			e.Set(ip, address)
		}
		if host != "unknown" {
			e.SetStr(name, host)
		}
		if p, ok := strings.CutPrefix(rest, ":"); ok {
			n := 0
			for n < len(p) && p[n] >= '0' && p[n] <= '9' {
				n++
			}
			e.Set(port, p[:n])
		}
	}
}

// mailAddress is an e-mail address, and its domain where none is set.
func mailAddress(address, domain schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		e.SetStr(address, v)
		if _, d, ok := strings.Cut(v, "@"); ok && !e.Has(domain) {
			e.SetStr(domain, d)
		}
	}
}

// helo is the name that a mail client gives itself. The name that was looked up counts for
// more, the domain of a sender for less.
func helo(domain schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if !e.Has(domain) || e.Str(schema.FEmailFromAddress) != "" {
			e.SetStr(domain, strings.Trim(v, "[]"))
		}
	}
}

// isMail says whether a bare message is one of a mail system.
func isMail(m string) bool {
	id, rest, ok := strings.Cut(m, ": ")
	if ok && isQueueID(id) {
		for _, mark := range []string{"to=", "from=", "client=", "message-id=", "warning: header ", "replace: header ", "reject: ", "filter: ", "removed", "host ", "Used TLS", "milter-", "action=", "prepend: ", "uid="} {
			if strings.HasPrefix(rest, mark) {
				return true
			}
		}
	}
	switch {
	case strings.HasPrefix(m, "connect from ") || strings.HasPrefix(m, "disconnect from ") || strings.HasPrefix(m, "lost connection after ") || strings.HasPrefix(m, "connect to ") || strings.HasPrefix(m, "timeout after ") || strings.HasPrefix(m, "whitelisted: ") || strings.HasPrefix(m, "warning: ") && strings.Contains(m, ": SASL "):
		return strings.Contains(m, "[")
	case strings.HasPrefix(m, "action=") && strings.Contains(m, "client_address="), strings.Contains(m, "identity=") && strings.Contains(m, "client-ip="), strings.Contains(m, "TLS connection established ") && strings.Contains(m, " with cipher "), strings.HasPrefix(m, "spamd: "), strings.HasPrefix(m, "warning: hostname "), strings.HasPrefix(m, "Action: prepend"):
		return true
	}
	return false
}
