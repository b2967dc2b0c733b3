package sigma

import (
	"maps"
	"strconv"
	"strings"
)

// at is one place where the value of a Sigma field may be: a field of ours without
// "e.", and the events in which it is that.
type at struct{ ref, when string }

// target is what a Sigma field means here: the value of any of its places.
type target struct {
	places []at
	// values gives the meaning of whole values, in small letters, as conditions of ours.
	values map[string]string
	// dashed fields are absent where the source writes "-".
	dashed bool
	// domain is set for DOMAIN\name that is kept in two fields; places hold the name.
	domain string
	// hashes maps "KIND=" of Sysmon's list of hashes to the field of that kind.
	hashes bool
	// extension means the file extension of the places.
	extension bool
}

// to is a target at fields, any of them.
func to(refs ...string) target {
	var t target
	for _, r := range refs {
		t.places = append(t.places, at{ref: r})
	}
	return t
}

// dashedTo is a target that the parser leaves empty when the source writes "-".
func dashedTo(ref string) target {
	t := to(ref)
	t.dashed = true
	return t
}

// taxonomy maps the field names of a log source.
type taxonomy struct {
	fields map[string]target
	open   string // namespace of names that the table does not have
	// others are more places where such a name may be.
	others func(name string) []string
	about  [][2]string
	by     []string // entities that make detections one alert
}

// find returns the target of a Sigma field name.
func (t *taxonomy) find(name string) target {
	if to, ok := t.fields[name]; ok {
		return to
	}
	own := to(t.open + "." + name)
	if t.others != nil {
		own.places = append(own.places, to(t.others(name)...).places...)
	}
	return own
}

// asLabel is the place of a name that was read as JSON of no known product.
func asLabel(name string) []string { return []string{"labels." + name} }

var (
	hostEntities    = [][2]string{{"host", "host.name"}, {"user", "user.name"}}
	processEntities = append(hostEntities[:2:2], [2]string{"process", "process.entity_id"})
	networkEntities = [][2]string{{"source.ip", "source.ip"}, {"destination.ip", "destination.ip"}}
	webEntities     = [][2]string{{"source.ip", "source.ip"}, {"url", "url.original"}}
	accountEntities = [][2]string{{"user", "user.name"}, {"source.ip", "source.ip"}, {"account", "cloud.account.id"}}
)

// Logon events are about who logs on; who asked for it is kept as event data.
const (
	logon    = "e.event.code in ['4624', '4625', '4634', '4648']"
	notLogon = "!(" + logon + ")"
)

func subject(data, ref string) target {
	return target{places: []at{{"winlog.event_data." + data, logon}, {ref, notLogon}}, dashed: true}
}

// orZero is a number in a field where 0 reads as absent: a written 0 is kept as event data.
func orZero(ref, data string) target {
	return target{places: []at{{ref: ref}}, dashed: true, values: map[string]string{"0": "e.winlog.event_data." + data + " == '0'"}}
}

// windowsFields is the inverse of what internal/parser makes of event data. What it
// does not name keeps its own name under winlog.event_data.
var windowsFields = &taxonomy{open: "winlog.event_data", about: processEntities, by: []string{"host", "user"}, fields: map[string]target{
	"EventID": to("event.code"), "Channel": to("winlog.channel"), "Provider_Name": to("winlog.provider_name"), "SourceName": to("winlog.provider_name"), "EventLog": to("winlog.channel"),
	"Computer": to("host.name"), "ComputerName": to("host.name", "winlog.event_data.ComputerName"), "Message": to("message"), "Level": to("log.level"), "Task": to("winlog.task"), "Opcode": to("winlog.opcode"),
	"Keywords": {places: []at{{ref: "winlog.keywords"}}, values: map[string]string{"0x8010000000000000": "e.event.outcome == 'failure'", "0x8020000000000000": "e.event.outcome == 'success'"}},

	"Image": to("process.executable"), "NewProcessName": to("process.executable"), "ProcessName": dashedTo("process.executable"), "Application": dashedTo("process.executable"), "SourceImage": to("process.executable"),
	"CommandLine": to("process.command_line"), "ProcessCommandLine": to("process.command_line"), "ProcessId": orZero("process.pid", "ProcessId"), "NewProcessId": to("process.pid"), "ProcessID": to("process.pid"), "SourceProcessId": to("process.pid"),
	"ProcessGuid": to("process.entity_id"), "SourceProcessGUID": to("process.entity_id"), "SourceProcessGuid": to("process.entity_id"), "CurrentDirectory": to("process.working_directory"),
	"IntegrityLevel": to("process.integrity_level", "winlog.event_data.MandatoryLabel"), "OriginalFileName": dashedTo("process.pe.original_file_name"), "Company": dashedTo("process.pe.company"),
	"Product": dashedTo("process.pe.product"), "Description": dashedTo("process.pe.description"), "FileVersion": dashedTo("process.pe.file_version"),
	"Hashes": {hashes: true}, "Hash": {hashes: true}, "Imphash": to("process.pe.imphash"), "md5": to("process.hash.md5"), "sha1": to("process.hash.sha1"), "sha256": to("process.hash.sha256"),
	"ParentImage": dashedTo("process.parent.executable"), "ParentProcessName": dashedTo("process.parent.executable"), "ParentCommandLine": to("process.parent.command_line"), "ParentProcessId": orZero("process.parent.pid", "ParentProcessId"),
	"ParentProcessGuid": to("process.parent.entity_id"), "ParentUser": to("process.parent.user.name"),
	"TargetImage": to("process.target.executable"), "TargetProcessId": to("process.target.pid"), "TargetProcessGUID": to("process.target.entity_id"), "TargetProcessGuid": to("process.target.entity_id"),

	"User": {places: []at{{ref: "user.name"}}, domain: "user.domain", dashed: true}, "SourceUser": {places: []at{{ref: "user.name"}}, domain: "user.domain", dashed: true},
	"SubjectUserName": subject("SubjectUserName", "user.name"), "SubjectDomainName": subject("SubjectDomainName", "user.domain"), "SubjectUserSid": subject("SubjectUserSid", "user.id"),
	"SubjectLogonId": subject("SubjectLogonId", "winlog.logon.id"), "AccountName": to("user.name", "winlog.event_data.AccountName"), "UserID": to("user.id"),
	"TargetUserName": to("user.target.name"), "TargetDomainName": to("user.target.domain"), "TargetUserSid": to("user.target.id"), "TargetSid": to("user.target.id"),
	"LogonType": to("winlog.logon.type"), "LogonId": to("winlog.logon.id"), "TargetLogonId": to("winlog.logon.id"),

	"IpAddress": dashedTo("source.ip"), "SourceIp": dashedTo("source.ip"), "SourceAddress": dashedTo("source.ip"), "ClientAddress": dashedTo("source.ip"), "IpPort": orZero("source.port", "IpPort"), "SourcePort": dashedTo("source.port"),
	"SourceHostname": dashedTo("source.domain"), "WorkstationName": dashedTo("source.domain"), "DestinationIp": to("destination.ip"), "DestAddress": to("destination.ip"), "DestinationPort": dashedTo("destination.port"),
	"DestPort": dashedTo("destination.port"), "DestinationHostname": dashedTo("destination.domain"), "DestinationPortName": dashedTo("network.protocol"),
	"Protocol":     {places: []at{{ref: "network.transport"}}, values: map[string]string{"6": "e.network.transport == 'tcp'", "17": "e.network.transport == 'udp'", "1": "e.network.transport == 'icmp'"}},
	"Initiated":    {places: []at{{ref: "network.direction"}}, values: map[string]string{"true": "e.network.direction == 'outbound'", "false": "e.network.direction == 'inbound'"}},
	"SourceIsIpv6": isIPv6("source.ip"), "DestinationIsIpv6": isIPv6("destination.ip"),

	"TargetFilename": to("file.path"), "ObjectName": to("file.path"), "Signature": dashedTo("file.code_signature.subject_name"), "SignatureStatus": dashedTo("file.code_signature.status"), "ImageLoaded": to("dll.path"),
	"Signed":       {places: []at{{ref: "file.code_signature.signed"}}, values: map[string]string{"true": "e.file.code_signature.signed", "false": "!e.file.code_signature.signed"}},
	"TargetObject": to("registry.path"), "Details": to("registry.data.strings"), "QueryName": to("dns.question.name"), "QueryStatus": to("dns.response_code"), "PipeName": to("pipe.name"),
	"ServiceName": to("service.name"), "RuleName": dashedTo("rule.name"), "Status": dashedTo("error.code"),
}}

// defenderFields is windowsFields for Defender, which writes blanks in its names that
// Sigma leaves out.
var defenderFields = func() *taxonomy {
	own := map[string]target{}
	for _, name := range []string{"Product Name", "Product Version", "Detection ID", "Detection User", "Detection Time", "Threat ID", "Threat Name", "Severity ID", "Severity Name", "Category ID", "Category Name",
		"Status Code", "Status Description", "Source ID", "Source Name", "Process Name", "Origin ID", "Origin Name", "Execution ID", "Execution Name", "Type ID", "Type Name", "Action ID", "Action Name",
		"Error Code", "Error Description", "New Value", "Old Value", "Feature Name", "Feature ID", "Involved File", "Target Commandline", "Parent Commandline", "Remediation User", "Pre Execution Status", "Post Clean Status"} {
		t := to("winlog.event_data."+name, "winlog.event_data."+strings.ReplaceAll(name, " ", ""))
		own[strings.ReplaceAll(name, " ", "")], own[strings.ReplaceAll(name, " ", "_")], own[name] = t, t, t
	}
	own["ProcessName"] = to("winlog.event_data.Process Name", "process.executable")
	return &taxonomy{open: windowsFields.open, about: hostEntities, by: windowsFields.by, fields: with(windowsFields.fields, own)}
}()

func isIPv6(ref string) target {
	return target{places: []at{{ref: ref}}, values: map[string]string{
		"true": "e." + ref + ".contains(':')", "false": "has(e." + ref + ") && !e." + ref + ".contains(':')"}}
}

// linuxFields maps what Sysmon for Linux, auditd and the macOS agents call processes,
// files and connections.
var linuxFields = &taxonomy{open: "labels", about: processEntities, by: []string{"host", "user"}, fields: with(windowsFields.fields, map[string]target{
	"User": to("user.name"), "LogonId": to("winlog.logon.id", "session.id"),
})}

// auditdFields: the arguments a0, a1 … of a started program are kept as a list, so a
// rule for one of them holds for any.
var auditdFields = func() *taxonomy {
	args := map[string]target{}
	for i := range 20 {
		name := "a" + strconv.Itoa(i)
		args[name] = to("process.args", "auditd."+name)
	}
	return &taxonomy{open: "auditd", others: asLabel, about: hostEntities, fields: with(args, map[string]target{
		"type": to("event.action"), "exe": to("process.executable"), "comm": to("process.name"), "pid": to("process.pid"), "proctitle": to("process.command_line"), "cwd": to("process.working_directory"), "key": to("rule.name"),
		"uid": to("user.id"), "auid": to("user.effective.id"), "name": to("file.path"), "unit": to("service.name"), "ses": to("session.id"), "hostname": to("source.domain"), "acct": to("user.name"),
	})}
}()

// textFields is for lines of text, whose rules are keywords above all.
var textFields = &taxonomy{open: "labels", about: hostEntities, fields: map[string]target{
	"USER": to("user.effective.name", "labels.USER"), "user": to("user.name"), "hostname": to("host.name"), "host": to("host.name"), "message": to("message"), "Message": to("message"),
	"src_ip": to("source.ip"), "dst_ip": to("destination.ip"), "action": to("event.action", "labels.action"), "program": to("process.name"),
}}

// jsonFields is for products that arrive as JSON without a parser of their own.
var jsonFields = &taxonomy{open: "labels", about: [][2]string{{"user", "user.name"}, {"source.ip", "source.ip"}, {"host", "host.name"}}, fields: map[string]target{
	"Operation": to("event.action"), "Workload": to("event.provider"), "UserId": to("user.name"), "user": to("user.name"), "username": to("user.name"), "message": to("message"), "msg": to("message"),
	"level": to("log.level"), "severity": to("log.level"), "hostname": to("host.name"), "ClientIP": to("source.ip", "source.address"), "client_ip": to("source.ip", "source.address"),
	"src_ip": to("source.ip"), "dst_ip": to("destination.ip"), "dst_port": to("destination.port"), "src_port": to("source.port"), "event.category": to("event.category"), "destination.port": to("destination.port"),
}}

var m365Fields = &taxonomy{open: "o365.audit", others: asLabel, about: jsonFields.about, by: []string{"user"}, fields: map[string]target{
	"Operation": to("event.action"), "Workload": to("event.provider"), "RecordType": to("event.code"), "UserId": to("user.name"), "UserKey": to("user.id"), "ClientIP": to("source.ip"), "UserAgent": to("user_agent.original"),
	"ResultStatus": to("event.outcome", "o365.audit.ResultStatus", "labels.ResultStatus"), "Severity": to("log.level"), "Name": to("rule.name"),
}}

// azureFields: rules name the columns of Azure's portal, which are properties of the
// record, in other letters.
var azureFields = &taxonomy{open: "azure.monitor", about: jsonFields.about, by: []string{"user"}, others: func(name string) []string {
	return []string{"azure.monitor.properties." + strings.ToLower(name[:min(1, len(name))]) + name[min(1, len(name)):], "labels." + name}
}, fields: map[string]target{
	"operationName": to("event.action"), "OperationName": to("event.action"), "OperationNameValue": to("event.action"), "category": to("event.provider"), "Category": to("event.provider"), "CategoryValue": to("event.provider"),
	"resultType": azureResult, "ResultType": azureResult, "resultDescription": to("event.reason"), "ResultDescription": to("event.reason"), "Resultdescription": to("event.reason"), "callerIpAddress": to("source.ip"),
	"location": to("cloud.region"), "userAgent": to("user_agent.original"), "Status": to("event.outcome", "azure.monitor.properties.status", "labels.Status"), "properties.result": to("event.outcome"), "Username": to("user.name", "user.email"),
	"ActivityDisplayName": to("message", "event.action"), "ActivityDetails": to("message", "labels.ActivityDetails"), "ResourceDisplayName": to("azure.monitor.properties.resourceDisplayName", "labels.ResourceDisplayName"),
}}

var azureResult = target{places: []at{{ref: "error.code"}, {ref: "azure.monitor.resultType"}, {ref: "labels.ResultType"}}, values: map[string]string{"0": "e.event.outcome == 'success'"}}

var oktaFields = &taxonomy{open: "okta.system", others: asLabel, about: jsonFields.about, by: []string{"user"}, fields: map[string]target{
	"eventType": to("event.action"), "displayMessage": to("message"), "severity": to("log.level"), "outcome.result": to("event.outcome", "labels.outcome.result"), "outcome.reason": to("event.reason"), "actor.alternateId": to("user.name", "user.email"),
	"client.ipAddress": to("source.ip"), "debugContext.debugData.requestUri": to("url.path"), "debugContext.debugData.url": to("url.original"), "target.alternateId": to("user.target.name"),
}}

// gcpFields: rules put "data." before the names of the record, or name the method by
// the name that another product gives it.
var gcpFields = &taxonomy{open: "gcp.audit", about: jsonFields.about, by: []string{"user"}, others: func(name string) []string {
	return []string{"gcp.audit." + strings.TrimPrefix(name, "data."), "google.workspace." + name, "labels." + name}
}, fields: map[string]target{
	"gcp.audit.method_name": to("event.action"), "data.protoPayload.methodName": to("event.action"), "protoPayload.methodName": to("event.action"), "data.protoPayload.serviceName": to("cloud.service.name"),
	"protoPayload.serviceName": to("cloud.service.name"), "data.protoPayload.logName": to("event.provider"), "eventName": to("event.action"), "eventService": to("event.provider", "cloud.service.name", "labels.eventService"),
}}

var githubFields = &taxonomy{open: "github.audit", others: asLabel, about: jsonFields.about, by: []string{"user"}, fields: map[string]target{
	"action": to("event.action"), "actor": to("user.name"), "user": to("user.target.name"), "actor_ip": to("source.ip"), "user_agent": to("user_agent.original"), "team": to("group.name"),
}}

var kubernetesFields = &taxonomy{open: "kubernetes.audit", others: asLabel, about: jsonFields.about, by: []string{"user"}, fields: map[string]target{
	"verb": to("event.action"), "user.username": to("user.name"), "userAgent": to("user_agent.original"), "requestURI": to("url.original"), "responseStatus.code": to("http.response.status_code"), "responseStatus.reason": to("error.code"),
}}

var cloudTrailFields = &taxonomy{open: "aws.cloudtrail", about: accountEntities, by: []string{"account", "user"}, fields: map[string]target{
	"eventName": to("event.action"), "eventSource": to("event.provider"), "eventID": to("event.id"), "eventType": to("event.code"), "awsRegion": to("cloud.region"),
	"recipientAccountId": to("cloud.account.id"), "userIdentity.accountId": to("cloud.account.id"), "sourceIPAddress": to("source.address"), "src_ip": to("source.address"), "userAgent": to("user_agent.original"),
	"errorCode": to("error.code"), "errorMessage": to("error.message"), "userIdentity.userName": to("user.name"), "userIdentity.arn": to("user.id"), "userIdentity.type": to("user.roles"),
	"requestParameters.userName": to("user.target.name"), "requestParameters.groupName": to("group.name"), "requestParameters.instanceId": to("cloud.instance.id"),
	"tlsDetails.tlsVersion": to("tls.version"), "tlsDetails.cipherSuite": to("tls.cipher"),
	"requestParameters": to("raw"), "responseElements": to("raw"), // whole objects: their text is in the record
}}

// webFields are the W3C names of web server and proxy logs. Rules for cs-uri-query
// mean the whole request as often as its query.
var webFields = &taxonomy{open: "labels", about: webEntities, by: []string{"source.ip"}, fields: map[string]target{
	"cs-method": to("http.request.method"), "cs-uri-query": to("url.original", "url.query"), "cs-uri-stem": to("url.path"), "cs-uri": to("url.original"), "c-uri": to("url.original", "url.full"),
	"c-uri-query": to("url.query"), "c-uri-stem": to("url.path"), "c-uri-extension": {places: []at{{ref: "url.path"}}, extension: true}, "cs-host": to("url.domain"), "cs-user-agent": to("user_agent.original"),
	"c-useragent": to("user_agent.original"), "cs-referer": dashedTo("http.request.referrer"), "cs-referrer": dashedTo("http.request.referrer"), "sc-status": to("http.response.status_code"),
	"cs-username": to("user.name"), "c-ip": to("source.ip"), "s-ip": to("destination.ip"), "dst_ip": to("destination.ip"), "src_ip": to("source.ip"), "cs-bytes": to("http.request.body.bytes"),
	"sc-bytes": to("http.response.body.bytes"), "cs-content-type": to("http.request.mime_type"), "sc-content-type": to("http.response.mime_type"), "r-dns": to("url.domain", "destination.domain"), "cs-version": to("http.version"),
}}

var networkFields = &taxonomy{open: "labels", about: networkEntities, by: []string{"source.ip"}, fields: map[string]target{
	"query": to("dns.question.name"), "record_type": to("dns.question.type"), "answer": to("dns.answers.data"), "parent_domain": to("dns.question.registered_domain"),
	"src_ip": to("source.ip"), "dst_ip": to("destination.ip"), "src_port": to("source.port"), "dst_port": to("destination.port"), "destination.port": to("destination.port"), "action": to("event.action"),
	"username": to("user.name"), "protocol": to("network.transport"),
}}

var antivirusFields = &taxonomy{open: "labels", about: hostEntities, by: []string{"host"}, fields: map[string]target{
	"Signature": to("labels.Signature", "winlog.event_data.Threat Name", "rule.name"), "Filename": to("labels.Filename", "file.path", "winlog.event_data.Path"),
}}

// zeekNames maps the columns of each Zeek log as internal/parser does.
var zeekNames = map[string]map[string]target{
	"conn": {"service": to("network.protocol"), "orig_bytes": to("source.bytes"), "resp_bytes": to("destination.bytes"), "conn_state": to("event.action"), "vlan": to("network.vlan.id")},
	"dns": {"query": to("dns.question.name"), "qtype_name": to("dns.question.type"), "qclass_name": to("dns.question.class"), "rcode_name": to("dns.response_code"),
		"answers": to("dns.answers.data"), "trans_id": to("dns.id")},
	"http": {"method": to("http.request.method"), "host": to("url.domain"), "uri": to("url.original"), "c-uri": to("url.original"), "referrer": to("http.request.referrer"), "user_agent": to("user_agent.original"),
		"c-useragent": to("user_agent.original"), "request_body_len": to("http.request.body.bytes"), "response_body_len": to("http.response.body.bytes"), "status_code": to("http.response.status_code"),
		"resp_mime_types": to("http.response.mime_type"), "orig_mime_types": to("http.request.mime_type")},
	"ssl": {"version": to("tls.version"), "cipher": to("tls.cipher"), "server_name": to("tls.client.server_name"), "subject": to("tls.server.subject"), "issuer": to("tls.server.issuer"),
		"ja3": to("tls.client.ja3"), "ja3s": to("tls.server.ja3s"), "validation_status": to("event.reason")},
	"x509":      {"certificate.serial": to("x509.serial_number"), "certificate.subject": to("x509.subject.common_name"), "certificate.issuer": to("x509.issuer.common_name")},
	"ssh":       {"client": to("user_agent.original"), "direction": to("network.direction")},
	"ftp":       {"command": to("event.action"), "mime_type": to("file.mime_type"), "file_size": to("file.size"), "reply_code": to("event.code")},
	"files":     {"source": to("network.protocol"), "mime_type": to("file.mime_type"), "filename": to("file.path"), "md5": to("file.hash.md5"), "sha1": to("file.hash.sha1"), "sha256": to("file.hash.sha256")},
	"smtp":      {"mailfrom": to("email.from.address"), "rcptto": to("email.to.address"), "subject": to("email.subject"), "helo": to("source.domain")},
	"rdp":       {"cookie": to("user.name"), "result": to("event.reason")},
	"kerberos":  {"client": to("user.name"), "service": to("service.name"), "error_msg": to("error.message"), "request_type": to("event.action")},
	"ntlm":      {"hostname": to("source.domain"), "domainname": to("user.domain")},
	"smb_files": {"action": to("event.action"), "path": to("file.directory"), "name": to("file.path"), "size": to("file.size")},
	"dce_rpc":   {"endpoint": to("service.name"), "operation": to("event.action"), "named_pipe": to("pipe.name")},
	"notice":    {"note": to("rule.name"), "msg": to("message"), "src": to("source.ip"), "dst": to("destination.ip")},
}

// zeekFields is the taxonomy of one Zeek log.
func zeekFields(log string) *taxonomy {
	log = setName(log)
	return &taxonomy{open: "zeek." + strings.ReplaceAll(log, "-", "_"), about: networkEntities, by: []string{"source.ip"}, fields: with(map[string]target{
		"id.orig_h": to("source.ip"), "id.orig_p": to("source.port"), "id.resp_h": to("destination.ip"), "id.resp_p": to("destination.port"), "proto": to("network.transport"), "uid": to("event.id"),
		"user": to("user.name"), "username": to("user.name"), "community_id": to("network.community_id"), "src_ip": to("source.ip"), "dst_ip": to("destination.ip"),
	}, zeekNames[log])}
}

func with(base, more map[string]target) map[string]target {
	out := maps.Clone(base)
	maps.Copy(out, more)
	return out
}
