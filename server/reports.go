package server

import (
	"context"
	"errors"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"vigil/internal/auth/perm"
	"vigil/schema"
	"vigil/schema/flow"
)

// ReportView is a report with when it is sent next and what became of it last. It is exported
// for the description of the API, which leaves out what is embedded otherwise.
type ReportView struct {
	schema.Report
	Next   *time.Time      `json:"next,omitempty"` // none: its schedule is paused, or gone
	Paused bool            `json:"paused,omitempty"`
	Last   *schema.Sending `json:"last,omitempty"`
}

// mayReport says whether the caller may see and change a report: what goes to whom is its
// owner's and the admins' to know.
func mayReport(ctx context.Context, r schema.Report) bool {
	c := callerOf(ctx)
	return r.Owner == c.user.Name || perm.Role(c.user.Role) == perm.Admin
}

type reportsInput struct {
	Of string `query:"of" maxLength:"64" doc:"only those of this dashboard or search"`
}

// listReports lists the caller's reports; an admin's list has everybody's.
func (s *Server) listReports(ctx context.Context, in *reportsInput) (*body[list[ReportView]], error) {
	all, err := s.o.Store.Reports(ctx, orgOf(ctx))
	if err != nil {
		return nil, err
	}
	last, err := s.o.Store.LastSendings(ctx, orgOf(ctx))
	if err != nil {
		return nil, err
	}
	var out []ReportView
	for _, r := range all {
		if !mayReport(ctx, r) || in.Of != "" && r.Of != in.Of {
			continue
		}
		v, err := s.reportView(ctx, r)
		if err != nil {
			return nil, err
		}
		if x, ok := last[r.ID]; ok {
			v.Last = &x
		}
		out = append(out, v)
	}
	return answerList(out, ""), nil
}

// reportView asks the schedule when it is sent next.
func (s *Server) reportView(ctx context.Context, r schema.Report) (ReportView, error) {
	v := ReportView{Report: r}
	d, err := s.o.Temporal.ScheduleClient().GetHandle(ctx, flow.ReportScheduleID(r.Org, r.ID)).Describe(ctx)
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return v, nil
	}
	if err != nil {
		return v, temporalError(err)
	}
	v.Paused = d.Schedule.State != nil && d.Schedule.State.Paused
	if len(d.Info.NextActionTimes) > 0 && !v.Paused {
		next := d.Info.NextActionTimes[0].UTC()
		v.Next = &next
	}
	return v, nil
}

// oneReport is a report that the caller may see; of others it is not even said that they exist.
func (s *Server) oneReport(ctx context.Context, id string) (schema.Report, error) {
	r, err := s.o.Store.Report(ctx, orgOf(ctx), id)
	if err == nil && (r.Deleted || !mayReport(ctx, r)) {
		err = schema.E(schema.NotFound, "there is no report "+id+" of yours", "GET /reports lists them")
	}
	return r, err
}

// reportHistory is a report with what was sent of it, newest first.
type reportHistory struct {
	ReportView
	Sendings []schema.Sending `json:"sendings" nullable:"false"`
}

func (s *Server) getReport(ctx context.Context, in *byID) (*body[reportHistory], error) {
	r, err := s.oneReport(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	v, err := s.reportView(ctx, r)
	if err != nil {
		return nil, err
	}
	sendings, err := s.o.Store.Sendings(ctx, orgOf(ctx), r.ID, 50)
	if err != nil {
		return nil, err
	}
	if len(sendings) > 0 {
		v.Last = &sendings[0]
	}
	return answer(reportHistory{v, sendings}), nil
}

type reportInput struct {
	Body struct {
		ID    string   `json:"id" maxLength:"64"`
		Kind  string   `json:"kind" enum:"dashboard,search"`
		Of    string   `json:"of" maxLength:"64" doc:"id of the dashboard or search"`
		To    []string `json:"to" minItems:"1" maxItems:"50" doc:"addresses, of domains that the operator allows"`
		Cron  string   `json:"cron" maxLength:"200" doc:"minute, hour, day, month, day of week; once an hour at most"`
		Zone  string   `json:"zone,omitempty" maxLength:"64" doc:"IANA time zone; default UTC"`
		Range string   `json:"range,omitempty" maxLength:"10" doc:"15m, 1h, 24h, 7d, 30d or all; default: that of the dashboard"`
	}
}

// putReport sets a report up, or changes one that the caller may change.
func (s *Server) putReport(ctx context.Context, in *reportInput) (*body[ReportView], error) {
	b := in.Body
	old, err := s.o.Store.Report(ctx, orgOf(ctx), b.ID)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return nil, err
	}
	if err == nil && !old.Deleted && !mayReport(ctx, old) {
		return nil, schema.E(schema.Denied, "the report "+b.ID+" belongs to somebody else", "set it up under an id of your own")
	}
	args := map[string]string{"kind": b.Kind, "of": b.Of, "to": strings.Join(b.To, ","), "cron": b.Cron, "zone": b.Zone, "range": b.Range}
	if _, err := s.admin(ctx, "report", b.ID, flow.AdminInput{Verb: "report.put", Key: b.ID, Args: args}); err != nil {
		return nil, err
	}
	r, err := s.o.Store.Report(ctx, orgOf(ctx), b.ID)
	if err != nil {
		return nil, err
	}
	v, err := s.reportView(ctx, r)
	if err != nil {
		return nil, err
	}
	return answer(v), nil
}

func (s *Server) deleteReport(ctx context.Context, in *byID) (*body[changed], error) {
	if _, err := s.oneReport(ctx, in.ID); err != nil {
		return nil, err
	}
	res, err := s.admin(ctx, "report", in.ID, flow.AdminInput{Verb: "report.delete", Key: in.ID})
	if err != nil {
		return nil, err
	}
	return answer(changed{res.Changed}), nil
}

// sendReport sends a report now, and answers when the mail server has taken it.
func (s *Server) sendReport(ctx context.Context, in *byID) (*body[flow.ReportResult], error) {
	r, err := s.oneReport(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	run, err := s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: flow.ReportID(r.Org, r.ID), TaskQueue: flow.Queue(flow.Report),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.Report,
		flow.ReportInput{Org: r.Org, Report: r.ID, By: callerOf(ctx).user.Name})
	if err != nil {
		return nil, startError(err, "the report is being sent already")
	}
	var res flow.ReportResult
	if err := s.result(ctx, run, &res); err != nil {
		return nil, err
	}
	return answer(res), nil
}
