package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"vigil/schema/flow"
)

// Schedule is one row of the schedule table: what runs by itself, and how often.
type Schedule struct {
	ID       string // schedule id, shown by `temporal schedule list`
	Workflow string // workflow type
	RunID    string // workflow id of each run (Temporal appends the time)
	Input    any
	Every    time.Duration
	Jitter   time.Duration
	// PauseOnFailure stops the schedule after a failed run, for work that a person
	// should look at before it is tried again.
	PauseOnFailure bool
}

// DefaultSchedules is the table of what every Vigil runs by itself.
func DefaultSchedules(org string) []Schedule {
	return []Schedule{
		{ID: "detect-" + org, Workflow: flow.Detect, RunID: flow.DetectID(org), Input: flow.DetectInput{Org: org}, Every: 30 * time.Second},
		// A training that finds too little data ends as refused, not failed, and comes back.
		{ID: "retrain-zeek-conn-iforest-" + org, Workflow: flow.Retrain, RunID: "retrain-weekly/" + org + "/zeek-conn-iforest", Input: flow.RetrainInput{Org: org, Detector: "zeek-conn-iforest"},
			Every: 7 * 24 * time.Hour, Jitter: time.Hour},
		{ID: "posture-" + org, Workflow: flow.AssessPosture, RunID: flow.PostureID(org), Input: flow.AssessPostureInput{Org: org}, Every: time.Hour, Jitter: time.Minute},
		{ID: "test-detections-" + org, Workflow: flow.TestDetections, RunID: flow.TestDetectionsID(org), Input: flow.TestDetectionsInput{Org: org}, Every: 24 * time.Hour, Jitter: 10 * time.Minute},
	}
}

// EnsureSchedules creates the schedules that do not exist yet. Existing ones are
// left as they are: an operator may have paused or changed them.
func EnsureSchedules(ctx context.Context, c client.Client, rows []Schedule) error {
	for _, s := range rows {
		_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{
			ID:             s.ID,
			Spec:           client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: s.Every}}, Jitter: s.Jitter},
			Overlap:        enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
			CatchupWindow:  10 * time.Minute,
			PauseOnFailure: s.PauseOnFailure,
			Action: &client.ScheduleWorkflowAction{
				ID: s.RunID, Workflow: s.Workflow, TaskQueue: flow.Queue(s.Workflow), Args: []any{s.Input},
			},
		})
		if err != nil && !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
			return fmt.Errorf("creating schedule %s: %w", s.ID, err)
		}
	}
	return nil
}
