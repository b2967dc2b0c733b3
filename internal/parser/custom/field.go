package custom

import (
	"encoding/json"
	"slices"
	"strings"

	yamldoc "vigil/internal/document"
	"vigil/internal/parser"
	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// rows reads what becomes of the values of a record: the rows of its keys, which are tried
// as the values come, and those of fields, which follow in their order.
func (r *reader) rows(f *format) {
	d := &yamldoc.Reader{File: r.file}
	lang := mapping.Language{Converters: parser.Converters(), Record: true, Keys: f.shape.keys()}
	f.keys = map[string][]mapping.Row{}
	if n := r.doc.Keys.Node; n != nil {
		f.keys = mapping.Keys(d, n, lang)
	}
	for name := range f.keys {
		if strings.Contains(name, "*") || lang.Keys != nil && !slices.Contains(lang.Keys, name) {
			r.fail("$.keys", "the shape yields no value %q", name)
		}
	}
	for _, name := range r.doc.Drop {
		if f.keys[name] == nil {
			f.keys[name] = []mapping.Row{{Drop: true}}
		}
	}
	if n := r.doc.Set.Node; n != nil {
		f.rows = []mapping.Row{{Set: mapping.Constants(d, n, lang)}}
	}
	if n := r.doc.Fields.Node; n != nil {
		f.rows = append(f.rows, mapping.Fields(d, n, lang)...)
	}
	r.problems = append(r.problems, d.Errs...)
}

// elements are the values of a list field: of a JSON array each, else the value itself.
func elements(row *mapping.Row, v string) []string {
	if len(row.To) != 1 || !row.To[0].Def().Multi && !row.List || row.Split != "" || !strings.HasPrefix(v, "[") {
		return []string{v}
	}
	var raw []json.RawMessage
	if json.Unmarshal([]byte(v), &raw) != nil {
		return []string{v}
	}
	var out []string
	for _, x := range raw {
		var s string
		if json.Unmarshal(x, &s) != nil {
			s = string(x)
		}
		out = append(out, s)
	}
	return out
}

// keySetter is what the rows of a key do with its value.
func keySetter(m parser.Mapper, rows []mapping.Row) func(*schema.Event, string) {
	var all []func(*schema.Event, string)
	for i := range rows {
		put := m.Key(rows[i : i+1])
		all = append(all, func(e *schema.Event, v string) {
			for _, x := range elements(&rows[i], v) {
				put(e, x)
			}
		})
	}
	return func(e *schema.Event, v string) {
		for _, put := range all {
			put(e, v)
		}
	}
}
