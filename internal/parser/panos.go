package parser

import (
	"bytes"
	"errors"
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
	return &panosParser{kv: kv, zone: o, rows: panosRows(mapperOf("panos", o, nil))}
}

// panosRows are the columns of each type that have a field. Types of sessions have those
// of sessions besides.
func panosRows(m *mapper) map[string]map[int]target {
	out := map[string]map[int]target{}
	for kind, s := range m.Kinds {
		t := table{}
		if panosSession(kind) {
			t = m.named("session")
		}
		out[kind] = map[int]target{}
		for place, to := range m.section(t, s) {
			i, ok := digits(place)
			if !ok {
				panic("parser: the mapping panos has a column " + place)
			}
			out[kind][i] = to
		}
	}
	return out
}

// panosSession says whether logs of the type are about sessions.
func panosSession(kind string) bool {
	return kind == "TRAFFIC" || kind == "THREAT" || kind == "DECRYPTION"
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
