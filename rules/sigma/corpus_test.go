package sigma_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"testing"

	"vigil/internal/testdata/sigmahq"
)

// TestCorpus converts every active rule of SigmaHQ.
func TestCorpus(t *testing.T) {
	files := sigmahq.Files(t)
	report := sigmahq.Convert(files)
	for _, e := range report.Refused {
		t.Error(e)
	}
	kinds, warned := map[string]int{}, map[string]int{}
	for _, c := range report.Converted {
		kinds[c.Source]++
		if c.Rule.Author == "" || c.Rule.License == "" || !strings.Contains(c.Rule.YAML, "author:") {
			t.Errorf("%s: author %q, licence %q", c.File, c.Rule.Author, c.Rule.License)
		}
	}
	for _, w := range report.Warnings {
		warned[w.Message]++
	}
	if len(report.Converted) != 3780 {
		t.Errorf("%d of %d documents became rules", len(report.Converted), report.Documents)
	}
	var b bytes.Buffer
	for _, k := range slices.SortedFunc(maps.Keys(kinds), func(a, b string) int { return kinds[b] - kinds[a] }) {
		fmt.Fprintf(&b, "%5d %s\n", kinds[k], k)
	}
	for _, k := range slices.Sorted(maps.Keys(warned)) {
		fmt.Fprintf(&b, "warning %d× %s\n", warned[k], k)
	}
	t.Logf("%d documents, %d rules:\n%s", report.Documents, len(report.Converted), b.String())
}

// TestServed: hardly any rule is evaluated on every event. Of all rules, those are served
// that an index finds or that ask for event codes; of the rules of process creations, which
// all ask for the same codes, those that an index finds.
func TestServed(t *testing.T) {
	const most = 0.003
	var all, creations, unserved, unfound []string
	for _, r := range loaded(t).Rules() {
		all = append(all, r.ID)
		if !r.Indexed() && !r.Coded() {
			unserved = append(unserved, r.Title)
		}
		if p := r.Part("logsource"); p == nil || !strings.Contains(p.Source(), "event.code == '1' ||") || !strings.Contains(p.Source(), "event.code == '4688'") {
			continue
		}
		creations = append(creations, r.ID)
		if !r.Indexed() {
			unfound = append(unfound, r.Title)
		}
	}
	t.Logf("%d of %d rules are not served; %d of %d of process creations are not found by an index: %q", len(unserved), len(all), len(unfound), len(creations), unfound)
	if float64(len(unserved)) > most*float64(len(all)) {
		t.Errorf("not served: %q", unserved)
	}
	if len(creations) < 1000 || float64(len(unfound)) > most*float64(len(creations)) {
		t.Errorf("%d rules of process creations, not found by an index: %q", len(creations), unfound)
	}
}
