package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"vigil/internal/alert"
	"vigil/internal/playbook"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// AlertStore is what folding reads and writes; *store.Store is one.
type AlertStore interface {
	ChunkDetections(ctx context.Context, org string, chunks []string, limit int) ([]schema.Detection, error)
	AlertsByID(ctx context.Context, org string, ids []string) ([]schema.Alert, error)
	AnsweredAlerts(ctx context.Context, org string, ids []string) (map[string]bool, error)
	Folded(ctx context.Context, org string, chunks []string) (map[string]bool, error)
	UnfoldedChunks(ctx context.Context, org string, limit int) ([]string, error)
	PutAlerts(ctx context.Context, list []schema.Alert) error
	PutAlertMembers(ctx context.Context, org string, list []store.AlertMember) error
	PutFolds(ctx context.Context, org string, alerts map[string]int) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
	WindowStore
	CorrelationStore
}

// Starter starts and signals workflows; the Temporal client is one.
type Starter interface {
	ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	SignalWithStartWorkflow(ctx context.Context, id, signal string, arg any, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
}

// Alerts folds committed detections into alerts and starts what answers them.
type Alerts struct {
	Store     AlertStore
	Rules     *RuleSets
	Playbooks *playbook.Set
	Temporal  Starter
	Log       *slog.Logger
	// Crash is called at the named points; kill tests make it panic. nil does nothing.
	Crash func(point string)
}

// FoldResult says what folding did.
type FoldResult struct {
	Chunks    int `json:"chunks"`
	Alerts    int `json:"alerts"`    // new or grown
	Incidents int `json:"incidents"` // opened or joined
	Runs      int `json:"runs"`      // low-risk playbooks started
}

func (r *FoldResult) add(o FoldResult) {
	r.Chunks += o.Chunks
	r.Alerts += o.Alerts
	r.Incidents += o.Incidents
	r.Runs += o.Runs
}

const (
	foldBatch  = 50     // chunks folded at once
	maxFold    = 20_000 // detections read at once; more are folded chunk by chunk
	alertsSent = 40     // alerts in one signal
)

// FoldChunk folds the detections of committed chunks right after their commit:
// alerts and their members are written, the live outbox is told, what answers them
// is started, and the chunks enter the fold ledger last. It may be repeated at any
// point; `Detect` repeats it for chunks that are not in the ledger. Stateful
// rules with base detections in the chunks are judged too.
func (a *Alerts) FoldChunk(ctx context.Context, org string, chunks []string) (FoldResult, error) {
	var total FoldResult
	for batch := range slices.Chunk(chunks, foldBatch) {
		r, err := a.fold(ctx, org, batch)
		if err != nil {
			return total, Retryable(fmt.Errorf("folding detections: %w", err))
		}
		total.add(r)
	}
	w, err := a.windows(ctx, org, chunks)
	total.add(w.FoldResult)
	return total, Retryable(err)
}

// SweepAlerts folds committed chunks that no ledger row names: what a crash between
// commit and fold has left.
func (a *Alerts) SweepAlerts(ctx context.Context, org string) (FoldResult, error) {
	defer beating(ctx)()
	var total FoldResult
	for range 20 { // bounded: the next round goes on
		chunks, err := a.Store.UnfoldedChunks(ctx, org, foldBatch)
		if err != nil || len(chunks) == 0 {
			return total, Retryable(err)
		}
		r, err := a.fold(ctx, org, chunks)
		total.add(r)
		if err != nil {
			return total, Retryable(err)
		}
	}
	return total, nil
}

func (a *Alerts) crash(point string) {
	if a.Crash != nil {
		a.Crash(point)
	}
}

// rule tells how detections of a rule version fold. It is the version that counts: what
// is folded again after a change of the rule must make the same alerts.
func (a *Alerts) rule(ctx context.Context, org string) func(id, version string) alert.Rule {
	return func(id, version string) alert.Rule {
		r, err := a.Rules.Version(ctx, org, id, version)
		if err != nil {
			a.Log.Warn("folding by the default window: the rule is not known", "rule", id, "version", version, "error", err)
			return alert.Rule{}
		}
		return alert.Rule{Window: r.Suppress.For, Playbook: r.Playbook}
	}
}

func (a *Alerts) fold(ctx context.Context, org string, chunks []string) (FoldResult, error) {
	a.crash("before-fold")
	res := FoldResult{Chunks: len(chunks)}
	ds, err := a.Store.ChunkDetections(ctx, org, chunks, maxFold)
	if err != nil {
		return res, err
	}
	if len(ds) == maxFold && len(chunks) > 1 {
		return a.foldEach(ctx, org, chunks)
	}
	folded := alert.Fold(ds, a.rule(ctx, org))
	res.Alerts = len(folded)
	if len(folded) > 0 {
		fresh, err := a.write(ctx, org, folded)
		if err != nil {
			return res, err
		}
		if err := a.revise(ctx, org, judgedIDs(ds)); err != nil {
			return res, err
		}
		a.crash("between-insert-and-answer")
		if err := a.answer(ctx, org, fresh, &res); err != nil {
			return res, err
		}
	}
	per := map[string]int{}
	for _, c := range chunks {
		per[c] = 0
	}
	for _, f := range folded {
		for _, m := range f.Members {
			per[m.Chunk]++
		}
	}
	a.crash("before-ledger")
	return res, a.Store.PutFolds(ctx, org, per)
}

func (a *Alerts) foldEach(ctx context.Context, org string, chunks []string) (FoldResult, error) {
	var total FoldResult
	for _, c := range chunks {
		r, err := a.fold(ctx, org, []string{c})
		total.add(r)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// write stores new alerts and all members. An alert's row is written once, at
// version 1, and after that only by people's changes: seen times and counts are
// derived from members, so two folds at once cannot lose each other's. It returns
// the alerts whose answer may not have been started.
func (a *Alerts) write(ctx context.Context, org string, folded []alert.Folded) ([]alert.Folded, error) {
	ids := make([]string, len(folded))
	for i, f := range folded {
		ids[i] = f.Alert.ID
	}
	have, err := a.Store.AlertsByID(ctx, org, ids)
	if err != nil {
		return nil, err
	}
	answered, err := a.Store.AnsweredAlerts(ctx, org, ids)
	if err != nil {
		return nil, err
	}
	critical, err := a.Store.Criticalities(ctx, org, entityNames(folded))
	if err != nil {
		return nil, err
	}
	known := map[string]schema.Alert{}
	for _, h := range have {
		known[h.ID] = h
	}
	var fresh []alert.Folded
	var rows []schema.Alert
	var members []store.AlertMember
	var notes []schema.Note
	now := time.Now().UTC()
	for i := range folded {
		f := &folded[i]
		kind := "changed"
		if old, ok := known[f.Alert.ID]; ok {
			f.Alert.Created, f.Alert.Incident, f.Alert.Risk, f.Alert.Criticality = old.Created, old.Incident, max(old.Risk, f.Alert.Risk), old.Criticality
			if takenBack(old) {
				rows = append(rows, reopened(old))
			}
		} else {
			kind = "created"
			f.Alert.Created = now
			weigh(&f.Alert, critical)
			if a.respond(f.Alert).Incident {
				g := alert.GroupOf(*f)
				f.Alert.Incident, f.Alert.IncidentWhy = g.ID(org), g.Why(f.Alert)
			}
			rows = append(rows, f.Alert)
		}
		for _, m := range f.Members {
			members = append(members, store.AlertMember{Alert: f.Alert.ID, Detection: m.Detection, EventID: m.EventID, Chunk: m.Chunk, Time: m.Time})
		}
		if !answered[f.Alert.ID] {
			fresh = append(fresh, *f)
		}
		notes = append(notes, note(org, "alerts", kind, f.Alert.ID, brief(f.Alert), now))
	}
	if err := a.Store.PutAlerts(ctx, rows); err != nil {
		return nil, err
	}
	if err := a.Store.PutAlertMembers(ctx, org, members); err != nil {
		return nil, err
	}
	return fresh, a.Store.PutNotes(ctx, capNotes(notes, org, now)...)
}

// entityNames are the values that the entities of alerts have, in small letters.
func entityNames(folded []alert.Folded) []string {
	set := map[string]bool{}
	for _, f := range folded {
		for _, v := range f.Alert.Entities {
			set[strings.ToLower(v)] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// weigh puts the criticality of what the alert names into its risk.
func weigh(x *schema.Alert, critical map[string]string) {
	for _, v := range x.Entities {
		c := critical[strings.ToLower(v)]
		if schema.Severity(c).Rank() > schema.Severity(x.Criticality).Rank() {
			x.Criticality = c
		}
	}
	x.Risk = alert.Weighted(x.Risk, x.Criticality)
}

// maxNotes bounds the notes of one fold; beyond it one note says "many".
const maxNotes = 200

func capNotes(notes []schema.Note, org string, now time.Time) []schema.Note {
	if len(notes) <= maxNotes {
		return notes
	}
	return append(notes[:maxNotes:maxNotes], note(org, "alerts", "changed", "", map[string]any{"many": len(notes)}, now))
}

func brief(a schema.Alert) map[string]any {
	return map[string]any{"title": a.Title, "severity": a.Severity, "risk": a.Risk, "rule": a.Rule, "entities": a.Entities, "incident": a.Incident,
		"status": a.Status, "created": a.Created, "first_seen": a.FirstSeen, "last_seen": a.LastSeen, "count": a.Count}
}

func (a *Alerts) respond(x schema.Alert) alert.Response {
	return alert.Respond(x, a.Playbooks.LowRisk)
}

// group is the alerts of one incident, or of one low-risk run.
type group struct {
	alert.Group
	incident bool
	alerts   []alert.Folded
	refs     []flow.AlertRef
}

// answer starts or joins one incident per group, and one low-risk run per group.
func (a *Alerts) answer(ctx context.Context, org string, fresh []alert.Folded, res *FoldResult) error {
	groups := map[string]*group{}
	for _, f := range fresh {
		r := a.respond(f.Alert)
		if r.Playbook == "" && !r.Incident {
			continue
		}
		g := alert.GroupOf(f)
		key := fmt.Sprintf("incident %s %d", g.Key, g.Bucket.Unix())
		if !r.Incident {
			key = fmt.Sprintf("%s %s %d", r.Playbook, g.Key, g.Bucket.Unix())
		}
		if groups[key] == nil {
			groups[key] = &group{Group: g, incident: r.Incident}
		}
		groups[key].alerts = append(groups[key].alerts, f)
		groups[key].refs = append(groups[key].refs, alertRef(f.Alert, r.Playbook))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, x := range groups {
		if x.incident {
			res.Incidents++
			g.Go(func() error { return a.incident(ctx, org, x) })
		} else {
			res.Runs++
			g.Go(func() error { return a.lowRisk(ctx, org, x) })
		}
	}
	return g.Wait()
}

func alertRef(x schema.Alert, pb string) flow.AlertRef {
	return flow.AlertRef{ID: x.ID, Title: x.Title, Rule: x.Rule, Severity: string(x.Severity), Risk: x.Risk, Attack: x.Attack,
		Entities: x.Entities, First: x.FirstSeen, Last: x.LastSeen, Playbook: pb}
}

// incident sends alerts to their Incident workflow.
func (a *Alerts) incident(ctx context.Context, org string, g *group) error {
	id, attempt, err := a.open(ctx, org, g.Group, g.refs)
	if err != nil {
		return err
	}
	return a.relink(ctx, id, g, attempt)
}

// open sends alerts to the Incident workflow of a group, which is started when there is none.
// When the incident of the bucket is closed, another one is opened beside it: attempt counts.
func (a *Alerts) open(ctx context.Context, org string, g alert.Group, refs []flow.AlertRef) (id string, attempt int64, err error) {
	for attempt := range int64(5) {
		at := alert.Group{Key: g.Key, Bucket: g.Bucket.Add(time.Duration(attempt) * time.Second)}
		in := flow.IncidentInput{Org: org, ID: at.ID(org), Key: g.Key, Opened: at.Bucket}
		err := a.signal(ctx, flow.IncidentID(org, in.Key, in.Opened.Unix()), in, refs)
		if err == nil {
			return in.ID, attempt, nil
		}
		var closed *serviceerror.WorkflowExecutionAlreadyStarted
		if !errors.As(err, &closed) {
			return "", 0, fmt.Errorf("opening incident %s: %w", in.ID, err)
		}
	}
	return "", 0, schema.E(schema.Conflict, "every incident of "+g.Key+" in this bucket is closed", "close fewer, or look why the alerts come back")
}

func (a *Alerts) signal(ctx context.Context, workflow string, in flow.IncidentInput, refs []flow.AlertRef) error {
	for part := range slices.Chunk(refs, alertsSent) {
		_, err := a.Temporal.SignalWithStartWorkflow(ctx, workflow, flow.SignalAlert, part,
			client.StartWorkflowOptions{TaskQueue: flow.QueueRespond, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE}, flow.Incident, in)
		if err != nil {
			return err
		}
	}
	return nil
}

// relink names the incident in alerts that went to another one than their bucket's.
func (a *Alerts) relink(ctx context.Context, id string, g *group, attempt int64) error {
	if attempt == 0 {
		return nil
	}
	rows := make([]schema.Alert, len(g.alerts))
	for i, f := range g.alerts {
		rows[i] = f.Alert
		rows[i].Incident = id
	}
	return a.Store.PutAlerts(ctx, rows)
}

// lowRisk starts the low-risk playbook of a group, once per group and bucket.
func (a *Alerts) lowRisk(ctx context.Context, org string, g *group) error {
	pb := g.refs[0].Playbook
	vars := runVariables(g.refs)
	vars["subject"] = subject(g.Key)
	id := flow.RunID(org, schema.HashID(g.Key, fmt.Sprint(g.Bucket.Unix()))[:16], pb, 1)
	_, err := a.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueRespond,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, WorkflowExecutionErrorWhenAlreadyStarted: true},
		flow.RunPlaybook, flow.RunPlaybookInput{Org: org, Playbook: pb, Requester: "system", Variables: vars})
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &started) {
		return nil // the group was answered in this bucket
	}
	if err != nil {
		return fmt.Errorf("starting %s: %w", pb, err)
	}
	return nil
}

// subject is the value part of a grouping key.
func subject(key string) string {
	_, v, _ := strings.Cut(key, ":")
	return v
}

// runVariables are the playbook variables that alerts fill.
func runVariables(refs []flow.AlertRef) map[string]string {
	vars := map[string]string{}
	var ids, titles []string
	for _, r := range refs {
		for k, v := range alert.Variables(r.Entities) {
			if vars[k] == "" {
				vars[k] = v
			}
		}
		if len(ids) < 100 {
			ids = append(ids, r.ID)
		}
		if !slices.Contains(titles, r.Title) && len(titles) < 5 {
			titles = append(titles, r.Title)
		}
	}
	vars["alerts"], vars["title"] = strings.Join(ids, ","), strings.Join(titles, "; ")
	return vars
}
