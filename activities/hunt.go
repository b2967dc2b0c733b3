package activities

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
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
	EventHours(ctx context.Context, org string, from, to time.Time) ([]store.HourCount, error)
	EventClasses(ctx context.Context, org string, from, to time.Time) ([]store.EventClass, error)
	EstimateRows(ctx context.Context, q store.HuntQuery) (int64, error)
	CountHits(ctx context.Context, q store.HuntQuery) (store.HuntCount, error)
	HitEvents(ctx context.Context, q store.HuntQuery, after store.HuntCursor, limit int) ([]store.HitEvent, error)
	SweepEvents(ctx context.Context, q store.Sweep, do func(store.HitEvent) error) (store.SearchStats, error)
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
	Rules  func(ctx context.Context, org string) (*rules.Set, error) // in force
	Folder HuntFolder
	Trail  Trail
	Log    *slog.Logger
	// Crash is called at the named points; kill tests make it end the process. nil does nothing.
	Crash func(point string)

	mu   sync.Mutex
	last *huntSet // of the last call of HuntRules
}

const (
	huntPage    = 500       // detections written at once
	trialPage   = 10_000    // events read at once for a trial
	maxHuntYAML = 256 << 10 // bytes of rules handed in
	maxSamples  = 1000
	someSamples = 10 // at most, of each of many rules
)

// How many events a window of a hunt is meant to hold: what is read again when a worker
// dies in the middle. A rule reads a few columns of them, many rules nearly all, and rules
// over time look back before the window.
const (
	huntWindowOne      = 25_000_000
	huntWindowStateful = 5_000_000
	huntWindowMany     = 4_000_000
	maxHuntWindows     = 60        // bounds the activities of one hunt, and so its history
	huntSample         = 1_000_000 // events that a preview looks at
)

// HuntPlan is what a hunt asks, checked and with its defaults.
type HuntPlan struct {
	Rule    string         `json:"rule"`
	Version string         `json:"version"`
	Kind    string         `json:"kind"`
	From    time.Time      `json:"from"`
	To      time.Time      `json:"to"`
	Samples int            `json:"samples"`
	Events  int64          `json:"events"`  // stored in the range, whatever they are
	Rules   int            `json:"rules"`   // 1: HuntRule asks it, more: HuntRules
	Windows [][2]time.Time `json:"windows"` // of the range, one behind the other
	Sample  [2]time.Time   `json:"sample"`  // newest events, for a preview
	Skipped []string       `json:"skipped,omitempty"`
}

// PlanHunt checks the rules and the range, cuts the range into windows, and leaves the
// hunt in the audit trail.
func (x *Hunts) PlanHunt(ctx context.Context, in flow.HuntInput) (HuntPlan, error) {
	set, err := x.Rules(ctx, in.Org)
	if err != nil {
		return HuntPlan{}, Retryable(err)
	}
	c, err := choose(set, in)
	if err != nil {
		return HuntPlan{}, Retryable(err)
	}
	p := HuntPlan{Rule: c.rules[0].ID, Version: c.version(), Kind: string(c.rules[0].Kind), Samples: cmp.Or(in.Limit, 20), Rules: len(c.rules), Skipped: c.skipped}
	most, size := maxSamples, int64(huntWindowOne)
	switch {
	case len(c.rules) > 1:
		p.Rule, p.Kind, p.Samples, most, size = in.Name(), "rules", cmp.Or(in.Limit, 3), someSamples, huntWindowMany
	case c.rules[0].Stateful():
		size = huntWindowStateful
	}
	if p.Samples < 0 || p.Samples > most {
		return p, Retryable(schema.E(schema.Invalid, fmt.Sprintf("limit cannot be %d", in.Limit), fmt.Sprintf("1 to %d sample events", most)))
	}
	if p.From, p.To, err = x.span(ctx, in); err != nil {
		return p, Retryable(err)
	}
	hours, err := x.Store.EventHours(ctx, in.Org, p.From, p.To)
	if err != nil {
		return p, Retryable(err)
	}
	for _, h := range hours {
		p.Events += h.Events
	}
	if in.Window > 0 {
		size = in.Window
	}
	p.Windows = cutWindows(hours, p.From, p.To, max(size, p.Events/maxHuntWindows+1))
	p.Sample = newest(hours, p.From, p.To, huntSample)
	key := activity.GetInfo(ctx).WorkflowExecution.RunID
	err = x.Trail.record(ctx, schema.AuditRecord{Org: in.Org, ID: auditID("hunt.run", key), Actor: by(in.By), Verb: "hunt.run", Object: p.Rule, Outcome: "ok",
		Details: map[string]string{"version": p.Version, "from": stamp(p.From), "to": stamp(p.To), "rules": fmt.Sprint(p.Rules), "raise": fmt.Sprint(in.Raise), "preview": fmt.Sprint(in.Preview),
			"workflow": activity.GetInfo(ctx).WorkflowExecution.ID}})
	return p, Retryable(err)
}

// cutWindows cuts a range into windows of about size events, at hours of event time, and
// within hours that hold more.
func cutWindows(hours []store.HourCount, from, to time.Time, size int64) [][2]time.Time {
	out := [][2]time.Time{}
	held := int64(0)
	cut := func(at time.Time) {
		if from.Before(at) && !at.After(to) {
			out = append(out, [2]time.Time{from, at})
			from, held = at, 0
		}
	}
	for _, h := range hours {
		if held > 0 && held+h.Events > size {
			cut(h.Hour)
		}
		held += h.Events
		slices := min((h.Events+size-1)/size, 3600)
		for k := int64(1); k < slices; k++ {
			cut(h.Hour.Add(time.Duration(k) * time.Hour / time.Duration(slices)))
		}
	}
	cut(to)
	return out
}

// newest is the end of a range that holds about so many events.
func newest(hours []store.HourCount, from, to time.Time, events int64) [2]time.Time {
	held := int64(0)
	for _, h := range slices.Backward(hours) {
		if held += h.Events; held < events {
			continue
		}
		over := held - events // of this hour, taken as even
		at := h.Hour.Add(time.Duration(float64(time.Hour) * float64(over) / float64(h.Events)))
		if at.After(from) && at.Before(to) {
			from = at
		}
		break
	}
	return [2]time.Time{from, to}
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

// HuntWindow is one stretch of a hunt's range.
type HuntWindow struct {
	Hunt    flow.HuntInput `json:"hunt"`
	Version string         `json:"version"` // of the rules, as planned
	From    time.Time      `json:"from"`
	To      time.Time      `json:"to"`
	Samples int            `json:"samples"` // how many more are wanted
	Fold    bool           `json:"-"`       // keep the detections, and write nothing
}

// HuntRule asks one rule of one window. It may be repeated at any point: ids of detections
// and alerts depend on rule and events only. When it is cancelled, the engine drops the query.
func (x *Hunts) HuntRule(ctx context.Context, w HuntWindow) (flow.HuntResult, error) {
	return x.answer(ctx, w, func() (flow.HuntResult, error) {
		h, err := x.one(ctx, w)
		if err == nil {
			err = h.run(ctx)
		}
		if err != nil {
			return flow.HuntResult{}, err
		}
		return h.res, nil
	})
}

// answer asks a window, and folds what an attempt before this one wrote, but did not fold.
func (x *Hunts) answer(ctx context.Context, w HuntWindow, ask func() (flow.HuntResult, error)) (flow.HuntResult, error) {
	defer beating(ctx)()
	res, err := ask()
	if err != nil {
		return res, Retryable(err)
	}
	if w.Hunt.Raise && activity.GetInfo(ctx).Attempt > 1 {
		if _, err := x.Folder.SweepAlerts(ctx, w.Hunt.Org); err != nil {
			return res, err
		}
	}
	x.crash("before-hunt-answer")
	return res, nil
}

func (x *Hunts) crash(point string) {
	if x.Crash != nil {
		x.Crash(point)
	}
}

// one finds the rule of a window anew and makes ready to ask it.
func (x *Hunts) one(ctx context.Context, w HuntWindow) (*hunt, error) {
	set, err := x.Rules(ctx, w.Hunt.Org)
	if err != nil {
		return nil, err
	}
	c, err := choose(set, w.Hunt)
	if err != nil {
		return nil, err
	}
	if c.version() != w.Version {
		return nil, schema.E(schema.Conflict, "rule "+c.rules[0].ID+" changed while the hunt ran", "start the hunt again")
	}
	info := activity.GetInfo(ctx)
	return x.window(c.rules[0], set, w, fmt.Sprintf("hunt-%s-%s-%d", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt))
}

// window is one rule asked of one window; queryID names its statements.
func (x *Hunts) window(r *rules.Rule, set *rules.Set, w HuntWindow, queryID string) (*hunt, error) {
	where, err := chsql.Where(r)
	if err != nil {
		return nil, err
	}
	h := &hunt{x: x, w: w, rule: r, exceptions: set.Overlay().Exceptions, res: flow.HuntResult{Rule: r.ID, Version: r.Version, Kind: string(r.Kind), Samples: []string{}},
		q: store.HuntQuery{Org: w.Hunt.Org, Condition: where.SQL, Params: store.P{}, From: w.From, To: w.To, ID: queryID}}
	for k, v := range where.Params {
		h.q.Params[k] = v
	}
	return h, nil
}

// hunt is the state of one HuntRule.
type hunt struct {
	x          *Hunts
	w          HuntWindow
	rule       *rules.Rule
	exceptions []*rules.Exception
	q          store.HuntQuery
	res        flow.HuntResult
	folded     []schema.Detection // when the window asks for them
}

func (h *hunt) run(ctx context.Context) error {
	q := h.q
	if !h.rule.Stateful() {
		q.Samples = h.w.Samples
	}
	count, err := h.x.Store.CountHits(ctx, q)
	if err != nil {
		return fmt.Errorf("hunting %s: %w", h.rule.ID, err)
	}
	h.res.Hits, h.res.Fires = count.Hits, count.Hits
	h.res.Scanned, h.res.Bytes, h.res.Millis = int64(count.Stats.Rows), int64(count.Stats.Bytes), count.Stats.Millis
	if count.Hits == 0 {
		return nil
	}
	if h.rule.Stateful() {
		return h.stateful(ctx)
	}
	h.res.Samples = append(h.res.Samples, count.IDs...)
	if !h.w.Hunt.Raise && !h.w.Fold {
		return nil
	}
	var page []schema.Detection
	err = h.detections(ctx, h.q, func(d schema.Detection) error {
		if page = append(page, d); len(page) < huntPage {
			return nil
		}
		err := h.keep(ctx, page)
		page = page[:0]
		return err
	})
	if err != nil {
		return err
	}
	return h.keep(ctx, page)
}

// keep writes detections, or keeps them for a preview.
func (h *hunt) keep(ctx context.Context, ds []schema.Detection) error {
	if h.w.Fold {
		if h.folded = append(h.folded, ds...); len(h.folded) > maxTrial {
			return schema.E(schema.Exhausted, fmt.Sprintf("rule %s fires on more than %d events of the sample", h.rule.ID, maxTrial), "narrow its condition")
		}
		return nil
	}
	n, alerts, err := h.x.raise(ctx, h.q.Org, ds)
	h.res.Detections += n
	h.res.Alerts += alerts
	return err
}

// running is the set of the rule alone; a draft is evaluated too.
func (h *hunt) running() *rules.Set {
	running := *h.rule
	running.Status = rules.Test
	return rules.SetOf(&running).With(rules.Overlay{Exceptions: h.exceptions})
}

// pages reads the hits, the oldest first, and hands on their detections, a page at a time.
func (h *hunt) pages(ctx context.Context, q store.HuntQuery, do func([]schema.Detection) error) error {
	eval := h.running().Evaluator()
	var at store.HuntCursor
	for {
		page, err := h.x.Store.HitEvents(ctx, q, at, trialPage)
		if err != nil {
			return err
		}
		ds := make([]schema.Detection, 0, len(page))
		for _, e := range page {
			if d, ok := h.detection(eval, e); ok {
				ds = append(ds, d)
			}
		}
		if err := do(ds); err != nil {
			return err
		}
		if len(page) < trialPage {
			return nil
		}
		last := page[len(page)-1].Event
		at = store.HuntCursor{Time: last.Time(), ID: last.ID.String()}
		if at.Time.IsZero() {
			at.Time = time.Unix(0, 0) // how the store keeps it
		}
	}
}

// detections reads the hits in one pass, in no order, and hands on the detection of each,
// once.
func (h *hunt) detections(ctx context.Context, q store.HuntQuery, do func(schema.Detection) error) error {
	set := h.running()
	s := store.Sweep{Org: q.Org, From: q.From, To: q.To, Condition: q.Condition, Params: q.Params, ID: q.ID + "-hits"}
	for _, r := range set.ReadsAll() {
		read(&s, r)
	}
	eval, seen := set.Evaluator(), map[string]bool{}
	stats, err := h.x.Store.SweepEvents(ctx, s, func(e store.HitEvent) error {
		d, ok := h.detection(eval, e)
		if !ok || seen[d.ID] {
			return nil
		}
		seen[d.ID] = true
		return do(d)
	})
	h.res.Scanned += int64(stats.Rows)
	h.res.Bytes += int64(stats.Bytes)
	h.res.Millis += stats.Millis
	return err
}

// detection is what the rule makes of an event that it hit in the store.
func (h *hunt) detection(eval *rules.Evaluator, e store.HitEvent) (schema.Detection, bool) {
	hits := eval.Evaluate(e.Event, nil)
	if len(hits) == 0 {
		h.x.Log.Warn("a stored event meets a rule in ClickHouse and not in the evaluator; report this", "rule", h.rule.ID, "event", e.Event.ID.String())
		return schema.Detection{}, false
	}
	return hits[0].Detection(rules.Origin{Org: h.q.Org, Source: strings.Clone(e.Source), Ingested: e.Ingested}), true
}

// raise writes the detections that are not there yet and folds them, and says how many
// those are and of how many alerts they are part. Their chunk is named after them, so a
// repeat of the insert is the same insert.
func (x *Hunts) raise(ctx context.Context, org string, ds []schema.Detection) (detections, alerts int64, err error) {
	ids := make([]string, len(ds))
	for i, d := range ds {
		ids[i] = d.ID
	}
	known, err := x.Store.KnownDetections(ctx, org, ids)
	if err != nil {
		return 0, 0, err
	}
	fresh := slices.DeleteFunc(ds, func(d schema.Detection) bool {
		seen := known[d.ID]
		known[d.ID] = true
		return seen
	})
	if len(fresh) == 0 {
		return 0, 0, nil
	}
	key := []string{"hunt", org}
	for _, d := range fresh {
		key = append(key, d.ID)
	}
	chunk := "hunt:" + schema.HashID(key...)
	for i := range fresh {
		fresh[i].Chunk = chunk
	}
	if err := x.Store.PutDetections(ctx, chunk, fresh); err != nil {
		return 0, 0, err
	}
	folded, err := x.Folder.FoldChunk(ctx, org, []string{chunk})
	return int64(len(fresh)), int64(folded.Alerts), err
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
	err := h.detections(ctx, q, func(d schema.Detection) error {
		if bases = append(bases, d); len(bases) > maxBases {
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
	if !h.w.Hunt.Raise && !h.w.Fold {
		return nil
	}
	for page := range slices.Chunk(fires, huntPage) {
		if err := h.keep(ctx, page); err != nil {
			return err
		}
	}
	return nil
}
