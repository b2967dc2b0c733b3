package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema/flow"
)

// members runs a stretch of a Kafka source as several members of its consumer group, on
// whichever workers have room. It ends when all of them have handed back.
func (w *ingest) members(ctx workflow.Context, n int) (activities.SegmentResult, error) {
	o := workflow.ActivityOptions{TaskQueue: w.kind.Queue(w.in.Host), StartToCloseTimeout: 15 * time.Minute, HeartbeatTimeout: 20 * time.Second, Summary: "consume as a group",
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, NonRetryableErrorTypes: permanent()}}
	run, stop := workflow.WithCancel(workflow.WithActivityOptions(ctx, o))
	w.changed, w.stop = false, stop
	in := activities.SegmentInput{Ingest: w.in, Plan: *w.plan, Progress: flow.IngestProgress{Status: w.p.Status, Started: w.p.Started}}
	all := make([]workflow.Future, n)
	for i := range all {
		all[i] = workflow.ExecuteActivity(run, w.kind.Activity, in)
	}
	total := activities.SegmentResult{Progress: w.p}
	total.Progress.Waiting, total.Progress.Problems = 0, nil
	var failed error
	for _, f := range all {
		var r activities.SegmentResult
		if err := f.Get(ctx, &r); err != nil {
			stop() // the others hand back too
			if failed == nil {
				failed = err
			}
			continue
		}
		addProgress(&total.Progress, r.Progress)
	}
	w.stop = nil
	stop()
	w.p = total.Progress
	if failed != nil && w.changed && ctx.Err() == nil {
		return activities.SegmentResult{}, nil
	}
	return total, failed
}

// addProgress adds what a member did to the totals.
func addProgress(to *flow.IngestProgress, p flow.IngestProgress) {
	to.Bytes += p.Bytes
	to.Records += p.Records
	to.Events += p.Events
	to.Failures += p.Failures
	to.Detections += p.Detections
	to.Alerts += p.Alerts
	to.Chunks += p.Chunks
	to.Waiting += p.Waiting
	to.Problems = append(to.Problems, p.Problems...)
}
