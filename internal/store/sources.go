package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// PutSource stores a version of a source's definition.
func (s *Store) PutSource(ctx context.Context, d schema.SourceDef) error {
	token := schema.HashID("source", d.Org, d.ID, fmt.Sprint(d.Version))
	return s.insert(ctx, "sources", "org, id, kind, doc, removed, created, version", token, [][]any{{d.Org, d.ID, d.Kind, string(d.Doc), d.Removed, d.Created, d.Version}})
}

// SourceDefs returns the definitions of an org's sources that are not removed, by id.
func (s *Store) SourceDefs(ctx context.Context, org string) ([]schema.SourceDef, error) {
	return s.sourceDefs(ctx, "NOT removed", P{"org": org})
}

// SourceDef returns the definition of one source, removed or not; NotFound when there is
// none.
func (s *Store) SourceDef(ctx context.Context, org, id string) (schema.SourceDef, error) {
	all, err := s.sourceDefs(ctx, "id = {id:String}", P{"org": org, "id": id})
	if err != nil || len(all) > 0 {
		return append(all, schema.SourceDef{})[0], err
	}
	return schema.SourceDef{}, schema.E(schema.NotFound, "there is no source "+id, "`vigil sources list` names them, `vigil sources --help` says how to add one")
}

func (s *Store) sourceDefs(ctx context.Context, where string, p P) ([]schema.SourceDef, error) {
	out := []schema.SourceDef{}
	err := s.each(ctx, "SELECT org, id, kind, doc, removed, created, version FROM sources FINAL WHERE org = {org:String} AND "+where+" ORDER BY id", p, func(r driver.Rows) error {
		var d schema.SourceDef
		var doc string
		err := r.Scan(&d.Org, &d.ID, &d.Kind, &doc, &d.Removed, &d.Created, &d.Version)
		d.Doc = json.RawMessage(doc)
		out = append(out, d)
		return err
	})
	return out, err
}

// Sources returns the manifest's totals of every source, newest first.
func (s *Store) Sources(ctx context.Context, org string) ([]schema.SourceStatus, error) {
	out := []schema.SourceStatus{}
	err := s.each(ctx, `SELECT source, groupUniqArray(format), uniqExact(fingerprint), uniqExactIf(fingerprint, last), sum(bytes), sum(records), sum(events), sum(failures), sum(detections), max(committed),
			toFloat64(sumIf(events, committed > now64(6) - INTERVAL 5 MINUTE)) / 300, sumIf(bytes, committed > now64(6) - INTERVAL 1 DAY),
			toFloat64(sumIf(events, committed > now64(6) - INTERVAL 7 DAY)) / greatest(300, dateDiff('second', greatest(min(committed), now64(6) - INTERVAL 7 DAY), now64(6)))
		FROM chunks FINAL WHERE org = {org:String} GROUP BY source ORDER BY max(committed) DESC LIMIT 1000`, P{"org": org}, func(r driver.Rows) error {
		st := schema.SourceStatus{Org: org}
		var all, done uint64
		if err := r.Scan(&st.ID, &st.Formats, &all, &done, &st.Bytes, &st.Records, &st.Events, &st.Failures, &st.Detections, &st.Last, &st.Rate, &st.BytesDay, &st.Usual); err != nil {
			return err
		}
		st.Objects, st.ObjectsAll = int64(done), int64(all)
		st.Status = "completed"
		if done < all {
			st.Status = "running"
		}
		out = append(out, st)
		return nil
	})
	if err == nil {
		err = errors.Join(s.lags(ctx, org, out), s.proofs(ctx, org, out))
	}
	return out, err
}

// lags measures how long the events of each source's newest chunk took from their own
// time to the store, for sources that were heard of in the last day.
func (s *Store) lags(ctx context.Context, org string, to []schema.SourceStatus) error {
	return s.each(ctx, `SELECT source, toFloat64(quantile(0.5)(dateDiff('millisecond', timestamp, ingested))) / 1000 FROM events
		WHERE org = {org:String} AND ingested > now64(3) - INTERVAL 1 DAY AND chunk IN (SELECT argMax(id, committed) FROM chunks FINAL WHERE org = {org:String} AND events > 0 AND committed > now64(6) - INTERVAL 1 DAY GROUP BY source)
		GROUP BY source`, P{"org": org}, func(r driver.Rows) error {
		var id string
		var lag float64
		if err := r.Scan(&id, &lag); err != nil {
			return err
		}
		for i := range to {
			if to[i].ID == id {
				to[i].Lag = max(0, lag)
			}
		}
		return nil
	})
}

// proofs reads when each source was proved last, from the audit trail.
func (s *Store) proofs(ctx context.Context, org string, to []schema.SourceStatus) error {
	return s.each(ctx, "SELECT object, max(time), argMax(outcome, time) FROM audit WHERE org = {org:String} AND verb = 'source.prove' GROUP BY object", P{"org": org}, func(r driver.Rows) error {
		var id, outcome string
		var at time.Time
		if err := r.Scan(&id, &at, &outcome); err != nil {
			return err
		}
		for i := range to {
			if to[i].ID == id {
				to[i].Proved, to[i].Proof = at.UTC(), outcome
			}
		}
		return nil
	})
}

// Source returns one source; NotFound when nothing of it is committed.
func (s *Store) Source(ctx context.Context, org, id string) (schema.SourceStatus, error) {
	all, err := s.Sources(ctx, org)
	if err != nil {
		return schema.SourceStatus{}, err
	}
	for _, st := range all {
		if st.ID == id {
			return st, nil
		}
	}
	return schema.SourceStatus{}, schema.E(schema.NotFound, "there is no source "+id, "`vigil search` or the Sources screen lists them")
}
