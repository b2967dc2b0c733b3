package sigma_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/gzip"

	"vigil/internal/testdata"
	"vigil/rules/sigma"
)

// placeholders are values for the placeholders of SigmaHQ's rules.
func placeholders(files []sigma.File) map[string][]string {
	lists := map[string][]string{}
	for _, f := range files {
		for _, w := range strings.FieldsFunc(string(f.Text), func(r rune) bool { return strings.ContainsRune(" '\"\n,[]", r) }) {
			if name := strings.Trim(w, "%"); len(w) == len(name)+2 && name != "" && !strings.ContainsAny(name, "%\\/") {
				lists[name] = []string{"value-of-" + name, "other-of-" + name}
			}
		}
	}
	return lists
}

// corpusFiles reads SigmaHQ's rules, as the archive of the shared data has them.
func corpusFiles(t testing.TB) []sigma.File {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata.Shared(t), "rules/sigma-rules.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files, err := sigma.FromTar(z)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(f sigma.File) bool { return strings.Contains(f.Name, "sigma/tests/") })
}

// TestCorpus converts every active rule of SigmaHQ.
func TestCorpus(t *testing.T) {
	files := corpusFiles(t)
	report := sigma.Convert(files, sigma.Options{Lists: placeholders(files)})
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

// memory is the converted rules as files.
func memory(r *sigma.Report) fstest.MapFS {
	out := fstest.MapFS{}
	for _, c := range r.Converted {
		out[strings.TrimSuffix(c.File, path.Ext(c.File))+fmt.Sprintf("-%d.yaml", c.Line)] = &fstest.MapFile{Data: []byte(c.Rule.YAML)}
	}
	return out
}
