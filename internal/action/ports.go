package action

import (
	"context"
	"net/http"
	"time"

	"vigil/internal/secret"
)

// Entry is one value on a list that others poll or that we watch.
type Entry struct {
	Org, List, Value string
	Reason           string
	Run              string // the run that put it there last
	Added, Expires   time.Time
	Removed          bool
	Version          uint64
}

// Active says whether the entry holds at that time.
func (e Entry) Active(now time.Time) bool {
	return !e.Removed && (e.Expires.Unix() <= 0 || e.Expires.After(now))
}

// Lists keeps list entries.
type Lists interface {
	// PutEntry stores the entry; the one with the highest version holds.
	PutEntry(ctx context.Context, e Entry) error
	// Entry returns the entry, or one with version 0.
	Entry(ctx context.Context, org, list, value string) (Entry, error)
	// Entries returns what is on the list and not removed, ordered by value.
	Entries(ctx context.Context, org, list string) ([]Entry, error)
}

// Tags sets tags of alerts.
type Tags interface {
	// TagAlerts adds the tag to the alerts and returns how many did not have it.
	TagAlerts(ctx context.Context, org string, ids []string, tag string) (int, error)
}

// Peer is somebody who talked to an address.
type Peer struct {
	Peer   string
	Events int64
	First  time.Time
	Last   time.Time
}

// Peers finds who talked to an address.
type Peers interface {
	// TalkedTo returns the peers of the address, most events first.
	TalkedTo(ctx context.Context, org, address string, limit int) ([]Peer, error)
}

// Hunts starts hunts.
type Hunts interface {
	// StartHunt starts a hunt with a rule over the last hours, once for each key, and
	// returns its workflow id.
	StartHunt(ctx context.Context, org, rule, key string, hours int) (id string, err error)
}

// Ports are what actions act through.
type Ports struct {
	Lists   Lists
	Tags    Tags
	Peers   Peers
	Publish *Publisher // files that firewalls poll
	Webhook Webhook
	Hunts   Hunts
	Systems Connectors
	HTTP    *http.Client // nil: a client with timeouts that follows no redirects
}

// Webhook is where notifications go.
type Webhook struct {
	URL    string       // "": notifications stay in the UI
	Secret secret.Value // HMAC key, may be empty
	Allow  []string     // other URLs that playbooks may post to, exactly
}
