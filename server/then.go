package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/internal/alert"
	"vigil/internal/tables"
	"vigil/schema"
)

type thenInput struct {
	ID string    `path:"id" maxLength:"200"`
	At time.Time `query:"at" doc:"a time (RFC 3339); default: when the incident was opened"`
}

// incidentThen shows an incident as of a time, with the rules, exceptions, indicators, models
// and asset facts that held then: chunks pin them by version, and versions are kept.
func (s *Server) incidentThen(ctx context.Context, in *thenInput) (*body[schema.Then], error) {
	i, err := s.o.Store.Incident(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	if in.At.IsZero() {
		in.At = i.Opened
	}
	t := &then{s: s, out: schema.Then{At: in.At.UTC(), Rules: []schema.ThenRule{}, Exceptions: []schema.Exception{}, Off: []string{}, Indicators: []schema.ThenIndicator{}, Models: []schema.Model{}, Assets: []schema.Entity{}}}
	for _, step := range []func(context.Context, schema.Incident) error{t.incident, t.rules, t.exceptions, t.indicators, t.models, t.facts} {
		if err := step(ctx, i); err != nil {
			return nil, err
		}
	}
	return answer(t.out), nil
}

type then struct {
	s   *Server
	out schema.Then
}

// missing notes what cannot be told any more.
func (t *then) missing(format string, args ...any) {
	t.out.Missing = append(t.out.Missing, fmt.Sprintf(format, args...))
}

// incident cuts the incident off at the time.
func (t *then) incident(ctx context.Context, i schema.Incident) error {
	var err error
	at := t.out.At
	list, err := t.s.o.Store.AlertsByID(ctx, orgOf(ctx), i.Alerts[:min(len(i.Alerts), 1000)])
	if err != nil {
		return err
	}
	joined := map[string]time.Time{}
	for _, e := range i.Timeline {
		if e.Kind == "alert" && e.Ref != "" {
			joined[e.Ref] = e.Time
		}
	}
	t.out.Alerts = slices.DeleteFunc(list, func(a schema.Alert) bool { return a.Created.After(at) || joined[a.ID].After(at) })
	i.Alerts = []string{}
	for _, a := range t.out.Alerts {
		i.Alerts = append(i.Alerts, a.ID)
	}
	i.Timeline = slices.DeleteFunc(i.Timeline, func(e schema.TimelineEntry) bool { return e.Time.After(at) })
	i.Tasks = slices.DeleteFunc(i.Tasks, func(x schema.Task) bool { return x.Created.After(at) })
	i.Attachments = slices.DeleteFunc(i.Attachments, func(x schema.Attachment) bool { return x.Time.After(at) })
	for _, l := range i.Links {
		if l.Time.After(at) && (l.Kind == "merged-into" || l.Kind == "split-into") {
			t.missing("alerts that went to incident %s later are shown there", l.ID)
		}
	}
	i.Links = slices.DeleteFunc(i.Links, func(x schema.IncidentLink) bool { return x.Time.After(at) })
	i.Runs = slices.DeleteFunc(i.Runs, func(x schema.Run) bool { return x.Started.After(at) })
	// What later alerts added is taken off.
	i.Severity, i.Rules, i.Risk = alert.Tally(t.out.Alerts)
	i.Score, i.Long = 0, ""
	if i.Closed.IsZero() || i.Closed.After(at) {
		i.Closed, i.Status = time.Time{}, schema.IncidentOpen
		if slices.ContainsFunc(i.Runs, func(x schema.Run) bool { return x.Ended.IsZero() || x.Ended.After(at) }) {
			i.Status = schema.IncidentResponding
		}
	}
	if i.Qualified.After(at) {
		i.Qualified, i.Verdict, i.Reason = time.Time{}, "", ""
	}
	if i.Acknowledged.After(at) {
		i.Acknowledged, i.Assignee = time.Time{}, ""
	}
	t.out.Incident = i
	t.out.Pins, err = t.s.o.Store.PinsAt(ctx, orgOf(ctx), at)
	if err == nil && t.out.Pins.Since.Unix() <= 0 {
		t.missing("nothing was committed before that time")
	}
	return err
}

// rules are those of the incident's alerts, in the versions that fired, and what is in force today.
func (t *then) rules(ctx context.Context, _ schema.Incident) error {
	now := t.s.o.Rules(orgOf(ctx))
	seen := map[string]bool{}
	for _, a := range t.out.Alerts {
		if seen[a.Rule+"\x00"+a.RuleVersion] {
			continue
		}
		seen[a.Rule+"\x00"+a.RuleVersion] = true
		r := schema.ThenRule{Rule: a.Rule, Version: a.RuleVersion, Title: a.Title}
		if x, ok := now.Rule(a.Rule); ok {
			r.Now = x.Version
		}
		v, err := t.s.o.Store.RuleVersion(ctx, orgOf(ctx), a.Rule, a.RuleVersion)
		switch {
		case schema.CodeOf(err) == schema.NotFound:
			t.missing("version %s of rule %s is not stored", a.RuleVersion, a.Rule)
		case err != nil:
			return err
		}
		r.YAML = v.YAML
		t.out.Rules = append(t.out.Rules, r)
	}
	return nil
}

// exceptions are those that could have hidden something of these rules, and the rules that were off.
func (t *then) exceptions(ctx context.Context, _ schema.Incident) error {
	all, err := t.s.o.Store.ExceptionsAt(ctx, orgOf(ctx), t.out.At)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Rule == "*" || slices.ContainsFunc(t.out.Rules, func(r schema.ThenRule) bool { return r.Rule == e.Rule }) {
			t.out.Exceptions = append(t.out.Exceptions, e)
		}
	}
	if t.out.Pins.RuleSet == "" {
		return nil
	}
	set, _, err := t.s.o.Store.RuleSet(ctx, orgOf(ctx), t.out.Pins.RuleSet)
	if err != nil {
		t.missing("rule set %s: %s", t.out.Pins.RuleSet, err)
		return nil
	}
	var overlay struct {
		Off map[string]string `json:"off"`
	}
	if err := json.Unmarshal([]byte(set.Overlay), &overlay); err != nil {
		t.missing("what was laid over rule set %s is damaged", set.Hash)
	}
	for rule, why := range overlay.Off {
		t.out.Off = append(t.out.Off, rule+": "+why)
	}
	slices.Sort(t.out.Off)
	return nil
}

// values are what the incident's alerts name.
func (t *then) values() []string {
	var out []string
	for _, a := range t.out.Alerts {
		for _, v := range a.Entities {
			if v != "" && !slices.Contains(out, v) {
				out = append(out, v)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (t *then) indicators(ctx context.Context, _ schema.Incident) error {
	if t.out.Pins.Intel == "" {
		return nil
	}
	list, err := t.s.o.Store.IndicatorsOf(ctx, orgOf(ctx), t.out.Pins.Intel, t.values(), t.out.At)
	if schema.CodeOf(err) == schema.NotFound {
		t.missing("indicator set %s is not stored", t.out.Pins.Intel)
		return nil
	}
	t.out.Indicators = append(t.out.Indicators, list...)
	return err
}

func (t *then) models(ctx context.Context, _ schema.Incident) error {
	for id := range strings.FieldsFuncSeq(t.out.Pins.Models, func(r rune) bool { return r == ',' || r == ' ' }) {
		if _, after, ok := strings.Cut(id, "="); ok {
			id = after
		}
		m, err := t.s.o.Store.Model(ctx, orgOf(ctx), id)
		switch {
		case schema.CodeOf(err) == schema.NotFound:
			t.missing("model %s is not stored", id)
		case err != nil:
			return err
		default:
			t.out.Models = append(t.out.Models, m)
		}
	}
	return nil
}

// facts are what the tables of then say of the incident's entities.
func (t *then) facts(ctx context.Context, _ schema.Incident) error {
	values := map[string]bool{}
	for _, v := range t.values() {
		values[strings.ToLower(v)] = true
	}
	for pin := range strings.SplitSeq(t.out.Pins.Tables, ",") {
		name, hash, _ := strings.Cut(pin, "=")
		if name != tables.AssetTable && name != tables.IdentityTable || hash == "" {
			continue
		}
		b, err := t.s.o.Store.TableBody(ctx, orgOf(ctx), hash)
		if schema.CodeOf(err) == schema.NotFound {
			t.missing("the table %s of then (%s) is not stored", name, hash)
			continue
		}
		if err != nil {
			return err
		}
		kind, err := tables.ByName(name)
		if err != nil {
			return err
		}
		table, err := kind.Build(b)
		if err != nil {
			t.missing("the table %s of then cannot be read: %s", name, err)
			continue
		}
		for _, e := range table.Entities() {
			known := append([]string{e.Name}, strings.Fields(e.Facts["ip"]+" "+e.Facts["aliases"])...)
			if slices.ContainsFunc(known, func(v string) bool { return values[strings.ToLower(v)] }) {
				t.out.Assets = append(t.out.Assets, e)
			}
		}
	}
	return nil
}
