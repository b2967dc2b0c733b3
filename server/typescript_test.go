package server

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// TestTypeScript: the types that the app is checked against are those of the API.
func TestTypeScript(t *testing.T) {
	name := filepath.Join("ui", "src", "api", "schema.gen.ts")
	want := typescript(New(Options{}))
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil || string(have) != want {
		t.Errorf("%s is not what the API is (%v): go test ./server -run TestTypeScript -update", name, err)
	}
}

// TestWholeAnswers: the description tells of every field that an answer has. huma leaves out
// those of embedded types that are not exported, which encoding/json writes.
func TestWholeAnswers(t *testing.T) {
	components := New(Options{}).api.OpenAPI().Components.Schemas
	for name, s := range components.Map() {
		of := components.TypeFromRef(schemaPrefix + name)
		if of == nil {
			continue // a word
		}
		for _, f := range reflect.VisibleFields(of) {
			field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if field != "" && field != "-" && f.IsExported() && s.Properties[field] == nil {
				t.Errorf("the description of %s does not tell of %s", name, field)
			}
		}
	}
}

// TestWords: the words of a type are all its constants in schema.
func TestWords(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "schema", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string][]string{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			of, named := spec.Type.(*ast.Ident)
			text, literal := spec.Values[0].(*ast.BasicLit)
			if named && literal && text.Kind == token.STRING {
				constants[of.Name] = append(constants[of.Name], strings.Trim(text.Value, `"`))
			}
			return true
		})
	}
	for of, s := range words() {
		if path.Base(of.PkgPath()) != "schema" {
			continue
		}
		var have []string
		for _, v := range s.Enum {
			have = append(have, v.(string))
		}
		slices.Sort(have)
		want := slices.Sorted(slices.Values(constants[of.Name()]))
		if len(want) == 0 || !slices.Equal(have, want) {
			t.Errorf("the words of %s are %q, its constants %q", of.Name(), have, want)
		}
	}
}

// typescript writes the description of the API as types: its components, its routes, and the
// messages of the live connection.
func typescript(s *Server) string {
	api := s.api.OpenAPI()
	var b strings.Builder
	b.WriteString("// Written from the API (server/routes.go) by `go test ./server -run TestTypeScript -update`; a test\n// holds it true. Do not edit.\n")
	components := api.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(components)) {
		b.WriteString("\n")
		component(&b, name, components[name])
	}
	b.WriteString("\n/** What each route takes, and what it answers. */\nexport interface Routes {\n")
	for _, op := range sorted(operations(api)) {
		routeType(&b, op)
	}
	b.WriteString("}\n")
	liveTypes(&b)
	return b.String()
}

func component(b *strings.Builder, name string, s *huma.Schema) {
	if s.Type != huma.TypeObject {
		fmt.Fprintf(b, "export type %s = %s;\n", name, typeOf(s))
		return
	}
	fmt.Fprintf(b, "export interface %s {\n", name)
	for _, p := range slices.Sorted(maps.Keys(s.Properties)) {
		of := s.Properties[p]
		if of.Description != "" {
			fmt.Fprintf(b, "  /** %s */\n", of.Description)
		}
		fmt.Fprintf(b, "  %s: %s;\n", optional(p, slices.Contains(s.Required, p)), typeOf(of))
	}
	b.WriteString("}\n")
}

func optional(name string, required bool) string {
	if required {
		return name
	}
	return name + "?"
}

// typeOf is the type of a value.
func typeOf(s *huma.Schema) string {
	if s.Nullable {
		return plainType(s) + " | null"
	}
	return plainType(s)
}

func plainType(s *huma.Schema) string {
	switch {
	case s.Ref != "":
		return strings.TrimPrefix(s.Ref, schemaPrefix)
	case len(s.AnyOf) > 0:
		return joined(s.AnyOf, typeOf)
	case len(s.Enum) > 0:
		return joined(s.Enum, literal)
	}
	switch s.Type {
	case huma.TypeInteger, huma.TypeNumber:
		return "number"
	case huma.TypeArray:
		of := typeOf(s.Items)
		if strings.Contains(of, " ") {
			of = "(" + of + ")"
		}
		return of + "[]"
	case huma.TypeObject:
		if of, ok := s.AdditionalProperties.(*huma.Schema); ok {
			return "Record<string, " + typeOf(of) + ">"
		}
		return "Record<string, unknown>"
	case "":
		return "unknown"
	default:
		return s.Type // string, boolean and null are named the same there
	}
}

func joined[T any](of []T, text func(T) string) string {
	parts := make([]string, len(of))
	for i, x := range of {
		parts[i] = text(x)
	}
	return strings.Join(parts, " | ")
}

func literal(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // enums are texts and numbers
	}
	return string(text)
}

func sorted(ops []*huma.Operation) []*huma.Operation {
	return slices.SortedFunc(slices.Values(ops), func(a, b *huma.Operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
}

func routeType(b *strings.Builder, op *huma.Operation) {
	fmt.Fprintf(b, "  %q: {\n", op.Method+" "+strings.TrimPrefix(op.Path, "/api/v1"))
	for _, in := range []string{"path", "query"} {
		var fields []string
		for _, p := range op.Parameters {
			if p.In == in {
				fields = append(fields, optional(p.Name, p.Required)+": "+typeOf(p.Schema))
			}
		}
		if len(fields) > 0 {
			fmt.Fprintf(b, "    %s: { %s };\n", in, strings.Join(fields, "; "))
		}
	}
	if op.RequestBody != nil {
		fmt.Fprintf(b, "    body: %s;\n", content(op.RequestBody.Content))
	}
	for _, code := range []string{"200", "204"} {
		if r := op.Responses[code]; r != nil {
			fmt.Fprintf(b, "    answer: %s;\n", content(r.Content))
		}
	}
	b.WriteString("  };\n")
}

// content is the type of a body: a document, or the bytes of a file.
func content(of map[string]*huma.MediaType) string {
	if m := of["application/json"]; m != nil && m.Schema.Format != "binary" {
		return typeOf(m.Schema)
	}
	if len(of) == 0 {
		return "undefined"
	}
	return "Blob"
}

// liveTypes writes what else the live connection needs: Frame is what a client sends, Reply
// what it gets.
func liveTypes(b *strings.Builder) {
	b.WriteString("\n/** The topics of the live connection, and the permission that each needs. */\nexport const topics = {\n")
	for _, t := range slices.Sorted(maps.Keys(topics)) {
		fmt.Fprintf(b, "  %s: %q,\n", t, topics[t])
	}
	b.WriteString("} as const satisfies Record<string, Permission>;\nexport type Topic = keyof typeof topics;\n")
	fmt.Fprintf(b, "\nexport const subprotocol = %q;\n", subprotocol)
}
