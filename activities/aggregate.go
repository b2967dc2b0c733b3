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

const (
	aggregateChunks  = 500  // chunks of one rule in a round
	aggregateWindows = 5000 // windows of one rule in a round
)

// aggregates asks the windows that committed chunks touch and that the ledger of the
// rule does not name yet.
func (a *Alerts) aggregates(ctx context.Context, org string) (WindowResult, error) {
	var total WindowResult
	pending, err := a.Store.PendingAggregates(ctx, org, aggregateChunks)
	if err != nil {
		return total, err
	}
	for _, p := range pending {
		rule, err := a.Rules.Version(ctx, org, p.Rule, p.Version)
		if err != nil {
			return total, err
		}
		if time.Since(p.Last) < rule.Query.Every {
			continue
		}
		r, err := a.aggregate(ctx, org, rule, p.Chunks)
		total.add(r)
		if err != nil {
			return total, fmt.Errorf("aggregate rule %s: %w", rule.ID, err)
		}
	}
	return total, nil
}

// aggregate asks one rule of every window that the chunks touch. A query that the engine
// refuses is a failure in the ledger, and not tried again for these chunks.
func (a *Alerts) aggregate(ctx context.Context, org string, rule *rules.Rule, chunks []string) (WindowResult, error) {
	res := WindowResult{Windows: len(chunks)}
	starts, err := a.Store.TouchedWindows(ctx, org, chunks, rule.Datasets, rule.Query.Window)
	if err != nil {
		return res, err
	}
	why := ""
	if len(starts) > aggregateWindows {
		why = fmt.Sprintf("the chunks touch %d windows; the newest %d were asked", len(starts), aggregateWindows)
		starts = starts[len(starts)-aggregateWindows:]
	}
	for _, start := range starts {
		r, err := a.aggregateWindow(ctx, org, rule, start)
		if err != nil && (schema.CodeOf(err) == schema.Unavailable || ctx.Err() != nil) {
			return res, err
		}
		if err != nil {
			why = err.Error()
			a.Log.Warn("a window of an aggregate rule cannot be asked", "rule", rule.ID, "window", start, "error", err)
		}
		res.add(r)
	}
	a.crash("before-window-ledger")
	ws := make([]store.PendingWindow, len(chunks))
	for i, id := range chunks {
		ws[i] = store.PendingWindow{Rule: rule.ID, Version: rule.Version, Chunk: id}
	}
	return res, a.ledger(ctx, org, ws, time.Time{}, why, res.Detections)
}

func (a *Alerts) aggregateWindow(ctx context.Context, org string, rule *rules.Rule, start time.Time) (WindowResult, error) {
	window := correlate.Range{From: start, To: start.Add(rule.Query.Window)}
	rows, err := a.Store.Aggregate(ctx, org, rule.Query.SQL, window.From, window.To)
	if err != nil {
		return WindowResult{}, err
	}
	return a.reconcile(ctx, org, rule, window, aggregated(org, rule, window, rows))
}

// aggregated makes the detections of the rows: one for each group of entities. What the
// row says is kept as of when it was seen first.
func aggregated(org string, r *rules.Rule, window correlate.Range, rows []store.AggregateRow) []schema.Detection {
	found := map[string]schema.Detection{}
	for _, row := range rows {
		d := schema.Detection{Org: org, Rule: r.ID, RuleVersion: r.Version, RuleTitle: r.Title, RuleAuthor: r.Author, RuleLicense: r.License, Kind: string(r.Kind),
			Severity: r.Severity, Risk: r.Risk, Attack: r.Attack, EventID: row["event_id"], Dataset: strings.TrimSuffix(r.Datasets[0], ".*"), Time: window.From,
			Ingested: time.Now().UTC().Truncate(time.Millisecond), Entities: map[string]string{}}
		values := map[string]string{"from": stamp(window.From), "to": stamp(window.To)}
		maps.Copy(values, row)
		d.Why = []schema.Why{{Part: "aggregate", Expr: r.Query.SQL, Values: values}}
		key := []string{"aggregate", org, r.ID, r.Version, stamp(window.From)}
		for _, e := range r.Entities {
			d.Entities[e.Name] = row[e.Field]
			key = append(key, e.Name, row[e.Field])
		}
		d.ID, d.DedupKey = schema.HashID(key...), r.DedupKey(d.Entities)
		if _, ok := found[d.ID]; !ok {
			found[d.ID] = d
		}
	}
	return slices.SortedFunc(maps.Values(found), func(x, y schema.Detection) int { return cmp.Compare(x.ID, y.ID) })
}
