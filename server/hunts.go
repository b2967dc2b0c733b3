package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"vigil/schema"
	"vigil/schema/flow"
)

type startHuntInput struct {
	Body struct {
		Rule     string    `json:"rule,omitempty" maxLength:"64" doc:"id of a rule in use"`
		Rules    []string  `json:"rules,omitempty" maxItems:"100" doc:"or ids of rules in use; * stands for any text"`
		YAML     string    `json:"yaml,omitempty" maxLength:"262144" doc:"or rule documents"`
		When     string    `json:"when,omitempty" maxLength:"65536" doc:"or a condition over e, as in rules"`
		Datasets []string  `json:"datasets,omitempty" maxItems:"100" doc:"data sets of the condition; default: all"`
		From     time.Time `json:"from" required:"false" doc:"event time; default: the oldest event"`
		To       time.Time `json:"to" required:"false" doc:"event time; default: the newest event"`
		Limit    int       `json:"limit,omitempty" minimum:"0" maximum:"1000" doc:"sample events in the result; default 20; of many rules 3 each, at most 10"`
		Raise    bool      `json:"raise,omitempty" doc:"also write detections and raise alerts"`
		Preview  bool      `json:"preview,omitempty" doc:"only say what the hunt will cost and raise"`
		Window   int64     `json:"window,omitempty" minimum:"0" doc:"events that are asked at once; default 4 to 25 million"`
	}
}

// startHunt starts a hunt. The same hunt that is running already is not started twice.
func (s *Server) startHunt(ctx context.Context, in *startHuntInput) (*body[started], error) {
	b := in.Body
	h := flow.HuntInput{Org: orgOf(ctx), Rule: b.Rule, Rules: b.Rules, YAML: b.YAML, When: b.When, Datasets: b.Datasets, From: b.From, To: b.To, Limit: b.Limit, Raise: b.Raise, Preview: b.Preview, Window: b.Window,
		By: callerOf(ctx).user.Name}
	id := flow.HuntID(orgOf(ctx), h.Name(), schema.HashID("hunt", fmt.Sprintf("%+v", h))[:16])
	_, err := s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(flow.Hunt),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING}, flow.Hunt, h)
	if err != nil {
		return nil, temporalError(err)
	}
	return answer(started{id}), nil
}

// huntRow is a hunt as the list shows it.
type huntRow struct {
	Workflow string    `json:"workflow"`
	Status   string    `json:"status"` // running, completed, failed, cancelled, …
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
}

// listHunts lists the hunts that Temporal still keeps, newest first.
func (s *Server) listHunts(ctx context.Context, _ *struct{}) (*body[list[huntRow]], error) {
	res, err := s.o.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 100, Query: "WorkflowType = '" + flow.Hunt + "' AND VigilOrg = '" + orgOf(ctx) + "'"})
	if err != nil {
		return nil, temporalError(err)
	}
	rows := []huntRow{}
	for _, x := range res.GetExecutions() {
		if id := x.GetExecution().GetWorkflowId(); s.ours(ctx, id) {
			rows = append(rows, huntRow{id, strings.ToLower(x.GetStatus().String()), x.GetStartTime().AsTime(), closeTime(x.GetCloseTime().AsTime())})
		}
	}
	return answerList(rows, ""), nil
}

// ours says whether the id is that of a hunt of this org.
func (s *Server) ours(ctx context.Context, id string) bool {
	return strings.HasPrefix(id, strings.TrimSuffix(flow.HuntID(orgOf(ctx), "", ""), "/"))
}

func closeTime(t time.Time) time.Time {
	if t.Unix() <= 0 {
		return time.Time{}
	}
	return t
}

// getHunt returns a hunt's result so far: its workflow's state.
func (s *Server) getHunt(ctx context.Context, in *byID) (*body[flow.HuntState], error) {
	if !s.ours(ctx, in.ID) {
		return nil, schema.E(schema.NotFound, "there is no hunt "+in.ID, "GET /hunts lists them")
	}
	v, err := s.o.Temporal.QueryWorkflow(ctx, in.ID, "", flow.QueryState)
	if err != nil {
		if schema.CodeOf(temporalError(err)) == schema.Conflict {
			return nil, schema.E(schema.NotFound, "there is no hunt "+in.ID, "GET /hunts lists them", err)
		}
		return nil, temporalError(err)
	}
	var st flow.HuntState
	if err := v.Get(&st); err != nil {
		return nil, fmt.Errorf("reading the state of %s: %w", in.ID, err)
	}
	return answer(st), nil
}

// cancelHunt stops a hunt; the engine drops its query.
func (s *Server) cancelHunt(ctx context.Context, in *byID) (*body[changed], error) {
	if !s.ours(ctx, in.ID) {
		return nil, schema.E(schema.NotFound, "there is no hunt "+in.ID, "GET /hunts lists them")
	}
	if err := s.o.Temporal.CancelWorkflow(ctx, in.ID, ""); err != nil {
		return nil, temporalError(err)
	}
	s.audit(ctx, callerOf(ctx).user.Name, "hunt.cancel", in.ID, "ok", nil)
	return answer(changed{1}), nil
}
