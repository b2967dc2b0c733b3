package schema

import "time"

// DefaultOrg is the tenant of a single-tenant installation.
const DefaultOrg = "main"

// Org is a tenant: people, sources and everything that comes of them. No query crosses orgs.
type Org struct {
	Name    string    `json:"name"` // in ids and names of workflows; never changes
	Title   string    `json:"title"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
	Added   string    `json:"added"`  // by which change
	Closed  bool      `json:"closed"` // nobody signs in, nothing is taken; what is stored stays
	Version uint64    `json:"version"`
}

// Severity is how bad an alert is; it orders as it reads.
type Severity string

// The severities, lowest first.
const (
	Informational Severity = "informational"
	Low           Severity = "low"
	Medium        Severity = "medium"
	High          Severity = "high"
	Critical      Severity = "critical"
)

// Severities returns the severities, lowest first.
func Severities() []Severity { return []Severity{Informational, Low, Medium, High, Critical} }

// Rank is the severity's place in Severities, -1 for an unknown one.
func (s Severity) Rank() int {
	for i, x := range Severities() {
		if s == x {
			return i
		}
	}
	return -1
}

// Chunk is a row of the manifest: a range of one object of a source whose events
// are committed. It is the checkpoint and the commit point (written last).
type Chunk struct {
	Org, Source string
	ID          string // ChunkID
	Epoch       int
	Object      string // path and archive member, as shown to people
	Fingerprint string // content identity of the object
	Format      string // parser format, "" when mixed
	Seq         int64  // number of the chunk within its object, from 0
	From, To    int64  // byte offsets in the decompressed object, row numbers of Parquet, offsets of a Kafka partition; To exclusive
	Records     int64  // records read: events and failures
	Skipped     int64  // blank lines, comments and headers
	Events      int64  // events stored
	Failures    int64  // records that no parser took
	Warnings    int64  // values that did not fit their field
	Detections  int64
	Bytes       int64  // of its records: To - From where these count bytes
	Hash        string // hex SHA-256 of the chunk's bytes
	Last        bool   // the object ends with this chunk
	Ingested    time.Time
	RuleSet     string    // pinned rule-set hash
	Intel       string    // pinned indicator-set version
	Models      string    // pinned model versions
	Tables      string    // pinned tables and custom formats: name=hash, sorted, with commas between
	Read        time.Time // when the worker read the chunk's first record; differs between attempts
}

// ParseFailure is a record that could not be made an event, kept whole.
type ParseFailure struct {
	Org, Source, Chunk, Object string
	Offset                     int64
	Format, Reason             string
	Raw                        []byte // at most 64 KiB; Size tells the whole length
	Size                       int64
	Ingested                   time.Time
}

// Detection is the fact that a rule version fired on an event.
type Detection struct {
	ID          string            `json:"id"`
	Org         string            `json:"org"`
	Source      string            `json:"source"`
	Chunk       string            `json:"chunk"`
	Rule        string            `json:"rule"`
	RuleVersion string            `json:"rule_version"`
	RuleTitle   string            `json:"rule_title"`
	RuleAuthor  string            `json:"rule_author,omitempty"`
	RuleLicense string            `json:"rule_license,omitempty"`
	Kind        string            `json:"kind"` // match, threshold, indicator, anomaly, …
	Severity    Severity          `json:"severity"`
	Risk        int               `json:"risk"` // 0–100
	Attack      []string          `json:"attack,omitempty"`
	EventID     string            `json:"event_id"`
	Dataset     string            `json:"dataset"`
	Time        time.Time         `json:"time"` // event time
	Ingested    time.Time         `json:"ingested"`
	Entities    map[string]string `json:"entities,omitempty"` // kind → value: host, user, source.ip, …
	DedupKey    string            `json:"dedup_key"`
	Why         []Why             `json:"why,omitempty"`
	Steps       []int             `json:"steps,omitempty"`     // of a sequence that a base detection meets, from 0
	Events      []string          `json:"events,omitempty"`    // that a stateful rule put together, at most 100
	Exception   string            `json:"exception,omitempty"` // that hides it
}

// Why is one reason a rule fired: a named part of the rule with the values that
// made it true.
type Why struct {
	Part   string            `json:"part"`
	Expr   string            `json:"expr"`
	Values map[string]string `json:"values,omitempty"`
}

// AlertStatus is where an alert stands.
type AlertStatus string

// The alert states.
const (
	AlertOpen         AlertStatus = "open"
	AlertAcknowledged AlertStatus = "acknowledged"
	AlertClosed       AlertStatus = "closed"
)

// Alert is a deduplicated, scored thing that a person sees. Its member
// detections are in a link table; Count is derived from it, never incremented.
type Alert struct {
	ID           string            `json:"id"`
	Org          string            `json:"org"`
	Rule         string            `json:"rule"`
	RuleVersion  string            `json:"rule_version"`
	Title        string            `json:"title"`
	Author       string            `json:"author,omitempty"`
	License      string            `json:"license,omitempty"`
	Kind         string            `json:"kind"`
	Severity     Severity          `json:"severity"`
	Risk         int               `json:"risk"`
	Attack       []string          `json:"attack,omitempty"`
	DedupKey     string            `json:"dedup_key"`
	Entities     map[string]string `json:"entities,omitempty"`
	Source       string            `json:"source"`
	Dataset      string            `json:"dataset"`
	FirstSeen    time.Time         `json:"first_seen"` // event time
	LastSeen     time.Time         `json:"last_seen"`
	Created      time.Time         `json:"created"` // when Vigil raised it
	Count        int64             `json:"count"`   // derived on read
	Status       AlertStatus       `json:"status"`
	Verdict      string            `json:"verdict,omitempty"` // true_positive, false_positive, benign
	Reason       string            `json:"reason,omitempty"`
	Assignee     string            `json:"assignee,omitempty"`
	Acknowledged time.Time         `json:"acknowledged,omitzero"`
	Incident     string            `json:"incident,omitempty"`
	IncidentRole string            `json:"incident_role,omitempty"` // unusual, before, nearby (alert.Role)
	IncidentWhy  string            `json:"incident_why,omitempty"`  // why it is in its incident, for people
	Criticality  string            `json:"criticality,omitempty"`   // of the most critical asset or identity it names; part of Risk
	Tags         []string          `json:"tags,omitempty"`
	SampleEvent  string            `json:"sample_event"` // event id of the first member
	Why          []Why             `json:"why,omitempty"`
	Response     string            `json:"response,omitempty"` // playbook asked for by the rule
	Version      uint64            `json:"version"`
}

// IncidentStatus is where an incident stands.
type IncidentStatus string

// The incident states.
const (
	IncidentOpen       IncidentStatus = "open"
	IncidentResponding IncidentStatus = "responding"
	IncidentAwaiting   IncidentStatus = "awaiting-approval"
	IncidentContained  IncidentStatus = "contained"
	IncidentClosed     IncidentStatus = "closed"
)

// Incident is the read model of an Incident workflow.
type Incident struct {
	ID           string            `json:"id"` // short id; the workflow id is flow.IncidentID
	Workflow     string            `json:"workflow"`
	Org          string            `json:"org"`
	Key          string            `json:"key"` // grouping key, e.g. "host:WS01"
	Title        string            `json:"title"`
	Severity     Severity          `json:"severity"`
	Risk         int               `json:"risk"`
	Status       IncidentStatus    `json:"status"`
	Opened       time.Time         `json:"opened"`
	FirstSeen    time.Time         `json:"first_seen"`
	LastSeen     time.Time         `json:"last_seen"`
	Acknowledged time.Time         `json:"acknowledged,omitzero"`
	Closed       time.Time         `json:"closed,omitzero"`
	Alerts       []string          `json:"alerts"`
	Entities     map[string]string `json:"entities,omitempty"`
	Attack       []string          `json:"attack,omitempty"`
	Assignee     string            `json:"assignee,omitempty"`
	Verdict      string            `json:"verdict,omitempty"`
	Timeline     []TimelineEntry   `json:"timeline"`
	Runs         []Run             `json:"runs,omitempty"`
	Version      uint64            `json:"version"`

	Score       float64        `json:"score,omitempty"` // unbounded: what correlation adds up; it ranks
	Rules       map[string]int `json:"rules,omitempty"` // rule → its highest risk
	Long        string         `json:"long,omitempty"`  // why it spans more than a day of event time
	Triaged     time.Time      `json:"triaged,omitzero"`
	Qualified   time.Time      `json:"qualified,omitzero"` // when its verdict was known
	Reason      string         `json:"reason,omitempty"`   // of the verdict
	Clocks      []Clock        `json:"clocks,omitempty"`
	Tasks       []Task         `json:"tasks,omitempty"`
	Attachments []Attachment   `json:"attachments,omitempty"`
	Links       []IncidentLink `json:"links,omitempty"`
}

// TimelineEntry is one thing that happened in an incident.
type TimelineEntry struct {
	Time time.Time `json:"time"`
	Kind string    `json:"kind"` // alert, step, approval, decision, action, comment, status, task, file, clock, link
	By   string    `json:"by"`   // user or "system"
	Text string    `json:"text"`
	Ref  string    `json:"ref,omitempty"` // id of the alert, approval, run, …
}

// Run is one execution of a playbook.
type Run struct {
	ID        string    `json:"id"` // workflow id
	Org       string    `json:"org"`
	Incident  string    `json:"incident,omitempty"`
	Playbook  string    `json:"playbook"`
	Version   string    `json:"version"` // content hash of the playbook
	Title     string    `json:"title"`
	Requester string    `json:"requester"` // "system", a user, or "unknown"
	Status    string    `json:"status"`    // running, awaiting-approval, completed, denied, failed, cancelled
	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended,omitzero"`
	Steps     []RunStep `json:"steps"`
	DryRun    bool      `json:"dry_run,omitempty"`
	// Outputs are the variables of a run that is a step of another.
	Outputs map[string]string `json:"outputs,omitempty"`
}

// RunStep is the state of one step of a run.
type RunStep struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Type     string            `json:"type"`   // start, action, if-condition, parallel, end, …
	Action   string            `json:"action"` // verb, for action steps
	Status   string            `json:"status"` // pending, running, waiting, done, skipped, failed, denied
	Next     []string          `json:"next,omitempty"`
	Started  time.Time         `json:"started,omitzero"`
	Ended    time.Time         `json:"ended,omitzero"`
	Approval string            `json:"approval,omitempty"`
	Error    string            `json:"error,omitempty"`
	Attempts int               `json:"attempts,omitempty"`
	Inputs   map[string]string `json:"inputs,omitempty"`
	Outputs  map[string]string `json:"outputs,omitempty"`
}

// AuditRecord is one link of a writer's hash chain.
type AuditRecord struct {
	Org     string            `json:"org"`
	Writer  string            `json:"writer"` // process instance
	Seq     uint64            `json:"seq"`    // from 1, no gaps, per writer
	ID      string            `json:"id"`     // deterministic, so that a retry does not fork
	Time    time.Time         `json:"time"`
	Actor   string            `json:"actor"`
	Verb    string            `json:"verb"` // e.g. approval.decide, action.intent, action.result
	Object  string            `json:"object"`
	Outcome string            `json:"outcome"` // ok, refused, failed
	Details map[string]string `json:"details,omitempty"`
	Prev    string            `json:"prev"` // hex hash of the record before, "" for the first
	Hash    string            `json:"hash"` // hex SHA-256 over the canonical form with Prev
}

// Evaluation is one row of the evaluation ledger: a rule set (or a rule) was
// evaluated over a chunk or window.
type Evaluation struct {
	Org         string
	Rule        string // rule id, or "*" for every stateless rule of the set
	RuleVersion string // rule version, or the rule-set hash for "*"
	Chunk       string // chunk id, or a window key
	Status      string // evaluated, late, failed
	Events      int64
	Detections  int64
	Error       string
	Time        time.Time
}

// Indicator is a value or pattern somebody says is bad.
type Indicator struct {
	ID         string    `json:"id"`
	Org        string    `json:"org"`
	Feed       string    `json:"feed"`
	Type       string    `json:"type"` // ip, cidr, domain, url, sha256, sha1, md5, email
	Value      string    `json:"value"`
	Name       string    `json:"name"`
	Confidence int       `json:"confidence"` // 0–100
	Labels     []string  `json:"labels,omitempty"`
	ValidFrom  time.Time `json:"valid_from,omitzero"`  // the zero time: always
	ValidUntil time.Time `json:"valid_until,omitzero"` // the zero time: never expires
	Revoked    bool      `json:"revoked"`
	Version    uint64    `json:"version"`
}

// Check is one check of the gate that a model passes to be put in force.
type Check struct {
	Name     string  `json:"name"`
	Measured float64 `json:"measured"`
	Limit    float64 `json:"limit"`
	AtMost   bool    `json:"at_most,omitempty"` // passes up to the limit; else from it on
	Pass     bool    `json:"pass"`
}

// Score is what a model thinks of an event, when it is worth keeping: those at or above
// the threshold, and a small sample of the others.
type Score struct {
	Org, Model, Detector, EventID, Source, Chunk string
	Score                                        float64
	Time, Ingested                               time.Time
}

// Feed is a source of indicators: its settings, and what its last sync did.
type Feed struct {
	ID         string            `json:"id"`
	Org        string            `json:"org"`
	Kind       string            `json:"kind"` // stix, csv, text, zeek-intel, misp
	URL        string            `json:"url"`  // http(s):// or a file path
	Type       string            `json:"type,omitempty"`
	Columns    map[string]string `json:"columns,omitempty"`
	Confidence int               `json:"confidence,omitempty"`
	TTLHours   int               `json:"ttl_hours,omitempty"`
	Secret     string            `json:"secret,omitempty"`        // a reference, never the secret
	Every      int               `json:"every_minutes,omitempty"` // 0: not scheduled
	Status     string            `json:"status"`                  // synced, failed, removed
	Error      string            `json:"error,omitempty"`
	Synced     time.Time         `json:"synced,omitzero"` // last success
	Tried      time.Time         `json:"tried,omitzero"`  // last try
	Indicators int               `json:"indicators"`      // values the feed holds, expired ones too
	Active     int               `json:"active"`          // of them, those that match now
	Read       int               `json:"read"`            // counts of the last sync
	Added      int               `json:"added"`
	Changed    int               `json:"changed"`
	Expired    int               `json:"expired"`
	Refused    int               `json:"refused"`
	Ignored    int               `json:"ignored"`
	Reasons    map[string]int    `json:"reasons,omitempty"`  // why objects were refused
	Part       string            `json:"part,omitempty"`     // content hash of its indicators
	ETag       string            `json:"etag,omitempty"`     // of the last answer
	Modified   string            `json:"modified,omitempty"` // of the last answer
	Run        string            `json:"run,omitempty"`      // the sync that wrote this
	Version    uint64            `json:"version"`            // counts syncs; also the version of the indicator rows
}

// Sighting is the fact that an event carried an indicator.
type Sighting struct {
	Org       string    `json:"org"`
	Indicator string    `json:"indicator"` // id
	Value     string    `json:"value"`     // of the indicator
	Feed      string    `json:"feed"`
	EventID   string    `json:"event_id"`
	Source    string    `json:"source"`
	Chunk     string    `json:"chunk"`
	Time      time.Time `json:"time"`
	Ingested  time.Time `json:"ingested"`
}

// Model is one trained version of a detector.
type Model struct {
	ID        string             `json:"id"` // content hash
	Org       string             `json:"org"`
	Detector  string             `json:"detector"` // e.g. zeek-conn-iforest
	Status    string             `json:"status"`   // challenger, champion, refused, retired, rolled-back
	Created   time.Time          `json:"created"`
	TrainFrom time.Time          `json:"train_from"`
	TrainTo   time.Time          `json:"train_to"`
	Rows      int64              `json:"rows"`
	Features  []string           `json:"features"`
	Threshold float64            `json:"threshold"` // score at which a detection is made
	Metrics   map[string]float64 `json:"metrics"`
	Checks    []Check            `json:"checks,omitempty"` // the gate's
	Decision  string             `json:"decision"`         // why it was promoted, refused or rolled back
	Dataset   string             `json:"dataset"`          // hash of the rows it was trained and evaluated on
	Replaces  string             `json:"replaces"`         // the champion before it, "" for none
	Body      []byte             `json:"-"`                // serialised model
	Version   uint64             `json:"version"`
}

// Note is one small "something changed" message of the live outbox.
type Note struct {
	Offset string    `json:"offset"` // time-ordered id, the same on each node
	Org    string    `json:"org"`
	Topic  string    `json:"topic"` // alerts, incidents, approvals, sources, runs, audit, …
	Kind   string    `json:"kind"`  // created, changed, closed, progress
	ID     string    `json:"id"`    // the noun's id
	Data   string    `json:"data"`  // small JSON, for display without a re-read
	Time   time.Time `json:"time"`
}

// User is a person who may sign in.
type User struct {
	Name     string    `json:"name"`
	Org      string    `json:"org"`
	FullName string    `json:"full_name,omitempty"`
	Email    string    `json:"email,omitempty"`
	Role     string    `json:"role" enum:"viewer,analyst,approver,admin"`
	Groups   []string  `json:"groups,omitempty"`   // approval policies name them
	Team     string    `json:"team,omitempty"`     // for policies that ask for different teams
	Provider string    `json:"provider,omitempty"` // who vouches for the user; "" for ourselves
	Hash     string    `json:"-"`                  // argon2id, encoded
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created"`
	Version  uint64    `json:"version"`
}

// Passkey is a public key credential (WebAuthn) of a user.
type Passkey struct {
	Org        string    `json:"org"`
	User       string    `json:"user"`
	ID         string    `json:"id"`         // credential id, base64url
	Name       string    `json:"name"`       // chosen by the user
	PublicKey  []byte    `json:"public_key"` // COSE
	RPID       string    `json:"rp_id"`      // the name that it works for, such as localhost
	AAGUID     string    `json:"aaguid,omitempty"`
	Transports []string  `json:"transports,omitempty"`
	Synced     bool      `json:"synced"` // may be backed up to other devices
	Created    time.Time `json:"created"`
	Removed    bool      `json:"removed,omitempty"`
	Version    uint64    `json:"version"`
	// Token proves that a server saw the registration. Its binding is over the fields above
	// that never change.
	Token string `json:"token,omitempty"`

	Count  uint32    `json:"count"` // signatures made, 0 where the authenticator does not count
	Used   time.Time `json:"used,omitzero"`
	Cloned bool      `json:"cloned,omitempty"` // its counter went back: somebody may have a copy
}

// SourceStatus is what the Sources screen shows of one source.
type SourceStatus struct {
	Org        string    `json:"org"`
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`   // a row of flow.SourceKinds
	Status     string    `json:"status"` // running, paused, completed, failed, silent
	Formats    []string  `json:"formats"`
	Objects    int64     `json:"objects"`
	ObjectsAll int64     `json:"objects_all"`
	Bytes      int64     `json:"bytes"`
	BytesAll   int64     `json:"bytes_all"` // stored (compressed) size of all objects
	Records    int64     `json:"records"`
	Events     int64     `json:"events"`
	Failures   int64     `json:"failures"`
	Detections int64     `json:"detections"`
	Rate       float64   `json:"rate"`      // events a second over the last five minutes
	Usual      float64   `json:"usual"`     // events a second over the last seven days
	BytesDay   int64     `json:"bytes_day"` // committed in the last 24 hours
	Lag        float64   `json:"lag"`       // seconds between event and ingest, newest chunk
	Last       time.Time `json:"last"`
	Proved     time.Time `json:"proved,omitzero"` // the last proof
	Proof      string    `json:"proof,omitempty"` // its outcome: ok, failed
	Error      string    `json:"error,omitempty"`
}

// RuleVersion is one version of a rule, as its document.
type RuleVersion struct {
	Rule, Version string
	Title         string
	Kind          string
	Severity      Severity
	Enabled       bool
	Attack        []string
	Dataset       string
	YAML, File    string
}

// RuleDeployment is the fact that somebody put a rule set in force.
type RuleDeployment struct {
	Org     string    `json:"org"`
	Version uint64    `json:"version"`
	Set     string    `json:"set"` // hash; "": the rule files of the process
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	Report  string    `json:"report,omitempty"` // JSON
	Time    time.Time `json:"time"`
}

// ExceptionStatus is where an exception stands.
type ExceptionStatus string

// The exception states.
const (
	ExceptionActive  ExceptionStatus = "active"
	ExceptionExpired ExceptionStatus = "expired"
	ExceptionRemoved ExceptionStatus = "removed"
)

// Exception keeps what a rule finds in certain events from people, until it expires.
type Exception struct {
	ID        string          `json:"id"`
	Org       string          `json:"org"`
	Rule      string          `json:"rule"` // id, or "*" for every rule
	When      string          `json:"when"` // condition over e
	Owner     string          `json:"owner"`
	Reason    string          `json:"reason"`
	Created   time.Time       `json:"created"`
	Expires   time.Time       `json:"expires"`
	Status    ExceptionStatus `json:"status"`
	Ended     time.Time       `json:"ended,omitzero"`
	EndedBy   string          `json:"ended_by,omitempty"`
	EndReason string          `json:"end_reason,omitempty"`
	Hidden    int64           `json:"hidden"`            // detections, derived on read
	Last      time.Time       `json:"last_hit,omitzero"` // event time of the newest, derived on read
	Version   uint64          `json:"version"`
}

// UnprovenCell is a rule version and a chunk of which the ledger does not say that
// they were evaluated together.
type UnprovenCell struct {
	Rule    string `json:"rule"` // "*" for every stateless rule of a set
	Version string `json:"version"`
	Chunk   string `json:"chunk"`
	Why     string `json:"why"`
}

// Coverage is what the evaluation ledger proves.
type Coverage struct {
	Chunks    int64          `json:"chunks"`    // committed
	Evaluated int64          `json:"evaluated"` // rows of the ledger that say so
	Late      int64          `json:"late"`      // windows judged again because events came late
	Failed    int64          `json:"failed"`
	Unproven  []UnprovenCell `json:"unproven" nullable:"false"`
}

// RuleHealth is how a rule does.
type RuleHealth struct {
	Rule        string         `json:"rule"`
	Detections  int64          `json:"detections"` // all that are stored
	Hidden      int64          `json:"hidden"`     // by exceptions
	Alerts      int64          `json:"alerts"`     // in the days looked at
	PerDay      float64        `json:"per_day"`    // alerts
	Verdicts    map[string]int `json:"verdicts"`   // of its closed alerts
	Precision   float64        `json:"precision"`  // true positives among the verdicts, -1 without any
	SilentSince time.Time      `json:"silent_since,omitzero"`
	Cost        uint64         `json:"cost"` // estimated units an event
	Off         string         `json:"off,omitempty"`
}

// Entity is an asset or an identity that we know.
type Entity struct {
	Org         string            `json:"org"`
	Kind        string            `json:"kind"` // asset, identity
	Name        string            `json:"name"`
	Criticality string            `json:"criticality"` // low, medium, high, critical, or none
	Owner       string            `json:"owner"`       // who answers for it; an identity's manager
	Facts       map[string]string `json:"facts"`       // the other columns of its table
	Version     uint64            `json:"version"`     // number of the table's version
}

// TableVersion is what a table of enrichment was made to from some time on. The one with the
// highest number is in force.
type TableVersion struct {
	Org    string    `json:"org"`
	Name   string    `json:"name"`   // assets, identities, hashes, geo, asn
	Number uint64    `json:"number"` // 1, 2, 3 …
	Hash   string    `json:"hash"`   // of the bytes
	File   string    `json:"file"`   // name of the file, as people know it
	Bytes  int64     `json:"bytes"`
	Rows   int64     `json:"rows"`
	By     string    `json:"by"`
	Time   time.Time `json:"time"`
	Back   uint64    `json:"back,omitempty"` // this one is a roll-back to that number
	Run    string    `json:"run"`            // the change that made it: a repeat of it adds nothing
}
