package parser

import (
	"strings"

	"vigil/schema"
)

// newRoute53 reads the query logs of the Route 53 resolver.
func newRoute53(o Options) Parser {
	f := field
	t := table{
		"query_timestamp": by(timeField(schema.FTimestamp, o.zone())), "account_id": f(schema.FCloudAccountID), "region": f(schema.FCloudRegion), "version": skipped, "query_name": f(schema.FDnsQuestionName), "query_type": f(schema.FDnsQuestionType), "query_class": f(schema.FDnsQuestionClass), "rcode": f(schema.FDnsResponseCode),
		"answers": many(), "answers.Rdata": by(zeekAnswer), "answers.Type": skipped, "answers.Class": skipped, "srcaddr": f(schema.FSourceIP), "srcport": f(schema.FSourcePort), "transport": by(lowered(schema.FNetworkTransport)), "srcids.instance": f(schema.FCloudInstanceID), "firewall_rule_action": f(schema.FEventAction), "firewall_rule_group_id": f(schema.FRuleRuleset),
	}
	return newMapped("aws", "aws.route53", t, func(e *schema.Event) {
		setAll(e, pair{schema.FCloudProvider, "aws"}, pair{schema.FNetworkProtocol, "dns"})
		e.Add(schema.FEventCategory, "network")
		e.Add(schema.FEventType, "protocol")
	})
}

func detectRoute53(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "query_timestamp", "query_name", "rcode") {
		return 94, "JSON with query_timestamp, query_name and rcode"
	}
	return 0, ""
}

// newAWSWAF reads the log of AWS WAF.
func newAWSWAF(o Options) Parser {
	f := field
	name := ""
	t := table{
		"timestamp": by(timeField(schema.FTimestamp, o.zone())), "formatVersion": skipped, "webaclId": f(schema.FRuleRuleset), "terminatingRuleId": f(schema.FRuleName), "terminatingRuleType": f(schema.FRuleCategory), "action": f(schema.FEventAction), "httpSourceName": f(schema.FCloudServiceName), "httpSourceId": f(schema.FServiceName),
		"httpRequest.clientIp": firstIP(schema.FSourceIP, schema.FSourcePort), "httpRequest.country": f(schema.FSourceGeoCountryIsoCode), "httpRequest.uri": f(schema.FUrlPath), "httpRequest.args": f(schema.FUrlQuery), "httpRequest.httpMethod": f(schema.FHttpRequestMethod), "httpRequest.requestId": f(schema.FEventID), "httpRequest.scheme": f(schema.FUrlScheme), "httpRequest.host": first(schema.FUrlDomain),
		"httpRequest.httpVersion": by(func(e *schema.Event, v string) { e.SetStr(schema.FHttpVersion, strings.TrimPrefix(v, "HTTP/")) }), "responseCodeSent": f(schema.FHttpResponseStatusCode), "ja3Fingerprint": f(schema.FTlsClientJa3),
		"httpRequest.headers": many(), "httpRequest.headers.name": by(func(_ *schema.Event, v string) { name = v }), "httpRequest.headers.value": by(func(e *schema.Event, v string) { wafHeader(name, v, e) }),
	}
	p := newMapped("aws", "aws.waf", t, func(e *schema.Event) {
		e.SetStr(schema.FCloudProvider, "aws")
		e.Add(schema.FEventCategory, "web")
		verdict := "allowed"
		if e.Str(schema.FEventAction) != "ALLOW" {
			verdict = "denied"
		}
		e.Add(schema.FEventType, verdict)
	})
	p.begin = func() { name = "" }
	return p
}

func wafHeader(name, v string, e *schema.Event) {
	switch strings.ToLower(name) {
	case "host":
		e.SetStr(schema.FUrlDomain, v)
	case "user-agent":
		e.SetStr(schema.FUserAgentOriginal, v)
	case "referer":
		e.SetStr(schema.FHttpRequestReferrer, v)
	}
}

func detectAWSWAF(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "webaclId", "httpRequest", "terminatingRuleId") {
		return 95, "JSON with webaclId, terminatingRuleId and httpRequest"
	}
	return 0, ""
}

// newSecurityHub reads findings in the AWS Security Finding Format.
func newSecurityHub(o Options) Parser {
	f := field
	t := table{
		"UpdatedAt": by(timeField(schema.FTimestamp, o.zone())), "CreatedAt": by(timeField(schema.FEventCreated, o.zone())), "FirstObservedAt": by(timeField(schema.FEventStart, o.zone())), "LastObservedAt": by(timeField(schema.FEventEnd, o.zone())), "Id": f(schema.FEventID), "AwsAccountId": f(schema.FCloudAccountID), "Region": f(schema.FCloudRegion), "ProductName": f(schema.FEventProvider), "GeneratorId": f(schema.FRuleID), "Title": f(schema.FRuleName), "Description": f(schema.FMessage), "Severity.Label": f(schema.FLogLevel), "SchemaVersion": skipped,
		"Types": {list: true, set: first(schema.FRuleCategory).set}, "Compliance.Status": f(schema.FEventAction), "Network.SourceIpV4": f(schema.FSourceIP), "Network.SourcePort": f(schema.FSourcePort), "Network.DestinationIpV4": f(schema.FDestinationIP), "Network.DestinationPort": f(schema.FDestinationPort), "Process.Name": f(schema.FProcessName), "Process.Path": by(setImage),
	}
	return newMapped("aws", "aws.securityhub", t, func(e *schema.Event) {
		setAll(e, pair{schema.FCloudProvider, "aws"}, pair{schema.FEventKind, "alert"})
		switch kind := e.Str(schema.FRuleCategory); {
		case strings.Contains(kind, "/Vulnerabilities"):
			e.Add(schema.FEventCategory, "vulnerability")
		case e.Has(schema.FEventAction), strings.HasPrefix(kind, "Software and Configuration Checks"):
			e.Add(schema.FEventCategory, "configuration")
		default:
			e.Add(schema.FEventCategory, "intrusion_detection")
		}
		e.Add(schema.FEventType, "info")
	})
}

func detectSecurityHub(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "AwsAccountId", "GeneratorId", "SchemaVersion", "ProductArn") {
		return 95, "JSON with AwsAccountId, GeneratorId and ProductArn"
	}
	return 0, ""
}
