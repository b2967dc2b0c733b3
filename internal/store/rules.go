package store

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// RuleSet is a rule set as it is stored.
type RuleSet struct {
	Hash    string
	Rules   map[string]string // id → version
	Overlay string            // JSON
}

// PutRuleVersions stores versions of rules; ones that are there stay.
func (s *Store) PutRuleVersions(ctx context.Context, org string, list []schema.RuleVersion) error {
	rows := make([][]any, len(list))
	for i, r := range list {
		rows[i] = []any{org, r.Rule, r.Version, r.Title, r.Kind, string(r.Severity), r.Enabled, append([]string{}, r.Attack...), r.Dataset, r.YAML, r.File}
	}
	if err := s.insert(ctx, "rule_versions", "org, rule, version, title, kind, severity, enabled, attack, dataset, yaml, file", "", rows); err != nil {
		return fmt.Errorf("storing rules: %w", err)
	}
	return nil
}

// KnownRuleVersions says which versions are stored, as rule NUL version.
func (s *Store) KnownRuleVersions(ctx context.Context, org string) (map[string]bool, error) {
	out := map[string]bool{}
	err := s.each(ctx, "SELECT DISTINCT rule, version FROM rule_versions WHERE org = {org:String}", P{"org": org}, func(r driver.Rows) error {
		var rule, version string
		if err := r.Scan(&rule, &version); err != nil {
			return err
		}
		out[rule+"\x00"+version] = true
		return nil
	})
	return out, err
}

// RuleVersion returns the document of one version of a rule.
func (s *Store) RuleVersion(ctx context.Context, org, rule, version string) (schema.RuleVersion, error) {
	v := schema.RuleVersion{Rule: rule, Version: version}
	found, err := s.row(ctx, "SELECT yaml, file FROM rule_versions FINAL WHERE org = {org:String} AND rule = {rule:String} AND version = {version:String}",
		P{"org": org, "rule": rule, "version": version}, &v.YAML, &v.File)
	if err == nil && !found {
		err = schema.E(schema.NotFound, fmt.Sprintf("version %s of rule %s is not stored", version, rule), "")
	}
	return v, err
}

// PutRuleSet stores a set under its hash; its rules' versions must be stored before.
func (s *Store) PutRuleSet(ctx context.Context, org string, set RuleSet) error {
	if err := s.insert(ctx, "rule_sets", "org, hash, rules, overlay", "", [][]any{{org, set.Hash, set.Rules, set.Overlay}}); err != nil {
		return fmt.Errorf("storing a rule set: %w", err)
	}
	return nil
}

// RuleSet returns a stored set with the documents of its rules.
func (s *Store) RuleSet(ctx context.Context, org, hash string) (RuleSet, []schema.RuleVersion, error) {
	set := RuleSet{Hash: hash}
	found, err := s.row(ctx, "SELECT rules, overlay FROM rule_sets FINAL WHERE org = {org:String} AND hash = {hash:String}", P{"org": org, "hash": hash}, &set.Rules, &set.Overlay)
	if err != nil || !found {
		if err == nil {
			err = schema.E(schema.NotFound, "the rule set "+hash+" is not stored", "it was pinned by an older Vigil; start the ingestion again")
		}
		return set, nil, err
	}
	var list []schema.RuleVersion
	err = s.each(ctx, `SELECT rule, version, yaml, file FROM rule_versions FINAL WHERE org = {org:String} AND (rule, version) IN
(SELECT r.1, r.2 FROM (SELECT arrayJoin(CAST(rules, 'Array(Tuple(String, String))')) AS r FROM rule_sets FINAL WHERE org = {org:String} AND hash = {hash:String})) ORDER BY rule`,
		P{"org": org, "hash": hash}, func(r driver.Rows) error {
			var v schema.RuleVersion
			err := r.Scan(&v.Rule, &v.Version, &v.YAML, &v.File)
			list = append(list, v)
			return err
		})
	if err == nil && len(list) != len(set.Rules) {
		err = schema.E(schema.Internal, fmt.Sprintf("of the %d rules of set %s only %d are stored", len(set.Rules), hash, len(list)), "")
	}
	return set, list, err
}

// RuleDeployments returns who put which set in force, newest first.
func (s *Store) RuleDeployments(ctx context.Context, org string, limit int) ([]schema.RuleDeployment, error) {
	out := []schema.RuleDeployment{}
	err := s.each(ctx, "SELECT version, hash, by, reason, doc, time FROM rule_deployments FINAL WHERE org = {org:String} ORDER BY version DESC LIMIT {limit:UInt32}",
		P{"org": org, "limit": uint32(limit)}, func(r driver.Rows) error {
			d := schema.RuleDeployment{Org: org}
			err := r.Scan(&d.Version, &d.Set, &d.By, &d.Reason, &d.Report, &d.Time)
			d.Time = d.Time.UTC()
			out = append(out, d)
			return err
		})
	return out, err
}

// PutRuleDeployment puts a set in force.
func (s *Store) PutRuleDeployment(ctx context.Context, d schema.RuleDeployment) error {
	if err := s.insert(ctx, "rule_deployments", "org, version, hash, by, reason, doc, time", "", [][]any{{d.Org, d.Version, d.Set, d.By, d.Reason, d.Report, d.Time}}); err != nil {
		return fmt.Errorf("putting a rule set in force: %w", err)
	}
	return nil
}

// RuleSwitch says that a rule version is switched off, or is on again.
type RuleSwitch struct {
	Rule, Version, Reason string
	Off                   bool
	Time                  time.Time
	Revision              uint64
}

// RuleSwitches returns the switches, in order of rules.
func (s *Store) RuleSwitches(ctx context.Context, org string) ([]RuleSwitch, error) {
	var out []RuleSwitch
	err := s.each(ctx, "SELECT rule, rule_version, reason, off, time, version FROM rule_switches FINAL WHERE org = {org:String} ORDER BY rule, rule_version", P{"org": org}, func(r driver.Rows) error {
		var x RuleSwitch
		err := r.Scan(&x.Rule, &x.Version, &x.Reason, &x.Off, &x.Time, &x.Revision)
		out = append(out, x)
		return err
	})
	return out, err
}

// PutRuleSwitch switches a rule version off or on.
func (s *Store) PutRuleSwitch(ctx context.Context, org string, x RuleSwitch) error {
	return s.insert(ctx, "rule_switches", "org, rule, rule_version, off, reason, time, version", "", [][]any{{org, x.Rule, x.Version, x.Off, x.Reason, x.Time, x.Revision}})
}

// Exceptions returns exceptions in order of ids, with what they hid; status "" is all.
func (s *Store) Exceptions(ctx context.Context, org, status string) ([]schema.Exception, error) {
	list, err := docs[schema.Exception](ctx, s, `SELECT doc FROM exceptions FINAL WHERE org = {org:String} AND ({status:String} = '' OR status = {status:String}) ORDER BY id`,
		P{"org": org, "status": status})
	if err != nil || len(list) == 0 {
		return list, err
	}
	at := map[string]*schema.Exception{}
	for i := range list {
		at[list[i].ID] = &list[i]
	}
	err = s.each(ctx, "SELECT exception, toInt64(uniqExact(id)), max(time) FROM detections WHERE org = {org:String} AND kind = 'hidden' GROUP BY exception", P{"org": org}, func(r driver.Rows) error {
		var id string
		var n int64
		var last time.Time
		if err := r.Scan(&id, &n, &last); err != nil {
			return err
		}
		if x := at[id]; x != nil {
			x.Hidden, x.Last = n, last.UTC()
		}
		return nil
	})
	return list, err
}

// ActiveExceptions returns what plans need of the exceptions in force.
func (s *Store) ActiveExceptions(ctx context.Context, org string) ([]schema.Exception, error) {
	return docs[schema.Exception](ctx, s, `SELECT doc FROM exceptions FINAL WHERE org = {org:String} AND status = 'active' ORDER BY id`, P{"org": org})
}

// Exception returns one exception.
func (s *Store) Exception(ctx context.Context, org, id string) (schema.Exception, error) {
	return doc[schema.Exception](ctx, s, "exception "+id, `SELECT doc FROM exceptions FINAL WHERE org = {org:String} AND id = {id:String}`, P{"org": org, "id": id})
}

// PutException stores an exception; of one id the highest Version holds.
func (s *Store) PutException(ctx context.Context, x schema.Exception) error {
	if err := s.insert(ctx, "exceptions", "org, id, rule, status, expires, doc, version", "", [][]any{{x.Org, x.ID, x.Rule, string(x.Status), x.Expires, asJSON(x), x.Version}}); err != nil {
		return fmt.Errorf("storing exception %s: %w", x.ID, err)
	}
	return nil
}

// ExceptionTrial is what an exception would have hidden of what is stored.
type ExceptionTrial struct {
	Detections int64          `json:"detections"`              // stored of the rule in the time
	Hidden     int64          `json:"hidden"`                  // of these
	Rules      map[string]int `json:"rules" nullable:"false"`  // hidden, by rule
	Alerts     []TrialAlert   `json:"alerts" nullable:"false"` // that would have lost some of their detections, at most 100
}

// TrialAlert is an alert of which an exception hides detections.
type TrialAlert struct {
	ID      string `json:"id"`
	Rule    string `json:"rule"`
	Verdict string `json:"verdict,omitempty"`
	Hidden  int64  `json:"hidden"`
	Count   int64  `json:"count"`
}

// TryException asks stored detections' events for an exception's condition (rendered by
// rules/chsql), as an analyst.
func (s *Store) TryException(ctx context.Context, org, rule, condition string, params P, since time.Time) (ExceptionTrial, error) {
	t := ExceptionTrial{Rules: map[string]int{}, Alerts: []TrialAlert{}}
	p := P{"org": org, "rule": rule, "since": since}
	maps.Copy(p, params)
	const chosen = "org = {org:String} AND kind NOT IN ('hidden') AND event_id != '' AND ({rule:String} = '*' OR rule = {rule:String}) AND time >= {since:DateTime64(6)}"
	const events = "(SELECT lower(hex(id)) FROM events WHERE org = {org:String} AND timestamp >= {since:DateTime64(6)} AND id IN (SELECT unhex(event_id) FROM detections WHERE " + chosen + ") AND ("
	var stats SearchStats
	err := s.analystEach(huntContext(ctx, "", &stats), `SELECT rule, id, event_id IN `+events+condition+`)) AS hit FROM detections WHERE `+chosen+` LIMIT 1 BY id`, p, func(r driver.Rows) error {
		var id, name string
		var hit uint8
		if err := r.Scan(&name, &id, &hit); err != nil {
			return err
		}
		t.Detections++
		if hit != 0 {
			t.Hidden++
			t.Rules[name]++
		}
		return nil
	})
	if err != nil || t.Hidden == 0 {
		return t, err
	}
	err = s.analystEach(huntContext(ctx, "", &stats), `SELECT m.alert, any(a.rule), any(JSONExtractString(a.doc, 'verdict')), toInt64(uniqExactIf(m.detection, m.hit)), toInt64(uniqExact(m.detection)) FROM
(SELECT alert, detection, event_id IN `+events+condition+`)) AS hit FROM alert_members WHERE org = {org:String} AND detection IN (SELECT id FROM detections WHERE `+chosen+`)) AS m
JOIN (SELECT id, rule, doc FROM alerts FINAL WHERE org = {org:String}) AS a ON a.id = m.alert GROUP BY m.alert HAVING uniqExactIf(m.detection, m.hit) > 0 ORDER BY m.alert LIMIT 100`, p, func(r driver.Rows) error {
		var a TrialAlert
		err := r.Scan(&a.ID, &a.Rule, &a.Verdict, &a.Hidden, &a.Count)
		t.Alerts = append(t.Alerts, a)
		return err
	})
	return t, err
}

// RuleHealth counts what every rule found; alerts those raised since.
func (s *Store) RuleHealth(ctx context.Context, org string, since time.Time) (map[string]schema.RuleHealth, error) {
	out := map[string]schema.RuleHealth{}
	get := func(rule string) schema.RuleHealth {
		if h, ok := out[rule]; ok {
			return h
		}
		return schema.RuleHealth{Rule: rule, Verdicts: map[string]int{}, Precision: -1}
	}
	err := s.each(ctx, `SELECT rule, toInt64(uniqExactIf(id, kind NOT IN ('base', 'hidden'))), toInt64(uniqExactIf(id, kind = 'hidden')), maxIf(ingested, kind NOT IN ('base', 'hidden'))
FROM detections WHERE org = {org:String} AND id NOT IN `+withdrawn+` GROUP BY rule`, P{"org": org}, func(r driver.Rows) error {
		var rule string
		var h schema.RuleHealth
		var last time.Time
		if err := r.Scan(&rule, &h.Detections, &h.Hidden, &last); err != nil {
			return err
		}
		x := get(rule)
		x.Detections, x.Hidden = h.Detections, h.Hidden
		if last.Unix() > 0 {
			x.SilentSince = last.UTC()
		}
		out[rule] = x
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting what rules found: %w", err)
	}
	err = s.each(ctx, `SELECT rule, toInt64(countIf(created >= fromUnixTimestamp64Milli({since:Int64}))), JSONExtractString(doc, 'verdict') AS verdict, toInt64(count())
FROM alerts FINAL WHERE org = {org:String} GROUP BY rule, verdict`, P{"org": org, "since": since.UnixMilli()}, func(r driver.Rows) error {
		var rule, verdict string
		var fresh, n int64
		if err := r.Scan(&rule, &fresh, &verdict, &n); err != nil {
			return err
		}
		x := get(rule)
		x.Alerts += fresh
		if verdict != "" {
			x.Verdicts[verdict] += int(n)
		}
		out[rule] = x
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting alerts of rules: %w", err)
	}
	return out, nil
}
