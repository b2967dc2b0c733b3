package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// rhythm is the 95th percentile, in seconds, of the times between the five-minute
// steps of the last 30 days in which something was committed; 0 before three steps.
const rhythm = `if(length(groupUniqArrayIf(toUnixTimestamp(toStartOfFiveMinutes(committed)), committed >= {recent:DateTime64(6)}) AS steps) < 3, 0.,
  toFloat64(arrayReduce('quantileExact(0.95)', arrayPopFront(arrayDifference(arraySort(steps))))))`

// rhythmDays is how far back the rhythm of a source is looked at.
const rhythmDays = 30

// PostureFacts gathers what an assessment looks at, rules apart: those are not in the
// store, only how often they fired (see RuleFirings). Counts are of the window.
func (s *Store) PostureFacts(ctx context.Context, org string, since, now time.Time) (schema.PostureFacts, error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": 300}))
	var f schema.PostureFacts
	p := P{"org": org, "since": since, "recent": now.AddDate(0, 0, -rhythmDays), "now": now}
	for _, part := range []struct {
		what string
		read func(context.Context, P, *schema.PostureFacts) error
	}{
		{"sources", s.sourceFacts}, {"data sets", s.datasetFacts}, {"proofs", s.proofFacts}, {"alerts", s.alertFacts}, {"feeds", s.feedFacts}, {"models", s.modelFacts},
	} {
		if err := part.read(ctx, p, &f); err != nil {
			return f, fmt.Errorf("gathering facts about %s: %w", part.what, err)
		}
	}
	return f, nil
}

func (s *Store) sourceFacts(ctx context.Context, p P, f *schema.PostureFacts) error {
	last := map[string]time.Time{}
	// Clocks that run ahead must not make a source look alive.
	err := s.each(ctx, `SELECT source, maxIf(timestamp, timestamp <= {now:DateTime64(6)} + INTERVAL 1 DAY) FROM events WHERE org = {org:String} GROUP BY source`, p, func(r driver.Rows) error {
		var id string
		var t time.Time
		if err := r.Scan(&id, &t); err != nil {
			return err
		}
		last[id] = t.UTC()
		return nil
	})
	if err != nil {
		return err
	}
	return s.each(ctx, `SELECT source, max(committed), sumIf(records, committed >= {since:DateTime64(6)}), sumIf(failures, committed >= {since:DateTime64(6)}), `+rhythm+`
FROM chunks FINAL WHERE org = {org:String} GROUP BY source ORDER BY source`, p, func(r driver.Rows) error {
		x := schema.SourceFact{}
		var gap float64
		if err := r.Scan(&x.ID, &x.LastIngest, &x.Records, &x.Failures, &gap); err != nil {
			return err
		}
		x.LastIngest, x.LastEvent, x.Gap = x.LastIngest.UTC(), last[x.ID], time.Duration(gap)*time.Second
		f.Sources = append(f.Sources, x)
		return nil
	})
}

func (s *Store) datasetFacts(ctx context.Context, p P, f *schema.PostureFacts) error {
	return s.each(ctx, `SELECT event_dataset, toInt64(sum(n)), max(newest), max(committed), `+rhythm+`
FROM (SELECT event_dataset, chunk, count() AS n, maxIf(timestamp, timestamp <= {now:DateTime64(6)} + INTERVAL 1 DAY) AS newest FROM events WHERE org = {org:String} GROUP BY event_dataset, chunk) AS e
INNER JOIN (SELECT id, committed FROM chunks FINAL WHERE org = {org:String}) AS c ON e.chunk = c.id
WHERE event_dataset != '' GROUP BY event_dataset ORDER BY event_dataset LIMIT 10000`, p, func(r driver.Rows) error {
		x := schema.DatasetFact{}
		var gap float64
		if err := r.Scan(&x.ID, &x.Events, &x.LastEvent, &x.LastIngest, &gap); err != nil {
			return err
		}
		x.LastEvent, x.LastIngest, x.Gap = x.LastEvent.UTC(), x.LastIngest.UTC(), time.Duration(gap)*time.Second
		f.Datasets = append(f.Datasets, x)
		return nil
	})
}

// proofFacts reads the audit trail, where every proof leaves a record.
func (s *Store) proofFacts(ctx context.Context, p P, f *schema.PostureFacts) error {
	at := map[string]*schema.SourceFact{}
	for i := range f.Sources {
		at[f.Sources[i].ID] = &f.Sources[i]
	}
	return s.each(ctx, `SELECT object, maxIf(time, outcome = 'ok'), argMax(outcome, time) FROM audit WHERE org = {org:String} AND verb = 'source.prove' GROUP BY object`, p, func(r driver.Rows) error {
		var id, outcome string
		var proved time.Time
		if err := r.Scan(&id, &proved, &outcome); err != nil {
			return err
		}
		if x := at[id]; x != nil {
			x.ProofOK = outcome == "ok"
			if proved.Unix() > 0 {
				x.Proved = proved.UTC()
			}
		}
		return nil
	})
}

func (s *Store) alertFacts(ctx context.Context, p P, f *schema.PostureFacts) error {
	return s.each(ctx, `SELECT id, severity, created, parseDateTime64BestEffortOrZero(JSONExtractString(doc, 'acknowledged'), 6, 'UTC') FROM alerts FINAL
WHERE org = {org:String} AND created >= {since:DateTime64(6)} ORDER BY created, id LIMIT 500000`, p, func(r driver.Rows) error {
		var x schema.AlertFact
		var severity string
		if err := r.Scan(&x.ID, &severity, &x.Created, &x.Acknowledged); err != nil {
			return err
		}
		if x.Severity = schema.Severity(severity); x.Acknowledged.Unix() <= 0 {
			x.Acknowledged = time.Time{}
		}
		f.Alerts = append(f.Alerts, x)
		return nil
	})
}

func (s *Store) feedFacts(ctx context.Context, p P, f *schema.PostureFacts) error {
	return s.each(ctx, `SELECT id, status, indicators, synced FROM feeds FINAL WHERE org = {org:String} AND synced > toDateTime64(0, 3) ORDER BY id`, p, func(r driver.Rows) error {
		var x schema.FeedFact
		if err := r.Scan(&x.ID, &x.Status, &x.Indicators, &x.Synced); err != nil {
			return err
		}
		f.Feeds = append(f.Feeds, x)
		return nil
	})
}

func (s *Store) modelFacts(ctx context.Context, p P, f *schema.PostureFacts) error {
	return s.each(ctx, `SELECT detector, argMax(id, created), max(created) FROM models FINAL WHERE org = {org:String} AND status = 'champion' GROUP BY detector ORDER BY detector`, p, func(r driver.Rows) error {
		var x schema.ModelFact
		if err := r.Scan(&x.Detector, &x.Model, &x.Created); err != nil {
			return err
		}
		f.Models = append(f.Models, x)
		return nil
	})
}

// Firings is how often a rule fired, and when last, by ingest time.
type Firings struct {
	Count int64
	Last  time.Time
}

// RuleFirings counts the detections of every rule; base detections do not count.
func (s *Store) RuleFirings(ctx context.Context, org string) (map[string]Firings, error) {
	out := map[string]Firings{}
	err := s.each(ctx, `SELECT rule, toInt64(uniqExact(id)), max(ingested) FROM detections WHERE org = {org:String} AND kind != 'base' GROUP BY rule`, P{"org": org}, func(r driver.Rows) error {
		var rule string
		var x Firings
		if err := r.Scan(&rule, &x.Count, &x.Last); err != nil {
			return err
		}
		x.Last = x.Last.UTC()
		out[rule] = x
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting what rules found: %w", err)
	}
	return out, nil
}

// PutAssessment stores an assessment once: a repeat with the same id changes nothing.
func (s *Store) PutAssessment(ctx context.Context, a schema.Assessment) error {
	var n uint64
	if _, err := s.row(ctx, `SELECT count() FROM posture WHERE org = {org:String} AND assessment = {id:String}`, P{"org": a.Org, "id": a.ID}, &n); err != nil {
		return fmt.Errorf("looking for assessment %s: %w", a.ID, err)
	}
	if n > 0 {
		return nil
	}
	rows := [][]any{{a.Org, a.ID, "", string(a.Status), 0.0, 0.0, a.Objectives, a.Time, asJSON(a)}}
	for _, r := range a.Results {
		rows = append(rows, []any{a.Org, a.ID, a.Objectives + "/" + r.ID, string(r.Status), r.Target, r.Measured, r.Text, a.Time, ""})
	}
	if err := s.insert(ctx, "posture", "org, assessment, objective, status, target, measured, text, time, doc", "", rows); err != nil {
		return fmt.Errorf("writing assessment %s: %w", a.ID, err)
	}
	return nil
}

// Assessment returns the newest assessment by an objectives file; "" by any.
func (s *Store) Assessment(ctx context.Context, org, objectives string) (schema.Assessment, error) {
	return doc[schema.Assessment](ctx, s, "assessment yet", `SELECT doc FROM posture WHERE org = {org:String} AND objective = '' AND ({file:String} = '' OR text = {file:String})
ORDER BY time DESC LIMIT 1`, P{"org": org, "file": objectives})
}

// ObjectivePoint is one measurement of an objective.
type ObjectivePoint struct {
	Time     time.Time              `json:"time"`
	Status   schema.ObjectiveStatus `json:"status"`
	Measured float64                `json:"measured"`
}

// ObjectiveHistory returns the measurements of the objectives of a file since a time,
// oldest first, by objective.
func (s *Store) ObjectiveHistory(ctx context.Context, org, objectives string, since time.Time) (map[string][]ObjectivePoint, error) {
	out := map[string][]ObjectivePoint{}
	err := s.each(ctx, `SELECT objective, time, status, measured FROM posture WHERE org = {org:String} AND startsWith(objective, {prefix:String}) AND time >= {since:DateTime64(6)}
ORDER BY time, objective LIMIT 50000`, P{"org": org, "prefix": objectives + "/", "since": since}, func(r driver.Rows) error {
		var id, status string
		var x ObjectivePoint
		if err := r.Scan(&id, &x.Time, &status, &x.Measured); err != nil {
			return err
		}
		x.Time, x.Status = x.Time.UTC(), schema.ObjectiveStatus(status)
		id = id[len(objectives)+1:]
		out[id] = append(out[id], x)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading earlier assessments: %w", err)
	}
	return out, nil
}

const findingColumns = "id, kind, subject, severity, status, text, time, version"

// Findings lists findings, worst and newest first; kind and status "" list all.
func (s *Store) Findings(ctx context.Context, org, kind, status string, limit int) ([]schema.Finding, error) {
	return s.findings(ctx, `SELECT `+findingColumns+` FROM findings FINAL WHERE org = {org:String}
AND ({kind:String} = '' OR kind = {kind:String}) AND ({status:String} = '' OR status = {status:String})
ORDER BY indexOf(['informational', 'low', 'medium', 'high', 'critical'], severity) DESC, time DESC, id LIMIT {limit:UInt32}`,
		P{"org": org, "kind": kind, "status": status, "limit": pageLimit(limit)})
}

// FindingsByID returns the findings with these ids; unknown ids are left out.
func (s *Store) FindingsByID(ctx context.Context, org string, ids []string) ([]schema.Finding, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return s.findings(ctx, `SELECT `+findingColumns+` FROM findings FINAL WHERE org = {org:String} AND id IN {ids:Array(String)} ORDER BY id`, P{"org": org, "ids": ids})
}

func (s *Store) findings(ctx context.Context, q string, p P) ([]schema.Finding, error) {
	out := []schema.Finding{}
	err := s.each(ctx, q, p, func(r driver.Rows) error {
		f := schema.Finding{Org: fmt.Sprint(p["org"])}
		var severity string
		if err := r.Scan(&f.ID, &f.Kind, &f.Subject, &severity, &f.Status, &f.Text, &f.Time, &f.Version); err != nil {
			return err
		}
		f.Severity, f.Time = schema.Severity(severity), f.Time.UTC()
		out = append(out, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading findings: %w", err)
	}
	return out, nil
}

// PutFindings stores findings; of one id the highest Version holds.
func (s *Store) PutFindings(ctx context.Context, list []schema.Finding) error {
	rows := make([][]any, len(list))
	for i, f := range list {
		rows[i] = []any{f.Org, f.ID, f.Kind, f.Subject, string(f.Severity), f.Status, f.Text, f.Time, f.Version}
	}
	if err := s.insert(ctx, "findings", "org, id, kind, subject, severity, status, text, time, version", "", rows); err != nil {
		return fmt.Errorf("writing findings: %w", err)
	}
	return nil
}
