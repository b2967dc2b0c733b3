package flow

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

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
	Severity string   `json:"severity" enum:"informational,low,medium,high,critical"`
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
