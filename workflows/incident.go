package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/internal/alert"
	"vigil/schema"
	"vigil/schema/flow"
)

const (
	maxTimeline = 400 // entries kept; the oldest 50 always are
	maxAlerts   = 2000
	maxAutoRuns = 5 // playbook runs that one incident starts by itself
)

// incident is one run of Incident.
type incident struct {
	in      flow.IncidentInput
	doc     schema.Incident
	runs    int
	started map[string]bool // playbook and target of runs started by itself
	queue   []flow.AlertRef
	wanted  []wantedRun
	dirty   bool
	clocked bool // deadlines are kept: not by histories older than them
	ticks   int  // changes of the clocks
}

// wantedRun is a playbook run that is about to be started.
type wantedRun struct {
	playbook, requester, token string
	vars                       map[string]string
	dryRun                     bool
}

// carried is what an incident takes through continue-as-new.
type carried struct {
	Incident schema.Incident `json:"incident"`
	Started  []string        `json:"started"`
	Queue    []flow.AlertRef `json:"queue,omitempty"`
}

// Incident is the case of one entity: alerts join by signal, playbooks answer,
// people comment, acknowledge and close. It stays open until somebody closes it.
func Incident(ctx workflow.Context, in flow.IncidentInput) (schema.Incident, error) {
	in.Org = org(in.Org)
	x := &incident{in: in, started: map[string]bool{}}
	if err := x.restore(ctx); err != nil {
		return x.doc, err
	}
	if err := x.handlers(ctx); err != nil {
		return x.doc, err
	}
	x.listen(ctx)
	if x.clocked = workflow.GetVersion(ctx, "clocks", workflow.DefaultVersion, 1) >= 1; x.clocked {
		x.setClocks()
		x.watchClocks(ctx)
	}
	for x.doc.Status != schema.IncidentClosed {
		err := workflow.Await(ctx, func() bool {
			return len(x.queue) > 0 || len(x.wanted) > 0 || x.dirty || x.doc.Status == schema.IncidentClosed || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
		})
		if err != nil {
			return x.doc, err
		}
		if err := x.work(ctx); err != nil {
			return x.doc, err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() && x.doc.Status != schema.IncidentClosed && len(x.queue) == 0 && len(x.wanted) == 0 {
			return x.doc, x.again(ctx)
		}
	}
	return x.doc, x.closeUp(ctx)
}

// restore starts afresh, or takes up what the run before carried.
func (x *incident) restore(ctx workflow.Context) error {
	if x.in.State != nil {
		var c carried
		if err := json.Unmarshal([]byte(x.in.State.Doc), &c); err != nil {
			return temporal.NewNonRetryableApplicationError("the carried state cannot be read", string(schema.Internal), err)
		}
		x.doc, x.runs, x.queue = c.Incident, x.in.State.Runs, c.Queue
		for _, s := range c.Started {
			x.started[s] = true
		}
		return nil
	}
	info := workflow.GetInfo(ctx)
	x.doc = schema.Incident{ID: x.in.ID, Workflow: info.WorkflowExecution.ID, Org: x.in.Org, Key: x.in.Key, Title: "Incident of " + x.in.Key,
		Severity: schema.Informational, Status: schema.IncidentOpen, Opened: workflow.Now(ctx).UTC(), Alerts: []string{}, Entities: map[string]string{}}
	if x.doc.ID == "" {
		x.doc.ID = schema.HashID("incident", info.WorkflowExecution.ID)[:16]
	}
	if x.in.Title != "" {
		x.doc.Title = x.in.Title
	}
	if x.in.Link != nil {
		x.doc.Links = append(x.doc.Links, *x.in.Link)
	}
	x.queue = x.in.Alerts
	x.attributes(ctx)
	return nil
}

// listen takes signals into the queue; the main loop does the rest.
func (x *incident) listen(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		ch := workflow.GetSignalChannel(ctx, flow.SignalAlert)
		for {
			var refs []flow.AlertRef
			if !ch.Receive(ctx, &refs) {
				return
			}
			x.queue = append(x.queue, refs...)
		}
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		ch := workflow.GetSignalChannel(ctx, flow.SignalRunState)
		for {
			var m flow.RunReport
			if !ch.Receive(ctx, &m) {
				return
			}
			x.report(ctx, m)
		}
	})
}

// work does everything that is waiting and saves once.
func (x *incident) work(ctx workflow.Context) error {
	if err := x.join(ctx); err != nil {
		return err
	}
	for len(x.wanted) > 0 {
		w := x.wanted[0]
		x.wanted = x.wanted[1:]
		if _, err := x.start(ctx, w); err != nil {
			return err
		}
	}
	if !x.dirty {
		return nil
	}
	return x.save(ctx)
}

// save writes the read model.
func (x *incident) save(ctx workflow.Context) error {
	x.dirty = false
	x.doc.Version++
	var a *activities.Incidents
	return do(ctx, respondOptions("save the incident's state"), a.SaveIncident, nil, x.doc, workflow.Now(ctx))
}

func (x *incident) attributes(ctx workflow.Context) {
	err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(x.in.Org), attrState.ValueSet(string(x.doc.Status)), attrSeverity.ValueSet(string(x.doc.Severity)))
	if err != nil {
		workflow.GetLogger(ctx).Warn("search attributes", "error", err)
	}
}

func (x *incident) note(ctx workflow.Context, kind, by, text, ref string) {
	x.doc.Timeline = append(x.doc.Timeline, schema.TimelineEntry{Time: workflow.Now(ctx).UTC(), Kind: kind, By: by, Text: clip(text, 1000), Ref: ref})
	if len(x.doc.Timeline) > maxTimeline {
		x.doc.Timeline = slices.Delete(x.doc.Timeline, 50, 51)
	}
	x.dirty = true
}

// join adds the waiting alerts that exist and are new.
func (x *incident) join(ctx workflow.Context) error {
	for len(x.queue) > 0 {
		n := min(len(x.queue), 100)
		batch := x.queue[:n]
		x.queue = x.queue[n:]
		batch = slices.DeleteFunc(slices.Clone(batch), func(r flow.AlertRef) bool { return slices.Contains(x.doc.Alerts, r.ID) })
		if len(batch) == 0 {
			continue
		}
		var a *activities.Incidents
		var known []activities.KnownAlert
		if err := do(ctx, respondOptions("read alerts"), a.KnownAlerts, &known, x.in.Org, batch); err != nil {
			return err
		}
		for i, k := range known {
			x.add(ctx, k, i, len(known))
		}
		if unknown := len(batch) - len(known); unknown > 0 {
			x.note(ctx, "alert", "system", fmt.Sprintf("%d alerts were named that do not exist", unknown), "")
		}
	}
	return nil
}

// add joins one alert and remembers the run it asks for.
func (x *incident) add(ctx workflow.Context, k activities.KnownAlert, i, of int) {
	if slices.Contains(x.doc.Alerts, k.Ref.ID) || len(x.doc.Alerts) >= maxAlerts {
		return
	}
	d := &x.doc
	d.Alerts = append(d.Alerts, k.Ref.ID)
	worse := x.tally(k.Ref)
	if x.in.Title == "" && k.Ref.Case != "" && schema.Severity(k.Ref.Severity).Rank() < schema.High.Rank() && d.Severity.Rank() < schema.High.Rank() {
		d.Title = clip(k.Ref.Case, 200)
	} else if worse && x.in.Title == "" {
		d.Title = clip(k.Ref.Title, 200)
	}
	if worse {
		x.attributes(ctx)
		if x.clocked {
			x.setClocks()
		}
	}
	switch {
	case i < 20:
		x.note(ctx, "alert", "system", k.Ref.Title, k.Ref.ID)
	case i == of-1:
		x.note(ctx, "alert", "system", fmt.Sprintf("%d more alerts joined", of-20), "")
	}
	x.want(ctx, k)
}

// tally takes in what an alert says, and returns whether the incident got worse by it.
func (x *incident) tally(r flow.AlertRef) bool {
	d := &x.doc
	if d.FirstSeen.IsZero() || r.First.Before(d.FirstSeen) {
		d.FirstSeen = r.First
	}
	if r.Last.After(d.LastSeen) {
		d.LastSeen = r.Last
	}
	for _, t := range r.Attack {
		if !slices.Contains(d.Attack, t) {
			d.Attack = append(d.Attack, t)
			slices.Sort(d.Attack)
		}
	}
	for _, name := range workflow.DeterministicKeys(r.Entities) {
		if _, ok := d.Entities[name]; !ok && len(d.Entities) < 50 {
			d.Entities[name] = r.Entities[name]
		}
	}
	if d.Score = max(d.Score, r.Score); r.Long != "" {
		d.Long = r.Long
	}
	if d.Rules == nil {
		d.Rules = map[string]int{}
	}
	if had, ok := d.Rules[r.Rule]; ok || len(d.Rules) < maxRules {
		d.Rules[r.Rule] = max(had, r.Risk)
	}
	d.Risk = alert.JoinRisks(d.Rules)
	s := schema.Severity(r.Severity)
	worse := s.Rank() > d.Severity.Rank()
	if worse {
		d.Severity = s
	}
	return worse
}

// maxRules is how many rules an incident counts.
const maxRules = 200

// want queues the run that an alert asks for; alerts with the same playbook and
// target share it.
func (x *incident) want(ctx workflow.Context, k activities.KnownAlert) {
	if k.Run == "" || x.doc.Status == schema.IncidentClosed {
		return
	}
	for i := range x.wanted {
		if x.wanted[i].vars["run_key"] == k.Run {
			x.wanted[i].vars["alerts"] += "," + k.Ref.ID
			return
		}
	}
	if x.started[k.Run] {
		return
	}
	x.started[k.Run] = true
	if len(x.started) > maxAutoRuns {
		x.note(ctx, "status", "system", fmt.Sprintf("%s was not started by itself: this incident has started %d runs already; start it by hand", k.Run, maxAutoRuns), k.Ref.ID)
		return
	}
	vars := map[string]string{"run_key": k.Run, "alerts": k.Ref.ID, "title": k.Ref.Title, "severity": k.Ref.Severity, "risk": fmt.Sprint(k.Ref.Risk)}
	for _, name := range workflow.DeterministicKeys(k.Variables) {
		vars[name] = k.Variables[name]
	}
	if vars["subject"] = k.Subject; k.Subject == "" {
		_, vars["subject"], _ = strings.Cut(x.doc.Key, ":")
	}
	x.wanted = append(x.wanted, wantedRun{playbook: k.Ref.Playbook, requester: "system", vars: vars})
}

// start starts a playbook as a child that outlives continue-as-new; its state comes
// back by signal.
func (x *incident) start(ctx workflow.Context, w wantedRun) (string, error) {
	x.runs++
	id := flow.RunID(x.in.Org, x.doc.ID, w.playbook, x.runs)
	opts := workflow.ChildWorkflowOptions{WorkflowID: id, TaskQueue: flow.QueueRespond, ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, WaitForCancellation: true, StaticSummary: clip(w.playbook+" "+w.vars["subject"], 100)}
	in := flow.RunPlaybookInput{Org: x.in.Org, Playbook: w.playbook, Incident: x.doc.ID, Workflow: x.doc.Workflow, Requester: w.requester, Token: w.token, Variables: w.vars, DryRun: w.dryRun}
	err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, opts), flow.RunPlaybook, in).GetChildWorkflowExecution().Get(ctx, nil)
	if err != nil && !alreadyStarted(err) {
		return "", err
	}
	x.doc.Runs = append(x.doc.Runs, schema.Run{ID: id, Org: x.in.Org, Incident: x.doc.ID, Playbook: w.playbook, Requester: w.requester, Status: runRunning, Started: workflow.Now(ctx).UTC(), Steps: []schema.RunStep{}, DryRun: w.dryRun})
	x.note(ctx, "step", w.requester, "Started the playbook "+w.playbook, id)
	x.status(ctx)
	return id, nil
}

// report takes in what a run says.
func (x *incident) report(ctx workflow.Context, m flow.RunReport) {
	for i := range x.doc.Runs {
		if x.doc.Runs[i].ID != m.Run || m.Status == "" {
			continue
		}
		var brief schema.Run
		if json.Unmarshal(m.Brief, &brief) == nil && brief.ID == m.Run {
			brief.Steps = []schema.RunStep{}
			x.doc.Runs[i] = brief
		}
	}
	if m.Link != nil {
		x.doc.Links = append(x.doc.Links, *m.Link)
	}
	if m.Entry != nil {
		x.note(ctx, m.Entry.Kind, m.Entry.By, m.Entry.Text, m.Entry.Ref)
	}
	x.dirty = true
	x.status(ctx)
}

// status follows from the runs, unless the incident is closed.
func (x *incident) status(ctx workflow.Context) {
	if x.doc.Status == schema.IncidentClosed {
		return
	}
	running, awaiting, done := false, false, false
	for _, r := range x.doc.Runs {
		running = running || r.Status == runRunning
		awaiting = awaiting || r.Status == runAwaiting
		done = done || r.Status == runCompleted
	}
	next := schema.IncidentOpen
	switch {
	case awaiting:
		next = schema.IncidentAwaiting
	case running:
		next = schema.IncidentResponding
	case done:
		next = schema.IncidentContained
	}
	if next != x.doc.Status {
		x.doc.Status, x.dirty = next, true
		x.attributes(ctx)
	}
}

// again carries the incident into a new run, when nobody is in the middle of anything.
func (x *incident) again(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	next := x.in
	next.Alerts = nil
	b, err := json.Marshal(carried{Incident: x.doc, Started: workflow.DeterministicKeys(x.started), Queue: x.queue})
	if err != nil {
		return temporal.NewNonRetryableApplicationError("carrying the incident on", string(schema.Internal), err)
	}
	next.State = &flow.IncidentCursor{Doc: string(b), Runs: x.runs}
	return workflow.NewContinueAsNewError(ctx, flow.Incident, next)
}

// closeUp ends what still runs and takes in what came while closing.
func (x *incident) closeUp(ctx workflow.Context) error {
	for _, r := range x.doc.Runs {
		if r.Status == runRunning || r.Status == runAwaiting {
			if err := workflow.RequestCancelExternalWorkflow(ctx, r.ID, "").Get(ctx, nil); err != nil {
				workflow.GetLogger(ctx).Debug("the run has ended", "run", r.ID)
			}
		}
	}
	// Runs that are cancelled report once more; what they say belongs to the timeline.
	if _, err := workflow.AwaitWithTimeout(ctx, closeGrace, func() bool {
		return !slices.ContainsFunc(x.doc.Runs, func(r schema.Run) bool { return r.Status == runRunning || r.Status == runAwaiting })
	}); err != nil {
		return err
	}
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	if err := x.join(ctx); err != nil {
		return err
	}
	return x.save(ctx)
}

// closeGrace is how long a closing incident waits for its cancelled runs.
const closeGrace = 30 * time.Second
