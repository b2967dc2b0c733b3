package rules_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"vigil/rules"
	"vigil/rules/correlate"
)

// TestKindExamples: the examples of the reference load, and do what their tests say.
func TestKindExamples(t *testing.T) {
	text, err := os.ReadFile("../docs/reference/rule-language.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[rules.Kind]int{}
	for i, block := range strings.Split(string(text), "```yaml\n") {
		if i == 0 {
			continue
		}
		doc, _, _ := strings.Cut(block, "```")
		rs, errs := rules.Parse("example.yaml", []byte(doc), rules.Options{})
		if len(errs) > 0 {
			t.Fatal(errors.Join(errs...))
		}
		kinds[rs[0].Kind]++
		if err := errors.Join(correlate.Check(rs[0])...); err != nil {
			t.Error(err)
		}
	}
	if len(kinds) < 5 {
		t.Errorf("examples of %v only", kinds)
	}
}

// TestKindMistakes holds what is said of typical mistakes in stateful rules.
func TestKindMistakes(t *testing.T) {
	const head = "id: abc\ntitle: t\nauthor: a\nseverity: low\ndataset: zeek.conn\nentities: {source: source.ip}\n"
	const seq = head + "kind: sequence\ndetect: {a: e.source.port == 1, b: e.source.port == 2}\nsequence: {by: [source], within: 5m, steps: "
	const agg = "id: abc\ntitle: t\nauthor: a\nseverity: low\ndataset: zeek.conn\nentities: {source: source}\nkind: aggregate\naggregate: {window: 1h, sql: \""
	for text, want := range map[string]string{
		head + "kind: sequence":                                                                  `needs the key "sequence"`,
		seq + "[{when: a}]}":                                                                     `f.yaml:9:45: a sequence has at least two steps (use kind threshold to count one thing)`,
		seq + "[{absent: a}, {when: b}]}":                                                        "a sequence cannot start with what does not happen",
		seq + "[{when: a}, {absent: b}, {absent: b}]}":                                           "two absences follow each other",
		seq + "[{when: a, absent: b}, {when: b}]}":                                               "a step says what happens, or what does not",
		seq + "[{when: a, count: 1000}, {when: b}]}":                                             "count cannot be \"1000\" (a whole number from 1 to 100)",
		seq + "[{when: a}, {when: bb}]}":                                                         `f.yaml:9:64: no name "bb"`,
		seq + "[{when: a}, {when: a}]}":                                                          `the part "b" is never used`,
		seq + "[{when: a}, {absent: b}], order: any}":                                            "absence needs an order",
		seq + "[{when: a}, {when: b}]}\nwhen: a":                                                 "a sequence has its conditions in its steps",
		head + "kind: new_terms\nwhen: e.source.port == 1\nnew_terms: {of: [sauce], days: 3}":    `the rule has no entity "sauce" (did you mean "source"?)`,
		head + "kind: new_terms\nnew_terms: {of: [source], days: 3}":                             `the key "when" is missing`,
		head + "kind: new_terms\nwhen: e.source.port == 1\nnew_terms: {of: [source], days: 999}": "days cannot be \"999\" (a whole number from 1 to 90)",
		agg + "DROP TABLE events\"}":                                                             "the query must be one SELECT",
		agg + "SELECT 1 AS source FROM events; SELECT 2\"}":                                      "without a semicolon",
		agg + "SELECT name AS source FROM system.users, (SELECT 1 FROM events)\"}":               "may not name another database",
		agg + "SELECT 'system.x' AS source FROM events SETTINGS max_threads = 99\"}":             "says SETTINGS",
		agg + "SELECT 1 AS source\"}":                                                            "does not read events",
		agg + "SELECT 1 AS source FROM events\"}\nwhen: e.source.port == 1":                      "an aggregate rule has no when",
	} {
		_, errs := rules.Parse("f.yaml", []byte(text), rules.Options{})
		if err := errors.Join(errs...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
	if rs, errs := rules.Parse("f.yaml", []byte(agg+"WITH 5 AS least SELECT 'system.;' AS source FROM events GROUP BY source\"}"), rules.Options{}); len(rs) != 1 {
		t.Error(errors.Join(errs...))
	}
}
