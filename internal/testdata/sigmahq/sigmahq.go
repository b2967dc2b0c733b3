// Package sigmahq gives tests the rules of SigmaHQ, as the shared recordings have
// them. Nothing of them is in this repository.
package sigmahq

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/gzip"

	"vigil/internal/testdata"
	"vigil/rules"
	"vigil/rules/sigma"
)

// Files reads the active rules of SigmaHQ.
func Files(t testing.TB) []sigma.File {
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

// Convert converts files, with values made up for their placeholders.
func Convert(files []sigma.File) *sigma.Report {
	return sigma.Convert(files, sigma.Options{Lists: placeholders(files)})
}

// Documents is what was converted, as files that rules.Load takes.
func Documents(r *sigma.Report) fstest.MapFS {
	out := fstest.MapFS{}
	for i, c := range r.Converted {
		out[fmt.Sprintf("%05d.yaml", i)] = &fstest.MapFile{Data: []byte(c.Rule.YAML)}
	}
	return out
}

// Rules is all active rules of SigmaHQ, converted and loaded.
func Rules(t testing.TB) *rules.Set {
	t.Helper()
	set, errs := rules.Load(Documents(Convert(Files(t))))
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	return set
}

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
