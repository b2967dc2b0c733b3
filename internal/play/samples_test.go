package play_test

import (
	"errors"
	"slices"
	"testing"

	"vigil/internal/play"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/rules/samples"
)

// TestBuiltInSamples: each built-in sample is found by our rules under each of its
// techniques, and by none of them once they are gone.
func TestBuiltInSamples(t *testing.T) {
	set, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	list, err := samples.BuiltIn("main")
	if err != nil || len(list) < 10 {
		t.Fatal(len(list), err)
	}
	for _, s := range list {
		t.Run(s.ID, func(t *testing.T) {
			r, err := play.Try(t.Context(), set, s)
			if err != nil || !r.OK() {
				t.Errorf("found %v of %v by %v (others: %v) %v", r.Found, s.Attack, r.Rules, r.Other, err)
			}
			rest := slices.DeleteFunc(slices.Clone(set.Rules()), func(x *rules.Rule) bool { return slices.Contains(r.Rules, x.ID) })
			if r, err := play.Try(t.Context(), rules.SetOf(rest...), s); err != nil || r.OK() {
				t.Errorf("still found by %v without the rules %v", r.Rules, err)
			}
		})
	}
}
