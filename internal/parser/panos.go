package parser

import (
	"bytes"
	"errors"
	"maps"
	"strconv"
	"strings"

	"vigil/schema"
)

// panosParser reads the logs of PAN-OS firewalls and Prisma Access: comma-separated
// values whose order hangs on the type in the fourth.
type panosParser struct {
	kv    *kvParser
	zone  Options
	rows  map[string]map[int]target
	names interner
	row   []string
}

func newPANOS(o Options) Parser {
	kv, _ := newKV(o).(*kvParser)
	return &panosParser{kv: kv, zone: o, rows: panosRows(o)}
}

// panosRows are the columns of each type that have a field.
func panosRows(o Options) map[string]map[int]target {
	f := field
	session := func(more map[int]target) map[int]target {
		t := map[int]target{
			7: firstIP(schema.FSourceIP, schema.FSourcePort), 8: firstIP(schema.FDestinationIP, schema.FDestinationPort), 9: by(notZero(schema.FSourceNatIP)), 11: f(schema.FRuleName), 12: by(accountName), 13: by(func(e *schema.Event, v string) { e.SetStr(schema.FUserTargetName, base(v)) }), 14: by(lowered(schema.FNetworkProtocol)),
			18: f(schema.FObserverIngressInterfaceName), 22: f(schema.FSessionID), 24: f(schema.FSourcePort), 25: f(schema.FDestinationPort), 29: by(setProto), 30: f(schema.FEventAction),
		}
		maps.Copy(t, more)
		return t
	}
	return map[string]map[int]target{
		"TRAFFIC":    session(map[int]target{32: f(schema.FSourceBytes), 33: f(schema.FDestinationBytes), 35: by(timeField(schema.FEventStart, o.zone())), 37: f(schema.FRuleCategory), 44: f(schema.FSourcePackets), 45: f(schema.FDestinationPackets), 46: f(schema.FEventReason), 52: f(schema.FObserverName)}),
		"THREAT":     session(map[int]target{31: by(panosMisc), 32: f(schema.FEventReason), 33: f(schema.FRuleCategory), 34: f(schema.FLogLevel), 43: by(setFileHash), 46: f(schema.FUserAgentOriginal), 49: f(schema.FHttpRequestReferrer), 50: f(schema.FEmailFromAddress), 51: f(schema.FEmailSubject), 52: f(schema.FEmailToAddress), 59: f(schema.FObserverName)}),
		"DECRYPTION": session(nil),
		"SYSTEM":     {8: f(schema.FEventAction), 12: f(schema.FEventProvider), 13: f(schema.FLogLevel), 14: by(panosText), 22: f(schema.FObserverName)},
		"CONFIG":     {7: firstIP(schema.FSourceIP, schema.FSourcePort), 9: f(schema.FEventAction), 10: by(accountName), 12: by(weakOutcome), 13: f(schema.FMessage)},
		"USERID":     {8: firstIP(schema.FSourceIP, schema.FSourcePort), 9: by(accountName), 25: f(schema.FObserverName)},
		"GLOBALPROTECT": {8: f(schema.FEventAction), 12: by(accountName), 13: by(func(e *schema.Event, v string) {
			if len(v) == 2 {
				e.SetStr(schema.FSourceGeoCountryIsoCode, v)
			}
		}), 14: f(schema.FHostName), 15: by(notZero(schema.FSourceIP)), 22: f(schema.FHostOsName), 25: f(schema.FEventReason), 28: by(setOutcome), 33: f(schema.FObserverName)},
	}
}

// notZero sets an address unless it stands for none.
func notZero(f schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if looksLikeIP(v) && v != "0.0.0.0" && v != "::" {
			e.Set(f, v)
		}
	}
}

// panosMisc is a URL in url logs, a file name in the others.
func panosMisc(e *schema.Event, v string) {
	if strings.ContainsAny(v, "/") {
		hostAndPath(e, v)
		return
	}
	setFileName(e, v)
}

// panosText is the sentence of a system log; it often names user and address.
func panosText(e *schema.Event, v string) {
	e.SetStr(schema.FMessage, v)
	if _, after, ok := strings.Cut(v, "user '"); ok {
		user, _, _ := strings.Cut(after, "'")
		accountName(e, user)
	}
	if _, after, ok := strings.Cut(v, "From: "); ok {
		if ip := strings.TrimRight(after, ". "); looksLikeIP(ip) {
			e.Set(schema.FSourceIP, ip)
		}
	}
	switch {
	case strings.HasPrefix(v, "authenticated "):
		e.SetStr(schema.FEventOutcome, "success")
	case strings.HasPrefix(v, "failed authentication"):
		e.SetStr(schema.FEventOutcome, "failure")
	}
}

// panosStart is where the values begin, behind a syslog header.
func panosStart(line []byte) (at int, kind string) {
	for from := 0; from < min(len(line), 200); {
		i := bytes.Index(line[from:], []byte("1,"))
		if i < 0 {
			return -1, ""
		}
		at = from + i
		from = at + 2
		if at > 0 && line[at-1] != ' ' && line[at-1] != '\t' {
			continue
		}
		switch kind = panosType(line[at:]); kind {
		case "TRAFFIC", "THREAT", "DECRYPTION", "SYSTEM", "CONFIG", "USERID", "GLOBALPROTECT", "HIP-MATCH", "HIPMATCH", "AUTHENTICATION", "CORRELATION", "GTP", "SCTP", "IPTAG", "TUNNEL":
			return at, kind
		}
	}
	return -1, ""
}

// panosType is the fourth of at least six values.
func panosType(line []byte) string {
	for range 3 {
		i := bytes.IndexByte(line, ',')
		if i < 0 {
			return ""
		}
		line = line[i+1:]
	}
	end := bytes.IndexByte(line, ',')
	if end < 0 || bytes.IndexByte(line[end+1:], ',') < 0 {
		return ""
	}
	return schema.View(line[:end])
}

func detectPANOS(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	if at, kind := panosStart(line); at >= 0 {
		return 94, "comma-separated values with the log type " + kind
	}
	return 0, ""
}

// Parse implements Parser.
func (p *panosParser) Parse(raw []byte, e *schema.Event) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return ErrSkip
	}
	at, kind := panosStart(raw)
	if at < 0 {
		return errors.New("the line has no log type of PAN-OS in its fourth value")
	}
	if at > 0 {
		p.kv.header(schema.View(raw[:at]), e)
	}
	p.row = csvRow(schema.View(raw[at:]), e, p.row[:0])
	row := p.row
	if len(row) < 8 {
		return errors.New("the line has fewer than eight values: it is cut off")
	}
	for i, v := range row[:min(len(row), maxColumns)] {
		p.value(kind, i, v, e)
	}
	if len(row) > maxColumns {
		e.AddExtra("paloalto.surplus", schema.View(raw[at:]))
	}
	panosTime(row, p.zone, e)
	setAll(e, pair{schema.FEventModule, "paloalto"}, pair{schema.FEventDataset, "paloalto.panos"}, pair{schema.FEventKind, "event"}, pair{schema.FEventCode, row[4]}, pair{schema.FObserverType, "firewall"})
	e.AddExtra("paloalto.type", kind)
	panosKind(kind, row[4], e)
	if kind != "SYSTEM" && kind != "CONFIG" {
		deviceOutcome(e)
	}
	settleFlow(e)
	return nil
}

// panosKind says what a log type means in ECS.
func panosKind(kind, subtype string, e *schema.Event) {
	switch kind {
	case "USERID", "GLOBALPROTECT", "AUTHENTICATION":
		e.Add(schema.FEventCategory, "authentication")
		e.Add(schema.FEventType, "start")
		if kind == "USERID" && !e.Has(schema.FEventAction) {
			e.SetStr(schema.FEventAction, subtype) // login, logout
		}
	case "THREAT":
		if subtype != "url" && subtype != "data" {
			e.Add(schema.FEventCategory, "intrusion_detection")
			e.SetStr(schema.FEventKind, "alert")
		}
	}
}

func (p *panosParser) value(kind string, i int, v string, e *schema.Event) {
	if v == "" || v == "N/A" || i < 7 && i != 2 {
		return
	}
	to, ok := p.rows[kind][i]
	switch {
	case !ok && (v == "0" || v == "0.0.0.0"):
	case !ok:
		e.AddExtra(p.names.name(strconv.AppendInt([]byte("paloalto.column_"), int64(i+1), 10)), v)
	case to.set != nil:
		to.set(e, v)
	default:
		e.Set(to.field, v)
	}
}

// panosTime takes the time when the log was generated, else the one of its receipt.
func panosTime(row []string, o Options, e *schema.Event) {
	for _, i := range []int{6, 1} {
		if micro, ok := isoTime(row[i], o.zone()); ok {
			setTime(e, schema.FTimestamp, micro, row[i])
			return
		}
	}
}
