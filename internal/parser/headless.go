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
	case isSSH(m):
		e.SetStr(schema.FProcessName, "sshd")
		sshd(m, e)
		return "linux.auth"
	case strings.Contains(m, " : ") && strings.Contains(m, "COMMAND=") && strings.Contains(m, "USER="):
		e.SetStr(schema.FProcessName, "sudo")
		sudo(m, e)
		return "linux.auth"
	case strings.HasPrefix(m, "pam_") && pamProgram(m) != "":
		e.SetStr(schema.FProcessName, pamProgram(m))
		session(m, e)
		return "linux.auth"
	case isNetfilter(m):
		p.packet(m, e)
		return "linux.netfilter"
	case strings.HasPrefix(m, "Group <"), strings.HasPrefix(m, "TunnelGroup <"), strings.HasPrefix(m, "Group = ") && strings.Contains(m, "Username = "):
		ciscoText(m, e)
		return "cisco.asa"
	case isMail(m):
		postfix(m, e)
		return "linux.mail"
	}
	return ""
}

// isSSH says whether a bare message is one of sshd. "User …" alone says too little.
func isSSH(m string) bool {
	row, rest, ok := sshMessageOf(m)
	switch {
	case strings.HasPrefix(m, "main: sshd: "):
		return true
	case !ok:
		return false
	case row.start == "Accepted " || row.start == "Failed ":
		return strings.Contains(rest, " for ") && strings.Contains(rest, " from ")
	case row.start == "Connection from ", row.start == "Connection reset by ", row.start == "Starting session: ":
		return strings.Contains(rest, " port ")
	}
	return true
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
