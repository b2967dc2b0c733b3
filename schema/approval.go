package schema

import "time"

// ApprovalStatus is where an approval stands.
type ApprovalStatus string

// The approval states.
const (
	ApprovalPending  ApprovalStatus = "pending"
	ApprovalApproved ApprovalStatus = "approved"
	ApprovalDenied   ApprovalStatus = "denied"
	ApprovalExpired  ApprovalStatus = "expired" // the last deadline passed: denied
	ApprovalVoid     ApprovalStatus = "void"    // the run ended first
)

// The states of the review that a break-glass decision needs afterwards.
const (
	ReviewPending     = "pending"
	ReviewJustified   = "justified"
	ReviewUnjustified = "unjustified"
)

// Approval is a request for permission to act, what its policy asks for, and the
// decisions on it. It is at once the state of the workflow that waits and its read
// model; internal/approval is the only place that changes one.
type Approval struct {
	ID        string            `json:"id"`
	Org       string            `json:"org"`
	Workflow  string            `json:"workflow"` // workflow id that waits and takes the decide update
	Run       string            `json:"run"`
	Step      string            `json:"step"`
	Incident  string            `json:"incident,omitempty"`
	Playbook  string            `json:"playbook"`
	Version   string            `json:"playbook_version"`
	Action    string            `json:"action"`
	Target    string            `json:"target"`
	Arguments map[string]string `json:"arguments"`
	Kinds     map[string]string `json:"kinds,omitempty"` // types of the arguments: what narrowing means for each
	TargetArg string            `json:"target_argument,omitempty"`
	Risk      string            `json:"risk"`   // low, medium, high
	Reason    string            `json:"reason"` // why the playbook asks
	Undo      string            `json:"undo"`   // how it is undone, "" when it cannot be
	Requester string            `json:"requester"`
	Needed    int               `json:"needed"`  // approvals needed in the current stage
	Payload   string            `json:"payload"` // the canonical JSON that is bound
	Binding   string            `json:"binding"` // hex SHA-256 of Payload
	Created   time.Time         `json:"created"`
	Deadline  time.Time         `json:"deadline"` // of the current stage
	Expires   time.Time         `json:"expires"`  // of the last stage: after it nothing can approve
	Status    ApprovalStatus    `json:"status"`
	Decisions []Decision        `json:"decisions,omitempty"`
	Decided   time.Time         `json:"decided,omitzero"`
	Revision  uint64            `json:"revision"`

	Terms    ApprovalTerms `json:"terms"`
	Facts    ApprovalFacts `json:"facts"`
	Stage    int           `json:"stage"` // index into Terms.Stages
	Preview  string        `json:"preview,omitempty"`
	Blast    string        `json:"blast,omitempty"`     // what the action touches, for people
	IfSilent string        `json:"if_silent,omitempty"` // what happens when nobody answers, for people

	Claim       *ApprovalClaim       `json:"claim,omitempty"`
	Snoozes     map[string]time.Time `json:"snoozes,omitempty"` // user → until when the inbox hides it
	Delegations []ApprovalDelegation `json:"delegations,omitempty"`
	Views       []ApprovalView       `json:"views,omitempty"`
	Voided      []Decision           `json:"voided,omitempty"` // decisions on what was changed since
	Moves       []ApprovalMove       `json:"moves,omitempty"`  // escalations and changes, oldest first
	Review      *ApprovalReview      `json:"review,omitempty"` // of a break-glass decision
}

// ApprovalWho is a set of people: anybody who is in one of the lists. Empty means
// everybody who may decide approvals.
type ApprovalWho struct {
	Users  []string `json:"users,omitempty" yaml:"users"`
	Roles  []string `json:"roles,omitempty" yaml:"roles"`
	Groups []string `json:"groups,omitempty" yaml:"groups"`
	Owner  bool     `json:"owner,omitempty" yaml:"owner"` // the owner of the asset
}

// Anybody says whether the set names nobody in particular.
func (w ApprovalWho) Anybody() bool {
	return len(w.Users) == 0 && len(w.Roles) == 0 && len(w.Groups) == 0 && !w.Owner
}

// ApprovalStage is one stage of an approval: who is asked, how many of them must
// approve, and for how long they are.
type ApprovalStage struct {
	Name     string      `json:"name" yaml:"name"`
	Quorum   int         `json:"quorum" yaml:"quorum"`
	Minutes  int         `json:"deadline_minutes" yaml:"deadline_minutes"`
	Eligible ApprovalWho `json:"eligible,omitzero" yaml:"eligible"`
}

// ApprovalSmaller is the low-risk action that is performed when nobody answers.
type ApprovalSmaller struct {
	Action    string            `json:"action" yaml:"action"`
	Arguments map[string]string `json:"arguments" yaml:"arguments"` // {target} is the target
}

// ApprovalTerms is what the policy asked for when the request was made. It is fixed
// then: a policy that changes later changes no open request.
type ApprovalTerms struct {
	Policy     string           `json:"policy"`
	Version    string           `json:"version"` // hash of the policy file
	Mode       string           `json:"mode"`    // auto, notify, one, two-person, m-of-n, break-glass
	Stages     []ApprovalStage  `json:"stages,omitempty"`
	EveryStage bool             `json:"every_stage,omitempty"` // all stages must approve, in their order
	Denials    int              `json:"denials"`               // so many denials deny; 1 is a veto
	Teams      bool             `json:"different_teams,omitempty"`
	OnTimeout  string           `json:"on_timeout"` // deny, escalate, smaller
	Smaller    *ApprovalSmaller `json:"smaller,omitempty"`
	BreakGlass *ApprovalWho     `json:"break_glass,omitempty"` // who may decide alone, with a review afterwards
	StepUp     bool             `json:"step_up,omitempty"`     // whoever approves signs the action with a passkey
}

// ApprovalFacts is what policies are chosen by.
type ApprovalFacts struct {
	Action      string    `json:"action"`
	Target      string    `json:"target"`
	Risk        string    `json:"risk"`
	Reversible  bool      `json:"reversible"`
	Targets     int       `json:"targets"`     // blast radius: how many things the action touches
	Criticality string    `json:"criticality"` // of the asset: low, medium, high, critical
	Owner       string    `json:"owner,omitempty"`
	Severity    string    `json:"severity"`
	Score       int       `json:"score"` // risk of the incident, 0–100
	Requester   string    `json:"requester"`
	Playbook    string    `json:"playbook"`
	Authors     []string  `json:"authors,omitempty"` // of the rules behind the alerts
	Team        string    `json:"team,omitempty"`    // of the requester
	Time        time.Time `json:"time"`
}

// ApprovalClaim says who is looking into it.
type ApprovalClaim struct {
	User  string    `json:"user"`
	Until time.Time `json:"until"`
}

// ApprovalDelegation lets To decide in From's place.
type ApprovalDelegation struct {
	From  string    `json:"from"`
	To    string    `json:"to"`
	Until time.Time `json:"until"`
	Time  time.Time `json:"time"`
}

// ApprovalView is the first time that somebody looked at it.
type ApprovalView struct {
	User string    `json:"user"`
	Time time.Time `json:"time"`
}

// ApprovalMove is something that happened to the request beside decisions.
type ApprovalMove struct {
	Kind string    `json:"kind"` // escalated, advanced, narrowed, delegated, claimed, released, snoozed, smaller
	By   string    `json:"by"`
	Text string    `json:"text,omitempty"`
	Time time.Time `json:"time"`
}

// ApprovalReview is the second look at a decision that one person made alone.
type ApprovalReview struct {
	State  string    `json:"state"` // pending, justified, unjustified
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Time   time.Time `json:"time,omitzero"`
}

// Decision is one person's verdict on an approval.
type Decision struct {
	User     string    `json:"user"`
	OnBehalf string    `json:"on_behalf,omitempty"` // who delegated to the user
	Verdict  string    `json:"verdict"`             // approve, deny, abstain, break-glass
	Reason   string    `json:"reason"`
	Channel  string    `json:"channel"` // web, cli, temporal
	Stage    int       `json:"stage"`
	Team     string    `json:"team,omitempty"`
	Binding  string    `json:"binding"` // what it was given for
	Token    string    `json:"token,omitempty"`
	Passkey  string    `json:"passkey,omitempty"` // id of the passkey that signed it; the signature is in the token
	Time     time.Time `json:"time"`
	// Args are the values that a manual step asked the person for.
	Args map[string]string `json:"args,omitempty"`
}

// ActionRecord is an action that was performed: enough to take it back.
type ActionRecord struct {
	Org        string            `json:"org"`
	Key        string            `json:"key"`
	Run        string            `json:"run"`
	Step       string            `json:"step"`
	Incident   string            `json:"incident,omitempty"`
	Action     string            `json:"action"`
	Target     string            `json:"target"`
	Arguments  map[string]string `json:"arguments"`
	Approval   string            `json:"approval,omitempty"`
	Binding    string            `json:"binding,omitempty"`
	Outcome    string            `json:"outcome"`
	Undo       string            `json:"undo"` // in words, "" when it cannot be undone
	At         time.Time         `json:"at"`
	Expires    time.Time         `json:"expires,omitzero"` // end of its time box
	Undone     time.Time         `json:"undone,omitzero"`
	UndoneBy   string            `json:"undone_by,omitempty"` // "system" at the end of its time box
	UndoResult string            `json:"undo_result,omitempty"`
	Version    uint64            `json:"version"`
}
