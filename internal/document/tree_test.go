package document

import (
	"errors"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestTree: nesting is refused at its place however it is written, and what is only long
// is not.
func TestTree(t *testing.T) {
	var steps strings.Builder
	for i := range 300 {
		steps.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, text := range map[string]string{"lists": strings.Repeat("[", 1<<20), "mappings": strings.Repeat("{a: ", 1<<16), "entries": strings.Repeat("- ", 1<<16),
		"keys": strings.Repeat("? ", 1<<16), "indentation": steps.String()} {
		var at yaml.Error
		if _, err := Tree([]byte(text)); !errors.As(err, &at) || at.GetToken() == nil || !strings.Contains(at.GetMessage(), "nested deeper") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{"list": strings.Repeat("- a: [1, {b: c}]\n", 300), "row": "[" + strings.Repeat("{a: b, c: d}, ", 300) + "]",
		"text": "a: |\n  " + strings.Repeat("[", 300) + "\nb: '" + strings.Repeat("{", 300) + "'\n"} {
		if f, err := Tree([]byte(text)); err != nil || len(f.Docs) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
