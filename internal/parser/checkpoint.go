package parser

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"vigil/schema"
)

// checkpointParser reads what Check Point's Log Exporter writes beside CEF and LEEF: in
// the syslog layout [action:"Drop"; src:"192.0.2.1"; …], and in the Splunk layout
// time=…|product=…|action=…, each with or without a syslog header.
type checkpointParser struct {
	kv     *kvParser
	table  table
	names  interner
	reader syslogHead
}

func newCheckPoint(o Options) Parser {
	kv, _ := newKV(o).(*kvParser)
	return &checkpointParser{kv: kv, table: mapperOf("checkpoint", o, nil).table(), reader: newSyslogHead(o)}
}

// checkpointStart is where the values begin, and how they are apart: ; or |.
func checkpointStart(s string) (at int, sep byte) {
	if i := strings.Index(s[:min(len(s), 512)], `[action:"`); i >= 0 {
		return i + 1, ';'
	}
	if i := strings.Index(s[:min(len(s), 512)], `[flags:"`); i >= 0 && strings.Contains(s, `; loguid:"`) {
		return i + 1, ';'
	}
	if i := strings.Index(s[:min(len(s), 512)], "time="); i >= 0 && strings.Contains(s, "|product=") && (strings.Contains(s, "|origin=") || strings.Contains(s, "|loguid=")) {
		return i, '|'
	}
	if isCheckPointExport(s) {
		return 0, '"'
	}
	return -1, 0
}

// checkpointExport are the columns of an exported log, each in quotes.
var checkpointExport = []string{"", "", "", "ifname", "hostname", "type", "action", "service", "s_port", "src", "dst", "proto", "rule", "rule_name", "policy_name", "user", "message", "product"}

// isCheckPointExport says whether a line is of such an export: "21" "10Dec2019" "23:44:49" …
func isCheckPointExport(s string) bool {
	word := strings.SplitN(s[:min(len(s), 64)], `" "`, 4)
	if len(word) < 4 || word[0] == "" || word[0][0] != '"' || len(word[1]) != 9 || len(word[2]) != 8 {
		return false
	}
	_, err := time.Parse("2Jan2006 15:04:05", word[1]+" "+word[2])
	return err == nil
}

// exported reads the quoted columns.
func (p *checkpointParser) exported(s string, e *schema.Event) {
	word := strings.Split(strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`), `" "`)
	if t, err := time.ParseInLocation("2Jan2006 15:04:05", word[1]+" "+word[2], p.reader.zone); err == nil {
		setTime(e, schema.FTimestamp, t.UnixMicro(), word[1])
	}
	for i, v := range word[:min(len(word), len(checkpointExport))] {
		p.put(checkpointExport[i], v, e)
	}
}

func detectCheckPoint(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	switch _, sep := checkpointStart(schema.View(line)); sep {
	case ';':
		return 94, `[action:"…"; …] as Check Point's Log Exporter writes it`
	case '"':
		return 90, "quoted columns with number, date and time as Check Point exports them"
	case '|':
		return 94, "time=…|product=… as Check Point's Log Exporter writes it for Splunk"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *checkpointParser) Parse(raw []byte, e *schema.Event) error {
	s := schema.View(bytes.TrimSpace(raw))
	if s == "" {
		return ErrSkip
	}
	at, sep := checkpointStart(s)
	if at < 0 {
		return errors.New(`the line has neither [action:"… nor time=…|product=…`)
	}
	if head := strings.TrimRight(s[:at], "[ "); head != "" {
		p.header(head, e)
	}
	switch sep {
	case ';':
		p.quoted(s[at:], e)
	case '|':
		p.piped(s[at:], e)
	default:
		p.exported(s, e)
	}
	setAll(e, pair{schema.FEventModule, "checkpoint"}, pair{schema.FEventDataset, "checkpoint.firewall"}, pair{schema.FEventKind, "event"})
	if len(e.List(schema.FEventCategory)) == 0 && e.Str(schema.FLogLevel) != "" && e.Has(schema.FRuleName) && e.Has(schema.FSourceIP) {
		e.Add(schema.FEventCategory, "intrusion_detection")
	}
	deviceOutcome(e)
	settleFlow(e)
	return nil
}

// header reads "<134>1 2021-03-04T05:06:07Z gw-1 CheckPoint 123 - " and shorter ones.
func (p *checkpointParser) header(s string, e *schema.Event) {
	p.kv.syslog.priority(s, e)
	s = strings.TrimPrefix(strings.TrimLeft(skipPRI(s), " "), "1 ")
	micro, rest, ok := p.reader.stamp(s)
	if !ok {
		return
	}
	setTime(e, schema.FTimestamp, micro, s[:len(s)-len(rest)])
	host, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	e.SetStr(schema.FHostName, dash(host))
}

// quoted reads name:"value"; pairs, in whose values \" and \] stand for the character.
func (p *checkpointParser) quoted(s string, e *schema.Event) {
	for {
		name, rest, ok := strings.Cut(s, `:"`)
		if !ok {
			return
		}
		end := closingQuote(rest)
		if end < 0 {
			end = len(rest)
		}
		p.put(strings.Trim(name, " ;:"), unescape(rest[:end], e), e)
		if end+1 >= len(rest) {
			return
		}
		s = rest[end+1:]
	}
}

// piped reads name=value| pairs.
func (p *checkpointParser) piped(s string, e *schema.Event) {
	for part := range strings.SplitSeq(s, "|") {
		if name, v, ok := strings.Cut(part, "="); ok {
			p.put(strings.TrimSpace(name), v, e)
		}
	}
}

func (p *checkpointParser) put(name, v string, e *schema.Event) {
	if v == "" || name == "" {
		return
	}
	to, ok := p.table[name]
	switch {
	case ok && to.set != nil:
		to.set(e, v)
	case ok:
		e.Set(to.field, v)
	default:
		e.AddExtra(p.names.name(append([]byte("checkpoint."), name...)), v)
	}
}
