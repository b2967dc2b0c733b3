package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vigil/internal/posture"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/schema"
	"vigil/schema/flow"
)

// PostureStore is what assessments read and write; *store.Store is one.
type PostureStore interface {
	PostureFacts(ctx context.Context, org string, since, now time.Time) (schema.PostureFacts, error)
	RuleFirings(ctx context.Context, org string) (map[string]store.Firings, error)
	PutAssessment(ctx context.Context, a schema.Assessment) error
	Findings(ctx context.Context, org, kind, status string, limit int) ([]schema.Finding, error)
	FindingsByID(ctx context.Context, org string, ids []string) ([]schema.Finding, error)
	PutFindings(ctx context.Context, list []schema.Finding) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
}

// Posture measures posture.
type Posture struct {
	Store PostureStore
	Rules func(org string) *rules.Set
	Trail Trail
}

// defaultWindowDays is how many days of alerts and records are looked at.
const defaultWindowDays = 30

// objectiveKind is the kind of the findings of missed objectives.
const objectiveKind = "objective"

// MeasurePosture gathers the facts, measures every objective, keeps the assessment
// and opens or closes findings. key is unique to the assessment, so that a repeat
// writes nothing twice.
func (x *Posture) MeasurePosture(ctx context.Context, in flow.AssessPostureInput, key string, now time.Time) (flow.AssessPostureResult, error) {
	defer beating(ctx)()
	d, err := objectives(in.Objectives)
	if err != nil {
		return flow.AssessPostureResult{}, Retryable(err)
	}
	if in.WindowDays == 0 {
		in.WindowDays = defaultWindowDays
	}
	if in.WindowDays < 1 || in.WindowDays > 365 {
		return flow.AssessPostureResult{}, Retryable(schema.E(schema.Invalid, fmt.Sprintf("window_days cannot be %d", in.WindowDays), "1 to 365"))
	}
	facts, err := x.facts(ctx, in, now)
	if err != nil {
		return flow.AssessPostureResult{}, Retryable(err)
	}
	a := posture.Assess(d, facts, now)
	a.ID, a.Org, a.WindowDays = schema.HashID("assessment", in.Org, key), in.Org, in.WindowDays
	if err := x.Store.PutAssessment(ctx, a); err != nil {
		return flow.AssessPostureResult{}, Retryable(err)
	}
	res := flow.AssessPostureResult{Assessment: a.ID, Objectives: a.Objectives, Status: string(a.Status), Met: a.Met, Missed: a.Missed, Unknown: a.Unknown}
	if res.Opened, res.Closed, err = x.findings(ctx, a); err != nil {
		return res, Retryable(err)
	}
	return res, Retryable(x.tell(ctx, in, a, res))
}

// objectives reads the objectives file handed in, or the built-in one.
func objectives(text string) (*posture.Document, error) {
	d, errs := posture.Default()
	if text != "" {
		d, errs = posture.Parse("objectives.yaml", []byte(text))
	}
	if len(errs) > 0 {
		return nil, schema.E(schema.Invalid, errors.Join(errs[:min(len(errs), 10)]...).Error(), "docs/reference/posture.md tells what the file holds")
	}
	return d, nil
}

func (x *Posture) facts(ctx context.Context, in flow.AssessPostureInput, now time.Time) (schema.PostureFacts, error) {
	facts, err := x.Store.PostureFacts(ctx, in.Org, now.AddDate(0, 0, -in.WindowDays), now)
	if err != nil {
		return facts, err
	}
	fired, err := x.Store.RuleFirings(ctx, in.Org)
	if err != nil {
		return facts, err
	}
	for _, r := range x.Rules(in.Org).Rules() {
		f := fired[r.ID]
		rf := schema.RuleFact{ID: r.ID, Title: r.Title, Severity: r.Severity, Enabled: r.Runs(), Datasets: r.Datasets, Attack: r.Attack,
			Indicator: r.Kind == rules.Indicator, Tests: len(r.Tests), Fired: f.Count, LastFired: f.Last}
		if r.Detector != nil {
			rf.Detector = r.Detector.Name
		}
		facts.Rules = append(facts.Rules, rf)
	}
	return facts, nil
}

// findings opens those of missed objectives and closes those of objectives that are
// met, or no longer in the file. Versions count up from what is stored.
func (x *Posture) findings(ctx context.Context, a schema.Assessment) (opened, closed int, err error) {
	want := map[string]schema.Finding{}
	var ids []string
	for _, r := range a.Results {
		f := schema.Finding{ID: schema.HashID("finding", objectiveKind, a.Org, a.Objectives, r.ID), Org: a.Org, Kind: objectiveKind, Subject: a.Objectives + "/" + r.ID,
			Severity: r.Severity, Text: r.Title + ": " + r.Text, Time: a.Time}
		switch r.Status {
		case schema.ObjectiveMissed:
			f.Status = "open"
		case schema.ObjectiveMet:
			f.Status = "closed"
		}
		want[f.ID] = f
		ids = append(ids, f.ID)
	}
	have, err := x.known(ctx, a, ids)
	if err != nil {
		return 0, 0, err
	}
	var rows []schema.Finding
	for _, id := range ids {
		f, old := want[id], have[id]
		delete(have, id)
		if f.Status == "" || f.Status == "closed" && old.Status != "open" || f.Status == old.Status && f.Text == old.Text && f.Severity == old.Severity {
			continue
		}
		f.Version = old.Version + 1
		rows = append(rows, f)
		if f.Status == "closed" {
			closed++
		} else if old.Status != "open" {
			opened++
		}
	}
	for _, old := range have { // open, and not wanted any more
		old.Status, old.Text, old.Time, old.Version = "closed", "The objective is no longer in the file.", a.Time, old.Version+1
		rows = append(rows, old)
		closed++
	}
	return opened, closed, x.Store.PutFindings(ctx, rows)
}

// known returns the stored findings of these ids, and every open one of the file.
func (x *Posture) known(ctx context.Context, a schema.Assessment, ids []string) (map[string]schema.Finding, error) {
	have := map[string]schema.Finding{}
	list, err := x.Store.FindingsByID(ctx, a.Org, ids)
	if err != nil {
		return nil, err
	}
	open, err := x.Store.Findings(ctx, a.Org, objectiveKind, "open", 1000)
	if err != nil {
		return nil, err
	}
	for _, f := range append(list, open...) {
		if file, _, _ := strings.Cut(f.Subject, "/"); file == a.Objectives {
			have[f.ID] = f
		}
	}
	return have, nil
}

// tell audits the assessment and tells the live outbox.
func (x *Posture) tell(ctx context.Context, in flow.AssessPostureInput, a schema.Assessment, res flow.AssessPostureResult) error {
	actor := in.By
	if actor == "" {
		actor = "system"
	}
	err := x.Trail.record(ctx, schema.AuditRecord{Org: a.Org, ID: auditID("posture.assess", a.ID), Actor: actor, Verb: "posture.assess", Object: a.Objectives, Outcome: "ok",
		Details: map[string]string{"assessment": a.ID, "status": res.Status, "met": fmt.Sprint(res.Met), "missed": fmt.Sprint(res.Missed), "unknown": fmt.Sprint(res.Unknown),
			"opened": fmt.Sprint(res.Opened), "closed": fmt.Sprint(res.Closed)}})
	if err != nil {
		return err
	}
	return x.Store.PutNotes(ctx, note(a.Org, "posture", "changed", a.ID, res, a.Time))
}
