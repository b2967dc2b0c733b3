package parser

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vigil/schema"
)

// families group the formats by how their records are taken apart; each has a fuzz
// target, so that the time of fuzzing goes to each.
var families = map[string][]string{
	"json":    {"suricata", "cloudtrail", "guardduty", "o365", "azure", "gcp", "workspace", "okta", "github", "kubernetes", "zeek-json", "hec", "panos-json", "route53", "aws-waf", "securityhub", "messagetrace", "osquery", "json"},
	"windows": {"windows", "windows-xml"},
	"pairs":   {"cef", "leef", "kv", "checkpoint", "auditd"},
	"lines":   {"syslog", "cisco", "access", "weberror", "elb", "text"},
	"columns": {"zeek-tsv", "w3c", "csv", "vpcflow", "panos", "netflow"},
}

// TestFamilies: every format is of exactly one family.
func TestFamilies(t *testing.T) {
	var named []string
	for _, names := range families {
		named = append(named, names...)
	}
	var all []string
	for _, f := range Formats() {
		all = append(all, f.Name)
	}
	slices.Sort(named)
	slices.Sort(all)
	if !slices.Equal(named, all) {
		t.Errorf("the families hold %v, the table %v", named, all)
	}
}

func FuzzJSON(f *testing.F)    { fuzzFamily(f, "json") }
func FuzzWindows(f *testing.F) { fuzzFamily(f, "windows") }
func FuzzPairs(f *testing.F)   { fuzzFamily(f, "pairs") }
func FuzzLines(f *testing.F)   { fuzzFamily(f, "lines") }
func FuzzColumns(f *testing.F) { fuzzFamily(f, "columns") }

// fuzzFamily feeds the formats of a family: none may panic, and what an event holds may
// not hang on what was parsed into it before. The seeds are the goldens of each format,
// and what no format should trip over.
func fuzzFamily(f *testing.F, family string) {
	names := families[family]
	for i, name := range names {
		b, err := os.ReadFile(filepath.Join("testdata", name+".log"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
		for line := range bytes.Lines(b) {
			f.Add(uint8(i), line)
		}
		for _, raw := range odd() {
			f.Add(uint8(i), raw)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, raw []byte) {
		format, err := ByName(names[int(i)%len(names)])
		if err != nil {
			t.Fatal(err)
		}
		format.Detect(raw, "x")
		p, twin := format.New(Options{Object: "conn.log", BaseYear: 2020}), format.New(Options{Object: "conn.log", BaseYear: 2020})
		used := new(schema.Event)
		for line := range bytes.Lines(raw) {
			clean := new(schema.Event)
			used.Reset(line, 0)
			clean.Reset(line, 0)
			err1 := p.Parse(line, used)
			err2 := twin.Parse(line, clean)
			if (err1 == nil) != (err2 == nil) || err1 == nil && fmt.Sprint(dump(used)) != fmt.Sprint(dump(clean)) {
				t.Fatalf("%s: %q: a used event differs from a clean one:\n%v %v\n%v %v", format.Name, line, dump(used), err1, dump(clean), err2)
			}
		}
	})
}
