package parser

// newOkta reads the Okta system log.
func newOkta(o Options) Parser { return newMapped(mapperOf("okta", o, nil)) }

func detectOkta(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "eventType", "published", "actor", "outcome", "displayMessage") {
		return 95, "JSON with eventType, published, actor, outcome and displayMessage"
	}
	return 0, ""
}
