package posture

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/document"
	"vigil/internal/testdata"
	"vigil/schema"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// facts are a small installation: Windows logs come, Zeek has stopped.
func facts() schema.PostureFacts {
	return schema.PostureFacts{
		Sources: []schema.SourceFact{
			{ID: "dc01", LastEvent: ago(time.Minute), LastIngest: ago(time.Minute), Gap: 5 * time.Minute, Records: 900, Failures: 1, Proved: ago(time.Hour), ProofOK: true},
			{ID: "zeek", LastEvent: ago(60 * time.Hour), LastIngest: ago(60 * time.Hour), Gap: 10 * time.Minute, Records: 100, Failures: 19},
		},
		Datasets: []schema.DatasetFact{
			{ID: "windows.sysmon", Events: 899, LastEvent: ago(time.Minute), LastIngest: ago(time.Minute), Gap: 5 * time.Minute},
			{ID: "zeek.conn", Events: 81, LastEvent: ago(60 * time.Hour), LastIngest: ago(60 * time.Hour), Gap: 10 * time.Minute},
		},
		Rules: []schema.RuleFact{
			{ID: "ps", Severity: schema.High, Enabled: true, Datasets: []string{"windows.*"}, Attack: []string{"T1059.001"}, Tests: 2},
			{ID: "scan", Severity: schema.Low, Enabled: true, Datasets: []string{"zeek.conn"}, Attack: []string{"T1046"}, Fired: 3, LastFired: ago(70 * time.Hour)},
			{ID: "bare", Severity: schema.Medium, Enabled: true, Datasets: []string{"*"}, Attack: []string{"T1110", "TA0006"}},
			{ID: "intel", Severity: schema.Medium, Enabled: true, Datasets: []string{"*"}, Attack: []string{"T1071"}, Indicator: true, Tests: 1},
			{ID: "odd", Severity: schema.Medium, Enabled: true, Datasets: []string{"*"}, Attack: []string{"T1571"}, Detector: "zeek-conn-iforest", Tests: 1},
			{ID: "other", Severity: schema.Medium, Enabled: true, Datasets: []string{"*"}, Attack: []string{"T1030"}, Detector: "other", Tests: 1},
			{ID: "draft", Severity: schema.High, Datasets: []string{"*"}, Attack: []string{"T1003"}, Tests: 1},
		},
		Alerts: []schema.AlertFact{
			{ID: "a1", Severity: schema.High, Created: ago(5 * time.Hour), Acknowledged: ago(5*time.Hour - 10*time.Minute)},
			{ID: "a2", Severity: schema.High, Created: ago(3 * time.Hour)},
			{ID: "a3", Severity: schema.Low, Created: ago(90 * time.Hour)},
			{ID: "a4", Severity: schema.High, Created: ago(5 * time.Minute)},
		},
		Feeds:  []schema.FeedFact{{ID: "kev", Synced: ago(3 * time.Hour)}, {ID: "old", Synced: ago(100 * time.Hour)}},
		Models: []schema.ModelFact{{Detector: "zeek-conn-iforest", Created: ago(40 * 24 * time.Hour)}},
	}
}

func parse(t *testing.T, text string) *Document {
	t.Helper()
	d, errs := Parse("o.yaml", []byte(text))
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	return d
}

// TestMetrics measures every metric where it is met, missed and unknown.
func TestMetrics(t *testing.T) {
	for _, c := range []struct {
		objective string
		status    schema.ObjectiveStatus
		measured  float64
		text      string // part of text and evidence
	}{
		{"metric: technique_coverage, target: 50%, scope: {techniques: [T1059, T1046]}", "met", 50, "1 of 2 techniques"},
		{"metric: technique_coverage, target: 51%, scope: {techniques: [T1059, T1046]}", "missed", 50, "T1046 Network Service Discovery: silent"},
		{"metric: technique_coverage, target: 1, scope: {techniques: [T1110]}", "missed", 0, "T1110 Brute Force: unproven"},
		{"metric: technique_coverage, target: 1, scope: {techniques: [T1003]}", "missed", 0, "not-covered"},
		{"metric: technique_coverage, target: 100%, scope: {techniques: [T1059.001]}", "met", 100, "1 of 1"},
		{"metric: technique_coverage, target: 0, scope: {techniques: [T1059.002]}", "met", 0, "T1059.002: not-covered"},
		{"metric: rule_health, target: 66%", "met", 200.0 / 3, "4 of 6 rules"},
		{"metric: rule_health, target: 66%, scope: {rules: [scan]}", "missed", 0, "scan: its data is silent"},
		{"metric: rule_health, target: 66%, scope: {severity: critical}", "unknown", 0, "no rule"},
		{"metric: source_silence, target: 24h", "missed", 60 * 3600, "zeek: silent for 2 d"},
		{"metric: source_silence, target: 24h, scope: {sources: ['dc*']}", "met", 60, "of 1 sources"},
		{"metric: source_silence, target: 24h, scope: {sources: [none]}", "unknown", 0, "no such source"},
		{"metric: ack_time_p90, target: 1h, scope: {severity: high}", "missed", 3 * 3600, "a2: waits for 3 h"},
		{"metric: ack_time_p90, target: 4h, scope: {severity: high}", "met", 600, "of 1 alerts, 0 still wait"},
		{"metric: ack_time_p90, target: 4h, scope: {severity: critical}", "unknown", 0, "no alert"},
		{"metric: parse_failures, target: 2%", "met", 2, "20 of 1000 records"},
		{"metric: parse_failures, target: 1%", "missed", 2, "zeek: 19 of 100 records"},
		{"metric: parse_failures, target: 1%, scope: {sources: [x]}", "unknown", 0, "no record"},
		{"metric: unproved_sources, target: 0", "missed", 1, "zeek: never proved"},
		{"metric: unproved_sources, target: 0, scope: {sources: [dc01]}", "met", 0, "of 1 sources"},
		{"metric: unproved_sources, target: 0, scope: {sources: [dc01], within: 30m}", "missed", 1, "dc01: proved 1 h ago"},
		{"metric: intel_age, target: 48h", "missed", 100 * 3600, "old: 4 d old"},
		{"metric: intel_age, target: 48h, scope: {feeds: [kev]}", "met", 3 * 3600, "kev is the oldest of 1 feeds"},
		{"metric: intel_age, target: 48h, scope: {feeds: [x]}", "unknown", 0, "no feed"},
		{"metric: model_age, target: 30d", "missed", 40 * 24 * 3600, "zeek-conn-iforest: 40 d old"},
		{"metric: model_age, target: 41d", "met", 40 * 24 * 3600, "1 champions"},
		{"metric: model_age, target: 41d, scope: {detectors: [x]}", "unknown", 0, "no detector"},
		{"metric: intel_age, comparator: at_least, target: 48h", "met", 100 * 3600, "Wanted: at least 2 d"},
	} {
		d := parse(t, "id: test\ntitle: Test\nobjectives:\n  - {id: one, title: One, "+c.objective+"}\n")
		r := Assess(d, facts(), now).Results[0]
		if r.Status != c.status || r.Measured != c.measured {
			t.Errorf("%s: %s %v (%s)", c.objective, r.Status, r.Measured, r.Text)
		}
		if all := r.Text + "\n" + strings.Join(r.Evidence, "\n"); !strings.Contains(all, c.text) {
			t.Errorf("%s: %q lacks %q", c.objective, all, c.text)
		}
	}
}

// TestPresence follows one source as it falls silent, by its own rhythm.
func TestPresence(t *testing.T) {
	for _, c := range []struct {
		gap, quiet time.Duration
		want       schema.PresenceState
	}{
		{5 * time.Minute, 59 * time.Minute, schema.Present}, {5 * time.Minute, 61 * time.Minute, schema.Stale}, {5 * time.Minute, 25 * time.Hour, schema.Silent},
		{24 * time.Hour, 71 * time.Hour, schema.Present}, {24 * time.Hour, 73 * time.Hour, schema.Stale}, {24 * time.Hour, 241 * time.Hour, schema.Silent},
		{0, 23 * time.Hour, schema.Present}, {0, 25 * time.Hour, schema.Silent},
		{time.Hour, -time.Hour, schema.Present},
	} {
		if p := presence("x", now, ago(c.quiet), c.gap, 0, now); p.State != c.want {
			t.Errorf("rhythm %s, quiet for %s: %s", c.gap, c.quiet, p.State)
		}
	}
}

// TestAssess looks at the whole of an assessment by the built-in objectives.
func TestAssess(t *testing.T) {
	d, errs := Default()
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	a := Assess(d, facts(), now)
	if a.Status != schema.ObjectiveMissed || a.Met+a.Missed+a.Unknown != len(d.Objectives) || len(a.Results) != len(d.Objectives) {
		t.Errorf("%s %d %d %d", a.Status, a.Met, a.Missed, a.Unknown)
	}
	states := map[string]schema.CoverageState{}
	for _, c := range a.Coverage {
		states[c.ID] = c.State
	}
	for id, want := range map[string]schema.CoverageState{"T1059": schema.Covered, "T1059.001": schema.Covered, "T1046": schema.CoveredSilent, "T1110": schema.CoveredUntest, "T1003": schema.NotCovered,
		"T1071": schema.Covered, "T1571": schema.Covered, "T1030": schema.CoveredSilent} {
		if states[id] != want {
			t.Errorf("%s is %q, want %q", id, states[id], want)
		}
	}
	byID := map[string]schema.RulePresence{}
	for _, r := range a.Rules {
		byID[r.ID] = r
	}
	if len(a.Rules) != 6 || !slices.Equal(byID["ps"].Datasets, []string{"windows.sysmon"}) || byID["scan"].State != schema.Silent || byID["other"].State != schema.Silent {
		t.Errorf("%+v", a.Rules)
	}
	blind := facts()
	blind.Feeds = nil
	for _, c := range Assess(d, blind, now).Coverage {
		if c.ID == "T1071" && c.State != schema.CoveredSilent {
			t.Errorf("without feeds, %s is %s", c.ID, c.State)
		}
	}
	empty := Assess(d, schema.PostureFacts{}, now)
	for _, r := range empty.Results {
		if r.Status == schema.ObjectiveMet {
			t.Errorf("an empty Vigil meets %s: %s", r.ID, r.Text)
		}
	}
}

// TestErrorsAreExact: each mistake is named at its place, with what was likely meant.
func TestErrorsAreExact(t *testing.T) {
	head := "id: x1\ntitle: T\nobjectives:\n"
	for _, c := range []struct{ text, want string }{
		{"id: x1\ntitel: T\n", `o.yaml:2:1: an objectives file has no key "titel" (did you mean "title"?)`},
		{"id: X!\ntitle: T\nobjectives: []\n", `o.yaml:1:5: id cannot be "X!"`},
		{head + "  - {id: a1, title: A, metric: rule_helth, target: 1}\n", `o.yaml:4:32: there is no metric "rule_helth" (did you mean "rule_health"?)`},
		{head + "  - {id: a1, title: A, metric: rule_health, target: 140%}\n", `o.yaml:4:53: target cannot be "140%" for rule_health (write it like 80%)`},
		{head + "  - {id: a1, title: A, metric: intel_age, target: soon}\n", `target cannot be "soon" for intel_age (write it like 48h)`},
		{head + "  - id: a1\n    title: A\n    metric: intel_age\n    target: 1h\n    scope: {source: [x]}\n", `o.yaml:8:13: the scope of intel_age has no key "source"`},
		{head + "  - {id: a1, title: A, metric: technique_coverage, target: 1, scope: {tactic: discovry}}\n", `tactic cannot be "discovry" (did you mean "discovery"?)`},
		{head + "  - {id: a1, title: A, metric: technique_coverage, target: 1, scope: {techniques: [T1]}}\n", `a technique cannot be "T1"`},
		{head + "  - {id: a1, title: A, metric: model_age, target: 1d, comparator: below}\n", `comparator cannot be "below"`},
		{head + "  - {id: a1, title: A, metric: model_age, target: 1d}\n  - {id: a1, title: B, metric: model_age, target: 1d}\n", `o.yaml:5:10: the id "a1" is used before`},
		{head + "  - {id: a1, title: A, metric: source_silence, target: 1d, scope: {sources: ['[']}}\n", `is no pattern`},
		{head + "  - {id: a1, title: A, metric: unproved_sources, target: 0, scope: {within: x}}\n", `within cannot be "x"`},
		{head + "  - {id: a1, title: A, target: 1d}\n", `the key "metric" is missing`},
		{"id: [\n", "not YAML"}, {"", "one document"}, {"- a\n", "must be a mapping"}, {"id: x1\ntitle: T\n", "no list of objectives"},
		{"id: &a x1\ntitle: T\nobjectives: *a\n", "must be text"},
	} {
		_, errs := Parse("o.yaml", []byte(c.text))
		if err := errors.Join(errs...); err == nil || !strings.Contains(err.Error(), c.want) || schema.CodeOf(err) != schema.Invalid {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

// FuzzParse: whatever the file is, it is a document or errors with places.
func FuzzParse(f *testing.F) {
	f.Add(DefaultText())
	f.Add("id: x1\ntitle: T\nobjectives:\n  - {id: a1, title: A, metric: rule_health, target: 1}\n")
	f.Add("id: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, errs := Parse("o.yaml", []byte(text))
		if (d == nil) != (len(errs) > 0) {
			t.Fatalf("%v %v", d, errs)
		}
		for _, err := range errs {
			le, ok := errors.AsType[*document.Error](err)
			if !ok || le.Line < 1 || le.Column < 1 {
				t.Fatalf("no place: %v", err)
			}
		}
		if d != nil {
			Assess(d, facts(), now)
		}
	})
}

// TestAttackTable checks the shape of the technique table.
func TestAttackTable(t *testing.T) {
	table := attack()
	if len(table) < 190 || len(table) != strings.Count(attackText, "\n") {
		t.Errorf("%d techniques of %d lines", len(table), strings.Count(attackText, "\n"))
	}
	for id, x := range table {
		if !techniqueForm.MatchString(id) || x.name == "" || len(x.tactics) == 0 {
			t.Errorf("%s %+v", id, x)
		}
		for _, tactic := range x.tactics {
			if !slices.Contains(Tactics(), tactic) {
				t.Errorf("%s: no tactic %q", id, tactic)
			}
		}
	}
}

// TestReference holds docs/reference/posture.md to the table of metrics.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testdata.Root(t), "docs", "reference", "posture.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range metrics() {
		row := "| `" + m.name + "` | " + m.doc + " | " + m.unit + ", like " + m.example + " | " + m.comparator + " | " + strings.Join(m.scope, ", ") + " |"
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/reference/posture.md lacks the row\n%s", row)
		}
	}
}
