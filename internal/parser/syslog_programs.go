package parser

import (
	"strings"

	"vigil/schema"
)

// programs takes apart what the programs of Linux machines say. What their sentences and
// names mean stands in mappings: programs, postfix, netfilter.
type programs struct {
	dataset string // of those whose sentences stand in the mapping of that name

	ssh, pam, sudo, su, accounts, sessions sentences
	mail                                   mail
	netfilter                              named
	cisco                                  ciscoText
}

func newPrograms(o Options) programs {
	m := mapperOf("programs", o, nil)
	return programs{
		dataset: m.Dataset,
		ssh:     m.sentencesOf("sshd"), pam: m.sentencesOf("pam"), sudo: m.sentencesOf("sudo"), su: m.sentencesOf("su"),
		accounts: m.sentencesOf("accounts"), sessions: m.sentencesOf("session"),
		mail: newMail(o), netfilter: namedOf("netfilter", o), cisco: newCiscoText(o),
	}
}

// known takes apart what a program says, and returns the data set of the event, "" for
// programs that it does not know.
func (p *programs) known(program, m string, e *schema.Event) string {
	switch program {
	case "sshd", "sshd-session":
		p.sshd(m, e)
	case "sudo":
		p.sudo.apply(m, e)
	case "su":
		p.su.apply(m, e)
	case "useradd", "userdel", "usermod", "groupadd", "groupdel", "chpasswd", "passwd":
		p.accounts.apply(m, e)
	case "CRON", "cron", "systemd-logind", "systemd", "login":
		p.session(m, e)
	default:
		switch {
		case strings.HasPrefix(program, "postfix"):
			p.mail.put(m, e)
			return p.mail.dataset
		case isNetfilter(m):
			p.packet(m, e)
			return p.netfilter.dataset
		}
		return ""
	}
	if !e.Has(schema.FEventAction) {
		p.session(m, e)
	}
	return p.dataset
}

// session reads what opens and closes sessions, and what PAM modules say in the name of a
// program.
func (p *programs) session(m string, e *schema.Event) {
	if !p.sessions.apply(m, e) {
		p.pam.apply(m, e)
	}
}
