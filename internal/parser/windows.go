package parser

import (
	"bytes"
	"maps"
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
	name  []byte // of an extra, while it is made
	inner string // the event as XML that Azure Diagnostics wraps
}

func newWindows(o Options) Parser {
	p := &windowsParser{zone: o.zone(), names: map[string]string{}}
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
	maps.Copy(t, p.system())
	for key, to := range p.data() {
		for _, prefix := range []string{"", "Event.EventData.", "Event.UserData.*.", "winlog.event_data.", "event_data."} {
			t[prefix+key] = to
		}
	}
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

// system maps what describes the record itself.
func (p *windowsParser) system() table {
	now := by(timeField(schema.FTimestamp, p.zone))
	later := by(func(e *schema.Event, v string) { // weaker clocks: only where no better one was seen
		if !e.Has(schema.FTimestamp) {
			timeField(schema.FTimestamp, p.zone)(e, v)
		}
	})
	id := by(func(e *schema.Event, v string) {
		e.Set(schema.FWinlogEventID, v)
		e.SetStr(schema.FEventCode, v)
	})
	return table{
		"@timestamp": later, "TimeCreated": now, "EventTime": later, "EventReceivedTime": skipped, "@version": skipped,
		"UtcTime": by(func(e *schema.Event, v string) { utcTime(e, v) }), "Event.EventData.UtcTime": by(func(e *schema.Event, v string) { utcTime(e, v) }),
		"winlog.event_data.UtcTime": by(func(e *schema.Event, v string) { utcTime(e, v) }),
		"EventID":                   id, "Event.System.EventID": id, "Event.System.EventID.#text": id, "winlog.event_id": id, "event.code": id,
		"event_id": id, "log_name": field(schema.FWinlogChannel), "computer_name": by(setComputer), "source_name": field(schema.FWinlogProviderName), "record_number": field(schema.FWinlogRecordID),
		"@metadata": skipped, "beat": skipped, "host.name": field(schema.FHostName), "level": field(schema.FLogLevel), "opcode": field(schema.FWinlogOpcode), "task": field(schema.FWinlogTask), "keywords": field(schema.FWinlogKeywords),
		"process_id": field(schema.FWinlogProcessPid), "thread_id": field(schema.FWinlogProcessThreadID), "provider_guid": skipped, "version": skipped, "activity_id": skipped,
		"Channel": field(schema.FWinlogChannel), "Event.System.Channel": field(schema.FWinlogChannel), "winlog.channel": field(schema.FWinlogChannel),
		"Hostname": field(schema.FHostName), "Event.System.Computer": field(schema.FHostName), "winlog.computer_name": by(setComputer), "Computer": field(schema.FHostName),
		"SourceName": field(schema.FWinlogProviderName), "Event.System.Provider.#attributes.Name": field(schema.FWinlogProviderName), "winlog.provider_name": field(schema.FWinlogProviderName),
		"Event.System.Provider.#attributes.Guid": skipped, "ProviderGuid": skipped, "Event.#attributes.xmlns": skipped, "Event.#attributes": skipped,
		"RecordNumber": field(schema.FWinlogRecordID), "Event.System.EventRecordID": field(schema.FWinlogRecordID), "winlog.record_id": field(schema.FWinlogRecordID),
		"Event.System.TimeCreated.#attributes.SystemTime": now,
		"Event.System.Execution.#attributes.ProcessID":    field(schema.FWinlogProcessPid), "Event.System.Execution.#attributes.ThreadID": field(schema.FWinlogProcessThreadID),
		"ExecutionProcessID": field(schema.FWinlogProcessPid), "ThreadID": field(schema.FWinlogProcessThreadID),
		"Event.System.Version": skipped, "Event.System.Level": field(schema.FLogLevel), "Event.System.Task": field(schema.FWinlogTask), "Event.System.Opcode": field(schema.FWinlogOpcode),
		"Event.System.Keywords": by(p.keywords), "Event.System.EventID.#attributes": skipped, "Event.System.Provider.#attributes.EventSourceName": skipped,
		"Event.EventData.#attributes.xmlns": skipped, "Event.UserData.*.#attributes.xmlns": skipped, "Event.System.Correlation.#attributes.ActivityID": by(func(e *schema.Event, v string) { e.AddExtra("winlog.activity_id", v) }),
		"Event.System.Correlation.#attributes.RelatedActivityID": by(func(e *schema.Event, v string) { e.AddExtra("winlog.related_activity_id", v) }), "Event.RenderingInfo.Message": field(schema.FMessage), "Event.RenderingInfo.*": skipped,
		"Event.UserData.EventXML.Address": by(setSource), "Event.System.Security.#attributes.UserID": by(p.sid),
		"Severity": field(schema.FLogLevel), "SeverityValue": skipped, "Level": skipped, "Task": field(schema.FWinlogTask), "Category": field(schema.FWinlogTask), "winlog.task": field(schema.FWinlogTask),
		"EventType": by(p.eventType), "Opcode": field(schema.FWinlogOpcode), "OpcodeValue": skipped, "Keywords": by(p.keywords), "Version": skipped, "winlog.opcode": field(schema.FWinlogOpcode), "winlog.keywords": target{list: true, set: p.keywordName},
		"SourceModuleName": skipped, "SourceModuleType": skipped, "host": field(schema.FObserverName), "port": skipped, "tags": field(schema.FTags), "type": skipped,
		"Message": field(schema.FMessage), "message": field(schema.FMessage), "EventTypeOrignal": skipped,
		"properties.RawXml": by(func(_ *schema.Event, v string) { p.inner = v }), "properties.*": skipped, "resourceId": field(schema.FCloudInstanceID), "time": later, "category": skipped,
		"AccountName": by(p.nameWeak), "AccountType": skipped, "Domain": by(p.domainWeak), "UserID": by(p.sid),
	}
}

// setComputer takes the full name of the computer; what the shipper calls the host goes
// first as the name of the host.
func setComputer(e *schema.Event, v string) {
	e.SetStr(schema.FWinlogComputerName, v)
	if !e.Has(schema.FHostName) {
		e.SetStr(schema.FHostName, v)
	}
}

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

func (p *windowsParser) keywordName(e *schema.Event, v string) {
	e.Add(schema.FWinlogKeywords, v)
	switch v {
	case "Audit Failure":
		p.acct.audit = auditFailure
	case "Audit Success":
		p.acct.audit = auditSuccess
	}
}

// eventType reads NXLog's word for the type of a record.
func (p *windowsParser) eventType(e *schema.Event, v string) {
	switch v {
	case "AUDIT_FAILURE":
		p.acct.audit = auditFailure
	case "AUDIT_SUCCESS":
		p.acct.audit = auditSuccess
	}
	e.AddExtra("winlog.event_data.EventType", v)
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

// data maps the event data of Sysmon, Security, PowerShell and System events.
func (p *windowsParser) data() table {
	f := field
	return table{
		"Image": by(setImage), "NewProcessName": by(setImage), "ProcessName": by(setImage), "Application": by(setImage), "SourceImage": by(setImage),
		"CommandLine": f(schema.FProcessCommandLine), "ProcessCommandLine": f(schema.FProcessCommandLine),
		"ProcessId": by(setPID), "NewProcessId": by(setPID), "ProcessID": by(setPID), "SourceProcessId": by(setPID),
		"ProcessGuid": f(schema.FProcessEntityID), "SourceProcessGUID": f(schema.FProcessEntityID), "SourceProcessGuid": f(schema.FProcessEntityID),
		"CurrentDirectory": f(schema.FProcessWorkingDirectory), "IntegrityLevel": f(schema.FProcessIntegrityLevel),
		"OriginalFileName": dashed(schema.FProcessPeOriginalFileName), "Company": dashed(schema.FProcessPeCompany), "Product": dashed(schema.FProcessPeProduct),
		"Description": dashed(schema.FProcessPeDescription), "FileVersion": dashed(schema.FProcessPeFileVersion),
		"Hashes": by(setHashes), "Hash": by(setHashes),
		"ParentImage": by(setParent), "ParentProcessName": by(setParent), "ParentCommandLine": f(schema.FProcessParentCommandLine),
		"ParentProcessId": f(schema.FProcessParentPid), "ParentProcessGuid": f(schema.FProcessParentEntityID), "ParentUser": f(schema.FProcessParentUserName),
		"TargetImage": f(schema.FProcessTargetExecutable), "TargetProcessId": f(schema.FProcessTargetPid), "TargetProcessGUID": f(schema.FProcessTargetEntityID), "TargetProcessGuid": f(schema.FProcessTargetEntityID),
		"User": by(p.user), "SourceUser": by(p.user),
		"SubjectUserName": by(func(_ *schema.Event, v string) { p.acct.name = dash(v) }), "SubjectDomainName": by(func(_ *schema.Event, v string) { p.acct.domain = dash(v) }),
		"SubjectUserSid": by(func(_ *schema.Event, v string) { p.acct.sid = dash(v) }), "SubjectLogonId": by(func(_ *schema.Event, v string) { p.acct.logon = v }),
		"TargetUserName": f(schema.FUserTargetName), "TargetDomainName": f(schema.FUserTargetDomain), "TargetUserSid": f(schema.FUserTargetID), "TargetSid": f(schema.FUserTargetID),
		"LogonType": f(schema.FWinlogLogonType), "LogonId": f(schema.FWinlogLogonID), "TargetLogonId": f(schema.FWinlogLogonID),
		"IpAddress": by(setSource), "SourceIp": by(setSource), "SourceAddress": by(setSource), "ClientAddress": by(setSource),
		"IpPort": dashed(schema.FSourcePort), "SourcePort": dashed(schema.FSourcePort), "SourceHostname": dashed(schema.FSourceDomain), "WorkstationName": dashed(schema.FSourceDomain),
		"DestinationIp": f(schema.FDestinationIP), "DestAddress": f(schema.FDestinationIP), "DestinationPort": dashed(schema.FDestinationPort), "DestPort": dashed(schema.FDestinationPort),
		"DestinationHostname": dashed(schema.FDestinationDomain), "Protocol": by(setTransport), "Initiated": by(setInitiated),
		"SourceIsIpv6": skipped, "DestinationIsIpv6": skipped, "SourcePortName": skipped, "DestinationPortName": dashed(schema.FNetworkProtocol),
		"TargetFilename": by(setFile), "ObjectName": f(schema.FFilePath), "Signed": f(schema.FFileCodeSignatureSigned), "Signature": dashed(schema.FFileCodeSignatureSubjectName),
		"SignatureStatus": dashed(schema.FFileCodeSignatureStatus), "ImageLoaded": by(setDLL),
		"TargetObject": by(setRegistry), "Details": f(schema.FRegistryDataStrings),
		"QueryName": f(schema.FDnsQuestionName), "QueryStatus": f(schema.FDnsResponseCode), "PipeName": f(schema.FPipeName),
		"RemoteName": by(keeping("RemoteName", webAddress)), "url": by(keeping("url", webAddress)), "Requester": by(keeping("Requester", p.user)), "ServiceName": f(schema.FServiceName), "RuleName": dashed(schema.FRuleName), "Status": dashed(schema.FErrorCode),
	}
}

// keeping sets what a value means and keeps the data name too, because rules ask for it.
func keeping(name string, set setter) setter {
	full := "winlog.event_data." + name
	return func(e *schema.Event, v string) {
		set(e, v)
		e.AddExtra(full, v)
	}
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

func setPID(e *schema.Event, v string) {
	if !e.Has(schema.FProcessPid) {
		e.Set(schema.FProcessPid, v)
	}
}

func setParent(e *schema.Event, v string) {
	if v == "-" {
		return
	}
	e.SetStr(schema.FProcessParentExecutable, v)
	e.SetStr(schema.FProcessParentName, base(v))
}

func setSource(e *schema.Event, v string) {
	if v != "-" && v != "LOCAL" {
		e.Set(schema.FSourceIP, v)
	}
}

func setTransport(e *schema.Event, v string) {
	switch v {
	case "6":
		v = "tcp"
	case "17":
		v = "udp"
	case "1":
		v = "icmp"
	}
	e.SetStr(schema.FNetworkTransport, v)
}

func setInitiated(e *schema.Event, v string) {
	if v == "true" {
		e.SetStr(schema.FNetworkDirection, "outbound")
	} else {
		e.SetStr(schema.FNetworkDirection, "inbound")
	}
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
