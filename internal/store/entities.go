package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// EntityRow is a host, user or address that events or alerts name.
type EntityRow struct {
	Kind   string    `json:"kind"`
	Name   string    `json:"name"`
	Risk   float64   `json:"risk"` // 0–100: that at least one of its open rules is right
	Open   uint64    `json:"open"` // open alerts
	Alerts uint64    `json:"alerts"`
	Rules  uint64    `json:"rules"` // distinct rules of its alerts
	Events uint64    `json:"events"`
	First  time.Time `json:"first,omitzero"` // event time
	Last   time.Time `json:"last,omitzero"`
}

// entitySort says where a kind of entity is found: its column of events, and the names it
// has among the entities of alerts.
type entitySort struct {
	name  string
	field schema.FieldID
	names []string
}

var entitySorts = []entitySort{
	{"host", schema.FHostName, []string{"host", "host.name"}},
	{"user", schema.FUserName, []string{"user", "user.name", "user.target.name"}},
	{"ip", schema.FSourceIP, []string{"ip", "source", "source.ip", "destination", "destination.ip"}},
}

// EntityKinds are the kinds of entity.
func EntityKinds() []string {
	var out []string
	for _, k := range entitySorts {
		out = append(out, k.name)
	}
	return out
}

// Entities lists the entities of a kind whose name holds the text, riskiest first. Of name
// "" the text only must be part of the name; otherwise only that one is returned.
func (s *Store) Entities(ctx context.Context, org, kind, text, name string, limit int) ([]EntityRow, error) {
	i := slices.IndexFunc(entitySorts, func(k entitySort) bool { return k.name == kind })
	if i < 0 {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("there is no kind of entity %q", clipped(kind)), "one of "+strings.Join(EntityKinds(), ", "))
	}
	k := entitySorts[i]
	p := P{"org": org, "names": k.names, "text": text, "name": name, "limit": pageLimit(limit)}
	byName := map[string]*EntityRow{}
	if err := s.alertEntities(ctx, k, p, byName); err != nil {
		return nil, err
	}
	if err := s.eventEntities(ctx, k, p, byName); err != nil {
		return nil, err
	}
	out := make([]EntityRow, 0, len(byName))
	for _, r := range byName {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b EntityRow) int {
		switch {
		case a.Risk != b.Risk:
			return compareDown(a.Risk, b.Risk)
		case a.Open != b.Open:
			return compareDown(a.Open, b.Open)
		case a.Events != b.Events:
			return compareDown(a.Events, b.Events)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out[:min(len(out), pageLimit(limit))], nil
}

func compareDown[N float64 | uint64](a, b N) int {
	if a > b {
		return -1
	}
	return 1
}

// alertEntities reads who alerts name. Each open rule counts once, by its highest risk:
// many alerts of one rule are one reason.
func (s *Store) alertEntities(ctx context.Context, k entitySort, p P, byName map[string]*EntityRow) error {
	err := s.each(ctx, `SELECT name, 100 * (1 - exp(sum(log(1 - least(risk, 99) / 100)))), sum(open), sum(alerts), uniqExact(rule) FROM (
  SELECT name, rule, maxIf(risk, status != 'closed') AS risk, countIf(status != 'closed') AS open, count() AS alerts
  FROM (SELECT rule, status, risk, arrayJoin(arrayDistinct(arrayFilter((v, key) -> has({names:Array(String)}, key), mapValues(entities), mapKeys(entities)))) AS name
    FROM alerts FINAL WHERE org = {org:String})
  WHERE name != '' AND ({name:String} = '' OR name = {name:String}) AND ({text:String} = '' OR positionCaseInsensitiveUTF8(name, {text:String}) > 0)
  GROUP BY name, rule)
GROUP BY name ORDER BY 2 DESC, 3 DESC, name LIMIT {limit:UInt32}`, p, func(r driver.Rows) error {
		e := EntityRow{Kind: k.name}
		if err := r.Scan(&e.Name, &e.Risk, &e.Open, &e.Alerts, &e.Rules); err != nil {
			return err
		}
		byName[e.Name] = &e
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the entities of alerts: %w", err)
	}
	return nil
}

// eventEntities reads who the events name, the busiest, and counts those that are known.
func (s *Store) eventEntities(ctx context.Context, k entitySort, p P, byName map[string]*EntityRow) error {
	known := make([]string, 0, len(byName))
	for name := range byName {
		known = append(known, name)
	}
	p["known"] = known
	err := s.analystEach(exploring(ctx), fmt.Sprintf(`SELECT %s AS name, count() AS n, min(timestamp), max(timestamp) FROM events WHERE org = {org:String} AND name != ''
AND ({name:String} = '' OR name = {name:String}) AND ({text:String} = '' OR positionCaseInsensitiveUTF8(name, {text:String}) > 0)
GROUP BY name ORDER BY has({known:Array(String)}, name) DESC, n DESC, name LIMIT {limit:UInt32}`, textOf(k.field.Def())), p, func(r driver.Rows) error {
		var name string
		var n uint64
		var first, last time.Time
		if err := r.Scan(&name, &n, &first, &last); err != nil {
			return err
		}
		e := byName[name]
		if e == nil {
			e = &EntityRow{Kind: k.name, Name: name}
			byName[name] = e
		}
		e.Events, e.First, e.Last = n, first.UTC(), last.UTC()
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the entities of events: %w", err)
	}
	return nil
}
