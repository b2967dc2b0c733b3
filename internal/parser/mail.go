package parser

import (
	"strings"

	"vigil/schema"
)

// postfix takes apart what the programs of Postfix and its helpers say.
func postfix(m string, e *schema.Event) {
	e.SetStr(schema.FNetworkProtocol, "smtp")
	e.Add(schema.FEventCategory, "email")
	e.Add(schema.FEventType, "info")
	if id, rest, ok := strings.Cut(m, ": "); ok && isQueueID(id) {
		e.AddExtra("postfix.queue_id", id)
		m = rest
	}
	switch {
	case strings.HasPrefix(m, "connect from "), strings.HasPrefix(m, "disconnect from "), strings.HasPrefix(m, "lost connection after "), strings.HasPrefix(m, "client="), strings.HasPrefix(m, "whitelisted: "), strings.HasPrefix(m, "timeout after "):
		verb, _, _ := strings.Cut(m, " ")
		e.SetStr(schema.FEventAction, strings.TrimSuffix(verb, ":"))
		if strings.HasPrefix(m, "client=") {
			e.SetStr(schema.FEventAction, "client")
		}
		_, peer, ok := strings.Cut(m, " from ")
		if !ok {
			peer = strings.TrimPrefix(strings.TrimPrefix(m, "client="), "whitelisted: ")
		}
		mailPeer(peer, schema.FSourceIP, schema.FSourcePort, schema.FSourceDomain, e)
		e.SetStr(schema.FEventOutcome, "success")
	case strings.HasPrefix(m, "warning: ") && strings.Contains(m, ": SASL ") && strings.Contains(m, " authentication failed"):
		act(e, "authentication", "start", "sasl_login", "failure")
		mailPeer(strings.TrimPrefix(m, "warning: "), schema.FSourceIP, schema.FSourcePort, schema.FSourceDomain, e)
	case strings.HasPrefix(m, "warning: hostname ") && strings.Contains(m, " to address "):
		_, peer, _ := strings.Cut(m, " to address ")
		address(peer, e)
	case strings.Contains(m, "TLS connection established from "), strings.HasPrefix(m, "spamd: connection from "):
		_, peer, _ := strings.Cut(m, " from ")
		mailPeer(strings.Replace(peer, " [", "[", 1), schema.FSourceIP, schema.FSourcePort, schema.FSourceDomain, e)
		if _, port, ok := strings.Cut(peer, " to port "); ok {
			port, _, _ = strings.Cut(port, ",")
			e.Set(schema.FDestinationPort, port)
		}
	case strings.HasPrefix(m, "connect to "), strings.Contains(m, "TLS connection established to "), strings.HasPrefix(m, "Used TLS for "), strings.HasPrefix(m, "host "), strings.HasPrefix(m, "SSL_connect error to "):
		peer := m
		for _, before := range []string{"host ", "Used TLS for ", "connect to ", " to "} {
			i := strings.Index(m, before)
			if i == 0 || i > 0 && before == " to " {
				peer = m[i+len(before):]
				break
			}
		}
		mailPeer(peer, schema.FDestinationIP, schema.FDestinationPort, schema.FDestinationDomain, e)
	case strings.Contains(m, ": RCPT from "), strings.Contains(m, ": CONNECT from "), strings.Contains(m, ": header "):
		verb, _, _ := strings.Cut(m, ":")
		e.SetStr(schema.FEventAction, verb)
		if i := strings.LastIndex(m, " from "); i >= 0 && strings.Contains(m, ": header ") {
			mailPeer(strings.TrimSpace(m[i+6:]), schema.FSourceIP, schema.FSourcePort, schema.FSourceDomain, e)
		} else if _, peer, ok := strings.Cut(m, " from "); ok {
			mailPeer(peer, schema.FSourceIP, schema.FSourcePort, schema.FSourceDomain, e)
		}
		e.SetStr(schema.FEventOutcome, "success")
		if verb == "reject" {
			e.SetStr(schema.FEventOutcome, "failure")
		}
	}
	mailPairs(m, e)
	if strings.Contains(m, "identity=") && !e.Has(schema.FEventAction) {
		e.SetStr(schema.FEventAction, "spf")
	}
	if action := e.Str(schema.FEventAction); action != "" && !e.Has(schema.FEventOutcome) {
		e.SetStr(schema.FEventOutcome, "success") // what the server has done, it has done
	}
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

// mailPeer reads "name[192.0.2.1]:25".
func mailPeer(s string, ip, port, name schema.FieldID, e *schema.Event) {
	host, rest, ok := strings.Cut(s, "[")
	if !ok || strings.ContainsAny(host, " <") {
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

// mailPairs reads the key=value pairs of a mail's line.
func mailPairs(m string, e *schema.Event) {
	eachPair(m, func(key, v string, at int) {
		v = strings.Trim(strings.TrimRight(v, ",;"), "<>")
		switch key {
		case "from", "sender", "envelope-from":
			mailAddress(v, schema.FEmailFromAddress, schema.FSourceDomain, e)
		case "to", "recipient":
			mailAddress(v, schema.FEmailToAddress, schema.FDestinationDomain, e)
		case "message-id", "mid":
			e.SetStr(schema.FEmailMessageID, v)
		case "relay":
			if strings.Contains(v, "[") {
				mailPeer(v, schema.FDestinationIP, schema.FDestinationPort, schema.FDestinationDomain, e)
			} else if host, port := hostPort(v); looksLikeIP(host) {
				e.Set(schema.FDestinationIP, host)
				e.Set(schema.FDestinationPort, port)
			}
		case "status":
			e.SetStr(schema.FEventAction, v)
			switch v {
			case "sent":
				e.SetStr(schema.FEventOutcome, "success")
			case "bounced", "deferred", "expired":
				e.SetStr(schema.FEventOutcome, "failure")
			}
			if why, ok := strings.CutPrefix(m[min(len(m), at+len("status=")+len(v)):], " ("); ok {
				e.SetStr(schema.FEventReason, strings.TrimSuffix(why, ")"))
			}
		case "dsn":
			e.AddExtra("postfix.dsn", v)
		case "action":
			e.SetStr(schema.FEventAction, v)
		case "user":
			e.SetStr(schema.FUserName, v)
		case "client_address", "client-ip", "raddr":
			v, _, _ = strings.Cut(v, "/")
			if looksLikeIP(v) {
				e.Set(schema.FSourceIP, v)
			}
		case "client_name", "helo", "rhost":
			if key != "helo" || !e.Has(schema.FSourceDomain) || e.Str(schema.FEmailFromAddress) != "" {
				e.SetStr(schema.FSourceDomain, strings.Trim(v, "[]"))
			}
		case "rport":
			e.Set(schema.FSourcePort, v)
		case "sasl_username":
			e.SetStr(schema.FUserName, v)
		}
	})
}

func mailAddress(v string, f, domain schema.FieldID, e *schema.Event) {
	if v == "" {
		return
	}
	e.SetStr(f, v)
	if _, d, ok := strings.Cut(v, "@"); ok && !e.Has(domain) {
		e.SetStr(domain, d)
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
