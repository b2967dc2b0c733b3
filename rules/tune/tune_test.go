package tune

import (
	"fmt"
	"testing"

	"vigil/rules"
	"vigil/schema"
)

const noisy = `id: noisy-rule
title: T
author: A
severity: high
dataset: windows.security
when: e.event.code == '1'
entities: {host: host.name, user: user.name, port: destination.port}
`

func alertOf(host, user, verdict string) schema.Alert {
	return schema.Alert{Rule: "noisy-rule", Verdict: verdict, Entities: map[string]string{"host": host, "user": user, "port": "445"}}
}

// TestPropose: the exception that removes most false positives without a true one comes
// first, its numbers are those of the alerts, and what it would hide is what it matches.
func TestPropose(t *testing.T) {
	list, errs := rules.Parse("r.yaml", []byte(noisy), rules.Options{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var alerts []schema.Alert
	for i := range 8 {
		alerts = append(alerts, alertOf("build01", fmt.Sprintf("u%d", i), "false_positive"))
	}
	alerts = append(alerts, alertOf("BUILD01", `o'neil\x`, ""), alertOf("ws1", "eve", "true_positive"), alertOf("ws2", "eve", "benign"), alertOf("ws3", "bob", "false_positive"))
	r := Propose(list[0], alerts)
	if r.Alerts != 12 || r.FalsePositives != 10 || r.TruePositives != 1 || r.Precision < 0.09 || r.Precision > 0.1 {
		t.Fatalf("%+v", r)
	}
	best := r.Proposals[0]
	want := Proposal{When: "e.host.name.ieq('build01')", Removed: 9, FalsePositives: 8, Undecided: 1, Share: 0.8, Precision: 1. / 3}
	if best != want {
		t.Errorf("%+v, want %+v", best, want)
	}
	for i, p := range r.Proposals {
		if p.Removed != p.FalsePositives+p.TruePositives+p.Undecided {
			t.Errorf("%+v does not add up", p)
		}
		if i > 0 && p.TruePositives == 0 && r.Proposals[i-1].TruePositives > 0 {
			t.Errorf("%+v comes behind one that loses a true positive", p)
		}
	}
	if none := Propose(list[0], []schema.Alert{alertOf("a", "b", ""), alertOf("a", "b", "true_positive")}); len(none.Proposals) != 0 {
		t.Errorf("nothing was false, yet %+v", none.Proposals)
	}
	if p, ok := condition(list[0], []term{{"user", `o'neil\x`}}); !ok || p != `e.user.name.ieq('o\'neil\\x')` {
		t.Errorf("%q %t", p, ok)
	}
	if _, ok := condition(list[0], []term{{"port", "445"}}); ok {
		t.Error("a number was compared as text")
	}
}
