package server

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"vigil/internal/auth"
	"vigil/schema"
	"vigil/schema/flow"
)

type runInput struct {
	ID string `query:"id" required:"true" maxLength:"500"`
}

// runDetail is a run and where its workflow is shown.
type runDetail struct {
	Run         schema.Run `json:"run"`
	TemporalURL string     `json:"temporal_url,omitempty"`
}

func (s *Server) getRun(ctx context.Context, in *runInput) (*body[runDetail], error) {
	r, err := s.o.Store.Run(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	d := runDetail{Run: r}
	if s.o.TemporalUI != "" && callerOf(ctx).platform { // it shows the workflows of all orgs
		d.TemporalURL = s.o.TemporalUI + "/namespaces/default/workflows/" + url.PathEscape(in.ID)
	}
	return answer(d), nil
}

type changeRunInput struct {
	ID   string `query:"id" required:"true" maxLength:"500"`
	Verb string `path:"verb" enum:"cancel,terminate,reset,rerun"`
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"2000"`
	}
}

// runStarted names the run that a change has started.
type runStarted struct {
	Run string `json:"run"`
}

// changeRun does to a run what its workflow allows: cancel ends it in order, terminate
// at once and leaves its approvals open, reset takes it back to its start with what was
// pinned then, rerun starts the playbook as it is now, asked for by the caller.
func (s *Server) changeRun(ctx context.Context, in *changeRunInput) (*body[runStarted], error) {
	r, err := s.o.Store.Run(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	by := callerOf(ctx).user.Name
	out := runStarted{Run: r.ID}
	switch in.Verb {
	case "cancel":
		err = s.o.Temporal.CancelWorkflow(ctx, r.ID, "")
	case "terminate":
		err = s.o.Temporal.TerminateWorkflow(ctx, r.ID, "", by+": "+in.Body.Reason)
	case "reset":
		err = s.reset(ctx, r.ID, by+": "+in.Body.Reason)
	case "rerun":
		out.Run, err = s.startRun(ctx, r.Playbook, r.Incident, false)
	}
	outcome, details := "ok", map[string]string{"reason": in.Body.Reason, "run": out.Run}
	if err != nil {
		err = temporalError(err)
		outcome, details["why"] = "refused", err.Error()
	}
	s.audit(ctx, by, "run."+in.Verb, r.ID, outcome, details)
	if err != nil {
		return nil, err
	}
	return answer(out), nil
}

// reset takes a run back to its first decision: what it did since is done again under
// the same ids, so that actions that were performed are not repeated.
func (s *Server) reset(ctx context.Context, id, reason string) error {
	it := s.o.Temporal.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return err
		}
		if e.EventType != enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			continue
		}
		_, err = s.o.Temporal.WorkflowService().ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{Namespace: s.o.Namespace,
			WorkflowExecution: &common.WorkflowExecution{WorkflowId: id}, Reason: reason, WorkflowTaskFinishEventId: e.EventId,
			RequestId: schema.HashID("reset", id, time.Now().UTC().Format(time.RFC3339Nano))})
		return err
	}
	return schema.E(schema.Conflict, "the run has done nothing yet", "cancel it")
}

type runPlaybookInput struct {
	Name string `path:"name" maxLength:"200"`
	Body struct {
		Incident string `json:"incident" minLength:"1" maxLength:"200" doc:"open, or for a dry run also closed"`
		DryRun   bool   `json:"dry_run,omitempty" doc:"go through the steps without acting or asking"`
	}
}

// runPlaybook starts a playbook for an incident, asked for by the caller.
func (s *Server) runPlaybook(ctx context.Context, in *runPlaybookInput) (*body[runStarted], error) {
	if _, err := s.o.Playbooks.Get(in.Name); err != nil {
		return nil, err
	}
	id, err := s.startRun(ctx, in.Name, in.Body.Incident, in.Body.DryRun)
	if err != nil {
		return nil, err
	}
	return answer(runStarted{Run: id}), nil
}

// startRun asks an open incident to start the playbook. A dry run, and a run for no
// incident, start by themselves: the worker fills in what the incident's alerts name.
func (s *Server) startRun(ctx context.Context, name, incident string, dry bool) (string, error) {
	by, now := callerOf(ctx).user.Name, time.Now()
	token, _, err := s.o.Decisions.SignDecision(auth.RequestClaims(by, name, incident, now), now)
	if err != nil {
		return "", err
	}
	if !dry && incident != "" {
		i, err := s.o.Store.Incident(ctx, orgOf(ctx), incident)
		if err != nil {
			return "", err
		}
		var st flow.IncidentState
		err = s.update(ctx, i.Workflow, flow.UpdateRespond, schema.HashID("respond", token), flow.IncidentRespond{By: by, Playbook: name, Token: token}, &st)
		return st.Run, err
	}
	id := flow.RunID(orgOf(ctx), incident, name, int(now.UnixMilli()))
	_, err = s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueRespond}, flow.RunPlaybook,
		flow.RunPlaybookInput{Org: orgOf(ctx), Playbook: name, Incident: incident, Requester: by, Token: token, DryRun: dry})
	if err != nil {
		return "", fmt.Errorf("starting the run: %w", temporalError(err))
	}
	return id, nil
}
