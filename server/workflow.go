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
	"go.temporal.io/sdk/temporal"

	"vigil/schema"
	"vigil/schema/flow"
)

// admin makes one change through the Admin workflow, on behalf of the caller, and
// waits for it. Changes to one row are serial: their workflows share its id.
func (s *Server) admin(ctx context.Context, noun, key string, in flow.AdminInput) (flow.AdminResult, error) {
	in.Org = orgOf(ctx)
	if c := callerOf(ctx); c != nil && in.By == "" {
		in.By = c.user.Name
	}
	var res flow.AdminResult
	id := flow.AdminID(orgOf(ctx), noun, key)
	for attempt := 0; ; attempt++ {
		run, err := s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(flow.Admin), WorkflowExecutionTimeout: 10 * time.Minute,
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
			WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.Admin, in)
		if _, busy := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); busy && attempt < 20 {
			select {
			case <-time.After(250 * time.Millisecond):
				continue
			case <-ctx.Done():
				return res, context.Cause(ctx)
			}
		}
		if err != nil {
			return res, temporalError(err)
		}
		return res, s.result(ctx, run, &res)
	}
}

// maxWait is how long a request waits for a workflow.
const maxWait = time.Minute

// result waits for what a workflow returns, and says where it is when that takes too long.
func (s *Server) result(ctx context.Context, run client.WorkflowRun, out any) error {
	wait, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	err := run.Get(wait, out)
	if wait.Err() != nil && ctx.Err() == nil {
		return schema.E(schema.Unavailable, fmt.Sprintf("the workflow %s has not ended within %s; it goes on", run.GetID(), maxWait), "look whether a worker runs: vigil doctor", err)
	}
	return temporalError(err)
}

// update sends an update to a running workflow and waits for its answer.
func (s *Server) update(ctx context.Context, workflow, name, id string, arg, result any) error {
	h, err := s.o.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: workflow, UpdateName: name, UpdateID: id, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err != nil {
		return temporalError(err)
	}
	return temporalError(h.Get(ctx, result))
}

// startError is the answer when a workflow could not be started; busy says what it means
// that one of its id runs already.
func startError(err error, busy string) error {
	if _, running := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); running {
		return schema.E(schema.Conflict, busy, "wait until it is done")
	}
	return temporalError(err)
}

// temporalError gives a workflow's refusal back its code.
func temporalError(err error) error {
	if err == nil {
		return nil
	}
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		message, hint := app.Message(), ""
		if i := strings.LastIndex(message, " ("); i > 0 && strings.HasSuffix(message, ")") {
			message, hint = message[:i], message[i+2:len(message)-1]
		}
		code := schema.Code(app.Type())
		switch code {
		case schema.Invalid, schema.NotFound, schema.Conflict, schema.Denied, schema.Unauthorized, schema.Exhausted, schema.Unavailable:
		default:
			code = schema.Conflict
		}
		return schema.E(code, message, hint)
	}
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return schema.E(schema.Conflict, "the workflow has ended; nothing waits for this any more", "", err)
	}
	_, down := errors.AsType[*serviceerror.Unavailable](err)
	_, late := errors.AsType[*serviceerror.DeadlineExceeded](err)
	if down || late || errors.Is(err, context.DeadlineExceeded) {
		return schema.E(schema.Unavailable, "Temporal does not answer", "try again", err)
	}
	return fmt.Errorf("asking the workflow: %w", err)
}
