package schema

import "time"

// ObjectiveStatus is where an objective stands.
type ObjectiveStatus string

// The states of an objective. Unknown: there is nothing to measure it by.
const (
	ObjectiveMet     ObjectiveStatus = "met"
	ObjectiveMissed  ObjectiveStatus = "missed"
	ObjectiveUnknown ObjectiveStatus = "unknown"
)

// PresenceState says whether data that should come does come.
type PresenceState string

// The states of a source, data set or rule; docs/reference/posture.md defines them.
const (
	Present PresenceState = "present"
	Stale   PresenceState = "stale"
	Silent  PresenceState = "silent"
)

// CoverageState says what stands behind a technique.
type CoverageState string

// The states of a technique, best first.
const (
	Covered       CoverageState = "covered"     // a rule with data, which has fired or passes its own tests
	CoveredUntest CoverageState = "unproven"    // a rule with data, which never fired and has no test
	CoveredSilent CoverageState = "silent"      // rules, but none whose data comes
	NotCovered    CoverageState = "not-covered" // no rule
)

// SourceFact is what posture needs to know of a source.
type SourceFact struct {
	ID         string
	LastEvent  time.Time     // newest event time
	LastIngest time.Time     // newest commit
	Gap        time.Duration // usual time between commits, 0: not known
	Records    int64         // within the window
	Failures   int64         // records of the window that no parser took
	Proved     time.Time     // newest proof that found nothing, zero: never
	ProofOK    bool          // the newest proof found nothing
}

// DatasetFact is what posture needs to know of a data set.
type DatasetFact struct {
	ID         string
	Events     int64
	LastEvent  time.Time
	LastIngest time.Time
	Gap        time.Duration
}

// RuleFact is what posture needs to know of a rule.
type RuleFact struct {
	ID        string
	Title     string
	Severity  Severity
	Enabled   bool
	Datasets  []string // exact, or a prefix ending in ".*", or "*"
	Attack    []string
	Indicator bool   // looks for indicators, which feeds bring
	Detector  string // looks at the scores of this detector, which a champion gives; "" for none
	Tests     int    // inline tests
	Fired     int64  // detections ever
	LastFired time.Time
}

// AlertFact is how long an alert waited.
type AlertFact struct {
	ID           string
	Severity     Severity
	Created      time.Time
	Acknowledged time.Time // zero: nobody has
}

// FeedFact is how old a feed's knowledge is.
type FeedFact struct {
	ID         string
	Status     string
	Indicators int64
	Synced     time.Time
}

// ModelFact is how old a detector's champion is.
type ModelFact struct {
	Detector string
	Model    string
	Created  time.Time
}

// PostureFacts is everything an assessment looks at.
type PostureFacts struct {
	Sources  []SourceFact
	Datasets []DatasetFact
	Rules    []RuleFact
	Alerts   []AlertFact
	Feeds    []FeedFact
	Models   []ModelFact
}

// ObjectiveResult is one objective, measured.
type ObjectiveResult struct {
	ID         string          `json:"id"`
	Title      string          `json:"title"`
	Metric     string          `json:"metric"`
	Unit       string          `json:"unit"`       // percent, seconds, count
	Comparator string          `json:"comparator"` // at_least, at_most
	Severity   Severity        `json:"severity"`
	Status     ObjectiveStatus `json:"status"`
	Target     float64         `json:"target"`
	Measured   float64         `json:"measured"`
	Text       string          `json:"text"`               // one sentence with both values
	Evidence   []string        `json:"evidence,omitempty"` // what it fails on, worst first, at most 20
}

// Presence is a source or data set and whether its data comes.
type Presence struct {
	ID         string        `json:"id"`
	State      PresenceState `json:"state"`
	LastEvent  time.Time     `json:"last_event"`
	LastIngest time.Time     `json:"last_ingest"`
	Silence    int64         `json:"silence"`     // seconds since the last commit
	StaleAfter int64         `json:"stale_after"` // seconds of silence until it is stale
	Events     int64         `json:"events,omitempty"`
}

// RulePresence is a rule and whether it can see anything.
type RulePresence struct {
	ID        string        `json:"id"`
	Title     string        `json:"title"`
	Severity  Severity      `json:"severity"`
	State     PresenceState `json:"state"`    // of the best of its data sets; silent when it has none, or lacks feeds or model
	Datasets  []string      `json:"datasets"` // those that come, of the ones it is for
	Fired     int64         `json:"fired"`
	LastFired time.Time     `json:"last_fired,omitzero"`
	Tests     int           `json:"tests"`
}

// TechniqueCoverage is one ATT&CK technique and what stands behind it.
type TechniqueCoverage struct {
	ID        string        `json:"id"`
	Name      string        `json:"name,omitempty"`
	Tactics   []string      `json:"tactics,omitempty"`
	State     CoverageState `json:"state"`
	Rules     []string      `json:"rules,omitempty"`
	Fired     int64         `json:"fired,omitempty"`
	LastFired time.Time     `json:"last_fired,omitzero"`
	// Proof is what continuous tests say; it is joined when the matrix is shown.
	Proof *TechniqueProof `json:"proof,omitempty"`
}

// Assessment is one measurement of posture against an objectives file.
type Assessment struct {
	ID         string              `json:"id"`
	Org        string              `json:"org"`
	Objectives string              `json:"objectives"` // id of the objectives file
	Title      string              `json:"title"`
	Time       time.Time           `json:"time"`
	WindowDays int                 `json:"window_days"`
	Status     ObjectiveStatus     `json:"status"` // missed when one is, else unknown when one is
	Met        int                 `json:"met"`
	Missed     int                 `json:"missed"`
	Unknown    int                 `json:"unknown"`
	Results    []ObjectiveResult   `json:"results"`
	Sources    []Presence          `json:"sources"`
	Datasets   []Presence          `json:"datasets"`
	Rules      []RulePresence      `json:"rules"`
	Coverage   []TechniqueCoverage `json:"coverage"`
}

// Finding is a weakness of software or posture.
type Finding struct {
	ID       string    `json:"id"`
	Org      string    `json:"org"`
	Kind     string    `json:"kind"`    // objective, …
	Subject  string    `json:"subject"` // what is weak: objectives file / objective
	Severity Severity  `json:"severity"`
	Status   string    `json:"status"` // open, closed
	Text     string    `json:"text"`
	Time     time.Time `json:"time"` // of the last change
	Version  uint64    `json:"version"`
}
