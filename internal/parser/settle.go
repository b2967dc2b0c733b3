package parser

import "vigil/schema"

// settle fills in what follows from the values of any event: the addresses as text, and
// what the related lists gather.
func settle(e *schema.Event) {
	for _, end := range []struct{ ip, domain, address schema.FieldID }{
		{schema.FSourceIP, schema.FSourceDomain, schema.FSourceAddress}, {schema.FDestinationIP, schema.FDestinationDomain, schema.FDestinationAddress},
	} {
		if e.Has(end.ip) {
			e.Add(schema.FRelatedIP, e.Str(end.ip))
		}
		switch {
		case e.Has(end.address):
		case e.Has(end.ip):
			e.SetStr(end.address, e.Str(end.ip))
		case e.Has(end.domain):
			e.SetStr(end.address, e.Str(end.domain))
		}
	}
	for _, f := range []schema.FieldID{schema.FUserName, schema.FUserEffectiveName, schema.FUserTargetName} {
		if e.Has(f) {
			e.Add(schema.FRelatedUser, e.Str(f))
		}
	}
}

// settleFlow is settle for formats that record traffic: what names both ends is a
// connection, unless the format has said what it is.
func settleFlow(e *schema.Event) {
	settle(e)
	if len(e.List(schema.FEventCategory)) == 0 && e.Has(schema.FSourceIP) && e.Has(schema.FDestinationIP) {
		e.Add(schema.FEventCategory, "network")
		e.Add(schema.FEventType, "connection")
	}
}
