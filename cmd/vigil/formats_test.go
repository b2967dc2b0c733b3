package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// TestSourcesMapping: the documents of a format are printed as they are; a format without one
// says so, and a misspelled one is an error.
func TestSourcesMapping(t *testing.T) {
	for _, c := range []struct {
		format string
		want   []string
		code   int
	}{
		{"zeek-json", []string{"# zeek.yaml\n", "\n  id.orig_h: source.ip\n"}, 0},
		{"leef", []string{"# kv.yaml\n", "\n---\n# leef.yaml\n", "usrName: {as: account}"}, 0},
		{"text", []string{"# programs.yaml\n", "start: 'Accepted '"}, 0},
		{"zeke", []string{`there is no format "zeke"`}, 1},
	} {
		var out bytes.Buffer
		code := run(context.Background(), &app{out: &out, err: &out, data: t.TempDir()}, []string{"sources", "mapping", c.format})
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in %.300s", c.format, want, out.String())
			}
		}
		if code != c.code {
			t.Errorf("%s: exit %d, want %d", c.format, code, c.code)
		}
	}
}
