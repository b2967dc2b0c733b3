package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// explainRun runs `vigil explain` and returns what it prints and its exit code.
func explainRun(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs, data: t.TempDir()}
	code := run(context.Background(), a, append([]string{"explain"}, args...))
	return out.String() + errs.String(), code
}

// TestExplain: the format with its rivals, each value with its place, and the exit code
// that tells of records that are no events.
func TestExplain(t *testing.T) {
	out, code := explainRun(t, "../../internal/parser/testdata/cef.log", "-o", "json")
	var got []explanation
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || len(got) != 1 || len(got[0].Records) != 1 {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	x := got[0]
	if x.Format != "cef" || x.Candidates[0].Format != "cef" || x.Candidates[0].Why == "" || len(x.Candidates) < 2 {
		t.Errorf("candidates: %+v", x.Candidates)
	}
	from := map[string]explained{}
	for _, f := range append(x.Records[0].Fields, x.Records[0].Extras...) {
		from[f.Field] = f
	}
	for field, want := range map[string][2]string{
		"source.ip": {"192.0.2.9", `after "24 10:00:00 src="`}, "source.port": {"51000", "as at byte"}, "network.transport": {"tcp", "set by the parser"}, "cef.Lane": {"fast lane", "cs1="},
	} {
		if f := from[field]; f.Value != want[0] || !strings.Contains(f.From, want[1]) {
			t.Errorf("%s: %+v, want %v", field, f, want)
		}
	}
	out, code = explainRun(t, "../../internal/parser/evtx/testdata/logon.evtx.gz", "--line", "41")
	if code != 3 || !strings.Contains(out, "checksum") || !strings.Contains(out, "* windows") {
		t.Errorf("damage: exit %d: %s", code, out)
	}
	if out, code = explainRun(t, "../../internal/parser/testdata/kv.log", "--line", "9"); code != 3 || !strings.Contains(out, "no record 9") {
		t.Errorf("no such line: exit %d: %s", code, out)
	}
	if out, code = explainRun(t, "../../internal/parser/testdata/kv.log", "--format", "nonsense"); code != 3 || !strings.Contains(out, "no format") {
		t.Errorf("no such format: exit %d: %s", code, out)
	}
}
