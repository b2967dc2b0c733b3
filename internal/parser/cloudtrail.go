package parser

import (
	"bytes"
	"strings"
	"time"

	"vigil/schema"
)

type cloudTrailParser struct{ w walker }

func newCloudTrail(Options) Parser {
	f := field
	t := table{
		"eventTime": by(timeField(schema.FTimestamp, time.UTC)), "eventVersion": skipped, "eventName": f(schema.FEventAction), "eventSource": f(schema.FEventProvider), "eventID": f(schema.FEventID), "eventType": f(schema.FEventCode),
		"awsRegion": f(schema.FCloudRegion), "recipientAccountId": f(schema.FCloudAccountID), "sourceIPAddress": by(func(e *schema.Event, v string) {
			if looksLikeIP(v) {
				e.Set(schema.FSourceIP, v)
			}
			e.SetStr(schema.FSourceAddress, v)
		}), "userAgent": f(schema.FUserAgentOriginal), "errorCode": f(schema.FErrorCode), "errorMessage": f(schema.FErrorMessage),
		"userIdentity.userName": f(schema.FUserName), "userIdentity.arn": by(func(e *schema.Event, v string) {
			e.SetStr(schema.FUserID, v)
			if i := strings.LastIndexByte(v, '/'); i >= 0 && !e.Has(schema.FUserName) {
				e.SetStr(schema.FUserName, v[i+1:])
			}
		}), "userIdentity.type": by(func(e *schema.Event, v string) {
			e.Add(schema.FUserRoles, v)
			if v == "Root" {
				e.SetStr(schema.FUserName, "root")
			}
		}), "userIdentity.accountId": f(schema.FCloudAccountID), "requestParameters.userName": f(schema.FUserTargetName), "requestParameters.groupName": f(schema.FGroupName), "tlsDetails.tlsVersion": f(schema.FTlsVersion), "tlsDetails.cipherSuite": f(schema.FTlsCipher),
		"requestParameters.instanceId": f(schema.FCloudInstanceID),
	}
	return &cloudTrailParser{w: walker{root: t.tree(), prefix: "aws.cloudtrail"}}
}

func detectCloudTrail(sample []byte, _ string) (int, string) {
	if startsObject(sample) && bytes.Contains(sample, []byte(`"eventSource"`)) && bytes.Contains(sample, []byte(`"eventName"`)) && bytes.Contains(sample, []byte(`"awsRegion"`)) {
		return 95, "JSON with eventSource, eventName and awsRegion"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *cloudTrailParser) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	if err := p.w.walk(raw, e); err != nil {
		return err
	}
	setAll(e, pair{schema.FEventModule, "aws"}, pair{schema.FEventDataset, "aws.cloudtrail"}, pair{schema.FEventKind, "event"}, pair{schema.FCloudProvider, "aws"})
	service, _, _ := strings.Cut(e.Str(schema.FEventProvider), ".")
	e.SetStr(schema.FCloudServiceName, service)
	outcome := "success"
	if e.Has(schema.FErrorCode) {
		outcome = "failure"
	}
	e.SetStr(schema.FEventOutcome, outcome)
	switch service {
	case "iam", "sts", "organizations", "sso":
		e.Add(schema.FEventCategory, "iam")
	case "signin":
		e.Add(schema.FEventCategory, "authentication")
	default:
		e.Add(schema.FEventCategory, "configuration")
	}
	e.Add(schema.FEventType, cloudTrailType(e.Str(schema.FEventAction)))
	e.Add(schema.FRelatedUser, e.Str(schema.FUserName))
	if e.Has(schema.FSourceIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FSourceIP))
	}
	return nil
}

func cloudTrailType(action string) string {
	for _, row := range [][2]string{{"Get", "access"}, {"List", "access"}, {"Describe", "access"}, {"Create", "creation"}, {"Put", "change"}, {"Delete", "deletion"}, {"Update", "change"}, {"Modify", "change"}, {"Attach", "change"}, {"Run", "start"}, {"Stop", "end"}, {"Terminate", "end"}} {
		if strings.HasPrefix(action, row[0]) {
			return row[1]
		}
	}
	return "info"
}
