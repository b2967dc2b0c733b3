package parser

import (
	"strings"

	"vigil/schema"
)

// isNetfilter says whether a kernel message is a packet that a rule has logged.
func isNetfilter(m string) bool {
	return strings.Contains(m, "IN=") && strings.Contains(m, " OUT=") && strings.Contains(m, " SRC=") && strings.Contains(m, " DST=") && strings.Contains(m, " PROTO=")
}

// netfilter reads "PREFIX IN=eth0 OUT= MAC=… SRC=… DST=… PROTO=TCP SPT=… DPT=…".
func netfilter(m string, e *schema.Event) {
	e.Add(schema.FEventCategory, "network")
	e.Add(schema.FEventType, "connection")
	eachPair(m, func(key, v string, at int) {
		switch key {
		case "IN":
			e.SetStr(schema.FObserverIngressInterfaceName, v)
			netfilterPrefix(strings.TrimSpace(m[:at]), e)
		case "SRC":
			e.Set(schema.FSourceIP, v)
		case "DST":
			e.Set(schema.FDestinationIP, v)
		case "SPT":
			e.Set(schema.FSourcePort, v)
		case "DPT":
			e.Set(schema.FDestinationPort, v)
		case "PROTO":
			setProto(e, v)
		case "LEN":
			if !e.Has(schema.FSourceBytes) { // the second LEN is UDP's own
				e.Set(schema.FSourceBytes, v)
			}
		case "MAC":
			if len(v) >= 35 {
				e.SetStr(schema.FDestinationMac, v[:17])
				e.SetStr(schema.FSourceMac, v[18:35])
			}
		}
	})
}

// netfilterPrefix reads the action out of what the rule's author put in front.
func netfilterPrefix(s string, e *schema.Event) {
	if _, after, ok := strings.Cut(s, "] "); ok && strings.HasPrefix(s, "[") {
		s = after
	}
	e.SetStr(schema.FRuleName, strings.Trim(s, " :[]"))
	upper := strings.ToUpper(s)
	for _, row := range [][3]string{{"ACCEPT", "accept", "success"}, {"ALLOW", "allow", "success"}, {"DROP", "drop", "failure"}, {"BLOCK", "block", "failure"}, {"REJECT", "reject", "failure"}, {"DENY", "deny", "failure"}} {
		if strings.Contains(upper, row[0]) {
			e.SetStr(schema.FEventAction, row[1])
			e.SetStr(schema.FEventOutcome, row[2])
			return
		}
	}
}
