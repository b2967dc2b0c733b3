package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// ChunkData is everything of one chunk.
type ChunkData struct {
	Chunk      schema.Chunk
	Events     *Batch
	Failures   []schema.ParseFailure
	Detections []schema.Detection
	Scores     []schema.Score
	Sightings  []schema.Sighting
	RuleError  string
	// InDoubt says that an earlier attempt may have stored parts: each table is counted
	// by chunk id before it is written again (the second belt beside the tokens).
	InDoubt bool
	// Crash is called between the writes with the name of the point; tests kill there.
	Crash func(point string)
}

// CommitChunk stores a chunk: events, failures, detections, scores, sightings, evaluations, and last its
// manifest row, which is the commit point. Each write carries the chunk's id as
// deduplication token, so the whole may be repeated until it succeeds.
func (s *Store) CommitChunk(ctx context.Context, d ChunkData) error {
	c := &d.Chunk
	crash := d.Crash
	if crash == nil {
		crash = func(string) {}
	}
	for _, step := range []struct {
		point string
		write func() error
	}{
		{"before-events", func() error {
			return s.unlessThere(ctx, d.InDoubt, "events", c, int64(d.Events.Rows()), func() error {
				return s.InsertEvents(ctx, c.Org, c.Source, c.ID, c.Ingested, d.Events)
			})
		}},
		{"after-events", func() error {
			return s.unlessThere(ctx, d.InDoubt, "parse_failures", c, int64(len(d.Failures)), func() error { return s.putFailures(ctx, c.ID, d.Failures) })
		}},
		{"after-failures", func() error {
			return s.unlessThere(ctx, d.InDoubt, "detections", c, int64(len(d.Detections)), func() error { return s.PutDetections(ctx, c.ID, d.Detections) })
		}},
		{"after-detections", func() error {
			return s.unlessThere(ctx, d.InDoubt, "scores", c, int64(len(d.Scores)), func() error { return s.putScores(ctx, c.ID, d.Scores) })
		}},
		{"after-scores", func() error {
			return s.unlessThere(ctx, d.InDoubt, "sightings", c, int64(len(d.Sightings)), func() error { return s.putSightings(ctx, c.ID, d.Sightings) })
		}},
		{"after-sightings", func() error { return s.putEvaluation(ctx, c, d.RuleError) }},
		{"before-manifest", func() error { return s.putChunk(ctx, c) }},
	} {
		crash(step.point)
		if err := step.write(); err != nil {
			return fmt.Errorf("storing chunk %s (%s): %w", c.ID, step.point, err)
		}
	}
	crash("after-manifest")
	return nil
}

// unlessThere writes the rows of a chunk unless an earlier attempt has stored them.
func (s *Store) unlessThere(ctx context.Context, inDoubt bool, table string, c *schema.Chunk, want int64, write func() error) error {
	if want == 0 {
		return nil
	}
	if inDoubt {
		have, err := s.chunkRows(ctx, table, c.Org, c.ID)
		if err != nil {
			return err
		}
		switch {
		case have == want:
			return nil
		case have != 0:
			return schema.E(schema.Internal, fmt.Sprintf("chunk %s has %d rows in %s, an attempt before this one wrote another number than the %d of now", c.ID, have, table, want),
				"its rules or its file changed between two attempts; report this")
		}
	}
	return write()
}

func (s *Store) chunkRows(ctx context.Context, table, org, chunk string) (int64, error) {
	var n uint64
	_, err := s.row(ctx, "SELECT count() FROM "+table+" WHERE org = {org:String} AND chunk = {chunk:String}", P{"org": org, "chunk": chunk}, &n)
	return int64(n), err
}

func (s *Store) putFailures(ctx context.Context, token string, list []schema.ParseFailure) error {
	rows := make([][]any, len(list))
	for i, f := range list {
		rows[i] = []any{f.Org, f.Source, f.Chunk, f.Object, f.Offset, f.Format, f.Reason, string(f.Raw), f.Size, f.Ingested}
	}
	return s.insert(ctx, "parse_failures", "org, source, chunk, object, offset, format, reason, raw, size, ingested", token, rows)
}

// PutDetections stores detections under a token.
func (s *Store) PutDetections(ctx context.Context, token string, list []schema.Detection) error {
	rows := make([][]any, len(list))
	for i, d := range list {
		rows[i] = []any{d.Org, d.ID, d.Source, d.Chunk, d.Rule, d.RuleVersion, d.Kind, string(d.Severity), int32(d.Risk), d.EventID, d.Dataset, d.Time, d.Ingested, d.DedupKey, nonNil(d.Entities), asJSON(d), d.Exception}
	}
	return s.insert(ctx, "detections", "org, id, source, chunk, rule, rule_version, kind, severity, risk, event_id, dataset, time, ingested, dedup_key, entities, doc, exception", token, rows)
}

func nonNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (s *Store) putEvaluation(ctx context.Context, c *schema.Chunk, ruleError string) error {
	if c.RuleSet == "" {
		return nil
	}
	status := "evaluated"
	if ruleError != "" {
		status = "failed"
	}
	return s.insert(ctx, "evaluations", "org, rule, rule_version, chunk, status, events, detections, error, time", c.ID,
		[][]any{{c.Org, "*", c.RuleSet, c.ID, status, c.Events, c.Detections, ruleError, c.Ingested}})
}

const chunkColumns = "org, source, id, epoch, object, fingerprint, format, seq, `from`, `to`, records, skipped, events, failures, warnings, detections, bytes, hash, last, ingested, rule_set, intel, models, tables, read"

func (s *Store) putChunk(ctx context.Context, c *schema.Chunk) error {
	return s.insert(ctx, "chunks", chunkColumns, c.ID, [][]any{{c.Org, c.Source, c.ID, uint32(c.Epoch), c.Object, c.Fingerprint, c.Format, c.Seq, c.From, c.To,
		c.Records, c.Skipped, c.Events, c.Failures, c.Warnings, c.Detections, c.Bytes, c.Hash, c.Last, c.Ingested, c.RuleSet, c.Intel, c.Models, c.Tables, c.Read}})
}

// ObjectState is how far an object of a source is committed.
type ObjectState struct {
	Fingerprint string
	To          int64 // end of the last committed chunk
	Seq         int64 // number of the next chunk
	Complete    bool
}

// Committed returns the state of every object of a source, by fingerprint.
func (s *Store) Committed(ctx context.Context, org, source string, epoch int) (map[string]ObjectState, error) {
	out := map[string]ObjectState{}
	err := s.each(ctx, `SELECT fingerprint, max(to), max(seq) + 1, max(last) FROM chunks FINAL
		WHERE org = {org:String} AND source = {source:String} AND epoch = {epoch:UInt32} GROUP BY fingerprint`,
		P{"org": org, "source": source, "epoch": uint32(epoch)}, func(r driver.Rows) error {
			var o ObjectState
			if err := r.Scan(&o.Fingerprint, &o.To, &o.Seq, &o.Complete); err != nil {
				return err
			}
			out[o.Fingerprint] = o
			return nil
		})
	return out, err
}

// PlanTotals adds up what is committed of a plan: the chunks of a source that carry the
// plan's ingest time. Only the totals of the chunk returned are filled in.
func (s *Store) PlanTotals(ctx context.Context, org, source string, epoch int, ingested time.Time) (chunks int64, total schema.Chunk, err error) {
	var n uint64
	_, err = s.row(ctx, `SELECT count(), sum(records), sum(events), sum(failures), sum(detections), sum(bytes) FROM chunks FINAL
		WHERE org = {org:String} AND source = {source:String} AND epoch = {epoch:UInt32} AND ingested = {ingested:DateTime64(3)}`,
		P{"org": org, "source": source, "epoch": uint32(epoch), "ingested": ingested}, &n, &total.Records, &total.Events, &total.Failures, &total.Detections, &total.Bytes)
	return int64(n), total, err
}

// Chunks returns the manifest of a source in order.
func (s *Store) Chunks(ctx context.Context, org, source string) ([]schema.Chunk, error) {
	var out []schema.Chunk
	err := s.each(ctx, "SELECT "+chunkColumns+" FROM chunks FINAL WHERE org = {org:String} AND source = {source:String} ORDER BY object, epoch, `from`, seq",
		P{"org": org, "source": source}, func(r driver.Rows) error {
			var c schema.Chunk
			var epoch uint32
			err := r.Scan(&c.Org, &c.Source, &c.ID, &epoch, &c.Object, &c.Fingerprint, &c.Format, &c.Seq, &c.From, &c.To, &c.Records, &c.Skipped, &c.Events, &c.Failures, &c.Warnings,
				&c.Detections, &c.Bytes, &c.Hash, &c.Last, &c.Ingested, &c.RuleSet, &c.Intel, &c.Models, &c.Tables, &c.Read)
			c.Epoch = int(epoch)
			out = append(out, c)
			return err
		})
	return out, err
}

// RowCount is how many rows of a chunk a table holds, and how many distinct ones.
type RowCount struct{ Events, DistinctEvents, Failures int64 }

// RowCounts counts the rows of every chunk of a source.
func (s *Store) RowCounts(ctx context.Context, org, source string) (map[string]RowCount, error) {
	out := map[string]RowCount{}
	p := P{"org": org, "source": source}
	err := s.each(ctx, "SELECT chunk, count(), uniqExact(id) FROM events WHERE org = {org:String} AND source = {source:String} GROUP BY chunk", p, func(r driver.Rows) error {
		var chunk string
		var n, distinct uint64
		if err := r.Scan(&chunk, &n, &distinct); err != nil {
			return err
		}
		out[chunk] = RowCount{Events: int64(n), DistinctEvents: int64(distinct)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = s.each(ctx, "SELECT chunk, count() FROM parse_failures WHERE org = {org:String} AND source = {source:String} GROUP BY chunk", p, func(r driver.Rows) error {
		var chunk string
		var n uint64
		if err := r.Scan(&chunk, &n); err != nil {
			return err
		}
		c := out[chunk]
		c.Failures = int64(n)
		out[chunk] = c
		return nil
	})
	return out, err
}

// FailureSamples returns the newest failures of a source.
func (s *Store) FailureSamples(ctx context.Context, org, source string, limit int) ([]schema.ParseFailure, error) {
	out := []schema.ParseFailure{}
	err := s.each(ctx, `SELECT org, source, chunk, object, offset, format, reason, substring(raw, 1, 500), size, ingested FROM parse_failures
		WHERE org = {org:String} AND source = {source:String} ORDER BY ingested DESC, object, offset LIMIT {limit:UInt32}`,
		P{"org": org, "source": source, "limit": uint32(limit)}, func(r driver.Rows) error {
			var f schema.ParseFailure
			var raw string
			err := r.Scan(&f.Org, &f.Source, &f.Chunk, &f.Object, &f.Offset, &f.Format, &f.Reason, &raw, &f.Size, &f.Ingested)
			f.Raw = []byte(raw)
			out = append(out, f)
			return err
		})
	return out, err
}

// EventsSince counts the events ingested since a time.
func (s *Store) EventsSince(ctx context.Context, org string, since time.Time) (int64, error) {
	var n int64
	_, err := s.row(ctx, "SELECT sum(events) FROM chunks FINAL WHERE org = {org:String} AND committed >= {since:DateTime64(6)}", P{"org": org, "since": since}, &n)
	return n, err
}
