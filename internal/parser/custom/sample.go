package custom

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vigil/internal/parser"
	"vigil/schema"
)

// implied are fields that every event has and samples need not name.
var implied = []string{schema.FEventModule.String(), schema.FEventDataset.String(), schema.FEventKind.String(), schema.FOcsfClassUid.String()}

// sampleYear is the year of sample times that name none.
const sampleYear = 2000

// try runs the samples, in order, as records of one object.
func (f *format) try() {
	p := f.parser(parser.Options{Object: f.id, BaseYear: sampleYear})
	for i, s := range f.samples {
		path := fmt.Sprintf("$.samples[%d]", i)
		f.sampleShape(path, s)
		if sure, _ := f.detects([]byte(s.Record+"\n"), "sample"); sure == 0 && f.name == "" && (s.Is == "" || s.Is == "event") && s.Error == "" && !f.shape.header {
			f.reader.fail(path+".record", "detect does not recognise the record")
		}
		var e schema.Event
		raw := []byte(s.Record)
		e.Reset(raw, 0)
		f.judge(path, s, &e, p.Parse(raw, &e))
	}
}

func (f *format) sampleShape(path string, s sampleDoc) {
	if !slices.Contains([]string{"", "event", "header", "skipped"}, s.Is) {
		f.reader.fail(path+".is", "is is %q: want event, header or skipped", s.Is)
	}
	for name := range s.Event {
		if _, ok := schema.Lookup(name); !ok && !strings.HasPrefix(name, "labels.") {
			f.reader.fail(path+".event", "there is no field %q", name)
		}
	}
}

// judge holds what came out against what was expected.
func (f *format) judge(path string, s sampleDoc, e *schema.Event, err error) {
	got := "event"
	switch {
	case errors.Is(err, parser.ErrHeader):
		got = "header"
	case errors.Is(err, parser.ErrSkip):
		got = "skipped"
	case err != nil && s.Error != "":
		if !strings.Contains(err.Error(), s.Error) {
			f.reader.fail(path+".error", "the record is refused because %q, not because %q", err, s.Error)
		}
		return
	case err != nil:
		f.reader.fail(path+".record", "the record is refused: %v", err)
		return
	}
	want := s.Is
	if want == "" {
		want = "event"
	}
	if s.Error != "" || got != want {
		f.reader.fail(path+".record", "the record is taken as %s, not as %s", got, map[bool]string{true: "an error", false: want}[s.Error != ""])
		return
	}
	if want == "event" {
		for _, d := range diff(s.Event, values(e)) {
			f.reader.fail(path+".event", "%s", d)
		}
	}
}

// values are all values of an event, by name.
func values(e *schema.Event) map[string][]string {
	out := map[string][]string{}
	for _, id := range e.Fields() {
		if id.Def().Multi {
			out[id.String()] = slices.Clone(e.List(id))
		} else {
			out[id.String()] = []string{e.Str(id)}
		}
	}
	for _, x := range e.Extras() {
		out[x.Name] = append(out[x.Name], x.Value)
	}
	return out
}

// diff says how what came out differs from what was expected, a line a field.
func diff(want map[string]texts, got map[string][]string) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[name]
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("- %s: %s   is missing", name, show(want[name])))
		case !same(name, want[name], g):
			out = append(out, fmt.Sprintf("- %s: %s\n+ %s: %s", name, show(want[name]), name, show(g)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok && !slices.Contains(implied, name) {
			out = append(out, fmt.Sprintf("+ %s: %s   is not expected", name, show(got[name])))
		}
	}
	return out
}

// same compares values; times are the same when they are the same instant.
func same(name string, want, got []string) bool {
	if slices.Equal(want, got) {
		return true
	}
	if f, ok := schema.Lookup(name); ok && f.Kind == schema.Date && len(want) == 1 && len(got) == 1 {
		a, err := time.Parse(time.RFC3339Nano, want[0])
		b, err2 := time.Parse(time.RFC3339Nano, got[0])
		return err == nil && err2 == nil && a.Equal(b)
	}
	return false
}

func show(v []string) string {
	if len(v) == 1 {
		return v[0]
	}
	return "[" + strings.Join(v, ", ") + "]"
}
