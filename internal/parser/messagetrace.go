package parser

// newMessageTrace reads the message trace of Exchange Online: what became of each mail.
func newMessageTrace(o Options) Parser { return newMapped(mapperOf("messagetrace", o, nil)) }

func detectMessageTrace(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "MessageTraceId", "SenderAddress", "RecipientAddress") {
		return 94, "JSON with MessageTraceId, SenderAddress and RecipientAddress"
	}
	return 0, ""
}
