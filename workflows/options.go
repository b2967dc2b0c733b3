// Package workflows orders activities, waits for people and decides: one file per
// workflow, deterministic, without I/O.
package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/schema"
)

// permanent are the error types that no retry mends (codes of schema.Error).
func permanent() []string {
	return []string{string(schema.Invalid), string(schema.NotFound), string(schema.Conflict), string(schema.Denied), string(schema.Unauthorized)}
}

// respondOptions are those of activities that write read models: short, and tried
// until the store answers.
func respondOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Second,
		Summary:             summary,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second,
			NonRetryableErrorTypes: permanent()},
	}
}

// actOptions are those of side effects: a target that does not answer is given an hour.
func actOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: time.Hour,
		Summary: summary,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute,
			NonRetryableErrorTypes: permanent()},
	}
}

// localOptions are those of pure computations that must not be repeated on replay.
func localOptions() workflow.LocalActivityOptions {
	return workflow.LocalActivityOptions{ScheduleToCloseTimeout: 10 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 3, NonRetryableErrorTypes: permanent()}}
}

// do runs an activity and waits for it.
func do(ctx workflow.Context, o workflow.ActivityOptions, activity any, result any, args ...any) error {
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), activity, args...).Get(ctx, result)
}

// org returns the tenant, the default one when none is named.
func org(name string) string {
	if name == "" {
		return schema.DefaultOrg
	}
	return name
}

// The search attributes that worklists filter by.
var (
	attrOrg      = temporal.NewSearchAttributeKeyKeyword("VigilOrg")
	attrState    = temporal.NewSearchAttributeKeyKeyword("VigilState")
	attrSeverity = temporal.NewSearchAttributeKeyKeyword("VigilSeverity")
)

// clip bounds a text that goes into a summary or message.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}
