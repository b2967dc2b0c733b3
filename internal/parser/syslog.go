package parser

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"time"

	"vigil/schema"
)

// syslogParser reads RFC 3164 lines, with or without <PRI>, lines that start with ISO
// time, and RFC 5424 messages. What known programs say is taken apart by program (syslog_programs.go).
type syslogParser struct {
	syslogHead
	names interner
	programs
}

func newSyslog(o Options) Parser {
	return &syslogParser{syslogHead: newSyslogHead(o), programs: newPrograms(o)}
}

// syslogHead reads what stands before messages, also before those of other formats.
type syslogHead struct {
	zone *time.Location
	year int
	end  time.Time
	head named
}

func newSyslogHead(o Options) syslogHead {
	return syslogHead{zone: o.zone(), year: o.BaseYear, end: o.BaseTime, head: namedOf("syslog", o)}
}

func detectSyslog(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	p := syslogHead{zone: time.UTC, year: 2000}
	whole := schema.View(bytes.TrimSuffix(line, []byte("\r")))
	text := skipPRI(whole)
	pri := len(text) < len(whole)
	if text == "" {
		return 0, ""
	}
	if strings.HasPrefix(text, "1 ") && pri {
		return 80, "RFC 5424 messages"
	}
	_, rest, ok := p.stamp(strings.TrimLeft(text, " "))
	switch {
	case !ok && pri && isTag(strings.TrimLeft(text, " ")):
		return 45, "a syslog priority and a program"
	case !ok:
		return 0, ""
	}
	if _, tag, ok := strings.Cut(rest, " "); ok && strings.Contains(tag, ":") {
		return 80, "a syslog time, host and program"
	}
	return 40, "a syslog time"
}

// isTag says whether a text begins with "program: " or "program[42]: ".
func isTag(s string) bool {
	i := strings.Index(s, ": ")
	return i > 0 && i < 64 && strings.IndexByte(s[:i], ' ') < 0
}

func skipPRI(s string) string {
	if len(s) > 3 && s[0] == '<' {
		if i := strings.IndexByte(s[:min(len(s), 6)], '>'); i > 1 {
			return s[i+1:]
		}
	}
	return s
}

// Parse implements Parser.
func (p *syslogParser) Parse(raw []byte, e *schema.Event) error {
	text := schema.View(raw)
	if strings.TrimSpace(text) == "" {
		return ErrSkip
	}
	p.priority(text, e)
	text = skipPRI(text)
	pri := len(text) < len(raw)
	if version, ok := strings.CutPrefix(text, "1 "); ok && pri {
		return p.rfc5424(version, e)
	}
	text = strings.TrimLeft(text, " ")
	micro, rest, ok := p.stamp(text)
	switch {
	case ok:
		setTime(e, schema.FTimestamp, micro, text[:len(text)-len(rest)])
		if isoText(text) && p.unversioned(rest) {
			return p.rfc5424(text, e)
		}
	case pri && isTag(text): // a device that leaves time and host to its receiver
		program, message := p.tag(text, e)
		p.finish(program, message, e)
		return nil
	default:
		return errors.New("the line does not start with a syslog time")
	}
	rest = strings.TrimLeft(rest, " ")
	host, after, ok := strings.Cut(rest, " ")
	switch {
	case !ok:
		return errors.New("the line ends after its host name")
	case strings.HasPrefix(rest, "--- last message repeated "):
		p.finish("", rest, e)
		return nil
	case strings.HasSuffix(host, ":"): // "cron[4321]: …": no host
	default:
		p.head.put(e, "host", host)
		rest = after
	}
	program, message := p.tag(rest, e)
	p.finish(program, message, e)
	return nil
}

func isoText(s string) bool { return len(s) > 10 && s[4] == '-' && s[10] == 'T' }

// unversioned says whether what follows an ISO time is the header of RFC 5424 without
// its version: host, program, process id, message id, and structured data.
func (p *syslogParser) unversioned(rest string) bool {
	word := strings.SplitN(strings.TrimLeft(rest, " "), " ", 5)
	if len(word) < 5 || strings.HasSuffix(word[1], ":") || !strings.HasPrefix(word[4], "- ") && !strings.HasPrefix(word[4], "[") {
		return false
	}
	_, number := digits(word[2])
	return number || word[2] == "-"
}

// finish puts on what every message has, and what known programs say in theirs.
func (p *syslogParser) finish(program, message string, e *schema.Event) {
	p.head.put(e, "message", message)
	p.head.close(e)
	e.SetStr(schema.FEventDataset, cmp.Or(p.programs.known(program, message, e), p.head.dataset))
	settle(e)
}

var severities = [8]string{"emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"}
var facilities = [24]string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}

func (p *syslogHead) priority(s string, e *schema.Event) {
	if len(s) < 3 || s[0] != '<' {
		return
	}
	i := strings.IndexByte(s[:min(len(s), 6)], '>')
	if i < 2 {
		return
	}
	if n, ok := digits(s[1:i]); ok && n < 192 {
		p.head.put(e, "facility", facilities[n/8])
		p.head.put(e, "severity", severities[n%8])
	}
}

var months = map[string]int{"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12}

// stamp reads the time at the start of a line and returns what follows it.
func (p *syslogHead) stamp(s string) (int64, string, bool) {
	if len(s) > 19 && s[4] == '-' {
		word, rest, _ := strings.Cut(s, " ")
		if micro, ok := isoTime(word, p.zone); ok {
			return micro, rest, true
		}
		return 0, "", false
	}
	if len(s) > 12 && s[3] == ' ' && months[s[:3]] > 0 && (s[5] == ' ' || s[6] == ' ' && s[9] != ':') {
		return p.loose(s)
	}
	if len(s) < 16 || s[3] != ' ' || s[6] != ' ' || s[9] != ':' || s[12] != ':' {
		return 0, "", false
	}
	month, ok := months[s[:3]]
	day, ok1 := digits(strings.TrimLeft(s[4:6], " "))
	h, ok2 := digits(s[7:9])
	m, ok3 := digits(s[10:12])
	sec, ok4 := digits(s[13:15])
	if !ok || !ok1 || !ok2 || !ok3 || !ok4 || day < 1 || day > 31 || h > 23 || m > 59 || sec > 60 {
		return 0, "", false
	}
	micro := time.Date(p.year, time.Month(month), day, h, m, sec, 0, p.zone).UnixMicro()
	// A year-less time may not lie after the end of the log: then it is last year's.
	if !p.end.IsZero() && micro > p.end.UnixMicro() {
		micro = time.Date(p.year-1, time.Month(month), day, h, m, sec, 0, p.zone).UnixMicro()
	}
	return micro, s[15:], true
}

// loose reads the variants of the same time: a day of one digit, and a year.
func (p *syslogHead) loose(s string) (int64, string, bool) {
	for _, layout := range []string{"Jan 2 2006 15:04:05", "Jan 02 2006 15:04:05", "Jan _2 2006 15:04:05", "Jan 2 15:04:05"} {
		n := len(layout)
		if len(s) <= n || s[n] != ' ' {
			continue
		}
		t, err := time.ParseInLocation(layout, s[:n], p.zone)
		if err != nil {
			continue
		}
		if t.Year() == 0 {
			t = time.Date(p.year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, p.zone)
			if !p.end.IsZero() && t.After(p.end) {
				t = t.AddDate(-1, 0, 0)
			}
		}
		return t.UnixMicro(), s[n:], true
	}
	return 0, "", false
}

// tag splits "sshd[42]: message" and sets the process.
func (p *syslogHead) tag(s string, e *schema.Event) (program, message string) {
	i := strings.IndexByte(s, ':')
	if i < 0 || i > 64 {
		return "", s
	}
	program, message = s[:i], strings.TrimLeft(s[i+1:], " ")
	if open := strings.IndexByte(program, '['); open > 0 && strings.HasSuffix(program, "]") {
		p.head.put(e, "pid", program[open+1:len(program)-1])
		p.head.put(e, "program", program[:open])
		return program[:open], message
	}
	if strings.ContainsRune(program, ' ') {
		return "", s
	}
	p.head.put(e, "program", program)
	return program, message
}
