package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// Samples lists the attack samples that people keep, by id.
func (s *Store) Samples(ctx context.Context, org string) ([]schema.Sample, error) {
	out, err := docs[schema.Sample](ctx, s, `SELECT doc FROM vigil_private.samples FINAL WHERE org = {org:String} AND NOT JSONExtractBool(doc, 'deleted') ORDER BY id`, P{"org": org})
	if err != nil {
		return nil, fmt.Errorf("reading samples: %w", err)
	}
	return out, nil
}

// Sample returns one, a deleted one too; NotFound when there never was one.
func (s *Store) Sample(ctx context.Context, org, id string) (schema.Sample, error) {
	return doc[schema.Sample](ctx, s, "sample "+id, `SELECT doc FROM vigil_private.samples FINAL WHERE org = {org:String} AND id = {id:String}`, P{"org": org, "id": id})
}

// PutSample stores a sample; the highest Version holds.
func (s *Store) PutSample(ctx context.Context, x schema.Sample) error {
	if err := s.insert(ctx, "vigil_private.samples", "org, id, doc, version", "", [][]any{{x.Org, x.ID, asJSON(x), x.Version}}); err != nil {
		return fmt.Errorf("keeping sample %s: %w", x.ID, err)
	}
	return nil
}

// SampleResults returns how the newest test of each sample went, by sample.
func (s *Store) SampleResults(ctx context.Context, org string) ([]schema.SampleResult, error) {
	out, err := docs[schema.SampleResult](ctx, s, `SELECT doc FROM sample_results FINAL WHERE org = {org:String} ORDER BY sample`, P{"org": org})
	if err != nil {
		return nil, fmt.Errorf("reading results of samples: %w", err)
	}
	return out, nil
}

// PutSampleResults stores results; the highest Version of each sample holds.
func (s *Store) PutSampleResults(ctx context.Context, list []schema.SampleResult) error {
	rows := make([][]any, len(list))
	for i, r := range list {
		rows[i] = []any{r.Org, r.Sample, asJSON(r), r.Version}
	}
	if err := s.insert(ctx, "sample_results", "org, sample, doc, version", "", rows); err != nil {
		return fmt.Errorf("storing results of samples: %w", err)
	}
	return nil
}

// RawRecords returns events as they arrived, in the order of time: those of the ids, or,
// without ids, those of a source.
func (s *Store) RawRecords(ctx context.Context, org string, ids []string, source string, limit int) ([]string, error) {
	var out []string
	where, p := "source = {source:String}", P{"org": org, "source": source, "limit": uint64(limit)}
	if len(ids) > 0 {
		where, p["ids"] = "hex(id) IN (SELECT upper(arrayJoin({ids:Array(String)})))", ids
	}
	err := s.each(ctx, `SELECT raw FROM events WHERE org = {org:String} AND `+where+` ORDER BY timestamp, id LIMIT {limit:UInt64}`, p, func(r driver.Rows) error {
		var raw string
		if err := r.Scan(&raw); err != nil {
			return err
		}
		out = append(out, raw)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading records: %w", err)
	}
	return out, nil
}
