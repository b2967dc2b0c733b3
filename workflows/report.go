package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema/flow"
)

// reportState is what the state query of Report returns.
type reportState struct {
	Status string            `json:"status"` // running, completed, failed
	Result flow.ReportResult `json:"result"`
	Error  string            `json:"error,omitempty"`
}

// attrScheduled is the time that a schedule meant to start a workflow at.
var attrScheduled = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// Report sends a report once. What it is sent for is a time: however often the workflow of
// one time runs, one e-mail goes out.
func Report(ctx workflow.Context, in flow.ReportInput) (flow.ReportResult, error) {
	in.Org, in.At = org(in.Org), reportTime(ctx, in.At)
	if in.By == "" {
		in.By = "schedule"
	}
	st := reportState{Status: "running"}
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (reportState, error) { return st, nil }); err != nil {
		return st.Result, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(in.Org)); err != nil {
		return st.Result, err
	}
	var a *activities.Reports
	err := do(ctx, sendOptions("send report "+in.Report), a.SendReport, &st.Result, in)
	if err == nil {
		st.Status = "completed"
		return st.Result, nil
	}
	st.Status, st.Error = "failed", told(err)
	// A sending that was cancelled is told of too.
	after, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if ferr := do(after, reportOptions("note that report "+in.Report+" was not sent"), a.FailReport, nil, in, clip(told(err), 500), workflow.Now(ctx)); ferr != nil {
		workflow.GetLogger(ctx).Warn("noting a report that was not sent", "error", ferr)
	}
	return st.Result, err
}

// reportTime is what the sending is for, to the second: the named time, else that of the
// schedule, else now.
func reportTime(ctx workflow.Context, at time.Time) time.Time {
	if at.IsZero() {
		var ok bool
		if at, ok = workflow.GetTypedSearchAttributes(ctx).GetTime(attrScheduled); !ok {
			at = workflow.Now(ctx)
		}
	}
	return at.UTC().Truncate(time.Second)
}

// sendOptions: a mail server that does not answer is tried for six hours.
func sendOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{TaskQueue: flow.QueueReport, StartToCloseTimeout: 20 * time.Minute, ScheduleToCloseTimeout: 6 * time.Hour, HeartbeatTimeout: 30 * time.Second,
		Summary: clip(summary, 100), RetryPolicy: &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute, NonRetryableErrorTypes: permanent()}}
}
