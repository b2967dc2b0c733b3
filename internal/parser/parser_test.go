package parser

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/source"
	"vigil/internal/testdata"
	"vigil/schema"
)

// dump is an event as comparable text.
func dump(e *schema.Event) map[string]string {
	out := map[string]string{}
	for _, f := range e.Fields() {
		out[f.String()], _ = e.Get(f.String())
	}
	for _, x := range e.Extras() {
		out["+"+x.Name] = x.Value
	}
	return out
}

// TestSharedRecordings parses every shared recording of the formats we claim: each is
// recognised, and every record is an event, but for the odd inputs named here.
func TestSharedRecordings(t *testing.T) {
	root := testdata.Shared(t)
	odd := map[string]int{ // failures that must be, by file
		"text_file/conn.log": -1, "truncated/conn.log": 1, "truncated/conn_json.log": 1, "truncated/conn_top.log": -1, "has_unknown_field/http.log": -1,
		"test10-mixed-zeek-dir/notice.log": 1, // its last line is cut off
	}
	for _, row := range []struct{ glob, format string }{
		{"mordor/windows", "windows"}, {"zeek", "zeek-"}, {"volume", "zeek-"}, {"linux/auth.log.gz", "syslog"},
		{"web/apache-combined.log.gz", "access"}, {"web/scan-acunetix.log.gz", "access"}, {"suricata/slips-mixed-eve.jsonl.gz", "suricata"},
		{"cloud/cloudtrail-stratus-2023-07-10.jsonl.gz", "cloudtrail"},
	} {
		t.Run(row.glob, func(t *testing.T) {
			t.Parallel()
			events, files := 0, 0
			for o, err := range source.Objects(t.Context(), []string{filepath.Join(root, row.glob)}) {
				if err != nil {
					t.Errorf("%v", err)
					continue
				}
				files++
				n, failed, format, first := parseAll(t, o)
				events += n
				if !strings.HasPrefix(format, row.format) && !strings.Contains(o.Name(), "text_file") && !strings.Contains(o.Name(), "conn_top") {
					t.Errorf("%s: taken for %s", o.Name(), format)
				}
				want, isOdd := 0, false
				for suffix, w := range odd {
					if strings.HasSuffix(o.Name(), suffix) {
						want, isOdd = w, true
					}
				}
				if failed != want && !(isOdd && want < 0) {
					t.Errorf("%s: %d of %d records failed, want %d: %v", o.Name(), failed, n+failed, want, first)
				}
			}
			t.Logf("%d files, %d events", files, events)
			if events == 0 {
				t.Error("no events")
			}
		})
	}
}

func parseAll(t *testing.T, o source.Object) (events, failed int, format string, first error) {
	t.Helper()
	var p Parser
	var e schema.Event
	for r, err := range o.Records(context.Background(), 0) {
		if err != nil {
			return events, failed, format, err
		}
		if p == nil {
			f, _, err := Detect(sampleOf(o), o.Name())
			if err != nil {
				return 0, 1, "", err
			}
			format = f.Name
			p = f.New(Options{Object: o.Name(), BaseYear: 2020})
		}
		e.Reset(r.Data, r.Offset)
		switch err := p.Parse(r.Data, &e); {
		case err == nil:
			events++
			if !e.Has(schema.FEventDataset) || !e.Has(schema.FEventModule) {
				t.Fatalf("%s offset %d: no data set", o.Name(), r.Offset)
			}
			if !e.Has(schema.FTimestamp) && first == nil && format != "zeek-json" {
				first = fmt.Errorf("offset %d has no timestamp: %.200s", r.Offset, r.Data)
			}
		case errors.Is(err, ErrHeader), errors.Is(err, ErrSkip):
		default:
			failed++
			if first == nil {
				first = fmt.Errorf("offset %d: %w: %.120s", r.Offset, err, r.Data)
			}
		}
	}
	return events, failed, format, first
}

func sampleOf(o source.Object) []byte {
	r, err := o.Reader(0)
	if err != nil {
		return nil
	}
	defer func() { _ = r.Close() }()
	b, err := r.Sample()
	if err != nil {
		return nil
	}
	return b
}

// TestZeekTwins: the TSV and JSON recordings of the same traffic give equal events in
// every promoted field.
func TestZeekTwins(t *testing.T) {
	root := filepath.Join(testdata.Shared(t), "zeek/wrccdc-2018")
	files, err := filepath.Glob(filepath.Join(root, "json/*.zst"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json.zst")
		t.Run(name, func(t *testing.T) {
			j := fieldsOf(t, path, 3000)
			v := fieldsOf(t, filepath.Join(root, "tsv", name+".log.zst"), 3000)
			if len(j) != len(v) {
				t.Fatalf("%d JSON events, %d TSV events", len(j), len(v))
			}
			differ := 0
			for i := range j {
				if j[i] != v[i] && differ < 2 {
					differ++
					t.Errorf("event %d:\n json %s\n tsv  %s", i, j[i], v[i])
				}
			}
		})
	}
}

// fieldsOf is the promoted fields of the first n events. Fractions of time are cut to
// milliseconds: the TSV writes fewer digits.
func fieldsOf(t *testing.T, path string, n int) []string {
	t.Helper()
	var out []string
	var p Parser
	var e schema.Event
	for o, err := range source.Objects(t.Context(), []string{path}) {
		if err != nil {
			t.Fatal(err)
		}
		f, _, err := Detect(sampleOf(o), o.Name())
		if err != nil {
			t.Fatal(err)
		}
		p = f.New(Options{Object: o.Name()})
		for r, err := range o.Records(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			e.Reset(r.Data, r.Offset)
			if p.Parse(r.Data, &e) != nil {
				continue
			}
			m := map[string]string{}
			for _, f := range e.Fields() {
				m[f.String()], _ = e.Get(f.String())
				if f.Def().Kind == schema.Date {
					m[f.String()] = fmt.Sprint(e.Int(f) / 1000)
				}
				if f == schema.FEventDuration {
					m[f.String()] = fmt.Sprint(e.Int(f) / 1e6)
				}
			}
			b, _ := json.Marshal(m)
			if out = append(out, string(b)); len(out) == n {
				return out
			}
		}
	}
	return out
}

// TestContract holds for every format: garbage is an error or an event but never a
// panic, nothing of the record before is left behind, and parsing again gives the same.
func TestContract(t *testing.T) {
	inputs := hostile()
	for _, f := range Formats() {
		t.Run(f.Name, func(t *testing.T) {
			for i, raw := range inputs {
				fresh, used := new(schema.Event), new(schema.Event)
				p := f.New(Options{Object: "x.log", BaseYear: 2020})
				for _, other := range inputs[max(0, i-8):i] {
					used.Reset(other, 0)
					_ = p.Parse(other, used)
				}
				p1, p2 := f.New(Options{Object: "x.log", BaseYear: 2020}), f.New(Options{Object: "x.log", BaseYear: 2020})
				fresh.Reset(raw, 0)
				used.Reset(raw, 0)
				err1, err2 := p1.Parse(raw, fresh), p2.Parse(raw, used)
				if (err1 == nil) != (err2 == nil) || err1 == nil && fmt.Sprint(dump(fresh)) != fmt.Sprint(dump(used)) {
					t.Errorf("%.80q: a fresh and a used event differ:\n%v %v\n%v %v", raw, dump(fresh), err1, dump(used), err2)
				}
			}
		})
	}
}

func hostile() [][]byte {
	files, _ := filepath.Glob("testdata/*.log")
	var out [][]byte
	for _, path := range files {
		b, _ := os.ReadFile(path)
		for line := range bytes.Lines(b) {
			out = append(out, line, line[:len(line)/2])
		}
	}
	return append(out, odd()...)
}

// odd are inputs that no format should trip over.
func odd() [][]byte {
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	return [][]byte{
		nil, []byte(" "), []byte("{"), []byte("{}"), []byte(`{"a":"\ud800"}`), []byte(`{"EventID":"x\u0000y","Channel":"Security","TimeCreated":"1601-01-01T00:00:00Z"}`),
		[]byte(`{"ts":9999999999999999,"uid":"C1","id.orig_h":"not an address","_path":"conn"}`), []byte(deep), []byte(`{"a":[[[[[[[[[[1]]]]]]]]]]}`), []byte(`{"a":1}x`),
		[]byte("#fields\tts\tuid"), []byte("1\t2"), []byte("Mar 27 13:06:56 host sshd[1]: Failed password for  from 1.2.3.4 port 5 ssh2"), []byte("\x00\x01\xff\xfe"),
		[]byte(`1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x"`), []byte(`1.2.3.4 - - [x] "GET`), []byte("a,b,c"), []byte("1,2,3"), []byte(`"`), []byte(strings.Repeat("[", 1000)),
		[]byte(`{"eventName":"X","eventSource":"iam.amazonaws.com","awsRegion":"r","userIdentity":"text instead of object"}`), []byte("<34>Oct 11 22:14:15 mymachine su: 'su root' failed"),
		[]byte(`{"event_type":"alert","src_ip":1,"alert":[{"signature":"x"}]}`),
	}
}

// TestMisfits: values of the wrong type are kept as extras, and absurd times do not
// become event times.
func TestMisfits(t *testing.T) {
	f, err := ByName("windows")
	if err != nil {
		t.Fatal(err)
	}
	var e schema.Event
	raw := []byte(`{"EventID":4625,"Channel":"Security","IpAddress":"not-an-ip","IpPort":"many","TimeCreated":"1601-01-01T00:00:00Z","TargetUserName":"x","NewKey":"v"}`)
	e.Reset(raw, 0)
	if err := f.New(Options{}).Parse(raw, &e); err != nil {
		t.Fatal(err)
	}
	d := dump(&e)
	for k, want := range map[string]string{"+labels.source.ip": "not-an-ip", "+labels.source.port": "many", "+" + absurdTime: "1601-01-01T00:00:00Z", "+winlog.event_data.NewKey": "v", "user.name": "x", "event.dataset": "windows.security"} {
		if d[k] != want {
			t.Errorf("%s = %q, want %q", k, d[k], want)
		}
	}
	if e.Has(schema.FTimestamp) || e.Warnings != 3 {
		t.Errorf("timestamp set: %v, %d warnings", e.Has(schema.FTimestamp), e.Warnings)
	}
}

// windowsSample is a written event of the size of Sysmon process events.
func windowsSample() []byte {
	m := map[string]any{
		"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": "ws01.example", "SourceName": "Microsoft-Windows-Sysmon", "@timestamp": "2022-08-08T12:48:43.209Z", "TimeCreated": "2022-08-08T12:48:43.209Z",
		"Image": `C:\Windows\System32\cmd.exe`, "CommandLine": `cmd.exe /c "echo hello" > C:\Temp\out.txt`, "User": `EXAMPLE\mira`, "ProcessId": "4312", "ParentImage": `C:\Windows\explorer.exe`, "ParentCommandLine": `C:\Windows\explorer.exe`,
		"Hashes":      "SHA1=4985EC8C3309DB6CCCCFD4D18423A84E37BEC172,MD5=AB1C2C6A7F3A4E5F0000000000000000,SHA256=C6A168C81654F5901E864C8FD61FA54F084CD8B2E0A8AC1B83EACF9EB4484F75,IMPHASH=E23A24F7BA9B35B3E9706724F6749860",
		"ProcessGuid": "{625b42a0-689b-62f1-cb00-000000000b00}", "ParentProcessGuid": "{625b42a0-689b-62f1-cb00-000000000b01}", "IntegrityLevel": "High", "OriginalFileName": "Cmd.Exe", "Company": "Microsoft Corporation", "Product": "Microsoft Windows Operating System",
		"UtcTime": "2022-08-08 19:48:43.194", "LogonId": "0x529ae3", "Message": strings.Repeat("Process Create:\r\nRuleName: -\r\n", 35),
	}
	b, _ := json.Marshal(m)
	return b
}

// BenchmarkWindows is parse and map of one 2.3 kB event; the target is 4 µs and no
// allocation. BenchmarkEncodingJSON and BenchmarkWideMap in the same run are the
// alternatives that the event representation was chosen against.
func BenchmarkWindows(b *testing.B) {
	raw := windowsSample()
	p := newWindows(Options{})
	e := new(schema.Event)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		e.Reset(raw, 0)
		if err := p.Parse(raw, e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodingJSON decodes the same event into a map with the standard library.
func BenchmarkEncodingJSON(b *testing.B) {
	raw := windowsSample()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWideMap walks with our reader but keeps every value in a fresh map: what a
// map-based event would cost.
func BenchmarkWideMap(b *testing.B) {
	raw := windowsSample()
	p := newWindows(Options{})
	e := new(schema.Event)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		e.Reset(raw, 0)
		if err := p.Parse(raw, e); err != nil {
			b.Fatal(err)
		}
		m := make(map[string]string, 64)
		for _, f := range e.Fields() {
			m[f.String()] = strings.Clone(e.Str(f))
		}
	}
}
