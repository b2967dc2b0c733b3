package rules_test

import (
	"errors"
	"testing"

	"vigil/rules"
	"vigil/rules/correlate"
	"vigil/rules/library"
	"vigil/schema"
)

func TestLibrary(t *testing.T) {
	set, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	families := map[string]int{}
	for _, r := range set.Rules() {
		families[r.File]++
		if r.Query == nil && onlyEventCode(r) {
			t.Errorf("%s is a bare event id", r.ID)
		}
		fires, silent := 0, 0
		for _, c := range r.Tests {
			if c.Match {
				fires++
			} else {
				silent++
			}
		}
		if fires == 0 || silent == 0 {
			t.Errorf("%s: %d tests that fire and %d that stay silent, want at least one of each", r.ID, fires, silent)
		}
		if err := errors.Join(correlate.Check(r)...); err != nil {
			t.Error(err)
		}
		if len(r.Attack) == 0 || r.Runbook == "" || len(r.FalsePositives) == 0 || len(r.Entities) == 0 || r.License == "" {
			t.Errorf("%s: needs attack, runbook, falsepositives, entities and license", r.ID)
		}
	}
	for file, n := range families {
		if n < 5 && file != "intel.yaml" {
			t.Errorf("%s has %d rules, want at least 5", file, n)
		}
	}
}

// onlyEventCode says whether a rule looks at nothing but the event's own number.
func onlyEventCode(r *rules.Rule) bool {
	programs := r.Conditions()
	for _, p := range r.Detect {
		programs = append(programs, r.Part(p.Name))
	}
	for _, p := range programs {
		for _, ref := range p.Refs() {
			if ref.Raw || ref.Extra != "" || ref.Field != schema.FEventCode && ref.Field != schema.FWinlogEventID && ref.Field != schema.FEventDataset {
				return false
			}
		}
	}
	return r.Detector == nil
}
