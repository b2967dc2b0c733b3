package parser

import (
	"strings"

	"vigil/schema"
)

// headless takes apart messages that have lost their syslog header on the way. It
// returns the data set, "" for a message that it does not know.
func headless(m string, e *schema.Event) string {
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
	case strings.HasPrefix(m, "pam_unix("):
		program, _, _ := strings.Cut(m[len("pam_unix("):], ":")
		e.SetStr(schema.FProcessName, program)
		session(m, e)
		return "linux.auth"
	case isNetfilter(m):
		netfilter(m, e)
		return "linux.netfilter"
	case isMail(m):
		postfix(m, e)
		return "linux.mail"
	}
	return ""
}

func isSSH(m string) bool {
	for _, start := range []string{"Accepted ", "Failed password for ", "Failed publickey for ", "Failed none for ", "Failed keyboard-interactive", "Invalid user ", "error: maximum authentication attempts exceeded ", "Received disconnect from ", "Disconnected from ", "Connection closed by ", "Connection reset by ", "Did not receive identification string from "} {
		if strings.HasPrefix(m, start) {
			return start != "Accepted " || strings.Contains(m, " from ")
		}
	}
	return strings.HasPrefix(m, "Connection from ") && strings.Contains(m, " port ")
}
