// Package rules is the detection engine: rule documents are loaded and checked,
// compiled into a set, and evaluated over events. A rule is YAML around
// expressions of internal/expr; its kinds are those of [Kinds]. One bad rule
// never stops the others: [Load] returns what is good and an exact error for
// each thing that is not.
package rules

import (
	"time"

	"vigil/internal/expr"
	"vigil/schema"
)

// Kind says how a rule decides.
type Kind string

// The kinds of rule.
const (
	// Match fires on each event for which the condition holds.
	Match Kind = "match"
	// Threshold fires when enough events of one group match within a time; each
	// matching event is stored as a base detection and counted later.
	Threshold Kind = "threshold"
	// Indicator fires on an event that enrichment matched with an indicator.
	Indicator Kind = "indicator"
	// Anomaly fires on an event that a detector scored at or above its threshold.
	Anomaly Kind = "anomaly"
	// Sequence fires when events of one group meet its steps within a time, in order
	// or in any; a step may be that something does not happen.
	Sequence Kind = "sequence"
	// NewTerms fires on the first event in days that carries certain values.
	NewTerms Kind = "new_terms"
	// Aggregate fires for each row of a query over a window of stored events.
	Aggregate Kind = "aggregate"
)

// Base is the kind of the detections that a stateful rule makes of single events.
// They are stored and judged together, but raise no alert.
const Base Kind = "base"

// Hidden is the kind of the detections that an exception keeps from people: they
// are stored and counted, but raise no alert and take no part in a window.
const Hidden Kind = "hidden"

// Kinds returns the kinds of rule that this version runs.
func Kinds() []Kind {
	return []Kind{Match, Threshold, Sequence, NewTerms, Aggregate, Indicator, Anomaly}
}

// Status is how far a rule has come. A draft is checked but not run.
type Status string

// The states of a rule.
const (
	Draft  Status = "draft"
	Test   Status = "test"
	Stable Status = "stable"
)

// Rule is one checked rule document.
type Rule struct {
	ID             string          `json:"id"`
	Title          string          `json:"title"`
	Description    string          `json:"description,omitempty"`
	Author         string          `json:"author"`
	License        string          `json:"license,omitempty"`
	Status         Status          `json:"status"`
	Severity       schema.Severity `json:"severity"`
	Risk           int             `json:"risk"` // 0–100
	Attack         []string        `json:"attack,omitempty"`
	References     []string        `json:"references,omitempty"`
	Owner          string          `json:"owner,omitempty"`
	Runbook        string          `json:"runbook,omitempty"`
	FalsePositives []string        `json:"falsepositives,omitempty"`
	Kind           Kind            `json:"kind"`
	Datasets       []string        `json:"dataset"` // exact, or a prefix ending in ".*", or "*"
	Detect         []Part          `json:"detect,omitempty"`
	When           string          `json:"when,omitempty"`
	Entities       []Entity        `json:"entities,omitempty"`
	Suppress       Suppress        `json:"suppress"`
	Playbook       string          `json:"playbook,omitempty"` // response asked for
	Count          *Count          `json:"threshold,omitempty"`
	Detector       *Detector       `json:"anomaly,omitempty"`
	Order          *Steps          `json:"sequence,omitempty"`
	Terms          *Terms          `json:"new_terms,omitempty"`
	Query          *Query          `json:"aggregate,omitempty"`
	Tests          []Case          `json:"-"`
	Version        string          `json:"version"` // content hash
	File           string          `json:"file"`
	Line           int             `json:"line"` // of the document in File, from 1
	YAML           string          `json:"yaml,omitempty"`

	conditions []*expr.EventProgram // all must hold
	terms      *terms               // tests of which one holds on any event it fires on
}

// Part is a named sub-expression of a rule.
type Part struct {
	Name string `json:"name"`
	Expr string `json:"expr"`

	program *expr.EventProgram
}

// Entity is a named value of the event that a detection is about.
type Entity struct {
	Name  string `json:"name"`
	Field string `json:"field"`

	ref expr.Ref
}

// Suppress says which detections fold into one alert.
type Suppress struct {
	By  []string      `json:"by,omitempty"` // entity names; all entities when empty
	For time.Duration `json:"for"`          // event-time window of one alert
}

// Count is the condition of a threshold rule: at least Count base detections (or
// distinct values of an entity) of one group within a time.
type Count struct {
	GroupBy  []string      `json:"group_by"` // entity names
	Count    int           `json:"count"`
	Distinct string        `json:"distinct,omitempty"` // entity whose distinct values count
	Within   time.Duration `json:"within"`
}

// Detector is the condition of an anomaly rule.
type Detector struct {
	Name      string   `json:"detector"`
	Threshold *float64 `json:"threshold,omitempty"` // nil: the promoted model's own
}

// Steps is the condition of a sequence rule: what must happen in one group within a
// time.
type Steps struct {
	By       []string      `json:"by"` // entity names
	Within   time.Duration `json:"within"`
	AnyOrder bool          `json:"any_order,omitempty"`
	Steps    []Step        `json:"steps"`
}

// Step is one thing that must happen, Count times, or must not.
type Step struct {
	When   string `json:"when"`
	Count  int    `json:"count"`
	Absent bool   `json:"absent,omitempty"`

	program *expr.EventProgram
}

// Terms is the condition of a new_terms rule: values of entities that their group
// has not shown in the Days before.
type Terms struct {
	Of   []string `json:"of"`           // entity names
	By   []string `json:"by,omitempty"` // entity names
	Days int      `json:"days"`
}

// Query is the condition of an aggregate rule: each row that the statement returns
// over the events of a window is a detection.
type Query struct {
	SQL    string        `json:"sql"`
	Window time.Duration `json:"window"`
	Every  time.Duration `json:"every"` // asked again for late events at most so often
}

// Case is an inline test: an event, or events one after the other, and whether the
// rule must fire on them.
type Case struct {
	Name   string
	Match  bool
	Event  [][2]string   // field name and value, repeated for lists
	Events [][][2]string // instead of Event, for what a stateful rule makes of all of them
	Line   int
}

// Runs says whether the rule is evaluated.
func (r *Rule) Runs() bool { return r.Status != Draft }

// Stateful says whether the rule judges base detections together, not single events.
func (r *Rule) Stateful() bool { return r.Count != nil || r.Order != nil || r.Terms != nil }

// Groups names the entities that base detections of a stateful rule must share to be
// judged together.
func (r *Rule) Groups() []string {
	switch {
	case r.Count != nil:
		return r.Count.GroupBy
	case r.Order != nil:
		return r.Order.By
	case r.Terms != nil:
		return r.Terms.By
	}
	return nil
}

// Conditions returns the checked conditions, all of which must hold, for
// executors other than the stream.
func (r *Rule) Conditions() []*expr.EventProgram { return r.conditions }

// Part returns the checked program of a named part, nil when there is none.
func (r *Rule) Part(name string) *expr.EventProgram {
	for i := range r.Detect {
		if r.Detect[i].Name == name {
			return r.Detect[i].program
		}
	}
	return nil
}

// Entity returns the entity of that name.
func (r *Rule) Entity(name string) (Entity, bool) {
	for _, e := range r.Entities {
		if e.Name == name {
			return e, true
		}
	}
	return Entity{}, false
}
