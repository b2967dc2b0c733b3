package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"vigil/internal/store"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/rules/correlate"
	"vigil/schema"
	"vigil/schema/flow"
)

// HuntStore is what hunts ask and, when they raise, write; *store.Store is one.
type HuntStore interface {
	TimeRange(ctx context.Context, org string) (from, to time.Time, err error)
	CountHits(ctx context.Context, q store.HuntQuery) (store.HuntCount, error)
	HitIDs(ctx context.Context, q store.HuntQuery, limit int) ([]string, error)
	HitEvents(ctx context.Context, q store.HuntQuery, after store.HuntCursor, limit int) ([]store.HitEvent, error)
	KnownDetections(ctx context.Context, org string, ids []string) (map[string]bool, error)
	PutDetections(ctx context.Context, token string, list []schema.Detection) error
}

// HuntFolder folds what a hunt raised; *Alerts is one.
type HuntFolder interface {
	Folder
	SweepAlerts(ctx context.Context, org string) (FoldResult, error)
}

// Hunts runs rules over stored history.
type Hunts struct {
	Store  HuntStore
	Rules  func() *rules.Set
	Folder HuntFolder
	Trail  Trail
	Log    *slog.Logger
}

const (
	huntPage    = 500       // events read at once when their detections are needed
	maxHuntYAML = 256 << 10 // bytes of a rule handed in
	maxSamples  = 1000
)

// HuntPlan is what a hunt asks, checked and with its defaults.
type HuntPlan struct {
	Rule    string    `json:"rule"`
	Version string    `json:"version"`
	Kind    string    `json:"kind"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Samples int       `json:"samples"`
	Events  int64     `json:"events"` // stored in the range, whatever they are
}

// PlanHunt checks the rule and the range, and leaves the hunt in the audit trail.
func (x *Hunts) PlanHunt(ctx context.Context, in flow.HuntInput) (HuntPlan, error) {
	r, err := x.rule(in)
	if err != nil {
		return HuntPlan{}, Retryable(err)
	}
	if _, err := chsql.Where(r); err != nil {
		return HuntPlan{}, Retryable(err)
	}
	p := HuntPlan{Rule: r.ID, Version: r.Version, Kind: string(r.Kind), Samples: in.Limit}
	if p.Samples == 0 {
		p.Samples = 20
	}
	if p.Samples < 0 || p.Samples > maxSamples {
		return p, Retryable(schema.E(schema.Invalid, fmt.Sprintf("limit cannot be %d", in.Limit), "1 to 1000 sample events"))
	}
	if p.From, p.To, err = x.span(ctx, in); err != nil {
		return p, Retryable(err)
	}
	all, err := x.Store.CountHits(ctx, store.HuntQuery{Org: in.Org, Condition: "1", From: p.From, To: p.To})
	if err != nil {
		return p, Retryable(err)
	}
	p.Events = all.Hits
	key := activity.GetInfo(ctx).WorkflowExecution.RunID
	err = x.Trail.record(ctx, schema.AuditRecord{Org: in.Org, ID: auditID("hunt.run", key), Actor: by(in.By), Verb: "hunt.run", Object: r.ID, Outcome: "ok",
		Details: map[string]string{"version": r.Version, "from": stamp(p.From), "to": stamp(p.To), "raise": fmt.Sprint(in.Raise), "workflow": activity.GetInfo(ctx).WorkflowExecution.ID}})
	return p, Retryable(err)
}

// span is the range of event times that is asked; what is left out is where the
// stored events begin and end.
func (x *Hunts) span(ctx context.Context, in flow.HuntInput) (from, to time.Time, err error) {
	from, to = in.From.UTC(), in.To.UTC()
	if in.From.IsZero() || in.To.IsZero() {
		first, last, err := x.Store.TimeRange(ctx, in.Org)
		if err != nil {
			return from, to, fmt.Errorf("looking for the oldest and newest event: %w", err)
		}
		if in.From.IsZero() {
			from = first.UTC()
		}
		if in.To.IsZero() {
			to = last.UTC().Add(time.Microsecond)
		}
	} else if !from.Before(to) {
		return from, to, schema.E(schema.Invalid, fmt.Sprintf("the range from %s to %s is empty", stamp(from), stamp(to)), "from must be before to")
	}
	return from, to, nil
}

// rule is the rule that the hunt names, or the one it brings along.
func (x *Hunts) rule(in flow.HuntInput) (*rules.Rule, error) {
	switch {
	case in.Rule != "" && in.YAML != "":
		return nil, schema.E(schema.Invalid, "the hunt names a rule and brings another", "give rule or yaml")
	case in.Rule != "":
		r, ok := x.Rules().Rule(in.Rule)
		if !ok {
			return nil, schema.E(schema.NotFound, fmt.Sprintf("there is no rule %q", in.Rule), near(in.Rule, x.Rules()))
		}
		return r, raisable(r, in.Raise)
	case in.YAML == "":
		return nil, schema.E(schema.Invalid, "a hunt needs a rule", `its id in "rule", or its document in "yaml"`)
	case len(in.YAML) > maxHuntYAML:
		return nil, schema.E(schema.Invalid, fmt.Sprintf("the rule has %d bytes, the limit is %d", len(in.YAML), maxHuntYAML), "")
	}
	list, errs := rules.Parse("rule.yaml", []byte(in.YAML), rules.Options{})
	if len(errs) > 0 {
		return nil, schema.E(schema.Invalid, errors.Join(errs[:min(len(errs), 10)]...).Error(), "`vigil rules check FILE` says the same")
	}
	if len(list) != 1 {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("the document holds %d rules", len(list)), "a hunt asks one rule")
	}
	if loaded, ok := x.Rules().Rule(list[0].ID); in.Raise && (!ok || loaded.Version != list[0].Version) {
		return nil, schema.E(schema.Conflict, "rule "+list[0].ID+" is not in use as it is written here, so it cannot raise alerts",
			"hunt without raise, or put the file into the folder rules of the data folder and restart the workers")
	}
	return list[0], raisable(list[0], in.Raise)
}

func raisable(r *rules.Rule, raise bool) error {
	if raise && !r.Runs() {
		return schema.E(schema.Conflict, "rule "+r.ID+" is a draft, and drafts raise nothing", "hunt without raise, or set its status to test")
	}
	return nil
}

func near(id string, set *rules.Set) string {
	var ids []string
	for _, r := range set.Rules() {
		ids = append(ids, r.ID)
	}
	if n := schema.Nearest(id, ids); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "`vigil rules list` shows them"
}

// HuntWindow is one stretch of a hunt's range.
type HuntWindow struct {
	Hunt    flow.HuntInput `json:"hunt"`
	Version string         `json:"version"` // of the rule, as planned
	From    time.Time      `json:"from"`
	To      time.Time      `json:"to"`
	Samples int            `json:"samples"` // how many more are wanted
}

// HuntRule asks one window. It may be repeated at any point: ids of detections and
// alerts depend on rule and events only. When it is cancelled, the engine drops the query.
func (x *Hunts) HuntRule(ctx context.Context, w HuntWindow) (flow.HuntResult, error) {
	defer beat(ctx)()
	r, err := x.rule(w.Hunt)
	if err == nil && r.Version != w.Version {
		err = schema.E(schema.Conflict, "rule "+r.ID+" changed while the hunt ran", "start the hunt again")
	}
	if err != nil {
		return flow.HuntResult{}, Retryable(err)
	}
	where, err := chsql.Where(r)
	if err != nil {
		return flow.HuntResult{}, Retryable(err)
	}
	info := activity.GetInfo(ctx)
	h := &hunt{x: x, w: w, rule: r, res: flow.HuntResult{Rule: r.ID, Version: r.Version, Kind: string(r.Kind), Samples: []string{}},
		q: store.HuntQuery{Org: w.Hunt.Org, Condition: where.SQL, Params: store.P{}, From: w.From, To: w.To,
			ID: fmt.Sprintf("hunt-%s-%s-%d", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt)}}
	for k, v := range where.Params {
		h.q.Params[k] = v
	}
	if err := h.run(ctx); err != nil {
		return h.res, Retryable(fmt.Errorf("hunting %s: %w", r.ID, err))
	}
	if w.Hunt.Raise && info.Attempt > 1 { // what an attempt before this one wrote, but did not fold
		if _, err := x.Folder.SweepAlerts(ctx, w.Hunt.Org); err != nil {
			return h.res, err
		}
	}
	return h.res, nil
}

// beat heartbeats while something else is waited for; call what it returns at the end.
func beat(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	go heartbeat(ctx, done)
	return func() { close(done) }
}

// hunt is the state of one HuntRule.
type hunt struct {
	x    *Hunts
	w    HuntWindow
	rule *rules.Rule
	q    store.HuntQuery
	res  flow.HuntResult
}

func (h *hunt) run(ctx context.Context) error {
	count, err := h.x.Store.CountHits(ctx, h.q)
	if err != nil {
		return err
	}
	h.res.Hits, h.res.Fires = count.Hits, count.Hits
	h.res.Scanned, h.res.Bytes, h.res.Millis = int64(count.Stats.Rows), int64(count.Stats.Bytes), count.Stats.Millis
	if count.Hits == 0 {
		h.res.Fires = 0
		return nil
	}
	if h.rule.Stateful() {
		return h.stateful(ctx)
	}
	if h.w.Samples > 0 {
		if h.res.Samples, err = h.x.Store.HitIDs(ctx, h.q, h.w.Samples); err != nil {
			return err
		}
	}
	if !h.w.Hunt.Raise {
		return nil
	}
	return h.pages(ctx, h.q, func(ds []schema.Detection) error { return h.raise(ctx, ds) })
}

// pages reads the hits and hands on their detections, a page at a time.
func (h *hunt) pages(ctx context.Context, q store.HuntQuery, do func([]schema.Detection) error) error {
	running := *h.rule
	running.Status = rules.Test // a draft is evaluated too
	eval := rules.SetOf(&running).With(rules.Overlay{Exceptions: h.x.Rules().Overlay().Exceptions}).Evaluator()
	var at store.HuntCursor
	for {
		page, err := h.x.Store.HitEvents(ctx, q, at, huntPage)
		if err != nil {
			return err
		}
		ds := make([]schema.Detection, 0, len(page))
		for _, e := range page {
			hits := eval.Evaluate(e.Event, nil)
			if len(hits) == 0 {
				h.x.Log.Warn("a stored event meets a rule in ClickHouse and not in the evaluator; report this", "rule", h.rule.ID, "event", e.Event.ID.String())
				continue
			}
			ds = append(ds, hits[0].Detection(rules.Origin{Org: q.Org, Source: e.Source, Ingested: e.Ingested}))
		}
		if err := do(ds); err != nil {
			return err
		}
		if len(page) < huntPage {
			return nil
		}
		last := page[len(page)-1].Event
		at = store.HuntCursor{Time: last.Time(), ID: last.ID.String()}
		if at.Time.IsZero() {
			at.Time = time.Unix(0, 0) // how the store keeps it
		}
	}
}

// raise writes the detections that are not there yet and folds them. Their chunk is
// named after them, so a repeat of the insert is the same insert.
func (h *hunt) raise(ctx context.Context, ds []schema.Detection) error {
	ids := make([]string, len(ds))
	for i, d := range ds {
		ids[i] = d.ID
	}
	known, err := h.x.Store.KnownDetections(ctx, h.q.Org, ids)
	if err != nil {
		return err
	}
	fresh := slices.DeleteFunc(ds, func(d schema.Detection) bool { return known[d.ID] })
	if len(fresh) == 0 {
		return nil
	}
	key := []string{"hunt", h.q.Org}
	for _, d := range fresh {
		key = append(key, d.ID)
	}
	chunk := "hunt:" + schema.HashID(key...)
	for i := range fresh {
		fresh[i].Chunk = chunk
	}
	if err := h.x.Store.PutDetections(ctx, chunk, fresh); err != nil {
		return err
	}
	h.res.Detections += int64(len(fresh))
	folded, err := h.x.Folder.FoldChunk(ctx, h.q.Org, []string{chunk})
	h.res.Alerts += int64(folded.Alerts)
	return err
}

// stateful judges the hits as the rule says. It looks over the edges of the window as
// far as the rule does, and keeps what fires inside.
func (h *hunt) stateful(ctx context.Context) error {
	window := correlate.Range{From: h.w.From, To: h.w.To}
	judged := correlate.Aligned(h.rule, window)
	needs := correlate.Needs(h.rule, judged)
	q := h.q
	q.From, q.To = needs.From, needs.To
	var bases []schema.Detection
	err := h.pages(ctx, q, func(ds []schema.Detection) error {
		bases = append(bases, ds...)
		if len(bases) > maxBases {
			return schema.E(schema.Invalid, fmt.Sprintf("more than %d events of rule %s have to be judged at once", maxBases, h.rule.ID), "narrow the range, or the rule's condition")
		}
		return nil
	})
	if err != nil {
		return err
	}
	fires, _ := correlate.Judge(h.rule, bases, judged, time.Now())
	fires = slices.DeleteFunc(fires, func(d schema.Detection) bool { return !window.Holds(d.Time) })
	h.res.Fires = int64(len(fires))
	for _, d := range fires[:min(len(fires), h.w.Samples)] {
		h.res.Samples = append(h.res.Samples, d.EventID)
	}
	if !h.w.Hunt.Raise {
		return nil
	}
	for page := range slices.Chunk(fires, huntPage) {
		if err := h.raise(ctx, page); err != nil {
			return err
		}
	}
	return nil
}
