package server

import (
	"context"
	"sort"
	"time"

	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

type alertsInput struct {
	Status   string `query:"status" enum:"open,acknowledged,closed,"`
	Severity string `query:"severity"`
	Rule     string `query:"rule"`
	Incident string `query:"incident"`
	Text     string `query:"q" maxLength:"200"`
	Cursor   string `query:"cursor"`
	Limit    int    `query:"limit" minimum:"0" maximum:"1000"`
}

func (s *Server) listAlerts(ctx context.Context, in *alertsInput) (*body[list[schema.Alert]], error) {
	items, next, err := s.o.Store.Alerts(ctx, orgOf(ctx), store.AlertFilter{Status: in.Status, Severity: in.Severity, Rule: in.Rule, Incident: in.Incident, Text: in.Text, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, err
	}
	return answerList(items, next), nil
}

// alertDetail is an alert with what it is made of.
type alertDetail struct {
	Alert      schema.Alert        `json:"alert"`
	Detections []schema.Detection  `json:"detections"`
	Events     []store.StoredEvent `json:"events" nullable:"false"`
}

func (s *Server) getAlert(ctx context.Context, in *byID) (*body[alertDetail], error) {
	a, err := s.o.Store.Alert(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	d := alertDetail{Alert: a, Events: []store.StoredEvent{}}
	if d.Detections, err = s.o.Store.AlertDetections(ctx, orgOf(ctx), in.ID, 50); err != nil {
		return nil, err
	}
	for _, det := range d.Detections {
		if len(d.Events) == 3 || det.EventID == "" {
			break
		}
		if e, err := s.o.Store.Event(ctx, orgOf(ctx), det.EventID); err == nil {
			d.Events = append(d.Events, e)
		}
	}
	return answer(d), nil
}

type updateAlertsInput struct {
	Body struct {
		IDs      []string `json:"ids" minItems:"1" maxItems:"1000"`
		Status   string   `json:"status,omitempty" enum:"open,acknowledged,closed,"`
		Verdict  string   `json:"verdict,omitempty" enum:"true_positive,false_positive,benign,"`
		Reason   string   `json:"reason,omitempty" maxLength:"2000"`
		Assignee string   `json:"assignee,omitempty" maxLength:"64"`
	}
}

type changed struct {
	Updated int `json:"updated"`
}

func (s *Server) updateAlerts(ctx context.Context, in *updateAlertsInput) (*body[changed], error) {
	b := in.Body
	res, err := s.admin(ctx, "alert", schema.HashID(b.IDs...), flow.AdminInput{Verb: "alert.update", IDs: b.IDs,
		Args: map[string]string{"status": b.Status, "verdict": b.Verdict, "reason": b.Reason, "assignee": b.Assignee}})
	if err != nil {
		return nil, err
	}
	return answer(changed{res.Changed}), nil
}

// homeView are the numbers of the first screen; each is a link there.
type homeView struct {
	AlertsOpen       int                   `json:"alerts_open"`
	BySeverity       map[string]int        `json:"by_severity" nullable:"false"`
	IncidentsOpen    int                   `json:"incidents_open"`
	ApprovalsPending int                   `json:"approvals_pending"`
	Events24h        int64                 `json:"events_24h"`
	Sources          []schema.SourceStatus `json:"sources"`
	TopRules         []ruleCount           `json:"top_rules"`
}

type ruleCount struct {
	Rule  string `json:"rule"`
	Title string `json:"title"`
	Count int    `json:"count"`
}

func (s *Server) home(ctx context.Context, _ *struct{}) (*body[homeView], error) {
	v := homeView{BySeverity: map[string]int{}}
	open, err := s.o.Store.CountAlerts(ctx, orgOf(ctx), schema.AlertOpen)
	if err != nil {
		return nil, err
	}
	rules := map[string]*ruleCount{}
	for _, c := range open {
		v.AlertsOpen += c.Count
		v.BySeverity[string(c.Severity)] += c.Count
		if rules[c.Rule] == nil {
			rules[c.Rule] = &ruleCount{Rule: c.Rule, Title: c.Title}
		}
		rules[c.Rule].Count += c.Count
	}
	for _, r := range rules {
		v.TopRules = append(v.TopRules, *r)
	}
	sort.Slice(v.TopRules, func(i, j int) bool {
		return v.TopRules[i].Count > v.TopRules[j].Count || v.TopRules[i].Count == v.TopRules[j].Count && v.TopRules[i].Rule < v.TopRules[j].Rule
	})
	v.TopRules = v.TopRules[:min(len(v.TopRules), 8)]
	incidents, _, err := s.o.Store.Incidents(ctx, orgOf(ctx), "active", 1000, "")
	if err != nil {
		return nil, err
	}
	for _, i := range incidents {
		if i.Status != schema.IncidentClosed {
			v.IncidentsOpen++
		}
	}
	if v.ApprovalsPending, err = s.o.Store.CountApprovals(ctx, orgOf(ctx), string(schema.ApprovalPending)); err != nil {
		return nil, err
	}
	if v.Events24h, err = s.o.Store.EventsSince(ctx, orgOf(ctx), time.Now().Add(-24*time.Hour)); err != nil {
		return nil, err
	}
	if v.Sources, err = s.o.Store.Sources(ctx, orgOf(ctx)); err != nil {
		return nil, err
	}
	v.Sources = v.Sources[:min(len(v.Sources), 12)]
	return answer(v), nil
}
