package parser

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"vigil/schema"
)

// maxGrowth is how many times the bytes of a record a parser may allocate for it, beside
// maxFixed: a value of two bytes becomes an extra of 32, in a list that doubles as it grows.
const (
	maxGrowth = 100
	maxFixed  = 256 << 10
)

// bloated are records of about n bytes made to cost more than they weigh: as much
// structure in as few bytes as the formats allow.
func bloated(n int) map[string][]byte {
	rep := func(s string) string { return strings.Repeat(s, n/len(s)) }
	out := map[string][]byte{}
	for name, body := range map[string]string{
		"pairs": rep("a=b "), "quotes": rep(`a="b" `), "open quotes": rep(`a="`), "commas": rep(`a,`), "bars": rep("a|"), "semicolons": rep(`a:"b"; `), "blanks": rep("a "), "tabs": rep("a\t"), "escapes": rep(`\"`), "backslashes": rep(`\`),
		"brackets": rep("["), "braces": rep("("), "identities": rep(`(a\b`), "times": rep("Jan "), "percents": rep("%A-1-B: "), "addresses": rep("1.2.3.4 "), "angles": rep("<a>"), "entities": rep("&lt;"), "marks": rep("CEF:0|"), "labels": rep("c1Label=x c1=y "), "digits": rep("1"), "words": rep("user "), "from": rep(" from "), "doubled": rep(`""`),
	} {
		out[name] = []byte(body)
	}
	out["array"] = []byte(`{"a":[` + strings.TrimSuffix(rep("1,"), ",") + `]}`)
	out["members"] = []byte(`{"x":1` + rep(`,"a":1`) + `}`)
	out["strings"] = []byte(`{"x":["` + rep(`\n`) + `"]}`)
	out["records"] = []byte(`{"Event":{"EventData":{"x":1` + rep(`,"a":"\u0041"`) + `}}}`)
	return out
}

// TestAllocation: however a record is made, no parser allocates more than the stated
// multiple of it; and none needs time that grows faster than the record.
func TestAllocation(t *testing.T) {
	const size = 1 << 18
	inputs := bloated(size)
	for _, f := range Formats() {
		t.Run(f.Name, func(t *testing.T) {
			head := headOf(t, f.Name)
			worst, slowest, what, slow := 0.0, time.Duration(0), "", ""
			for name, body := range inputs {
				for _, raw := range [][]byte{body, append(bytes.Clone(head), body...)} {
					p := f.New(Options{Object: "conn.log", BaseYear: 2024})
					for _, line := range headersOf(t, f.Name) {
						_ = p.Parse(line, fresh(line))
					}
					began := time.Now()
					used := allocated(p, raw)
					if took := time.Since(began); took > slowest {
						slowest, slow = took, name
					}
					if grown := float64(used-maxFixed) / float64(len(raw)); used > maxFixed && grown > worst {
						worst, what = grown, name
					}
				}
			}
			t.Logf("worst %.1f times the record (%s), slowest %v (%s)", worst, what, slowest, slow)
			if worst > maxGrowth {
				t.Errorf("%s allocates %.0f times the record", what, worst)
			}
			if slowest > 20*time.Second {
				t.Errorf("%s takes %v for %d bytes", slow, slowest, size)
			}
		})
	}
}

func fresh(raw []byte) *schema.Event {
	e := &schema.Event{}
	e.Reset(raw, 0)
	return e
}

// allocated is how many bytes parsing a record allocates, on a new event.
func allocated(p Parser, raw []byte) int {
	e := fresh(raw)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_ = p.Parse(raw, e)
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// headOf is the beginning of a good record of the format, to get past its first checks.
func headOf(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	var last []byte
	for line := range bytes.Lines(b) {
		if last = bytes.TrimRight(line, "\n"); len(last) > 0 && last[0] != '#' {
			break
		}
	}
	if startsObject(last) { // stay inside the object
		return bytes.TrimRight(last, "}")
	}
	return last
}

// headersOf are the lines of a format with headers that must come first.
func headersOf(t *testing.T, name string) [][]byte {
	t.Helper()
	if name != "zeek-tsv" && name != "w3c" && name != "csv" && name != "netflow" {
		return nil
	}
	b, err := os.ReadFile(filepath.Join("testdata", name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.SplitAfter(bytes.TrimRight(b, "\n"), []byte("\n"))[:min(8, bytes.Count(b, []byte("\n")))]
}
