package parser

import (
	"strings"

	"vigil/schema"
)

// newRoute53 reads the query logs of the Route 53 resolver.
func newRoute53(o Options) Parser { return newMapped(mapperOf("route53", o, nil)) }

func detectRoute53(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "query_timestamp", "query_name", "rcode") {
		return 94, "JSON with query_timestamp, query_name and rcode"
	}
	return 0, ""
}

// newAWSWAF reads the log of AWS WAF.
func newAWSWAF(o Options) Parser {
	name := ""
	p := newMapped(mapperOf("aws-waf", o, holds{
		"name":  func(_ *schema.Event, v string) { name = v },
		"value": func(e *schema.Event, v string) { wafHeader(name, v, e) },
	}))
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
func newSecurityHub(o Options) Parser { return newMapped(mapperOf("securityhub", o, nil)) }

func detectSecurityHub(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "AwsAccountId", "GeneratorId", "SchemaVersion", "ProductArn") {
		return 95, "JSON with AwsAccountId, GeneratorId and ProductArn"
	}
	return 0, ""
}
