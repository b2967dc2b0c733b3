package normalise

import (
	"path"
	"slices"
	"strings"
	"testing"

	"vigil/internal/parser"
	"vigil/internal/testdata"
	"vigil/schema"
)

// TestTargets holds the scores over the claimed formats to what issue 3 asks for: 90 % of
// the core fields, and 75 % of all fields of Elastic's documents. The unclaimed formats
// are logged, so that nobody forgets them.
func TestTargets(t *testing.T) {
	r, err := Score(t.Context(), testdata.Shared(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range r.Rows {
		t.Logf("%-8s %-34s claimed %-5v %4d of %4d recognised, core %5.1f %% of %4d, all %5.1f %% of %5d, %d agreed, %d apart %v",
			row.Set, row.Format, row.Claimed, row.Recognised, row.Records, row.Core.Percent(), row.Core.Wanted, row.All.Percent(), row.All.Wanted, row.Agreed, row.Apart, worst(row))
	}
	core := r.Total(func(r Row) bool { return r.Claimed && r.Set != "windows" }).Core
	t.Logf("claimed, without the twins: %.1f %% of %d core fields", core.Percent(), core.Wanted)
	if core.Wanted < 3000 || core.Percent() < 90 {
		t.Errorf("%.1f %% of %d core fields of the claimed formats, want 90 %% of 3000 and more", core.Percent(), core.Wanted)
	}
	elastic := r.Total(func(r Row) bool { return r.Claimed && r.Set == "elastic" })
	if elastic.Records != 470 || elastic.All.Percent() < 75 {
		t.Errorf("%d documents of Elastic, %.1f %% of their fields, want 470 and 75 %%", elastic.Records, elastic.All.Percent())
	}
	for _, row := range r.Rows {
		if row.Claimed && row.Core.Wanted >= 10 && row.Core.Percent() < 75 {
			t.Errorf("%s %s is claimed, with %.1f %% of the core fields", row.Set, row.Format, row.Core.Percent())
		}
	}
	for _, set := range []string{"elastic", "sekoia", "ocsf", "sc4s", "windows"} {
		sum := r.Total(func(r Row) bool { return r.Claimed && r.Set == set })
		if sum.Records == 0 || sum.Core.Percent() < 85 {
			t.Errorf("%s: %d records, %.1f %% of the core fields", set, sum.Records, sum.Core.Percent())
		}
	}
}

// worst are the fields that fail most.
func worst(r Row) []string {
	var out []string
	for _, m := range r.Misses[:min(len(r.Misses), 4)] {
		out = append(out, m.Field)
	}
	return out
}

// TestTablesAreUsed: every row of the tables of claims, differences and source types says
// something about a pair that is there.
func TestTablesAreUsed(t *testing.T) {
	claim, difference := make([]bool, len(claims)), make([]bool, len(differences))
	for p, err := range pairs(testdata.Shared(t)) {
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range claims {
			claim[i] = claim[i] || c.set == p.set && matches(c.format, p.format)
		}
		for i, d := range differences {
			for name := range p.want {
				difference[i] = difference[i] || matches(d.Set, p.set) && matches(d.Format, p.format) && matches(d.Field, name)
			}
		}
	}
	if i := slices.Index(claim, false); i >= 0 {
		t.Errorf("no pair is of the claimed format %v", claims[i])
	}
	if i := slices.Index(difference, false); i >= 0 {
		t.Errorf("no pair has the field of the difference %v", differences[i])
	}
	for _, d := range differences {
		if len(strings.Fields(d.Reason)) < 3 {
			t.Errorf("a difference without a reason: %v", d)
		}
	}
	for _, s := range sourceTypes {
		for _, f := range s.formats {
			if _, err := parser.ByName(f); err != nil {
				t.Errorf("%s: %v", s.prefix, err)
			}
		}
	}
}

// TestComparison: what counts as equal, and that a wrong value does not.
func TestComparison(t *testing.T) {
	for _, c := range []struct {
		want, have []string
		equal      bool
	}{
		{[]string{"a"}, []string{"A"}, true}, {[]string{"a"}, nil, false}, {[]string{"a", "b"}, []string{"b", "a", "c"}, true}, {[]string{"a", "b"}, []string{"a"}, false},
		{[]string{"2024-01-02T03:04:05.678901Z"}, []string{"2024-01-02T04:04:05.678+01:00"}, true}, {[]string{"2024-01-02T03:04:05Z"}, []string{"2024-01-02T03:04:06Z"}, false},
		{[]string{"::ffff:192.0.2.1"}, []string{"192.0.2.1"}, true}, {[]string{"192.0.2.1"}, []string{"192.0.2.2"}, false}, {[]string{"x"}, []string{`["w","x"]`}, true}, {[]string{"v"}, []string{`["w","x"]`}, false},
	} {
		if got := same("f", c.want, c.have); got != c.equal {
			t.Errorf("%v and %v: %v", c.want, c.have, got)
		}
	}
	var r Row
	r.misses = map[string]*Miss{}
	e := &schema.Event{}
	e.Reset([]byte("raw"), 0)
	e.SetStr(schema.FUserName, "mira@example.com")
	r.compare(pair{set: "sekoia", format: "o365", want: document{"user.name": {"mira"}, "host.name": {"h"}, "rule.name": {"-"}}}, parsed{format: "o365", event: e})
	if r.Core != (Count{2, 3}) || r.Agreed != 2 || len(r.misses) != 1 {
		t.Errorf("%+v", r)
	}
	if !matches("Cisco/ASA/*", "Cisco/ASA/302013") || matches("Cisco/ASA/*", "Cisco/FTD") || !matches("*.geo.*", "source.geo.location.lat") || matches("a*b", "a") {
		t.Error("patterns do not match as they should")
	}
	if got := ocsfFormat("markdown/AWS/v1.1.0/WAF/Samples/waf.ocsf"); got != path.Join("AWS", "WAF") {
		t.Error(got)
	}
}
