package server

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

type postureInput struct {
	Objectives string `query:"objectives" maxLength:"64" doc:"id of an objectives file; default: the one assessed last"`
	Days       int    `query:"days" minimum:"0" maximum:"365" doc:"days of history; default 7"`
}

// postureView is the newest assessment with its open findings and how each objective
// was measured before.
type postureView struct {
	Assessment schema.Assessment                 `json:"assessment"` // its coverage: GET /posture/coverage
	Findings   []schema.Finding                  `json:"findings"`
	History    map[string][]store.ObjectivePoint `json:"history"`
}

func (s *Server) getPosture(ctx context.Context, in *postureInput) (*body[postureView], error) {
	if in.Days == 0 {
		in.Days = 7
	}
	a, err := s.o.Store.Assessment(ctx, orgOf(ctx), in.Objectives)
	if err != nil {
		return nil, err
	}
	v := postureView{Assessment: a}
	v.Assessment.Coverage = []schema.TechniqueCoverage{}
	if v.Findings, err = s.o.Store.Findings(ctx, orgOf(ctx), "objective", "open", 1000); err != nil {
		return nil, err
	}
	if v.History, err = s.o.Store.ObjectiveHistory(ctx, orgOf(ctx), a.Objectives, time.Now().AddDate(0, 0, -in.Days)); err != nil {
		return nil, err
	}
	return answer(v), nil
}

// coverageView is the technique matrix of an assessment.
type coverageView struct {
	Assessment string                     `json:"assessment"`
	Objectives string                     `json:"objectives"`
	Time       time.Time                  `json:"time"`
	Items      []schema.TechniqueCoverage `json:"items"`
}

func (s *Server) getCoverage(ctx context.Context, in *postureInput) (*body[coverageView], error) {
	a, err := s.o.Store.Assessment(ctx, orgOf(ctx), in.Objectives)
	if err != nil {
		return nil, err
	}
	proofs, err := s.proofs(ctx)
	if err != nil {
		return nil, err
	}
	return answer(coverageView{a.ID, a.Objectives, a.Time, schema.WithProofs(a.Coverage, proofs)}), nil
}

type findingsInput struct {
	Kind   string `query:"kind" maxLength:"64"`
	Status string `query:"status" enum:"open,closed,"`
	Limit  int    `query:"limit" minimum:"0" maximum:"1000"`
}

func (s *Server) listFindings(ctx context.Context, in *findingsInput) (*body[list[schema.Finding]], error) {
	items, err := s.o.Store.Findings(ctx, orgOf(ctx), in.Kind, in.Status, in.Limit)
	if err != nil {
		return nil, err
	}
	return answerList(items, ""), nil
}

type assessInput struct {
	Body struct {
		Objectives string `json:"objectives,omitempty" maxLength:"262144" doc:"YAML; default: the built-in objectives"`
		WindowDays int    `json:"window_days,omitempty" minimum:"0" maximum:"365"`
	}
}

// assessPosture measures now and answers when it is done.
func (s *Server) assessPosture(ctx context.Context, in *assessInput) (*body[flow.AssessPostureResult], error) {
	run, err := s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: flow.PostureID(orgOf(ctx)), TaskQueue: flow.Queue(flow.AssessPosture),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.AssessPosture,
		flow.AssessPostureInput{Org: orgOf(ctx), Objectives: in.Body.Objectives, WindowDays: in.Body.WindowDays, By: callerOf(ctx).user.Name})
	if err != nil {
		return nil, temporalError(err)
	}
	var res flow.AssessPostureResult
	if err := run.Get(ctx, &res); err != nil {
		return nil, temporalError(err)
	}
	return answer(res), nil
}
