// Package samples holds attack samples that every Vigil tries its rules on: a few records
// of each attack, written by hand in the layout of real logs.
package samples

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"vigil/schema"
)

//go:embed *.yaml
var files embed.FS

// BuiltIn returns the samples that come with this version, by id.
func BuiltIn(org string) ([]schema.Sample, error) {
	var out []schema.Sample
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var list []struct {
			ID      string   `yaml:"id"`
			Title   string   `yaml:"title"`
			Attack  []string `yaml:"attack"`
			Records []string `yaml:"records"`
		}
		if err := yaml.UnmarshalWithOptions(text, &list, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, s := range list {
			out = append(out, schema.Sample{Org: org, ID: s.ID, Title: s.Title, Attack: s.Attack, Records: s.Records, BuiltIn: true})
		}
	}
	return out, nil
}

// With returns the built-in samples and the kept ones, by id. A kept one takes the place
// of a built-in one of its id.
func With(org string, kept []schema.Sample) ([]schema.Sample, error) {
	out, err := BuiltIn(org)
	if err != nil {
		return nil, err
	}
	for _, s := range kept {
		out = slices.DeleteFunc(out, func(b schema.Sample) bool { return b.ID == s.ID })
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b schema.Sample) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}
