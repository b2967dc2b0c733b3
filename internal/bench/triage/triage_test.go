package triage

import (
	"testing"
	"time"

	"vigil/internal/alert"
	"vigil/internal/testdata"
)

// TestTargets holds grouping to its targets on every network of the recordings.
func TestTargets(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped in short mode: half a minute")
	}
	list, err := Score(t.Context(), testdata.Shared(t), time.Hour, alert.DefaultTuning())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 3 {
		t.Errorf("%d networks, want three", len(list))
	}
	for _, n := range list {
		t.Logf("%s: %d records, %d alerts, %d shown, purity %.3f, %.2f %% false apart", n.Name, n.Records, n.Folded, n.Shown, Purity(n.ByEvent), 100*n.FalseApart)
		for _, f := range n.Faults() {
			t.Errorf("%s: %s", n.Name, f)
		}
	}
}

// TestFaults: a network that misses a limit is told so, one by one.
func TestFaults(t *testing.T) {
	good := Network{Shown: 3, FalseApart: 0.99, ByEvent: []Phase{{Name: "dirb", Alerts: 5, Top: 5, Purity: 0.95}}}
	if f := good.Faults(); len(f) != 0 {
		t.Errorf("a network within the limits: %v", f)
	}
	for name, change := range map[string]func(*Network){
		"none":     func(n *Network) { n.Shown = 0 },
		"many":     func(n *Network) { n.Shown = MaxShown + 1 },
		"missing":  func(n *Network) { n.ByEvent = append(n.ByEvent, Phase{Name: "webshell", Purity: 1}) },
		"impure":   func(n *Network) { n.ByEvent = []Phase{{Top: 1, Purity: 0.89}} },
		"noise":    func(n *Network) { n.FalseApart = 0.94 },
		"too long": func(n *Network) { n.Unstated = 1 },
	} {
		n := good
		change(&n)
		if len(n.Faults()) != 1 {
			t.Errorf("%s: %v", name, n.Faults())
		}
	}
}
