// Package worker registers workflows and activities on their task queues, sets the
// limits of each queue, and ensures the schedules.
package worker

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema/flow"
	"vigil/workflows"
)

// Activities are the capabilities of one process; nil ones are not registered.
type Activities struct {
	Ingest    *activities.Ingest
	Kafka     *activities.Kafka
	Objects   *activities.Objects
	Alerts    *activities.Alerts
	Incidents *activities.Incidents
	Playbooks *activities.Playbooks
	Approvals *activities.Approvals
	Actions   *activities.Actions
	Audit     *activities.Audit
	Admin     *activities.Admin
	Orgs      *activities.Orgs
	Saved     *activities.Saved
	Reports   *activities.Reports
	Controls  *activities.Controls
	Prove     *activities.Prove
	Drain     *activities.Drain // nil: this process has no spool
	Tail      *activities.Tail
	Pull      *activities.Pull
	Host      string // names the queue of what only this host can read
	Models    *activities.Models
	Intel     *activities.Intel
	Hunts     *activities.Hunts
	Posture   *activities.Posture
	Samples   *activities.Samples
	Rules     *activities.RuleChanges
	Exempt    *activities.Exceptions
	Tables    *activities.Tables
}

// registration is a row of the registration table: what runs on a queue.
type registration struct {
	queue      string
	workflows  map[string]any
	activities []any
	slots      int // activities at once; 0: the SDK's default
	// beat is how often heartbeats are sent at most, and so how soon an activity hears that
	// it is to stop; default 5 s.
	beat time.Duration
}

// table says what runs where.
func table(a Activities) []registration {
	rows := []registration{
		{queue: flow.QueueIngest, workflows: map[string]any{flow.Ingest: workflows.Ingest}, activities: []any{a.Ingest, a.Prove}, slots: 4},
		// A slot for each source, and for each member of a consumer group: they hold it for good.
		{queue: flow.QueuePull, activities: []any{a.Kafka, a.Objects}, slots: 200},
		{queue: flow.QueueDetect, workflows: map[string]any{flow.Detect: workflows.Detect, flow.Hunt: workflows.Hunt, flow.AssessPosture: workflows.AssessPosture,
			flow.TestDetections: workflows.TestDetections,
			flow.DeployRules:    workflows.DeployRules, flow.Exception: workflows.Exception},
			activities: []any{a.Alerts, a.Hunts, a.Posture, a.Samples, a.Rules, a.Exempt, a.Approvals}, slots: 6},
		{queue: flow.QueueTrain, workflows: map[string]any{flow.Retrain: workflows.Retrain}, activities: []any{a.Models}, slots: 1},
		{queue: flow.QueueIntel, workflows: map[string]any{flow.SyncIntel: workflows.SyncIntel}, activities: []any{a.Intel}, slots: 2},
		{queue: flow.QueueReport, workflows: map[string]any{flow.Report: workflows.Report}, activities: []any{a.Reports}, slots: 2},
		{queue: flow.QueueRespond, workflows: map[string]any{flow.Incident: workflows.Incident, flow.RunPlaybook: workflows.RunPlaybook,
			flow.Action: workflows.Action, flow.Admin: workflows.Admin},
			activities: []any{a.Incidents, a.Playbooks, a.Approvals, a.Actions, a.Audit, a.Admin, a.Orgs, a.Controls, a.Saved, a.Tables, a.Samples}},
	}
	if a.Drain != nil {
		// A slot for each source: a drain or a tail holds its slot for good.
		rows = append(rows, registration{queue: flow.QueueSpool(a.Host), workflows: map[string]any{flow.Drain: workflows.Drain}, activities: []any{a.Drain, a.Tail, a.Pull}, slots: 200, beat: 2 * time.Second})
	}
	return rows
}

// Group is the running workers of one process, one a queue.
type Group struct{ workers []sdk.Worker }

// stopTimeout is how long a stopping worker lets a segment finish its chunk.
const stopTimeout = 15 * time.Second

// Start starts a worker for each queue.
func Start(c client.Client, a Activities) (*Group, error) {
	g := &Group{}
	for _, r := range table(a) {
		beat := cmp.Or(r.beat, 5*time.Second)
		w := sdk.New(c, r.queue, sdk.Options{WorkerStopTimeout: stopTimeout, MaxHeartbeatThrottleInterval: beat,
			DefaultHeartbeatThrottleInterval: beat, MaxConcurrentActivityExecutionSize: r.slots, DisableRegistrationAliasing: true})
		for name, fn := range r.workflows {
			w.RegisterWorkflowWithOptions(fn, workflow.RegisterOptions{Name: name})
		}
		for _, x := range r.activities {
			w.RegisterActivity(x)
		}
		if err := w.Start(); err != nil {
			return nil, errors.Join(fmt.Errorf("starting the worker of queue %s: %w", r.queue, err), g.Stop())
		}
		g.workers = append(g.workers, w)
	}
	return g, nil
}

// Stop stops all workers; each waits a while for what it is doing.
func (g *Group) Stop() error {
	done := make(chan struct{})
	for _, w := range g.workers {
		go func() { w.Stop(); done <- struct{}{} }()
	}
	for range g.workers {
		<-done
	}
	return nil
}
