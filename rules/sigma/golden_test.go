package sigma

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

var update = flag.Bool("update", false, "rewrite golden files")

func mapFS(files map[string]string) fs.FS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

// golden is what a conversion gives, for people to read.
func golden(r *Report) string {
	var b strings.Builder
	for _, c := range r.Converted {
		fmt.Fprintf(&b, "--- %s line %d: %s\n%s\n", c.File, c.Line, c.Source, strings.TrimRight(c.Rule.YAML, "\n"))
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning %v\n", w)
	}
	for _, e := range r.Refused {
		fmt.Fprintf(&b, "refused %v\n", e)
	}
	fmt.Fprintf(&b, "%d documents: %d converted, %d folded, %d refused\n", r.Documents, len(r.Converted), r.Folded, r.RefusedDocuments())
	return b.String()
}

// TestGolden converts each file of testdata by itself.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(names) == 0 {
		t.Fatal("no files in testdata", err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := golden(Convert([]File{{filepath.Base(name), text}}, Options{Lists: map[string][]string{"admins": {`CORP\root`, "ad*min"}}}))
			file := strings.TrimSuffix(name, ".yml") + ".golden"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; run go test ./rules/sigma -update and look at the difference. Got:\n%s", file, got)
			}
		})
	}
}

// FuzzConvert feeds arbitrary text to the reader: it must not panic or hang, problems
// must have a place inside the file, and what is converted must load.
func FuzzConvert(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.yml")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for doc := range strings.SplitSeq(string(text), "\n---\n") {
			f.Add(doc)
		}
	}
	f.Add("title: a\nlogsource: {product: windows}\ndetection: {a: {b|re|i: '('}, condition: 1 of a* | count() by b > 3}")
	f.Fuzz(func(t *testing.T, text string) {
		r := Convert([]File{{"f.yml", []byte(text)}}, Options{})
		lines := strings.Count(text, "\n") + 1
		for _, e := range append(r.Refused, r.Warnings...) {
			if e.Line < 1 || e.Line > lines || e.Column < 1 {
				t.Errorf("place %d:%d outside of %d lines: %v", e.Line, e.Column, lines, e)
			}
		}
		if r.RefusedDocuments() < 0 || r.RefusedDocuments() > 0 && len(r.Refused) == 0 {
			t.Errorf("%d documents are refused, with %d reasons", r.RefusedDocuments(), len(r.Refused))
		}
		for _, c := range r.Converted {
			if c.Rule.Author == "" || c.Rule.License == "" {
				t.Errorf("no author or licence: %s", c.Rule.YAML)
			}
		}
	})
}
