package server

import (
	"context"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/internal/store"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/schema"
	"vigil/schema/flow"
)

type coverageInput struct {
	Limit int `query:"limit" minimum:"0" maximum:"1000" doc:"cells to list; default 100"`
}

// getRuleCoverage tells what the evaluation ledger proves, and what not.
func (s *Server) getRuleCoverage(ctx context.Context, in *coverageInput) (*body[schema.Coverage], error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	c, err := s.o.Store.Coverage(ctx, orgOf(ctx), in.Limit)
	if err != nil {
		return nil, err
	}
	return answer(c), nil
}

// HealthDays is how far back the alerts of rules are counted.
const HealthDays = 30

// listRuleHealth tells how every rule in force does.
func (s *Server) listRuleHealth(ctx context.Context, _ *struct{}) (*body[list[schema.RuleHealth]], error) {
	found, err := s.o.Store.RuleHealth(ctx, orgOf(ctx), time.Now().AddDate(0, 0, -HealthDays))
	if err != nil {
		return nil, err
	}
	set := s.o.Rules(orgOf(ctx))
	var out []schema.RuleHealth
	for _, r := range set.Rules() {
		out = append(out, Health(set, r, found))
	}
	return answerList(out, ""), nil
}

// Health completes what is counted of a rule with what is known of it.
func Health(set *rules.Set, r *rules.Rule, found map[string]schema.RuleHealth) schema.RuleHealth {
	h, ok := found[r.ID]
	if !ok {
		h = schema.RuleHealth{Rule: r.ID, Verdicts: map[string]int{}}
	}
	h.PerDay, h.Cost, h.Off, h.Precision = float64(h.Alerts)/HealthDays, r.Cost(), set.Overlay().Off[r.ID], -1
	all := 0
	for _, n := range h.Verdicts {
		all += n
	}
	if all > 0 {
		h.Precision = float64(h.Verdicts["true_positive"]) / float64(all)
	}
	return h
}

func (s *Server) listDeployments(ctx context.Context, _ *struct{}) (*body[list[schema.RuleDeployment]], error) {
	items, err := s.o.Store.RuleDeployments(ctx, orgOf(ctx), 100)
	if err != nil {
		return nil, err
	}
	return answerList(items, ""), nil
}

type exceptionsInput struct {
	Status string `query:"status" enum:"active,expired,removed," doc:"default: all"`
}

func (s *Server) listExceptions(ctx context.Context, in *exceptionsInput) (*body[list[schema.Exception]], error) {
	items, err := s.o.Store.Exceptions(ctx, orgOf(ctx), in.Status)
	if err != nil {
		return nil, err
	}
	return answerList(items, ""), nil
}

type tryExceptionInput struct {
	Body struct {
		Rule string `json:"rule,omitempty" maxLength:"64" doc:"rule id; * (the default) is every rule"`
		When string `json:"when" maxLength:"65536" doc:"condition over e"`
		Days int    `json:"days,omitempty" minimum:"0" maximum:"3650" doc:"days back by event time; 0: everything stored"`
	}
}

// tryException tells what an exception would have hidden.
func (s *Server) tryException(ctx context.Context, in *tryExceptionInput) (*body[store.ExceptionTrial], error) {
	b := in.Body
	if b.Rule == "" {
		b.Rule = rules.AnyRule
	}
	x, err := rules.NewException("try", b.Rule, b.When)
	if err != nil {
		return nil, err
	}
	cond, err := chsql.Condition(x.Program())
	if err != nil {
		return nil, err
	}
	since := time.Unix(0, 0)
	if b.Days > 0 {
		since = time.Now().AddDate(0, 0, -b.Days)
	}
	p := store.P{}
	for k, v := range cond.Params {
		p[k] = v
	}
	t, err := s.o.Store.TryException(ctx, orgOf(ctx), b.Rule, cond.SQL, p, since)
	if err != nil {
		return nil, err
	}
	return answer(t), nil
}

type addExceptionInput struct {
	Body struct {
		ID      string    `json:"id" minLength:"3" maxLength:"64"`
		Rule    string    `json:"rule" maxLength:"64" doc:"rule id; * is every rule"`
		When    string    `json:"when" maxLength:"65536" doc:"condition over e"`
		Owner   string    `json:"owner,omitempty" maxLength:"200" doc:"default: who asks"`
		Reason  string    `json:"reason" minLength:"3" maxLength:"2000"`
		Expires time.Time `json:"expires"`
	}
}

// addException starts the workflow that keeps an exception. What is wrong with it is
// told at once; the workflow checks again.
func (s *Server) addException(ctx context.Context, in *addExceptionInput) (*body[started], error) {
	b, who := in.Body, callerOf(ctx).user.Name
	if _, err := rules.NewException(b.ID, b.Rule, b.When); err != nil {
		return nil, err
	}
	if _, ok := s.o.Rules(orgOf(ctx)).Rule(b.Rule); !ok && b.Rule != rules.AnyRule {
		return nil, schema.E(schema.NotFound, "there is no rule "+b.Rule, "")
	}
	if b.Owner == "" {
		b.Owner = who
	}
	if !b.Expires.After(time.Now()) || b.Expires.After(time.Now().AddDate(1, 0, 1)) {
		return nil, schema.E(schema.Invalid, "an exception needs an end in the future, within a year", "")
	}
	x := flow.ExceptionInput{Org: orgOf(ctx), ID: b.ID, Rule: b.Rule, When: b.When, Owner: b.Owner, Reason: strings.TrimSpace(b.Reason), Expires: b.Expires, By: who}
	id := flow.ExceptionID(orgOf(ctx), b.ID)
	_, err := s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(flow.Exception), WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE}, flow.Exception, x)
	if err != nil {
		return nil, temporalError(err)
	}
	return answer(started{id}), nil
}

type endExceptionInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Reason string `json:"reason" minLength:"3" maxLength:"2000"`
	}
}

func (s *Server) endException(ctx context.Context, in *endExceptionInput) (*body[changed], error) {
	h, err := s.o.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: flow.ExceptionID(orgOf(ctx), in.ID), UpdateName: flow.UpdateRemove,
		Args: []any{flow.ExceptionEnd{By: callerOf(ctx).user.Name, Reason: in.Body.Reason}}, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err == nil {
		err = h.Get(ctx, nil)
	}
	if err != nil {
		return nil, temporalError(err)
	}
	return answer(changed{1}), nil
}
