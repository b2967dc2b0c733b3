package playbook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Payload is exactly what people approve. Its canonical JSON is shown to them, and
// its SHA-256 is what their decision tokens are bound to: any change voids them.
type Payload struct {
	Org       string            `json:"org"`
	Approval  string            `json:"approval"`
	Run       string            `json:"run"` // workflow id
	RunID     string            `json:"run_id"`
	Step      string            `json:"step"`
	Iteration int               `json:"iteration"`
	Incident  string            `json:"incident,omitempty"`
	Playbook  string            `json:"playbook"`
	Version   string            `json:"version"` // content hash of the playbook
	Action    string            `json:"action"`
	Target    string            `json:"target"`
	Arguments map[string]string `json:"arguments"`
	Evidence  []string          `json:"evidence,omitempty"` // alert ids
	Requester string            `json:"requester"`
	Needed    int               `json:"needed"`
	Deadline  string            `json:"deadline"` // RFC 3339
}

// Canonical returns the JSON text and its hex SHA-256.
func (p Payload) Canonical() (text, binding string) {
	b, _ := json.Marshal(p) // fixed field order, sorted arguments; strings cannot fail
	return string(b), Binding(string(b))
}

// Binding is the hex SHA-256 of a payload's text.
func Binding(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
