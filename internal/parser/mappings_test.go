package parser

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/parser/mapping"
	"vigil/internal/testdata"
	"vigil/schema"
)

// sections are all sections of a document, by a name for people.
func sections(d *mapping.Document) map[string]mapping.Section {
	out := map[string]mapping.Section{"": d.Section}
	for name, s := range d.Tables {
		out["table "+name] = s
	}
	for name, s := range d.Kinds {
		out["kind "+name] = s
	}
	return out
}

// each calls with for every row of a document, and of what is in it.
func each(d *mapping.Document, with func(r *mapping.Row)) {
	var walk func(rows []mapping.Row)
	walk = func(rows []mapping.Row) {
		for i := range rows {
			with(&rows[i])
			walk(rows[i].Choose)
		}
	}
	for _, s := range sections(d) {
		for _, rows := range s.Keys {
			walk(rows)
		}
		walk(s.Fields)
		said(s.Sentences, walk)
	}
	walk(d.Aliases)
}

// said calls with for the rows of all sentences, and of those within them.
func said(all []mapping.Sentence, with func(rows []mapping.Row)) {
	for i := range all {
		with(all[i].Words)
		said(all[i].Then, with)
	}
}

// TestMappings: every document is good, each row checked against the field table; it is used
// by the formats that it names, whose code takes what it holds; and its conditions are code.
func TestMappings(t *testing.T) {
	used := map[string]bool{}
	for _, name := range mapping.Names() {
		d, err := mapping.Load(name, mapping.Language{Converters: Converters()})
		if err != nil {
			t.Error(err)
			continue
		}
		held := map[string]bool{}
		each(d, func(r *mapping.Row) {
			used[r.As] = true
			if r.Hold != "" {
				held[r.Hold] = true
			}
			if r.If != nil && r.If.Native() == nil {
				t.Errorf("%s: %s is slow", name, r.If.Text)
			}
		})
		if have := slices.Sorted(maps.Keys(held)); !slices.Equal(have, slices.Sorted(slices.Values(d.Holds))) {
			t.Errorf("%s: holds are %v, its rows hold %v", name, d.Holds, have)
		}
		for _, name := range d.Formats {
			f, err := ByName(name)
			if err != nil {
				t.Errorf("%s: %v", d.Name, err)
				continue
			}
			documents[d.Name].Store(nil)
			p := f.New(Options{Zone: time.FixedZone("", 3600)})
			if documents[d.Name].Load() == nil {
				t.Errorf("%s does not use the mapping %s", name, d.Name)
			}
			kinds, _ := p.(*classified).Parser.(*zeekJSON)
			for kind := range d.Kinds {
				if kinds != nil && kinds.plans.plan(kind).table == nil {
					t.Errorf("no table for %s", kind)
				}
			}
		}
	}
	for _, f := range Formats() {
		if len(Mappings(f.Name)) == 0 {
			t.Errorf("%s goes by no mapping", f.Name)
		}
	}
	for _, c := range converters {
		if !used[c.Name] {
			t.Errorf("no mapping uses the converter %s", c.Name)
		}
	}
}

// TestMapper: what a row says is done, in the order that the guide tells.
func TestMapper(t *testing.T) {
	for _, c := range []struct{ row, value, want string }{
		{"user.name", "ana", "map[user.name:ana]"},
		{"{to: user.name, absent: ['-', none]}", "none", "map[]"},
		{"{to: user.name, trim: '\"'}", `"ana"`, "map[user.name:ana]"},
		{"{to: user.name, lower: true}", "ÄNA", "map[user.name:äna]"},
		{"{to: user.name, values: {A: ANA}, lower: true}", "A", "map[user.name:ana]"},
		{"{to: user.name, values: {A: ana}}", "b", "map[user.name:b]"},
		{"{to: user.name, values: {A: ana}, otherwise: ''}", "b", "map[]"},
		{"{to: user.name, keep: x.y, values: {A: ana}}", "A", "map[+x.y:ana user.name:ana]"},
		{"{keep: x.y}", "A", "map[+x.y:A]"},
		{"{to: labels.z}", "A", "map[+labels.z:A]"},
		{"{to: source.bytes, scale: 1024}", "1.5", "map[source.bytes:1536]"},
		{"{to: tags, split: ', '}", "a, b", "map[tags:a,b]"},
		{"{to: timestamp, time: auto, zone: Asia/Tokyo}", "2026-03-01 09:00:00", "map[timestamp:2026-03-01T00:00:00Z]"},
		{"{to: event.created, time: [02/01/2006, auto]}", "01/03/2026", "map[event.created:2026-03-01T00:00:00Z]"},
		{"{to: event.created, time: 02/01/2006}", "never", "map[+labels.absurd_timestamp:never]"},
		{"[user.id, {to: user.name, as: after-slash}]", "a/b", "map[user.id:a/b user.name:b]"},
		{"{to: [source.ip, source.port], as: endpoint}", "[2001:db8::1]:443", "map[source.ip:2001:db8::1 source.port:443]"},
		{"{to: user.name, after: 'user ', until: [' ', '(']}", "for user ana(uid=0) by user bob", "map[user.name:ana]"},
		{"{to: user.name, after: ['client ', 'user '], last: true, trim: .}", "user ana for user bob.", "map[user.name:bob]"},
		{"{to: user.name, after: 'user '}", "nobody", "map[]"},
		{"{to: user.name, until: ' for '}", "ana", "map[user.name:ana]"},
		{"{drop: true}", "x", "map[]"},
	} {
		d, errs := mapping.Read("t.yaml", []byte("formats: [x]\ndescription: a test\nkeys: {a: "+c.row+"}\n"), mapping.Language{Converters: Converters()})
		if errs != nil {
			t.Error(errs)
			continue
		}
		var e schema.Event
		e.Reset(nil, 0)
		NewMapper(Options{}).Key(d.Keys["a"])(&e, c.value)
		if have := fmt.Sprint(dump(&e)); have != c.want {
			t.Errorf("%s of %s: %s, want %s", c.value, c.row, have, c.want)
		}
	}
}

const mappingsHead = `# Mappings

Which value of a record goes to which field, for every built-in format whose mapping is a table. Made from the documents in
` + "`internal/parser/mapping`" + `; do not edit. ` + "`vigil sources mapping FORMAT`" + ` prints a document itself: its rows are in the language of
[custom formats](../guides/custom-formats.md), and can be copied. What no row takes is kept under its own name.

## Converters

What cannot be said in a row is code, called by name: ` + "`{to: [source.ip, source.port], as: endpoint}`" + `.

| Name | Fields | What it takes, and what it does |
|---|---|---|
`

// TestMappingsReference holds docs/reference/mappings.md to converters and documents.
func TestMappingsReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(mappingsHead)
	for _, c := range converters {
		roles := "its own"
		if len(c.Takes) > 0 {
			roles = ""
			for i, w := range c.Takes {
				if i > 0 {
					roles += ", "
				}
				roles += w.Role
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, roles, strings.ReplaceAll(c.Doc, "|", `\|`))
	}
	for _, name := range mapping.Names() {
		reference(&b, document(name))
	}
	path := filepath.Join(testdata.Root(t), "docs/reference/mappings.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != b.String() {
		t.Errorf("%s does not match the documents (%v): rewrite it with go test ./internal/parser -run MappingsReference -update", path, err)
	}
}

// reference writes what a document maps: for each section the fields, with the keys they come from.
func reference(b *strings.Builder, d *mapping.Document) {
	fmt.Fprintf(b, "\n## %s\n\nFormats: %s. %s.\n\n| Section | Field | From |\n|---|---|---|\n", d.Name, strings.Join(d.Formats, ", "), strings.ToUpper(d.Description[:1])+d.Description[1:])
	all := sections(d)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if s := all[name]; len(s.Keys)+len(s.Fields) == 0 && len(s.Set) > 0 {
			var always []string
			for _, c := range s.Set {
				always = append(always, "`"+c.Field.String()+"` "+c.Value)
			}
			fmt.Fprintf(b, "| %s | %s | always |\n", name, strings.Join(always, ", "))
			continue
		}
		for _, field := range mappedFields(all[name]) {
			fmt.Fprintf(b, "| %s | %s | %s |\n", name, field[0], field[1])
		}
		spoken(b, name, "", all[name].Sentences)
	}
	for _, r := range d.Aliases {
		fmt.Fprintf(b, "| | %s | %s |\n", destination(&r), strings.Join(r.From, ", "))
	}
}

// mappedFields are the fields of a section with their keys, in the order of their names.
func mappedFields(s mapping.Section) (out [][2]string) {
	keys := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(s.Keys)) {
		for i := range s.Keys[key] {
			to := destination(&s.Keys[key][i])
			keys[to] = append(keys[to], "`"+strings.ReplaceAll(key, "|", `\|`)+"`")
		}
	}
	for _, c := range s.Set {
		keys["`"+c.Field.String()+"`"] = append(keys["`"+c.Field.String()+"`"], "always "+c.Value)
	}
	closing(s.Fields, "", keys)
	for _, to := range slices.Sorted(maps.Keys(keys)) {
		out = append(out, [2]string{to, strings.Join(keys[to], ", ")})
	}
	return out
}

// spoken writes what sentences mean.
func spoken(b *strings.Builder, name, within string, all []mapping.Sentence) {
	code := func(marks []string, join string) string { return "`" + strings.Join(marks, "`"+join+"`") + "`" }
	for _, s := range all {
		var when, means []string
		if s.Start != nil {
			when = append(when, code(s.Start, " or ")+" …")
		}
		if s.Has != nil {
			when = append(when, "… "+code(s.Has, " … ")+" …")
		}
		if s.Any != nil {
			when = append(when, "… "+code(s.Any, " or ")+" …")
		}
		for _, c := range s.Set {
			means = append(means, "`"+c.Field.String()+"` "+c.Value)
		}
		for _, r := range s.Words {
			means = append(means, destination(&r))
		}
		said := within + cmp.Or(strings.Join(when, ", "), "any other text")
		if len(means) > 0 {
			fmt.Fprintf(b, "| %s | %s | %s |\n", name, strings.Join(means, ", "), said)
		}
		spoken(b, name, said+", in it ", s.Then)
	}
}

// closing adds what rows of fields say.
func closing(rows []mapping.Row, when string, keys map[string][]string) {
	for _, r := range rows {
		when := when
		if r.If != nil {
			when = " when `" + strings.ReplaceAll(r.If.Text, "|", `\|`) + "`"
		}
		for _, c := range r.Set {
			keys["`"+c.Field.String()+"`"] = append(keys["`"+c.Field.String()+"`"], c.Value+when)
		}
		if r.Of != nil {
			keys[destination(&r)] = append(keys[destination(&r)], "the field `"+r.Of.String()+"`"+when)
		}
		closing(r.Choose, when, keys)
	}
}

// destination is where a row puts its value.
func destination(r *mapping.Row) string {
	var parts []string
	for _, f := range r.To {
		parts = append(parts, "`"+f.String()+"`")
	}
	if r.Keep != "" {
		parts = append(parts, "kept as `"+r.Keep+"`")
	}
	if r.As != "" {
		parts = append(parts, "by "+r.As)
	}
	if r.Hold != "" {
		parts = append(parts, "held as "+r.Hold)
	}
	if r.Table != "" {
		parts = append(parts, "by the table "+r.Table)
	}
	if r.Values != nil {
		parts = append(parts, "by values")
	}
	switch {
	case r.Drop:
		parts = append(parts, "not kept")
	case len(parts) == 0 && r.List:
		parts = append(parts, "looked into")
	}
	return strings.Join(parts, ", ")
}
