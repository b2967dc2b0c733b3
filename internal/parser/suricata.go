package parser

import (
	"bytes"

	"vigil/schema"
)

type suricataParser struct{ w walker }

func newSuricata(o Options) Parser {
	f := field
	t := table{
		"timestamp": by(timeField(schema.FTimestamp, o.zone())), "flow_id": f(schema.FSessionID), "pcap_cnt": skipped, "event_type": by(suricataType), "in_iface": f(schema.FObserverIngressInterfaceName),
		"src_ip": f(schema.FSourceIP), "src_port": f(schema.FSourcePort), "dest_ip": f(schema.FDestinationIP), "dest_port": f(schema.FDestinationPort), "vlan": {list: true, field: schema.FNetworkVlanID},
		"proto": by(func(e *schema.Event, v string) { e.SetStr(schema.FNetworkTransport, lowerASCII(e, v)) }), "app_proto": by(func(e *schema.Event, v string) {
			if v != "failed" {
				e.SetStr(schema.FNetworkProtocol, v)
			}
		}), "community_id": f(schema.FNetworkCommunityID), "host": f(schema.FObserverName), "tx_id": skipped,
		"alert.action": f(schema.FEventAction), "alert.signature_id": by(func(e *schema.Event, v string) { e.SetStr(schema.FRuleID, v); e.SetStr(schema.FEventCode, v) }),
		"alert.signature": f(schema.FRuleName), "alert.category": f(schema.FRuleCategory), "alert.severity": f(schema.FEventSeverity), "alert.gid": skipped, "alert.rev": skipped,
		"dns.rrname": f(schema.FDnsQuestionName), "dns.rrtype": f(schema.FDnsQuestionType), "dns.rcode": f(schema.FDnsResponseCode), "dns.id": f(schema.FDnsID), "dns.rdata": by(zeekAnswer),
		"http.hostname": f(schema.FUrlDomain), "http.url": by(setURLOriginal), "http.http_user_agent": f(schema.FUserAgentOriginal), "http.http_method": f(schema.FHttpRequestMethod), "http.http_refer": f(schema.FHttpRequestReferrer),
		"http.status": f(schema.FHttpResponseStatusCode), "http.length": f(schema.FHttpResponseBodyBytes), "http.http_content_type": f(schema.FHttpResponseMimeType), "http.protocol": f(schema.FHttpVersion), "http.http_port": f(schema.FUrlPort),
		"tls.subject": f(schema.FTlsServerSubject), "tls.issuerdn": f(schema.FTlsServerIssuer), "tls.sni": f(schema.FTlsClientServerName), "tls.version": f(schema.FTlsVersion), "tls.fingerprint": f(schema.FTlsServerHashSha1), "tls.serial": f(schema.FX509SerialNumber),
		"tls.ja3.hash": f(schema.FTlsClientJa3), "tls.ja3s.hash": f(schema.FTlsServerJa3s), "tls.notbefore": by(timeField(schema.FX509NotBefore, o.zone())), "tls.notafter": by(timeField(schema.FX509NotAfter, o.zone())),
		"fileinfo.filename": f(schema.FFilePath), "fileinfo.size": f(schema.FFileSize), "fileinfo.md5": f(schema.FFileHashMd5), "fileinfo.sha1": f(schema.FFileHashSha1), "fileinfo.sha256": f(schema.FFileHashSha256), "fileinfo.magic": f(schema.FFileType),
		"flow.pkts_toserver": f(schema.FSourcePackets), "flow.pkts_toclient": f(schema.FDestinationPackets), "flow.bytes_toserver": f(schema.FSourceBytes), "flow.bytes_toclient": f(schema.FDestinationBytes),
		"flow.start": by(timeField(schema.FEventStart, o.zone())), "flow.end": by(timeField(schema.FEventEnd, o.zone())), "flow.reason": f(schema.FEventReason), "ssh.client.software_version": f(schema.FUserAgentOriginal),
	}
	return &suricataParser{w: walker{root: t.tree(), prefix: "suricata"}}
}

func detectSuricata(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	if startsObject(sample) && bytes.Contains(line, []byte(`"event_type"`)) && (bytes.Contains(line, []byte(`"src_ip"`)) || bytes.Contains(line, []byte(`"flow_id"`)) || bytes.Contains(line, []byte(`"stats"`))) {
		return 92, "JSON with event_type and src_ip"
	}
	return 0, ""
}

// suricataTypes maps event_type to data set, category and type.
var suricataTypes = map[string][3]string{
	"alert": {"suricata.alert", "intrusion_detection", "info"}, "flow": {"suricata.flow", "network", "connection"}, "netflow": {"suricata.netflow", "network", "connection"},
	"dns": {"suricata.dns", "network", "protocol"}, "http": {"suricata.http", "web", "access"}, "tls": {"suricata.tls", "network", "protocol"}, "ssh": {"suricata.ssh", "network", "protocol"},
	"fileinfo": {"suricata.fileinfo", "file", "info"}, "anomaly": {"suricata.anomaly", "network", "info"}, "smtp": {"suricata.smtp", "email", "info"}, "stats": {"suricata.stats", "host", "info"},
	"smb": {"suricata.smb", "network", "protocol"}, "rdp": {"suricata.rdp", "network", "protocol"}, "krb5": {"suricata.krb5", "authentication", "info"}, "dhcp": {"suricata.dhcp", "network", "protocol"},
}

func suricataType(e *schema.Event, v string) {
	t, ok := suricataTypes[v]
	if !ok {
		t = [3]string{"suricata.other", "network", "info"}
		e.AddExtra("suricata.event_type", v)
	}
	e.SetStr(schema.FEventDataset, t[0])
	e.Add(schema.FEventCategory, t[1])
	e.Add(schema.FEventType, t[2])
	if v == "alert" {
		e.SetStr(schema.FEventKind, "alert")
	} else {
		e.SetStr(schema.FEventKind, "event")
	}
	switch v {
	case "dns", "http", "tls", "ssh", "smtp", "smb", "rdp", "dhcp":
		e.SetStr(schema.FNetworkProtocol, v)
	}
}

// Parse implements Parser.
func (p *suricataParser) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	if err := p.w.walk(raw, e); err != nil {
		return err
	}
	setAll(e, pair{schema.FEventModule, "suricata"}, pair{schema.FObserverType, "ids"})
	if e.Has(schema.FSourceIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FSourceIP))
	}
	if e.Has(schema.FDestinationIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FDestinationIP))
	}
	return nil
}

// lowerASCII is v in lower case, copied only when it has to be.
func lowerASCII(e *schema.Event, v string) string {
	for i := 0; i < len(v); i++ {
		if v[i] >= 'A' && v[i] <= 'Z' {
			out := append(e.Buffer(len(v)), v...)
			for j, c := range out {
				if c >= 'A' && c <= 'Z' {
					out[j] = c + 'a' - 'A'
				}
			}
			return e.Commit(out)
		}
	}
	return v
}
