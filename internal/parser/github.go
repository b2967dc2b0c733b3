package parser

// newGitHub reads the GitHub audit log.
func newGitHub(o Options) Parser { return newMapped(mapperOf("github", o, nil)) }

func detectGitHub(sample []byte, _ string) (int, string) {
	if hasKeys(sample, "action", "actor") && (hasKeys(sample, "_document_id") || hasKeys(sample, "operation_type", "org") || hasKeys(sample, "actor_location", "created_at")) {
		return 93, "JSON with action, actor and the marks of GitHub's audit log"
	}
	return 0, ""
}
