package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vigil/rules"
)

// TestMeter: a meter finds what an evaluator finds, and the dear rule is first.
func TestMeter(t *testing.T) {
	const head = "title: t\nauthor: a\nseverity: low\ndataset: x.y\n"
	var text strings.Builder
	text.WriteString("id: dear-rule\n" + head + "when: e.message.matches('(a|aa|b.{20}){20,40}c$')\n")
	for i := range 6 { // so many that there is an index
		fmt.Fprintf(&text, "---\nid: rule-%d\n%swhen: e.user.name.ieq('user%d') && e.message.icontains('b')\n", i, head, i)
	}
	rs, errs := rules.Parse("f.yaml", []byte(text.String()), rules.Options{})
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	set := rules.SetOf(rs...)
	m, ev := set.Meter(), set.Evaluator()
	want := map[string]int{}
	for i := range 60 {
		message := "abababababababababababababababababababababababab"
		if i%10 == 9 {
			message = "aaaaaaaaaaaaaaaaaaaaaaaac"
		}
		e, err := rules.NewEvent([][2]string{{"event.dataset", "x.y"}, {"message", message}, {"user.name", fmt.Sprintf("user%d", i%20)}})
		if err != nil {
			t.Fatal(err)
		}
		m.Take(e)
		for _, h := range ev.Evaluate(e, nil) {
			want[h.Rule.ID]++
		}
	}
	if n, look := m.Events(); n != 60 || look <= 0 || look > time.Minute {
		t.Errorf("%d events, %s", n, look)
	}
	costs := m.Costs()
	if len(costs) != 7 || costs[0].Rule.ID != "dear-rule" || costs[0].Tried != 60 || costs[0].Time <= 0 {
		t.Fatalf("%+v", costs)
	}
	for _, c := range costs {
		if c.Fired != want[c.Rule.ID] || c.Fired == 0 {
			t.Errorf("%s fired %d times, want %d", c.Rule.ID, c.Fired, want[c.Rule.ID])
		}
		if c.Rule.ID != "dear-rule" && c.Tried != 3 {
			t.Errorf("%s was tried %d times; the index leaves 3", c.Rule.ID, c.Tried)
		}
	}
}
