package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema/flow"
)

// Detect runs one round: it folds what a crash left unfolded, counts the windows
// of threshold rules, seals the audit and exports the histories of closed runs.
func Detect(ctx workflow.Context, in flow.DetectInput) (flow.DetectResult, error) {
	in.Org = org(in.Org)
	var res flow.DetectResult
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.DetectResult, error) { return res, nil }); err != nil {
		return res, err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Minute,
		HeartbeatTimeout:    20 * time.Second, // the next round waits for a lost one
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: 5, NonRetryableErrorTypes: permanent()},
	})
	var a *activities.Alerts
	var sweep activities.FoldResult
	if err := workflow.ExecuteActivity(ctx, a.SweepAlerts, in.Org).Get(ctx, &sweep); err != nil {
		return res, err
	}
	res.Folded, res.Alerts = sweep.Chunks, sweep.Alerts
	var windows activities.WindowResult
	if err := workflow.ExecuteActivity(ctx, a.EvaluateWindows, in.Org).Get(ctx, &windows); err != nil {
		return res, err
	}
	res = flow.DetectResult{Folded: sweep.Chunks, Windows: windows.Windows, Detections: windows.Detections, Alerts: sweep.Alerts + windows.Alerts}
	if workflow.GetVersion(ctx, "correlate", workflow.DefaultVersion, 1) >= 1 {
		var joined activities.CorrelateResult
		if err := workflow.ExecuteActivity(ctx, a.Correlate, in.Org).Get(ctx, &joined); err != nil {
			workflow.GetLogger(ctx).Warn("correlating alerts", "error", err) // the next round does it
		}
		res.Joined = joined.Joined
	}
	// What follows keeps house; when it fails, the next round does it.
	keep := workflow.WithTaskQueue(ctx, flow.QueueRespond)
	o := workflow.GetActivityOptions(keep)
	o.ScheduleToCloseTimeout, o.HeartbeatTimeout = time.Minute, 0
	keep = workflow.WithActivityOptions(keep, o)
	var audit *activities.Audit
	if err := workflow.ExecuteActivity(keep, audit.SealAudit).Get(keep, nil); err != nil {
		workflow.GetLogger(ctx).Warn("sealing the audit", "error", err)
	}
	var admin *activities.Admin
	if err := workflow.ExecuteActivity(keep, admin.ExportHistories, in.Org).Get(keep, nil); err != nil {
		workflow.GetLogger(ctx).Warn("exporting histories", "error", err)
	}
	return res, nil
}
