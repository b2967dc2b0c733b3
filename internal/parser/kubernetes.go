package parser

// newKubernetes reads the audit log of a Kubernetes API server.
func newKubernetes(o Options) Parser { return newMapped(mapperOf("kubernetes", o, nil)) }

func detectKubernetes(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "auditID", "verb", "stage") {
		return 95, "JSON with auditID, verb and stage"
	}
	return 0, ""
}
