package response

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/internal/auth"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
	"vigil/schema/flow"
)

// ruleFiles is a set of the library and some own rules, stored.
func (w *world) ruleFiles(own string, without ...string) *rules.Set {
	w.t.Helper()
	all, errs := rules.Load(library.FS, fstest.MapFS{"own.yaml": {Data: []byte(own)}})
	if len(errs) > 0 {
		w.t.Fatal(errors.Join(errs...))
	}
	set := rules.SetOf(slices.DeleteFunc(slices.Clone(all.Rules()), func(r *rules.Rule) bool { return slices.Contains(without, r.ID) })...)
	if err := w.sets.Record(w.t.Context(), "main", set); err != nil {
		w.t.Fatal(err)
	}
	return set
}

const everyEvent = `id: every-event
title: Every event, %s
author: Vigil
severity: informational
dataset: '*'
when: e.message.startsWith('file')
entities: {text: message}
`

// deploy runs DeployRules to its end.
func (w *world) deploy(in flow.DeployRulesInput) flow.DeployRulesResult {
	w.t.Helper()
	var res flow.DeployRulesResult
	if err := w.run(flow.DeployRulesID("main"), flow.DeployRules, in, &res); err != nil {
		w.t.Fatal(err)
	}
	return res
}

const ownAggregate = `id: own-aggregate
title: Many failures of a host
author: Vigil
severity: low
kind: aggregate
dataset: linux.auth
aggregate:
  window: 1h
  sql: SELECT host_name AS host, count() AS n FROM events WHERE event_dataset = 'linux.auth' AND event_outcome = 'failure' GROUP BY host HAVING n >= 2
entities: {host: host}
tests:
  - name: two
    events: [{host.name: a, event.outcome: failure}, {host.name: a, event.outcome: failure}]
  - name: two hosts
    match: false
    events: [{host.name: a, event.outcome: failure}, {host.name: b, event.outcome: failure}]
`

// ingestGuesses ingests ten failed logins of one address.
func (w *world) ingestGuesses() {
	w.t.Helper()
	var b strings.Builder
	for i := range 10 {
		fmt.Fprintf(&b, "Mar  1 10:00:%02d web01 sshd[%d]: Failed password for root from 203.0.113.45 port %d ssh2\n", i, 101+i, 51000+i)
	}
	path := filepath.Join(w.t.TempDir(), "auth.log")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := w.run(flow.IngestID("main", "guesses"), flow.Ingest, flow.IngestInput{Source: "guesses", Paths: []string{path}}, nil); err != nil {
		w.t.Fatal(err)
	}
}

// TestDeployRules: a set with a rule less is tried, asks people, is put in force when they
// approve, and rolled back; a broken inline test refuses it. The queries and tests of the
// library's aggregate rules pass on the engine.
func TestDeployRules(t *testing.T) {
	w := newWorld(t)
	w.user("ana", "approver")
	w.user("bo", "admin")
	w.ingestGuesses()
	var others []string // the library's other rules only take time here
	for _, r := range w.sets.Local.Rules() {
		if r.ID != "linux-ssh-brute-force" {
			others = append(others, r.ID)
		}
	}
	guess, _ := w.sets.Local.Rule("linux-ssh-brute-force")
	w.sets.Local = rules.SetOf(guess)
	bad := w.ruleFiles(fmt.Sprintf(everyEvent, "bad")+"tests:\n  - {name: wrong, match: false, event: {message: 'file 1'}}\n", others...)
	if res := w.deploy(flow.DeployRulesInput{Set: bad.Hash()}); res.Status != "refused" || !strings.Contains(strings.Join(res.Report.Problems, "\n"), `own.yaml:9:1: test "wrong"`) {
		t.Errorf("broken test: %s %q", res.Status, res.Report.Problems)
	}
	next := w.ruleFiles(fmt.Sprintf(everyEvent, "first")+"---\n"+ownAggregate, append(others, "linux-ssh-brute-force")...)
	res := w.deploy(flow.DeployRulesInput{Set: next.Hash(), DryRun: true, Days: 60})
	i := slices.IndexFunc(res.Report.Changes, func(c flow.RuleChange) bool { return c.Rule == "linux-ssh-brute-force" })
	if res.Status != "tried" || i < 0 || !slices.Equal(res.Report.Removed, []string{"linux-ssh-brute-force"}) || !slices.Equal(res.Report.Added, []string{"every-event", "own-aggregate"}) {
		t.Fatalf("tried: %+v", res)
	}
	alerts := w.query("SELECT uniqExact(id) FROM alerts WHERE rule = 'linux-ssh-brute-force'")
	if c := res.Report.Changes[i]; c.Before == 0 || fmt.Sprint(c.Before) != alerts || c.Removed != c.Before || c.After != 0 {
		t.Errorf("what goes: %+v; there are %s alerts", c, alerts)
	}
	token, _, err := w.key.SignDecision(auth.RequestClaims("bo", flow.DeployRules, next.Hash(), time.Now()), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	run, err := w.tp.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: flow.DeployRulesID("main"), TaskQueue: flow.Queue(flow.DeployRules)}, flow.DeployRules,
		flow.DeployRulesInput{Set: next.Hash(), Days: 60, Token: token, Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	var st flow.DeployRulesResult
	w.eventually("a request for approval", func() bool {
		v, err := w.tp.QueryWorkflow(t.Context(), run.GetID(), run.GetRunID(), flow.QueryState)
		return err == nil && v.Get(&st) == nil && st.Status == "awaiting-approval"
	})
	a, err := w.store.Approval(t.Context(), "main", st.Approval)
	if err != nil || a.Requester != "bo" || a.Needed != 1 || a.Target != next.Hash() {
		t.Fatalf("approval %+v %v", a, err)
	}
	for _, c := range []struct{ user, want string }{{"bo", "bo asked for this run"}, {"ana", ""}} {
		tok, _, err := w.key.SignDecision(auth.Claims{Approval: a.ID, Binding: a.Binding, User: c.user, Verdict: "approve", Reason: "seen", Channel: "temporal"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		h, err := w.tp.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: a.Workflow, UpdateName: flow.UpdateDecide, Args: []any{flow.Vote{Approval: a.ID, Token: tok}},
			WaitForStage: client.WorkflowUpdateStageCompleted})
		if err == nil {
			err = h.Get(t.Context(), nil)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s decides: %v", c.user, err)
		}
	}
	if err := run.Get(t.Context(), &st); err != nil || st.Status != "deployed" || st.Version != 1 {
		t.Fatalf("%+v %v", st, err)
	}
	if _, ok := w.sets.Now(schema.DefaultOrg).Rule("linux-ssh-brute-force"); ok || w.sets.Now(schema.DefaultOrg).Hash() != next.Hash() {
		t.Error("the set is not in force")
	}
	if res := w.deploy(flow.DeployRulesInput{Set: next.Hash()}); res.Status != "unchanged" {
		t.Errorf("again: %s", res.Status)
	}
	if res := w.deploy(flow.DeployRulesInput{Rollback: true, Reason: "too quiet"}); res.Status != "deployed" || res.Set != "" {
		t.Errorf("rollback: %+v", res)
	}
	if _, ok := w.sets.Now(schema.DefaultOrg).Rule("linux-ssh-brute-force"); !ok {
		t.Error("the rollback did not bring the rule back")
	}
	w.verify()
	if *record {
		w.recordAll(map[string]string{"DeployRules-rollback": flow.DeployRulesID("main")})
		w.recordRun("DeployRules-approved", run.GetID(), run.GetRunID())
	}
}

const laterGuess = `id: later-guess
title: A login that failed
author: Vigil
severity: medium
dataset: linux.auth
when: e.event.action == 'ssh_login' && e.event.outcome == 'failure'
`

// TestBackHunt: a rule that is put in force is asked of what came before it, and raises what
// it would have raised then; rules that were in force already are not asked again.
func TestBackHunt(t *testing.T) {
	w := newWorld(t)
	guess, _ := w.sets.Local.Rule("linux-ssh-brute-force")
	w.sets.Local = rules.SetOf(guess)
	w.ingestGuesses()
	before := w.query("SELECT count() FROM detections")
	var others []string
	for _, r := range w.ruleFiles(laterGuess).Rules() {
		if r.ID != "linux-ssh-brute-force" && r.ID != "later-guess" {
			others = append(others, r.ID)
		}
	}
	next := w.ruleFiles(laterGuess, others...)
	st := w.deploy(flow.DeployRulesInput{Set: next.Hash(), Reason: "a test", BackHunt: 3650}) // what only adds needs no approval
	if st.Status != "deployed" || st.Hunt == "" {
		t.Fatalf("%+v", st)
	}
	var found flow.HuntResult
	if err := w.tp.GetWorkflow(t.Context(), st.Hunt, "").Get(t.Context(), &found); err != nil || found.Fires != 10 {
		t.Fatalf("the hunt: %+v %v", found, err)
	}
	if got := w.query("SELECT count(), uniqExact(event_id) FROM detections WHERE rule = 'later-guess'"); got != "10\t10" {
		t.Errorf("%s detections of the new rule, want 10 of 10 events", got)
	}
	if got := w.query("SELECT count() > 0 FROM alerts WHERE rule = 'later-guess'"); got != "1" {
		t.Error("the new rule raised no alert")
	}
	if got := w.query("SELECT count() FROM detections WHERE rule != 'later-guess'"); got != before {
		t.Errorf("%s detections of the rule that was in force, %s before", got, before)
	}
	w.verify()
}

// TestSwap puts other rules in force again and again while files are ingested: every event
// is evaluated once, by one of the versions, and every chunk names the set that did.
func TestSwap(t *testing.T) {
	w := newWorld(t)
	const files, records, swaps = 60, 400, 6
	dir := t.TempDir()
	for i := range files {
		var b strings.Builder
		for j := range records {
			fmt.Fprintf(&b, `{"timestamp":"2026-01-02T03:04:05Z","message":"file %d record %d"}`+"\n", i, j)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%02d.jsonl", i)), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var sets []*rules.Set
	for i := range swaps {
		sets = append(sets, w.ruleFiles(fmt.Sprintf(everyEvent, fmt.Sprint("version ", i))))
	}
	put := func(i int) {
		if err := w.store.PutRuleDeployment(t.Context(), schema.RuleDeployment{Org: "main", Version: uint64(i + 1), Set: sets[i%swaps].Hash(), By: "test", Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.sets.InForce(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
	}
	put(0)
	run, err := w.tp.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: flow.IngestID("main", "swap"), TaskQueue: flow.QueueIngest}, flow.Ingest,
		flow.IngestInput{Source: "swap", Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	n := 1
	for ; ; n++ {
		time.Sleep(150 * time.Millisecond)
		d, err := w.tp.DescribeWorkflowExecution(t.Context(), run.GetID(), "")
		if err == nil && d.GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			break
		}
		put(n)
	}
	if err := run.Get(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := w.query("SELECT count(), uniqExact(event_id) FROM detections WHERE rule = 'every-event'"), fmt.Sprintf("%d\t%d", files*records, files*records); got != want {
		t.Errorf("%s detections, want %s", got, want)
	}
	if got := w.query("SELECT count(), uniqExact(id) FROM events WHERE source = 'swap'"); got != fmt.Sprintf("%d\t%d", files*records, files*records) {
		t.Errorf("%s events", got)
	}
	used := w.query("SELECT uniqExact(rule_set) FROM chunks WHERE source = 'swap'")
	if used == "1" {
		t.Errorf("of %d sets only one was ever used: a void run", n)
	}
	if wrong := w.query(`SELECT count() FROM (SELECT chunk, any(rule_version) AS v, uniqExact(rule_version) AS n FROM detections WHERE rule = 'every-event' GROUP BY chunk) AS d
JOIN (SELECT id, rule_set FROM chunks) AS c ON c.id = d.chunk JOIN (SELECT hash, rules FROM rule_sets FINAL) AS s ON s.hash = c.rule_set WHERE d.n > 1 OR s.rules['every-event'] != d.v`); wrong != "0" {
		t.Errorf("%s chunks were not evaluated by the set that they name", wrong)
	}
	if _, err := w.alerts.EvaluateWindows(t.Context(), "main"); err != nil { // what Detect does
		t.Fatal(err)
	}
	if c, err := w.store.Coverage(t.Context(), "main", 10); err != nil || len(c.Unproven) > 0 {
		t.Errorf("coverage %+v %v", c, err)
	}
	t.Logf("%d swaps, %s sets used in %d chunks", n, used, files)
}

// TestException: what an exception hides is stored and counted, raises nothing, and ends
// when people say so, or by itself.
func TestException(t *testing.T) {
	w := newWorld(t)
	set := w.ruleFiles(fmt.Sprintf(everyEvent, "for exceptions"))
	if err := w.store.PutRuleDeployment(t.Context(), schema.RuleDeployment{Org: "main", Version: 1, Set: set.Hash(), By: "test", Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ingest := func(name string) {
		text := fmt.Sprintf(`{"timestamp":"2026-01-02T03:04:05Z","message":"file %[1]s loud"}`+"\n"+`{"timestamp":"2026-01-02T03:04:05Z","message":"file %[1]s quiet"}`+"\n", name)
		path := filepath.Join(dir, name+".jsonl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := w.run(flow.IngestID("main", name), flow.Ingest, flow.IngestInput{Source: name, Paths: []string{path}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	ingest("before")
	in := flow.ExceptionInput{ID: "quiet-ones", Rule: "every-event", When: "e.message.endsWith('quiet')", Owner: "ana", Reason: "a test", Expires: time.Now().Add(48 * time.Hour), By: "ana"}
	for want, change := range map[string]func(*flow.ExceptionInput){
		`there is no rule "every-evnt" (did you mean "every-event"?)`: func(x *flow.ExceptionInput) { x.Rule = "every-evnt" },
		`no field "mesage" (did you mean "message"?)`:                 func(x *flow.ExceptionInput) { x.When = "e.mesage == ''" },
		"needs an owner and a reason":                                 func(x *flow.ExceptionInput) { x.Reason = " " },
		"needs an end in the future":                                  func(x *flow.ExceptionInput) { x.Expires = time.Now().Add(-time.Hour) },
		"looks at no single event":                                    func(x *flow.ExceptionInput) { x.Rule = "zeek-upload-volume" },
	} {
		x := in
		change(&x)
		if err := w.run(flow.ExceptionID("main", "bad"), flow.Exception, x, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	run, err := w.tp.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: flow.ExceptionID("main", in.ID), TaskQueue: flow.Queue(flow.Exception)}, flow.Exception, in)
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("the exception in force", func() bool { return len(w.sets.Now(schema.DefaultOrg).Overlay().Exceptions) == 1 })
	ingest("during")
	x, err := w.store.Exceptions(t.Context(), "main", "active")
	if err != nil || len(x) != 1 || x[0].Hidden != 1 || x[0].Last.IsZero() {
		t.Fatalf("exceptions %+v %v", x, err)
	}
	h, err := w.tp.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: run.GetID(), UpdateName: flow.UpdateRemove, Args: []any{flow.ExceptionEnd{By: "bo", Reason: "enough"}},
		WaitForStage: client.WorkflowUpdateStageCompleted})
	if err == nil {
		err = errors.Join(h.Get(t.Context(), nil), run.Get(t.Context(), nil))
	}
	if err != nil {
		t.Fatal(err)
	}
	ingest("after")
	in.ID, in.Expires = "short", time.Now().Add(3*time.Second)
	var st schema.Exception
	if err := w.run(flow.ExceptionID("main", in.ID), flow.Exception, in, &st); err != nil || st.Status != schema.ExceptionExpired {
		t.Errorf("expired: %+v %v", st, err)
	}
	ingest("later")
	list, err := w.store.Exceptions(t.Context(), "main", "")
	if err != nil || len(list) != 2 || list[0].Status != schema.ExceptionRemoved || list[0].EndedBy != "bo" || list[0].EndReason != "enough" || list[1].Status != schema.ExceptionExpired {
		t.Errorf("exceptions %+v %v", list, err)
	}
	got := map[string]string{}
	for line := range strings.Lines(w.query("SELECT entities['text'], kind FROM detections WHERE rule = 'every-event'")) {
		text, kind, _ := strings.Cut(strings.TrimSpace(line), "\t")
		got[text] = kind
	}
	want := map[string]string{"file before loud": "match", "file before quiet": "match", "file during loud": "match", "file during quiet": "hidden", "file after loud": "match",
		"file after quiet": "match", "file later loud": "match", "file later quiet": "match"}
	if !maps.Equal(got, want) {
		t.Errorf("detections %v", got)
	}
	if n := w.query("SELECT count() FROM alert_members WHERE detection IN (SELECT id FROM detections WHERE kind = 'hidden')"); n != "0" {
		t.Errorf("%s hidden detections are members of alerts", n)
	}
	w.verify()
	if *record {
		w.recordAll(map[string]string{"Exception-removed": flow.ExceptionID("main", "quiet-ones"), "Exception-expired": flow.ExceptionID("main", "short")})
	}
}
