package flow

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"vigil/schema"
)

// IngestInput starts or continues the ingestion of one source.
type IngestInput struct {
	Org      string              `json:"org,omitempty"`           // default "main"
	Source   string              `json:"source"`                  // source id
	Kind     string              `json:"kind,omitempty"`          // a row of SourceKinds; default files
	Paths    []string            `json:"paths,omitempty"`         // files, folders, archives; of tail: files and globs, on the worker's host
	Host     string              `json:"host,omitempty"`          // of tail and pull: whose worker reads
	Settings string              `json:"settings,omitempty"`      // of pull: its YAML document
	Kafka    *schema.KafkaSource `json:"kafka,omitempty"`         // of kafka: what is consumed
	S3       *schema.S3Source    `json:"s3,omitempty"`            // of s3: which objects
	Format   string              `json:"format,omitempty"`        // parser format; default: detected per object
	Zone     string              `json:"zone,omitempty"`          // IANA zone of zone-less timestamps; default UTC
	Epoch    int                 `json:"epoch,omitempty"`         // raise to ingest the same bytes again on purpose
	Since    time.Time           `json:"since,omitzero"`          // only files changed since, or records of that time on
	Until    time.Time           `json:"until,omitzero"`          // only files changed before, or records before that time
	Every    int                 `json:"every_seconds,omitempty"` // of pull and s3: how often it asks or lists; default: as its document says, of s3 60
	Once     bool                `json:"once,omitempty"`          // read what is there, and end: a back-fill
	By       string              `json:"by,omitempty"`            // who asked
	Rewound  string              `json:"rewound,omitempty"`       // names the last rewind, so that it is done once; set by it
	// Cursor is set by continue-as-new; leave it empty.
	Cursor *IngestCursor `json:"cursor,omitempty"`
}

// IngestCursor is what a run hands to its continuation. The manifest is the truth
// for checkpoints; this only carries totals, the pause switch and the pinned plan.
type IngestCursor struct {
	Plan     IngestPlan     `json:"plan"`
	Progress IngestProgress `json:"progress"`
	Paused   bool           `json:"paused,omitempty"`
}

// IngestPlan is fixed before the first insert, so that a retry cuts the same
// chunks with the same versions (decisions 1 and 4).
type IngestPlan struct {
	Ingested time.Time `json:"ingested"`  // ingest time of every row of the plan
	BaseYear int       `json:"base_year"` // for year-less syslog
	Zone     string    `json:"zone"`
	Records  int64     `json:"records"` // chunk cut: at most so many records
	Bytes    int64     `json:"bytes"`   // or so many bytes
	RuleSet  string    `json:"rule_set"`
	Intel    string    `json:"intel"`
	Models   string    `json:"models"`
	Tables   string    `json:"tables,omitempty"` // tables of enrichment and custom formats: name=hash, …
	Objects  int       `json:"objects"`
	Size     int64     `json:"size"` // stored bytes of all objects
}

// IngestProgress is what the state query of Ingest returns and `vigil ingest` draws.
type IngestProgress struct {
	Status     string    `json:"status"` // planning, running, waiting, paused, completed, failed
	Objects    int       `json:"objects"`
	ObjectsAll int       `json:"objects_all"`
	Size       int64     `json:"size"`     // stored bytes of finished objects and the part read of the current one
	SizeAll    int64     `json:"size_all"` // stored bytes of all objects
	Bytes      int64     `json:"bytes"`    // decompressed bytes committed
	Records    int64     `json:"records"`
	Events     int64     `json:"events"`
	Failures   int64     `json:"failures"`
	Detections int64     `json:"detections"`
	Alerts     int64     `json:"alerts"`
	Chunks     int64     `json:"chunks"`
	Waiting    int64     `json:"waiting,omitempty"` // bytes that are there and not committed, of a kind that goes on
	Object     string    `json:"object"`            // being read
	Cursor     string    `json:"cursor,omitempty"`  // of s3: where listing goes on
	Started    time.Time `json:"started"`
	Error      string    `json:"error,omitempty"`
	Problems   []string  `json:"problems,omitempty"` // objects that could not be read, at most 20
}

// SourceControl is the argument of the updates of Ingest and Drain. All of it may be
// left out, but To of a rewind and Every of a schedule.
type SourceControl struct {
	By    string    `json:"by,omitempty"`            // who asks, for the audit trail
	To    time.Time `json:"to,omitzero"`             // rewind: to when
	Again bool      `json:"again,omitempty"`         // rewind: store again what is stored, under the next epoch
	Every int       `json:"every_seconds,omitempty"` // schedule: how often
}

// DrainInput drains the spool of one push source on one host, until it is cancelled.
type DrainInput struct {
	Org    string `json:"org,omitempty"`  // default "main"
	Source string `json:"source"`         // source id
	Host   string `json:"host"`           // whose spool; the workflow runs on its queue
	Zone   string `json:"zone,omitempty"` // IANA zone of zone-less timestamps; default UTC
	// Cursor is set by continue-as-new; leave it empty.
	Cursor *IngestCursor `json:"cursor,omitempty"`
}

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

// HuntInput runs rules over stored history: exactly one of Rule, Rules, YAML and When says
// which.
type HuntInput struct {
	Org      string    `json:"org,omitempty"`
	Rule     string    `json:"rule,omitempty"`     // id of a rule in use
	Rules    []string  `json:"rules,omitempty"`    // ids of rules in use; * stands for any text
	YAML     string    `json:"yaml,omitempty"`     // rule documents
	When     string    `json:"when,omitempty"`     // a condition over e, as rules have it
	Datasets []string  `json:"datasets,omitempty"` // of When; default: all
	From     time.Time `json:"from,omitzero"`      // event time, inclusive; default: the oldest event
	To       time.Time `json:"to,omitzero"`        // event time, exclusive; default: the newest event
	Limit    int       `json:"limit,omitempty"`    // sample events in the result; default 20, at most 1000; of many rules 3 each, at most 10
	Raise    bool      `json:"raise,omitempty"`    // also write detections and raise alerts
	Preview  bool      `json:"preview,omitempty"`  // only say what it will cost and raise
	Window   int64     `json:"window,omitempty"`   // events that are asked at once, and again when a worker dies; default 4 to 25 million
	By       string    `json:"by,omitempty"`       // who asked
}

// Name is how ids and lists call the hunt.
func (h HuntInput) Name() string {
	switch {
	case h.Rule != "":
		return h.Rule
	case len(h.Rules) == 1:
		return strings.ReplaceAll(h.Rules[0], "*", "all")
	case len(h.Rules) > 1:
		return "rules"
	case h.When != "":
		return "condition"
	default:
		return "own"
	}
}

// HuntResult is what a hunt found.
type HuntResult struct {
	Rule       string   `json:"rule"`
	Version    string   `json:"version"`
	Kind       string   `json:"kind"`
	Hits       int64    `json:"hits"`       // events; for threshold rules those that are counted
	Fires      int64    `json:"fires"`      // detections that the rule makes of them: as many as hits but for threshold rules
	Scanned    int64    `json:"scanned"`    // rows read
	Bytes      int64    `json:"bytes"`      // read, uncompressed
	Millis     int64    `json:"millis"`     // spent in the engine
	Samples    []string `json:"samples"`    // event ids, oldest first
	Detections int64    `json:"detections"` // new ones that raise wrote
	Alerts     int64    `json:"alerts"`     // that these are part of

	Rules   int          `json:"rules,omitempty"`   // that were asked, when they are many
	Found   []HuntRule   `json:"found,omitempty"`   // of many rules: those that fire, most first
	Skipped []string     `json:"skipped,omitempty"` // rules that cannot be asked of history, with the reason
	Preview *HuntPreview `json:"preview,omitempty"`
}

// HuntRule is what one of many rules found.
type HuntRule struct {
	Rule     string   `json:"rule"`
	Title    string   `json:"title"`
	Severity string   `json:"severity"`
	Fires    int64    `json:"fires"`
	Samples  []string `json:"samples"` // event ids
}

// maxFound bounds the list of rules in a result.
const maxFound = 1000

// SortFound puts the rules that fire most first.
func SortFound(list []HuntRule) {
	slices.SortFunc(list, func(a, b HuntRule) int { return cmp.Or(cmp.Compare(b.Fires, a.Fires), cmp.Compare(a.Rule, b.Rule)) })
}

// Add adds what another window found; most is how many samples of each of many rules
// are kept.
func (r *HuntResult) Add(got HuntResult, most int) {
	r.Hits += got.Hits
	r.Fires += got.Fires
	r.Scanned += got.Scanned
	r.Bytes += got.Bytes
	r.Millis += got.Millis
	r.Detections += got.Detections
	r.Alerts += got.Alerts
	r.Samples = append(r.Samples, got.Samples...)
	for _, f := range got.Found {
		i := slices.IndexFunc(r.Found, func(x HuntRule) bool { return x.Rule == f.Rule })
		if i < 0 {
			r.Found = append(r.Found, f)
			continue
		}
		r.Found[i].Fires += f.Fires
		if free := most - len(r.Found[i].Samples); free > 0 {
			r.Found[i].Samples = append(r.Found[i].Samples, f.Samples[:min(free, len(f.Samples))]...)
		}
	}
	SortFound(r.Found)
	r.Found = r.Found[:min(len(r.Found), maxFound)]
}

// HuntPreview is what a hunt will cost and find, judged by its newest events.
type HuntPreview struct {
	Events int64     `json:"events"` // in the range
	Rows   int64     `json:"rows"`   // that will be read, after the indexes
	Bytes  int64     `json:"bytes"`  // that will be read, uncompressed
	Millis int64     `json:"millis"` // that it will take
	Fires  int64     `json:"fires"`  // detections to expect
	Alerts int64     `json:"alerts"` // alerts to expect
	From   time.Time `json:"from"`   // the sample
	To     time.Time `json:"to"`

	SampleEvents int64 `json:"sample_events"`
	SampleFires  int64 `json:"sample_fires"`
	SampleAlerts int64 `json:"sample_alerts"`
	SampleMillis int64 `json:"sample_millis"`
}

// HuntState is what the state query of Hunt returns: the result so far.
type HuntState struct {
	Status  string     `json:"status"` // planning, previewing, running, completed, cancelled, failed
	Events  int64      `json:"events"` // in the range
	From    time.Time  `json:"from"`   // what is asked, after defaults
	To      time.Time  `json:"to"`
	Windows int        `json:"windows"` // windows of event time done
	All     int        `json:"all"`     // windows altogether
	Result  HuntResult `json:"result"`
	Error   string     `json:"error,omitempty"`
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
	Steps    []UndoStep `json:"steps"`          // the last action first
	Left     []string   `json:"left,omitempty"` // what cannot be undone
}

// UndoStep is one action that was taken back, or not.
type UndoStep struct {
	Action  string `json:"action"`
	Target  string `json:"target"`
	Outcome string `json:"outcome"` // done, already-done, failed
	Kept    string `json:"kept,omitempty"`
	Error   string `json:"error,omitempty"`
}
