package playbook

import (
	"archive/zip"
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"vigil/internal/testdata"
)

// TestAgainstTheStandard holds our checking to the standard's own JSON schemas: what we
// take of the documents of others must be valid by them.
func TestAgainstTheStandard(t *testing.T) {
	dir := filepath.Join(testdata.Shared(t), "playbooks")
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	root := ""
	each(t, filepath.Join(dir, "cacao-v2-json-schemas.zip"), func(name string, text []byte) {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		id, _ := doc.(map[string]any)["$id"].(string)
		if strings.HasSuffix(name, "schemas/playbook.json") {
			root = id
		}
		if err := c.AddResource(id, doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	})
	s, err := c.Compile(root)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := 0, 0
	each(t, filepath.Join(dir, "cacao-v2.zip"), func(name string, text []byte) {
		d, _ := Parse(name, text, nil)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		err = s.Validate(doc)
		if err == nil {
			theirs++
		}
		if d != nil {
			ours++
			if err != nil {
				t.Errorf("%s: we take it, the standard does not: %v", name, err)
			}
		}
	})
	t.Logf("valid by the standard %d, taken by us %d", theirs, ours)
	if ours == 0 {
		t.Error("nothing is taken")
	}
}

func each(t *testing.T, archive string, do func(name string, text []byte)) {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".json") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		do(f.Name, text)
	}
}
