package dashboard

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"vigil/internal/dashboard/library"
	"vigil/schema"
)

func anything(string) error { return nil }

const good = `id: mine
title: Mine
range: 7d
panels:
  - title: Users
    query: '| top 5 user.name'
    show: bar
    width: 2
`

func TestParse(t *testing.T) {
	d, err := Parse([]byte(good), anything)
	if err != nil || d.ID != "mine" || len(d.Panels) != 1 || d.Panels[0].Query != "| top 5 user.name" {
		t.Fatalf("%+v, %v", d, err)
	}
}

// TestRefused: each fault is refused with words that name it.
func TestRefused(t *testing.T) {
	for change, want := range map[string]string{
		"id: mine→id: No Good":                           "id",
		"title: Mine→title: ''":                          "title",
		"range: 7d→range: 9y":                            "range",
		"show: bar→show: pie":                            "pie",
		"width: 2→width: 9":                              "width",
		"query: '| top 5 user.name'→query: ' '":          "no query",
		"    show: bar→    colour: red":                  "colour",
		"panels:→panels: []\nother:":                     "other",
		"title: Mine→title: Mine\ntitle: Again":          "title",
		"query: '| top 5 user.name'→query: 'fail: here'": "panel 1 (Users): no such stage",
	} {
		from, to, _ := strings.Cut(change, "→")
		text := strings.Replace(good, from, to, 1)
		_, err := Parse([]byte(text), func(q string) error {
			if strings.HasPrefix(q, "fail") {
				return schema.E(schema.Invalid, "no such stage", "")
			}
			return nil
		})
		if schema.CodeOf(err) != schema.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to name %q", change, err, want)
		}
	}
	if _, err := Parse([]byte(strings.Repeat("#", MaxDocument+1)), anything); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("an endless document: %v", err)
	}
}

// TestLoad: the library is good, a broken file is told and stops no other, and a file of
// the user's replaces one of the same id.
func TestLoad(t *testing.T) {
	mine := fstest.MapFS{"a.yaml": {Data: []byte(strings.Replace(good, "id: mine", "id: security-overview", 1))}, "b.yaml": {Data: []byte("{")}, "notes.txt": {Data: []byte("x")}}
	files, errs := Load(anything, library.FS, mine)
	if len(errs) != 1 || !strings.Contains(errors.Join(errs...).Error(), "b.yaml") {
		t.Errorf("errors: %v", errs)
	}
	if len(files) != 1 || files[0].Title != "Mine" {
		t.Errorf("files: %+v", files)
	}
	if only, errs := Load(anything, library.FS); len(errs) != 0 || len(only) != 1 || len(only[0].Panels) < 5 {
		t.Errorf("the library: %+v, %v", only, errs)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("id: [")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse([]byte(text), anything)
		if err == nil && (d.ID == "" || len(d.Panels) == 0) {
			t.Errorf("taken: %+v", d)
		}
	})
}
