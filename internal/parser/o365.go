package parser

import (
	"bytes"
	"strings"

	"vigil/schema"
)

// newO365 reads the Office 365 management activity log (unified audit log).
func newO365(o Options) Parser {
	property, site, person := "", "", ""
	keep := func(to *string) setter { return func(_ *schema.Event, v string) { *to = v } }
	p := newMapped(mapperOf("o365", o, holds{
		"property": keep(&property), "site": keep(&site), "person": keep(&person),
		"value": func(e *schema.Event, v string) {
			if property == "UserAgent" {
				e.SetStr(schema.FUserAgentOriginal, v)
			}
			property = ""
		},
		"object": func(e *schema.Event, v string) {
			if strings.HasPrefix(v, "https://") {
				webAddress(e, v)
			}
		},
	}))
	p.settle = func(e *schema.Event) { o365Finish(site, person, e) }
	p.begin = func() { property, site, person = "", "", "" }
	return p
}

// o365Finish settles the place and the person, which the log writes in several keys.
func o365Finish(site, person string, e *schema.Event) {
	if person != "" { // whom an alert is about, where the log names the service that raised it
		e.SetStr(schema.FUserName, person)
	}
	if site != "" {
		webAddress(e, site)
	}
	if name, domain, ok := strings.Cut(e.Str(schema.FUserName), "@"); ok && name != "" {
		e.SetStr(schema.FUserEmail, e.Str(schema.FUserName))
		e.SetStr(schema.FUserDomain, domain)
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
