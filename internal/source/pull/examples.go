package pull

import (
	"embed"
	"io/fs"
	"strings"

	"vigil/schema"
)

//go:embed examples/*.yaml
var files embed.FS

// Examples are the names of the documents that come with Vigil.
func Examples() []string {
	list, _ := fs.Glob(files, "examples/*.yaml") // the pattern is good
	for i, name := range list {
		list[i] = strings.TrimSuffix(strings.TrimPrefix(name, "examples/"), ".yaml")
	}
	return list
}

// Example is a document that comes with Vigil, to start an own one from.
func Example(name string) (string, error) {
	text, err := files.ReadFile("examples/" + name + ".yaml")
	if err != nil {
		return "", schema.E(schema.NotFound, "there is no example "+name, strings.Join(Examples(), ", "))
	}
	return string(text), nil
}
