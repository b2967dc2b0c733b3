package parser

import (
	"strings"

	"vigil/schema"
)

// headless takes apart messages that have lost their syslog header on the way. It
// returns the data set, "" for a message that it does not know.
func (p *programs) headless(m string, e *schema.Event) string {
	m = strings.TrimSpace(m)
	switch {
	case p.isSSH(m):
		e.SetStr(schema.FProcessName, "sshd")
		p.sshd(m, e)
		return p.dataset
	case strings.Contains(m, " : ") && strings.Contains(m, "COMMAND=") && strings.Contains(m, "USER="):
		e.SetStr(schema.FProcessName, "sudo")
		p.sudo.apply(m, e)
		return p.dataset
	case strings.HasPrefix(m, "pam_") && pamProgram(m) != "":
		e.SetStr(schema.FProcessName, pamProgram(m))
		p.session(m, e)
		return p.dataset
	case isNetfilter(m):
		p.packet(m, e)
		return p.netfilter.dataset
	case strings.HasPrefix(m, "Group <"), strings.HasPrefix(m, "TunnelGroup <"), strings.HasPrefix(m, "Group = ") && strings.Contains(m, "Username = "):
		p.cisco.put(m, e)
		return "cisco.asa"
	case isMail(m):
		p.mail.put(m, e)
		return p.mail.dataset
	}
	return ""
}

// pamProgram is the program in "pam_unix(sshd:auth): …".
func pamProgram(m string) string {
	module, rest, ok := strings.Cut(m, "(")
	program, _, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 || len(module) > 32 || strings.ContainsAny(program, " )") {
		return ""
	}
	return program
}
