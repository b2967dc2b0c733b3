package parser

import "vigil/schema"

// newWorkspace reads the activity reports of Google Workspace.
func newWorkspace(o Options) Parser {
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
	p := newMapped(mapperOf("workspace", o, holds{"name": func(_ *schema.Event, v string) { name = v }, "value": parameter}))
	p.begin = func() { name = "" }
	return p
}

func detectWorkspace(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "kind", "id", "actor", "events") && (hasKeys(sample, "admin#reports#activity") || hasKeys(sample, "audit#activity") || hasKeys(sample, "applicationName", "uniqueQualifier")) {
		return 95, "JSON of kind admin#reports#activity"
	}
	return 0, ""
}
