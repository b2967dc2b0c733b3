package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// AlertMember is one detection folded into an alert.
type AlertMember struct {
	Alert, Detection, EventID, Chunk string
	Time                             time.Time
}

// pageLimit bounds a page of a list.
func pageLimit(n int) int {
	if n <= 0 {
		n = 100
	}
	return min(n, 1000)
}

// AlertsByID returns the alerts with these ids, with their counts; unknown ids are
// left out.
func (s *Store) AlertsByID(ctx context.Context, org string, ids []string) ([]schema.Alert, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list, err := docs[schema.Alert](ctx, s, `SELECT doc FROM alerts FINAL WHERE org = {org:String} AND id IN {ids:Array(String)} ORDER BY id`, P{"org": org, "ids": ids})
	if err != nil {
		return nil, fmt.Errorf("reading alerts: %w", err)
	}
	return list, s.deriveAlerts(ctx, org, list)
}

// Alert returns one alert.
func (s *Store) Alert(ctx context.Context, org, id string) (schema.Alert, error) {
	list, err := s.AlertsByID(ctx, org, []string{id})
	if err != nil || len(list) > 0 {
		if len(list) > 0 {
			return list[0], err
		}
		return schema.Alert{}, err
	}
	return schema.Alert{}, schema.E(schema.NotFound, "there is no alert "+id, "")
}

// deriveAlerts fills what is never stored but counted: members, first and last time.
func (s *Store) deriveAlerts(ctx context.Context, org string, list []schema.Alert) error {
	if len(list) == 0 {
		return nil
	}
	ids, at := make([]string, len(list)), map[string]*schema.Alert{}
	for i := range list {
		ids[i] = list[i].ID
		at[list[i].ID] = &list[i]
	}
	err := s.each(ctx, `SELECT alert, toInt64(uniqExactIf(detection, right)), minIf(time, right), maxIf(time, right)
FROM (SELECT alert, detection, time, detection NOT IN `+withdrawn+` AS right FROM alert_members WHERE org = {org:String} AND alert IN {ids:Array(String)}) GROUP BY alert`,
		P{"org": org, "ids": ids}, func(r driver.Rows) error {
			var id string
			var n int64
			var first, last time.Time
			if err := r.Scan(&id, &n, &first, &last); err != nil {
				return err
			}
			a := at[id]
			if a == nil {
				return nil
			}
			if a.Count = n; n > 0 {
				a.FirstSeen, a.LastSeen = first.UTC(), last.UTC()
			}
			return nil
		})
	if err != nil {
		return fmt.Errorf("counting alert members: %w", err)
	}
	return nil
}

// AlertDetections returns the detections of an alert, oldest first.
func (s *Store) AlertDetections(ctx context.Context, org, alert string, limit int) ([]schema.Detection, error) {
	return docs[schema.Detection](ctx, s, `SELECT doc FROM detections WHERE org = {org:String} AND id IN (SELECT detection FROM alert_members WHERE org = {org:String} AND alert = {alert:String})
AND id NOT IN `+withdrawn+` ORDER BY time, id LIMIT 1 BY id LIMIT {limit:UInt32}`, P{"org": org, "alert": alert, "limit": pageLimit(limit)})
}

// PutAlerts stores alerts; of one id the highest Version holds.
func (s *Store) PutAlerts(ctx context.Context, list []schema.Alert) error {
	rows := make([][]any, len(list))
	for i, a := range list {
		entities := a.Entities
		if entities == nil {
			entities = map[string]string{}
		}
		rows[i] = []any{a.Org, a.ID, a.Rule, string(a.Severity), int32(a.Risk), string(a.Status), a.Incident, a.DedupKey, entities, a.FirstSeen, a.LastSeen, a.Created, asJSON(a), a.Version}
	}
	err := s.insert(ctx, "alerts", "org, id, rule, severity, risk, status, incident, dedup_key, entities, first_seen, last_seen, created, doc, version", "", rows)
	if err != nil {
		return fmt.Errorf("writing alerts: %w", err)
	}
	return nil
}

// PutAlertMembers links detections to alerts; repeats change nothing.
func (s *Store) PutAlertMembers(ctx context.Context, org string, list []AlertMember) error {
	rows := make([][]any, len(list))
	for i, m := range list {
		rows[i] = []any{org, m.Alert, m.Detection, m.EventID, m.Time, m.Chunk}
	}
	if err := s.insert(ctx, "alert_members", "org, alert, detection, event_id, time, chunk", "", rows); err != nil {
		return fmt.Errorf("linking detections to alerts: %w", err)
	}
	return nil
}

// AnsweredAlerts says which of the alerts have a member in a chunk that is folded:
// their response was started before.
func (s *Store) AnsweredAlerts(ctx context.Context, org string, ids []string) (map[string]bool, error) {
	out := map[string]bool{}
	if len(ids) == 0 {
		return out, nil
	}
	err := s.each(ctx, `SELECT DISTINCT alert FROM alert_members WHERE org = {org:String} AND alert IN {ids:Array(String)} AND chunk IN (SELECT chunk FROM folds WHERE org = {org:String})`,
		P{"org": org, "ids": ids}, func(r driver.Rows) error {
			var id string
			if err := r.Scan(&id); err != nil {
				return err
			}
			out[id] = true
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("reading answered alerts: %w", err)
	}
	return out, nil
}

// PutFolds records chunks as folded, each with the number of its alerts.
func (s *Store) PutFolds(ctx context.Context, org string, alerts map[string]int) error {
	var rows [][]any
	for chunk, n := range alerts {
		rows = append(rows, []any{org, chunk, uint32(n)})
	}
	if err := s.insert(ctx, "folds", "org, chunk, alerts", "", rows); err != nil {
		return fmt.Errorf("recording folded chunks: %w", err)
	}
	return nil
}

// Folded says which of the chunks are in the fold ledger.
func (s *Store) Folded(ctx context.Context, org string, chunks []string) (map[string]bool, error) {
	out := map[string]bool{}
	err := s.each(ctx, `SELECT DISTINCT chunk FROM folds WHERE org = {org:String} AND chunk IN {chunks:Array(String)}`, P{"org": org, "chunks": chunks},
		func(r driver.Rows) error {
			var id string
			if err := r.Scan(&id); err != nil {
				return err
			}
			out[id] = true
			return nil
		})
	return out, err
}

// UnfoldedChunks returns committed chunks whose detections are not folded, at most
// limit. Chunk ids with a colon stand for windows and hunts, which no manifest lists.
func (s *Store) UnfoldedChunks(ctx context.Context, org string, limit int) ([]string, error) {
	var out []string
	err := s.each(ctx, `SELECT DISTINCT chunk FROM detections WHERE org = {org:String} AND kind NOT IN ('base', 'hidden')
AND chunk NOT IN (SELECT chunk FROM folds WHERE org = {org:String})
AND (position(chunk, ':') > 0 OR chunk IN (SELECT id FROM chunks WHERE org = {org:String}))
ORDER BY chunk LIMIT {limit:UInt32}`, P{"org": org, "limit": limit}, func(r driver.Rows) error {
		var id string
		if err := r.Scan(&id); err != nil {
			return err
		}
		out = append(out, id)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for chunks to fold: %w", err)
	}
	return out, nil
}

// ChunkDetections returns the detections of chunks that may raise alerts, at most
// limit, ordered by id.
func (s *Store) ChunkDetections(ctx context.Context, org string, chunks []string, limit int) ([]schema.Detection, error) {
	list, err := docs[schema.Detection](ctx, s, `SELECT doc FROM detections WHERE org = {org:String} AND chunk IN {chunks:Array(String)} AND kind NOT IN ('base', 'hidden') ORDER BY id LIMIT 1 BY id LIMIT {limit:UInt32}`,
		P{"org": org, "chunks": chunks, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("reading detections to fold: %w", err)
	}
	return list, nil
}

// AlertsOfRule returns a rule's newest alerts, the judged ones first: what a change of
// the rule is measured by.
func (s *Store) AlertsOfRule(ctx context.Context, org, rule string, since time.Time, limit int) ([]schema.Alert, error) {
	out, err := docs[schema.Alert](ctx, s, `SELECT doc FROM alerts FINAL WHERE org = {org:String} AND rule = {rule:String} AND created >= fromUnixTimestamp64Milli({since:Int64})
ORDER BY JSONExtractString(doc, 'verdict') = '', created DESC, id LIMIT {limit:UInt64}`, P{"org": org, "rule": rule, "since": since.UnixMilli(), "limit": uint64(limit)})
	if err != nil {
		return nil, fmt.Errorf("reading the alerts of %s: %w", rule, err)
	}
	return out, nil
}
