package parser

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"vigil/schema"
)

// TestCSVRow: well-formed rows come out as encoding/csv reads them, and odd ones as they
// stand.
func TestCSVRow(t *testing.T) {
	e := new(schema.Event)
	for _, s := range []string{`a`, `a,b`, `a,`, `,`, `,,b`, `"a,b",c`, `"a ""b"" c",d`, `""`, `"",""`, `"a` + "\n" + `b",c`} {
		e.Reset(nil, 0)
		want, err := csv.NewReader(strings.NewReader(s)).Read()
		if got := csvRow(s, e, nil); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q, %v", s, got, want, err)
		}
	}
	for s, want := range map[string][]string{`"a" b,c`: {`a" b,c`}, `"open`: {"open"}, `a"b,c`: {`a"b`, "c"}, ``: {""}, `"a""`: {`a"`}} {
		if got := csvRow(s, e, nil); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
