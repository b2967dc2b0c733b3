package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"vigil/internal/alert"
	"vigil/internal/approval"
	"vigil/internal/auth"
	"vigil/internal/document"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/rules/correlate"
	"vigil/schema"
	"vigil/schema/flow"
)

// RuleChangeStore is what a change of rules reads and writes; *store.Store is one.
type RuleChangeStore interface {
	RuleDeployments(ctx context.Context, org string, limit int) ([]schema.RuleDeployment, error)
	PutRuleDeployment(ctx context.Context, d schema.RuleDeployment) error
	AlertsByID(ctx context.Context, org string, ids []string) ([]schema.Alert, error)
	CheckAggregate(ctx context.Context, org, sql string) error
	TestAggregate(ctx context.Context, org, sql, test string, events []*schema.Event, from, to time.Time) ([]store.AggregateRow, error)
	Aggregate(ctx context.Context, org, sql string, from, to time.Time) ([]store.AggregateRow, error)
	PutNotes(ctx context.Context, notes ...schema.Note) error
	Approval(ctx context.Context, org, id string) (schema.Approval, error)
	Passkeys(ctx context.Context, org, user string) ([]schema.Passkey, error)
}

// RuleChanges checks, tries and activates rule sets.
type RuleChanges struct {
	Store  RuleChangeStore
	Rules  *RuleSets
	Hunts  *Hunts // reads stored events
	Trail  Trail
	Public string // key that tokens of requesters and approvers are checked with
}

// CheckedRules is a rule set that was looked at.
type CheckedRules struct {
	Before string           `json:"before"` // the base set in force, "" for the rule files
	Same   bool             `json:"same"`   // it is that
	Public string           `json:"public"`
	Report flow.RulesReport `json:"report"`
}

const (
	maxProblemLines = 50
	maxChanges      = 200    // rules tried in one deployment
	maxTrial        = 50_000 // events that one rule is tried on
	trialDays       = 7
	trialLimit      = 50 // alerts more a day from which people must approve
)

// CheckRules loads the set, which checks its types, runs the inline tests and the cost
// lint, and says what differs from the set in force.
func (x *RuleChanges) CheckRules(ctx context.Context, in flow.DeployRulesInput, now time.Time) (CheckedRules, error) {
	defer beating(ctx)()
	out := CheckedRules{Public: x.Public}
	requester, err := x.requester(in, now)
	if err != nil {
		return out, Retryable(err)
	}
	history, err := x.Store.RuleDeployments(ctx, in.Org, 2)
	if err != nil {
		return out, Retryable(err)
	}
	if len(history) > 0 {
		out.Before = history[0].Set
	}
	if in.Rollback {
		if len(history) == 0 {
			return out, Retryable(schema.E(schema.Conflict, "no rule set was ever deployed, so there is none to go back to", "the rule files are in force"))
		}
		in.Set = ""
		if len(history) > 1 {
			in.Set = history[1].Set
		}
	}
	set, before, err := x.sets(ctx, in.Org, in.Set, out.Before)
	if err != nil {
		return out, Retryable(err)
	}
	out.Same = in.Set == out.Before
	out.Report = flow.RulesReport{Set: in.Set, Rules: len(set.Rules()), Requester: requester, Problems: []string{}, Warnings: []string{}, Changes: []flow.RuleChange{}, Reasons: []string{}}
	compare(before, set, &out.Report)
	if err := x.test(ctx, in.Org, set, before, &out.Report); err != nil {
		return out, Retryable(err)
	}
	out.Report.Problems = out.Report.Problems[:min(len(out.Report.Problems), maxProblemLines)]
	out.Report.Warnings = out.Report.Warnings[:min(len(out.Report.Warnings), maxProblemLines)]
	return out, nil
}

// requester is who asks: a name counts only with a token signed for it.
func (x *RuleChanges) requester(in flow.DeployRulesInput, now time.Time) (string, error) {
	if in.Token == "" {
		return "unknown", nil
	}
	c, err := auth.VerifyDecision(x.Public, in.Token, now)
	if err != nil {
		return "", err
	}
	if c.Verdict != auth.VerdictRun || c.Approval != flow.DeployRules || c.Binding != in.Set {
		return "", schema.E(schema.Denied, "the token was not made for this deployment", "ask for it again")
	}
	return c.User, nil
}

// sets loads the set to deploy and the one before, without what is laid over them.
func (x *RuleChanges) sets(ctx context.Context, org, hash, before string) (next, old *rules.Set, err error) {
	load := func(hash string) (*rules.Set, error) {
		if hash == "" {
			return x.Rules.Local, nil
		}
		return x.Rules.Set(ctx, org, hash)
	}
	if old, err = load(before); err != nil {
		return nil, nil, err
	}
	next, err = load(hash)
	return next, old, err
}

// compare says which rules differ.
func compare(before, set *rules.Set, rep *flow.RulesReport) {
	rep.Added, rep.Changed, rep.Removed = []string{}, []string{}, []string{}
	for _, r := range set.Rules() {
		switch old, ok := before.Rule(r.ID); {
		case !ok:
			rep.Added = append(rep.Added, r.ID)
		case old.Version != r.Version:
			rep.Changed = append(rep.Changed, r.ID)
		}
	}
	for _, r := range before.Rules() {
		if _, ok := set.Rule(r.ID); !ok {
			rep.Removed = append(rep.Removed, r.ID)
		}
	}
}

// test runs all inline tests, and the cost lint over what is new.
func (x *RuleChanges) test(ctx context.Context, org string, set, before *rules.Set, rep *flow.RulesReport) error {
	for _, r := range set.Rules() {
		errs := correlate.Check(r)
		rep.Tests += len(r.Tests)
		old, ok := before.Rule(r.ID)
		if fresh := !ok || old.Version != r.Version; fresh {
			for _, w := range r.Lint() {
				rep.Warnings = append(rep.Warnings, w.Error())
			}
			if r.Query != nil {
				more, err := x.testAggregate(ctx, org, r)
				if err != nil {
					return err
				}
				errs = append(errs, more...)
			}
		}
		for _, err := range errs {
			rep.Problems = append(rep.Problems, err.Error())
		}
	}
	return nil
}

// testAggregate has the engine read the query, and runs the inline tests over events of
// their own.
func (x *RuleChanges) testAggregate(ctx context.Context, org string, r *rules.Rule) ([]error, error) {
	if err := x.Store.CheckAggregate(ctx, org, r.Query.SQL); err != nil {
		if schema.CodeOf(err) != schema.Invalid {
			return nil, err
		}
		return []error{&document.Error{File: r.File, Line: r.Line, Column: 1, ID: r.ID, Message: err.Error()}}, nil
	}
	var out []error
	for i, c := range r.Tests {
		events, err := r.TestEvents(c)
		if err != nil {
			out = append(out, r.Failed(c, "%v", err))
			continue
		}
		rows := 0
		for _, start := range windowsOf(events, r.Query.Window) {
			got, err := x.Store.TestAggregate(ctx, org, r.Query.SQL, schema.HashID("rule-test", r.ID, r.Version, fmt.Sprint(i), stamp(start), fmt.Sprint(time.Now().UnixNano())), events, start, start.Add(r.Query.Window))
			if schema.CodeOf(err) == schema.Unavailable || ctx.Err() != nil {
				return nil, err
			}
			if err != nil {
				out = append(out, r.Failed(c, "%v", err))
				break
			}
			rows += len(got)
		}
		if fired := rows > 0; fired != c.Match {
			out = append(out, r.Failed(c, "the rule fired: %t, want %t", fired, c.Match))
		}
	}
	return out, nil
}

// windowsOf are the starts of the windows that events are in.
func windowsOf(events []*schema.Event, width time.Duration) []time.Time {
	seen := map[time.Time]bool{}
	for _, e := range events {
		us := e.Time().UnixMicro()
		w := width.Microseconds()
		if us < 0 {
			us -= w - 1
		}
		seen[time.UnixMicro(us/w*w).UTC()] = true
	}
	return slices.SortedFunc(maps.Keys(seen), time.Time.Compare)
}

// TryRules evaluates both versions of each changed rule on stored events of the last days,
// folds what they find as ingestion would, and compares the alerts: which would be new,
// which gone, and what people said of those that stay. It says where policy wants people.
func (x *RuleChanges) TryRules(ctx context.Context, in flow.DeployRulesInput, c CheckedRules) (flow.RulesReport, error) {
	defer beating(ctx)()
	rep := c.Report
	set, before, err := x.sets(ctx, in.Org, rep.Set, c.Before)
	if err != nil {
		return rep, Retryable(err)
	}
	_, last, err := x.Hunts.Store.TimeRange(ctx, in.Org)
	if err != nil {
		return rep, Retryable(err)
	}
	days := cmp.Or(in.Days, trialDays)
	rep.To = last.UTC().Add(time.Microsecond)
	rep.From = rep.To.AddDate(0, 0, -days)
	lost := 0
	for _, id := range slices.Concat(rep.Added, rep.Changed, rep.Removed) {
		old, _ := before.Rule(id)
		next, _ := set.Rule(id)
		if len(rep.Changes) >= maxChanges || (old == nil || !old.Runs()) && (next == nil || !next.Runs()) {
			rep.Untried++
			continue
		}
		ch, err := x.try(ctx, in.Org, old, next, rep.From, rep.To)
		if err != nil {
			return rep, Retryable(err)
		}
		rep.Changes = append(rep.Changes, ch)
		rep.Alerts += ch.Added - ch.Removed
		lost += ch.Lost
	}
	rep.PerDay = float64(rep.Alerts) / float64(days)
	rep.Reasons = policy(in, rep, lost)
	return rep, nil
}

// policy says why people must approve a set; nothing: they need not.
func policy(in flow.DeployRulesInput, rep flow.RulesReport, lost int) []string {
	out := []string{}
	limit := float64(cmp.Or(in.Limit, trialLimit))
	if rep.PerDay > limit {
		out = append(out, fmt.Sprintf("%.0f alerts a day more than now; the limit without approval is %.0f", rep.PerDay, limit))
	}
	if lost > 0 {
		out = append(out, fmt.Sprintf("%d alerts that people judged as true would not be raised", lost))
	}
	for _, ch := range rep.Changes {
		if ch.What == "removed" && schema.Severity(ch.Severity).Rank() >= schema.High.Rank() {
			out = append(out, "the rule "+ch.Rule+" of severity "+ch.Severity+" goes")
		}
	}
	return out[:min(len(out), maxProblemLines)]
}

// try compares the alerts of two versions of a rule; nil stands for none.
func (x *RuleChanges) try(ctx context.Context, org string, old, next *rules.Rule, from, to time.Time) (flow.RuleChange, error) {
	ch := flow.RuleChange{What: "changed", Verdicts: map[string]int{}, Precision: -1}
	shown := next
	switch {
	case old == nil:
		ch.What = "added"
	case next == nil:
		ch.What, shown = "removed", old
	}
	ch.Rule, ch.Title, ch.Severity = shown.ID, shown.Title, string(shown.Severity)
	was, capped, err := x.alerts(ctx, org, old, from, to)
	if err != nil {
		return failedTrial(ctx, ch, err)
	}
	is, more, err := x.alerts(ctx, org, next, from, to)
	if err != nil {
		return failedTrial(ctx, ch, err)
	}
	ch.Capped, ch.Before, ch.After = capped || more, len(was), len(is)
	known, err := x.verdicts(ctx, org, slices.Concat(slices.Collect(maps.Keys(was)), slices.Collect(maps.Keys(is))))
	if err != nil {
		return ch, err
	}
	for id := range was {
		if !is[id] {
			ch.Removed++
			if known[id] == "true_positive" {
				ch.Lost++
			}
		}
	}
	for id := range is {
		if !was[id] {
			ch.Added++
		}
		if v := known[id]; v != "" {
			ch.Verdicts[v]++
		}
	}
	ch.Precision = precision(ch.Verdicts)
	return ch, nil
}

// failedTrial keeps why a rule could not be tried, unless trying again may help.
func failedTrial(ctx context.Context, ch flow.RuleChange, err error) (flow.RuleChange, error) {
	if ctx.Err() != nil || schema.CodeOf(err) == schema.Unavailable {
		return ch, err
	}
	ch.Error = err.Error()
	return ch, nil
}

// precision is the share of true positives among verdicts, -1 without any.
func precision(verdicts map[string]int) float64 {
	all := 0
	for _, n := range verdicts {
		all += n
	}
	if all == 0 {
		return -1
	}
	return float64(verdicts["true_positive"]) / float64(all)
}

func (x *RuleChanges) verdicts(ctx context.Context, org string, ids []string) (map[string]string, error) {
	out := map[string]string{}
	for part := range slices.Chunk(ids, 1000) {
		list, err := x.Store.AlertsByID(ctx, org, part)
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			out[a.ID] = a.Verdict
		}
	}
	return out, nil
}

var errEnough = errors.New("enough events")

// alerts are the ids of the alerts that a rule makes of stored events: the ids that
// ingestion gives them. capped says that there were more events than are looked at.
func (x *RuleChanges) alerts(ctx context.Context, org string, r *rules.Rule, from, to time.Time) (ids map[string]bool, capped bool, err error) {
	ids = map[string]bool{}
	if r == nil || !r.Runs() {
		return ids, false, nil
	}
	var ds []schema.Detection
	if r.Query != nil {
		ds, err = x.aggregated(ctx, org, r, from, to)
	} else {
		ds, capped, err = x.detections(ctx, org, r, from, to)
	}
	if err != nil {
		return nil, false, err
	}
	for _, f := range alert.Fold(ds, func(string, string) alert.Rule { return alert.Rule{Window: r.Suppress.For} }) {
		ids[f.Alert.ID] = true
	}
	return ids, capped, nil
}

func (x *RuleChanges) detections(ctx context.Context, org string, r *rules.Rule, from, to time.Time) (ds []schema.Detection, capped bool, err error) {
	where, err := chsql.Where(r)
	if err != nil {
		return nil, false, err
	}
	asked, judged := correlate.Range{From: from, To: to}, correlate.Range{}
	if r.Stateful() {
		judged = correlate.Aligned(r, asked)
		asked = correlate.Needs(r, judged)
	}
	q := store.HuntQuery{Org: org, Condition: where.SQL, Params: store.P{}, From: asked.From, To: asked.To}
	for k, v := range where.Params {
		q.Params[k] = v
	}
	set, err := x.Hunts.Rules(ctx, org)
	if err != nil {
		return nil, false, err
	}
	h := &hunt{x: x.Hunts, rule: r, exceptions: set.Overlay().Exceptions, q: q}
	err = h.pages(ctx, q, func(page []schema.Detection) error {
		ds = append(ds, page...)
		if len(ds) >= maxTrial {
			return errEnough
		}
		return nil
	})
	capped = errors.Is(err, errEnough)
	if err != nil && !capped {
		return nil, false, err
	}
	if r.Stateful() {
		ds, _ = correlate.Judge(r, ds, judged, time.Now())
	}
	return ds, capped, nil
}

func (x *RuleChanges) aggregated(ctx context.Context, org string, r *rules.Rule, from, to time.Time) ([]schema.Detection, error) {
	var ds []schema.Detection
	w := r.Query.Window
	for start := from.Truncate(w); start.Before(to); start = start.Add(w) {
		rows, err := x.Store.Aggregate(ctx, org, r.Query.SQL, start, start.Add(w))
		if err != nil {
			return nil, err
		}
		ds = append(ds, aggregated(org, r, correlate.Range{From: start, To: start.Add(w)}, rows)...)
	}
	return ds, nil
}

// Activation is a set that is to be put in force.
type Activation struct {
	Deploy   flow.DeployRulesInput `json:"deploy"`
	Before   string                `json:"before"` // the set that the report compares with
	Report   flow.RulesReport      `json:"report"`
	Approval string                `json:"approval,omitempty"` // where people had to be asked
	Key      string                `json:"key"`                // of the audit record
	Now      time.Time             `json:"now"`
}

// approved refuses a set that people had to approve and did not: the votes are proved
// again right before it is put in force.
func (x *RuleChanges) approved(ctx context.Context, in Activation) error {
	if len(in.Report.Reasons) == 0 {
		return nil
	}
	a, err := x.Store.Approval(ctx, in.Deploy.Org, in.Approval)
	if err != nil {
		return err
	}
	if a.Playbook != flow.DeployRules || a.Target != in.Report.Set {
		return schema.E(schema.Denied, "the rule set is not the one that was approved", "deploy again")
	}
	return holds(ctx, x.Store, x.Public, a, false, func(schema.ApprovalFacts) approval.Mode { return approval.One })
}

// ActivateRules puts the set in force. It does nothing when another deployment came in
// between: the report would not be true of what it changes.
func (x *RuleChanges) ActivateRules(ctx context.Context, a Activation) (uint64, error) {
	in, before, rep, key, now := a.Deploy, a.Before, a.Report, a.Key, a.Now
	if err := x.approved(ctx, a); err != nil {
		return 0, Retryable(err)
	}
	history, err := x.Store.RuleDeployments(ctx, in.Org, 1)
	if err != nil {
		return 0, Retryable(err)
	}
	version, have := uint64(1), ""
	if len(history) > 0 {
		version, have = history[0].Version+1, history[0].Set
	}
	switch {
	case have == rep.Set && len(history) > 0 && history[0].Time.Equal(now.UTC().Truncate(time.Millisecond)):
		version = history[0].Version // a retry
	case have != before:
		return 0, Retryable(schema.E(schema.Conflict, "another rule set was put in force meanwhile", "deploy again"))
	}
	doc, err := json.Marshal(rep)
	if err != nil {
		return 0, Retryable(err)
	}
	who := rep.Requester
	if who == "unknown" {
		who = by(in.By)
	}
	reason := in.Reason
	if in.Rollback {
		reason = strings.TrimSpace("rollback: " + reason)
	}
	d := schema.RuleDeployment{Org: in.Org, Version: version, Set: rep.Set, By: who, Reason: reason, Report: string(doc), Time: now.UTC().Truncate(time.Millisecond)}
	if err := x.Store.PutRuleDeployment(ctx, d); err != nil {
		return 0, Retryable(err)
	}
	if _, err := x.Rules.InForce(ctx, in.Org); err != nil {
		return 0, Retryable(err)
	}
	err = x.Trail.record(ctx, schema.AuditRecord{Org: in.Org, ID: auditID("rules.deploy", key), Actor: who, Verb: "rules.deploy", Object: cmp.Or(rep.Set, "files"), Outcome: "ok",
		Details: map[string]string{"before": cmp.Or(before, "files"), "reason": reason, "added": fmt.Sprint(len(rep.Added)), "changed": fmt.Sprint(len(rep.Changed)),
			"removed": fmt.Sprint(len(rep.Removed)), "workflow": activity.GetInfo(ctx).WorkflowExecution.ID}})
	if err != nil {
		return version, Retryable(err)
	}
	return version, Retryable(x.Store.PutNotes(ctx, note(in.Org, "rules", "changed", cmp.Or(rep.Set, "files"), map[string]any{"by": who, "version": version}, now)))
}
