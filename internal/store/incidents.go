package store

import (
	"context"
	"fmt"
	"time"

	"vigil/schema"
)

// Incidents lists incidents, newest first; status "" lists all, "active" what is not closed.
// next is the cursor of the following page, "" at the end.
func (s *Store) Incidents(ctx context.Context, org, status string, limit int, cursor string) (list []schema.Incident, next string, err error) {
	limit = pageLimit(limit)
	list, err = docs[schema.Incident](ctx, s, `SELECT doc FROM incidents FINAL WHERE org = {org:String}
AND ({status:String} = '' OR status = {status:String} OR {status:String} = 'active' AND status != 'closed')
AND ({cursor:String} = '' OR concat(leftPad(toString(toUnixTimestamp64Milli(opened)), 15, '0'), id) < {cursor:String})
ORDER BY opened DESC, id DESC LIMIT {limit:UInt32}`, P{"org": org, "status": status, "limit": limit, "cursor": cursor})
	if err != nil {
		return nil, "", fmt.Errorf("listing incidents: %w", err)
	}
	if len(list) == limit {
		last := list[limit-1]
		next = fmt.Sprintf("%015d%s", last.Opened.UnixMilli(), last.ID)
	}
	return list, next, nil
}

// RankedIncidents lists incidents, the riskiest first, by what their alerts add up to.
func (s *Store) RankedIncidents(ctx context.Context, org, status string, limit int) ([]schema.Incident, error) {
	list, err := docs[schema.Incident](ctx, s, `SELECT doc FROM incidents FINAL WHERE org = {org:String}
AND ({status:String} = '' OR status = {status:String} OR {status:String} = 'active' AND status != 'closed')
ORDER BY JSONExtractInt(doc, 'risk') DESC, JSONExtractFloat(doc, 'score') DESC, indexOf(['low', 'medium', 'high', 'critical'], severity) DESC, opened DESC, id LIMIT {limit:UInt32}`,
		P{"org": org, "status": status, "limit": pageLimit(limit)})
	if err != nil {
		return nil, fmt.Errorf("ranking incidents: %w", err)
	}
	return list, nil
}

// IncidentsSince lists the incidents opened since, newest first, at most limit.
func (s *Store) IncidentsSince(ctx context.Context, org string, since time.Time, limit int) ([]schema.Incident, error) {
	list, err := docs[schema.Incident](ctx, s, `SELECT doc FROM incidents FINAL WHERE org = {org:String} AND opened >= fromUnixTimestamp64Milli({since:Int64})
ORDER BY opened DESC, id LIMIT {limit:UInt32}`, P{"org": org, "since": max(since.UnixMilli(), 0), "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("listing incidents: %w", err)
	}
	return list, nil
}

// Incident returns one incident by its short id.
func (s *Store) Incident(ctx context.Context, org, id string) (schema.Incident, error) {
	return doc[schema.Incident](ctx, s, "incident "+id, `SELECT doc FROM incidents FINAL WHERE org = {org:String} AND id = {id:String}`, P{"org": org, "id": id})
}

// PutIncident stores the read model; the highest Version holds.
func (s *Store) PutIncident(ctx context.Context, i schema.Incident) error {
	err := s.insertSmall(ctx, "incidents", "org, id, key, severity, status, opened, last_seen, doc, version",
		[]any{i.Org, i.ID, i.Key, string(i.Severity), string(i.Status), i.Opened, i.LastSeen, asJSON(i), i.Version})
	if err != nil {
		return fmt.Errorf("writing incident %s: %w", i.ID, err)
	}
	return nil
}

// Run returns a playbook run by its workflow id.
func (s *Store) Run(ctx context.Context, org, id string) (schema.Run, error) {
	return doc[schema.Run](ctx, s, "run "+id, `SELECT doc FROM runs FINAL WHERE org = {org:String} AND id = {id:String}`, P{"org": org, "id": id})
}

// Runs lists runs, newest first; incident "" lists all.
func (s *Store) Runs(ctx context.Context, org, incident string, limit int) ([]schema.Run, error) {
	list, err := docs[schema.Run](ctx, s, `SELECT doc FROM runs FINAL WHERE org = {org:String} AND ({incident:String} = '' OR incident = {incident:String})
ORDER BY started DESC, id LIMIT {limit:UInt32}`, P{"org": org, "incident": incident, "limit": pageLimit(limit)})
	if err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	return list, nil
}

// PutRun stores the read model of a run with the version of its workflow's counter.
// history is the exported workflow history, "" while it runs.
func (s *Store) PutRun(ctx context.Context, r schema.Run, history string, version uint64) error {
	err := s.insertSmall(ctx, "runs", "org, id, incident, playbook, status, started, doc, history, version",
		[]any{r.Org, r.ID, r.Incident, r.Playbook, r.Status, r.Started, asJSON(r), history, version})
	if err != nil {
		return fmt.Errorf("writing run %s: %w", r.ID, err)
	}
	return nil
}

// RunHistory returns the exported workflow history of a run as JSON, "" while there is none.
func (s *Store) RunHistory(ctx context.Context, org, id string) (string, error) {
	var text string
	_, err := s.row(ctx, "SELECT history FROM runs FINAL WHERE org = {org:String} AND id = {id:String}", P{"org": org, "id": id}, &text)
	if err != nil {
		return "", fmt.Errorf("reading the history of a run: %w", err)
	}
	return text, nil
}

// ClosedRun is a run whose history is not exported yet.
type ClosedRun struct {
	Run     schema.Run
	Version uint64
}

// RunsWithoutHistory returns runs that have ended and whose history is not kept.
func (s *Store) RunsWithoutHistory(ctx context.Context, org string, limit int) ([]ClosedRun, error) {
	type row struct {
		schema.Run
		Version_ uint64 `json:"_version"`
	}
	list, err := docs[row](ctx, s, `SELECT concat(substring(doc, 1, length(doc) - 1), ',"_version":', toString(version), '}') FROM runs FINAL
WHERE org = {org:String} AND status NOT IN ('running', 'awaiting-approval') AND history = '' ORDER BY started LIMIT {limit:UInt32}`, P{"org": org, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("looking for runs to export: %w", err)
	}
	out := make([]ClosedRun, len(list))
	for i, r := range list {
		out[i] = ClosedRun{r.Run, r.Version_}
	}
	return out, nil
}
