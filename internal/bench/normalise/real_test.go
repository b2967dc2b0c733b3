package normalise

import (
	"bytes"
	"encoding/json"
	"iter"
	"path/filepath"
	"testing"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/internal/testdata"
	"vigil/schema"
)

// realSample says where data of a format that others have recorded lies, and what must
// come out of it: the fields that at least half of its events have.
type realSample struct {
	format string
	from   string // "pairs", a file of detection tests, or a recording
	fields []string
}

var realSamples = []realSample{
	{"windows", "windows/sigma-regression/events.zip", []string{"timestamp", "event.code", "host.name", "event.action", "ocsf.class_uid"}},
	{"windows-xml", "detection-tests/crowdsec.jsonl.gz", []string{"timestamp", "event.code", "host.name"}},
	{"suricata", "suricata/slips-mixed-eve.jsonl.gz", []string{"timestamp", "source.ip", "destination.ip", "event.dataset"}},
	{"cloudtrail", "cloud/cloudtrail-stratus-2023-07-10.jsonl.gz", []string{"timestamp", "event.action", "source.address", "cloud.region", "ocsf.class_uid"}},
	{"guardduty", "detection-tests/panther.jsonl.gz", []string{"timestamp", "rule.name", "cloud.account.id"}},
	{"vpcflow", "pairs", []string{"timestamp", "source.ip", "destination.ip", "ocsf.class_uid"}},
	{"o365", "cloud/o365-unified-audit.jsonl.zst", []string{"timestamp", "event.action", "user.name"}},
	{"azure", "pairs", []string{"timestamp", "event.action"}},
	{"gcp", "pairs", []string{"timestamp", "source.ip", "destination.ip"}},
	{"workspace", "pairs", []string{"timestamp", "event.action", "service.name"}},
	{"okta", "pairs", []string{"timestamp", "event.action", "user.name", "source.ip"}},
	{"github", "detection-tests/panther.jsonl.gz", []string{"event.action", "user.name"}},
	{"kubernetes", "pairs", []string{"timestamp", "event.action", "user.name", "url.path"}},
	{"zeek-json", "volume", []string{"timestamp", "source.ip", "destination.ip", "url.domain"}},
	{"zeek-tsv", "zeek/wrccdc-2018/tsv", []string{"timestamp", "source.ip", "destination.ip", "source.port"}},
	{"cef", "pairs", []string{"timestamp", "event.dataset", "rule.name"}},
	{"leef", "pairs", []string{"event.dataset", "source.ip"}},
	{"auditd", "detection-tests/wazuh.jsonl.gz", []string{"timestamp", "event.action"}},
	{"cisco", "pairs", []string{"event.code", "log.level", "event.dataset"}},
	{"w3c", "detection-tests/wazuh.jsonl.gz", []string{"timestamp", "source.ip", "http.request.method", "url.path"}},
	{"kv", "pairs", []string{"timestamp", "source.ip", "event.action", "event.outcome"}},
	{"syslog", "linux/auth.log.gz", []string{"timestamp", "host.name", "process.name", "event.action"}},
	{"hec", "detection-tests/panther.jsonl.gz", []string{"event.dataset"}},
	{"access", "web/apache-combined.log.gz", []string{"timestamp", "source.ip", "http.response.status_code", "url.path", "user_agent.original"}},
	{"weberror", "pairs", []string{"timestamp", "log.level", "message"}},
	{"elb", "pairs", []string{"timestamp", "source.ip", "destination.ip", "http.response.status_code", "url.domain"}},
	{"panos", "pairs", []string{"event.code", "source.ip", "destination.ip"}},
	{"panos-json", "pairs", []string{"timestamp", "event.action", "observer.name"}},
	{"route53", "pairs", []string{"timestamp", "dns.question.name", "source.ip"}},
	{"aws-waf", "detection-tests/panther.jsonl.gz", []string{"timestamp", "source.ip", "event.action", "url.path"}},
	{"securityhub", "pairs", []string{"timestamp", "rule.name", "cloud.account.id", "ocsf.class_uid"}},
	{"messagetrace", "pairs", []string{"timestamp", "email.from.address", "email.to.address"}},
	{"osquery", "detection-tests/panther.jsonl.gz", []string{"rule.name", "event.action"}},
	{"netflow", "netflow", []string{"timestamp", "source.ip", "destination.ip", "network.transport", "network.bytes"}},
	{"checkpoint", "pairs", []string{"timestamp", "event.action", "host.name"}},
	{"json", "pairs", []string{"timestamp"}},
	{"csv", "anomaly/nab", []string{"timestamp"}},
	{"text", "pairs", []string{"message"}},
}

// TestRealSamples: every format has data that others have recorded, is recognised in it,
// takes it, and finds in it what the table says.
func TestRealSamples(t *testing.T) {
	root := testdata.Shared(t)
	listed, found := map[string]bool{}, recognised(t, root)
	for _, s := range realSamples {
		listed[s.format] = true
		t.Run(s.format, func(t *testing.T) {
			events, failed, with := 0, 0, map[string]int{}
			for e, err := range s.events(t, root, found) {
				if err != nil {
					failed++
					continue
				}
				events++
				for _, f := range s.fields {
					if _, ok := e.Get(f); ok {
						with[f]++
					}
				}
			}
			if events == 0 || failed > events/10 {
				t.Fatalf("%d events, %d records failed", events, failed)
			}
			for _, f := range s.fields {
				if 2*with[f] < events {
					t.Errorf("%d of %d events have %s", with[f], events, f)
				}
			}
		})
	}
	for _, f := range parser.Formats() {
		if !listed[f.Name] {
			t.Errorf("no real sample is named for the format %s", f.Name)
		}
	}
}

// events parses what is recognised as the format.
func (s realSample) events(t *testing.T, root string, found map[string][]string) iter.Seq2[*schema.Event, error] {
	t.Helper()
	if s.from != "pairs" && filepath.Dir(s.from) != "detection-tests" {
		return s.recorded(t, filepath.Join(root, s.from))
	}
	return func(yield func(*schema.Event, error) bool) {
		for _, record := range found[s.from+" "+s.format] {
			if got := parse(pair{record: record}); !yield(got.event, got.failed) {
				return
			}
		}
	}
}

// recognised are the records of the pairs and the detection tests, by place and format.
func recognised(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	add := func(from, record string) {
		if f, _, err := parser.Detect([]byte(record), "x.log"); err == nil {
			found[from+" "+f.Name] = append(found[from+" "+f.Name], record)
		}
	}
	for p, err := range pairs(root) {
		if err != nil {
			t.Fatal(err)
		}
		add("pairs", p.record)
	}
	for _, from := range []string{"detection-tests/panther.jsonl.gz", "detection-tests/wazuh.jsonl.gz", "detection-tests/crowdsec.jsonl.gz"} {
		for record := range detectionTests(t, filepath.Join(root, from)) {
			add(from, record)
		}
	}
	return found
}

// recorded parses the first thousand records of each file.
func (s realSample) recorded(t *testing.T, path string) iter.Seq2[*schema.Event, error] {
	return func(yield func(*schema.Event, error) bool) {
		for o, err := range source.Objects(t.Context(), []string{path}) {
			if err != nil {
				t.Error(err)
				return
			}
			list, name, err := eventsOf(o, 1000)
			if err != nil {
				t.Error(err)
			}
			if name != s.format {
				continue
			}
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// detectionTests are the log lines of detection tests, and events as JSON.
func detectionTests(t *testing.T, path string) iter.Seq[string] {
	b, err := readLines(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(string) bool) {
		for line := range bytes.Lines(b) {
			var d struct {
				Event json.RawMessage
				Logs  []struct{ Line string }
				Lines []any `json:"log_lines"`
			}
			if err := json.Unmarshal(line, &d); err != nil {
				t.Fatal(err)
			}
			records := []string{string(d.Event)}
			for _, l := range d.Logs {
				records = append(records, l.Line)
			}
			for _, l := range d.Lines {
				if text, ok := l.(string); ok {
					records = append(records, text)
				}
			}
			for _, r := range records {
				if r != "" && !yield(r) {
					return
				}
			}
		}
	}
}
