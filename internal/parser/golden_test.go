package parser

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/testdata"
	"vigil/schema"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// goldenEvent is one record of a golden.
type goldenEvent struct {
	Raw    string            `json:"raw"`
	Event  map[string]string `json:"event,omitempty"`
	Header bool              `json:"header,omitempty"`
	Error  string            `json:"error,omitempty"`
}

// TestGoldens: testdata/FORMAT.log is recognised as FORMAT, and its records come out as
// testdata/FORMAT.golden says. Run with -update to rewrite the goldens.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil || len(files) < 16 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".log")
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, why, err := Detect(b, "x")
			if err != nil || f.Name != name {
				t.Fatalf("recognised as %q (%s), %v", f.Name, why, err)
			}
			if !strings.Contains(f.Doc, " ") || why == "" {
				t.Errorf("no words on the format: %q, %q", f.Doc, why)
			}
			have := golden(t, f, string(b))
			path := strings.TrimSuffix(path, ".log") + ".golden"
			if *update {
				if err := os.WriteFile(path, have, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != string(have) {
				t.Errorf("differs from %s; look at the difference, and rewrite it with -update:\n%s", path, have)
			}
		})
	}
}

func golden(t *testing.T, f Format, text string) []byte {
	t.Helper()
	p := f.New(Options{Object: "x", BaseYear: 2024})
	var out []goldenEvent
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		g := goldenEvent{Raw: line}
		var e schema.Event
		e.Reset([]byte(line), 0)
		switch err := p.Parse([]byte(line), &e); {
		case errors.Is(err, ErrHeader):
			g.Header = true
		case err != nil:
			g.Error = err.Error()
		default:
			g.Event = dump(&e)
		}
		out = append(out, g)
	}
	b, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

const referenceTail = `
` + "`vigil explain PATH`" + ` shows which formats want a file, how sure each is and why, and which field came from where.
` + "`vigil sources mapping FORMAT`" + ` prints the mapping of one; [mappings.md](mappings.md) has them all.
What no field fits is kept under the name of its source and can be searched; what does not fit its field is kept under ` + "`labels`" + `.
Every event whose kind has a class in OCSF 1.x carries it as ` + "`ocsf.class_uid`" + `.

Limits: a record longer than 16 MiB is stored as a failure with its head, and the records behind it are read; a parser allocates at most
100 times the bytes of a record (it is tested with records made for that), JSON nests at most 32 deep, and a line of more than 256
columns is kept whole beside the first 256.

How well the formats are normalised is measured against documents that others have published: ` + "`vigil bench normalise`" + ` prints the score
of each format that we claim and of each that we do not, ` + "`--differences`" + ` where we differ on purpose, and why ([figures](../FIGURES.md)).
`

// TestReference holds docs/reference/formats.md to the table of formats.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Formats\n\nWhat `vigil ingest` recognises by itself; `--format NAME` names one. Made from the table in `internal/parser`; do not edit.\n\n| Name | What |\n|---|---|\n")
	for _, f := range Formats() {
		b.WriteString("| `" + f.Name + "` | " + f.Doc + " |\n")
	}
	b.WriteString(referenceTail)
	path := filepath.Join(testdata.Root(t), "docs/reference/formats.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != b.String() {
		t.Errorf("%s does not match the table (%v): rewrite it with go test ./internal/parser -run Reference -update", path, err)
	}
}
