package rules

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"vigil/schema"
)

const encoded = `id: encoded-powershell
title: Encoded PowerShell
author: Vigil
severity: high
attack: [T1059.001]
dataset: windows.sysmon
detect:
  shell: e.process.name.ieq(['powershell.exe', 'pwsh.exe'])
  encoded: |
    e.process.command_line.icontains(' -enc')
      || e.process.command_line.icontains(' -e ')
  known: e.user.name == 'deploy'
when: shell && encoded && !known
entities: {host: host.name, user: user.name}
suppress: {by: [host], for: 30m}
respond: {playbook: low-risk-notify}
tests:
  - name: fires
    event: {process.name: PowerShell.EXE, process.command_line: 'powershell -enc AAAA', user.name: bob}
  - name: deploy
    match: false
    event: {process.name: powershell.exe, process.command_line: 'powershell -enc AAAA', user.name: deploy}
`

func load(t *testing.T, texts ...string) (*Set, []error) {
	t.Helper()
	fsys := fstest.MapFS{}
	for i, s := range texts {
		fsys["rules/"+string(rune('a'+i))+".yaml"] = &fstest.MapFile{Data: []byte(s)}
	}
	return Load(fsys)
}

func TestLoadAndEvaluate(t *testing.T) {
	set, errs := load(t, encoded)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	r, ok := set.Rule("encoded-powershell")
	if !ok || len(set.Hash()) != 32 {
		t.Fatalf("rule missing or hash %q", set.Hash())
	}
	if errs := r.Check(); len(errs) > 0 {
		t.Error(errors.Join(errs...))
	}
	e, err := NewEvent([][2]string{{"event.dataset", "windows.sysmon"}, {"process.name", "powershell.exe"},
		{"process.command_line", "x -E y"}, {"host.name", "WS1"}, {"timestamp", "2024-01-02T03:04:05Z"}})
	if err != nil {
		t.Fatal(err)
	}
	e.ID = schema.EventIDAt(1, 2)
	ev := set.Evaluator()
	hits := ev.Evaluate(e, nil)
	if len(hits) != 1 {
		t.Fatalf("%d hits, want 1", len(hits))
	}
	d := hits[0].Detection(Origin{Org: "main", Source: "s", Chunk: "c"})
	if d.DedupKey != "host=ws1" || d.Entities["host"] != "WS1" || len(d.Why) != 2 || d.Why[1].Part != "encoded" ||
		d.Why[1].Values["process.command_line"] != "x -E y" || d.Kind != "match" {
		t.Errorf("detection %+v", d)
	}
	e.Reset(nil, 0)
	e.SetStr(schema.FEventDataset, "zeek.conn")
	if hits := ev.Evaluate(e, hits[:0]); len(hits) != 0 {
		t.Error("a rule fired on another dataset")
	}
}

// TestErrorsAreExact holds file, line, column and hint of typical mistakes.
func TestErrorsAreExact(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"e.process.name.ieq", "e.proces.name.ieq", `rules/a.yaml:8:12: no field "proces.name" (did you mean "process.name"?)`},
		{"      || e.process.command_line", "      || e.process.comand_line", `rules/a.yaml:11:20: no field "process.comand_line" (did you mean "process.command_line"?)`},
		{"&& !known", "&& !knwon", `rules/a.yaml:13:28: no name "knwon" (did you mean "known"?)`},
		{"user: user.name", "user: user.nme", `rules/a.yaml:14:35: no field "user.nme" (did you mean "user.name"?)`},
		{"by: [host]", "by: [hosts]", `rules/a.yaml:15:17: the rule has no entity "hosts" (did you mean "host"?)`},
		{"severity: high", "severity: hihg", `rules/a.yaml:4:11: severity cannot be "hihg" (did you mean "high"?)`},
		{"severity: high", "severty: high", `rules/a.yaml:4:1: a rule has no key "severty" (did you mean "severity"?)`},
		{"[T1059.001]", "[T1059.001, 1059]", `rules/a.yaml:5:21: attack cannot be "1059" (write T1059 or T1059.001)`},
		{"&& !known", "", `the part "known" is never used (use it in when, or remove it)`},
		{"severity: high", "severity: high\nkind: sequences", `rules/a.yaml:5:7: kind cannot be "sequences" (did you mean "sequence"?)`},
		{"{host: host.name", "{host: [host.name", `not YAML`},
		{"respond: {playbook: low-risk-notify}", "respond: &x {playbook: low-risk-notify}", "anchors, aliases and tags are not allowed"},
	} {
		bad := strings.Replace(encoded, c.from, c.to, 1)
		if bad == encoded {
			t.Fatalf("%q does not occur", c.from)
		}
		set, errs := load(t, bad, strings.Replace(encoded, "id: encoded-powershell", "id: other", 1))
		all := errors.Join(errs...)
		if all == nil || !strings.Contains(all.Error(), c.want) {
			t.Errorf("%s → %s\n got %v\nwant %s", c.from, c.to, all, c.want)
		}
		if _, ok := set.Rule("other"); !ok {
			t.Errorf("%s: the good rule did not load", c.to)
		}
		if schema.CodeOf(errors.Join(errs[0])) != schema.Invalid {
			t.Errorf("%s: code %s", c.to, schema.CodeOf(errs[0]))
		}
	}
}

func TestMissDoesNotAllocate(t *testing.T) {
	set, errs := load(t, encoded)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	e, err := NewEvent([][2]string{{"event.dataset", "windows.sysmon"}, {"process.name", "powershell.exe"}, {"process.command_line", "x y z"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, ev := range map[string]*Evaluator{"filter": set.Evaluator(), "interpreter": set.Reference()} {
		var hits []Hit
		hits = ev.Evaluate(e, hits)
		if n := testing.AllocsPerRun(100, func() { hits = ev.Evaluate(e, hits[:0]) }); n != 0 {
			t.Errorf("%s: %v allocations an event", name, n)
		}
	}
}
