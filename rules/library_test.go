package rules_test

import (
	"errors"
	"testing"

	"vigil/rules"
	"vigil/rules/library"
)

func TestLibrary(t *testing.T) {
	set, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	for _, r := range set.Rules() {
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
		if err := errors.Join(r.Check()...); err != nil {
			t.Error(err)
		}
		if len(r.Attack) == 0 || r.Runbook == "" || len(r.FalsePositives) == 0 || len(r.Entities) == 0 || r.License == "" {
			t.Errorf("%s: needs attack, runbook, falsepositives, entities and license", r.ID)
		}
	}
}
