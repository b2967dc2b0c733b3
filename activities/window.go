package activities

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vigil/internal/store"
	"vigil/rules"
	"vigil/rules/correlate"
	"vigil/schema"
)

// WindowStore is what judging stateful rules reads and writes.
type WindowStore interface {
	PendingWindows(ctx context.Context, org string, chunks []string, limit int) ([]store.PendingWindow, error)
	BaseDetections(ctx context.Context, org, rule, version string, from, to time.Time, limit int) ([]schema.Detection, error)
	NewestJudged(ctx context.Context, org, rule, version string) (time.Time, error)
	FiredIn(ctx context.Context, org, rule, version, kind string, from, to time.Time) ([]store.Fired, error)
	PutDetections(ctx context.Context, token string, list []schema.Detection) error
	PutRetractions(ctx context.Context, org, rule string, list []store.Fired, now time.Time) error
	AlertsOf(ctx context.Context, org string, detections []string) ([]string, error)
	PutEvaluations(ctx context.Context, token string, list []schema.Evaluation) error
	PendingAggregates(ctx context.Context, org string, limit int) ([]store.PendingAggregate, error)
	TouchedWindows(ctx context.Context, org string, chunks, datasets []string, width time.Duration) ([]time.Time, error)
	Aggregate(ctx context.Context, org, sql string, from, to time.Time) ([]store.AggregateRow, error)
}

// WindowResult says what judging did.
type WindowResult struct {
	FoldResult
	Windows    int `json:"windows"`    // rule × chunk pairs judged
	Detections int `json:"detections"` // new ones
	Withdrawn  int `json:"withdrawn"`  // taken back
}

func (r *WindowResult) add(o WindowResult) {
	r.FoldResult.add(o.FoldResult)
	r.Windows += o.Windows
	r.Detections += o.Detections
	r.Withdrawn += o.Withdrawn
}

const (
	maxWindows = 500     // rule × chunk pairs in one round
	maxBases   = 200_000 // base detections judged at once
)

// EvaluateWindows judges the base detections of stateful rules that the evaluation
// ledger does not name yet, and the windows of aggregate rules. What is found is written
// and folded, what late events proved wrong is taken back, and the ledger is written last.
func (a *Alerts) EvaluateWindows(ctx context.Context, org string) (WindowResult, error) {
	defer beating(ctx)()
	total, err := a.windows(ctx, org, nil)
	if err != nil {
		return total, Retryable(err)
	}
	r, err := a.aggregates(ctx, org)
	total.add(r)
	return total, Retryable(err)
}

func (a *Alerts) windows(ctx context.Context, org string, chunks []string) (WindowResult, error) {
	var total WindowResult
	pending, err := a.Store.PendingWindows(ctx, org, chunks, maxWindows)
	if err != nil {
		return total, err
	}
	byRule := map[string][]store.PendingWindow{}
	for _, w := range pending {
		byRule[w.Rule+"\x00"+w.Version] = append(byRule[w.Rule+"\x00"+w.Version], w)
	}
	for _, key := range slices.Sorted(maps.Keys(byRule)) {
		r, err := a.judgeRule(ctx, org, byRule[key])
		total.add(r)
		if err != nil {
			return total, fmt.Errorf("judging rule %s: %w", byRule[key][0].Rule, err)
		}
	}
	return total, nil
}

// judgeRule judges one rule version wherever its pending chunks can matter.
func (a *Alerts) judgeRule(ctx context.Context, org string, ws []store.PendingWindow) (WindowResult, error) {
	rule, err := a.Rules.Version(ctx, org, ws[0].Rule, ws[0].Version)
	if schema.CodeOf(err) == schema.NotFound || err == nil && !rule.Stateful() {
		return WindowResult{Windows: len(ws)}, a.ledger(ctx, org, ws, time.Time{}, "this version of the rule is not stored", 0)
	}
	if err != nil {
		return WindowResult{}, err
	}
	newest, err := a.Store.NewestJudged(ctx, org, rule.ID, rule.Version)
	if err != nil {
		return WindowResult{}, err
	}
	j := &judging{a: a, org: org, rule: rule, res: WindowResult{Windows: len(ws)}}
	for _, span := range spans(rule, ws) {
		if err := j.span(ctx, span); err != nil {
			return j.res, err
		}
	}
	if j.open {
		return j.res, nil // an absence is not over: the next round judges again
	}
	a.crash("before-window-ledger")
	return j.res, a.ledger(ctx, org, ws, newest, j.why, j.res.Detections)
}

// spans are where the pending chunks of a rule can matter, joined where they touch.
func spans(rule *rules.Rule, ws []store.PendingWindow) []correlate.Range {
	var out []correlate.Range
	all := make([]correlate.Range, len(ws))
	for i, w := range ws {
		all[i] = correlate.Affected(rule, w.From, w.To)
	}
	slices.SortFunc(all, func(x, y correlate.Range) int { return cmp.Or(x.From.Compare(y.From), x.To.Compare(y.To)) })
	for _, r := range all {
		if n := len(out); n > 0 && !r.From.After(out[n-1].To) {
			if r.To.After(out[n-1].To) {
				out[n-1].To = r.To
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// judging is the state of judging one rule.
type judging struct {
	a    *Alerts
	org  string
	rule *rules.Rule
	res  WindowResult
	open bool   // an absence was not over
	why  string // what could not be judged
}

// span judges a range in as large pieces as can be held.
func (j *judging) span(ctx context.Context, judged correlate.Range) error {
	bases, err := j.bases(ctx, judged)
	if err != nil {
		return err
	}
	if len(bases) == maxBases {
		if a, b, ok := correlate.Halves(j.rule, judged); ok {
			if err := j.span(ctx, a); err != nil {
				return err
			}
			return j.span(ctx, b)
		}
		j.why = fmt.Sprintf("more than %d base detections in one window; the first ones were judged", maxBases)
		j.a.Log.Warn("a stateful rule has more base detections than are judged at once", "rule", j.rule.ID, "limit", maxBases)
	}
	// Somebody else may judge at the same time with less or more in hand. Who writes looks
	// again whether what it judged by is still all there is; so the last one is right.
	for range 5 {
		fires, open := correlate.Judge(j.rule, bases, judged, time.Now())
		j.open = j.open || !open.IsZero()
		r, err := j.a.reconcile(ctx, j.org, j.rule, judged, fires)
		j.res.add(r)
		if err != nil {
			return err
		}
		again, err := j.bases(ctx, judged)
		if err != nil || len(again) == len(bases) {
			return err
		}
		bases = again
	}
	return nil
}

func (j *judging) bases(ctx context.Context, judged correlate.Range) ([]schema.Detection, error) {
	needs := correlate.Needs(j.rule, judged)
	return j.a.Store.BaseDetections(ctx, j.org, j.rule.ID, j.rule.Version, needs.From, needs.To, maxBases)
}

// reconcile makes what is stored of a rule in a range what is right there: detections
// that are missing are written and folded, those that are wrong are taken back, and
// those taken back in error are given back. It may be repeated at any point.
func (a *Alerts) reconcile(ctx context.Context, org string, rule *rules.Rule, judged correlate.Range, right []schema.Detection) (WindowResult, error) {
	var res WindowResult
	stored, err := a.Store.FiredIn(ctx, org, rule.ID, rule.Version, string(rule.Kind), judged.From, judged.To)
	if err != nil {
		return res, err
	}
	known := map[string]bool{}
	for _, f := range stored {
		known[f.ID] = true
	}
	want := map[string]bool{}
	var fresh []schema.Detection
	for _, d := range right {
		want[d.ID] = true
		if !known[d.ID] {
			fresh = append(fresh, d)
		}
	}
	var moved []store.Fired
	var touched []string
	for _, f := range stored {
		wrong := f.Withdrawn == want[f.ID]
		if wrong {
			moved = append(moved, store.Fired{ID: f.ID, Withdrawn: !f.Withdrawn, Version: f.Version + 1})
		}
		if wrong || f.Version > 0 { // the attempt before this one may have ended before its alerts were looked at
			touched = append(touched, f.ID)
		}
	}
	if err := a.Store.PutRetractions(ctx, org, rule.ID, moved, time.Now().UTC()); err != nil {
		return res, err
	}
	res.Detections, res.Withdrawn = len(fresh), len(moved)
	if res.FoldResult, err = a.putFired(ctx, org, rule, fresh); err != nil {
		return res, err
	}
	return res, a.revise(ctx, org, touched)
}

// putFired writes new detections of a stateful rule as a chunk of their own, named after
// them, and folds it.
func (a *Alerts) putFired(ctx context.Context, org string, rule *rules.Rule, fresh []schema.Detection) (FoldResult, error) {
	if len(fresh) == 0 {
		return FoldResult{}, nil
	}
	key := []string{"window", org, rule.ID, rule.Version}
	for _, d := range fresh {
		key = append(key, d.ID)
	}
	chunk := windowChunk + schema.HashID(key...)
	for i := range fresh {
		fresh[i].Chunk = chunk
	}
	a.crash("before-window-detections")
	if err := a.Store.PutDetections(ctx, chunk, fresh); err != nil {
		return FoldResult{}, err
	}
	return a.fold(ctx, org, []string{chunk})
}

// tookBack is the reason of alerts that are closed because nothing is left of them.
const tookBack = "Taken back: events that came late show that the rule does not fire."

// windowChunk begins the chunk ids of what stateful rules find.
const windowChunk = "window:"

// judgedIDs are the detections that stateful rules made: they may have been taken back
// before they were folded.
func judgedIDs(ds []schema.Detection) []string {
	var out []string
	for _, d := range ds {
		if strings.HasPrefix(d.Chunk, windowChunk) {
			out = append(out, d.ID)
		}
	}
	return out
}

// takenBack says whether an alert is closed because nothing was left of it.
func takenBack(x schema.Alert) bool { return x.Status == schema.AlertClosed && x.Reason == tookBack }

// reopened is an alert that was taken back, as something comes back to it.
func reopened(x schema.Alert) schema.Alert {
	x.Status, x.Reason = schema.AlertOpen, ""
	x.Version++
	return x
}

// revise closes alerts of which late events have left nothing, and opens them again when
// something comes back. What people have decided stays.
func (a *Alerts) revise(ctx context.Context, org string, detections []string) error {
	if len(detections) == 0 {
		return nil
	}
	ids, err := a.Store.AlertsOf(ctx, org, detections)
	if err != nil {
		return err
	}
	list, err := a.Store.AlertsByID(ctx, org, ids)
	if err != nil {
		return err
	}
	var rows []schema.Alert
	var notes []schema.Note
	now := time.Now().UTC()
	for _, x := range list {
		switch {
		case x.Count == 0 && x.Status != schema.AlertClosed:
			x.Status, x.Reason = schema.AlertClosed, tookBack
			x.Version++
		case x.Count > 0 && takenBack(x):
			x = reopened(x)
		default:
			continue
		}
		rows = append(rows, x)
		notes = append(notes, note(org, "alerts", "changed", x.ID, brief(x), now))
	}
	if err := a.Store.PutAlerts(ctx, rows); err != nil {
		return err
	}
	return a.Store.PutNotes(ctx, capNotes(notes, org, now)...)
}

// ledger records rule × chunk pairs as judged. A chunk with events older than what the
// rule had judged before was late. why is the reason of a failure.
func (a *Alerts) ledger(ctx context.Context, org string, ws []store.PendingWindow, newest time.Time, why string, found int) error {
	rows := make([]schema.Evaluation, len(ws))
	ids := []string{"ledger", org}
	for i, w := range ws {
		status := "evaluated"
		switch {
		case why != "":
			status = "failed"
		case w.From.Before(newest):
			status = "late"
		}
		rows[i] = schema.Evaluation{Org: org, Rule: w.Rule, RuleVersion: w.Version, Chunk: w.Chunk, Status: status, Events: w.Bases, Error: why, Time: time.Now().UTC()}
		ids = append(ids, w.Rule, w.Version, w.Chunk)
	}
	rows[0].Detections = int64(found)
	return a.Store.PutEvaluations(ctx, schema.HashID(ids...), rows)
}
