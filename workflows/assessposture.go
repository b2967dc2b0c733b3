package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema/flow"
)

// postureState is what the state query of AssessPosture returns.
type postureState struct {
	Status string                   `json:"status"` // running, completed, failed
	Result flow.AssessPostureResult `json:"result"`
	Error  string                   `json:"error,omitempty"`
}

// AssessPosture measures posture once against an objectives file; the assessment and
// the findings are in the store. It runs by schedule, and whenever somebody asks.
func AssessPosture(ctx workflow.Context, in flow.AssessPostureInput) (flow.AssessPostureResult, error) {
	in.Org = org(in.Org)
	st := postureState{Status: "running"}
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (postureState, error) { return st, nil }); err != nil {
		return st.Result, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(in.Org)); err != nil {
		return st.Result, err
	}
	o := workflow.ActivityOptions{StartToCloseTimeout: 15 * time.Minute, HeartbeatTimeout: 30 * time.Second, Summary: "measure every objective",
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: 5, NonRetryableErrorTypes: permanent()}}
	var a *activities.Posture
	err := do(ctx, o, a.MeasurePosture, &st.Result, in, changeKey(ctx), workflow.Now(ctx))
	st.Status = "completed"
	if err != nil {
		st.Status, st.Error = "failed", err.Error()
	}
	return st.Result, err
}
