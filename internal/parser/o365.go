package parser

import (
	"bytes"
	"strings"

	"vigil/schema"
)

// newO365 reads the Office 365 management activity log (unified audit log).
func newO365(o Options) Parser {
	f := field
	property, site, person := "", "", ""
	t := table{
		"Data":         embedded(o365Alert(func(v string) { person = v }), "o365.audit.Data"),
		"CreationTime": by(timeField(schema.FTimestamp, o.zone())), "Id": f(schema.FEventID), "Operation": by(func(e *schema.Event, v string) { e.SetStr(schema.FEventAction, strings.TrimSuffix(v, ".")) }), "RecordType": f(schema.FEventCode), "Workload": f(schema.FEventProvider), "OrganizationId": f(schema.FCloudAccountID),
		"ResultStatus": by(setOutcome), "UserId": f(schema.FUserName), "UserKey": f(schema.FUserID), "ClientIP": firstIP(schema.FSourceIP, schema.FSourcePort), "ClientIPAddress": firstIP(schema.FSourceIP, schema.FSourcePort), "ActorIpAddress": firstIP(schema.FSourceIP, schema.FSourcePort), "SenderIp": firstIP(schema.FSourceIP, schema.FSourcePort),
		"UserAgent": f(schema.FUserAgentOriginal), "ClientInfoString": first(schema.FUserAgentOriginal), "LogonUserSid": f(schema.FUserID), "MailboxOwnerUPN": f(schema.FUserTargetName), "TargetUserOrGroupName": f(schema.FUserTargetName),
		"SourceFileName": f(schema.FFileName), "SourceFileExtension": f(schema.FFileExtension), "SourceRelativeUrl": f(schema.FFileDirectory), "ApplicationDisplayName": f(schema.FServiceName), "DeviceName": f(schema.FHostName), "Subject": f(schema.FEmailSubject), "P2Sender": f(schema.FEmailFromAddress), "Recipients": f(schema.FEmailToAddress), "InternetMessageId": f(schema.FEmailMessageID),
		"Severity": f(schema.FLogLevel), "Name": f(schema.FRuleName), "LogonError": f(schema.FErrorCode), "ErrorNumber": first(schema.FErrorCode), "StartTimeUtc": by(timeField(schema.FEventStart, o.zone())), "EndTimeUtc": by(timeField(schema.FEventEnd, o.zone())), "SiteUrl": by(func(_ *schema.Event, v string) { site = v }), "FileData.SHA256": f(schema.FFileHashSha256), "FileData.FileName": by(setFileName), "FileData.FileSize": f(schema.FFileSize), "FileData.MalwareFamily": first(schema.FRuleName), "DetectionMethod": f(schema.FEventReason),
		"AttachmentData": many(), "AttachmentData.SHA256": first(schema.FFileHashSha256), "AttachmentData.FileName": first(schema.FFileName), "InvestigationName": first(schema.FRuleName), "DeviceDisplayName": first(schema.FHostName),
		"ExtendedProperties": many(), "ExtendedProperties.Name": by(func(_ *schema.Event, v string) { property = v }), "ExtendedProperties.Value": by(func(e *schema.Event, v string) {
			if property == "UserAgent" {
				e.SetStr(schema.FUserAgentOriginal, v)
			}
			property = ""
		}), "Version": skipped,
		"ObjectId": by(func(e *schema.Event, v string) {
			e.AddExtra("o365.audit.ObjectId", v)
			if strings.HasPrefix(v, "https://") {
				webAddress(e, v)
			}
		}),
	}
	p := newMapped("o365", "o365.audit", t, func(e *schema.Event) {
		e.SetStr(schema.FCloudProvider, "azure")
		if person != "" { // whom an alert is about, where the log names the service that raised it
			e.SetStr(schema.FUserName, person)
		}
		if site != "" {
			webAddress(e, site)
		}
		action := e.Str(schema.FEventAction)
		switch {
		case strings.HasPrefix(action, "UserLog"):
			e.Add(schema.FEventCategory, "authentication")
			e.Add(schema.FEventType, "start")
			if action == "UserLoginFailed" {
				e.SetStr(schema.FEventOutcome, "failure")
			}
		case strings.HasPrefix(action, "File"), strings.HasPrefix(action, "Folder"):
			e.Add(schema.FEventCategory, "file")
			e.Add(schema.FEventType, "access")
		case strings.HasPrefix(action, "Add "), strings.HasPrefix(action, "Update "), strings.HasPrefix(action, "Delete "), strings.HasPrefix(action, "Remove "), strings.HasPrefix(action, "Set "), strings.HasPrefix(action, "Change "), strings.HasPrefix(action, "Reset "):
			e.Add(schema.FEventCategory, "iam")
			e.Add(schema.FEventType, "change")
		case strings.HasPrefix(action, "New-"), strings.HasPrefix(action, "Set-"), strings.HasPrefix(action, "Remove-"), strings.HasPrefix(action, "Add-"):
			e.Add(schema.FEventCategory, "configuration")
			e.Add(schema.FEventType, "change")
		}
		if name, domain, ok := strings.Cut(e.Str(schema.FUserName), "@"); ok && name != "" {
			e.SetStr(schema.FUserEmail, e.Str(schema.FUserName))
			e.SetStr(schema.FUserDomain, domain)
		}
		if !e.Has(schema.FEventOutcome) {
			e.SetStr(schema.FEventOutcome, "success") // the log has what was done
		}
	})
	p.begin = func() { property, site, person = "", "", "" }
	return p
}

// o365Alert maps the data of alerts and of automated investigations, which are JSON in
// a string. Alerts abbreviate: f3u is the user whom the alert is about, dn the device.
func o365Alert(person func(v string)) table {
	f := field
	return table{
		"f3u": by(func(_ *schema.Event, v string) { person(v) }), "ad": first(schema.FMessage), "dn": first(schema.FHostName), "drn": first(schema.FRuleName), "dpn": f(schema.FRuleRuleset), "app": f(schema.FProcessName), "ofph": by(setFile), "tdmn": f(schema.FDestinationDomain), "sip": firstIP(schema.FSourceIP, schema.FSourcePort),
		"Entities": many(), "Entities.Url": by(webAddress), "Entities.Urls": {list: true, set: webAddress}, "Entities.Files": many(), "AlertDisplayName": f(schema.FRuleName), "MachineName": first(schema.FHostName), "Severity": first(schema.FLogLevel), "Description": first(schema.FMessage),
	}
}

func detectO365(sample []byte, _ string) (int, string) {
	if bytes.Contains(sample, []byte(`"AdvancedHunting-`)) {
		return 0, "" // Defender's table of such records
	}
	if hasKeys(sample, "CreationTime", "Operation", "RecordType", "Workload") {
		return 95, "JSON with CreationTime, Operation, RecordType and Workload"
	}
	return 0, ""
}
