package workflows

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

const (
	maxTasks       = 200
	maxAttachments = 100
)

// verdictMerged is the verdict of an incident that went into another one.
const verdictMerged = "merged"

// caseHandlers are the updates by which people work on an incident.
func (x *incident) caseHandlers(ctx workflow.Context) error {
	for _, h := range []struct {
		name, text         string
		handler, validator any
	}{
		{flow.UpdateAssign, "Give the incident to somebody", x.assign, x.checkAssign},
		{flow.UpdateTask, "Add or change a task", x.task, x.checkTask},
		{flow.UpdateAttach, "Add a stored file", x.attach, x.checkAttach},
		{flow.UpdateQualify, "Say what the incident is before it is closed", x.qualify, x.checkQualify},
		{flow.UpdateMerge, "Move the alerts to another incident and close this one", x.merge, x.checkMerge},
		{flow.UpdateSplit, "Move some alerts to a new incident", x.split, x.checkSplit},
	} {
		if err := workflow.SetUpdateHandlerWithOptions(ctx, h.name, h.handler, workflow.UpdateHandlerOptions{Description: h.text, Validator: h.validator}); err != nil {
			return err
		}
	}
	return nil
}

// touched notes that a person looked into the incident for the first time.
func (x *incident) touched(ctx workflow.Context) {
	if x.doc.Triaged.IsZero() {
		x.doc.Triaged = workflow.Now(ctx).UTC()
	}
}

// taken notes that somebody is at work on the incident.
func (x *incident) taken(ctx workflow.Context) {
	x.touched(ctx)
	if x.doc.Acknowledged.IsZero() {
		x.doc.Acknowledged = workflow.Now(ctx).UTC()
	}
	x.met(ctx, schema.ClockAcknowledge)
}

func (x *incident) checkAssign(_ workflow.Context, a flow.IncidentAssign) error {
	if len(a.To) > 63 {
		return refuse(schema.Invalid, "the name is too long", "name a user")
	}
	return x.open(a.By)
}

func (x *incident) assign(ctx workflow.Context, a flow.IncidentAssign) (flow.IncidentState, error) {
	x.taken(ctx)
	from := x.doc.Assignee
	x.doc.Assignee = a.To
	text := a.By + " gave the incident to " + a.To
	if a.To == "" {
		text = a.By + " gave the incident back"
	}
	x.note(ctx, "status", a.By, text, "")
	if err := x.audited(ctx, a.By, "assign", map[string]string{"from": from, "to": a.To}); err != nil {
		return x.state(), err
	}
	return x.state(), x.alerts(ctx, activities.AlertChange{By: a.By, Assignee: a.To})
}

func (x *incident) checkTask(_ workflow.Context, t flow.IncidentTask) error {
	at := slices.IndexFunc(x.doc.Tasks, func(o schema.Task) bool { return o.ID == t.ID })
	switch {
	case t.ID == "" && strings.TrimSpace(t.Title) == "":
		return refuse(schema.Invalid, "a task needs a title", "")
	case t.ID != "" && at < 0:
		return refuse(schema.NotFound, "the incident has no task "+t.ID, "steps of playbooks are done by their approval")
	case len(t.Title) > 500 || len(t.Owner) > 63:
		return refuse(schema.Invalid, "title or owner is too long", "500 and 63 bytes")
	case t.State != "" && t.State != schema.TaskOpen && t.State != schema.TaskDone && t.State != schema.TaskDropped:
		return refuse(schema.Invalid, fmt.Sprintf("a task cannot be %q", t.State), "open, done or dropped")
	case t.ID == "" && len(x.doc.Tasks) >= maxTasks:
		return refuse(schema.Conflict, fmt.Sprintf("the incident has %d tasks already", maxTasks), "")
	}
	return x.open(t.By)
}

func (x *incident) task(ctx workflow.Context, t flow.IncidentTask) (flow.IncidentState, error) {
	x.touched(ctx)
	now := workflow.Now(ctx).UTC()
	at := slices.IndexFunc(x.doc.Tasks, func(o schema.Task) bool { return o.ID == t.ID })
	verb := "changed"
	if t.ID == "" {
		verb, at = "added", len(x.doc.Tasks)
		x.doc.Tasks = append(x.doc.Tasks, schema.Task{ID: fmt.Sprint("t", at+1), State: schema.TaskOpen, Created: now, By: t.By})
	}
	d := &x.doc.Tasks[at]
	for _, f := range []struct {
		to   *string
		with string
	}{{&d.Title, t.Title}, {&d.Owner, t.Owner}, {&d.State, t.State}} {
		if f.with != "" {
			*f.to = f.with
		}
	}
	if !t.Due.IsZero() {
		d.Due = t.Due.UTC()
	}
	switch {
	case d.State == schema.TaskOpen:
		d.Ended = time.Time{}
	case d.Ended.IsZero():
		d.Ended, verb = now, d.State
	}
	x.note(ctx, "task", t.By, fmt.Sprintf("Task %s: %s", verb, d.Title), d.ID)
	id := d.ID
	err := x.audited(ctx, t.By, "task", map[string]string{"task": id, "title": d.Title, "owner": d.Owner, "state": d.State})
	st := x.state()
	st.Task = id
	return st, err
}

var hexHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (x *incident) checkAttach(_ workflow.Context, a flow.IncidentAttach) error {
	switch {
	case !hexHash.MatchString(a.Hash):
		return refuse(schema.Invalid, "the hash is no SHA-256", "vigil incidents attach ID FILE")
	case strings.TrimSpace(a.Name) == "" || len(a.Name) > 200:
		return refuse(schema.Invalid, "a file needs a name of at most 200 bytes", "")
	case len(x.doc.Attachments) >= maxAttachments:
		return refuse(schema.Conflict, fmt.Sprintf("the incident has %d files already", maxAttachments), "")
	}
	return x.open(a.By)
}

// attach adds a file whose bytes are stored; the worker looks whether they are.
func (x *incident) attach(ctx workflow.Context, a flow.IncidentAttach) (flow.IncidentState, error) {
	var act *activities.Incidents
	var size int64
	if err := do(ctx, respondOptions("check the file"), act.StoredFile, &size, x.in.Org, a.Hash); err != nil {
		return x.state(), err
	}
	if slices.ContainsFunc(x.doc.Attachments, func(o schema.Attachment) bool { return o.Hash == a.Hash && o.Name == a.Name }) {
		return x.state(), nil // a second click
	}
	x.touched(ctx)
	x.doc.Attachments = append(x.doc.Attachments, schema.Attachment{Hash: a.Hash, Name: a.Name, Size: size, By: a.By, Time: workflow.Now(ctx).UTC()})
	x.note(ctx, "file", a.By, fmt.Sprintf("Attached %s (%d bytes, SHA-256 %s)", a.Name, size, a.Hash), a.Hash)
	return x.state(), x.audited(ctx, a.By, "attach", map[string]string{"name": a.Name, "sha256": a.Hash, "bytes": fmt.Sprint(size)})
}

func (x *incident) checkQualify(ctx workflow.Context, c flow.IncidentClose) error {
	return x.checkClose(ctx, c)
}

// qualify says what the incident is; its alerts, and so their rules and the training of
// models, know from then on.
func (x *incident) qualify(ctx workflow.Context, c flow.IncidentClose) (flow.IncidentState, error) {
	x.taken(ctx)
	x.verdict(ctx, c)
	x.note(ctx, "status", c.By, "Qualified as "+c.Verdict+": "+c.Reason, "")
	if err := x.audited(ctx, c.By, "qualify", map[string]string{"verdict": c.Verdict, "reason": c.Reason}); err != nil {
		return x.state(), err
	}
	return x.state(), x.alerts(ctx, activities.AlertChange{By: c.By, Verdict: c.Verdict, Reason: c.Reason})
}

func (x *incident) verdict(ctx workflow.Context, c flow.IncidentClose) {
	x.doc.Verdict, x.doc.Reason = c.Verdict, c.Reason
	if x.doc.Qualified.IsZero() {
		x.doc.Qualified = workflow.Now(ctx).UTC()
	}
}

func (x *incident) checkMerge(_ workflow.Context, m flow.IncidentMerge) error {
	switch {
	case m.Into == "" || m.Into == x.doc.ID:
		return refuse(schema.Invalid, "name another incident that takes the alerts", "")
	case strings.TrimSpace(m.Reason) == "":
		return refuse(schema.Invalid, "merging needs a reason", "say why they are one case")
	case slices.ContainsFunc(x.doc.Runs, func(r schema.Run) bool { return r.Status == runRunning || r.Status == runAwaiting }):
		return refuse(schema.Conflict, "a playbook of this incident is still running", "merge the other one into this one, or end the run first")
	}
	return x.open(m.By)
}

// merge moves the alerts to another incident and closes this one. The other one is told
// first: when it is closed meanwhile, nothing has happened. What was done and asked here
// stays here, and each names the other.
func (x *incident) merge(ctx workflow.Context, m flow.IncidentMerge) (flow.IncidentState, error) {
	var a *activities.Incidents
	var into schema.Incident
	if err := do(ctx, respondOptions("read the other incident"), a.OpenIncident, &into, x.in.Org, m.Into); err != nil {
		return x.state(), err
	}
	now := workflow.Now(ctx).UTC()
	back := schema.IncidentLink{Kind: "merged-from", ID: x.doc.ID, By: m.By, Time: now}
	tell := flow.RunReport{Link: &back, Entry: &flow.IncidentEntry{Kind: "link", By: m.By, Text: fmt.Sprintf("Took %d alerts of incident %s: %s", len(x.doc.Alerts), x.doc.ID, clip(m.Reason, 500)), Ref: x.doc.ID}}
	if err := workflow.SignalExternalWorkflow(ctx, into.Workflow, "", flow.SignalRunState, tell).Get(ctx, nil); err != nil {
		return x.state(), refuse(schema.Conflict, "incident "+m.Into+" takes no alerts: it is closed", "")
	}
	for part := range slices.Chunk(x.doc.Alerts, 40) {
		refs := make([]flow.AlertRef, len(part))
		for i, id := range part {
			refs[i] = flow.AlertRef{ID: id, Score: x.doc.Score}
		}
		if err := workflow.SignalExternalWorkflow(ctx, into.Workflow, "", flow.SignalAlert, refs).Get(ctx, nil); err != nil {
			return x.state(), err
		}
	}
	if err := x.alerts(ctx, activities.AlertChange{By: m.By, Incident: m.Into, Why: "moved from incident " + x.doc.ID + " by " + m.By + ": " + clip(m.Reason, 500)}); err != nil {
		return x.state(), err
	}
	x.doc.Links = append(x.doc.Links, schema.IncidentLink{Kind: "merged-into", ID: m.Into, By: m.By, Time: now})
	x.note(ctx, "link", m.By, fmt.Sprintf("%d alerts went to incident %s: %s", len(x.doc.Alerts), m.Into, m.Reason), m.Into)
	x.doc.Alerts = []string{}
	x.doc.Status, x.doc.Verdict, x.doc.Reason, x.doc.Closed = schema.IncidentClosed, verdictMerged, m.Reason, now
	x.attributes(ctx)
	return x.state(), x.audited(ctx, m.By, "merge", map[string]string{"into": m.Into, "reason": m.Reason})
}

func (x *incident) checkSplit(_ workflow.Context, s flow.IncidentSplit) error {
	if strings.TrimSpace(s.Reason) == "" {
		return refuse(schema.Invalid, "splitting needs a reason", "say what the alerts have to do with")
	}
	leave := map[string]bool{}
	for _, id := range s.Alerts {
		if !slices.Contains(x.doc.Alerts, id) {
			return refuse(schema.NotFound, "the incident has no alert "+clip(id, 64), "")
		}
		leave[id] = true
	}
	if len(leave) == 0 || len(leave) == len(x.doc.Alerts) {
		return refuse(schema.Invalid, fmt.Sprintf("%d of %d alerts would leave: some must, and some must stay", len(leave), len(x.doc.Alerts)), "")
	}
	return x.open(s.By)
}

// split opens a new incident with some of the alerts.
func (x *incident) split(ctx workflow.Context, s flow.IncidentSplit) (flow.IncidentState, error) {
	now := workflow.Now(ctx).UTC()
	other := schema.HashID("split", x.doc.ID, fmt.Sprint(x.doc.Version), s.Alerts[0])[:16]
	title := s.Title
	if title == "" {
		title = clip("Split from: "+x.doc.Title, 200)
	}
	in := flow.IncidentInput{Org: x.in.Org, ID: other, Key: x.doc.Key, Opened: now, Title: title, Link: &schema.IncidentLink{Kind: "split-from", ID: x.doc.ID, By: s.By, Time: now}}
	for _, id := range s.Alerts {
		in.Alerts = append(in.Alerts, flow.AlertRef{ID: id})
	}
	opts := workflow.ChildWorkflowOptions{WorkflowID: flow.IncidentID(x.in.Org, x.doc.Key+" split "+other, now.Unix()), TaskQueue: flow.QueueRespond, ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE}
	if err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, opts), flow.Incident, in).GetChildWorkflowExecution().Get(ctx, nil); err != nil && !alreadyStarted(err) {
		return x.state(), err
	}
	moved := slices.Clone(s.Alerts)
	if err := x.change(ctx, moved, activities.AlertChange{By: s.By, Incident: other, Why: "split from incident " + x.doc.ID + " by " + s.By + ": " + clip(s.Reason, 500)}); err != nil {
		return x.state(), err
	}
	x.doc.Alerts = slices.DeleteFunc(x.doc.Alerts, func(id string) bool { return slices.Contains(moved, id) })
	x.doc.Links = append(x.doc.Links, schema.IncidentLink{Kind: "split-into", ID: other, By: s.By, Time: now})
	x.note(ctx, "link", s.By, fmt.Sprintf("%d alerts went to the new incident %s: %s", len(moved), other, s.Reason), other)
	if err := x.recount(ctx); err != nil {
		return x.state(), err
	}
	err := x.audited(ctx, s.By, "split", map[string]string{"into": other, "alerts": fmt.Sprint(len(moved)), "reason": s.Reason})
	st := x.state()
	st.Other = other
	return st, err
}

// recount works out anew what the alerts that stayed say together.
func (x *incident) recount(ctx workflow.Context) error {
	d := &x.doc
	d.FirstSeen, d.LastSeen, d.Attack, d.Entities, d.Rules, d.Risk, d.Severity = time.Time{}, time.Time{}, nil, map[string]string{}, nil, 0, schema.Informational
	var a *activities.Incidents
	for part := range slices.Chunk(d.Alerts, 100) {
		refs := make([]flow.AlertRef, len(part))
		for i, id := range part {
			refs[i] = flow.AlertRef{ID: id}
		}
		var known []activities.KnownAlert
		if err := do(ctx, respondOptions("read alerts"), a.KnownAlerts, &known, x.in.Org, refs); err != nil {
			return err
		}
		for _, k := range known {
			x.tally(k.Ref)
		}
	}
	x.attributes(ctx)
	return nil
}

// clocksOf is the table of deadlines by severity: within how long somebody takes the incident,
// and within how long it is closed.
func clocksOf(s schema.Severity) (acknowledge, resolve time.Duration) {
	switch s {
	case schema.Critical:
		return 15 * time.Minute, 4 * time.Hour
	case schema.High:
		return time.Hour, 24 * time.Hour
	case schema.Medium:
		return 8 * time.Hour, 3 * 24 * time.Hour
	}
	return 24 * time.Hour, 7 * 24 * time.Hour
}

// setClocks sets the deadlines by the severity of now; they count from the opening.
func (x *incident) setClocks() {
	acknowledge, resolve := clocksOf(x.doc.Severity)
	for _, row := range []struct {
		name   string
		within time.Duration
	}{{schema.ClockAcknowledge, acknowledge}, {schema.ClockResolve, resolve}} {
		if c := x.clock(row.name); c.Met.IsZero() && c.Breached.IsZero() {
			c.Due = x.doc.Opened.Add(row.within)
		}
	}
	x.ticks++
}

// clock returns a clock of the incident, which it makes.
func (x *incident) clock(name string) *schema.Clock {
	for i := range x.doc.Clocks {
		if x.doc.Clocks[i].Name == name {
			return &x.doc.Clocks[i]
		}
	}
	x.doc.Clocks = append(x.doc.Clocks, schema.Clock{Name: name})
	return &x.doc.Clocks[len(x.doc.Clocks)-1]
}

// met stops a clock.
func (x *incident) met(ctx workflow.Context, name string) {
	for i := range x.doc.Clocks {
		if c := &x.doc.Clocks[i]; c.Name == name && c.Met.IsZero() {
			c.Met = workflow.Now(ctx).UTC()
			x.ticks++
		}
	}
}

// watchClocks waits for the next deadline and tells when it passed.
func (x *incident) watchClocks(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		for x.doc.Status != schema.IncidentClosed {
			was := x.ticks
			changed := func() bool { return x.ticks != was || x.doc.Status == schema.IncidentClosed }
			due := x.nextClock()
			if due.IsZero() {
				if workflow.Await(ctx, changed) != nil {
					return
				}
				continue
			}
			ok, err := workflow.AwaitWithTimeout(ctx, max(due.Sub(workflow.Now(ctx)), 0), changed)
			if err != nil {
				return
			}
			if !ok {
				x.breach(ctx)
			}
		}
	})
}

func (x *incident) nextClock() time.Time {
	var due time.Time
	for _, c := range x.doc.Clocks {
		if c.Met.IsZero() && c.Breached.IsZero() && (due.IsZero() || c.Due.Before(due)) {
			due = c.Due
		}
	}
	return due
}

// breach marks the clocks that have run out, and tells people.
func (x *incident) breach(ctx workflow.Context) {
	now := workflow.Now(ctx).UTC()
	var a *activities.Incidents
	for i := range x.doc.Clocks {
		c := &x.doc.Clocks[i]
		if !c.Met.IsZero() || !c.Breached.IsZero() || c.Due.After(now) {
			continue
		}
		c.Breached = now
		text := fmt.Sprintf("The deadline to %s a %s incident passed (%s after it was opened)", c.Name, x.doc.Severity, c.Due.Sub(x.doc.Opened))
		x.note(ctx, "clock", "system", text, "")
		told := activities.ClockBreach{Org: x.in.Org, Incident: x.doc.ID, Title: x.doc.Title, Severity: x.doc.Severity, Assignee: x.doc.Assignee, Clock: *c, Text: text}
		if err := do(ctx, respondOptions("tell of a missed deadline"), a.TellBreach, nil, told); err != nil {
			workflow.GetLogger(ctx).Warn("telling of a missed deadline", "error", err)
		}
		x.notify(ctx, c.Name, text)
	}
}

// notify tells people outside, by the action that playbooks tell them with. Nothing waits for it.
func (x *incident) notify(ctx workflow.Context, clock, text string) {
	key := x.doc.ID + "/" + clock
	in := flow.ActionInput{Org: x.in.Org, Action: "notify", Target: x.doc.Title, Key: key, Run: x.doc.Workflow, Step: "clock", Incident: x.doc.ID,
		Arguments: map[string]string{"subject": x.doc.Title, "text": text}}
	opts := workflow.ChildWorkflowOptions{WorkflowID: flow.ActionID(x.in.Org, schema.HashID("breach", key)), TaskQueue: flow.QueueRespond, ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, StaticSummary: "tell of a missed deadline"}
	if err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, opts), flow.Action, in).GetChildWorkflowExecution().Get(ctx, nil); err != nil && !alreadyStarted(err) {
		workflow.GetLogger(ctx).Warn("telling people outside of a missed deadline", "error", err)
	}
}
