package custom

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"vigil/internal/parser"
	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// TestCopied: the rows of a built-in mapping, copied into a custom format, mean the same.
func TestCopied(t *testing.T) {
	for _, name := range []string{"github", "messagetrace", "kubernetes", "gcp", "okta"} {
		t.Run(name, func(t *testing.T) {
			s, errs := Load([]File{{name + ".yaml", copied(t, name)}})
			if errs != nil {
				t.Fatal(errs)
			}
			built, err := parser.ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			log, err := os.ReadFile("../testdata/" + name + ".log")
			if err != nil {
				t.Fatal(err)
			}
			ours, theirs := s.Formats()[0].New(parser.Options{}), built.New(parser.Options{})
			fields := 0
			for line := range strings.Lines(string(log)) {
				var a, b schema.Event
				a.Reset([]byte(line), 0)
				b.Reset([]byte(line), 0)
				if theirs.Parse([]byte(line), &b) != nil {
					continue
				}
				if err := ours.Parse([]byte(line), &a); err != nil {
					t.Fatal(err)
				}
				for _, f := range a.Fields() {
					fields++
					have, _ := a.Get(f.String())
					if want, _ := b.Get(f.String()); have != want && f != schema.FEventModule && f != schema.FEventDataset && f != schema.FOcsfClassUid {
						t.Errorf("%s is %q, in the built-in format %q", f, have, want)
					}
				}
			}
			if fields < 10 {
				t.Errorf("only %d fields were set", fields)
			}
		})
	}
}

// copied is a custom format with the rows of a built-in one, as a person would copy them.
func copied(t *testing.T, name string) string {
	t.Helper()
	text, err := mapping.Text(name)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "id: my-%s\ndetect: {contains: ['{']}\nshape: {type: json}\n", name)
	take := false
	for line := range strings.Lines(text) {
		if line[0] != ' ' {
			key, _, _ := strings.Cut(line, ":")
			take = key != "formats" && key != "zone"
		}
		if take {
			b.WriteString(line)
		}
	}
	b.WriteString("samples: [{record: '', is: skipped}]\n")
	return b.String()
}
