package schema

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite generated files")

// TestEventsDDLMatchesFieldTable holds the first migration equal to the field table.
func TestEventsDDLMatchesFieldTable(t *testing.T) {
	const path = "clickhouse/0001_events.sql"
	want := EventsDDL()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s differs from the field table; run go test ./schema -update", path)
	}
}

// TestFieldTable checks that names, columns and ids agree and none repeats.
func TestFieldTable(t *testing.T) {
	seen := map[string]bool{}
	for i, f := range Fields() {
		if int(f.ID) != i {
			t.Errorf("%s: id %d at index %d", f.Name, f.ID, i)
		}
		if f.Column != strings.ReplaceAll(f.Name, ".", "_") {
			t.Errorf("%s: column %s", f.Name, f.Column)
		}
		if seen[f.Column] {
			t.Errorf("%s: column used twice", f.Column)
		}
		seen[f.Column] = true
		if !strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: doc %q is not a sentence", f.Name, f.Doc)
		}
		if f.Multi && f.Kind != Keyword && f.Kind != LowCard && f.Kind != IP {
			t.Errorf("%s: lists hold text or addresses only", f.Name)
		}
	}
}
