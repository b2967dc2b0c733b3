package parser

import "vigil/schema"

// newGuardDuty reads findings of AWS GuardDuty, as its API or an EventBridge event has
// them.
func newGuardDuty(o Options) Parser {
	f := field
	t := table{}
	for key, to := range map[string]target{
		"Type": f(schema.FRuleName), "Title": f(schema.FMessage), "Description": f(schema.FEventReason), "Id": f(schema.FEventID), "AccountId": f(schema.FCloudAccountID), "Region": f(schema.FCloudRegion), "UpdatedAt": by(timeField(schema.FTimestamp, o.zone())), "CreatedAt": by(timeField(schema.FEventCreated, o.zone())), "Severity": f(schema.FEventSeverity), "SchemaVersion": skipped,
		"Resource.InstanceDetails.InstanceId": f(schema.FCloudInstanceID), "Resource.AccessKeyDetails.UserName": f(schema.FUserName), "Resource.AccessKeyDetails.PrincipalId": f(schema.FUserID), "Service.EventFirstSeen": by(timeField(schema.FEventStart, o.zone())), "Service.EventLastSeen": by(timeField(schema.FEventEnd, o.zone())), "Service.Action.ActionType": f(schema.FEventAction),
		"Service.Action.NetworkConnectionAction.RemoteIpDetails.IpAddressV4": f(schema.FDestinationIP), "Service.Action.NetworkConnectionAction.RemotePortDetails.Port": f(schema.FDestinationPort), "Service.Action.NetworkConnectionAction.LocalIpDetails.IpAddressV4": f(schema.FSourceIP), "Service.Action.NetworkConnectionAction.LocalPortDetails.Port": f(schema.FSourcePort), "Service.Action.NetworkConnectionAction.Protocol": by(setProto), "Service.Action.NetworkConnectionAction.ConnectionDirection": by(setDirection),
		"Service.Action.AwsApiCallAction.RemoteIpDetails.IpAddressV4": f(schema.FSourceIP), "Service.Action.AwsApiCallAction.Api": f(schema.FEventAction), "Service.Action.DnsRequestAction.Domain": f(schema.FDnsQuestionName), "Service.Action.KubernetesApiCallAction.RemoteIpDetails.IpAddressV4": f(schema.FSourceIP),
	} {
		t[key] = to
		t["detail."+lowerPath(key)] = to
		t[lowerPath(key)] = to
	}
	return newMapped("aws", "aws.guardduty", t, func(e *schema.Event) {
		setAll(e, pair{schema.FEventKind, "alert"}, pair{schema.FCloudProvider, "aws"}, pair{schema.FCloudServiceName, "guardduty"})
		e.Add(schema.FEventCategory, "intrusion_detection")
	})
}

// lowerPath writes each part of a path with a small first letter, as EventBridge does.
func lowerPath(path string) string {
	b := []byte(path)
	for i := range b {
		if (i == 0 || b[i-1] == '.') && b[i] >= 'A' && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

func detectGuardDuty(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "SchemaVersion", "AccountId", "Service", "Resource") || hasKeys(sample, "schemaVersion", "accountId", "service", "type") && (hasKeys(sample, "resource") || hasKeys(sample, "detectorId")) {
		return 92, "JSON with schemaVersion, accountId, service and resource"
	}
	return 0, ""
}
