package activities

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"vigil/internal/alert"
	"vigil/internal/expr"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/schema"
	"vigil/schema/flow"
)

// sweepsAtOnce is how many data sets are read side by side: one keeps the engine busy
// while the rules look at another.
const sweepsAtOnce = 2

// HuntRules asks all rules of one window, in one pass over the columns that they read:
// data set by data set, only events of which a rule could fire, only the values that the
// rules look at. Rules that look at the record itself are asked apart, so that it is handed
// over only where the engine finds what one of them looks for. It may be repeated at any point.
func (x *Hunts) HuntRules(ctx context.Context, w HuntWindow) (flow.HuntResult, error) {
	return x.answer(ctx, w, func() (flow.HuntResult, error) {
		h, err := x.newSweep(ctx, w)
		if err == nil {
			err = h.run(ctx)
		}
		if err != nil {
			return flow.HuntResult{}, err
		}
		return h.result(), nil
	})
}

// huntSet is the rules of a hunt, made ready for sweeps.
type huntSet struct {
	key      string
	plain    *rules.Set // rules that look at values
	record   *rules.Set // rules that look at the record
	stateful []*rules.Rule
}

// ready makes the sets of a hunt's rules. A window comes after the other, so that those
// of the last call are kept.
func (x *Hunts) ready(list []*rules.Rule, overlay rules.Overlay, key string) *huntSet {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.last != nil && x.last.key == key {
		return x.last
	}
	s := &huntSet{key: key}
	var plain, record []*rules.Rule
	for _, r := range list {
		running := *r
		running.Status = rules.Test // a draft is evaluated too
		switch {
		case r.Stateful():
			s.stateful = append(s.stateful, r)
		case r.ReadsRecord():
			record = append(record, &running)
		default:
			plain = append(plain, &running)
		}
	}
	o := rules.Overlay{Exceptions: overlay.Exceptions}
	s.plain, s.record = rules.SetOf(plain...).With(o), rules.SetOf(record...).With(o)
	x.last = s
	return s
}

// sweep is the state of one HuntRules.
type sweep struct {
	x       *Hunts
	w       HuntWindow
	inForce *rules.Set
	set     *huntSet
	name    string // of its queries

	mu     sync.Mutex
	res    flow.HuntResult
	tally  map[*rules.Rule]*tally
	raised []schema.Detection // not written yet
}

// tally is what one rule has found.
type tally struct {
	hits    int64
	samples []sample // the oldest
}

type sample struct {
	at time.Time
	id string
}

func (x *Hunts) newSweep(ctx context.Context, w HuntWindow) (*sweep, error) {
	set, err := x.Rules(ctx, w.Hunt.Org)
	if err != nil {
		return nil, err
	}
	c, err := choose(set, w.Hunt)
	if err != nil {
		return nil, err
	}
	if c.version() != w.Version {
		return nil, schema.E(schema.Conflict, "the rules changed while the hunt ran", "start the hunt again")
	}
	info := activity.GetInfo(ctx)
	return &sweep{x: x, w: w, inForce: set, set: x.ready(c.rules, set.Overlay(), c.version()+" "+set.Hash()), tally: map[*rules.Rule]*tally{},
		name: fmt.Sprintf("hunt-%s-%s-%d", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt),
		res:  flow.HuntResult{Version: w.Version, Samples: []string{}}}, nil
}

func (h *sweep) run(ctx context.Context) error {
	classes, err := h.x.Store.EventClasses(ctx, h.w.Hunt.Org, h.w.From, h.w.To)
	if err != nil {
		return err
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(sweepsAtOnce)
	for i, c := range classes {
		for _, s := range []struct {
			kind string
			set  *rules.Set
		}{{"p", h.set.plain}, {"r", h.set.record}} {
			q, ok, err := h.query(c, s.set, s.set == h.set.record)
			if err != nil {
				return err
			}
			if ok {
				q.ID = fmt.Sprintf("%s-%d%s", h.name, i, s.kind)
				g.Go(func() error { return h.ask(within, q, s.set.Evaluator()) })
			}
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := h.flush(ctx); err != nil {
		return err
	}
	return h.windows(ctx)
}

// query is the sweep over the events of a data set for a set of rules; false when none of
// them can fire there.
func (h *sweep) query(c store.EventClass, set *rules.Set, record bool) (q store.Sweep, ok bool, err error) {
	q = store.Sweep{Org: h.w.Hunt.Org, Dataset: c.Dataset, From: h.w.From, To: h.w.To}
	seen := map[expr.Ref]bool{}
	codes := c.Codes
	if codes == nil {
		codes = []string{rules.AnyCode}
	}
	asked := map[string]*rules.Rule{}
	for _, code := range codes {
		refs, list := set.Reads(c.Dataset, code)
		if len(list) == 0 {
			continue
		}
		for _, r := range list {
			asked[r.ID] = r
		}
		q.Codes = append(q.Codes, code)
		for _, r := range refs {
			if !seen[r] {
				seen[r] = true
				read(&q, r)
			}
		}
	}
	if len(q.Codes) == 0 {
		return q, false, nil
	}
	if len(q.Codes) == len(c.Codes) || c.Codes == nil {
		q.Codes = nil // all of them
	}
	if !record {
		return q, true, nil
	}
	any, err := chsql.Candidates(slices.SortedFunc(maps.Values(asked), func(a, b *rules.Rule) int { return strings.Compare(a.ID, b.ID) }))
	q.Condition, q.Params = any.SQL, store.P{}
	for k, v := range any.Params {
		q.Params[k] = v
	}
	return q, true, err
}

// read has a sweep read a value.
func read(q *store.Sweep, r expr.Ref) {
	switch {
	case r.Raw:
		q.Record = true
	case r.Extra != "":
		q.Extras = append(q.Extras, r.Extra)
	default:
		q.Fields = append(q.Fields, r.Field)
	}
}

// ask reads the events of a query and has them judged.
func (h *sweep) ask(ctx context.Context, q store.Sweep, eval *rules.Evaluator) error {
	var hits []rules.Hit
	stats, err := h.x.Store.SweepEvents(ctx, q, func(e store.HitEvent) error {
		hits = eval.Evaluate(e.Event, hits[:0])
		if len(hits) == 0 {
			return nil
		}
		return h.found(ctx, e, hits)
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.res.Scanned += int64(stats.Rows)
	h.res.Bytes += int64(stats.Bytes)
	h.res.Millis += stats.Millis
	return err
}

// found counts the hits of an event and keeps what is to be raised.
func (h *sweep) found(ctx context.Context, e store.HitEvent, hits []rules.Hit) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, hit := range hits {
		t := h.tally[hit.Rule]
		if t == nil {
			t = &tally{}
			h.tally[hit.Rule] = t
		}
		t.hits++
		t.keep(sample{e.Event.Time(), e.Event.ID.String()}, h.w.Samples)
		h.res.Hits++
		if h.w.Hunt.Raise || h.w.Fold {
			h.raised = append(h.raised, hit.Detection(rules.Origin{Org: h.w.Hunt.Org, Source: strings.Clone(e.Source), Ingested: e.Ingested}))
		}
	}
	if h.w.Fold && len(h.raised) > maxTrial {
		return schema.E(schema.Exhausted, fmt.Sprintf("the rules fire on more than %d events of the sample", maxTrial), "leave out the rules that fire most")
	}
	if h.w.Hunt.Raise && !h.w.Fold && len(h.raised) >= huntPage {
		return h.write(ctx)
	}
	return nil
}

// keep keeps the oldest samples.
func (t *tally) keep(s sample, most int) {
	i, _ := slices.BinarySearchFunc(t.samples, s, func(a, b sample) int { return cmp.Or(a.at.Compare(b.at), strings.Compare(a.id, b.id)) })
	if i >= most {
		return
	}
	t.samples = slices.Insert(t.samples, i, s)
	t.samples = t.samples[:min(len(t.samples), most)]
}

// flush writes what is left to be raised.
func (h *sweep) flush(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.w.Hunt.Raise || h.w.Fold {
		return nil
	}
	return h.write(ctx)
}

func (h *sweep) write(ctx context.Context) error {
	ds := h.raised
	h.raised = h.raised[:0]
	n, alerts, err := h.x.raise(ctx, h.w.Hunt.Org, ds)
	h.res.Detections += n
	h.res.Alerts += alerts
	return err
}

// windows asks the stateful rules, each by itself: how far they look differs.
func (h *sweep) windows(ctx context.Context) error {
	var sampled []string
	for _, r := range h.set.stateful {
		one, err := h.x.window(r, h.inForce, h.w, h.name+"-"+r.ID)
		if err != nil {
			return err
		}
		if err := one.run(ctx); err != nil {
			return fmt.Errorf("hunting %s: %w", r.ID, err)
		}
		one.res.Samples, sampled = nil, one.res.Samples
		h.res.Add(one.res, 0)
		h.raised = append(h.raised, one.folded...)
		if one.res.Hits > 0 {
			t := &tally{hits: one.res.Fires}
			for _, id := range sampled {
				t.samples = append(t.samples, sample{id: id})
			}
			h.tally[r] = t
		}
	}
	return nil
}

// result lists what each rule found, those that found most first.
func (h *sweep) result() flow.HuntResult {
	r := h.res
	r.Samples = []string{}
	for rule, t := range h.tally {
		if t.hits == 0 {
			continue
		}
		one := flow.HuntRule{Rule: rule.ID, Title: rule.Title, Severity: string(rule.Severity), Fires: t.hits, Samples: []string{}}
		for _, s := range t.samples {
			one.Samples = append(one.Samples, s.id)
		}
		r.Found = append(r.Found, one)
		if !rule.Stateful() {
			r.Fires += t.hits
		}
	}
	flow.SortFound(r.Found)
	return r
}

// PreviewHunt says what a hunt will cost and find: it asks the rules of the newest events
// of the range, folds what they find as ingestion would, and reckons from there.
func (x *Hunts) PreviewHunt(ctx context.Context, in flow.HuntInput, p HuntPlan) (flow.HuntPreview, error) {
	defer beating(ctx)()
	in.Raise = false
	w := HuntWindow{Hunt: in, Version: p.Version, From: p.Sample[0], To: p.Sample[1], Fold: true}
	out := flow.HuntPreview{Events: p.Events, Rows: p.Events, From: w.From, To: w.To}
	hours, err := x.Store.EventHours(ctx, in.Org, w.From, w.To)
	if err != nil {
		return out, Retryable(err)
	}
	for _, h := range hours {
		out.SampleEvents += h.Events
	}
	began := time.Now()
	ds, res, err := x.tried(ctx, w, p, &out)
	if err != nil {
		return out, Retryable(err)
	}
	out.SampleMillis = time.Since(began).Milliseconds()
	set, err := x.Rules(ctx, in.Org)
	if err != nil {
		return out, Retryable(err)
	}
	out.SampleFires = res.Fires
	out.SampleAlerts = int64(len(alert.Fold(ds, func(id, _ string) alert.Rule {
		if r, ok := set.Rule(id); ok {
			return alert.Rule{Window: r.Suppress.For}
		}
		return alert.Rule{}
	})))
	whole := func(n int64, of, all int64) int64 { return int64(float64(n) * float64(all) / float64(max(of, 1))) }
	out.Fires, out.Alerts = whole(out.SampleFires, out.SampleEvents, p.Events), whole(out.SampleAlerts, out.SampleEvents, p.Events)
	out.Bytes, out.Millis = whole(res.Bytes, out.SampleEvents, out.Rows), whole(out.SampleMillis, out.SampleEvents, out.Rows)
	return out, nil
}

// tried asks the rules of the sample; the rows that the whole hunt reads are put into out.
func (x *Hunts) tried(ctx context.Context, w HuntWindow, p HuntPlan, out *flow.HuntPreview) ([]schema.Detection, flow.HuntResult, error) {
	if p.Rules > 1 {
		h, err := x.newSweep(ctx, w)
		if err == nil {
			err = h.run(ctx)
		}
		if err != nil {
			return nil, flow.HuntResult{}, err
		}
		return h.raised, h.result(), nil
	}
	h, err := x.one(ctx, w)
	if err != nil {
		return nil, flow.HuntResult{}, err
	}
	whole := h.q
	whole.From, whole.To = p.From, p.To
	if out.Rows, err = x.Store.EstimateRows(ctx, whole); err == nil {
		err = h.run(ctx)
	}
	return h.folded, h.res, err
}
