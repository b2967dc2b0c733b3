package parser

import (
	"fmt"

	"vigil/schema"
)

// Set is formats to choose from, most specific first.
type Set []Format

// ByName returns the format of that name.
func (s Set) ByName(name string) (Format, error) {
	var names []string
	for _, f := range s {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, schema.E(schema.Invalid, fmt.Sprintf("there is no format %q", name), fmt.Sprintf("the formats are %v", names))
}

// Detect chooses the format of an object by its first bytes, and says why. An error
// means that no format wants it.
func (s Set) Detect(sample []byte, object string) (Format, string, error) {
	var best Format
	top, reason := 0, ""
	for _, f := range s {
		if sure, why := f.Detect(sample, object); sure > top {
			best, top, reason = f, sure, why
		}
	}
	if top == 0 {
		return Format{}, "", schema.E(schema.Invalid, "no format recognises "+object,
			"name one with --format, if you know what it is")
	}
	return best, reason, nil
}
