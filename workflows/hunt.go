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

// Hunt asks one rule of stored history, a window of event time after the other, and
// with Raise makes of its hits what ingestion would have made of them.
func Hunt(ctx workflow.Context, in flow.HuntInput) (flow.HuntResult, error) {
	in.Org = org(in.Org)
	w := &huntRun{in: in, st: flow.HuntState{Status: "planning", Result: flow.HuntResult{Rule: in.Rule, Samples: []string{}}}}
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
	r.Rule, r.Version, r.Kind = plan.Rule, plan.Version, plan.Kind
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(w.in.Org), attrRule.ValueSet(plan.Rule)); err != nil {
		return err
	}
	windows := huntWindows(plan.From, plan.To, plan.Events)
	w.st.Status, w.st.From, w.st.To, w.st.All = "running", plan.From, plan.To, len(windows)
	for _, x := range windows {
		o := workflow.GetActivityOptions(ctx)
		o.Summary = clip("events of "+x[0].Format(time.DateOnly), 100)
		var got flow.HuntResult
		in := activities.HuntWindow{Hunt: w.in, Version: plan.Version, From: x[0], To: x[1], Samples: plan.Samples - len(r.Samples)}
		if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), a.HuntRule, in).Get(ctx, &got); err != nil {
			return err
		}
		w.add(got)
	}
	return nil
}

func (w *huntRun) add(got flow.HuntResult) {
	r := &w.st.Result
	w.st.Windows++
	r.Hits += got.Hits
	r.Fires += got.Fires
	r.Scanned += got.Scanned
	r.Bytes += got.Bytes
	r.Millis += got.Millis
	r.Detections += got.Detections
	r.Alerts += got.Alerts
	r.Samples = append(r.Samples, got.Samples...)
}

const (
	// maxHuntWindows bounds the activities of one hunt, and so its history.
	maxHuntWindows = 60
	// huntWindowEvents is how many events a window is meant to hold: some seconds of work.
	huntWindowEvents = 2_000_000
)

// huntWindows cuts a range of event times at UTC days: into as many windows as its
// events need, none of them shorter than a day.
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
