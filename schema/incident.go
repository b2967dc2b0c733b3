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
	State    string    `json:"state" enum:"open,done,dropped"`
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
	Why      []string `json:"why" nullable:"false"`
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

// Pins are what chunks of a time were made with.
type Pins struct {
	RuleSet string    `json:"rule_set"`
	Intel   string    `json:"intel"`
	Models  string    `json:"models"`
	Tables  string    `json:"tables"`
	Since   time.Time `json:"since"` // commit of the chunk that tells
}

// Then is an incident as of a time, with what held then.
type Then struct {
	At         time.Time       `json:"at"`
	Incident   Incident        `json:"incident"` // its timeline up to then, its alerts of then
	Alerts     []Alert         `json:"alerts"`
	Pins       Pins            `json:"pins"`
	Rules      []ThenRule      `json:"rules" nullable:"false"`      // of its alerts
	Exceptions []Exception     `json:"exceptions" nullable:"false"` // that held for these rules
	Off        []string        `json:"off" nullable:"false"`        // rules switched off, and why
	Indicators []ThenIndicator `json:"indicators" nullable:"false"` // that named its entities
	Models     []Model         `json:"models" nullable:"false"`
	Assets     []Entity        `json:"assets" nullable:"false"` // and identities, of its entities
	Missing    []string        `json:"missing,omitempty"`
}

// ThenRule is a rule as it was.
type ThenRule struct {
	Rule    string `json:"rule"`
	Version string `json:"version"`
	Title   string `json:"title"`
	YAML    string `json:"yaml"`
	Now     string `json:"now"` // version in force today, "" when there is none
}

// ThenIndicator is an indicator as it was.
type ThenIndicator struct {
	Feed       string    `json:"feed"`
	Type       string    `json:"type"`
	Value      string    `json:"value"`
	Name       string    `json:"name"`
	Confidence int       `json:"confidence"`
	Until      time.Time `json:"until,omitzero"`
}
