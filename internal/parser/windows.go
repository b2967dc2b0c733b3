package parser

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"vigil/schema"
)

// windowsParser reads Windows events as JSON, in the layouts that forwarders write.
// All three meet in one key tree, because their keys do not clash.
type windowsParser struct {
	w     walker
	zone  *time.Location
	flat  *node
	acct  account // of the event's subject, filled while walking
	names map[string]string
	kinds map[string]map[string]kind
	name  []byte // of an extra, while it is made
	inner string // the event as XML that Azure Diagnostics wraps
}

func newWindows(o Options) Parser {
	p := &windowsParser{zone: o.zone(), names: map[string]string{}, kinds: windowsKinds.of(time.UTC, func(*time.Location) map[string]map[string]kind {
		return kindsOf(document("windows").Kinds)
	})}
	p.flat = p.table().tree()
	p.w = walker{root: p.flat, prefix: "winlog.event_data"}
	p.w.rename = p.rename
	return p
}

func detectWindows(sample []byte, _ string) (int, string) {
	switch {
	case !startsObject(sample):
		return 0, ""
	case bytes.Contains(sample, []byte(`"System"`)) && bytes.Contains(sample, []byte(`"EventID"`)) && bytes.Contains(sample, []byte(`"Event"`)):
		return 95, "JSON with Event.System.EventID"
	case hasKeys(sample, "RawXml", "ProviderGuid", "Channel"):
		return 95, "JSON of Azure Diagnostics with the event as RawXml"
	case bytes.Contains(sample, []byte(`"EventID"`)) && (bytes.Contains(sample, []byte(`"Channel"`)) || bytes.Contains(sample, []byte(`"SourceName"`))):
		return 95, "JSON with EventID and Channel"
	case bytes.Contains(sample, []byte(`"log_name"`)) && bytes.Contains(sample, []byte(`"event_id"`)) || bytes.Contains(sample, []byte(`"@metadata":{"beat":"winlogbeat"`)):
		return 95, "Winlogbeat 6 JSON"
	case bytes.Contains(sample, []byte(`"winlog"`)) && bytes.Contains(sample, []byte(`"event_data"`)):
		return 95, "JSON with winlog.event_data"
	}
	return 0, ""
}

func startsObject(sample []byte) bool {
	s := bytes.TrimLeft(sample, " \t\r\n\xef\xbb\xbf")
	return len(s) > 0 && s[0] == '{'
}

// nestings are what the nested layouts put before a data name.
var nestings = []string{"Event.EventData.", "winlog.event_data.", "winlog.user_data.", "EventData.", "event_data.", "user_data."}

// rename names an extra winlog.event_data.NAME in every layout: what the layout puts
// before the data name goes, and so do the name of the one element in UserData and
// what stands for attributes and text.
func (p *windowsParser) rename(path []byte) []byte {
	const want, user = "winlog.event_data.", "Event.UserData."
	rest := path[len(want):]
	if tail, ok := bytes.CutPrefix(rest, []byte(user)); ok {
		if _, after, ok0 := bytes.Cut(tail, []byte{'.'}); ok0 {
			rest = after
		}
	}
	for _, nested := range nestings {
		if tail, ok := bytes.CutPrefix(rest, []byte(nested)); ok {
			rest = tail
			break
		}
	}
	p.name = append(p.name[:0], want...)
	for len(rest) > 0 {
		part, tail, _ := bytes.Cut(rest, []byte("."))
		rest = tail
		if len(part) > 0 && part[0] == '#' && (string(part) == "#attributes" || string(part) == "#text") {
			continue
		}
		p.name = append(append(p.name, part...), '.')
	}
	return bytes.TrimSuffix(p.name, []byte("."))
}

// account collects the halves of the acting user, which come in any order.
type account struct {
	name, domain, sid, logon string
	audit                    audit
}

// audit is what the record says of the success of an audited act.
type audit uint8

const (
	unaudited audit = iota
	auditSuccess
	auditFailure
)

// Parse implements Parser.
func (p *windowsParser) Parse(raw []byte, e *schema.Event) error {
	if (len(raw) == 0 || raw[0] != '{') && len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	p.acct, p.inner = account{}, ""
	if err := p.w.walk(raw, e); err != nil {
		return err
	}
	if p.inner != "" {
		return (&windowsXML{windowsParser: p}).Parse([]byte(p.inner), e)
	}
	p.finish(e)
	return nil
}

// table maps the keys of all layouts.
func (p *windowsParser) table() table {
	t := table{}
	m := mapperOf("windows", Options{Zone: p.zone}, p.holds())
	t = m.section(m.section(t, m.Section), m.Tables["data"])
	p.ecs(t)
	return t
}

// ecs adds the names that Winlogbeat fills by itself since it speaks ECS.
func (p *windowsParser) ecs(t table) {
	for _, d := range schema.Fields() {
		group, _, nested := strings.Cut(d.Name, ".")
		if _, ok := t[d.Name]; ok || !nested || d.Kind == schema.Date || group == "event" {
			continue
		}
		t[d.Name] = field(d.ID)
	}
	for _, name := range []string{"agent.*", "ecs.*", "event.kind", "event.module", "event.provider", "event.created", "event.dataset", "event.original", "event.ingested"} {
		t[name] = skipped
	}
}

// holds are the values that finish puts together.
func (p *windowsParser) holds() holds {
	return holds{
		"keywords": p.keywords, "keyword_name": p.keywordName, "event_type": p.eventType, "user": p.user, "weak_name": p.nameWeak, "weak_domain": p.domainWeak, "weak_sid": p.sid,
		"name":   func(_ *schema.Event, v string) { p.acct.name = dash(v) },
		"domain": func(_ *schema.Event, v string) { p.acct.domain = dash(v) },
		"sid":    func(_ *schema.Event, v string) { p.acct.sid = dash(v) },
		"logon":  func(_ *schema.Event, v string) { p.acct.logon = v },
		"xml":    func(_ *schema.Event, v string) { p.inner = v },
	}
}

// utcTime reads Sysmon's clock, which is better than that of the log.
func utcTime(e *schema.Event, v string) {
	if micro, ok := isoTime(v, time.UTC); ok {
		setTime(e, schema.FTimestamp, micro, v)
	}
}

// keywords reads the bit mask of a record; audit failure is bit 52, success bit 53.
// Where the type says it in words, the words count: forwarders round large numbers.
func (p *windowsParser) keywords(_ *schema.Event, v string) {
	n, err := strconv.ParseUint(v, 0, 64)
	if err != nil {
		signed, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return
		}
		n = uint64(signed)
	}
	switch {
	case p.acct.audit != unaudited:
	case n>>52&1 == 1:
		p.acct.audit = auditFailure
	case n>>53&1 == 1:
		p.acct.audit = auditSuccess
	}
}

func (p *windowsParser) keywordName(_ *schema.Event, v string) {
	switch v {
	case "Audit Failure":
		p.acct.audit = auditFailure
	case "Audit Success":
		p.acct.audit = auditSuccess
	}
}

// eventType reads NXLog's word for the type of a record.
func (p *windowsParser) eventType(_ *schema.Event, v string) {
	switch v {
	case "AUDIT_FAILURE":
		p.acct.audit = auditFailure
	case "AUDIT_SUCCESS":
		p.acct.audit = auditSuccess
	}
}

func (p *windowsParser) sid(_ *schema.Event, v string) {
	if p.acct.sid == "" {
		p.acct.sid = v
	}
}

func (p *windowsParser) nameWeak(_ *schema.Event, v string) {
	if p.acct.name == "" {
		p.acct.name = v
	}
}

func (p *windowsParser) domainWeak(_ *schema.Event, v string) {
	if p.acct.domain == "" {
		p.acct.domain = v
	}
}

// user splits DOMAIN\name; it is the strongest word on who acted.
func (p *windowsParser) user(_ *schema.Event, v string) {
	if v == "-" {
		return
	}
	if d, n, ok := strings.Cut(v, `\`); ok {
		p.acct.domain, p.acct.name = d, n
		return
	}
	p.acct.name = v
}

func dash(v string) string {
	if v == "-" {
		return ""
	}
	return v
}

func setImage(e *schema.Event, v string) {
	if v == "-" || e.Has(schema.FProcessExecutable) {
		return
	}
	e.SetStr(schema.FProcessExecutable, v)
	e.SetStr(schema.FProcessName, base(v))
}

func setParent(e *schema.Event, v string) {
	if v == "-" {
		return
	}
	e.SetStr(schema.FProcessParentExecutable, v)
	e.SetStr(schema.FProcessParentName, base(v))
}

func setFile(e *schema.Event, v string) {
	e.SetStr(schema.FFilePath, v)
	name := base(v)
	e.SetStr(schema.FFileName, name)
	e.SetStr(schema.FFileExtension, extension(name))
}

func setDLL(e *schema.Event, v string) {
	e.SetStr(schema.FDllPath, v)
	e.SetStr(schema.FDllName, base(v))
}

func setRegistry(e *schema.Event, v string) {
	e.SetStr(schema.FRegistryPath, v)
	if i := strings.LastIndexByte(v, '\\'); i > 0 {
		e.SetStr(schema.FRegistryKey, v[:i])
		e.SetStr(schema.FRegistryValue, v[i+1:])
	}
	if i := strings.IndexByte(v, '\\'); i > 0 {
		e.SetStr(schema.FRegistryHive, v[:i])
	}
}

// setHashes reads "SHA1=…,MD5=…,SHA256=…,IMPHASH=…".
func setHashes(e *schema.Event, v string) {
	for v != "" {
		var one string
		one, v, _ = strings.Cut(v, ",")
		kind, sum, ok := strings.Cut(one, "=")
		if !ok {
			continue
		}
		switch kind {
		case "MD5":
			e.SetStr(schema.FProcessHashMd5, sum)
		case "SHA1":
			e.SetStr(schema.FProcessHashSha1, sum)
		case "SHA256":
			e.SetStr(schema.FProcessHashSha256, sum)
		case "IMPHASH":
			e.SetStr(schema.FProcessPeImphash, sum)
		}
	}
}
