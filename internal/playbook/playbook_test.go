package playbook

import (
	"errors"
	"strings"
	"testing"
)

// verbs is the action table as the package's own tests need it; TestLibrary of
// workflows loads the library against the real one.
func verbs() map[string]Verb {
	return map[string]Verb{
		"tag":           {Inputs: []string{"tag", "alerts"}, Required: []string{"tag", "alerts"}, LowRisk: true},
		"block-address": {Inputs: []string{"address", "hours", "reason"}, Required: []string{"address"}, Kinds: map[string]string{"address": "ip", "hours": "hours"}},
	}
}

func TestVersionIsTheContent(t *testing.T) {
	d, _ := Parse("x.yaml", []byte(small), verbs())
	again, err := Decode(d.Encode())
	if err != nil || again.Hash() != d.Hash() {
		t.Fatalf("the hash changed over the wire: %v", err)
	}
	again.Description += "."
	if again.Hash() == d.Hash() {
		t.Error("a changed playbook has the same version")
	}
}

const small = `type: playbook
spec_version: cacao-2.0
id: playbook--x
name: xx
playbook_variables:
  __address__: {type: ipv4-addr, external: true}
workflow_start: start--1
workflow:
  start--1:
    type: start
    on_completion: action--a
  action--a:
    type: action
    on_completion: end--1
    commands:
      - type: vigil-action
        command: block-address
        arguments: {address: "__address__:value"}
  end--1:
    type: end
`

func TestErrorsAreExact(t *testing.T) {
	if _, errs := Parse("x.yaml", []byte(small), verbs()); len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, c := range []struct{ old, new, want string }{
		{"command: block-address", "command: block-adress", `x.yaml:17:18: there is no action "block-adress" (did you mean "block-address"?)`},
		{"on_completion: end--1", "on_completion: end--2", `x.yaml:14:20: there is no step "end--2" (did you mean "end--1"?)`},
		{`"__address__:value"`, `"__adress__:value"`, `there is no variable __adress__ (did you mean "__address__"?)`},
		{"{address:", "{addr: x, address:", `x.yaml:18:27: block-address has no input "addr" (it takes address, hours, reason)`},
		{"spec_version: cacao-2.0", "spec_version: cacao-1.0", `x.yaml:2:15: spec_version cannot be "cacao-1.0"`},
		{"    on_completion: end--1\n", "    on_completion: start--1\n", "run in a circle"},
		{"  end--1:\n", "  end--1: &a\n", "anchors"},
		{"type: vigil-action", "type: bash", `x.yaml:16:15: commands of type "bash" do not run (it is off`},
		{"name: xx\n", "name: xx\ncolour: red\n", "x.yaml:5:1: "},
		{"  action--a:\n    type: action\n", "  action--a:\n    type: if-condition\n", "the id says action"},
		{"workflow_start: start--1", "workflow_start: end--1", `workflow_start cannot be "end--1"`},
	} {
		text := strings.Replace(small, c.old, c.new, 1)
		d, errs := Parse("x.yaml", []byte(text), verbs())
		all := errors.Join(errs...)
		if d != nil || all == nil || !strings.Contains(all.Error(), c.want) {
			t.Errorf("%s: got\n%v\nwant %s", c.new, all, c.want)
		}
	}
}

func TestConditionErrorsHavePlaces(t *testing.T) {
	text := strings.Replace(small, "on_completion: action--a", "on_completion: if-condition--c", 1)
	text = strings.Replace(text, "  action--a:", "  if-condition--c:\n    type: if-condition\n    condition: risky > 5\n    on_true: action--a\n    on_completion: end--1\n  action--a:", 1)
	_, errs := Parse("x.yaml", []byte(text), verbs())
	if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "x.yaml:14:16: condition: no name \"risky\"") {
		t.Errorf("%v", errs)
	}
}

func TestFill(t *testing.T) {
	vars := map[string]string{"address": "203.0.113.5", "evil": "__address__:value"}
	if got := Fill("a __address__:value b __none__:value c __evil__:value", vars); got != "a 203.0.113.5 b  c __address__:value" {
		t.Errorf("%q", got)
	}
	d, _ := Parse("x.yaml", []byte(small), verbs())
	if _, missing := d.Variables(nil); len(missing) != 1 || missing[0] != "address" {
		t.Errorf("missing %v", missing)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Fuzz(func(t *testing.T, text []byte) {
		if d, errs := Parse("x.yaml", text, verbs()); d == nil && len(errs) == 0 {
			t.Error("neither a playbook nor an error")
		}
	})
}

// What logs say goes into a shell's command only where it is one plain word; the author may
// write more.
func TestFillShell(t *testing.T) {
	for value, good := range map[string]bool{"203.0.113.5": true, "ws1.example.org": true, "CORP/ana": true, "müller": true, "": true, "ls -la": true, "a b": false, "x; id": false, "$(id)": false, "`id`": false,
		"-rf": false, "a'b": false, `a"b`: false, "a\nb": false, "*": false, "~root": false, "a\\b": false, "{a,b}": false, "&": false, "\u202e": false} {
		d := &Document{PlaybookVariables: map[string]Variable{"__x__": {Value: "ls -la"}}}
		got, err := d.FillShell("echo __x__:value end", map[string]string{"x": value})
		if (err == nil) != good || good && got != "echo "+value+" end" {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
}
