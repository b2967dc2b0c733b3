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
