package parser

import "vigil/schema"

// newKubernetes reads the audit log of a Kubernetes API server.
func newKubernetes(o Options) Parser {
	f := field
	t := table{
		"requestReceivedTimestamp": by(timeField(schema.FTimestamp, o.zone())), "stageTimestamp": by(timeField(schema.FEventEnd, o.zone())), "auditID": f(schema.FEventID), "verb": f(schema.FEventAction), "user.username": f(schema.FUserName), "user.uid": f(schema.FUserID), "user.groups": f(schema.FUserRoles),
		"impersonatedUser.username": f(schema.FUserEffectiveName), "sourceIPs": target{list: true, set: firstIP(schema.FSourceIP, schema.FSourcePort).set}, "userAgent": f(schema.FUserAgentOriginal), "requestURI": by(setURLOriginal), "responseStatus.code": f(schema.FHttpResponseStatusCode), "responseStatus.message": f(schema.FErrorMessage), "responseStatus.reason": f(schema.FErrorCode),
		"annotations.authorization.k8s.io/decision": by(func(e *schema.Event, v string) {
			if v == "allow" {
				e.SetStr(schema.FEventOutcome, "success")
			} else {
				e.SetStr(schema.FEventOutcome, "failure")
			}
		}), "annotations.authorization.k8s.io/reason": f(schema.FEventReason), "kind": skipped, "apiVersion": skipped,
	}
	return newMapped("kubernetes", "kubernetes.audit", t, func(e *schema.Event) {
		e.Add(schema.FEventCategory, "configuration")
		kind := "change"
		switch e.Str(schema.FEventAction) {
		case "get", "list", "watch":
			kind = "access"
		case "create":
			kind = "creation"
		case "delete", "deletecollection":
			kind = "deletion"
		}
		e.Add(schema.FEventType, kind)
		if e.Int(schema.FHttpResponseStatusCode) >= 400 {
			e.SetStr(schema.FEventOutcome, "failure")
		}
	})
}

func detectKubernetes(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "auditID", "verb", "stage") {
		return 95, "JSON with auditID, verb and stage"
	}
	return 0, ""
}
