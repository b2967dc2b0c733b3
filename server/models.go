package server

import (
	"context"
	"regexp"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/schema"
	"vigil/schema/flow"
)

func (s *Server) listModels(ctx context.Context, _ *struct{}) (*body[list[schema.Model]], error) {
	models, err := s.o.Store.Models(ctx, orgOf(ctx), "")
	if err != nil {
		return nil, err
	}
	return answerList(models, ""), nil
}

// modelDetail is a model and what it has done since it scores.
type modelDetail struct {
	schema.Model
	Size   int   `json:"size"`
	Scores int64 `json:"scores_kept"`
	Above  int64 `json:"scores_above"`
}

func (s *Server) getModel(ctx context.Context, in *byID) (*body[modelDetail], error) {
	m, err := s.o.Store.Model(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	kept, above, err := s.o.Store.ScoreStats(ctx, orgOf(ctx), m.ID, m.Threshold)
	if err != nil {
		return nil, err
	}
	return answer(modelDetail{m, len(m.Body), kept, above}), nil
}

type trainInput struct {
	Body struct {
		Detector string    `json:"detector" minLength:"1" maxLength:"100"`
		From     time.Time `json:"from,omitzero" required:"false"`
		To       time.Time `json:"to,omitzero" required:"false"`
		MaxRows  int       `json:"max_rows,omitempty" minimum:"0" maximum:"200000"`
	}
}

var detectorName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,99}$`)

// trainModel starts a training and answers at once; the result is in the list of
// models and on the live topic "models".
func (s *Server) trainModel(ctx context.Context, in *trainInput) (*body[started], error) {
	b := in.Body
	if !detectorName.MatchString(b.Detector) {
		return nil, schema.E(schema.Invalid, "there is no detector "+b.Detector, "small letters, digits and hyphens: zeek-conn-iforest")
	}
	id := flow.RetrainID(orgOf(ctx), b.Detector)
	_, err := s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(flow.Retrain),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.Retrain,
		flow.RetrainInput{Org: orgOf(ctx), Detector: b.Detector, From: b.From, To: b.To, MaxRows: b.MaxRows, By: callerOf(ctx).user.Name})
	if err != nil {
		return nil, startError(err, "a training or rollback of "+b.Detector+" is running already")
	}
	s.audit(ctx, callerOf(ctx).user.Name, "model.train", b.Detector, "ok", nil)
	return answer(started{id}), nil
}

type rollbackInput struct {
	Detector string `path:"detector" maxLength:"100"`
	Body     struct {
		Reason string `json:"reason" minLength:"1" maxLength:"1000"`
	}
}

// rollback is what a rollback left in force, "" for nothing.
type rollback struct {
	Champion string `json:"champion"`
}

func (s *Server) rollbackModel(ctx context.Context, in *rollbackInput) (*body[rollback], error) {
	res, err := s.admin(ctx, "model", in.Detector, flow.AdminInput{Verb: "model.rollback", Key: in.Detector, Args: map[string]string{"reason": in.Body.Reason}})
	if err != nil {
		return nil, err
	}
	return answer(rollback{res.Doc}), nil
}
