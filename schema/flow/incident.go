package flow

import (
	"encoding/json"
	"time"

	"vigil/schema"
)

// IncidentInput opens an incident; alerts join by the signal "alert".
type IncidentInput struct {
	Org      string          `json:"org,omitempty"`
	ID       string          `json:"id"`  // short id
	Key      string          `json:"key"` // grouping key
	Opened   time.Time       `json:"opened"`
	Playbook string          `json:"playbook,omitempty"` // started by itself when set
	Alerts   []AlertRef      `json:"alerts,omitempty"`
	State    *IncidentCursor `json:"state,omitempty"` // set by continue-as-new

	Title string               `json:"title,omitempty"` // default: that of its worst alert
	Link  *schema.IncidentLink `json:"link,omitempty"`  // to the incident that it was split from
}

// AlertRef is what an incident needs to know of an alert; the rest is in the store.
type AlertRef struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	Rule     string            `json:"rule"`
	Severity string            `json:"severity"`
	Risk     int               `json:"risk"`
	Attack   []string          `json:"attack,omitempty"`
	Entities map[string]string `json:"entities,omitempty"`
	First    time.Time         `json:"first"`
	Last     time.Time         `json:"last"`
	Playbook string            `json:"playbook,omitempty"`

	// What correlation says of the incident that the alert joins.
	Score float64 `json:"score,omitempty"`
	Case  string  `json:"case,omitempty"` // title
	Long  string  `json:"long,omitempty"` // why it spans more than a day
}

// IncidentCursor carries an incident through continue-as-new as its read model's JSON.
type IncidentCursor struct {
	Doc  string `json:"doc"`
	Runs int    `json:"runs"`
}

// RunPlaybookInput runs one playbook version.
type RunPlaybookInput struct {
	Org       string            `json:"org,omitempty"`
	Playbook  string            `json:"playbook"`            // id
	Version   string            `json:"version,omitempty"`   // content hash; default: the loaded one
	Incident  string            `json:"incident,omitempty"`  // incident id
	Workflow  string            `json:"workflow,omitempty"`  // incident workflow to report to
	Requester string            `json:"requester,omitempty"` // "system", a user; empty = unknown: two approvers
	Variables map[string]string `json:"variables,omitempty"`
	DryRun    bool              `json:"dry_run,omitempty"`
	Parent    string            `json:"parent,omitempty"` // run of the playbook that this is a step of
	Depth     int               `json:"depth,omitempty"`  // of playbooks within playbooks
	// Token proves Requester when a person started the run: a decision token with
	// verdict "run" over the playbook id (auth.RequestClaims). Without it, and without an Incident
	// as parent, the requester is unknown.
	Token string `json:"token,omitempty"`
}

// RunReport is what a playbook run signals (run-state) to its incident.
type RunReport struct {
	Run    string          `json:"run"`    // workflow id of the run
	Status string          `json:"status"` // as schema.Run.Status
	Entry  *IncidentEntry  `json:"entry,omitempty"`
	Brief  json.RawMessage `json:"brief,omitempty"` // schema.Run without steps, when the status changed

	Link *schema.IncidentLink `json:"link,omitempty"` // another incident was merged into this one
}

// IncidentEntry is one line for the timeline of an incident.
type IncidentEntry struct {
	Kind string `json:"kind"` // step, approval, decision, action, status
	By   string `json:"by"`
	Text string `json:"text"`
	Ref  string `json:"ref,omitempty"`
}

// IncidentComment is the argument of the update comment of Incident.
type IncidentComment struct {
	By   string `json:"by"`
	Text string `json:"text"`
}

// IncidentAck is the argument of the update ack of Incident.
type IncidentAck struct {
	By string `json:"by"`
}

// IncidentClose is the argument of the update close of Incident.
type IncidentClose struct {
	By      string `json:"by"`
	Verdict string `json:"verdict"` // true_positive, false_positive, benign
	Reason  string `json:"reason"`
}

// IncidentAssign is the argument of the update assign of Incident.
type IncidentAssign struct {
	By string `json:"by"`
	To string `json:"to"` // a user; "" for nobody
}

// IncidentTask is the argument of the update task of Incident: without an id a new task,
// else a change of one, where what is empty stays.
type IncidentTask struct {
	By    string    `json:"by"`
	ID    string    `json:"id,omitempty"`
	Title string    `json:"title,omitempty"`
	Owner string    `json:"owner,omitempty"`
	Due   time.Time `json:"due,omitzero"`
	State string    `json:"state,omitempty"` // open, done, dropped
}

// IncidentAttach is the argument of the update attach of Incident: bytes that are stored.
type IncidentAttach struct {
	By   string `json:"by"`
	Name string `json:"name"`
	Hash string `json:"hash"` // hex SHA-256
	Size int64  `json:"size"`
}

// IncidentMerge is the argument of the update merge of Incident.
type IncidentMerge struct {
	By     string `json:"by"`
	Into   string `json:"into"` // short id of the incident that takes the alerts
	Reason string `json:"reason"`
}

// IncidentSplit is the argument of the update split of Incident.
type IncidentSplit struct {
	By     string   `json:"by"`
	Alerts []string `json:"alerts"` // that leave
	Title  string   `json:"title,omitempty"`
	Reason string   `json:"reason"`
}

// IncidentRespond is the argument of the update respond of Incident: start a
// playbook by hand. By counts only with a Token (as in RunPlaybookInput);
// without one the requester is unknown and two people must approve.
type IncidentRespond struct {
	Playbook  string            `json:"playbook"`
	By        string            `json:"by,omitempty"`
	Token     string            `json:"token,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
	DryRun    bool              `json:"dry_run,omitempty"`
}

// IncidentState answers every update of Incident.
type IncidentState struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Version uint64 `json:"version"`
	Run     string `json:"run,omitempty"`   // workflow id of the run that respond started
	Task    string `json:"task,omitempty"`  // id of the task that task made
	Other   string `json:"other,omitempty"` // id of the incident that split opened
}
