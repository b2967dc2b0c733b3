package sigma

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"vigil/internal/expr"
	"vigil/internal/parser"
	"vigil/internal/testdata"
	"vigil/rules"
	"vigil/schema"
)

// probes are values for fields that do not take any text.
var probes = map[string]string{
	"IpAddress": "203.0.113.77", "SourceIp": "203.0.113.77", "SourceAddress": "203.0.113.77", "ClientAddress": "203.0.113.77", "DestinationIp": "203.0.113.78", "DestAddress": "203.0.113.78",
	"IpPort": "4711", "SourcePort": "4711", "DestinationPort": "4711", "DestPort": "4711", "ProcessId": "4711", "NewProcessId": "4711", "ProcessID": "4711", "SourceProcessId": "4711",
	"ParentProcessId": "4711", "TargetProcessId": "4711", "Signed": "true", "Initiated": "true", "Protocol": "tcp", "User": `CORP\mira`, "SourceUser": `CORP\mira`,
	"Hashes": "MD5=0123456789ABCDEF0123456789ABCDEF", "Hash": "MD5=0123456789ABCDEF0123456789ABCDEF", "Imphash": "", "md5": "", "sha1": "", "sha256": "",
	"EventID": "", "Channel": "", "Provider_Name": "", "SourceName": "", "EventLog": "", "Computer": "", "Level": "", "Keywords": "", "Task": "", "Opcode": "", // of the record, not of its data
	"SourceIsIpv6": "", "DestinationIsIpv6": "", "UserID": "", "Message": "", "": "",
}

// taken are names of event data that the flat layout uses for something else.
var taken = []string{"AccountName", "ComputerName", "Category", "Domain", "Severity", "Version", "Type", "level", "host", "type", "tags", "message"}

var fieldLine = regexp.MustCompile(`(?m)^ {6,}(?:- )?([A-Za-z_][A-Za-z0-9_]*)(?:\|[a-z0-9|]+)?:`)

// windowsNames are the names of the table and those that SigmaHQ's Windows rules use.
func windowsNames(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	for n := range windowsFields.fields {
		names[n] = true
	}
	f, err := os.Open(filepath.Join(testdata.Shared(t), "rules/sigma-rules.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files, err := FromTar(z)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, detection, ok := strings.Cut(string(f.Text), "\ndetection:"); ok && strings.Contains(string(f.Text), "product: windows") {
			for _, m := range fieldLine.FindAllStringSubmatch(detection, -1) {
				names[m[1]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// TestFieldsSurviveTheParser: what the parser of Windows events does with a data field,
// the table undoes. A rule that asks for a field's value fires on an event that has it,
// in the nested layout and in the flat one.
func TestFieldsSurviveTheParser(t *testing.T) {
	f, err := parser.ByName("windows")
	if err != nil {
		t.Fatal(err)
	}
	p := f.New(parser.Options{})
	tried := 0
	for _, name := range windowsNames(t) {
		value, special := probes[name]
		if special && value == "" {
			continue
		}
		if !special {
			value = "Zq7-probe"
		}
		quoted, _ := json.Marshal(value)
		for _, id := range []string{"9999", "4624"} {
			rule := fmt.Sprintf("title: t\nauthor: a\nid: probe-rule\nlevel: low\nlogsource: {product: windows, service: security}\ndetection:\n  s:\n    %s: '%s'\n  condition: s\n", name, value)
			r := Convert([]File{{"p.yml", []byte(rule)}}, Options{})
			if len(r.Refused) > 0 {
				t.Fatal(r.Refused)
			}
			set, errs := rules.Load(mapFS(map[string]string{"p.yaml": r.Converted[0].Rule.YAML}))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			layouts := []string{fmt.Sprintf(`{"Event":{"System":{"EventID":%s,"Channel":"Security","Computer":"h"},"EventData":{%q:%s}}}`, id, name, quoted)}
			if !slices.Contains(taken, name) {
				layouts = append(layouts, fmt.Sprintf(`{"EventID":%s,"Channel":"Security","Hostname":"h",%q:%s}`, id, name, quoted))
			}
			for _, raw := range layouts {
				var e schema.Event
				e.Reset([]byte(raw), 0)
				if err := p.Parse([]byte(raw), &e); err != nil {
					t.Fatal(err)
				}
				if tried++; len(set.Evaluator().Evaluate(&e, nil)) != 1 {
					t.Errorf("%s is lost in %s:\n%s", name, raw, r.Converted[0].Rule.YAML)
				}
			}
		}
	}
	t.Logf("%d events tried", tried)
	if tried < 800 {
		t.Error("hardly anything was tried")
	}
}

// TestTablesResolve: each place of each table is a field of an event, and each
// condition in them compiles.
func TestTablesResolve(t *testing.T) {
	env, err := expr.NewEnv(expr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	compiles := func(what, src string) {
		if _, err := env.Compile(src, nil); src != "" && err != nil {
			t.Errorf("%s: %q: %v", what, src, err)
		}
	}
	all := map[string]*taxonomy{"windows": windowsFields, "defender": defenderFields, "auditd": auditdFields}
	for name := range zeekNames {
		all["zeek."+name] = zeekFields(name)
	}
	for _, s := range sources {
		all[s.String()] = s.fields
		for _, x := range s.streams {
			compiles(s.String(), x.when)
		}
	}
	for name, streams := range windowsCategories {
		for _, x := range streams {
			compiles(name, x.when)
		}
	}
	for tax, f := range all {
		for name, to := range f.fields {
			for _, p := range to.places {
				if _, ok := expr.ParseRef(p.ref); !ok {
					t.Errorf("%s: %s is %q, which is no field", tax, name, p.ref)
				}
				compiles(tax, p.when)
			}
			for _, x := range to.values {
				compiles(tax+" "+name, x)
			}
		}
		for _, e := range f.about {
			if _, ok := expr.ParseRef(e[1]); !ok {
				t.Errorf("%s: no field %q", tax, e[1])
			}
		}
	}
}
