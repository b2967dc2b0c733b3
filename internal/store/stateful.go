package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// withdrawn are the detections that were taken back.
const withdrawn = "(SELECT detection FROM retractions FINAL WHERE org = {org:String} AND withdrawn)"

// PendingWindow is a rule that has not counted the base detections of a chunk.
type PendingWindow struct {
	Rule, Version, Chunk string
	From, To             time.Time // event times of the chunk's base detections
	Bases                int64
}

// PendingWindows returns chunks with base detections that their rule has not
// counted (evaluation ledger), at most limit; with chunks, only among those.
func (s *Store) PendingWindows(ctx context.Context, org string, chunks []string, limit int) ([]PendingWindow, error) {
	if chunks == nil {
		chunks = []string{}
	}
	var out []PendingWindow
	err := s.each(ctx, `SELECT rule, rule_version, chunk, min(time), max(time), toInt64(uniqExact(id)) FROM detections WHERE org = {org:String} AND kind = 'base'
AND (empty({chunks:Array(String)}) OR chunk IN {chunks:Array(String)})
AND (rule, rule_version, chunk) NOT IN (SELECT rule, rule_version, chunk FROM evaluations WHERE org = {org:String} AND rule != '*')
AND chunk IN (SELECT id FROM chunks WHERE org = {org:String})
GROUP BY rule, rule_version, chunk ORDER BY rule, min(time) LIMIT {limit:UInt32}`, P{"org": org, "chunks": chunks, "limit": limit}, func(r driver.Rows) error {
		var w PendingWindow
		if err := r.Scan(&w.Rule, &w.Version, &w.Chunk, &w.From, &w.To, &w.Bases); err != nil {
			return err
		}
		out = append(out, w)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for windows to count: %w", err)
	}
	return out, nil
}

// BaseDetections returns a rule version's committed base detections with event
// times in [from, to], at most limit.
func (s *Store) BaseDetections(ctx context.Context, org, rule, version string, from, to time.Time, limit int) ([]schema.Detection, error) {
	list, err := docs[schema.Detection](ctx, s, `SELECT doc FROM detections WHERE org = {org:String} AND rule = {rule:String} AND rule_version = {version:String} AND kind = 'base'
AND time BETWEEN fromUnixTimestamp64Micro({from:Int64}) AND fromUnixTimestamp64Micro({to:Int64})
AND chunk IN (SELECT id FROM chunks WHERE org = {org:String}) ORDER BY time, id LIMIT 1 BY id LIMIT {limit:UInt32}`,
		P{"org": org, "rule": rule, "version": version, "from": from.UnixMicro(), "to": to.UnixMicro(), "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("reading base detections of %s: %w", rule, err)
	}
	return list, nil
}

// KnownDetections says which of the detection ids are stored.
func (s *Store) KnownDetections(ctx context.Context, org string, ids []string) (map[string]bool, error) {
	out := map[string]bool{}
	if len(ids) == 0 {
		return out, nil
	}
	err := s.each(ctx, `SELECT DISTINCT id FROM detections WHERE org = {org:String} AND id IN {ids:Array(String)}`, P{"org": org, "ids": ids}, func(r driver.Rows) error {
		var id string
		if err := r.Scan(&id); err != nil {
			return err
		}
		out[id] = true
		return nil
	})
	return out, err
}

// Fired is a stored detection of a stateful rule.
type Fired struct {
	ID        string
	Withdrawn bool   // it was taken back
	Version   uint64 // of its retraction, 0 for none
}

// FiredIn returns the detections of one kind of a rule version with times in [from, to).
func (s *Store) FiredIn(ctx context.Context, org, rule, version, kind string, from, to time.Time) ([]Fired, error) {
	var out []Fired
	err := s.each(ctx, `SELECT d.id, any(r.withdrawn), any(r.version) FROM detections AS d
LEFT JOIN (SELECT detection, withdrawn, version FROM retractions FINAL WHERE org = {org:String} AND rule = {rule:String}) AS r ON r.detection = d.id
WHERE d.org = {org:String} AND d.rule = {rule:String} AND d.rule_version = {version:String} AND d.kind = {kind:String}
AND d.time >= fromUnixTimestamp64Micro({from:Int64}) AND d.time < fromUnixTimestamp64Micro({to:Int64}) GROUP BY d.id`,
		P{"org": org, "rule": rule, "version": version, "kind": kind, "from": from.UnixMicro(), "to": to.UnixMicro()}, func(r driver.Rows) error {
			var f Fired
			err := r.Scan(&f.ID, &f.Withdrawn, &f.Version)
			out = append(out, f)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("reading what %s has found: %w", rule, err)
	}
	return out, nil
}

// PutRetractions takes detections back, or gives them back when Withdrawn is false.
func (s *Store) PutRetractions(ctx context.Context, org, rule string, list []Fired, now time.Time) error {
	rows := make([][]any, len(list))
	for i, f := range list {
		rows[i] = []any{org, f.ID, rule, f.Withdrawn, now, f.Version}
	}
	if err := s.insert(ctx, "retractions", "org, detection, rule, withdrawn, time, version", "", rows); err != nil {
		return fmt.Errorf("taking detections back: %w", err)
	}
	return nil
}

// AlertsOf returns the ids of the alerts that the detections are members of.
func (s *Store) AlertsOf(ctx context.Context, org string, detections []string) ([]string, error) {
	var out []string
	err := s.each(ctx, `SELECT DISTINCT alert FROM alert_members WHERE org = {org:String} AND detection IN {ids:Array(String)} ORDER BY alert`, P{"org": org, "ids": detections},
		func(r driver.Rows) error {
			var id string
			err := r.Scan(&id)
			out = append(out, id)
			return err
		})
	return out, err
}

// NewestJudged returns the newest event time that a rule version has judged; zero when
// it has judged nothing.
func (s *Store) NewestJudged(ctx context.Context, org, rule, version string) (time.Time, error) {
	var t time.Time
	_, err := s.row(ctx, `SELECT max(time) FROM detections WHERE org = {org:String} AND rule = {rule:String} AND rule_version = {version:String} AND kind = 'base'
AND chunk IN (SELECT chunk FROM evaluations WHERE org = {org:String} AND rule = {rule:String} AND rule_version = {version:String})`,
		P{"org": org, "rule": rule, "version": version}, &t)
	if t.Unix() <= 0 {
		t = time.Time{}
	}
	return t, err
}

// PutEvaluations writes rows of the evaluation ledger under a deduplication token.
func (s *Store) PutEvaluations(ctx context.Context, token string, list []schema.Evaluation) error {
	rows := make([][]any, len(list))
	for i, e := range list {
		rows[i] = []any{e.Org, e.Rule, e.RuleVersion, e.Chunk, e.Status, e.Events, e.Detections, e.Error, e.Time}
	}
	if err := s.insert(ctx, "evaluations", "org, rule, rule_version, chunk, status, events, detections, error, time", token, rows); err != nil {
		return fmt.Errorf("writing the evaluation ledger: %w", err)
	}
	return nil
}
