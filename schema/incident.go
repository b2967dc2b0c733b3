package schema

import "time"

// The states of a task.
const (
	TaskOpen    = "open"
	TaskDone    = "done"
	TaskDropped = "dropped"
)

// Task is something to be done for an incident. Steps of playbooks that people do are
// tasks too, derived from their approvals when an incident is read.
type Task struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	Owner    string    `json:"owner,omitempty"`
	Due      time.Time `json:"due,omitzero"`
	State    string    `json:"state"` // open, done, dropped
	Created  time.Time `json:"created"`
	By       string    `json:"by"`
	Ended    time.Time `json:"ended,omitzero"`
	Approval string    `json:"approval,omitempty"` // of the playbook step that it is
}

// Attachment is a file that somebody added to an incident. Its bytes are stored under Hash.
type Attachment struct {
	Hash string    `json:"hash"` // hex SHA-256
	Name string    `json:"name"`
	Size int64     `json:"size"`
	By   string    `json:"by"`
	Time time.Time `json:"time"`
}

// Clock is a deadline that an incident has to keep by its severity.
type Clock struct {
	Name     string    `json:"name"` // acknowledge, resolve
	Due      time.Time `json:"due"`
	Met      time.Time `json:"met,omitzero"`      // when it was kept or made good
	Breached time.Time `json:"breached,omitzero"` // when it passed
}

// The clocks of an incident.
const (
	ClockAcknowledge = "acknowledge"
	ClockResolve     = "resolve"
)

// IncidentLink is another incident that this one has to do with.
type IncidentLink struct {
	Kind string    `json:"kind"` // merged-into, merged-from, split-into, split-from
	ID   string    `json:"id"`
	By   string    `json:"by"`
	Time time.Time `json:"time"`
}

// Likeness is how like another incident is, and by what.
type Likeness struct {
	Incident string   `json:"incident"`
	Title    string   `json:"title"`
	Status   string   `json:"status"`
	Verdict  string   `json:"verdict,omitempty"`
	Score    int      `json:"score"` // 0–100
	Why      []string `json:"why"`
}

// KPI is one measure of response over incidents.
type KPI struct {
	Name   string  `json:"name"`   // TTD, TTA, TTT, TTQ, TTR
	Text   string  `json:"text"`   // what it measures
	Count  int     `json:"count"`  // incidents that have it
	Median float64 `json:"median"` // seconds
	P90    float64 `json:"p90"`    // seconds
	Mean   float64 `json:"mean"`   // seconds
}
