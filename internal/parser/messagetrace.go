package parser

import "vigil/schema"

// newMessageTrace reads the message trace of Exchange Online: what became of each mail.
func newMessageTrace(o Options) Parser {
	f := field
	t := table{
		"Received": by(timeField(schema.FTimestamp, o.zone())), "Organization": f(schema.FCloudAccountID), "MessageId": f(schema.FEmailMessageID), "MessageTraceId": f(schema.FEventID), "SenderAddress": f(schema.FEmailFromAddress), "RecipientAddress": f(schema.FEmailToAddress), "Subject": f(schema.FEmailSubject),
		"Status": f(schema.FEventAction), "FromIP": firstIP(schema.FSourceIP, schema.FSourcePort), "ToIP": firstIP(schema.FDestinationIP, schema.FDestinationPort), "Index": skipped,
	}
	return newMapped("o365", "o365.messagetrace", t, func(e *schema.Event) {
		e.Add(schema.FEventCategory, "email")
		e.Add(schema.FEventType, "info")
		switch e.Str(schema.FEventAction) {
		case "Delivered", "Expanded", "Resolved":
			e.SetStr(schema.FEventOutcome, "success")
		case "Failed", "FilteredAsSpam", "Quarantined":
			e.SetStr(schema.FEventOutcome, "failure")
		}
	})
}

func detectMessageTrace(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "MessageTraceId", "SenderAddress", "RecipientAddress") {
		return 94, "JSON with MessageTraceId, SenderAddress and RecipientAddress"
	}
	return 0, ""
}
