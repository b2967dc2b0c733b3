package correlate

import (
	"slices"

	"vigil/rules"
)

// Check runs the rule's inline tests, those of several events too, and returns an error
// for each that does not do what it says. Those of aggregate rules need an engine and are
// not run here.
func Check(r *rules.Rule) []error {
	errs := r.Check()
	for _, c := range r.Tests {
		if c.Events == nil || !r.Stateful() || !r.Runs() {
			continue
		}
		bases, err := r.TestBases(c)
		if err != nil {
			errs = append(errs, r.Failed(c, "%v", err))
			continue
		}
		var fires int
		if len(bases) > 0 {
			slices.SortFunc(bases, byTime)
			all := Affected(r, bases[0].Time, bases[len(bases)-1].Time)
			got, _ := Judge(r, bases, all, all.To.Add(2*day))
			fires = len(got)
		}
		if fired := fires > 0; fired != c.Match {
			errs = append(errs, r.Failed(c, "the rule fired: %t, want %t; %d of its %d events were counted", fired, c.Match, len(bases), len(c.Events)))
		}
	}
	return errs
}
