package parser

import (
	"strings"

	"vigil/schema"
)

// sshMessage says what a message of sshd means, by how it begins.
type sshMessage struct {
	start                            string
	category, etype, action, outcome string
}

// sshMessages are what sshd says; the first that fits counts. Whoever ends a connection
// has succeeded in that, whatever happened on it before.
var sshMessages = []sshMessage{
	{"Accepted ", "authentication", "start", "ssh_login", "success"},
	{"Failed ", "authentication", "start", "ssh_login", "failure"},
	{"Invalid user ", "authentication", "info", "ssh_invalid_user", "failure"},
	{"maximum authentication attempts exceeded for ", "authentication", "info", "ssh_too_many_attempts", "failure"},
	{"Disconnecting ", "network", "end", "ssh_disconnect", "failure"},
	{"Connection closed by ", "network", "end", "ssh_disconnect", "success"},
	{"Connection reset by ", "network", "end", "ssh_disconnect", "success"},
	{"Received disconnect from ", "network", "end", "ssh_disconnect", "success"},
	{"Disconnected from ", "network", "end", "ssh_disconnect", "success"},
	{"Connection from ", "network", "connection", "ssh_connect", "success"},
	{"Did not receive identification string from ", "network", "connection", "ssh_connect", "failure"},
	{"Timeout before authentication for ", "network", "end", "ssh_timeout", "failure"},
	{"Unable to negotiate with ", "network", "connection", "ssh_negotiate", "failure"},
	{"ssh_dispatch_run_fatal: ", "network", "end", "ssh_disconnect", "failure"},
	{"kex_exchange_identification: ", "network", "connection", "ssh_negotiate", "failure"},
	{"Starting session: ", "session", "start", "ssh_session", "success"},
	{"User child is on pid ", "session", "start", "ssh_session", "success"},
	{"PAM adding faulty module: ", "configuration", "info", "pam_failure", "failure"},
	{"PAM unable to ", "configuration", "info", "pam_failure", "failure"},
	{"User ", "authentication", "info", "ssh_not_allowed", "failure"}, // "User root from … not allowed because …"
}

// sshMessageOf finds the row of a message and what follows its beginning.
func sshMessageOf(m string) (sshMessage, string, bool) {
	m = strings.TrimPrefix(strings.TrimPrefix(m, "error: "), "fatal: ")
	for _, row := range sshMessages {
		rest, ok := strings.CutPrefix(m, row.start)
		if ok && (row.start != "User " || strings.Contains(rest, " not allowed because ")) {
			return row, rest, true
		}
	}
	return sshMessage{}, "", false
}

// sshd takes apart what the SSH daemon and the PAM modules in it say.
func sshd(m string, e *schema.Event) {
	m = strings.TrimSpace(m)
	// "message repeated 3 times: [ Failed password for root from … ]"
	if rest, ok := strings.CutPrefix(m, "message repeated "); ok {
		if _, inner, ok := strings.Cut(rest, "[ "); ok {
			n, _, _ := strings.Cut(rest, " ")
			e.AddExtra("labels.repeated", n)
			m = strings.TrimSuffix(inner, "]")
		}
	}
	row, rest, ok := sshMessageOf(m)
	if !ok {
		pam(m, e)
		return
	}
	act(e, row.category, row.etype, row.action, row.outcome)
	switch row.start {
	case "Accepted ", "Failed ":
		method, who, _ := strings.Cut(rest, " for ")
		e.SetStr(schema.FEventReason, method)
		rest = who
		if strings.HasPrefix(who, "invalid user ") {
			e.SetStr(schema.FEventReason, "invalid user")
		}
	case "Connection from ":
		if _, local, ok := strings.Cut(rest, " on "); ok {
			endpoint(local, schema.FDestinationIP, schema.FDestinationPort, e)
		}
	case "Starting session: ":
		_, rest, _ = strings.Cut(rest, " for ")
	}
	sshPeer(row, rest, e)
}

// sshPeer reads who is at the other end: "root from 192.0.2.1 port 22 ssh2", "invalid
// user pi 192.0.2.1 port 22" or the address alone. The user may be empty or odd.
func sshPeer(row sshMessage, s string, e *schema.Event) {
	named := row.category == "authentication" || row.action == "ssh_session"
	for _, before := range []string{"invalid user ", "illegal user ", "authenticating user ", "user "} {
		if rest, ok := strings.CutPrefix(s, before); ok {
			s, named = rest, true
			break
		}
	}
	if i := strings.LastIndex(s, " from "); i >= 0 && named {
		e.SetStr(schema.FUserName, strings.TrimSpace(s[:i]))
		s = s[i+len(" from "):]
	} else if user, rest, ok := strings.Cut(s, " "); ok && named && user != "from" && row.action != "ssh_session" {
		e.SetStr(schema.FUserName, user)
		s = rest
	}
	endpoint(s, schema.FSourceIP, schema.FSourcePort, e)
}

// endpoint reads the first address of a sentence and the port behind it.
func endpoint(s string, ip, port schema.FieldID, e *schema.Event) {
	for s != "" {
		word, rest, _ := strings.Cut(s, " ")
		word = strings.TrimRight(word, ":,")
		if looksLikeIP(word) {
			e.Set(ip, word)
			if rest, ok := strings.CutPrefix(rest, "port "); ok {
				p, _, _ := strings.Cut(rest, " ")
				p, _, _ = strings.Cut(p, ":")
				e.Set(port, p)
			}
			return
		}
		s = rest
	}
}

// address is the first address of a sentence as the source.
func address(s string, e *schema.Event) { endpoint(s, schema.FSourceIP, schema.FSourcePort, e) }

// pam reads what PAM modules say in the name of a program.
func pam(m string, e *schema.Event) {
	switch {
	case strings.Contains(m, "authentication failure"):
		act(e, "authentication", "info", "pam_failure", "failure")
		e.SetStr(schema.FUserName, value(m, "user="))
		address(value(m, "rhost="), e)
	case strings.Contains(m, "login failures for user "):
		act(e, "authentication", "info", "pam_failure", "failure")
		user(m, "login failures for user ", e)
	case strings.Contains(m, " not known to the underlying "), strings.Contains(m, "uthentication failure for "):
		act(e, "authentication", "info", "pam_failure", "failure")
		_, rest, _ := strings.Cut(m, " for ")
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "illegal user "), "invalid user ")
		name, peer, _ := strings.Cut(rest, " from ")
		e.SetStr(schema.FUserName, name)
		if clean := strings.TrimSuffix(peer, "."); clean != "" {
			addressOf(schema.FSourceIP, schema.FSourceDomain)(e, clean)
		}
	case strings.Contains(m, "ser unknown"):
		act(e, "authentication", "info", "pam_failure", "failure")
	case strings.Contains(m, "' granted access"), strings.Contains(m, "' denied access"):
		outcome := "success"
		if strings.Contains(m, "' denied access") {
			outcome = "failure"
		}
		act(e, "authentication", "info", "pam_access", outcome)
		_, name, _ := strings.Cut(m, "user '")
		name, _, _ = strings.Cut(name, "'")
		e.SetStr(schema.FUserName, name)
	}
}
