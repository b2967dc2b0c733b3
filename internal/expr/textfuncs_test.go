package expr

import "testing"

// TestTextFunctions evaluates each text function, and holds the table to what is declared.
func TestTextFunctions(t *testing.T) {
	for call, want := range map[string]string{"lower()": " ana@x@y ", "upper()": " ANA@X@Y ", "trim()": "Ana@x@y", "before('@')": " Ana", "after('@')": "x@y ", "before('#')": " Ana@x@y ", "after('#')": ""} {
		p, err := Compile("v['k']."+call, map[string]Type{"v": StringMap})
		if err != nil {
			t.Errorf("%s: %v", call, err)
			continue
		}
		if got, err := p.EvalString(map[string]any{"v": map[string]string{"k": " Ana@x@y "}}); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", call, got, err, want)
		}
	}
	for _, f := range TextFunctions() {
		arg := ""
		if f.Name == "before" || f.Name == "after" {
			arg = "'x'"
		}
		if _, err := Compile("'text'."+f.Name+"("+arg+") == ''", nil); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}
