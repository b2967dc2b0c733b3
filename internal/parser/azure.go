package parser

import (
	"strings"

	"vigil/schema"
)

// newAzure reads records of Azure Monitor and Microsoft Defender: activity, sign-in,
// audit, resource logs and advanced hunting tables.
func newAzure(o Options) Parser {
	var remote, local end
	keep := func(to *string) setter { return func(_ *schema.Event, v string) { *to = v } }
	m := mapperOf("azure", o, holds{"remote_ip": keep(&remote.ip), "remote_port": keep(&remote.port), "local_ip": keep(&local.ip), "local_port": keep(&local.port)})
	p := newMappedTable(m, m.section(m.table(), m.Tables["defender"]))
	p.settle = func(e *schema.Event) { azureFinish(e, remote, local) }
	p.begin = func() { remote, local = end{}, end{} }
	return p
}

// end is an address and a port as they are written.
type end struct{ ip, port string }

// put sets the two fields.
func (d end) put(ip, port schema.FieldID, e *schema.Event) {
	if looksLikeIP(d.ip) && !e.Has(ip) {
		e.Set(ip, d.ip)
	}
	setPort(e, port, d.port)
}

// azureResult reads the words and the numbers of resultType; 0 is success in sign-ins.
func azureResult(e *schema.Event, v string) {
	switch {
	case v == "0":
		e.SetStr(schema.FEventOutcome, "success")
	case outcomeOf(v) != "":
		e.SetStr(schema.FEventOutcome, outcomeOf(v))
	default:
		if n, ok := digits(v); ok && n > 0 {
			e.SetStr(schema.FEventOutcome, "failure")
			e.SetStr(schema.FErrorCode, v)
			return
		}
		e.AddExtra("azure.monitor.resultType", v)
	}
}

// azureFinish tells apart which end is the source, and what is of Defender.
func azureFinish(e *schema.Event, remote, local end) {
	set, hunting := strings.CutPrefix(e.Str(schema.FEventProvider), "AdvancedHunting-")
	if hunting {
		setAll(e, pair{schema.FEventModule, "microsoft"}, pair{schema.FEventDataset, "microsoft.defender"})
		e.AddExtra("microsoft.defender.table", set)
		if strings.Contains(set, "Logon") || strings.HasPrefix(e.Str(schema.FEventAction), "Inbound") {
			remote, local = local, remote // what comes in has its source far away
		}
		if e.Str(schema.FEventAction) == "Publish" { // the verb of the export, not of the event
			e.SetStr(schema.FEventAction, set)
		}
	}
	local.put(schema.FSourceIP, schema.FSourcePort, e)
	remote.put(schema.FDestinationIP, schema.FDestinationPort, e)
}

func detectAzure(sample []byte, _ string) (int, string) {
	switch {
	case hasKeys(sample, "time", "category", "operationName") || hasKeys(sample, "time", "category", "properties", "resourceId"):
		return 90, "JSON with time, category and operationName"
	case hasKeys(sample, "eventTimestamp", "operationName", "resourceId"):
		return 92, "JSON with eventTimestamp, operationName and resourceId"
	case hasKeys(sample, "Timestamp", "ActionType", "DeviceName"):
		return 90, "JSON with Timestamp, ActionType and DeviceName"
	}
	return 0, ""
}
