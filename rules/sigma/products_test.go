package sigma

import (
	"fmt"
	"strings"
	"testing"

	"vigil/internal/parser"
	"vigil/rules"
	"vigil/schema"
)

// TestProductFields: rules for products with parsers of their own find the fields
// where those put them. Each record was made up in the product's form.
func TestProductFields(t *testing.T) {
	for _, c := range []struct {
		format, source, record string
		selections             []string
	}{
		{"o365", "{product: m365, service: audit}", `{"CreationTime":"2024-01-01T00:00:00","Id":"1","Operation":"UserLoggedIn","RecordType":15,"Workload":"AzureActiveDirectory","UserId":"mira@example.org","ObjectId":"x1","RequestType":"OAuth2:Authorize","ResultStatus":"Success","ClientIP":"203.0.113.5"}`,
			[]string{"Operation: UserLoggedIn", "RequestType|startswith: OAuth2", "Workload: AzureActiveDirectory", "ObjectId: x1", "ResultStatus: success", "ClientIP|cidr: 203.0.113.0/24"}},
		{"okta", "{product: okta, service: okta}", `{"eventType":"user.session.start","published":"2024-01-01T00:00:00Z","displayMessage":"User login","actor":{"alternateId":"mira@example.org"},"outcome":{"result":"FAILURE","reason":"INVALID"},"securityContext":{"isProxy":true},"debugContext":{"debugData":{"requestUri":"/a/b","behaviors":"{New Device=POSITIVE}"}}}`,
			[]string{"eventType: user.session.start", "displayMessage: User login", "outcome.reason: INVALID", "outcome.result: FAILURE", "securityContext.isProxy: 'true'", "debugContext.debugData.requestUri: /a/b", "debugContext.debugData.behaviors|contains: POSITIVE"}},
		{"github", "{product: github, service: audit}", `{"action":"org.add_member","actor":"mira","created_at":1704067200000,"_document_id":"d1","org":"acme"}`,
			[]string{"action: org.add_member", "actor: mira", "org: acme"}},
		{"kubernetes", "{product: kubernetes, service: audit}", `{"auditID":"1","verb":"create","stage":"ResponseComplete","user":{"username":"mira"},"objectRef":{"resource":"pods","subresource":"exec"},"responseStatus":{"code":403},"requestURI":"/api/v1"}`,
			[]string{"verb: create", "objectRef.resource: pods", "objectRef.subresource: exec", "responseStatus.code: 403", "requestURI|startswith: /api"}},
		{"gcp", "{product: gcp, service: gcp.audit}", `{"timestamp":"2024-01-01T00:00:00Z","logName":"projects/p/logs/cloudaudit.googleapis.com","insertId":"1","protoPayload":{"methodName":"storage.buckets.delete","serviceName":"storage.googleapis.com","authorizationInfo":{"permission":"x.y"}}}`,
			[]string{"gcp.audit.method_name: storage.buckets.delete", "data.protoPayload.methodName|endswith: .delete", "data.protoPayload.serviceName: storage.googleapis.com", "data.protoPayload.authorizationInfo.permission: x.y"}},
		{"azure", "{product: azure, service: signinlogs}", `{"time":"2024-01-01T00:00:00Z","category":"SignInLogs","operationName":"Sign-in activity","resultType":"50053","resultDescription":"locked","properties":{"userPrincipalName":"mira@example.org","authenticationRequirement":"singleFactorAuthentication","deviceDetail":{"deviceId":"d"}}}`,
			[]string{"ResultType: 50053", "AuthenticationRequirement: singleFactorAuthentication", "ResultDescription: locked", "properties.deviceDetail.deviceId: d", "operationName: Sign-in activity"}},
		{"auditd", "{product: linux, service: auditd}", `type=EXECVE msg=audit(1604996384.965:93777): argc=2 a0="whoami" a1="--all"`,
			[]string{"type: EXECVE", "a0: whoami", "a1|contains: all"}},
		{"auditd", "{product: linux, service: auditd}", `type=SYSCALL msg=audit(1604996384.965:93777): arch=c000003e syscall=59 success=yes exit=0 pid=2168 auid=1000 uid=1000 comm="dd" exe="/bin/dd" key="k1"`,
			[]string{"type: SYSCALL", "exe: /bin/dd", "comm: dd", "key: k1"}},
		{"cloudtrail", "{product: aws, service: cloudtrail}", `{"eventTime":"2024-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"eu-west-1","userIdentity":{"type":"Root","arn":"arn:aws:iam::1:root"},"requestParameters":{"userName":"x","attribute":"userData"},"errorCode":"AccessDenied"}`,
			[]string{"eventSource: iam.amazonaws.com", "eventName: CreateUser", "userIdentity.type: Root", "userIdentity.arn|contains: root", "requestParameters.attribute: userData", "requestParameters|contains: userData", "errorCode: AccessDenied"}},
		// A written 0 is not the same as no value, as which it is stored.
		{"windows", "{product: windows, service: system}", `{"EventID":7045,"Channel":"System","Hostname":"h","ProcessId":0}`, []string{"ProcessId: 0", "ProcessId: '0'"}},
		{"windows", "{product: windows, service: system}", `{"EventID":7045,"Channel":"System","Hostname":"h","ServiceName":"s"}`, []string{"!ProcessId: 0", "!ParentProcessId: 0", "!IpPort: 0"}},
		{"windows", "{product: windows, service: security}", `{"EventID":4624,"Channel":"Security","Hostname":"h","IpPort":"0","ProcessId":"0x0"}`, []string{"IpPort: 0", "ProcessId: 0"}},
	} {
		f, err := parser.ByName(c.format)
		if err != nil {
			t.Fatal(err)
		}
		p := f.New(parser.Options{Object: "x"})
		for _, s := range c.selections {
			s, not := strings.CutPrefix(s, "!")
			rule := fmt.Sprintf("title: t\nauthor: a\nid: probe-rule\nlevel: low\nlogsource: %s\ndetection:\n  s:\n    %s\n  condition: s\n", c.source, s)
			r := Convert([]File{{"p.yml", []byte(rule)}}, Options{})
			if len(r.Refused) > 0 {
				t.Fatal(r.Refused)
			}
			set, errs := rules.Load(mapFS(map[string]string{"p.yaml": r.Converted[0].Rule.YAML}))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			var e schema.Event
			e.Reset([]byte(c.record), 0)
			if err := p.Parse([]byte(c.record), &e); err != nil {
				t.Fatal(err)
			}
			if fires := len(set.Evaluator().Evaluate(&e, nil)) == 1; fires == not {
				t.Errorf("%s: %s does, or does not, hold for %s of data set %s:\n%s", c.format, s, c.record, e.Str(schema.FEventDataset), r.Converted[0].Rule.YAML)
			}
		}
	}
}
