package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/rules"
)

const goodSigma = `title: Small
id: 00000000-0000-4000-8000-0000000000aa
author: Mira
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: \small.exe}
  condition: selection
level: high
`

const badSigma = `title: Bad
id: 00000000-0000-4000-8000-0000000000ab
author: Mira
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endwith: \small.exe}
  condition: selection
level: high
`

// vigil runs a command on a data folder of its own.
func vigil(t *testing.T, data string, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	a := newApp()
	a.out, a.err = &o, &e
	code = run(t.Context(), a, append([]string{"--data", data}, args...))
	return code, o.String(), e.String()
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestImportSigma: good rules are used, bad ones said, rules that are gone removed.
func TestImportSigma(t *testing.T) {
	data, from := t.TempDir(), t.TempDir()
	write(t, filepath.Join(from, "a/good.yml"), []byte(goodSigma))
	bad := write(t, filepath.Join(from, "a/bad.yml"), []byte(badSigma))
	code, out, errs := vigil(t, data, "rules", "import-sigma", from)
	if code != 3 || !strings.Contains(out, `a/bad.yml:6:15`) || !strings.Contains(out, `did you mean "endswith"?`) {
		t.Errorf("exit %d\n%s\n%s", code, out, errs)
	}
	code, out, errs = vigil(t, data, "rules", "show", "00000000-0000-4000-8000-0000000000aa")
	if code != 0 || !strings.Contains(out, "author: Mira") || !strings.Contains(out, "license: DRL-1.1") {
		t.Errorf("exit %d\n%s\n%s", code, out, errs)
	}
	write(t, bad, []byte(strings.Replace(badSigma, "endwith", "endswith", 1)))
	if err := os.Remove(filepath.Join(from, "a/good.yml")); err != nil {
		t.Fatal(err)
	}
	if code, out, errs = vigil(t, data, "rules", "import-sigma", from); code != 0 {
		t.Errorf("exit %d\n%s\n%s", code, out, errs)
	}
	set, problems := rules.Load(os.DirFS(filepath.Join(data, "rules")))
	if len(problems) > 0 || len(set.Rules()) != 1 || set.Rules()[0].Title != "Bad" {
		t.Errorf("%d rules, problems %v", len(set.Rules()), problems)
	}
}

// TestImportSigmaArchives: tar.gz and zip are read, and no name leads outside.
func TestImportSigmaArchives(t *testing.T) {
	var zipped, tarred bytes.Buffer
	z := zip.NewWriter(&zipped)
	w, err := z.Create("x/good.yml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(goodSigma)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	g := gzip.NewWriter(&tarred)
	tw := tar.NewWriter(g)
	if err := tw.WriteHeader(&tar.Header{Name: "../../outside.yml", Mode: 0o644, Size: int64(len(goodSigma)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write([]byte(goodSigma)); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"r.zip": zipped.Bytes(), "r.tar.gz": tarred.Bytes()} {
		base := t.TempDir()
		data := filepath.Join(base, "data")
		code, out, errs := vigil(t, data, "rules", "import-sigma", write(t, filepath.Join(base, name), text))
		if code != 0 || !strings.Contains(errs, "1 rules written") {
			t.Errorf("%s: exit %d\n%s\n%s", name, code, out, errs)
		}
		set, problems := rules.Load(os.DirFS(filepath.Join(data, "rules", "sigma")))
		if len(problems) > 0 || len(set.Rules()) != 1 {
			t.Errorf("%s: %d rules, problems %v", name, len(set.Rules()), problems)
		}
	}
	if code, _, errs := vigil(t, t.TempDir(), "rules", "import-sigma", t.TempDir()); code == 0 || !strings.Contains(errs, "no Sigma rules") {
		t.Errorf("an empty folder: exit %d, %s", code, errs)
	}
}
