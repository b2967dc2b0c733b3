package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// Coverage holds the evaluation ledger against the manifest: which rule versions have not
// provably seen which chunks. At most limit cells are listed.
func (s *Store) Coverage(ctx context.Context, org string, limit int) (schema.Coverage, error) {
	c := schema.Coverage{Unproven: []schema.UnprovenCell{}}
	if _, err := s.row(ctx, "SELECT toInt64(count()) FROM chunks FINAL WHERE org = {org:String}", P{"org": org}, &c.Chunks); err != nil {
		return c, err
	}
	_, err := s.row(ctx, `SELECT toInt64(countIf(status = 'evaluated')), toInt64(countIf(status = 'late')), toInt64(countIf(status = 'failed')) FROM evaluations FINAL
WHERE org = {org:String}`, P{"org": org}, &c.Evaluated, &c.Late, &c.Failed)
	if err != nil {
		return c, err
	}
	for _, q := range []string{
		`SELECT '*', rule_set, id, 'the stateless rules were not evaluated' FROM chunks FINAL WHERE org = {org:String} AND events > 0
AND (rule_set, id) NOT IN (SELECT rule_version, chunk FROM evaluations WHERE org = {org:String} AND rule = '*')`,
		`SELECT rule, rule_version, chunk, error FROM evaluations FINAL WHERE org = {org:String} AND status = 'failed'`,
		`SELECT rule, rule_version, chunk, 'its base detections are not judged yet' FROM detections WHERE org = {org:String} AND kind = 'base'
AND (rule, rule_version, chunk) NOT IN (SELECT rule, rule_version, chunk FROM evaluations WHERE org = {org:String} AND rule != '*')
AND chunk IN (SELECT id FROM chunks WHERE org = {org:String}) GROUP BY rule, rule_version, chunk`,
		`SELECT DISTINCT '', '', chunk, 'its detections are not folded into alerts' FROM detections WHERE org = {org:String} AND kind NOT IN ('base', 'hidden')
AND chunk NOT IN (SELECT chunk FROM folds WHERE org = {org:String}) AND (position(chunk, ':') > 0 OR chunk IN (SELECT id FROM chunks WHERE org = {org:String}))`,
	} {
		err := s.each(ctx, q+" ORDER BY 1, 3 LIMIT {limit:UInt32}", P{"org": org, "limit": uint32(limit)}, func(r driver.Rows) error {
			var x schema.UnprovenCell
			err := r.Scan(&x.Rule, &x.Version, &x.Chunk, &x.Why)
			c.Unproven = append(c.Unproven, x)
			return err
		})
		if err != nil {
			return c, fmt.Errorf("reading the evaluation ledger: %w", err)
		}
	}
	pending, err := s.PendingAggregates(ctx, org, limit)
	for _, p := range pending {
		for _, id := range p.Chunks {
			c.Unproven = append(c.Unproven, schema.UnprovenCell{Rule: p.Rule, Version: p.Version, Chunk: id, Why: "its windows are not asked yet"})
		}
	}
	c.Unproven = c.Unproven[:min(len(c.Unproven), limit)]
	return c, err
}
