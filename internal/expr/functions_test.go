package expr

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const functionsReference = "../../docs/reference/functions.md"

// exampleFields are the event that the examples are about, exampleLists its named lists,
// exampleText the text of the other examples.
const exampleText = "GET /a?b=c"

func exampleFields() [][2]string {
	return [][2]string{
		{"process.executable", `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`}, {"process.command_line", "powershell -enc AAAA"},
		{"user.name", "bob"}, {"tags", "vpn"}, {"tags", "laptop"}, {"source.ip", "10.1.2.3"}, {"destination.ip", "203.0.113.9"}, {"threat.indicator.value", "203.0.113.9"},
		{ScorePrefix + "zeek-conn-iforest", "0.93"}, {ThresholdPrefix + "zeek-conn-iforest", "0.88"},
	}
}

func exampleLists() map[string][]string { return map[string][]string{"admins": {"ana", "bob"}} }

// functionsMarkdown renders the tables of functions for people.
func functionsMarkdown() string {
	var b strings.Builder
	b.WriteString("# Functions\n\nGenerated from the tables of functions by `go test ./internal/expr -update`. Do not edit. All examples are true: the test evaluates them.\n\n")
	b.WriteString("Expressions are [CEL](https://cel.dev); these functions come on top of its own. [rule-language.md](rule-language.md) tells about rules, [fields.md](fields.md) the fields.\n\n")
	b.WriteString("## In rules, hunts and exceptions\n\n`text` may be a list of texts too: it is true when it is of any element. Case is ignored for ASCII letters where the literal is ASCII, by simple Unicode lower case otherwise.\nThe examples are about this event, with `admins` being the list of ana and bob:\n\n```yaml\n")
	for _, f := range exampleFields() {
		fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
	}
	b.WriteString("```\n\n")
	functionRows(&b, Functions())
	fmt.Fprintf(&b, "\n## In playbooks, policies and mappings\n\nExpressions over variables of their own know the text predicates and `cidr` from above, and besides (`text` is `%s`):\n\n", exampleText)
	functionRows(&b, TextFunctions())
	return b.String()
}

func functionRows(b *strings.Builder, list []Function) {
	b.WriteString("| Function | Meaning | Examples |\n|---|---|---|\n")
	for _, f := range list {
		fmt.Fprintf(b, "| `%s` | %s | `%s` |\n", f.Signature, f.Doc, strings.Join(f.Examples, "`<br>`"))
	}
}

// TestFunctions holds the reference equal to the tables of functions, and evaluates the
// examples, each of which must call its function.
func TestFunctions(t *testing.T) {
	want := functionsMarkdown()
	if *update {
		if err := os.WriteFile(functionsReference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if doc, err := os.ReadFile(functionsReference); err != nil || string(doc) != want {
		t.Errorf("%s differs from the tables of functions (%v); run go test ./internal/expr -update", functionsReference, err)
	}
	env, err := NewEnv(Options{Lists: exampleLists()})
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for _, f := range exampleFields() {
		pairs = append(pairs, f[0], f[1])
	}
	in := &Input{Event: event(pairs...)}
	check := func(f Function, eval func(src string) (bool, error)) {
		if len(f.Examples) == 0 {
			t.Errorf("%s has no example", f.Name)
		}
		for _, src := range f.Examples {
			if ok, err := eval(src); err != nil || !ok || !strings.Contains(src, f.Name+"(") {
				t.Errorf("%s: the example %s is %v, %v", f.Name, src, ok, err)
			}
		}
	}
	for _, f := range Functions() {
		check(f, func(src string) (bool, error) {
			p, err := env.Compile(src, nil)
			if err != nil {
				return false, err
			}
			return p.Eval(in)
		})
	}
	for _, f := range TextFunctions() {
		check(f, func(src string) (bool, error) {
			p, err := Compile(src, map[string]Type{"text": String})
			if err != nil {
				return false, err
			}
			return p.EvalBool(map[string]any{"text": exampleText})
		})
	}
}
