package parser

import (
	"strings"

	"vigil/schema"
)

// programs takes apart what the programs of Linux machines say. What has names goes by
// mappings; sentences are taken apart, and mean, what is written here.
type programs struct{ netfilter named }

func newPrograms(o Options) programs { return programs{namedOf("netfilter", o)} }

// known takes apart what a program says, and returns the data set of the event, "" for
// programs that it does not know.
func (p *programs) known(program, m string, e *schema.Event) string {
	switch program {
	case "sshd", "sshd-session":
		sshd(m, e)
	case "sudo":
		sudo(m, e)
	case "su":
		su(m, e)
	case "useradd", "userdel", "usermod", "groupadd", "groupdel", "chpasswd", "passwd":
		accounts(program, m, e)
	case "CRON", "cron", "systemd-logind", "systemd", "login":
		session(m, e)
	default:
		switch {
		case strings.HasPrefix(program, "postfix"):
			postfix(m, e)
			return "linux.mail"
		case isNetfilter(m):
			p.packet(m, e)
			return "linux.netfilter"
		}
		return ""
	}
	if !e.Has(schema.FEventAction) {
		session(m, e)
	}
	return "linux.auth"
}

// act sets category, type, action and outcome.
func act(e *schema.Event, category, etype, action, outcome string) {
	e.Add(schema.FEventCategory, category)
	e.Add(schema.FEventType, etype)
	e.SetStr(schema.FEventAction, action)
	e.SetStr(schema.FEventOutcome, outcome)
}

// value is the word behind key in "a=1 b=2".
func value(m, key string) string {
	for rest := m; ; {
		i := strings.Index(rest, key)
		if i < 0 {
			return ""
		}
		if i > 0 && rest[i-1] != ' ' && rest[i-1] != ';' { // "ruser=" is not "user="
			rest = rest[i+len(key):]
			continue
		}
		v, _, _ := strings.Cut(rest[i+len(key):], " ")
		return v
	}
}

// sudo says "mira : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh".
func sudo(m string, e *schema.Event) {
	who, rest, ok := strings.Cut(m, " : ")
	_, command, has := strings.Cut(rest, "COMMAND=")
	if !ok || !has {
		return
	}
	act(e, "process", "start", "sudo_command", "success")
	if strings.Contains(rest, "incorrect password") || strings.Contains(rest, "NOT in sudoers") || strings.Contains(rest, "not allowed") {
		e.SetStr(schema.FEventOutcome, "failure")
	}
	e.SetStr(schema.FUserName, strings.TrimSpace(who))
	e.SetStr(schema.FUserEffectiveName, value(rest, "USER="))
	e.SetStr(schema.FProcessWorkingDirectory, value(rest, "PWD="))
	e.AddExtra("labels.tty", value(rest, "TTY="))
	e.SetStr(schema.FProcessCommandLine, command)
	exe, _, _ := strings.Cut(command, " ")
	e.SetStr(schema.FProcessExecutable, exe)
}

func su(m string, e *schema.Event) {
	switch {
	case strings.HasPrefix(m, "Successful su for "):
		act(e, "authentication", "start", "su", "success")
	case strings.HasPrefix(m, "FAILED su for "):
		act(e, "authentication", "start", "su", "failure")
	default:
		return
	}
	_, rest, _ := strings.Cut(m, " su for ")
	to, by, _ := strings.Cut(rest, " by ")
	e.SetStr(schema.FUserEffectiveName, to)
	e.SetStr(schema.FUserName, by)
}

func accounts(program, m string, e *schema.Event) {
	switch {
	case strings.HasPrefix(m, "new user: "):
		act(e, "iam", "creation", "user_created", "success")
		name := strings.TrimSuffix(value(m, "name="), ",")
		e.SetStr(schema.FUserTargetName, name)
		e.SetStr(schema.FUserTargetID, strings.TrimSuffix(value(m, "UID="), ","))
		e.SetStr(schema.FGroupID, strings.TrimSuffix(value(m, "GID="), ","))
		e.AddExtra("labels.shell", strings.TrimSuffix(value(m, "shell="), ","))
	case strings.HasPrefix(m, "new group: "):
		act(e, "iam", "creation", "group_created", "success")
		e.SetStr(schema.FGroupName, strings.TrimSuffix(value(m, "name="), ","))
		e.SetStr(schema.FGroupID, strings.TrimSuffix(value(m, "GID="), ","))
	case strings.HasPrefix(m, "delete user "):
		act(e, "iam", "deletion", "user_deleted", "success")
		e.SetStr(schema.FUserTargetName, strings.Trim(m[len("delete user "):], "'`"))
	case strings.HasPrefix(m, "failed adding user "):
		act(e, "iam", "creation", "user_created", "failure")
	case strings.Contains(m, "add '") && strings.Contains(m, "to group '"):
		act(e, "iam", "change", "group_member_added", "success")
		_, rest, _ := strings.Cut(m, "add '")
		who, rest, _ := strings.Cut(rest, "'")
		_, group, _ := strings.Cut(rest, "group '")
		group, _, _ = strings.Cut(group, "'")
		e.SetStr(schema.FUserTargetName, who)
		e.SetStr(schema.FGroupName, group)
	case strings.Contains(m, "password changed for "):
		act(e, "iam", "change", "password_changed", "success")
		_, who, _ := strings.Cut(m, "password changed for ")
		e.SetStr(schema.FUserTargetName, who)
	case strings.Contains(m, "does not exist"):
		act(e, "iam", "change", program, "failure")
	}
}

// session reads pam_unix and logind session messages.
func session(m string, e *schema.Event) {
	switch {
	case strings.Contains(m, "session opened for user "):
		act(e, "session", "start", "session_opened", "success")
		user(m, "session opened for user ", e)
	case strings.Contains(m, "session closed for user "):
		act(e, "session", "end", "session_closed", "success")
		user(m, "session closed for user ", e)
	case strings.HasPrefix(m, "New session "):
		act(e, "session", "start", "session_opened", "success")
		user(m, " of user ", e)
	case strings.HasPrefix(m, "Removed session "):
		act(e, "session", "end", "session_closed", "success")
	default:
		pam(m, e)
	}
}

func user(m, before string, e *schema.Event) {
	_, rest, _ := strings.Cut(m, before)
	name, _, _ := strings.Cut(rest, " ")
	name, _, _ = strings.Cut(name, "(")
	e.SetStr(schema.FUserName, strings.TrimSuffix(name, "."))
}
