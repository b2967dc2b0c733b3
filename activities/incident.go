package activities

import (
	"context"
	"time"

	"vigil/internal/alert"
	"vigil/internal/auth"
	"vigil/internal/playbook"
	"vigil/schema"
	"vigil/schema/flow"
)

// IncidentStore keeps the read models of incidents and their alerts.
type IncidentStore interface {
	PutIncident(ctx context.Context, i schema.Incident) error
	AlertsByID(ctx context.Context, org string, ids []string) ([]schema.Alert, error)
	PutAlerts(ctx context.Context, list []schema.Alert) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
	Incident(ctx context.Context, org, id string) (schema.Incident, error)
	Blob(ctx context.Context, org, hash string) ([]byte, error)
}

// Incidents keeps the read model of incidents.
type Incidents struct {
	Store     IncidentStore
	Playbooks *playbook.Set
	Trail     Trail
	Public    string // public decision key
}

// SaveIncident writes the read model and tells the live outbox.
func (x *Incidents) SaveIncident(ctx context.Context, i schema.Incident, now time.Time) error {
	if err := x.Store.PutIncident(ctx, i); err != nil {
		return Retryable(err)
	}
	kind := "changed"
	switch {
	case i.Version == 1:
		kind = "created"
	case i.Status == schema.IncidentClosed:
		kind = "closed"
	}
	data := map[string]any{"title": i.Title, "key": i.Key, "severity": i.Severity, "risk": i.Risk, "status": i.Status, "alerts": len(i.Alerts), "assignee": i.Assignee}
	return Retryable(x.Store.PutNotes(ctx, note(i.Org, "incidents", kind, i.ID, data, now)))
}

// KnownAlert is an alert as the store knows it, and what answers it.
type KnownAlert struct {
	Ref       flow.AlertRef     `json:"ref"`
	Variables map[string]string `json:"variables"`         // what its entities fill in playbooks
	Run       string            `json:"run,omitempty"`     // playbook and target: alerts with the same one share a run
	Subject   string            `json:"subject,omitempty"` // what the run acts on, for people
}

// KnownAlerts returns the alerts of these references that are stored, as they are
// stored: nobody opens an incident over alerts that never were.
func (x *Incidents) KnownAlerts(ctx context.Context, org string, refs []flow.AlertRef) ([]KnownAlert, error) {
	ids, asked := make([]string, len(refs)), map[string]flow.AlertRef{}
	for i, r := range refs {
		ids[i] = r.ID
		asked[r.ID] = r
	}
	list, err := x.Store.AlertsByID(ctx, org, ids)
	if err != nil {
		return nil, Retryable(err)
	}
	out := make([]KnownAlert, len(list))
	for i, a := range list {
		q := asked[a.ID]
		k := KnownAlert{Ref: alertRef(a, q.Playbook), Variables: alert.Variables(a.Entities)}
		k.Ref.Score, k.Ref.Case, k.Ref.Long = q.Score, q.Case, q.Long
		if k.Ref.Playbook != "" {
			k.Subject = x.target(k.Ref.Playbook, k.Variables)
			k.Run = k.Ref.Playbook + " " + k.Subject
		}
		out[i] = k
	}
	return out, nil
}

// target is what a run of the playbook over an alert acts on: its external
// variables, or else host or user.
func (x *Incidents) target(name string, vars map[string]string) string {
	d, err := x.Playbooks.Get(name)
	if err != nil {
		return ""
	}
	for _, k := range []string{"address", "domain", "hash", "host", "user"} {
		if v, ok := d.PlaybookVariables["__"+k+"__"]; ok && (v.External || k == "host" || k == "user") && vars[k] != "" {
			return vars[k]
		}
	}
	return ""
}

// AlertChange is what a person, or an incident for them, changes in alerts. Empty
// fields stay as they are.
type AlertChange struct {
	Org      string             `json:"org"`
	IDs      []string           `json:"ids"`
	By       string             `json:"by"`
	Status   schema.AlertStatus `json:"status,omitempty"`
	Verdict  string             `json:"verdict,omitempty"`
	Reason   string             `json:"reason,omitempty"`
	Assignee string             `json:"assignee,omitempty"`
	Incident string             `json:"incident,omitempty"` // that they move to
	Why      string             `json:"why,omitempty"`      // they are in it
	Key      string             `json:"key"`                // unique to the change, for the audit
	Now      time.Time          `json:"now"`
}

// UpdateAlerts changes alerts, audits it and tells the live outbox. It returns how
// many were changed; a repeat changes none.
func (x *Incidents) UpdateAlerts(ctx context.Context, c AlertChange) (int, error) {
	if c.Status != "" && c.Status != schema.AlertOpen && c.Status != schema.AlertAcknowledged && c.Status != schema.AlertClosed {
		return 0, Retryable(schema.E(schema.Invalid, "an alert cannot be "+string(c.Status), "open, acknowledged or closed"))
	}
	list, err := x.Store.AlertsByID(ctx, c.Org, c.IDs)
	if err != nil {
		return 0, Retryable(err)
	}
	var rows []schema.Alert
	var notes []schema.Note
	for _, a := range list {
		if !c.apply(&a) {
			continue
		}
		rows = append(rows, a)
		notes = append(notes, note(c.Org, "alerts", "changed", a.ID, brief(a), c.Now))
	}
	if err := x.Store.PutAlerts(ctx, rows); err != nil {
		return 0, Retryable(err)
	}
	for _, a := range rows {
		if err := x.Trail.record(ctx, schema.AuditRecord{Org: c.Org, ID: schema.HashID("alert.update", c.Key, a.ID), Actor: c.By, Verb: "alert.update",
			Object: a.ID, Outcome: "ok", Details: map[string]string{"status": string(a.Status), "verdict": a.Verdict, "reason": a.Reason, "assignee": a.Assignee, "incident": a.Incident}}); err != nil {
			return 0, Retryable(err)
		}
	}
	return len(rows), Retryable(x.Store.PutNotes(ctx, notes...))
}

// apply changes the alert and says whether that made a difference.
func (c AlertChange) apply(a *schema.Alert) bool {
	changed := false
	set := func(to *string, v string) {
		if v != "" && *to != v {
			*to, changed = v, true
		}
	}
	status := string(a.Status)
	set(&status, string(c.Status))
	a.Status = schema.AlertStatus(status)
	set(&a.Verdict, c.Verdict)
	set(&a.Reason, c.Reason)
	set(&a.Assignee, c.Assignee)
	set(&a.Incident, c.Incident)
	set(&a.IncidentWhy, c.Why)
	if !changed {
		return false
	}
	if a.Status != schema.AlertOpen && a.Acknowledged.IsZero() {
		a.Acknowledged = c.Now.UTC()
	}
	a.Version++
	return true
}

// OpenIncident returns an incident that takes alerts.
func (x *Incidents) OpenIncident(ctx context.Context, org, id string) (schema.Incident, error) {
	i, err := x.Store.Incident(ctx, org, id)
	if err != nil {
		return i, Retryable(err)
	}
	if i.Status == schema.IncidentClosed {
		return i, Retryable(schema.E(schema.Conflict, "incident "+id+" is closed", "it takes no more alerts"))
	}
	return schema.Incident{ID: i.ID, Workflow: i.Workflow, Title: i.Title, Status: i.Status}, nil
}

// StoredFile returns the size in bytes of a file that is stored under its hash, and fails when
// there is none.
func (x *Incidents) StoredFile(ctx context.Context, org, hash string) (int64, error) {
	b, err := x.Store.Blob(ctx, org, hash)
	return int64(len(b)), Retryable(err)
}

// ClockBreach is a deadline of an incident that passed.
type ClockBreach struct {
	Org      string          `json:"org"`
	Incident string          `json:"incident"`
	Title    string          `json:"title"`
	Severity schema.Severity `json:"severity"`
	Assignee string          `json:"assignee"`
	Clock    schema.Clock    `json:"clock"`
	Text     string          `json:"text"`
}

// TellBreach records that a deadline passed and tells everybody who has Vigil open.
func (x *Incidents) TellBreach(ctx context.Context, b ClockBreach) error {
	if err := x.Trail.record(ctx, schema.AuditRecord{Org: b.Org, ID: schema.HashID("incident.breach", b.Incident, b.Clock.Name), Actor: "system", Verb: "incident.breach", Object: b.Incident,
		Outcome: "ok", Details: map[string]string{"clock": b.Clock.Name, "due": b.Clock.Due.Format(time.RFC3339), "severity": string(b.Severity), "assignee": b.Assignee}}); err != nil {
		return Retryable(err)
	}
	data := map[string]any{"title": b.Title, "severity": b.Severity, "assignee": b.Assignee, "clock": b.Clock.Name, "text": b.Text}
	return Retryable(x.Store.PutNotes(ctx, note(b.Org, "incidents", "breached", b.Incident, data, b.Clock.Breached)))
}

// VerifyRequester checks the token of somebody who asks an incident for a playbook
// and returns the proven name, "" without a token.
func (x *Incidents) VerifyRequester(_ context.Context, token, playbook, incident string, now time.Time) (string, error) {
	if token == "" {
		return "", nil
	}
	c, err := auth.VerifyDecision(x.Public, token, now)
	if err != nil {
		return "", Retryable(err)
	}
	if c.Verdict != auth.VerdictRun || c.Approval != playbook || c.Binding != incident {
		return "", Retryable(schema.E(schema.Denied, "the token was not made for this playbook and incident", ""))
	}
	return c.User, nil
}
