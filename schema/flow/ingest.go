package flow

import (
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
