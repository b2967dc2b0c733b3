package parser

import (
	"strings"

	"vigil/schema"
)

// isNetfilter says whether a kernel message is a packet that a rule has logged.
func isNetfilter(m string) bool {
	return strings.Contains(m, "IN=") && strings.Contains(m, " OUT=") && strings.Contains(m, " SRC=") && strings.Contains(m, " DST=") && strings.Contains(m, " PROTO=")
}

// packet reads "PREFIX IN=eth0 OUT= MAC=… SRC=… DST=… PROTO=TCP SPT=… DPT=…". The parts that
// are made here have a blank in their names, as no key has: no line speaks for them.
func (p *programs) packet(m string, e *schema.Event) {
	to := &p.netfilter
	eachPair(m, func(key, v string, at int) {
		switch key {
		case "IN":
			netfilterPrefix(strings.TrimSpace(m[:at]), e, to)
		case "MAC":
			if len(v) >= 35 {
				to.put(e, "destination mac", v[:17])
				to.put(e, "source mac", v[18:35])
			}
			return
		}
		to.put(e, key, v)
	})
	to.close(e)
}

// netfilterPrefix reads the verdict out of what the rule's author put in front.
func netfilterPrefix(s string, e *schema.Event, to *named) {
	if _, after, ok := strings.Cut(s, "] "); ok && strings.HasPrefix(s, "[") {
		s = after
	}
	to.put(e, "rule prefix", strings.Trim(s, " :[]"))
	upper := strings.ToUpper(s)
	for _, verdict := range []string{"ACCEPT", "ALLOW", "DROP", "BLOCK", "REJECT", "DENY"} {
		if strings.Contains(upper, verdict) {
			to.put(e, "rule verdict", verdict)
			return
		}
	}
}
