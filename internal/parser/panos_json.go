package parser

import (
	"strings"

	"vigil/schema"
)

// newPANOSJSON reads the logs of Strata Logging Service (Cortex Data Lake) as JSON: the
// columns of PAN-OS by name.
func newPANOSJSON(o Options) Parser {
	f := field
	now := by(timeField(schema.FTimestamp, o.zone()))
	t := table{
		"TimeGenerated": now, "EventTime": now, "TimeReceived": by(timeField(schema.FEventCreated, o.zone())), "LogTime": by(timeField(schema.FEventCreated, o.zone())), "SessionStartTime": by(timeField(schema.FEventStart, o.zone())),
		"LogType": f(schema.FEventProvider), "Subtype": f(schema.FEventCode), "SubType": skipped, "SequenceNo": f(schema.FEventSequence), "VendorSeverity": f(schema.FLogLevel), "EventName": first(schema.FEventAction), "EventDescription": by(panosText), "Action": f(schema.FEventAction),
		"SourceAddress": firstIP(schema.FSourceIP, schema.FSourcePort), "SourceIP": firstIP(schema.FSourceIP, schema.FSourcePort), "SourcePort": by(portUnlessZero(schema.FSourcePort)), "DestinationAddress": firstIP(schema.FDestinationIP, schema.FDestinationPort), "DestinationPort": by(portUnlessZero(schema.FDestinationPort)), "NATSource": by(notZero(schema.FSourceNatIP)),
		"SourceUser": by(plainUser), "DestinationUser": f(schema.FDestinationUserName), "Application": by(lowered(schema.FNetworkProtocol)), "Protocol": by(setProto), "Rule": f(schema.FRuleName), "RuleUUID": f(schema.FRuleID), "ThreatID": first(schema.FRuleName), "HipMatchName": first(schema.FRuleName), "ThreatCategory": f(schema.FRuleCategory), "URLCategory": first(schema.FRuleCategory),
		"InboundInterface": f(schema.FObserverIngressInterfaceName), "SessionID": f(schema.FSessionID), "BytesSent": f(schema.FSourceBytes), "BytesReceived": f(schema.FDestinationBytes), "Bytes": f(schema.FNetworkBytes), "PacketsSent": f(schema.FSourcePackets), "PacketsReceived": f(schema.FDestinationPackets), "PacketsTotal": f(schema.FNetworkPackets), "SessionEndReason": f(schema.FEventReason),
		"URL": by(hostAndPath), "UserAgent": f(schema.FUserAgentOriginal), "HTTPMethod": f(schema.FHttpRequestMethod), "FileName": by(setFileName), "FileHash": by(setFileHash), "FileType": f(schema.FFileType),
		"EndpointDeviceName": f(schema.FHostName), "SourceDeviceHost": first(schema.FHostName), "EndpointOSType": f(schema.FHostOsName), "HostID": f(schema.FHostID), "SourceDeviceMac": f(schema.FSourceMac), "LogSourceName": f(schema.FObserverName), "DeviceName": f(schema.FObserverName),
	}
	return newMapped("paloalto", "paloalto.panos", t, func(e *schema.Event) {
		e.SetStr(schema.FObserverType, "firewall")
		if !e.Has(schema.FHostName) && !e.Has(schema.FSourceIP) || e.Str(schema.FEventProvider) == "SYSTEM" {
			e.SetStr(schema.FHostName, e.Str(schema.FObserverName)) // the firewall speaks of itself
		}
		panosKind(e.Str(schema.FEventProvider), e.Str(schema.FEventCode), e)
		if action := e.Str(schema.FEventAction); !e.Has(schema.FEventOutcome) && strings.HasSuffix(action, "-failed") {
			e.SetStr(schema.FEventOutcome, "failure")
		}
		if e.Str(schema.FEventProvider) != "SYSTEM" {
			deviceOutcome(e)
		}
	})
}

// portUnlessZero sets a port; zero stands for none.
func portUnlessZero(f schema.FieldID) setter {
	return func(e *schema.Event, v string) { setPort(e, f, v) }
}

// hostAndPath takes a URL that is written without its scheme.
func hostAndPath(e *schema.Event, v string) {
	if strings.Contains(v, "://") {
		webAddress(e, v)
		return
	}
	e.SetStr(schema.FUrlOriginal, v)
	host, path := v, ""
	if i := strings.IndexAny(v, "/?"); i >= 0 {
		host, path = v[:i], v[i:]
	}
	host, port := hostPort(host)
	e.SetStr(schema.FUrlDomain, host)
	setPort(e, schema.FUrlPort, port)
	path, query, _ := strings.Cut(path, "?")
	e.SetStr(schema.FUrlPath, path)
	e.SetStr(schema.FUrlQuery, query)
}

func detectPANOSJSON(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "LogType", "Subtype", "ConfigVersion") {
		return 95, "JSON with LogType, Subtype and ConfigVersion"
	}
	return 0, ""
}
