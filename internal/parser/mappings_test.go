package parser

import (
	"testing"

	"vigil/internal/parser/mapping"
)

// TestMappings: every document is good, each row checked against the field table.
func TestMappings(t *testing.T) {
	for _, name := range mapping.Names() {
		if _, err := mapping.Load(name, mapping.Language{Converters: Converters()}); err != nil {
			t.Error(err)
		}
	}
}
