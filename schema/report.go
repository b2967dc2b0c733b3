package schema

import "time"

// Report is a dashboard or a saved search that is sent by e-mail when its calendar says so.
// It shows what its owner may see.
type Report struct {
	Org     string    `json:"org"`
	ID      string    `json:"id"`
	Kind    SavedKind `json:"kind"` // dashboard, search
	Of      string    `json:"of"`   // id of the dashboard or search
	Owner   string    `json:"owner"`
	To      []string  `json:"to" nullable:"false"` // addresses
	Cron    string    `json:"cron"`                // minute, hour, day, month, day of week
	Zone    string    `json:"zone"`                // IANA time zone of the calendar and of the times in the e-mail
	Range   string    `json:"range,omitempty"`     // how far it looks back: 24h, 7d, all; "": as its dashboard or search
	Updated time.Time `json:"updated"`
	Deleted bool      `json:"deleted,omitempty"`
	Version uint64    `json:"version"`
}

// The outcomes of a sending.
const (
	SendingSent   = "sent"
	SendingFailed = "failed"
)

// Sending is one time that a report was sent, or could not be.
type Sending struct {
	Org       string        `json:"org"`
	Report    string        `json:"report"`
	ID        string        `json:"id"` // of the report and the time it is for: a repeat is the same sending
	At        time.Time     `json:"at"` // the time it is for, the end of its range
	By        string        `json:"by"` // schedule, or who asked
	Status    string        `json:"status" enum:"sent,failed"`
	To        []string      `json:"to" nullable:"false"`
	Subject   string        `json:"subject"`
	MessageID string        `json:"message_id,omitempty"`
	Panels    []PanelAnswer `json:"panels"`
	Bytes     int           `json:"bytes"` // of text, HTML and files
	Error     string        `json:"error,omitempty"`
	Ended     time.Time     `json:"ended"`
	Version   uint64        `json:"version"`
}

// PanelAnswer says what a panel's query gave.
type PanelAnswer struct {
	Title   string `json:"title"`
	Rows    int    `json:"rows"`
	Problem string `json:"problem,omitempty"` // why it has no answer
}
