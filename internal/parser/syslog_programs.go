package parser

import (
	"strings"

	"vigil/schema"
)

// known takes apart what a program says, and returns the data set of the event, "" for
// programs that it does not know.
func known(program, m string, e *schema.Event) string {
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
			netfilter(m, e)
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

func sshd(m string, e *schema.Event) {
	// "message repeated 3 times: [ Failed password for root from … ]"
	if rest, ok := strings.CutPrefix(m, "message repeated "); ok {
		if _, inner, ok := strings.Cut(rest, "[ "); ok {
			n, _, _ := strings.Cut(rest, " ")
			e.AddExtra("labels.repeated", n)
			m = strings.TrimSuffix(inner, "]")
		}
	}
	switch {
	case strings.HasPrefix(m, "Accepted "):
		act(e, "authentication", "start", "ssh_login", "success")
		method, rest, _ := strings.Cut(m[len("Accepted "):], " for ")
		e.SetStr(schema.FEventReason, method)
		from(rest, e)
	case strings.HasPrefix(m, "Failed "):
		act(e, "authentication", "start", "ssh_login", "failure")
		method, rest, _ := strings.Cut(m[len("Failed "):], " for ")
		e.SetStr(schema.FEventReason, method)
		if who, ok := strings.CutPrefix(rest, "invalid user "); ok {
			e.SetStr(schema.FEventReason, "invalid user")
			rest = who
		}
		from(rest, e)
	case strings.HasPrefix(m, "Invalid user "):
		act(e, "authentication", "info", "ssh_invalid_user", "failure")
		from(m[len("Invalid user "):], e)
	case strings.HasPrefix(m, "error: maximum authentication attempts exceeded for "):
		act(e, "authentication", "info", "ssh_too_many_attempts", "failure")
		from(strings.TrimPrefix(m[len("error: maximum authentication attempts exceeded for "):], "invalid user "), e)
	case strings.HasPrefix(m, "Connection closed by "), strings.HasPrefix(m, "Received disconnect from "), strings.HasPrefix(m, "Disconnected from "):
		act(e, "network", "end", "ssh_disconnect", "")
		_, rest, _ := strings.Cut(m, " by ")
		if rest == "" {
			_, rest, _ = strings.Cut(m, " from ")
		}
		address(rest, e)
	case strings.HasPrefix(m, "Connection from "), strings.HasPrefix(m, "Did not receive identification string from "):
		act(e, "network", "connection", "ssh_connect", "")
		_, rest, _ := strings.Cut(m, " from ")
		address(rest, e)
	case strings.Contains(m, "authentication failure"):
		act(e, "authentication", "info", "pam_failure", "failure")
		e.SetStr(schema.FUserName, value(m, "user="))
		address(value(m, "rhost="), e)
	}
}

// from reads "root from 192.0.2.1 port 22 ssh2"; the user may be empty or odd.
func from(s string, e *schema.Event) {
	i := strings.LastIndex(s, " from ")
	if i < 0 {
		if rest, ok := strings.CutPrefix(s, "from "); ok {
			address(rest, e)
		}
		return
	}
	e.SetStr(schema.FUserName, strings.TrimSpace(s[:i]))
	address(s[i+len(" from "):], e)
}

// address reads "192.0.2.1 port 22 …" or "user root 192.0.2.1 port 22".
func address(s string, e *schema.Event) {
	for s != "" {
		word, rest, _ := strings.Cut(s, " ")
		word = strings.TrimSuffix(word, ":")
		if looksLikeIP(word) {
			e.Set(schema.FSourceIP, word)
			if rest, ok := strings.CutPrefix(rest, "port "); ok {
				port, _, _ := strings.Cut(rest, " ")
				port, _, _ = strings.Cut(port, ":")
				e.Set(schema.FSourcePort, port)
			}
			return
		}
		s = rest
	}
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
		e.AddExtra("labels.shell", strings.TrimSuffix(value(m, "shell="), ","))
	case strings.HasPrefix(m, "new group: "):
		act(e, "iam", "creation", "group_created", "success")
		e.SetStr(schema.FGroupName, strings.TrimSuffix(value(m, "name="), ","))
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
	case strings.Contains(m, "authentication failure"):
		act(e, "authentication", "info", "pam_failure", "failure")
		e.SetStr(schema.FUserName, value(m, "user="))
		address(value(m, "rhost="), e)
	}
}

func user(m, before string, e *schema.Event) {
	_, rest, _ := strings.Cut(m, before)
	name, _, _ := strings.Cut(rest, " ")
	name, _, _ = strings.Cut(name, "(")
	e.SetStr(schema.FUserName, strings.TrimSuffix(name, "."))
}
