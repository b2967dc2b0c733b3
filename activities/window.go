package activities

import (
	"context"
	"fmt"
	"time"

	"vigil/internal/store"
	"vigil/rules/correlate"
	"vigil/schema"
)

// WindowStore is what counting threshold rules reads and writes.
type WindowStore interface {
	PendingWindows(ctx context.Context, org string, chunks []string, limit int) ([]store.PendingWindow, error)
	BaseDetections(ctx context.Context, org, rule, version string, from, to time.Time, limit int) ([]schema.Detection, error)
	KnownDetections(ctx context.Context, org string, ids []string) (map[string]bool, error)
	PutDetections(ctx context.Context, token string, list []schema.Detection) error
	PutEvaluations(ctx context.Context, token string, list []schema.Evaluation) error
}

// WindowResult says what counting did.
type WindowResult struct {
	FoldResult
	Windows    int `json:"windows"`    // rule × chunk pairs counted
	Detections int `json:"detections"` // new ones
}

const (
	maxWindows = 500     // rule × chunk pairs in one round
	maxBases   = 200_000 // base detections counted at once
)

// EvaluateWindows counts the base detections of threshold rules that the evaluation
// ledger does not name yet, writes the detections (their ids depend on rule, group
// and window only) and folds them. The ledger is written last.
func (a *Alerts) EvaluateWindows(ctx context.Context, org string) (WindowResult, error) {
	r, err := a.windows(ctx, org, nil)
	return r, Retryable(err)
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
	for _, ws := range byRule {
		r, err := a.countRule(ctx, org, ws)
		total.FoldResult.add(r.FoldResult)
		total.Windows += r.Windows
		total.Detections += r.Detections
		if err != nil {
			return total, fmt.Errorf("counting rule %s: %w", ws[0].Rule, err)
		}
	}
	return total, nil
}

// countRule counts one rule version over the time that its pending chunks span.
func (a *Alerts) countRule(ctx context.Context, org string, ws []store.PendingWindow) (WindowResult, error) {
	res := WindowResult{Windows: len(ws)}
	rule, ok := a.Rules().Rule(ws[0].Rule)
	if !ok || rule.Version != ws[0].Version || rule.Count == nil {
		return res, a.ledger(ctx, org, ws, "failed", "this version of the rule is not loaded", 0)
	}
	from, to := ws[0].From, ws[0].To
	for _, w := range ws {
		if w.From.Before(from) {
			from = w.From
		}
		if w.To.After(to) {
			to = w.To
		}
	}
	from, to = correlate.Span(rule, from, to)
	bases, err := a.Store.BaseDetections(ctx, org, rule.ID, rule.Version, from, to, maxBases)
	if err != nil {
		return res, err
	}
	status, why := "evaluated", ""
	if len(bases) == maxBases {
		status, why = "failed", fmt.Sprintf("more than %d base detections in one span; the first ones were counted", maxBases)
		a.Log.Warn("a threshold rule has more base detections than are counted at once", "rule", rule.ID, "limit", maxBases)
	}
	fresh, err := a.unknown(ctx, org, correlate.Threshold(rule, bases))
	if err != nil {
		return res, err
	}
	res.Detections = len(fresh)
	if len(fresh) > 0 {
		chunk := "window:" + schema.HashID("window", org, rule.ID, rule.Version, fresh[0].ID, fmt.Sprint(len(fresh)))
		for i := range fresh {
			fresh[i].Chunk = chunk
		}
		if err := a.Store.PutDetections(ctx, chunk, fresh); err != nil {
			return res, err
		}
		if res.FoldResult, err = a.fold(ctx, org, []string{chunk}); err != nil {
			return res, err
		}
	}
	return res, a.ledger(ctx, org, ws, status, why, len(fresh))
}

func (a *Alerts) unknown(ctx context.Context, org string, ds []schema.Detection) ([]schema.Detection, error) {
	ids := make([]string, len(ds))
	for i, d := range ds {
		ids[i] = d.ID
	}
	known, err := a.Store.KnownDetections(ctx, org, ids)
	if err != nil {
		return nil, err
	}
	var fresh []schema.Detection
	for _, d := range ds {
		if !known[d.ID] {
			fresh = append(fresh, d)
		}
	}
	return fresh, nil
}

func (a *Alerts) ledger(ctx context.Context, org string, ws []store.PendingWindow, status, why string, found int) error {
	rows := make([]schema.Evaluation, len(ws))
	ids := []string{"ledger", org}
	for i, w := range ws {
		rows[i] = schema.Evaluation{Org: org, Rule: w.Rule, RuleVersion: w.Version, Chunk: w.Chunk, Status: status, Events: w.Bases, Error: why, Time: time.Now().UTC()}
		ids = append(ids, w.Rule, w.Version, w.Chunk)
	}
	rows[0].Detections = int64(found)
	return a.Store.PutEvaluations(ctx, schema.HashID(ids...), rows)
}
