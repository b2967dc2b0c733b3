package parser

import (
	"slices"
	"strings"

	"vigil/schema"
)

// sshd takes apart what the SSH daemon and the PAM modules in it say.
func (p *programs) sshd(m string, e *schema.Event) {
	m = strings.TrimSpace(m)
	// "message repeated 3 times: [ Failed password for root from … ]"
	if rest, ok := strings.CutPrefix(m, "message repeated "); ok {
		if _, inner, ok := strings.Cut(rest, "[ "); ok {
			n, _, _ := strings.Cut(rest, " ")
			e.AddExtra("labels.repeated", n)
			m = strings.TrimSuffix(inner, "]")
		}
	}
	if !p.ssh.apply(sshText(m), e) {
		p.pam.apply(m, e)
	}
}

// sshText is a message without what sshd puts before grave ones.
func sshText(m string) string {
	return strings.TrimPrefix(strings.TrimPrefix(m, "error: "), "fatal: ")
}

// isSSH says whether a bare message is one of sshd. Its first words alone often say too little.
func (p *programs) isSSH(m string) bool {
	is, rest := p.ssh.find(sshText(m))
	switch {
	case strings.HasPrefix(m, "main: sshd: "):
		return true
	case is == nil:
		return false
	case slices.Contains(is.Start, "Accepted "), slices.Contains(is.Start, "Failed "):
		return strings.Contains(rest, " for ") && strings.Contains(rest, " from ")
	case slices.ContainsFunc([]string{"Connection from ", "Connection reset by ", "Starting session: "}, func(start string) bool { return strings.HasPrefix(m, start) }):
		return strings.Contains(rest, " port ")
	}
	return true
}

// beforeUser are the words of sshd that say that a user follows.
var beforeUser = []string{"invalid user ", "illegal user ", "authenticating user ", "user "}

// sshPeer reads who is at the other end: "invalid user pi 192.0.2.1 port 22", or the address
// alone. The user may be empty or odd. Where login is true a user stands first in any case:
// "root from 192.0.2.1 port 22 ssh2".
func sshPeer(login bool) func(user, ip, port schema.FieldID) setter {
	return func(user, ip, port schema.FieldID) setter {
		end := endpoint(ip, port)
		return func(e *schema.Event, s string) {
			named := login
			for _, before := range beforeUser {
				if rest, ok := strings.CutPrefix(s, before); ok {
					s, named = rest, true
					break
				}
			}
			if i := strings.LastIndex(s, " from "); i >= 0 && named {
				e.SetStr(user, strings.TrimSpace(s[:i]))
				s = s[i+len(" from "):]
			} else if name, rest, ok := strings.Cut(s, " "); ok && named && name != "from" {
				e.SetStr(user, name)
				s = rest
			}
			end(e, s)
		}
	}
}

// endpoint reads the first address of a sentence and the port behind it.
func endpoint(ip, port schema.FieldID) setter {
	return func(e *schema.Event, s string) {
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
}
