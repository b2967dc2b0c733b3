package parser

// newGuardDuty reads findings of AWS GuardDuty, as its API or an EventBridge event has
// them.
func newGuardDuty(o Options) Parser {
	m := mapperOf("guardduty", o, nil)
	t := m.table()
	for key, to := range m.table() {
		t["detail."+lowerPath(key)] = to
		t[lowerPath(key)] = to
	}
	return newMappedTable(m, t)
}

// lowerPath writes each part of a path with a small first letter, as EventBridge does.
func lowerPath(path string) string {
	b := []byte(path)
	for i := range b {
		if (i == 0 || b[i-1] == '.') && b[i] >= 'A' && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

func detectGuardDuty(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "SchemaVersion", "AccountId", "Service", "Resource") || hasKeys(sample, "schemaVersion", "accountId", "service", "type") && (hasKeys(sample, "resource") || hasKeys(sample, "detectorId")) {
		return 92, "JSON with schemaVersion, accountId, service and resource"
	}
	return 0, ""
}
