package rules_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vigil/rules"
	"vigil/schema"
)

const bombHead = "id: bomb\ntitle: t\nauthor: a\nseverity: low\ndataset: '*'\n"

// TestRuleBombs: rules made to hang or fill the memory of who loads them are refused with
// their place, quickly, and the good rule beside them loads.
func TestRuleBombs(t *testing.T) {
	good := "id: good-one\ntitle: t\nauthor: a\nseverity: low\ndataset: '*'\nwhen: e.source.port == 1\n"
	nested := "e.tags.exists(a, e.tags.exists(b, e.tags.exists(c, e.tags.exists(d, e.tags.exists(f, a + b + c + d + f == 'x')))))"
	var parts, aliases strings.Builder
	for i := range 60 {
		before := "e.source.port == 1"
		if i > 0 {
			before = fmt.Sprintf("p%d || p%d", i-1, i-1)
		}
		fmt.Fprintf(&parts, "  p%d: %s\n", i, before)
	}
	for i := range 10 {
		fmt.Fprintf(&aliases, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", max(i-1, 0)), 10), ", "))
	}
	for name, c := range map[string]struct{ text, want string }{
		"ten megabytes":   {bombHead + "when: e.source.port == 1\ndescription: " + strings.Repeat("x", 10<<20), "f.yaml:1:1: the file has 10"},
		"nested macros":   {bombHead + "when: " + nested, "f.yaml:6:7: "},
		"doubling parts":  {bombHead + "detect:\n" + parts.String() + "when: p59", "f.yaml:"},
		"aliases":         {bombHead + aliases.String() + "when: e.source.port == 1", "anchors, aliases and tags are not allowed"},
		"merge keys":      {bombHead + "detect: &d {a: e.source.port == 1}\nentities: {<<: *d}\nwhen: a", "f.yaml:6:"},
		"deep YAML":       {bombHead + "when: " + strings.Repeat("[", 20_000), "f.yaml:6:107: not YAML: nested deeper than 100"},
		"deep expression": {bombHead + "when: " + strings.Repeat("(", 5_000) + "true" + strings.Repeat(")", 5_000), "f.yaml:6:"},
		"long expression": {bombHead + "when: e.source.port == 1" + strings.Repeat(" || e.source.port == 1", 5_000), "f.yaml:6:"},
		"huge repeat":     {bombHead + "when: e.message.matches('((a{100}){100}){100}')", "f.yaml:6:"},
		"same id":         {strings.Replace(good, "good-one", "bomb", 1) + "---\n" + strings.Replace(good, "good-one", "bomb", 1), `f.yaml:8:5: the id "bomb" is used before, in f.yaml line 1`},
		"its own part":    {bombHead + "detect:\n  a: b\n  b: a\nwhen: a", `f.yaml:7:6: no name "b"`},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			set, errs := rules.LoadFiles(rules.Options{}, rules.File{Name: "f.yaml", Text: c.text}, rules.File{Name: "g.yaml", Text: good})
			if err := errors.Join(errs...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %.300v, want %s", err, c.want)
			}
			if _, ok := set.Rule("good-one"); !ok {
				t.Error("the good rule did not load")
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestOverBudget: a rule whose evaluations take long is found, an ordinary one is not.
func TestOverBudget(t *testing.T) {
	rs, errs := rules.Parse("f.yaml", []byte(bombHead+"when: e.message.matches('(a|aa|b.{20}){20,40}c$')\n---\nid: plain-one\ntitle: t\nauthor: a\nseverity: low\ndataset: '*'\nwhen: e.message.contains('a')\n"), rules.Options{})
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	e, err := rules.NewEvent([][2]string{{"event.dataset", "x.y"}, {"message", strings.Repeat("ab", 2_000)}})
	if err != nil {
		t.Fatal(err)
	}
	v := rules.SetOf(rs...).Evaluator()
	for range 40 {
		v.Evaluate(e, nil)
	}
	over := v.OverBudget()
	if len(over) != 1 {
		t.Fatalf("over budget: %v", over)
	}
	for r, why := range over {
		if r.ID != "bomb" || !strings.Contains(why, "the limit is") {
			t.Errorf("%s: %s", r.ID, why)
		}
	}
}

// TestLint: what is dear is said, what is not is left alone.
func TestLint(t *testing.T) {
	for when, want := range map[string]string{
		"e.process.name.ieq('cmd.exe')":                              "",
		"!e.process.name.ieq('cmd.exe')":                             "no index can serve the rule",
		"e.event.code == '1' && !e.process.name.ieq('cmd.exe')":      "",
		"e.event.code == '1' || !e.process.name.ieq('cmd.exe')":      "no index can serve the rule",
		"e.process.name == 'x' && e.message.matches('.{1000,}')":     "counts up to 1000 characters",
		"e.process.name == 'x' && e.message.matches('(a{20}b){20}')": "counts up to 400 characters",
	} {
		rs, errs := rules.Parse("f.yaml", []byte(bombHead+"when: \""+when+"\"\n"), rules.Options{})
		if len(errs) > 0 {
			t.Fatal(errors.Join(errs...))
		}
		got := errors.Join(rs[0].Lint()...)
		if want == "" && got != nil || want != "" && (got == nil || !strings.Contains(got.Error(), want) || !strings.HasPrefix(got.Error(), "f.yaml:1:1: ")) {
			t.Errorf("%s: %v, want %s", when, got, want)
		}
	}
}

// TestExceptions: what an exception hides is a hit of kind hidden, of its rule only, and the
// hash of the set tells it.
func TestExceptions(t *testing.T) {
	rs, errs := rules.Parse("f.yaml", []byte(bombHead+"when: e.source.port > 0\n---\nid: other\ntitle: t\nauthor: a\nseverity: low\ndataset: '*'\nwhen: e.source.port > 0\n"), rules.Options{})
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	x, err := rules.NewException("x1", "bomb", "e.source.port == 22")
	if err != nil {
		t.Fatal(err)
	}
	plain := rules.SetOf(rs...)
	set := plain.With(rules.Overlay{Exceptions: []*rules.Exception{x}})
	if set.Hash() == plain.Hash() || plain.With(rules.Overlay{}).Hash() != plain.Hash() || set.With(rules.Overlay{}).Hash() != plain.Hash() {
		t.Error("the hash does not tell what is laid over the set")
	}
	kinds := func(port string) map[string]string {
		e, err := rules.NewEvent([][2]string{{"event.dataset", "x.y"}, {"source.port", port}})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, h := range set.Evaluator().Evaluate(e, nil) {
			d := h.Detection(rules.Origin{Org: schema.DefaultOrg})
			out[d.Rule] = d.Kind + d.Exception
		}
		return out
	}
	if got := fmt.Sprint(kinds("22"), kinds("23")); got != "map[bomb:hiddenx1 other:match] map[bomb:match other:match]" {
		t.Error(got)
	}
	off := plain.With(rules.Overlay{Off: map[string]string{"bomb": "slow"}})
	if off.Runs(rs[0]) || off.Hash() == plain.Hash() {
		t.Error("a rule that is off runs")
	}
	if _, err := rules.NewException("x", "bomb", "e.source.prt == 22"); err == nil || !strings.Contains(err.Error(), `line 1, column 10: no field "source.prt"`) {
		t.Error(err)
	}
}
