package parser

import (
	"bytes"
	"maps"
	"path"
	"strings"
	"time"

	"vigil/schema"
)

// zeekKind is what a Zeek log is in ECS, and how its own columns map.
type zeekKind struct {
	category, etype, protocol string
	fields                    table
}

// zeekCommon maps the columns that most logs share.
func zeekCommon() table {
	return table{
		"ts": by(timeField(schema.FTimestamp, time.UTC)), "uid": field(schema.FEventID), "_write_ts": skipped, "_path": skipped, "_system_name": skipped, "_node": skipped,
		"id.orig_h": field(schema.FSourceIP), "id.orig_p": field(schema.FSourcePort), "id.resp_h": field(schema.FDestinationIP), "id.resp_p": field(schema.FDestinationPort),
		"proto": field(schema.FNetworkTransport), "community_id": field(schema.FNetworkCommunityID), "user": field(schema.FUserName), "username": field(schema.FUserName),
	}
}

func zeekKinds() map[string]zeekKind {
	f := field
	return map[string]zeekKind{
		"conn": {"network", "connection", "", table{
			"service": f(schema.FNetworkProtocol), "duration": by(zeekDuration), "orig_bytes": f(schema.FSourceBytes), "resp_bytes": f(schema.FDestinationBytes),
			"orig_pkts": f(schema.FSourcePackets), "resp_pkts": f(schema.FDestinationPackets), "conn_state": by(zeekState), "vlan": f(schema.FNetworkVlanID),
			"local_orig": by(zeekExtra("zeek.local_orig")), "local_resp": by(zeekExtra("zeek.local_resp")), "missed_bytes": skipped, "orig_l2_addr": f(schema.FSourceMac), "resp_l2_addr": f(schema.FDestinationMac)}},
		"dns": {"network", "protocol", "dns", table{
			"trans_id": f(schema.FDnsID), "query": f(schema.FDnsQuestionName), "qtype_name": f(schema.FDnsQuestionType), "qclass_name": f(schema.FDnsQuestionClass),
			"rcode_name": f(schema.FDnsResponseCode), "answers": {list: true, set: zeekAnswer}, "qclass": skipped, "qtype": skipped, "rcode": skipped}},
		"http": {"web", "access", "http", table{
			"method": f(schema.FHttpRequestMethod), "host": f(schema.FUrlDomain), "uri": by(setURLOriginal), "referrer": f(schema.FHttpRequestReferrer), "version": f(schema.FHttpVersion),
			"user_agent": f(schema.FUserAgentOriginal), "request_body_len": f(schema.FHttpRequestBodyBytes), "response_body_len": f(schema.FHttpResponseBodyBytes),
			"status_code": f(schema.FHttpResponseStatusCode), "resp_mime_types": {list: true, field: schema.FHttpResponseMimeType}, "orig_mime_types": {list: true, field: schema.FHttpRequestMimeType}}},
		"ssl": {"network", "protocol", "tls", table{
			"version": f(schema.FTlsVersion), "cipher": f(schema.FTlsCipher), "curve": f(schema.FTlsCurve), "server_name": f(schema.FTlsClientServerName), "resumed": f(schema.FTlsResumed),
			"established": f(schema.FTlsEstablished), "next_protocol": f(schema.FTlsNextProtocol), "subject": f(schema.FTlsServerSubject), "issuer": f(schema.FTlsServerIssuer),
			"ja3": f(schema.FTlsClientJa3), "ja3s": f(schema.FTlsServerJa3s), "validation_status": f(schema.FEventReason)}},
		"x509": {"network", "info", "tls", table{
			"certificate.serial": f(schema.FX509SerialNumber), "certificate.subject": f(schema.FX509SubjectCommonName), "certificate.issuer": f(schema.FX509IssuerCommonName),
			"certificate.not_valid_before": by(timeField(schema.FX509NotBefore, time.UTC)), "certificate.not_valid_after": by(timeField(schema.FX509NotAfter, time.UTC))}},
		"ssh": {"network", "protocol", "ssh", table{"auth_success": by(zeekOutcome), "client": f(schema.FUserAgentOriginal), "direction": by(zeekDirection)}},
		"ftp": {"network", "access", "ftp", table{"command": f(schema.FEventAction), "mime_type": f(schema.FFileMimeType), "file_size": f(schema.FFileSize), "reply_code": f(schema.FEventCode)}},
		"files": {"file", "info", "", table{
			"source": f(schema.FNetworkProtocol), "mime_type": f(schema.FFileMimeType), "filename": f(schema.FFilePath), "total_bytes": f(schema.FFileSize), "md5": f(schema.FFileHashMd5), "sha1": f(schema.FFileHashSha1),
			"sha256": f(schema.FFileHashSha256), "tx_hosts": {list: true, field: schema.FSourceIP}, "rx_hosts": {list: true, field: schema.FDestinationIP}}},
		"smtp":          {"email", "info", "smtp", table{"mailfrom": f(schema.FEmailFromAddress), "rcptto": f(schema.FEmailToAddress), "subject": f(schema.FEmailSubject), "msg_id": f(schema.FEmailMessageID), "user_agent": f(schema.FUserAgentOriginal), "helo": f(schema.FSourceDomain)}},
		"rdp":           {"network", "protocol", "rdp", table{"cookie": f(schema.FUserName), "result": f(schema.FEventReason)}},
		"kerberos":      {"authentication", "start", "kerberos", table{"client": f(schema.FUserName), "service": f(schema.FServiceName), "success": by(zeekOutcome), "error_msg": f(schema.FErrorMessage), "request_type": f(schema.FEventAction)}},
		"ntlm":          {"authentication", "start", "ntlm", table{"hostname": f(schema.FSourceDomain), "domainname": f(schema.FUserDomain), "success": by(zeekOutcome)}},
		"smb_files":     {"file", "access", "smb", table{"action": f(schema.FEventAction), "path": f(schema.FFileDirectory), "name": f(schema.FFilePath), "size": f(schema.FFileSize)}},
		"smb_mapping":   {"file", "access", "smb", table{"path": f(schema.FFilePath)}},
		"dce_rpc":       {"network", "protocol", "dce_rpc", table{"endpoint": f(schema.FServiceName), "operation": f(schema.FEventAction), "named_pipe": f(schema.FPipeName)}},
		"notice":        {"intrusion_detection", "info", "", table{"note": f(schema.FRuleName), "msg": f(schema.FMessage), "src": f(schema.FSourceIP), "dst": f(schema.FDestinationIP), "p": f(schema.FDestinationPort), "fuid": skipped}},
		"weird":         {"network", "info", "", table{"name": f(schema.FRuleName), "peer": f(schema.FObserverName)}},
		"dhcp":          {"network", "protocol", "dhcp", table{"client_addr": f(schema.FSourceIP), "server_addr": f(schema.FDestinationIP), "mac": f(schema.FSourceMac), "host_name": f(schema.FHostName), "assigned_addr": f(schema.FHostIP)}},
		"syslog":        {"host", "info", "syslog", table{"facility": f(schema.FLogSyslogFacilityName), "severity": f(schema.FLogSyslogSeverityName), "message": f(schema.FMessage)}},
		"software":      {"package", "info", "", table{"host": f(schema.FHostIP), "name": f(schema.FServiceName), "unparsed_version": f(schema.FUserAgentOriginal)}},
		"packet_filter": {"configuration", "info", "", nil}, "loaded_scripts": {"configuration", "info", "", nil}, "capture_loss": {"host", "info", "", nil}, "stats": {"host", "info", "", nil},
		"reporter": {"host", "info", "", table{"message": f(schema.FMessage), "level": f(schema.FLogLevel)}}, "arp": {"network", "info", "", nil}, "dpd": {"network", "info", "", nil}, "analyzer": {"network", "info", "", nil},
		"snmp": {"network", "protocol", "snmp", nil}, "tunnel": {"network", "connection", "", table{"action": f(schema.FEventAction)}}, "mysql": {"database", "access", "mysql", nil},
		"modbus": {"network", "protocol", "modbus", nil}, "ntp": {"network", "protocol", "ntp", nil}, "pe": {"file", "info", "", nil}, "ocsp": {"network", "protocol", "ocsp", nil}, "sip": {"network", "protocol", "sip", nil},
		"known_hosts": {"host", "info", "", table{"host": f(schema.FHostIP)}}, "known_services": {"host", "info", "", table{"host": f(schema.FHostIP), "port_num": f(schema.FDestinationPort), "port_proto": f(schema.FNetworkTransport)}},
		"known_certs": {"host", "info", "", table{"host": f(schema.FHostIP), "port_num": f(schema.FDestinationPort), "subject": f(schema.FX509SubjectCommonName), "issuer_subject": f(schema.FX509IssuerCommonName), "serial": f(schema.FX509SerialNumber)}},
	}
}

func zeekExtra(name string) setter {
	return func(e *schema.Event, v string) { e.AddExtra(name, zeekBool(v)) }
}

// zeekBool writes T and F as JSON does, so that both layouts give equal events.
func zeekBool(v string) string {
	switch v {
	case "T":
		return "true"
	case "F":
		return "false"
	}
	return v
}

func zeekDuration(e *schema.Event, v string) {
	if micro, ok := epochTime(v); ok {
		e.SetInt(schema.FEventDuration, micro*1000)
	}
}

func zeekState(e *schema.Event, v string) {
	e.SetStr(schema.FEventAction, v)
	switch v {
	case "REJ", "S0", "RSTOS0", "RSTRH", "SH", "SHR":
		e.SetStr(schema.FEventOutcome, "failure")
	case "SF", "S1", "S2", "S3":
		e.SetStr(schema.FEventOutcome, "success")
	}
}

func zeekOutcome(e *schema.Event, v string) {
	if zeekBool(v) == "true" {
		e.SetStr(schema.FEventOutcome, "success")
	} else {
		e.SetStr(schema.FEventOutcome, "failure")
	}
}

func zeekDirection(e *schema.Event, v string) {
	e.SetStr(schema.FNetworkDirection, strings.ToLower(v))
}

func zeekAnswer(e *schema.Event, v string) {
	e.Add(schema.FDnsAnswersData, v)
	if looksLikeIP(v) {
		e.Add(schema.FDnsResolvedIP, v)
	}
}

// looksLikeIP is cheap: digits and dots, or hex with colons.
func looksLikeIP(v string) bool {
	dots, colons := 0, 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '.':
			dots++
		case c == ':':
			colons++
		case c >= '0' && c <= '9':
		case (c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') && (colons > 0 || len(v) > 4 && strings.IndexByte(v, ':') >= 0):
		default:
			return false
		}
	}
	return dots == 3 && colons == 0 || colons > 1
}

func setURLOriginal(e *schema.Event, v string) {
	e.SetStr(schema.FUrlOriginal, v)
	p, q, _ := strings.Cut(v, "?")
	e.SetStr(schema.FUrlPath, p)
	e.SetStr(schema.FUrlQuery, q)
}

// zeekFinish sets what every Zeek event has.
func zeekFinish(e *schema.Event, dataset string, k *zeekKind) {
	setAll(e, pair{schema.FEventModule, "zeek"}, pair{schema.FEventKind, "event"}, pair{schema.FEventDataset, dataset}, pair{schema.FObserverType, "sensor"})
	if k != nil {
		e.Add(schema.FEventCategory, k.category)
		e.Add(schema.FEventType, k.etype)
		if k.protocol != "" {
			e.SetStr(schema.FNetworkProtocol, k.protocol)
		}
	}
	if e.Has(schema.FSourceIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FSourceIP))
	}
	if e.Has(schema.FDestinationIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FDestinationIP))
	}
}

// zeekPlan is the ready mapping of one kind.
type zeekPlan struct {
	dataset string
	kind    *zeekKind
	tree    *node
	table   table
	prefix  string
}

// zeekPlans makes plans when a kind is first seen. Kinds are names from the input:
// their number is bounded.
type zeekPlans struct {
	kinds map[string]zeekKind
	made  map[string]*zeekPlan
}

func newZeekPlans() *zeekPlans { return &zeekPlans{kinds: zeekKinds(), made: map[string]*zeekPlan{}} }

func (z *zeekPlans) plan(kind string) *zeekPlan {
	if p, ok := z.made[kind]; ok {
		return p
	}
	if len(z.made) > 500 || !zeekName(kind) {
		kind = "unknown"
		if p, ok := z.made[kind]; ok {
			return p
		}
	}
	kind = strings.Clone(kind)
	t := zeekCommon()
	p := &zeekPlan{dataset: "zeek." + kind, prefix: "zeek." + kind, table: t}
	if k, ok := z.kinds[strings.TrimPrefix(kind, "open_")]; ok {
		p.kind = &k
		maps.Copy(t, k.fields)
	}
	p.tree = t.tree()
	z.made[kind] = p
	return p
}

func zeekName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '_' && c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) < 64
}

// kindOfObject takes the kind from a file name: "logs/conn.log.gz" is conn.
func kindOfObject(object string) string {
	if i := strings.LastIndexByte(object, '!'); i >= 0 {
		object = object[i+1:]
	}
	name := strings.ToLower(path.Base(strings.ReplaceAll(object, `\`, "/")))
	name = strings.TrimPrefix(name, "original")
	name = strings.TrimPrefix(name, "zeek-")
	name, _, _ = strings.Cut(name, ".")
	return name
}

// zeekJSON reads Zeek's JSON lines.
type zeekJSON struct {
	w      walker
	plans  *zeekPlans
	object string
}

func newZeekJSON(o Options) Parser {
	return &zeekJSON{plans: newZeekPlans(), object: kindOfObject(o.Object)}
}

func detectZeekJSON(sample []byte, object string) (int, string) {
	if !startsObject(sample) {
		return 0, ""
	}
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	switch {
	case bytes.Contains(line, []byte(`"_path"`)) && bytes.Contains(line, []byte(`"ts"`)):
		return 90, "JSON with _path and ts"
	case bytes.Contains(line, []byte(`"ts"`)) && (bytes.Contains(line, []byte(`"uid"`)) || bytes.Contains(line, []byte(`"id.orig_h"`))):
		return 85, "JSON with ts and uid"
	case bytes.Contains(line, []byte(`"_path"`)) && bytes.Contains(line, []byte(`"_write_ts"`)):
		return 90, "JSON with _path and _write_ts"
	}
	if _, ok := zeekKinds()[kindOfObject(object)]; ok && (bytes.Contains(line, []byte(`"ts"`)) || bytes.Contains(line, []byte(`"fingerprint"`))) {
		return 80, "JSON in a file named like a Zeek log"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *zeekJSON) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	plan := p.plans.plan(p.kind(raw))
	p.w.root, p.w.prefix = plan.tree, plan.prefix
	if err := p.w.walk(raw, e); err != nil {
		return err
	}
	zeekFinish(e, plan.dataset, plan.kind)
	return nil
}

// kind is the record's _path, else the object's name, else a guess by its keys.
func (p *zeekJSON) kind(raw []byte) string {
	if _, after, ok := bytes.Cut(raw, []byte(`"_path"`)); ok {
		rest := bytes.TrimLeft(after, " :\t")
		if len(rest) > 1 && rest[0] == '"' {
			if j := bytes.IndexByte(rest[1:], '"'); j > 0 {
				return schema.View(rest[1 : j+1])
			}
		}
	}
	if _, ok := p.plans.kinds[strings.TrimPrefix(p.object, "open_")]; ok {
		return p.object
	}
	switch {
	case bytes.Contains(raw, []byte(`"conn_state"`)):
		return "conn"
	case bytes.Contains(raw, []byte(`"qtype`)):
		return "dns"
	case bytes.Contains(raw, []byte(`"status_code"`)), bytes.Contains(raw, []byte(`"trans_depth"`)):
		return "http"
	case bytes.Contains(raw, []byte(`"cipher"`)):
		return "ssl"
	}
	return p.object
}

// zeekTSV reads Zeek's tab-separated logs by their own header.
type zeekTSV struct {
	plans   *zeekPlans
	object  string
	sep     byte
	set     string
	unset   string
	empty   string
	plan    *zeekPlan
	columns []zeekColumn
	names   interner
}

// zeekColumn is one column of the header.
type zeekColumn struct {
	to    *target
	extra string
	list  bool
	bool  bool
}

func newZeekTSV(o Options) Parser {
	return &zeekTSV{plans: newZeekPlans(), object: kindOfObject(o.Object), sep: '\t', set: ",", unset: "-", empty: "(empty)"}
}

func detectZeekTSV(sample []byte, _ string) (int, string) {
	if bytes.HasPrefix(sample, []byte("#separator")) || bytes.HasPrefix(sample, []byte("#fields\t")) || bytes.Contains(sample, []byte("\n#fields\t")) {
		return 98, "Zeek's #fields header"
	}
	return 0, ""
}
