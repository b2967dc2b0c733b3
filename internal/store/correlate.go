package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// Correlated is what correlation made of an alert.
type Correlated struct {
	Alert, Incident, Role string
	Bits                  float64
}

// Uncorrelated returns when the alerts that no correlation has looked at were first seen, by
// id: at most limit, the oldest first.
func (s *Store) Uncorrelated(ctx context.Context, org string, limit int) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	err := s.each(ctx, `SELECT id, first_seen FROM alerts FINAL WHERE org = {org:String} AND id NOT IN (SELECT alert FROM correlated WHERE org = {org:String})
ORDER BY first_seen, id LIMIT {limit:UInt32}`, P{"org": org, "limit": limit}, func(r driver.Rows) error {
		var id string
		var first time.Time
		err := r.Scan(&id, &first)
		out[id] = first.UTC()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for alerts to correlate: %w", err)
	}
	return out, nil
}

// AlertsBetween returns the alerts first seen in [from, to], with their counts: at most limit,
// the newest of them.
func (s *Store) AlertsBetween(ctx context.Context, org string, from, to time.Time, limit int) ([]schema.Alert, error) {
	p := P{"org": org, "from": from.UnixMicro(), "to": to.UnixMicro(), "limit": limit}
	list, err := docs[schema.Alert](ctx, s, `SELECT doc FROM alerts FINAL WHERE org = {org:String}
AND first_seen >= fromUnixTimestamp64Micro({from:Int64}) AND first_seen <= fromUnixTimestamp64Micro({to:Int64}) ORDER BY first_seen DESC, id LIMIT {limit:UInt32}`, p)
	if err != nil {
		return nil, fmt.Errorf("reading alerts to correlate: %w", err)
	}
	counts := map[string]int64{}
	err = s.each(ctx, `SELECT alert, toInt64(uniqExact(detection)) FROM alert_members WHERE org = {org:String}
AND time >= fromUnixTimestamp64Micro({from:Int64}) AND detection NOT IN `+withdrawn+` GROUP BY alert`, p, func(r driver.Rows) error {
		var id string
		var n int64
		err := r.Scan(&id, &n)
		counts[id] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting alerts to correlate: %w", err)
	}
	for i := range list {
		list[i].Count = counts[list[i].ID]
	}
	return list, nil
}

// PutCorrelated records alerts as looked at.
func (s *Store) PutCorrelated(ctx context.Context, org string, list []Correlated) error {
	rows := make([][]any, len(list))
	for i, c := range list {
		rows[i] = []any{org, c.Alert, c.Incident, c.Role, float32(c.Bits)}
	}
	if err := s.insert(ctx, "correlated", "org, alert, incident, role, bits", "", rows); err != nil {
		return fmt.Errorf("recording correlated alerts: %w", err)
	}
	return nil
}

// Criticalities returns the criticality of what is known under these names, in small letters:
// assets by name or address, identities by name.
func (s *Store) Criticalities(ctx context.Context, org string, names []string) (map[string]string, error) {
	out := map[string]string{}
	if len(names) == 0 {
		return out, nil
	}
	err := s.each(ctx, `SELECT lower(n), argMax(criticality, indexOf(['low', 'medium', 'high', 'critical'], criticality)) FROM (
  SELECT criticality, arrayJoin(arrayConcat([name], splitByChar(' ', facts['ip']), splitByChar(' ', facts['aliases']))) AS n FROM entities FINAL WHERE org = {org:String} AND criticality != ''
  AND (kind = 'asset' AND version = (SELECT max(number) FROM table_versions WHERE org = {org:String} AND name = 'assets')
    OR kind = 'identity' AND version = (SELECT max(number) FROM table_versions WHERE org = {org:String} AND name = 'identities')))
WHERE lower(n) IN {names:Array(String)} GROUP BY lower(n)`, P{"org": org, "names": names}, func(r driver.Rows) error {
		var name, c string
		err := r.Scan(&name, &c)
		out[name] = c
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading criticalities: %w", err)
	}
	return out, nil
}
