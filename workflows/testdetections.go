package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema/flow"
)

// testState is what the state query of TestDetections returns.
type testState struct {
	Status string                    `json:"status"` // running, completed, failed
	Result flow.TestDetectionsResult `json:"result"`
	Error  string                    `json:"error,omitempty"`
}

// TestDetections runs the kept attack samples through the rule set in force. A technique
// is green only while that finds it. It runs by schedule, and whenever somebody asks.
func TestDetections(ctx workflow.Context, in flow.TestDetectionsInput) (flow.TestDetectionsResult, error) {
	in.Org = org(in.Org)
	st := testState{Status: "running"}
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (testState, error) { return st, nil }); err != nil {
		return st.Result, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(in.Org)); err != nil {
		return st.Result, err
	}
	o := workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Minute, HeartbeatTimeout: 30 * time.Second, Summary: "try the rules in force on every sample",
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: 5, NonRetryableErrorTypes: permanent()}}
	var a *activities.Samples
	err := do(ctx, o, a.PlaySamples, &st.Result, in, changeKey(ctx), workflow.Now(ctx))
	st.Status = "completed"
	if err != nil {
		st.Status, st.Error = "failed", err.Error()
	}
	return st.Result, err
}
