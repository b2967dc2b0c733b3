package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/serviceerror"

	"vigil/internal/alert"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// CorrelationStore is what correlation reads and writes.
type CorrelationStore interface {
	Uncorrelated(ctx context.Context, org string, limit int) (map[string]time.Time, error)
	AlertsBetween(ctx context.Context, org string, from, to time.Time, limit int) ([]schema.Alert, error)
	PutCorrelated(ctx context.Context, org string, list []store.Correlated) error
	Criticalities(ctx context.Context, org string, names []string) (map[string]string, error)
	Incident(ctx context.Context, org, id string) (schema.Incident, error)
}

const (
	maxFresh    = 5_000   // alerts that one round looks at for the first time
	maxCompared = 100_000 // alerts that it compares them with
)

// CorrelateResult says what correlation did.
type CorrelateResult struct {
	Looked    int `json:"looked"`    // alerts seen for the first time
	Joined    int `json:"joined"`    // alerts that joined incidents
	Incidents int `json:"incidents"` // opened or grown
}

// Correlate groups the alerts that it has not looked at with those around them, and sends what
// says enough to incidents. One round runs at a time (the Detect schedule skips overlaps). It
// may be repeated at any point: incidents know their alerts, and the ledger is written last.
func (a *Alerts) Correlate(ctx context.Context, org string) (CorrelateResult, error) {
	defer beating(ctx)()
	var res CorrelateResult
	fresh, err := a.Store.Uncorrelated(ctx, org, maxFresh)
	if err != nil || len(fresh) == 0 {
		return res, Retryable(err)
	}
	for _, span := range islands(fresh) {
		if err := a.correlate(ctx, org, span, fresh, &res); err != nil {
			return res, Retryable(err)
		}
	}
	return res, nil
}

// span is a stretch of event time.
type span struct{ from, to time.Time }

// islands are the stretches that hold the times, further apart than what is compared:
// recordings of other years are not read through.
func islands(times map[string]time.Time) []span {
	var all []time.Time
	for _, t := range times {
		all = append(all, t)
	}
	slices.SortFunc(all, time.Time.Compare)
	var out []span
	for _, t := range all {
		if n := len(out); n > 0 && t.Sub(out[n-1].to) <= alert.Horizon {
			out[n-1].to = t
		} else {
			out = append(out, span{t, t})
		}
	}
	return out
}

func (a *Alerts) correlate(ctx context.Context, org string, at span, fresh map[string]time.Time, res *CorrelateResult) error {
	list, err := a.Store.AlertsBetween(ctx, org, at.from.Add(-alert.Horizon), at.to, maxCompared)
	if err != nil {
		return err
	}
	if len(list) == maxCompared {
		a.Log.Warn("correlation compares only the newest alerts of its horizon", "alerts", maxCompared, "org", org)
	}
	by := map[string]schema.Alert{}
	var seen []alert.Seen
	for _, x := range list {
		if x.Status == schema.AlertClosed && x.Incident == "" {
			x.Severity = schema.Informational // somebody has judged it by itself
		}
		by[x.ID] = x
		seen = append(seen, alert.Look(x))
	}
	done := map[string]store.Correlated{}
	for id, first := range fresh {
		if !first.Before(at.from) && !first.After(at.to) {
			done[id] = store.Correlated{Alert: id, Incident: by[id].Incident, Role: by[id].IncidentRole}
		}
	}
	tuning := alert.DefaultTuning()
	for _, c := range tuning.Correlate(seen) {
		if tuning.Opened(c) {
			if err := a.gather(ctx, org, c, by, done, res); err != nil {
				return err
			}
		}
	}
	res.Looked += len(done)
	rows := make([]store.Correlated, 0, len(done))
	for _, d := range done {
		rows = append(rows, d)
	}
	return a.Store.PutCorrelated(ctx, org, rows)
}

// gather sends the alerts of a cluster that are in no incident to that of the cluster.
func (a *Alerts) gather(ctx context.Context, org string, c alert.Cluster, by map[string]schema.Alert, done map[string]store.Correlated, res *CorrelateResult) error {
	var rows []schema.Alert
	var refs []flow.AlertRef
	for _, m := range c.Members {
		x := by[m.Alert]
		if x.Incident != "" || x.Status == schema.AlertClosed {
			continue
		}
		x.IncidentRole, x.IncidentWhy = string(m.As), m.Why
		x.Version++
		rows = append(rows, x)
		ref := alertRef(x, "")
		ref.Score, ref.Case, ref.Long = c.Score, c.Title(), c.Long
		refs = append(refs, ref)
	}
	if len(rows) == 0 {
		return nil
	}
	id, err := a.deliver(ctx, org, c, refs)
	if err != nil || id == "" {
		return err
	}
	for i := range rows {
		rows[i].Incident = id
		done[rows[i].ID] = store.Correlated{Alert: rows[i].ID, Incident: id, Role: rows[i].IncidentRole}
	}
	for _, m := range c.Members {
		if d, ok := done[m.Alert]; ok {
			d.Bits = m.Bits
			done[m.Alert] = d
		}
	}
	a.crash("between-incident-and-alerts")
	if err := a.Store.PutAlerts(ctx, rows); err != nil {
		return err
	}
	res.Incidents++
	res.Joined += len(rows)
	now := time.Now()
	var notes []schema.Note
	for _, x := range rows {
		notes = append(notes, note(org, "alerts", "changed", x.ID, brief(x), now))
	}
	return a.Store.PutNotes(ctx, capNotes(notes, org, now)...)
}

// deliver sends alerts to the cluster's incident, or opens it. It returns the incident's id,
// "" when it is closed: what is decided stays decided.
func (a *Alerts) deliver(ctx context.Context, org string, c alert.Cluster, refs []flow.AlertRef) (string, error) {
	if c.Incident == "" {
		id, _, err := a.open(ctx, org, alert.Group{Key: c.Key, Bucket: c.First}, refs)
		return id, err
	}
	i, err := a.Store.Incident(ctx, org, c.Incident)
	if schema.CodeOf(err) == schema.NotFound { // it was opened a moment ago, and is not written yet
		return "", nil
	}
	if err != nil || i.Status == schema.IncidentClosed {
		return "", err
	}
	err = a.signal(ctx, i.Workflow, flow.IncidentInput{Org: org, ID: i.ID, Key: i.Key, Opened: i.Opened}, refs)
	var closed *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &closed) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("growing incident %s: %w", i.ID, err)
	}
	return i.ID, nil
}
