package flow

import (
	"time"

	"vigil/schema"
)

// SyncIntelInput syncs one feed. For a feed that was synced before, feed alone is
// enough: what is left empty is as it was.
type SyncIntelInput struct {
	Org        string            `json:"org,omitempty"`
	Feed       string            `json:"feed"`                    // feed id
	Kind       string            `json:"kind,omitempty"`          // stix, csv, text, zeek-intel, misp
	URL        string            `json:"url,omitempty"`           // http(s):// or a file path
	Type       string            `json:"type,omitempty"`          // indicator type for one-column feeds
	Columns    map[string]string `json:"columns,omitempty"`       // CSV column → value, type, name, confidence, labels, valid_from, valid_until
	Confidence int               `json:"confidence,omitempty"`    // default confidence 0–100
	TTLHours   int               `json:"ttl_hours,omitempty"`     // validity of indicators that name none, from the last sync that saw them; 0: 30 days, -1: for ever
	Secret     string            `json:"secret,omitempty"`        // reference (env:VIGIL_INTEL_…, file:) to a bearer token
	Every      int               `json:"every_minutes,omitempty"` // also make a schedule that repeats it; -1: end the schedule
	Remove     bool              `json:"remove,omitempty"`        // end the feed: no schedule, all its indicators revoked
	By         string            `json:"by,omitempty"`            // who asked
}

// SyncIntelResult says what a sync changed.
type SyncIntelResult struct {
	Feed    string         `json:"feed"`
	Read    int            `json:"read"`              // objects that claim to be an indicator
	Added   int            `json:"added"`             // indicators that are new
	Changed int            `json:"changed"`           // indicators whose name, confidence, labels or validity changed
	Expired int            `json:"expired"`           // indicators that stopped matching: expired, revoked, or gone from the feed
	Refused int            `json:"refused"`           // objects that could not be taken, wholly or in part
	Ignored int            `json:"ignored"`           // objects that are no indicators
	Active  int            `json:"active"`            // indicators of the feed that match now
	Reasons map[string]int `json:"reasons,omitempty"` // why objects were refused
	Version string         `json:"version"`           // version of the indicator set now matched
}

// SyncIntelState is what the state query of SyncIntel returns.
type SyncIntelState struct {
	Status string          `json:"status"` // waiting, syncing, scheduling, removing, completed, failed
	Result SyncIntelResult `json:"result"`
	Error  string          `json:"error,omitempty"`
}

// RetrainInput trains, evaluates and promotes or refuses a model; with Rollback it
// makes the previous champion the champion again.
type RetrainInput struct {
	Org      string    `json:"org,omitempty"`
	Detector string    `json:"detector"`           // zeek-conn-iforest
	From     time.Time `json:"from,omitzero"`      // event time, inclusive; default: whatever was ingested in the last 30 days
	To       time.Time `json:"to,omitzero"`        // event time, exclusive
	MaxRows  int       `json:"max_rows,omitempty"` // sample size; default 20,000
	Rollback bool      `json:"rollback,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	By       string    `json:"by,omitempty"` // who asked, for the audit
}

// RetrainState is what the state query of Retrain returns.
type RetrainState struct {
	Stage  string        `json:"stage"` // sampling, training, evaluating, deciding, rolling-back, done
	Rows   int64         `json:"rows"`  // events sampled
	Model  string        `json:"model"`
	Result RetrainResult `json:"result"` // when done
}

// RetrainResult is the outcome of a training or rollback.
type RetrainResult struct {
	Model    string             `json:"model"`
	Decision string             `json:"decision"` // promoted, refused, rolled-back
	Why      string             `json:"why"`
	Rows     int64              `json:"rows"`
	Metrics  map[string]float64 `json:"metrics"`
	Checks   []schema.Check     `json:"checks"`   // of the gate
	Champion string             `json:"champion"` // model now in force, "" for none
}

// AssessPostureInput measures posture against an objectives file.
type AssessPostureInput struct {
	Org        string `json:"org,omitempty"`
	Objectives string `json:"objectives,omitempty"`  // YAML text; default: the built-in objectives
	WindowDays int    `json:"window_days,omitempty"` // of alerts and records looked at; default 30
	By         string `json:"by,omitempty"`          // who asked; default: system
}

// AssessPostureResult says what an assessment found; the whole of it is in the store.
type AssessPostureResult struct {
	Assessment string `json:"assessment"`
	Objectives string `json:"objectives"` // id of the objectives file
	Status     string `json:"status"`     // met, missed, unknown
	Met        int    `json:"met"`
	Missed     int    `json:"missed"`
	Unknown    int    `json:"unknown"`
	Opened     int    `json:"opened"` // findings
	Closed     int    `json:"closed"`
}

// ReportInput sends a report once.
type ReportInput struct {
	Org    string    `json:"org,omitempty"`
	Report string    `json:"report"`       // report id
	At     time.Time `json:"at,omitzero"`  // the time it is for, the end of its range; default: when its schedule meant to start it, or now
	By     string    `json:"by,omitempty"` // who asked; default: schedule
}

// ReportResult says what was sent. Of a repeat it says what was sent before.
type ReportResult struct {
	Report    string    `json:"report"`
	At        time.Time `json:"at"`
	To        []string  `json:"to" nullable:"false"`
	MessageID string    `json:"message_id"`
	Panels    int       `json:"panels"`
	Problems  int       `json:"problems"` // panels without an answer
	Bytes     int       `json:"bytes"`
	Before    bool      `json:"before,omitempty"` // it had been sent already, and was not sent again
}
