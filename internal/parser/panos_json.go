package parser

import (
	"strings"

	"vigil/schema"
)

// newPANOSJSON reads the logs of Strata Logging Service (Cortex Data Lake) as JSON: the
// columns of PAN-OS by name.
func newPANOSJSON(o Options) Parser {
	p := newMapped(mapperOf("panos-json", o, nil))
	p.settle = panosJSONFinish
	return p
}

func panosJSONFinish(e *schema.Event) {
	if !e.Has(schema.FHostName) && !e.Has(schema.FSourceIP) || e.Str(schema.FEventProvider) == "SYSTEM" {
		e.SetStr(schema.FHostName, e.Str(schema.FObserverName)) // the firewall speaks of itself
	}
	panosKind(e.Str(schema.FEventProvider), e.Str(schema.FEventCode), e)
	if action := e.Str(schema.FEventAction); !e.Has(schema.FEventOutcome) && strings.HasSuffix(action, "-failed") {
		e.SetStr(schema.FEventOutcome, "failure")
	}
	if e.Str(schema.FEventProvider) != "SYSTEM" {
		deviceOutcome(e)
	}
}

// portUnlessZero sets a port; zero stands for none.
func portUnlessZero(f schema.FieldID) setter {
	return func(e *schema.Event, v string) { setPort(e, f, v) }
}

// hostAndPath takes a URL that is written without its scheme.
func hostAndPath(e *schema.Event, v string) {
	if strings.Contains(v, "://") {
		webAddress(e, v)
		return
	}
	e.SetStr(schema.FUrlOriginal, v)
	host, path := v, ""
	if i := strings.IndexAny(v, "/?"); i >= 0 {
		host, path = v[:i], v[i:]
	}
	host, port := hostPort(host)
	e.SetStr(schema.FUrlDomain, host)
	setPort(e, schema.FUrlPort, port)
	path, query, _ := strings.Cut(path, "?")
	e.SetStr(schema.FUrlPath, path)
	e.SetStr(schema.FUrlQuery, query)
}

func detectPANOSJSON(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "LogType", "Subtype", "ConfigVersion") {
		return 95, "JSON with LogType, Subtype and ConfigVersion"
	}
	return 0, ""
}
