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

// TestAddedColumns holds the migrations that add columns equal to the field table, and
// every field to be in one.
func TestAddedColumns(t *testing.T) {
	files := map[int]string{13: "clickhouse/0013_enrichment.sql"}
	for _, f := range Fields() {
		if f.Since != 0 && files[f.Since] == "" {
			t.Errorf("%s: the test does not know migration %d", f.Name, f.Since)
		}
	}
	for n, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := AddColumnsDDL(n); !strings.Contains(string(text), want) {
			t.Errorf("%s does not hold\n%s", path, want)
		}
	}
}
