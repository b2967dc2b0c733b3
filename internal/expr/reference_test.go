package expr

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"vigil/schema"
)

var update = flag.Bool("update", false, "rewrite generated references")

const fieldsReference = "../../docs/reference/fields.md"

// fieldsMarkdown renders the field table for people.
func fieldsMarkdown() string {
	var b strings.Builder
	b.WriteString("# Fields\n\nGenerated from the field table by `go test ./internal/expr -update`. Do not edit.\n\n")
	b.WriteString("Each field is one name in rules (`e.` before it), one column of the table `events`, and one name in the search language. ")
	b.WriteString("An absent value is the zero value of its column: empty text, 0, false, no elements; `has(…)` is false for it.\n\n")
	b.WriteString("| Field | Type in rules | Column | Column type | Meaning |\n|---|---|---|---|---|\n")
	for _, f := range schema.Fields() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | `%s` | %s |\n", f.Name, FieldType(&f), f.Column, f.ColumnType(), strings.ReplaceAll(f.Doc, "|", `\|`))
	}
	b.WriteString("\nAll else a record holds is kept as text under one of these names, in the column `attrs` by its full dotted name:\n\n")
	for _, ns := range schema.OpenNamespaces() {
		fmt.Fprintf(&b, "- `e.%s.…` is `attrs['%s.…']`\n", ns, ns)
	}
	b.WriteString("\nThe record as it arrived is `e.raw`, column `raw`.\n")
	return b.String()
}

// TestFieldsAgree holds the four faces of a field equal: the field table, the
// events table, the expression environment and the reference.
func TestFieldsAgree(t *testing.T) {
	want := fieldsMarkdown()
	if *update {
		if err := os.WriteFile(fieldsReference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	doc, err := os.ReadFile(fieldsReference)
	if err != nil {
		t.Fatal(err)
	}
	if string(doc) != want {
		t.Errorf("%s differs from the field table; run go test ./internal/expr -update", fieldsReference)
	}
	ddl := schema.EventsDDL()
	for _, f := range schema.Fields() {
		if f.Since != 0 && !strings.Contains(ddl, schema.AddColumnsDDL(f.Since)) {
			ddl += schema.AddColumnsDDL(f.Since)
		}
	}
	env, err := NewEnv(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range schema.Fields() {
		if column := fmt.Sprintf(" %s %s", f.Column, f.ColumnType()); !strings.Contains(ddl, column) {
			t.Errorf("%s: the events table has no column %q", f.Name, strings.TrimSpace(column))
		}
		p, err := env.Compile(probe(&f), nil)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if refs := p.Refs(); len(refs) != 1 || refs[0].Field != f.ID {
			t.Errorf("%s: the expression reads %v", f.Name, refs)
		}
	}
}

// probe is an expression that compiles only if the field has its type.
func probe(f *schema.Field) string {
	e := "has(e." + f.Name + ") && e." + f.Name
	switch FieldType(f) {
	case Int:
		return e + " == 1"
	case Double:
		return e + " == 1.5"
	case Bool:
		return e
	case Timestamp:
		return e + " > timestamp('2000-01-01T00:00:00Z')"
	case StringList:
		return "'x' in e." + f.Name
	default:
		return e + ".icontains('x')"
	}
}
