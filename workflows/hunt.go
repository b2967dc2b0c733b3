package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

var attrRule = temporal.NewSearchAttributeKeyKeyword("VigilRule")

// Hunt asks rules of stored history, a window of event time after the other, and with
// Raise makes of their hits what ingestion would have made of them. A window that is done
// is done: whatever dies, the hunt goes on with the next.
func Hunt(ctx workflow.Context, in flow.HuntInput) (flow.HuntResult, error) {
	in.Org = org(in.Org)
	w := &huntRun{in: in, st: flow.HuntState{Status: "planning", Result: flow.HuntResult{Rule: in.Name(), Samples: []string{}}}}
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.HuntState, error) { return w.st, nil }); err != nil {
		return w.st.Result, err
	}
	err := w.run(ctx)
	switch {
	case err == nil:
		w.st.Status = "completed"
	case temporal.IsCanceledError(err):
		w.st.Status = "cancelled"
	default:
		w.st.Status, w.st.Error = "failed", err.Error()
	}
	return w.st.Result, err
}

// huntRun is the state of one Hunt.
type huntRun struct {
	in flow.HuntInput
	st flow.HuntState
}

func (w *huntRun) run(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Minute, HeartbeatTimeout: 30 * time.Second, WaitForCancellation: true, Summary: "check the rule and the range",
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: 5,
			NonRetryableErrorTypes: append(permanent(), string(schema.Exhausted))}, // a query over its limits is over them again
	})
	var a *activities.Hunts
	var plan activities.HuntPlan
	if err := workflow.ExecuteActivity(ctx, a.PlanHunt, w.in).Get(ctx, &plan); err != nil {
		return err
	}
	r := &w.st.Result
	r.Rule, r.Version, r.Kind, r.Skipped = plan.Rule, plan.Version, plan.Kind, plan.Skipped
	if plan.Rules > 1 {
		r.Rules = plan.Rules
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(w.in.Org), attrRule.ValueSet(plan.Rule)); err != nil {
		return err
	}
	windows := plan.Windows
	if windows == nil { // planned by a version that left the cutting to the workflow
		windows = huntWindows(plan.From, plan.To, plan.Events)
	}
	w.st.From, w.st.To, w.st.Events, w.st.All = plan.From, plan.To, plan.Events, len(windows)
	o := workflow.GetActivityOptions(ctx)
	if w.in.Preview {
		w.st.Status, o.Summary = "previewing", "ask the newest events"
		return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), a.PreviewHunt, w.in, plan).Get(ctx, &r.Preview)
	}
	w.st.Status = "running"
	for _, x := range windows {
		o.Summary = clip("events of "+x[0].Format(time.DateOnly), 100)
		in := activities.HuntWindow{Hunt: w.in, Version: plan.Version, From: x[0], To: x[1], Samples: plan.Samples - len(r.Samples)}
		ask, most := any(a.HuntRule), 0
		if plan.Rules > 1 {
			in.Samples = plan.Samples
			ask, most = a.HuntRules, plan.Samples
		}
		var got flow.HuntResult
		if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), ask, in).Get(ctx, &got); err != nil {
			return err
		}
		r.Add(got, most)
		w.st.Windows++
	}
	return nil
}

const (
	maxHuntWindows   = 60
	huntWindowEvents = 2_000_000
)

// huntWindows cuts a range of event times at UTC days, as hunts did whose plan does not
// say the windows: into as many as its events need, none of them shorter than a day.
func huntWindows(from, to time.Time, events int64) [][2]time.Time {
	const day = 24 * time.Hour
	n := min(events/huntWindowEvents+1, maxHuntWindows)
	days := int64(to.Sub(from.Truncate(day))/day) + 1
	width := time.Duration((days+n-1)/n) * day
	var out [][2]time.Time
	for from.Before(to) {
		end := from.Truncate(day).Add(width)
		if end.After(to) {
			end = to
		}
		out = append(out, [2]time.Time{from, end})
		from = end
	}
	return out
}
