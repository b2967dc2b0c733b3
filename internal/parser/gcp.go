package parser

import (
	"strings"

	"vigil/schema"
)

// newGCP reads Google Cloud log entries: audit logs, VPC flows and load balancer requests.
func newGCP(o Options) Parser {
	f := field
	now := by(timeField(schema.FTimestamp, o.zone()))
	t := table{
		"timestamp": now, "receiveTimestamp": skipped, "insertId": f(schema.FEventID), "severity": f(schema.FLogLevel), "logName": f(schema.FEventProvider),
		"protoPayload.methodName": f(schema.FEventAction), "protoPayload.serviceName": f(schema.FCloudServiceName), "protoPayload.authenticationInfo.principalEmail": by(mailbox(true)), "protoPayload.requestMetadata.callerIp": firstIP(schema.FSourceIP, schema.FSourcePort), "protoPayload.requestMetadata.callerSuppliedUserAgent": f(schema.FUserAgentOriginal),
		"protoPayload.status.code": f(schema.FErrorCode), "protoPayload.status.message": f(schema.FErrorMessage), "protoPayload.@type": skipped, "resource.labels.project_id": f(schema.FCloudAccountID), "resource.labels.location": f(schema.FCloudRegion), "resource.labels.zone": first(schema.FCloudRegion), "resource.labels.instance_id": f(schema.FCloudInstanceID),
		"jsonPayload.connection.src_ip": f(schema.FSourceIP), "jsonPayload.connection.src_port": f(schema.FSourcePort), "jsonPayload.connection.dest_ip": f(schema.FDestinationIP), "jsonPayload.connection.dest_port": f(schema.FDestinationPort), "jsonPayload.connection.protocol": by(setProto), "jsonPayload.enforcedSecurityPolicy.name": f(schema.FRuleName), "jsonPayload.enforcedSecurityPolicy.configuredAction": f(schema.FEventAction), "jsonPayload.enforcedSecurityPolicy.outcome": by(setOutcome), "jsonPayload.bytes_sent": f(schema.FSourceBytes), "jsonPayload.packets_sent": f(schema.FSourcePackets), "jsonPayload.start_time": by(timeField(schema.FEventStart, o.zone())), "jsonPayload.end_time": by(timeField(schema.FEventEnd, o.zone())),
		"httpRequest.remoteIp": firstIP(schema.FSourceIP, schema.FSourcePort), "httpRequest.serverIp": firstIP(schema.FDestinationIP, schema.FDestinationPort), "httpRequest.requestMethod": f(schema.FHttpRequestMethod), "httpRequest.requestUrl": by(webAddress), "httpRequest.status": f(schema.FHttpResponseStatusCode), "httpRequest.userAgent": f(schema.FUserAgentOriginal), "httpRequest.referer": f(schema.FHttpRequestReferrer), "httpRequest.requestSize": f(schema.FSourceBytes), "httpRequest.responseSize": f(schema.FDestinationBytes),
	}
	return newMapped("gcp", "gcp.audit", t, func(e *schema.Event) {
		e.SetStr(schema.FCloudProvider, "gcp")
		switch {
		case e.Has(schema.FEventAction) && !e.Has(schema.FHttpRequestMethod):
			e.Add(schema.FEventCategory, "configuration")
			outcome := "success"
			if c := e.Str(schema.FErrorCode); c != "" && c != "0" {
				outcome = "failure"
			}
			e.SetStr(schema.FEventOutcome, outcome)
			if strings.Contains(strings.ToLower(e.Str(schema.FEventAction)), "iam") {
				e.Add(schema.FEventCategory, "iam")
			}
		case e.Has(schema.FHttpRequestMethod):
			e.Add(schema.FEventCategory, "web")
			e.SetStr(schema.FEventDataset, "gcp.loadbalancer")
		case e.Has(schema.FDestinationIP):
			e.Add(schema.FEventCategory, "network")
			e.SetStr(schema.FEventDataset, "gcp.vpcflow")
		}
	})
}

func detectGCP(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "insertId", "logName") && (hasKeys(sample, "protoPayload") || hasKeys(sample, "resource")) {
		return 95, "JSON with insertId, logName and resource"
	}
	return 0, ""
}
