package flow

import (
	"time"
)

// DetectInput runs the alert sweep and the stateful rules once.
type DetectInput struct {
	Org string `json:"org,omitempty"`
}

// DetectResult says what one round did.
type DetectResult struct {
	Folded     int `json:"folded"`     // chunks whose detections were folded by the sweep
	Windows    int `json:"windows"`    // windows evaluated by stateful rules
	Detections int `json:"detections"` // new detections
	Alerts     int `json:"alerts"`     // new or grown alerts
	Joined     int `json:"joined"`     // alerts that correlation sent to incidents
}

// DeployRulesInput puts a rule set in force, after everything that speaks against it was
// looked at.
type DeployRulesInput struct {
	Org      string `json:"org,omitempty"`
	Set      string `json:"set,omitempty"`      // hash of a stored set; "": the rule files of the processes
	Rollback bool   `json:"rollback,omitempty"` // take the set that was in force before
	DryRun   bool   `json:"dry_run,omitempty"`  // report only
	Days     int    `json:"days,omitempty"`     // of stored events that changes are tried on; default 7
	Limit    int    `json:"limit,omitempty"`    // alerts more a day from which people must approve; default 50
	Reason   string `json:"reason,omitempty"`
	By       string `json:"by,omitempty"`
	BackHunt int    `json:"back_hunt,omitempty"` // days of stored events that rules which are new or changed are then asked of, raising alerts; 0: none
	// Token proves By: a decision token with verdict "run" over DeployRules and the set.
	// Without it nobody knows who asks, and an approval needs two people.
	Token string `json:"token,omitempty"`
}

// RulesReport is what speaks for and against a rule set.
type RulesReport struct {
	Set       string       `json:"set"`
	Rules     int          `json:"rules"`
	Added     []string     `json:"added"`
	Changed   []string     `json:"changed"`
	Removed   []string     `json:"removed"`
	Tests     int          `json:"tests"`
	Problems  []string     `json:"problems"` // why it cannot be deployed, at most 50
	Warnings  []string     `json:"warnings"` // of the cost lint, at most 50
	From      time.Time    `json:"from"`     // event times that changes were tried on
	To        time.Time    `json:"to"`
	Changes   []RuleChange `json:"changes"` // at most 200
	Alerts    int          `json:"alerts"`  // added minus removed over all changes
	PerDay    float64      `json:"per_day"` // of these
	Reasons   []string     `json:"reasons"` // why people must approve
	Untried   int          `json:"untried"` // changed rules that were not tried: drafts, or more than 200
	Requester string       `json:"requester"`
}

// RuleChange is what one changed rule does differently on stored events.
type RuleChange struct {
	Rule      string         `json:"rule"`
	Title     string         `json:"title"`
	Severity  string         `json:"severity"`
	What      string         `json:"what"`      // added, changed, removed
	Before    int            `json:"before"`    // alerts of the version in force
	After     int            `json:"after"`     // alerts of the new version
	Added     int            `json:"added"`     // alerts that would be new
	Removed   int            `json:"removed"`   // alerts that would be gone
	Verdicts  map[string]int `json:"verdicts"`  // people's, of the alerts that stay
	Lost      int            `json:"lost"`      // alerts judged true that would be gone
	Precision float64        `json:"precision"` // expected: true among the verdicts that stay; -1: none
	Capped    bool           `json:"capped,omitempty"`
	Error     string         `json:"error,omitempty"` // why it could not be tried
}

// DeployRulesResult is the outcome of a deployment, and its state while it runs.
type DeployRulesResult struct {
	Status   string      `json:"status"` // checking, trying, awaiting-approval, deployed, refused, denied, unchanged, tried
	Set      string      `json:"set"`
	Before   string      `json:"before"`
	Version  uint64      `json:"version,omitempty"` // of the deployment
	Approval string      `json:"approval,omitempty"`
	Hunt     string      `json:"hunt,omitempty"` // workflow that asks the new rules of stored events
	Report   RulesReport `json:"report"`
}

// ExceptionInput makes an exception and keeps it until it expires.
type ExceptionInput struct {
	Org     string    `json:"org,omitempty"`
	ID      string    `json:"id"`
	Rule    string    `json:"rule"` // id, or "*"
	When    string    `json:"when"` // condition over e
	Owner   string    `json:"owner"`
	Reason  string    `json:"reason"`
	Expires time.Time `json:"expires"`
	By      string    `json:"by,omitempty"`
}

// ExceptionEnd is the argument of the update remove of Exception.
type ExceptionEnd struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// TestDetectionsInput tries the rules in force on attack samples.
type TestDetectionsInput struct {
	Org     string   `json:"org,omitempty"`
	Samples []string `json:"samples,omitempty"` // ids; default: all
	By      string   `json:"by,omitempty"`      // who asked; default: system
}

// TestDetectionsResult says how a test went; the results of each sample are in the store.
type TestDetectionsResult struct {
	RuleSet string   `json:"rule_set"`
	Samples int      `json:"samples"`
	Passed  int      `json:"passed"`
	Failed  []string `json:"failed"` // samples
	Green   int      `json:"green"`  // techniques of the samples that are found
	Red     int      `json:"red"`
}
