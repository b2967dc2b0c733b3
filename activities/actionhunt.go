package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"vigil/schema"
	"vigil/schema/flow"
)

// HuntRunner starts workflows; the Temporal client is one.
type HuntRunner interface {
	ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
}

// HuntStarter starts hunts for actions.
type HuntStarter struct{ Temporal HuntRunner }

// StartHunt implements action.Hunts.
func (h HuntStarter) StartHunt(ctx context.Context, org, rule, key string, hours int) (string, error) {
	id := flow.HuntID(org, rule, "action-"+schema.HashID("hunt", key)[:16])
	now := time.Now().UTC()
	_, err := h.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueDetect, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true},
		flow.Hunt, flow.HuntInput{Org: org, Rule: rule, From: now.Add(-time.Duration(hours) * time.Hour), To: now, By: "system"})
	if _, ok := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); ok {
		return id, schema.E(schema.Conflict, "the hunt was started before", "")
	}
	if err != nil {
		return "", fmt.Errorf("starting the hunt: %w", err)
	}
	return id, nil
}
