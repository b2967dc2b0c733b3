// Package flow is the vocabulary that starters, workers and workflows share:
// workflow types and inputs, task queues, update, query and signal names, and the
// one helper per noun that builds a workflow id. It holds no behaviour.
package flow

import (
	"fmt"
	"strings"

	"vigil/schema"
)

// The workflow types, as typed after `--type` in the Temporal CLI.
const (
	Ingest         = "Ingest"
	Drain          = "Drain"
	Detect         = "Detect"
	Hunt           = "Hunt"
	DeployRules    = "DeployRules"
	Exception      = "Exception"
	SyncIntel      = "SyncIntel"
	Retrain        = "Retrain"
	Incident       = "Incident"
	RunPlaybook    = "RunPlaybook"
	Action         = "Action"
	AssessPosture  = "AssessPosture"
	TestDetections = "TestDetections"
	Report         = "Report"
	Admin          = "Admin"
)

// The task queues. Each workflow runs on the queue its activities use.
const (
	QueueIngest  = "ingest"  // I/O of sources
	QueuePull    = "pull"    // sources that keep a slot for good: Kafka, S3
	QueueDetect  = "detect"  // stateful rules, alert sweep, hunts, posture
	QueueTrain   = "train"   // CPU-heavy training, one or two slots
	QueueIntel   = "intel"   // feeds
	QueueReport  = "report"  // dashboards by e-mail: few at once, so that their queries do not crowd out people's
	QueueRespond = "respond" // incidents, playbooks, actions, admin: never starved
)

// Queue returns the task queue of a workflow type.
func Queue(workflowType string) string {
	return map[string]string{
		Ingest: QueueIngest, Detect: QueueDetect, Hunt: QueueDetect, AssessPosture: QueueDetect, TestDetections: QueueDetect, DeployRules: QueueDetect, Exception: QueueDetect,
		SyncIntel: QueueIntel, Retrain: QueueTrain, Report: QueueReport,
		Incident: QueueRespond, RunPlaybook: QueueRespond, Action: QueueRespond, Admin: QueueRespond,
	}[workflowType]
}

// Update, query and signal names.
const (
	QueryState     = "state"     // every workflow: its current state
	UpdateDecide   = "decide"    // RunPlaybook: a Vote on an approval
	UpdatePause    = "pause"     // Ingest, Drain (SourceControl)
	UpdateResume   = "resume"    // Ingest, Drain (SourceControl)
	UpdateRewind   = "rewind"    // Ingest of a kind that goes on (SourceControl)
	UpdateSchedule = "schedule"  // Ingest of pull (SourceControl)
	UpdateComment  = "comment"   // Incident
	UpdateAck      = "ack"       // Incident
	UpdateClose    = "close"     // Incident
	UpdateRespond  = "respond"   // Incident: start a playbook by hand
	UpdateAssign   = "assign"    // Incident: give it to somebody (IncidentAssign)
	UpdateTask     = "task"      // Incident: add or change a task (IncidentTask)
	UpdateAttach   = "attach"    // Incident: add a stored file (IncidentAttach)
	UpdateQualify  = "qualify"   // Incident: say what it is before it is closed (IncidentClose)
	UpdateMerge    = "merge"     // Incident: move its alerts to another one and close it (IncidentMerge)
	UpdateSplit    = "split"     // Incident: move some alerts to a new one (IncidentSplit)
	UpdateRemove   = "remove"    // Exception: end it before its time
	SignalAlert    = "alert"     // Incident: alerts join ([]AlertRef)
	SignalKick     = "kick"      // Detect: chunks were committed
	SignalEnd      = "end"       // Action: end the time box now (ActionEnd)
	SignalRunState = "run-state" // Incident: a playbook run changed (RunReport)
)

// SearchAttributes are the custom search attributes, name to Temporal type, that
// the namespace carries. All are Keyword unless the value says otherwise.
func SearchAttributes() map[string]string {
	return map[string]string{
		"VigilOrg":      "Keyword",
		"VigilSource":   "Keyword",
		"VigilState":    "Keyword",
		"VigilSeverity": "Keyword",
		"VigilRule":     "Keyword",
		"VigilRisk":     "Int",
	}
}

// IngestID is the id of the Ingest workflow of a source.
func IngestID(org, source string) string { return join("ingest", org, source) }

// BackfillID is the id of a back-fill of a source; digest is made of what it reads.
func BackfillID(org, source, digest string) string { return join("backfill", org, source, digest) }

// IngestScheduleID is the id of the schedule that walks a source's paths again.
func IngestScheduleID(org, source string) string { return "ingest-" + org + "-" + source }

// QueueSpool is the task queue of a host's spool: only that host can read it.
func QueueSpool(host string) string { return "spool-" + host }

// DrainID is the id of the Drain workflow of a push source's spool on a host.
func DrainID(org, source, host string) string { return join("drain", org, source, host) }

// DetectID is the id of the Detect workflow.
func DetectID(org string) string { return join("detect", org) }

// HuntID is the id of one hunt.
func HuntID(org, rule, window string) string { return join("hunt", org, rule, window) }

// DeployRulesID is the id of the workflow that puts a rule set in force: one at a time.
func DeployRulesID(org string) string { return join("deploy", org, "rules") }

// ExceptionID is the id of the workflow that keeps one exception until it expires.
func ExceptionID(org, id string) string { return join("exception", org, id) }

// SyncIntelID is the id of a feed's sync.
func SyncIntelID(org, feed string) string { return join("intel", org, feed) }

// IntelScheduleID is the id of the schedule that repeats a feed's sync.
func IntelScheduleID(org, feed string) string { return "intel-" + org + "-" + feed }

// RetrainID is the id of a detector's training.
func RetrainID(org, detector string) string { return join("retrain", org, detector) }

// IncidentID is the id of the Incident workflow for a grouping key opened in a
// bucket (Unix seconds of its start).
func IncidentID(org, key string, bucket int64) string {
	return join("incident", org, key, fmt.Sprint(bucket))
}

// RunID is the id of a playbook run of an incident, or of a hand-started one.
func RunID(org, incident, playbook string, n int) string {
	return join("run", org, incident, playbook, fmt.Sprint(n))
}

// ActionID is the id of the child workflow that performs one action once:
// digest = schema.HashID(action, canonical arguments, target, incident or time box).
func ActionID(org, digest string) string { return join("action", org, digest) }

// UndoID is the id of the workflow that takes an action back, at the end of its time
// box or before: there is one for each action, so that it is taken back once.
func UndoID(org, action, target, key string) string {
	return ActionID(org, schema.HashID("undo", action, target, key))
}

// PostureID is the id of the posture assessment.
func PostureID(org string) string { return join("posture", org) }

// TestDetectionsID is the id of the test of the rules in force on attack samples.
func TestDetectionsID(org string) string { return join("test-detections", org) }

// ReportID is the id of the sending of a report; runs of its schedule have the time behind it.
func ReportID(org, report string) string { return join("report", org, report) }

// ReportScheduleID is the id of the schedule of a report.
func ReportScheduleID(org, report string) string { return "report-" + org + "-" + report }

// AdminID is the id of the workflow that changes one row: changes to one row are
// serial because they share the id.
func AdminID(org, noun, key string) string { return join("admin", org, noun, key) }

// join keeps ids readable and unambiguous: a slash inside a part becomes "∕".
func join(parts ...string) string {
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(p, "/", "∕")
	}
	return strings.Join(parts, "/")
}
