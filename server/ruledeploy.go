package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"vigil/internal/auth"
	"vigil/rules"
	"vigil/schema"
	"vigil/schema/flow"
)

// RuleSets keeps rule sets and knows the one in force.
type RuleSets interface {
	InForce(ctx context.Context, org string) (*rules.Set, error)
	Record(ctx context.Context, org string, set *rules.Set) error
}

type deployRuleInput struct {
	Body struct {
		YAML   string `json:"yaml" maxLength:"262144" doc:"one rule document"`
		Reason string `json:"reason" minLength:"1" maxLength:"2000" doc:"why, for the audit trail"`
		// BackHunt raises what the rule finds in stored events too.
		BackHunt int `json:"back_hunt,omitempty" minimum:"0" maximum:"3650" doc:"days of stored events that the rule is then asked of, raising alerts"`
	}
}

// deployRule starts a deployment of the set in force with this rule added or replaced.
// The token proves to the worker who asks, so that it is somebody else who approves.
func (s *Server) deployRule(ctx context.Context, in *deployRuleInput) (*body[started], error) {
	base, err := s.o.RuleSets.InForce(ctx, orgOf(ctx))
	if err != nil {
		return nil, err
	}
	r, err := oneRule(in.Body.YAML, base.Lists())
	if err != nil {
		return nil, err
	}
	set := base.Put(r)
	if err := s.o.RuleSets.Record(ctx, orgOf(ctx), set); err != nil {
		return nil, err
	}
	by, now := callerOf(ctx).user.Name, time.Now()
	token, _, err := s.o.Decisions.SignDecision(auth.RequestClaims(by, flow.DeployRules, set.Hash(), now), now)
	if err != nil {
		return nil, err
	}
	id := flow.DeployRulesID(orgOf(ctx))
	_, err = s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(flow.DeployRules), WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL}, flow.DeployRules,
		flow.DeployRulesInput{Org: orgOf(ctx), Set: set.Hash(), Reason: in.Body.Reason, BackHunt: in.Body.BackHunt, By: by, Token: token})
	if err != nil {
		return nil, startError(err, "another rule set is being deployed, or waits for its approval")
	}
	return answer(started{id}), nil
}

// oneRule reads a document of exactly one rule. Its inline tests are the deployment's
// matter.
func oneRule(yaml string, lists map[string][]string) (*rules.Rule, error) {
	list, errs := rules.Parse("rule", []byte(yaml), rules.Options{Lists: lists})
	if len(errs) > 0 {
		return nil, schema.E(schema.Invalid, errs[0].Error(), "POST /rules/check says all that is wrong")
	}
	if len(list) != 1 {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("the document holds %d rules", len(list)), "deploy one at a time")
	}
	r := list[0]
	r.File = r.ID + ".yaml"
	return r, nil
}

// getDeployment tells where the newest deployment stands, or how it ended.
func (s *Server) getDeployment(ctx context.Context, _ *struct{}) (*body[flow.DeployRulesResult], error) {
	id := flow.DeployRulesID(orgOf(ctx))
	d, err := s.o.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if _, none := errors.AsType[*serviceerror.NotFound](err); none {
		return nil, schema.E(schema.NotFound, "no rule set is being deployed", "GET /rules/deployments lists what was", err)
	}
	if err != nil {
		return nil, temporalError(err)
	}
	info := d.GetWorkflowExecutionInfo()
	run := info.GetExecution().GetRunId()
	var st flow.DeployRulesResult
	switch status := info.GetStatus(); status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		v, err := s.o.Temporal.QueryWorkflow(ctx, id, run, flow.QueryState)
		if err != nil {
			return nil, temporalError(err)
		}
		if err := v.Get(&st); err != nil {
			return nil, fmt.Errorf("reading the state of %s: %w", id, err)
		}
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
		if err := s.result(ctx, s.o.Temporal.GetWorkflow(ctx, id, run), &st); err != nil {
			return nil, err
		}
	default:
		return nil, schema.E(schema.Conflict, "the deployment was ended: "+strings.ToLower(status.String()), "deploy again")
	}
	return answer(st), nil
}
