package parser

import (
	"strings"

	"vigil/schema"
)

// newWorkspace reads the activity reports of Google Workspace.
func newWorkspace(o Options) Parser {
	f := field
	name := ""
	parameter := func(e *schema.Event, v string) {
		switch name {
		case "user_agent":
			e.SetStr(schema.FUserAgentOriginal, v)
		case "doc_title", "file_name", "attachment_name":
			e.SetStr(schema.FFileName, v)
		case "target_user", "USER_EMAIL", "affected_email_address":
			e.SetStr(schema.FUserTargetName, v)
		case "DEVICE_NAME":
			e.SetStr(schema.FHostName, v)
		case "DEVICE_USER":
			if v != "-" && !e.Has(schema.FUserName) {
				mailbox(false)(e, v)
			}
		case "ip_address":
			if looksLikeIP(v) && !e.Has(schema.FSourceIP) {
				e.Set(schema.FSourceIP, v)
			}
		case "DEVICE_MODEL", "DEVICE_ID":
			e.AddExtra("google.workspace.device", v)
		}
		name = ""
	}
	t := table{
		"kind": skipped, "etag": skipped, "id.time": by(timeField(schema.FTimestamp, o.zone())), "id.applicationName": f(schema.FServiceName), "id.customerId": f(schema.FCloudAccountID), "id.uniqueQualifier": f(schema.FEventID),
		"actor.email": by(mailbox(false)), "actor.profileId": f(schema.FUserID), "ipAddress": firstIP(schema.FSourceIP, schema.FSourcePort), "networkInfo.regionCode": f(schema.FSourceGeoCountryIsoCode),
		"events": many(), "events.name": first(schema.FEventAction), "events.type": first(schema.FEventProvider), "events.parameters": many(), "events.parameters.name": by(func(_ *schema.Event, v string) { name = v }), "events.parameters.value": by(parameter),
	}
	p := newMapped("google", "google.workspace", t, func(e *schema.Event) {
		action := e.Str(schema.FEventAction)
		switch {
		case strings.HasPrefix(action, "login_"), strings.HasPrefix(action, "logout"):
			e.Add(schema.FEventCategory, "authentication")
			e.Add(schema.FEventType, "start")
			e.SetStr(schema.FEventOutcome, "success")
			if strings.Contains(action, "fail") {
				e.SetStr(schema.FEventOutcome, "failure")
			}
		case strings.HasPrefix(action, "CHROME_OS_LOGIN"), strings.HasPrefix(action, "CHROME_OS_LOGOUT"), strings.Contains(action, "_LOCK_SUCCESS"), strings.Contains(action, "_UNLOCK_SUCCESS"):
			e.Add(schema.FEventCategory, "authentication")
			e.Add(schema.FEventType, "start")
			e.SetStr(schema.FEventOutcome, "success")
		default:
			e.Add(schema.FEventCategory, "configuration")
			e.Add(schema.FEventType, "info")
		}
	})
	p.begin = func() { name = "" }
	return p
}

func detectWorkspace(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "kind", "id", "actor", "events") && (hasKeys(sample, "admin#reports#activity") || hasKeys(sample, "audit#activity") || hasKeys(sample, "applicationName", "uniqueQualifier")) {
		return 95, "JSON of kind admin#reports#activity"
	}
	return 0, ""
}
