package parser

import "vigil/schema"

// newGitHub reads the GitHub audit log.
func newGitHub(o Options) Parser {
	f := field
	t := table{
		"@timestamp": by(timeField(schema.FTimestamp, o.zone())), "created_at": by(timeField(schema.FEventCreated, o.zone())), "action": f(schema.FEventAction), "actor": f(schema.FUserName), "actor_id": f(schema.FUserID), "actor_ip": firstIP(schema.FSourceIP, schema.FSourcePort),
		"actor_location.country_code": f(schema.FSourceGeoCountryIsoCode), "user": f(schema.FUserTargetName), "user_id": f(schema.FUserTargetID), "blocked_user": f(schema.FUserTargetName), "_document_id": f(schema.FEventID), "user_agent": f(schema.FUserAgentOriginal), "business": f(schema.FCloudAccountID), "team": f(schema.FGroupName), "request_id": skipped,
	}
	return newMapped("github", "github.audit", t, func(e *schema.Event) {
		e.Add(schema.FEventCategory, "configuration")
		e.Add(schema.FEventType, "change")
	})
}

func detectGitHub(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "action", "actor") && (hasKeys(sample, "_document_id") || hasKeys(sample, "operation_type", "org") || hasKeys(sample, "actor_location", "created_at")) {
		return 93, "JSON with action, actor and the marks of GitHub's audit log"
	}
	return 0, ""
}
