package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// AlertFilter chooses alerts; empty fields choose all.
type AlertFilter struct {
	Status, Severity, Rule, Incident string
	Text                             string // in title, rule or entities
	Since                            time.Time
	Limit                            int    // default 100, at most 1000
	Cursor                           string // Next of the page before
}

// alertKey is where an alert is in the list.
type alertKey struct {
	back int64 // milliseconds of creation, negated
	id   string
}

func (k alertKey) String() string { return fmt.Sprintf("%d.%s", k.back, k.id) }

// Alerts lists alerts, newest first, with their counts; next is the cursor of the
// following page, "" at the end.
func (s *Store) Alerts(ctx context.Context, org string, f AlertFilter) (list []schema.Alert, next string, err error) {
	keys, err := s.alertKeys(ctx, org, f)
	if err == nil {
		list, err = s.listedAlerts(ctx, org, keys)
	}
	if err != nil {
		return nil, "", fmt.Errorf("listing alerts: %w", err)
	}
	if len(keys) == pageLimit(f.Limit) {
		next = keys[len(keys)-1].String()
	}
	return list, next, s.deriveAlerts(ctx, org, list)
}

// alertKeys finds a page in narrow columns, in the order of the table, so that reading
// ends where the page is full; whole documents are read of its alerts alone.
func (s *Store) alertKeys(ctx context.Context, org string, f AlertFilter) (keys []alertKey, err error) {
	after, err := alertCursor(f.Cursor)
	if err != nil {
		return nil, err
	}
	err = s.each(ctx, `SELECT back, id FROM alert_list FINAL WHERE org = {org:String}
AND ({status:String} = '' OR status = {status:String}) AND ({severity:String} = '' OR severity = {severity:String})
AND ({rule:String} = '' OR rule = {rule:String}) AND ({incident:String} = '' OR incident = {incident:String})
AND ({text:String} = '' OR position(search, lowerUTF8({text:String})) > 0)
AND back <= {since:Int64} AND back >= {back:Int64} AND (back > {back:Int64} OR id > {after:String})
ORDER BY back, id LIMIT {limit:UInt32}`,
		P{"org": org, "status": f.Status, "severity": f.Severity, "rule": f.Rule, "incident": f.Incident, "text": f.Text,
			"since": -max(f.Since.UnixMilli(), 0), "back": after.back, "after": after.id, "limit": pageLimit(f.Limit)},
		func(r driver.Rows) error {
			var k alertKey
			if err := r.Scan(&k.back, &k.id); err != nil {
				return err
			}
			keys = append(keys, k)
			return nil
		})
	return keys, err
}

// listedAlerts reads the alerts of a page. Two folds at once may create an alert twice, with
// different times; then the list holds both, and the one that the alert has is shown.
func (s *Store) listedAlerts(ctx context.Context, org string, keys []alertKey) ([]schema.Alert, error) {
	if len(keys) == 0 {
		return []schema.Alert{}, nil
	}
	ids, backs := make([]string, len(keys)), make([]int64, len(keys))
	for i, k := range keys {
		ids[i], backs[i] = k.id, k.back
	}
	return docs[schema.Alert](ctx, s, `SELECT doc FROM alert_list FINAL WHERE org = {org:String} AND (back, id) IN (SELECT arrayJoin(arrayZip({backs:Array(Int64)}, {ids:Array(String)})))
AND (back, id) IN (SELECT -toUnixTimestamp64Milli(created), id FROM alerts FINAL WHERE org = {org:String} AND id IN {ids:Array(String)}) ORDER BY back, id`,
		P{"org": org, "ids": ids, "backs": backs})
}

// alertCursor reads a cursor: the key of the last alert that was shown.
func alertCursor(text string) (k alertKey, err error) {
	if text == "" {
		return alertKey{back: -1 << 62}, nil
	}
	ms, id, ok := strings.Cut(text, ".")
	back, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil {
		return k, schema.E(schema.Invalid, "the cursor is none of a page of alerts", "pass on what `next` said, or leave it out")
	}
	return alertKey{back, id}, nil
}

// RuleCount says how many alerts of a rule and a severity there are.
type RuleCount struct {
	Rule, Title string
	Severity    schema.Severity
	Count       int
}

// CountAlerts counts the alerts in a status by rule and severity: of `alerts` itself, because
// the list may hold one twice.
func (s *Store) CountAlerts(ctx context.Context, org string, status schema.AlertStatus) ([]RuleCount, error) {
	var out []RuleCount
	err := s.each(ctx, `SELECT rule, severity, title, n FROM (
  SELECT rule, severity, toInt64(count()) AS n FROM alerts FINAL WHERE org = {org:String} AND status = {status:String} GROUP BY rule, severity) AS counted
LEFT JOIN (SELECT rule, any(title) AS title FROM alert_list WHERE org = {org:String} GROUP BY rule) AS named USING (rule) ORDER BY rule, severity`,
		P{"org": org, "status": string(status)}, func(r driver.Rows) error {
			var c RuleCount
			var severity string
			var n int64
			if err := r.Scan(&c.Rule, &severity, &c.Title, &n); err != nil {
				return err
			}
			c.Severity, c.Count = schema.Severity(severity), int(n)
			out = append(out, c)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("counting alerts: %w", err)
	}
	return out, nil
}
