package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

// adminVerb is one row of what Admin can do.
type adminVerb struct {
	name string
	run  func(ctx workflow.Context, in flow.AdminInput) (flow.AdminResult, error)
}

func adminVerbs() []adminVerb {
	return []adminVerb{
		{"alert.update", adminAlerts},
		{"approval.review", adminReview},
		{"incident.ack", adminIncident(flow.UpdateAck)},
		{"incident.assign", adminIncident(flow.UpdateAssign)},
		{"incident.close", adminIncident(flow.UpdateClose)},
		{"incident.comment", adminIncident(flow.UpdateComment)},
		{"incident.merge", adminIncident(flow.UpdateMerge)},
		{"incident.qualify", adminIncident(flow.UpdateQualify)},
		{"incident.split", adminIncident(flow.UpdateSplit)},
		{"incident.task", adminIncident(flow.UpdateTask)},
		{"incident.undo", adminUndo},
		{"model.rollback", adminRollback},
		{"org.add", adminOrgAdd},
		{"org.close", adminOrgClose(true)},
		{"org.open", adminOrgClose(false)},
		{"passkey.add", adminPasskey("add")},
		{"passkey.remove", adminPasskey("remove")},
		{"passkey.rename", adminPasskey("rename")},
		{"prove", adminProve},
		{"report.delete", adminReportDelete},
		{"report.put", adminReportPut},
		{"sample.delete", adminSampleDelete},
		{"sample.put", adminSamplePut},
		{"saved.delete", adminSavedDelete},
		{"saved.put", adminSavedPut},
		{"source.add", adminSource("add")},
		{"source.backfill", adminSource("backfill")},
		{"source.pause", adminSource("pause")},
		{"source.push", adminSourcePush},
		{"source.remove", adminSource("remove")},
		{"source.resume", adminSource("resume")},
		{"source.rewind", adminSource("rewind")},
		{"source.schedule", adminSource("schedule")},
		{"table.put", adminTable},
		{"table.rollback", adminTable},
		{"user.disable", adminUserDisable},
		{"user.link", adminUserLink},
		{"user.provision", adminUserProvision},
		{"user.put", adminUserPut},
	}
}

// Admin makes one change for a person. Changes to one row are serial, because
// their workflows share the row's id.
func Admin(ctx workflow.Context, in flow.AdminInput) (flow.AdminResult, error) {
	in.Org = org(in.Org)
	var res flow.AdminResult
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.AdminResult, error) { return res, nil }); err != nil {
		return res, err
	}
	var names []string
	for _, v := range adminVerbs() {
		if v.name == in.Verb {
			var err error
			res, err = v.run(ctx, in)
			return res, err
		}
		names = append(names, v.name)
	}
	return flow.AdminResult{}, refuse(schema.Invalid, fmt.Sprintf("there is no verb %q", in.Verb), "one of "+strings.Join(names, ", "))
}

// changeKey is unique to this change, so that a retry audits it once.
func changeKey(ctx workflow.Context) string { return workflow.GetInfo(ctx).WorkflowExecution.RunID }

func adminAlerts(ctx workflow.Context, in flow.AdminInput) (flow.AdminResult, error) {
	if len(in.IDs) == 0 && in.Key != "" {
		in.IDs = []string{in.Key}
	}
	if len(in.IDs) == 0 || len(in.IDs) > 1000 {
		return flow.AdminResult{}, refuse(schema.Invalid, "name 1 to 1000 alerts", `in "ids"`)
	}
	by := in.By
	if by == "" {
		by = "unknown"
	}
	var a *activities.Incidents
	var n int
	err := do(ctx, respondOptions("change alerts"), a.UpdateAlerts, &n, activities.AlertChange{Org: in.Org, IDs: in.IDs, By: by, Status: schema.AlertStatus(in.Args["status"]),
		Verdict: in.Args["verdict"], Reason: in.Args["reason"], Assignee: in.Args["assignee"], Key: changeKey(ctx), Now: workflow.Now(ctx)})
	return flow.AdminResult{Changed: n}, err
}

// adminReview records the second look at a break-glass decision; the token proves who looks.
func adminReview(ctx workflow.Context, in flow.AdminInput) (flow.AdminResult, error) {
	var a *activities.Approvals
	err := do(ctx, respondOptions("review approval "+in.Key), a.ReviewApproval, nil, in.Org, in.Key, in.Args["token"], workflow.Now(ctx))
	return flow.AdminResult{Changed: 1}, err
}

func adminUserPut(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Admin
	err = do(ctx, respondOptions("change user "+in.Key), a.PutUser, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

// adminPasskey adds, renames or removes a passkey of a user.
func adminPasskey(change string) func(workflow.Context, flow.AdminInput) (flow.AdminResult, error) {
	return func(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
		var a *activities.Admin
		err = do(ctx, respondOptions(change+" a passkey of "+clip(in.Key, 80)), a.ChangePasskey, &res, in, change, changeKey(ctx))
		return res, err
	}
}

func adminUserProvision(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Admin
	err = do(ctx, respondOptions("provision user "+in.Key), a.ProvisionUser, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

func adminUserLink(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Admin
	err = do(ctx, respondOptions("link user "+in.Key), a.LinkUser, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

func adminUserDisable(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Admin
	err = do(ctx, respondOptions("disable user "+in.Key), a.DisableUser, &res, in, changeKey(ctx))
	return res, err
}

func adminSavedPut(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Saved
	err = do(ctx, respondOptions("save "+in.Args["kind"]+" "+in.Key), a.PutSaved, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

func adminSavedDelete(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Saved
	err = do(ctx, respondOptions("delete "+in.Args["kind"]+" "+in.Key), a.DeleteSaved, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

func adminReportPut(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Reports
	err = do(ctx, reportOptions("set up report "+in.Key), a.PutReport, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

func adminReportDelete(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Reports
	err = do(ctx, reportOptions("remove report "+in.Key), a.DeleteReport, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

// reportOptions: what the schedule of a report needs is tried for ten minutes.
func reportOptions(summary string) workflow.ActivityOptions {
	o := respondOptions(clip(summary, 100))
	o.TaskQueue, o.ScheduleToCloseTimeout = flow.QueueReport, 10*time.Minute
	return o
}

// adminTable puts a table of enrichment in force; a large one takes a while to be checked.
func adminTable(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Tables
	o := respondOptions("table " + in.Key)
	o.StartToCloseTimeout = 10 * time.Minute
	err = do(ctx, o, a.PutTable, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

func adminSamplePut(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Samples
	o := respondOptions("keep sample " + in.Key)
	o.StartToCloseTimeout = 5 * time.Minute
	err = do(ctx, o, a.PutSample, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

func adminSampleDelete(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Samples
	err = do(ctx, respondOptions("remove sample "+in.Key), a.DeleteSample, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

func adminSourcePush(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Admin
	err = do(ctx, respondOptions("token of push source "+in.Key), a.PutPushToken, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

// adminSource adds, removes or controls a source.
func adminSource(control string) func(workflow.Context, flow.AdminInput) (flow.AdminResult, error) {
	return func(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
		var a *activities.Controls
		err = do(ctx, actOptions(clip(control+" "+in.Key, 100)), a.ControlSource, &res, activities.ControlInput{Admin: in, Control: control, Key: changeKey(ctx)})
		return res, err
	}
}

func adminIncident(update string) func(workflow.Context, flow.AdminInput) (flow.AdminResult, error) {
	return func(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
		var a *activities.Admin
		err = do(ctx, actOptions(update), a.UpdateIncident, &res, in, update, changeKey(ctx))
		return res, err
	}
}

// adminRollback makes the previous champion of a detector the champion again.
func adminRollback(ctx workflow.Context, in flow.AdminInput) (flow.AdminResult, error) {
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: flow.RetrainID(in.Org, in.Key), TaskQueue: flow.QueueTrain})
	var r flow.RetrainResult
	err := workflow.ExecuteChildWorkflow(child, flow.Retrain, flow.RetrainInput{Org: in.Org, Detector: in.Key, Rollback: true, Reason: in.Args["reason"], By: in.By}).Get(ctx, &r)
	if alreadyStarted(err) {
		return flow.AdminResult{}, refuse(schema.Conflict, "a training of "+in.Key+" is running", "wait until it is done: `vigil models list`")
	}
	if err != nil {
		return flow.AdminResult{}, err
	}
	return flow.AdminResult{Changed: 1, Doc: r.Champion}, nil
}

// adminProve re-reads a source and holds it against manifest and tables. It may
// take as long as reading the source does.
func adminProve(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	o := workflow.ActivityOptions{TaskQueue: flow.QueueIngest, StartToCloseTimeout: 12 * time.Hour, HeartbeatTimeout: time.Minute, Summary: clip("prove "+in.Key, 100),
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: 3, NonRetryableErrorTypes: permanent()}}
	err = do(ctx, o, proveActivity, &res, in)
	return res, err
}

// proveActivity proves a source: AdminInput in, AdminResult out with the proof as Doc.
const proveActivity = "ProveSource"
