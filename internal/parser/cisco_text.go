package parser

import (
	"strings"

	"vigil/schema"
)

// ciscoVerbs are the words that tell what a sentence of a device says; the first that
// is in it counts.
var ciscoVerbs = []struct{ word, category, action, outcome string }{
	{"enied", "", "denied", "failure"}, {"Deny", "", "deny", "failure"}, {"permitted", "", "permitted", "success"},
	{"Built", "", "built", "success"}, {"Teardown", "", "teardown", "success"},
	{"uthentication Successful", "authentication", "authentication", "success"}, {"uthentication succeeded", "authentication", "authentication", "success"}, {"' Succeeded", "authentication", "authentication", "success"}, {"authenticated successfully", "authentication", "authentication", "success"}, {"Login Success", "authentication", "authentication", "success"},
	{"uthentication fail", "authentication", "authentication", "failure"}, {"uthentication Fail", "authentication", "authentication", "failure"}, {"uthentication rejected", "authentication", "authentication", "failure"}, {"uthentication Rejected", "authentication", "authentication", "failure"}, {"Login failed", "authentication", "authentication", "failure"}, {"failed by", "authentication", "authentication", "failure"}, {"' Failed", "authentication", "authentication", "failure"},
	{"logged out", "authentication", "logout", "success"}, {"has exited tty session", "authentication", "logout", "success"}, {"Session disconnected", "authentication", "disconnected", "success"},
	{"in err-disable state", "", "err-disable", ""}, {"state to administratively down", "", "down", ""}, {"state to down", "", "down", ""}, {"state to up", "", "up", ""}, {" is down", "", "down", ""}, {" is up", "", "up", ""},
}

// ciscoUsers are what devices write before the name of a user.
var ciscoUsers = []string{"Username = ", "user = ", "User '", "Uname: ", "User <", "Username: ", "Username:", "username: ", "user '", "[user: ", "client user ", "illegal user ", "failed by ", " set to 1 by ", "from console by ", "from vty0 by ", "User ", ", user "}

// ciscoGroups are what they write before the name of a VPN group.
var ciscoGroups = []string{"Group <", "GroupPolicy <", "Group = "}

// ciscoText finds addresses, users and the action in a sentence. The first endpoint is
// the source, the second the destination, except where words say otherwise.
func ciscoText(s string, e *schema.Event) {
	for _, verb := range ciscoVerbs {
		if strings.Contains(s, verb.word) {
			e.SetStr(schema.FEventAction, verb.action)
			e.SetStr(schema.FEventOutcome, verb.outcome)
			e.Add(schema.FEventCategory, verb.category)
			break
		}
	}
	for _, name := range []string{" tcp ", " udp ", " icmp ", " TCP ", " UDP ", " ICMP "} {
		if strings.Contains(s, name) {
			lowered(schema.FNetworkTransport)(e, strings.TrimSpace(name))
			break
		}
	}
	accountName(e, ciscoName(s, ciscoUsers))
	e.SetStr(schema.FGroupName, ciscoName(s, ciscoGroups))
	ciscoIdentity(s, e)
	if _, command, ok := strings.Cut(s, " Command: "); ok {
		e.SetStr(schema.FProcessCommandLine, command)
	}
	destination := strings.Contains(s, "server = ")
	first, second := ends{schema.FSourceIP, schema.FSourcePort}, ends{schema.FDestinationIP, schema.FDestinationPort}
	if strings.HasPrefix(s, "Built outbound ") { // named by interface: the far end comes first
		first, second = second, first
	}
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool {
		return r == ' ' || r == ',' || r == '<' || r == '>' || r == '"' || r == '[' || r == ']'
	}) {
		ip, port := ciscoEndpoint(word)
		switch {
		case ip == "":
		case !e.Has(first.ip) && !destination:
			e.Set(first.ip, ip)
			setPort(e, first.port, port)
		case !e.Has(second.ip) && ip != e.Str(first.ip):
			e.Set(second.ip, ip)
			setPort(e, second.port, port)
		}
	}
}

// ciscoName is the word behind the first of the marks that is in a sentence.
func ciscoName(s string, marks []string) string {
	for _, before := range marks {
		if _, after, ok := strings.Cut(s, before); ok {
			end := strings.IndexAny(after, "',>:] ")
			if end < 0 {
				end = len(after)
			}
			return after[:end]
		}
	}
	return ""
}

// ciscoIdentity reads the user that stands behind an address: 192.0.2.1/80(DOMAIN\user).
func ciscoIdentity(s string, e *schema.Event) {
	for rest := s; !e.Has(schema.FUserName); {
		i := strings.IndexByte(rest, '(')
		if i < 0 {
			return
		}
		rest = rest[i+1:]
		name, _, ok := strings.Cut(rest[:min(len(rest), 256)], ")") // a name is short, and a line may be all (
		if ok && strings.Contains(name, `\`) && strings.IndexByte(name, ' ') < 0 {
			accountName(e, strings.TrimPrefix(name, `LOCAL\`))
		}
	}
}

// ends are the fields of one end of a connection.
type ends struct{ ip, port schema.FieldID }

func setPort(e *schema.Event, f schema.FieldID, port string) {
	if port != "" && port != "0" {
		e.Set(f, port)
	}
}

// ciscoEndpoint reads IF:192.0.2.1/80, IF/192.0.2.1(80), 192.0.2.1:80 and the like.
func ciscoEndpoint(word string) (ip, port string) {
	if word != "" && word[0] == '(' {
		if inner := strings.Trim(word, "()."); looksLikeIP(inner) {
			return inner, ""
		}
		return "", "" // the translated address of the endpoint before
	}
	word = strings.TrimRight(word, ".;)")
	if looksLikeIP(word) {
		return word, ""
	}
	if name, after, ok := strings.Cut(word, ":"); ok && !looksLikeIP(name) && name != "" && strings.Count(word, ".") >= 3 {
		word = after
	} else if name, after, ok := strings.Cut(word, "/"); ok && !looksLikeIP(name) && strings.Count(after, ".") >= 3 {
		word = after
	}
	end := strings.IndexAny(word, "/(:")
	if end < 0 {
		end = len(word)
	}
	if !looksLikeIP(word[:end]) || strings.Count(word[:end], ".") != 3 {
		return "", ""
	}
	rest := word[end:]
	n := 0
	if rest != "" {
		rest = rest[1:]
	}
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	return word[:end], rest[:n]
}
