package parser

// newGCP reads Google Cloud log entries: audit logs, VPC flows and load balancer requests.
func newGCP(o Options) Parser { return newMapped(mapperOf("gcp", o, nil)) }

func detectGCP(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "insertId", "logName") && (hasKeys(sample, "protoPayload") || hasKeys(sample, "resource")) {
		return 95, "JSON with insertId, logName and resource"
	}
	return 0, ""
}
