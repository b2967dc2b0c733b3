package parser

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"vigil/schema"
)

// ciscoParser reads messages of Cisco devices (ASA, Firepower, IOS, NX-OS):
// %FACILITY-SEVERITY-CODE: text, behind any of the headers that devices write.
type ciscoParser struct {
	kv   *kvParser
	year int
	zone *time.Location
}

func newCisco(o Options) Parser {
	kv, _ := newKV(o).(*kvParser)
	return &ciscoParser{kv: kv, year: o.BaseYear, zone: o.zone()}
}

// ciscoMark finds %FACILITY-SEVERITY-CODE and what stands behind it.
func ciscoMark(s string) (facility, severity, code, rest string, at int, ok bool) {
	for from := 0; from < min(len(s), 256); {
		i := strings.IndexByte(s[from:], '%')
		if i < 0 {
			break
		}
		at = from + i
		from = at + 1
		end := from
		for end < len(s) && isCisco(s[end]) {
			end++
		}
		word := s[from:end]
		last := strings.LastIndexByte(word, '-')
		if last < 3 || last+1 == len(word) {
			continue
		}
		if word[last-2] != '-' || word[last-1] < '0' || word[last-1] > '7' {
			continue
		}
		return word[:last-2], word[last-1 : last], word[last+1:], strings.TrimLeft(s[end:], ": "), at, true
	}
	return "", "", "", "", 0, false
}

func isCisco(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c >= 'a' && c <= 'z'
}

func detectCisco(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	if len(line) > 0 && line[0] == '{' {
		return 0, ""
	}
	if _, _, _, _, _, ok := ciscoMark(schema.View(line)); ok {
		return 90, "%FACILITY-SEVERITY-CODE as Cisco devices write it"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *ciscoParser) Parse(raw []byte, e *schema.Event) error {
	s := schema.View(bytes.TrimSpace(raw))
	if s == "" {
		return ErrSkip
	}
	facility, severity, code, text, at, ok := ciscoMark(s)
	if !ok {
		return errors.New("the line has no %FACILITY-SEVERITY-CODE")
	}
	p.header(s[:at], e)
	e.SetStr(schema.FEventCode, code)
	n, _ := digits(severity)
	e.SetInt(schema.FEventSeverity, int64(n))
	e.SetStr(schema.FLogLevel, severities[n])
	e.SetStr(schema.FMessage, text)
	e.SetStr(schema.FEventProvider, facility)
	setAll(e, pair{schema.FEventModule, "cisco"}, pair{schema.FEventDataset, p.dataset(facility)}, pair{schema.FEventKind, "event"})
	if strings.HasPrefix(code, "43000") {
		firepower(text, e)
	} else {
		ciscoText(text, e)
	}
	settleFlow(e)
	return nil
}

func (p *ciscoParser) dataset(facility string) string {
	switch facility {
	case "ASA", "PIX", "FWSM":
		return "cisco.asa"
	case "FTD", "NGIPS":
		return "cisco.ftd"
	}
	return "cisco.ios"
}

// header reads times with and without year, which devices write in many ways.
func (p *ciscoParser) header(s string, e *schema.Event) {
	p.kv.syslog.priority(s, e)
	s = strings.Trim(skipPRI(s), " :*.")
	for at := 0; at < len(s) && at < 80; at++ {
		if at > 0 && s[at-1] != ' ' {
			continue
		}
		micro, n, ok := p.stamp(s[at:])
		if !ok {
			continue
		}
		setTime(e, schema.FTimestamp, micro, s[at:at+n])
		rest := strings.Trim(s[at+n:], " :")
		host, _, _ := strings.Cut(rest, " ")
		if host == "" || host == "UTC" || len(host) <= 4 && strings.ToUpper(host) == host {
			host = strings.Trim(s[:at], " :") // "HOST: 2025 Mar 4 …"
		}
		host, _, _ = strings.Cut(host, " ")
		e.SetStr(schema.FHostName, strings.Trim(host, ":"))
		return
	}
}

var ciscoLayouts = []string{"Jan 2 2006 15:04:05", "2006 Jan 2 15:04:05", "Jan 2 15:04:05", "2006-01-02T15:04:05Z"}

// stamp reads a time at the start of s, and tells its length.
func (p *ciscoParser) stamp(s string) (int64, int, bool) {
	if s == "" || months[s[:min(3, len(s))]] == 0 && (s[0] < '0' || s[0] > '9') {
		return 0, 0, false
	}
	for _, layout := range ciscoLayouts {
		words := strings.Count(layout, " ") + 1
		n := wordsLen(s, words)
		if n == 0 {
			continue
		}
		text := strings.Join(strings.Fields(strings.TrimRight(s[:n], ":")), " ")
		zone := p.zone
		if strings.HasPrefix(strings.TrimLeft(s[n:], " "), "CET") {
			zone = time.FixedZone("CET", 3600)
		}
		t, err := time.ParseInLocation(layout, text, zone)
		if err != nil {
			continue
		}
		if t.Year() == 0 {
			t = t.AddDate(p.year, 0, 0)
		}
		return t.UnixMicro(), n, true
	}
	return 0, 0, false
}

// wordsLen is the length of the first words of s, 0 if it has fewer.
func wordsLen(s string, words int) int {
	i := 0
	for range words {
		for i < len(s) && s[i] == ' ' {
			i++
		}
		if i == len(s) {
			return 0
		}
		for i < len(s) && s[i] != ' ' {
			i++
		}
	}
	return i
}

// firepower reads "Key: value, Key: value" of connection, intrusion and file events.
func firepower(s string, e *schema.Event) {
	for one := range strings.SplitSeq(s, ", ") {
		key, v, ok := strings.Cut(one, ": ")
		if !ok {
			continue
		}
		switch key {
		case "SrcIP":
			e.Set(schema.FSourceIP, v)
		case "DstIP":
			e.Set(schema.FDestinationIP, v)
		case "SrcPort":
			e.Set(schema.FSourcePort, v)
		case "DstPort":
			e.Set(schema.FDestinationPort, v)
		case "Protocol":
			setProto(e, v)
		case "ApplicationProtocol":
			lowered(schema.FNetworkProtocol)(e, v)
		case "User":
			accountName(e, v)
		case "AccessControlRuleAction", "FileAction":
			e.SetStr(schema.FEventAction, v)
		case "AccessControlRuleName", "Message":
			e.SetStr(schema.FRuleName, v)
		case "ACPolicy":
			e.SetStr(schema.FRuleRuleset, v)
		case "IngressInterface":
			e.SetStr(schema.FObserverIngressInterfaceName, v)
		case "InitiatorBytes":
			e.Set(schema.FSourceBytes, v)
		case "ResponderBytes":
			e.Set(schema.FDestinationBytes, v)
		case "InitiatorPackets":
			e.Set(schema.FSourcePackets, v)
		case "ResponderPackets":
			e.Set(schema.FDestinationPackets, v)
		case "FileSHA256":
			e.SetStr(schema.FFileHashSha256, v)
		case "FileName":
			setFileName(e, v)
		case "FileSize":
			e.Set(schema.FFileSize, v)
		case "URI", "URL":
			webAddress(e, v)
		case "UserAgent":
			e.SetStr(schema.FUserAgentOriginal, v)
		case "DNSQuery":
			e.SetStr(schema.FDnsQuestionName, v)
		case "EventPriority":
			e.SetStr(schema.FLogLevel, v)
		case "FirstPacketSecond":
			timeField(schema.FTimestamp, time.UTC)(e, v)
		}
	}
}

// ciscoText finds addresses, users and the action in a sentence. The first endpoint is
// the source, the second the destination, except where words say otherwise.
func ciscoText(s string, e *schema.Event) {
	for _, row := range [][3]string{{"enied", "denied", "failure"}, {"Deny", "deny", "failure"}, {"permitted", "permitted", "success"}, {"Built", "built", ""}, {"Teardown", "teardown", ""}, {"uthentication Successful", "authentication", "success"}, {"uthentication succeeded", "authentication", "success"},
		{"uthentication fail", "authentication", "failure"}, {"uthentication Fail", "authentication", "failure"}, {"uthentication rejected", "authentication", "failure"}, {"uthentication Rejected", "authentication", "failure"}, {"Login failed", "authentication", "failure"}, {"Login Success", "authentication", "success"}, {"authenticated successfully", "authentication", "success"}, {"logged out", "logout", "success"}, {"failed by", "authentication", "failure"}} {
		if strings.Contains(s, row[0]) {
			e.SetStr(schema.FEventAction, row[1])
			e.SetStr(schema.FEventOutcome, row[2])
			if row[1] == "authentication" || row[1] == "logout" {
				e.Add(schema.FEventCategory, "authentication")
			}
			break
		}
	}
	for _, name := range []string{" tcp ", " udp ", " icmp ", " TCP ", " UDP ", " ICMP "} {
		if strings.Contains(s, name) {
			lowered(schema.FNetworkTransport)(e, strings.TrimSpace(name))
			break
		}
	}
	for _, before := range []string{"Username = ", "user = ", "User '", "Uname: ", "User <", "Username: ", "Username:", "user '", "[user: ", "client user ", "illegal user ", "failed by ", " set to 1 by "} {
		if _, after, ok := strings.Cut(s, before); ok {
			end := strings.IndexAny(after, "',>:] ")
			if end < 0 {
				end = len(after)
			}
			accountName(e, after[:end])
			break
		}
	}
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
