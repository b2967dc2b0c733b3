// Package approval decides whether people have approved an action: which policy
// asks for whom ([Policies]), what a person's act makes of a request ([Apply]), what
// a deadline does ([Tick]), and whether a stored approval really holds ([Holds]).
// It is pure; workflows and activities are thin around it.
package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"vigil/schema"
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
	Policy    string            `json:"policy"` // name@version
	Terms     string            `json:"terms"`  // hash of the terms, and of who may never decide
	Needed    int               `json:"needed"` // over all stages that must approve
	Expires   string            `json:"expires"`
	Nonce     string            `json:"nonce"`
	Change    int               `json:"change,omitempty"` // how often it was narrowed
}

// Canonical returns the JSON text and its hex SHA-256.
func (p Payload) Canonical() (text, binding string) {
	b, _ := json.Marshal(p) // fixed field order, sorted arguments; strings cannot fail
	return string(b), Binding(string(b))
}

// termsHash binds who must approve, so that nobody loosens it afterwards.
func termsHash(a schema.Approval) string {
	b, _ := json.Marshal([]any{a.Terms, a.Facts.Authors, a.Facts.Owner, a.Facts.Team, a.Requester}) // plain data
	return Binding(string(b))[:32]
}

// Binding is the hex SHA-256 of a payload's text.
func Binding(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
