package parser

import (
	"bytes"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"vigil/schema"
)

// kvParser reads lines of key=value pairs, as firewalls and loggers write them, with or
// without a syslog header before the first pair.
type kvParser struct {
	table  table
	names  interner
	syslog syslogHead
	zone   *time.Location
	clock  kvClock
	marks  kvMarks
}

// kvClock collects the parts of a time that comes in several pairs.
type kvClock struct{ date, time, tz string }

func newKV(o Options) Parser {
	p := &kvParser{syslog: newSyslogHead(o), zone: o.zone()}
	p.table = p.rows(o)
	return p
}

// rows maps ECS names, and the keys of common products.
func (p *kvParser) rows(o Options) table {
	keep := func(to *string) setter { return func(_ *schema.Event, v string) { *to = v } }
	h := p.marks.holds()
	h["date"], h["time"], h["tz"] = keep(&p.clock.date), keep(&p.clock.time), keep(&p.clock.tz)
	m := mapperOf("kv", o, h)
	t := table{}
	for _, d := range schema.Fields() {
		if d.Kind != schema.Date {
			t[d.Name] = field(d.ID)
		}
	}
	return m.section(m.section(t, m.Section), m.Tables["marks"])
}

func weakClientIP(e *schema.Event, v string) {
	if !e.Has(schema.FSourceIP) {
		clientIP(e, v)
	}
}

// addressOf sets the address field, or the name field for a value that is no address.
func addressOf(ip, name schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		v = strings.Trim(v, "[]")
		if looksLikeIP(v) {
			e.Set(ip, v)
			return
		}
		e.SetStr(name, dash(v))
	}
}

// accountName splits a domain off a user name.
func accountName(e *schema.Event, v string) {
	if v == "-" || v == "N/A" || e.Has(schema.FUserName) {
		return
	}
	if d, n, ok := strings.Cut(v, `\`); ok && n != "" {
		e.SetStr(schema.FUserDomain, d)
		v = strings.TrimLeft(n, `\`)
	}
	e.SetStr(schema.FUserName, v)
}

var protocols = map[string]string{"1": "icmp", "2": "igmp", "6": "tcp", "17": "udp", "41": "ipv6", "47": "gre", "50": "esp", "51": "ah", "58": "ipv6-icmp", "89": "ospf", "132": "sctp"}

// setProto takes a transport protocol as number or name.
func setProto(e *schema.Event, v string) {
	if name, ok := protocols[v]; ok {
		v = name
	}
	if transport, above, ok := strings.Cut(v, "/"); ok && transport != "" { // udp/dns
		lowered(schema.FNetworkProtocol)(e, above)
		v = transport
	}
	lowered(schema.FNetworkTransport)(e, v)
}

// lowered sets a field to the value in small letters.
func lowered(f schema.FieldID) setter {
	return func(e *schema.Event, v string) { e.SetStr(f, dash(lowerText(e, v))) }
}

// lowerText is v in small letters, copied only when it has others.
func lowerText(e *schema.Event, v string) string {
	capital := false
	for i := 0; i < len(v); i++ {
		if v[i] >= utf8.RuneSelf {
			return strings.ToLower(v)
		}
		capital = capital || v[i] >= 'A' && v[i] <= 'Z'
	}
	if !capital {
		return v
	}
	out := append(e.Buffer(len(v)), v...)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return e.Commit(out)
}

func setDirection(e *schema.Event, v string) {
	switch strings.ToLower(v) {
	case "incoming", "in", "ingress", "inbound", "0":
		v = "inbound"
	case "outgoing", "out", "egress", "outbound", "1":
		v = "outbound"
	}
	e.SetStr(schema.FNetworkDirection, v)
}

// notNumber sets a field unless the value is a number.
func notNumber(f schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if _, ok := digits(v); !ok {
			e.SetStr(f, v)
		}
	}
}

// setOutcome takes the words that products have for success and failure.
func setOutcome(e *schema.Event, v string) {
	if o := outcomeOf(v); o != "" {
		e.SetStr(schema.FEventOutcome, o)
		return
	}
	if n, ok := digits(v); ok && n >= 100 && n < 600 {
		e.SetInt(schema.FHttpResponseStatusCode, int64(n))
		return
	}
	e.AddExtra("labels.status", v)
}

func outcomeOf(v string) string {
	switch strings.ToLower(v) {
	case "success", "successful", "succeeded", "succeed", "ok", "allow", "allowed", "passed", "accept", "accepted", "true", "completed", "logged in":
		return "success"
	case "failure", "failed", "fail", "error", "deny", "denied", "rejected", "blocked", "false", "unsuccessful", "login failed", "unauthorized":
		return "failure"
	}
	return ""
}

// detectKV wants lines that are mostly pairs.
func detectKV(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	s := schema.View(line)
	if isMail(s) {
		return 0, "" // a mail server's words with pairs in them
	}
	first, n, known := -1, 0, 0
	eachPair(s, func(key, _ string, at int) {
		if first < 0 {
			first = at
		}
		n++
		switch key {
		case "src", "srcip", "src_ip", "dst", "dstip", "dst_ip", "user", "user_name", "logid", "log_id", "devname", "device_name", "msg", "level", "action", "proto", "time", "ts", "caller", "component", "err", "error":
			known++
		}
	})
	switch {
	case n >= 4 && known >= 2 && first < 160 && s != "" && s[0] != '{':
		return 82, "key=value pairs with names that firewalls and loggers use"
	case n >= 4 && first == 0:
		return 60, "key=value pairs"
	case n >= 2 && known >= 2 && first == 0:
		return 60, "logfmt: a few pairs with names that loggers use"
	}
	return 0, ""
}

// eachPair calls with for each key=value of a line; values may be in quotes, and those
// without end where the next pair begins or a blank stands.
func eachPair(s string, with func(key, value string, at int)) {
	for i := 0; i < len(s); {
		eq := strings.IndexByte(s[i:], '=')
		if eq < 0 {
			return
		}
		eq += i
		at := eq
		for at > i && isKey(s[at-1]) {
			at--
		}
		if at == eq {
			i = eq + 1
			continue
		}
		value, next := pairValue(s, eq+1)
		with(s[at:eq], value, at)
		i = next
	}
}

func isKey(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' || c == '@'
}

// pairValue reads the value that begins at i and says where the next pair may begin.
func pairValue(s string, i int) (string, int) {
	if len(s) > i+2 && s[i] == '"' && s[i+1] == '"' && s[i+2] != ' ' && s[i+2] != ',' { // a line that was a value of CSV
		if end := strings.Index(s[i+2:], `""`); end >= 0 {
			return s[i+2 : i+2+end], i + end + 4
		}
	}
	if i < len(s) && (s[i] == '"' || s[i] == '\'') {
		q := s[i]
		for j := i + 1; j < len(s); j++ {
			switch {
			case s[j] == '\\' && j+1 < len(s) && (s[j+1] == q || s[j+1] == '\\'):
				j++
			case s[j] == q:
				return s[i+1 : j], j + 1
			}
		}
		return s[i+1:], len(s)
	}
	j := i
	for j < len(s) && s[j] != ' ' && s[j] != '\t' && s[j] != ';' && (s[j] != ',' || !keyAt(s, j+1)) {
		j++
	}
	return strings.TrimSuffix(s[i:j], ","), j
}

// keyAt says whether a key and = stand at i.
func keyAt(s string, i int) bool {
	j := i
	for j < len(s) && j < i+40 && isKey(s[j]) {
		j++
	}
	return j > i && j < len(s) && s[j] == '='
}

// Parse implements Parser.
func (p *kvParser) Parse(raw []byte, e *schema.Event) error {
	s := schema.View(bytes.TrimSpace(raw))
	if s == "" {
		return ErrSkip
	}
	p.begin()
	n := 0
	eachPair(s, func(key, value string, at int) {
		if n == 0 && at > 0 {
			p.header(s[:at], e)
		}
		n++
		p.put(e, key, value)
	})
	if n == 0 {
		return errors.New("the line has no key=value pair")
	}
	p.settleTime(e)
	p.marks.product(e)
	settleFlow(e)
	if !e.Has(schema.FMessage) {
		e.SetStr(schema.FMessage, s)
	}
	generic(e, "generic.kv")
	return nil
}

// begin forgets the record before.
func (p *kvParser) begin() { p.clock, p.marks = kvClock{}, kvMarks{} }

// header reads what a syslog server put before the pairs.
func (p *kvParser) header(s string, e *schema.Event) {
	p.syslog.priority(s, e)
	s = strings.TrimLeft(skipPRI(s), " ")
	micro, rest, ok := p.syslog.stamp(s)
	if !ok {
		return
	}
	setTime(e, schema.FTimestamp, micro, s)
	host, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	e.SetStr(schema.FHostName, strings.TrimSuffix(host, ":"))
}

func (p *kvParser) put(e *schema.Event, key, value string) {
	if value == "" || value == "N/A" {
		return
	}
	if strings.IndexByte(value, '\\') >= 0 && strings.Contains(value, `\"`) {
		value = unquote(e, value)
	}
	to, ok := p.table[key]
	switch {
	case !ok:
		e.AddExtra(p.names.name(append([]byte("labels."), key...)), value)
	case to.skip:
	case to.set != nil:
		to.set(e, value)
	default:
		e.Set(to.field, value)
	}
}

// unquote takes the backslashes before quotes away.
func unquote(e *schema.Event, v string) string {
	out := e.Buffer(len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) && v[i+1] == '"' {
			continue
		}
		out = append(out, v[i])
	}
	return e.Commit(out)
}

// settleTime joins date, time and zone, where no whole time came.
func (p *kvParser) settleTime(e *schema.Event) {
	c := p.clock
	if e.Has(schema.FTimestamp) && c.date == "" || c.time == "" && c.date == "" {
		return
	}
	zone := p.zone
	if off, ok := zoneOffset(c.tz); ok {
		zone = time.FixedZone(c.tz, off)
	}
	text := c.time
	if c.date != "" {
		text = c.date
		if c.time != "" && len(c.date) == 10 {
			text = c.date + " " + c.time
		}
	}
	if micro, ok := parseTime(text, zone); ok && !e.Has(schema.FTimestamp) {
		setTime(e, schema.FTimestamp, micro, e.Copy([]byte(text)))
	}
}

// zoneOffset reads "+0100" or "+01:00" as seconds.
func zoneOffset(s string) (int, bool) {
	s = strings.ReplaceAll(s, ":", "")
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, ok1 := digits(s[1:3])
	m, ok2 := digits(s[3:])
	off := h*3600 + m*60
	if s[0] == '-' {
		off = -off
	}
	return off, ok1 && ok2
}
