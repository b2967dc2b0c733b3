package server

import (
	"context"
	"encoding/json"
	"time"

	"vigil/internal/auth"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

type incidentsInput struct {
	Status string `query:"status" maxLength:"40" doc:"a status, or active: what is not closed"`
	Sort   string `query:"sort" enum:"opened,risk" default:"opened" doc:"newest first, or the riskiest first (one page)"`
	Limit  int    `query:"limit" minimum:"0" maximum:"1000"`
	Cursor string `query:"cursor" maxLength:"300" doc:"next of the page before"`
}

func (s *Server) listIncidents(ctx context.Context, in *incidentsInput) (*body[list[schema.Incident]], error) {
	if in.Sort == "risk" {
		items, err := s.o.Store.RankedIncidents(ctx, orgOf(ctx), in.Status, in.Limit)
		if err != nil {
			return nil, err
		}
		return answerList(items, ""), nil
	}
	items, next, err := s.o.Store.Incidents(ctx, orgOf(ctx), in.Status, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	return answerList(items, next), nil
}

// incidentDetail is an incident with its alerts, runs and approvals.
type incidentDetail struct {
	Incident  schema.Incident   `json:"incident"`
	Alerts    []schema.Alert    `json:"alerts"`
	Runs      []schema.Run      `json:"runs"`
	Approvals []schema.Approval `json:"approvals" nullable:"false"`
}

func (s *Server) getIncident(ctx context.Context, in *byID) (*body[incidentDetail], error) {
	d, err := s.incidentDetail(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(d), nil
}

func (s *Server) incidentDetail(ctx context.Context, id string) (incidentDetail, error) {
	i, err := s.o.Store.Incident(ctx, orgOf(ctx), id)
	if err != nil {
		return incidentDetail{}, err
	}
	d := incidentDetail{Incident: i, Approvals: []schema.Approval{}}
	if d.Alerts, err = s.o.Store.AlertsByID(ctx, orgOf(ctx), i.Alerts[:min(len(i.Alerts), 200)]); err != nil {
		return d, err
	}
	if d.Runs, err = s.o.Store.Runs(ctx, orgOf(ctx), i.ID, 100); err != nil {
		return d, err
	}
	all, err := s.o.Store.Approvals(ctx, orgOf(ctx), store.ApprovalFilter{Incident: i.ID, Limit: 1000})
	if err != nil {
		return d, err
	}
	for _, a := range all {
		d.Approvals = append(d.Approvals, shown(a))
	}
	d.Incident.Tasks = withSteps(i, all)
	return d, nil
}

type changeIncidentInput struct {
	ID   string `path:"id" maxLength:"200"`
	Verb string `path:"verb" enum:"ack,comment,close,run,assign,task,qualify,merge,split"`
	Body struct {
		Text     string `json:"text,omitempty" maxLength:"10000"`
		Verdict  string `json:"verdict,omitempty"`
		Reason   string `json:"reason,omitempty" maxLength:"2000"`
		Playbook string `json:"playbook,omitempty" maxLength:"100"`

		To     string    `json:"to,omitempty" maxLength:"63" doc:"assign: a user"`
		Task   string    `json:"task,omitempty" maxLength:"40" doc:"task: id of the one to change"`
		Title  string    `json:"title,omitempty" maxLength:"500"`
		Owner  string    `json:"owner,omitempty" maxLength:"63"`
		Due    time.Time `json:"due,omitzero"`
		State  string    `json:"state,omitempty" enum:"open,done,dropped"`
		Into   string    `json:"into,omitempty" maxLength:"200" doc:"merge: the incident that takes the alerts"`
		Alerts []string  `json:"alerts,omitempty" maxItems:"2000" doc:"split: those that leave"`
	}
}

func (s *Server) changeIncident(ctx context.Context, in *changeIncidentInput) (*body[flow.IncidentState], error) {
	i, err := s.o.Store.Incident(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	by := callerOf(ctx).user.Name
	for _, name := range []string{in.Body.To, in.Body.Owner} {
		if err := s.knownUser(ctx, name); err != nil {
			return nil, err
		}
	}
	var st flow.IncidentState
	id := schema.HashID("incident", in.ID, in.Verb, by, time.Now().UTC().Format(time.RFC3339Nano))
	switch in.Verb {
	case "ack":
		err = s.update(ctx, i.Workflow, flow.UpdateAck, id, flow.IncidentAck{By: by}, &st)
	case "comment":
		err = s.update(ctx, i.Workflow, flow.UpdateComment, id, flow.IncidentComment{By: by, Text: in.Body.Text}, &st)
	case "close":
		err = s.update(ctx, i.Workflow, flow.UpdateClose, id, flow.IncidentClose{By: by, Verdict: in.Body.Verdict, Reason: in.Body.Reason}, &st)
	case "assign":
		err = s.update(ctx, i.Workflow, flow.UpdateAssign, id, flow.IncidentAssign{By: by, To: in.Body.To}, &st)
	case "task":
		err = s.update(ctx, i.Workflow, flow.UpdateTask, id, flow.IncidentTask{By: by, ID: in.Body.Task, Title: in.Body.Title, Owner: in.Body.Owner, Due: in.Body.Due, State: in.Body.State}, &st)
	case "qualify":
		err = s.update(ctx, i.Workflow, flow.UpdateQualify, id, flow.IncidentClose{By: by, Verdict: in.Body.Verdict, Reason: in.Body.Reason}, &st)
	case "merge":
		err = s.update(ctx, i.Workflow, flow.UpdateMerge, id, flow.IncidentMerge{By: by, Into: in.Body.Into, Reason: in.Body.Reason}, &st)
	case "split":
		err = s.update(ctx, i.Workflow, flow.UpdateSplit, id, flow.IncidentSplit{By: by, Alerts: in.Body.Alerts, Title: in.Body.Title, Reason: in.Body.Reason}, &st)
	case "run":
		var token string
		now := time.Now()
		if token, _, err = s.o.Decisions.SignDecision(auth.RequestClaims(by, in.Body.Playbook, i.ID, now), now); err == nil {
			err = s.update(ctx, i.Workflow, flow.UpdateRespond, id, flow.IncidentRespond{By: by, Playbook: in.Body.Playbook, Token: token}, &st)
		}
	}
	if err != nil {
		return nil, err
	}
	return answer(st), nil
}

// knownUser fails when the name is not that of a user; "" is nobody.
func (s *Server) knownUser(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	u, err := s.o.Store.User(ctx, orgOf(ctx), name)
	if schema.CodeOf(err) == schema.NotFound || err == nil && u.Disabled {
		return schema.E(schema.Invalid, "there is no user "+clipTo(name, 63), "vigil users list")
	}
	return err
}

func (s *Server) listActions(ctx context.Context, in *byID) (*body[list[schema.ActionRecord]], error) {
	all, err := s.o.Store.Actions(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return answerList(all, ""), nil
}

type undoInput struct {
	ID   string `path:"id" maxLength:"200"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"2000"`
	}
}

// undoIncident takes back what was done for an incident, the last first. The token
// proves to the worker who asks.
func (s *Server) undoIncident(ctx context.Context, in *undoInput) (*body[flow.UndoResult], error) {
	var out flow.UndoResult
	if _, err := s.o.Store.Incident(ctx, orgOf(ctx), in.ID); err != nil {
		return nil, err
	}
	token, _, err := s.o.Decisions.SignDecision(auth.Claims{Approval: in.ID, User: callerOf(ctx).user.Name, Verdict: auth.VerdictUndo, Reason: in.Body.Reason, Channel: callerOf(ctx).channel}, time.Now())
	if err != nil {
		return nil, err
	}
	res, err := s.admin(ctx, "undo", in.ID, flow.AdminInput{Verb: "incident.undo", Key: in.ID, Args: map[string]string{"token": token}})
	if err == nil {
		err = json.Unmarshal([]byte(res.Doc), &out)
	}
	if err != nil {
		return nil, err
	}
	return answer(out), nil
}

func listed(e store.ListEntry) bool {
	return !e.Removed && (e.Expires.Unix() <= 0 || e.Expires.After(time.Now()))
}
