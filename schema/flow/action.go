package flow

import (
	"time"
)

// Vote is the argument of the decide update. Only the token counts; the other
// fields say which approval is meant (decision 14).
type Vote struct {
	Approval string `json:"approval"`
	Token    string `json:"token"` // decision token from `vigil approvals sign`
}

// VoteResult tells the voter where the approval stands.
type VoteResult struct {
	Approval string `json:"approval"`
	Status   string `json:"status"`
	Stage    string `json:"stage"`
	Have     int    `json:"have"`
	Needed   int    `json:"needed"`  // in this stage
	Binding  string `json:"binding"` // of what is asked now: narrowing changes it
}

// ActionInput performs one action once.
type ActionInput struct {
	Org       string            `json:"org"`
	Action    string            `json:"action"` // verb from the action table
	Target    string            `json:"target"`
	Arguments map[string]string `json:"arguments"`
	Key       string            `json:"key"` // idempotency key: run + step + iteration
	Run       string            `json:"run"`
	Step      string            `json:"step"`
	Incident  string            `json:"incident,omitempty"`
	Approval  string            `json:"approval,omitempty"`
	Binding   string            `json:"binding,omitempty"`
	DryRun    bool              `json:"dry_run,omitempty"`
	Undo      bool              `json:"undo,omitempty"`
	NotBefore time.Time         `json:"not_before,omitzero"` // wait until then first: how a time box ends
	Workflow  string            `json:"workflow,omitempty"`  // incident workflow to tell when the time box has ended
	By        string            `json:"by,omitempty"`        // the person who takes it back; "" at the end of its time box
}

// ActionEnd is the signal end of an Action that waits for the end of a time box: take
// it back now.
type ActionEnd struct {
	By string `json:"by"`
}

// ActionResult is what an action reports back; secrets never appear in it.
type ActionResult struct {
	Outcome string            `json:"outcome"` // done, already-done, dry-run, failed
	Outputs map[string]string `json:"outputs,omitempty"`
	Undo    map[string]string `json:"undo,omitempty"` // arguments that undo it
	Expires time.Time         `json:"expires,omitzero"`
}

// AdminInput is one change of a row by a person, or an operation on the store.
type AdminInput struct {
	Org  string            `json:"org,omitempty"`
	Verb string            `json:"verb"` // see docs/WORKFLOWS.md: user.put, user.disable, alert.update, prove, rule.enable, model.rollback …
	By   string            `json:"by,omitempty"`
	Key  string            `json:"key,omitempty"` // row key
	Args map[string]string `json:"args,omitempty"`
	IDs  []string          `json:"ids,omitempty"`
}

// AdminResult is the outcome of an Admin workflow; Doc is JSON when there is more to say.
type AdminResult struct {
	Changed int    `json:"changed"`
	Doc     string `json:"doc,omitempty"`
}

// UndoResult is what taking an incident's actions back came to (AdminResult.Doc of
// incident.undo).
type UndoResult struct {
	Incident string     `json:"incident"`
	By       string     `json:"by"`
	Steps    []UndoStep `json:"steps" nullable:"false"` // the last action first
	Left     []string   `json:"left,omitempty"`         // what cannot be undone
}

// UndoStep is one action that was taken back, or not.
type UndoStep struct {
	Action  string `json:"action"`
	Target  string `json:"target"`
	Outcome string `json:"outcome"` // done, already-done, failed
	Kept    string `json:"kept,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Proof is the outcome of recounting one source: the document of a prove.
type Proof struct {
	Source   string `json:"source"`
	OK       bool   `json:"ok"`
	Chunks   int    `json:"chunks"`
	Objects  int    `json:"objects"`
	Reread   int    `json:"reread"` // objects whose bytes are still there and were read again
	Records  int64  `json:"records"`
	Events   int64  `json:"events"`
	Failures int64  `json:"failures"`
	Bytes    int64  `json:"bytes"`
	// Suspected are records in the spool that came in a request that had come before: they
	// are kept, and may be re-sends.
	Suspected int64    `json:"suspected"`
	Waiting   int64    `json:"waiting"`                   // records safe in the spool of this host, not yet committed
	Problems  []string `json:"problems" nullable:"false"` // each names its chunk
	// Gone are followed files that cannot be read again: what of them was proved is that
	// the tables hold what the manifest says.
	Gone []string `json:"gone,omitempty"`
	// Lost are offsets of a queue that were deleted there before they were read: the
	// manifest says so, and each range is kept as a failure. Gaps are offsets that hold no
	// record: what was compacted, and the marks and remains of transactions.
	Lost int64 `json:"lost,omitempty"`
	Gaps int64 `json:"gaps,omitempty"`
}
