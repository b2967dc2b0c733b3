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
	head named
	text ciscoText
	keys named // of Firepower
}

func newCisco(o Options) Parser {
	kv, _ := newKV(o).(*kvParser)
	zone := o.zone()
	o.Zone = time.UTC // in which Firepower writes, whatever the zone of the header
	return &ciscoParser{kv: kv, year: o.BaseYear, zone: zone, head: namedOf("cisco", o), text: newCiscoText(o), keys: namedOf("firepower", o)}
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
	for _, part := range [][2]string{{"code", code}, {"severity", severity}, {"text", text}, {"facility", facility}} {
		p.head.put(e, part[0], part[1])
	}
	p.head.close(e)
	if strings.HasPrefix(code, "43000") {
		p.firepower(code, text, e)
	} else {
		p.text.put(text, e)
	}
	settleFlow(e)
	return nil
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
		p.head.put(e, "host", host)
		return
	}
}

var ciscoLayouts = []string{"Jan 2 2006 15:04:05", "2006 Jan 2 15:04:05", "Jan 2 15:04:05", "2006-01-02T15:04:05Z"}

// ciscoZones are the names that devices write behind their times, in hours east of
// Greenwich. Some names are ambiguous; these are the meanings that devices default to.
var ciscoZones = map[string]float64{"UTC": 0, "GMT": 0, "WET": 0, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "IST": 5.5, "JST": 9, "AEST": 10,
	"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "BRT": -3, "ART": -3}

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
		name, _, _ := strings.Cut(strings.TrimLeft(s[n:], " "), " ")
		if hours, ok := ciscoZones[strings.TrimRight(name, ":")]; ok {
			zone = time.FixedZone(name, int(hours*3600))
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
func (p *ciscoParser) firepower(code, s string, e *schema.Event) {
	for one := range strings.SplitSeq(s, ", ") {
		if key, v, ok := strings.Cut(one, ": "); ok && key != "code" { // that is the header's
			p.keys.put(e, key, v)
		}
	}
	p.keys.put(e, "code", code)
}

// setVerdict is what a rule of a firewall has decided.
func setVerdict(e *schema.Event, v string) {
	switch lower := strings.ToLower(v); {
	case strings.Contains(lower, "block"), strings.Contains(lower, "reset"), strings.Contains(lower, "deny"):
		e.Add(schema.FEventType, "denied")
	case strings.Contains(lower, "allow"), strings.Contains(lower, "trust"), strings.Contains(lower, "fastpath"):
		e.Add(schema.FEventType, "allowed")
	}
}
