package parser

import (
	"strings"

	"vigil/schema"
)

// newOkta reads the Okta system log.
func newOkta(o Options) Parser {
	f := field
	t := table{
		"published": by(timeField(schema.FTimestamp, o.zone())), "eventType": f(schema.FEventAction), "uuid": f(schema.FEventID), "severity": f(schema.FLogLevel), "displayMessage": f(schema.FMessage), "version": skipped,
		"outcome.result": by(setOutcome), "outcome.reason": f(schema.FEventReason), "actor.id": f(schema.FUserID), "actor.alternateId": by(mailbox(true)), "actor.displayName": f(schema.FUserFullName),
		"client.ipAddress": firstIP(schema.FSourceIP, schema.FSourcePort), "client.userAgent.rawUserAgent": f(schema.FUserAgentOriginal), "client.userAgent.browser": f(schema.FUserAgentName), "client.geographicalContext.country": skipped,
		"securityContext.asNumber": f(schema.FSourceAsNumber), "securityContext.domain": f(schema.FSourceDomain), "authenticationContext.externalSessionId": f(schema.FSessionID),
		"target": many(), "target.alternateId": first(schema.FUserTargetName), "target.id": first(schema.FUserTargetID),
		"debugContext.debugData.requestUri": f(schema.FUrlPath), "debugContext.debugData.url": f(schema.FUrlOriginal),
	}
	return newMapped("okta", "okta.system", t, func(e *schema.Event) {
		action := e.Str(schema.FEventAction)
		switch {
		case strings.HasPrefix(action, "user.session."), strings.HasPrefix(action, "user.authentication."), strings.HasPrefix(action, "policy.evaluate"):
			e.Add(schema.FEventCategory, "authentication")
			e.Add(schema.FEventType, "start")
		case strings.HasPrefix(action, "user."), strings.HasPrefix(action, "group."):
			e.Add(schema.FEventCategory, "iam")
			e.Add(schema.FEventType, "change")
		default:
			e.Add(schema.FEventCategory, "configuration")
			e.Add(schema.FEventType, "info")
		}
	})
}

func detectOkta(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "eventType", "published", "actor", "outcome", "displayMessage") {
		return 95, "JSON with eventType, published, actor, outcome and displayMessage"
	}
	return 0, ""
}
