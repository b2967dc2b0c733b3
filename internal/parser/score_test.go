package parser

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"vigil/internal/testdata"
	"vigil/schema"
)

// core are the fields that the score looks at: what rules and people ask for first.
var core = []string{"@timestamp", "source.ip", "source.port", "destination.ip", "destination.port", "source.domain", "destination.domain", "user.name", "user.domain", "user.email", "user.target.name", "host.name",
	"process.name", "process.executable", "process.command_line", "process.pid", "process.parent.name", "process.parent.executable", "file.name", "file.path", "file.hash.sha256", "file.hash.md5", "url.original", "url.path", "url.domain",
	"http.request.method", "http.response.status_code", "user_agent.original", "event.code", "event.action", "event.outcome", "network.transport", "network.protocol", "rule.name", "dns.question.name", "error.code", "log.level", "observer.name", "source.mac", "source.bytes", "destination.bytes"}

// pair of the shared recordings: an event and its normalised document.
type normalisePair struct {
	Vendor, Format string
	Input          struct{ Message string }
	Expected       map[string]any
}

// flatten turns a document into dotted names with the texts of their values.
func flatten(prefix string, v any, out map[string][]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			flatten(strings.TrimPrefix(prefix+"."+k, "."), x, out)
		}
	case []any:
		for _, x := range v {
			flatten(prefix, x, out)
		}
	case nil:
	default:
		out[prefix] = append(out[prefix], fmt.Sprint(v))
	}
}

// score counts how many of the expected core fields of a record came out equal.
type score struct {
	rows, recognised, want, have int
	misses                       map[string]int
}

func (s *score) add(message string, expected map[string]any) {
	s.rows++
	raw := []byte(strings.TrimRight(message, "\n"))
	f, _, err := Detect(raw, "x.log")
	if err != nil {
		return
	}
	if f.Name != "text" && f.Name != "json" {
		s.recognised++
	}
	var e schema.Event
	p := f.New(Options{Object: "x.log", BaseYear: 2024})
	for range 2 { // a format with a header may want it first
		e.Reset(raw, 0)
		if err = p.Parse(raw, &e); !errors.Is(err, ErrHeader) {
			break
		}
	}
	flat := map[string][]string{}
	flatten("", expected, flat)
	for _, name := range core {
		want := flat[name]
		if len(want) == 0 {
			continue
		}
		s.want++
		if err == nil && equalField(&e, name, want) {
			s.have++
			continue
		}
		s.misses[f.Name+":"+name]++
	}
}

func equalField(e *schema.Event, name string, want []string) bool {
	if name == "@timestamp" {
		t, err := time.Parse(time.RFC3339Nano, want[0])
		return err == nil && e.Has(schema.FTimestamp) && t.UnixMilli() == e.Time().UnixMilli()
	}
	got, ok := e.Get(name)
	if !ok {
		return false
	}
	return slices.ContainsFunc(want, func(w string) bool { return strings.EqualFold(w, got) })
}

// TestScore logs, for each format of the shared pairs, the share of core fields that
// came out as in the expected documents. The documents follow other people's
// conventions, so the share is a measure, not a goal; what is tested is that it does
// not fall.
func TestScore(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testdata.Shared(t), "normalise-pairs/sekoia-ecs.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if b, err = z.DecodeAll(b, nil); err != nil {
		t.Fatal(err)
	}
	byFormat, total := map[string]*score{}, &score{misses: map[string]int{}}
	for line := range bytes.Lines(b) {
		var p normalisePair
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.UseNumber()
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		s := byFormat[p.Format]
		if s == nil {
			s = &score{misses: map[string]int{}}
			byFormat[p.Format] = s
		}
		s.add(p.Input.Message, p.Expected)
		total.add(p.Input.Message, p.Expected)
	}
	var names []string
	for n := range byFormat {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return byFormat[b].rows - byFormat[a].rows })
	for _, n := range names[:min(len(names), 70)] {
		s := byFormat[n]
		t.Logf("%-32s %4d rows, %4d recognised, core fields %4d of %4d (%3.0f %%) %v", n, s.rows, s.recognised, s.have, s.want, 100*float64(s.have)/float64(max(1, s.want)), worst(s.misses))
	}
	t.Logf("all: %d rows, %d recognised, core fields %d of %d (%.1f %%)", total.rows, total.recognised, total.have, total.want, 100*float64(total.have)/float64(total.want))
	const least = 50
	if percent := 100 * total.have / total.want; percent < least {
		t.Errorf("%d %% of the core fields, less than the %d %% reached before", percent, least)
	}
}

// worst are the fields that fail most.
func worst(misses map[string]int) []string {
	var names []string
	for n := range misses {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		if misses[a] != misses[b] {
			return misses[b] - misses[a]
		}
		return strings.Compare(a, b)
	})
	for i, n := range names {
		names[i] = fmt.Sprintf("%s %d", n, misses[n])
	}
	return names[:min(len(names), 5)]
}

// TestElasticScore does the same for documents of canonical ECS: web servers, load
// balancers and syslog.
func TestElasticScore(t *testing.T) {
	f, err := os.Open(filepath.Join(testdata.Shared(t), "normalise-pairs/elastic-pipeline-tests.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(z)
	dec.UseNumber()
	total := &score{misses: map[string]int{}}
	for dec.More() {
		var p struct {
			Package, Test string
			DataStream    string           `json:"data_stream"`
			InputFile     string           `json:"input_file"`
			Expected      []map[string]any `json:"expected"`
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimRight(p.InputFile, "\n"), "\n")
		if len(lines) != len(p.Expected) {
			continue // records over several lines
		}
		s := &score{misses: map[string]int{}}
		for i := range lines {
			s.add(lines[i], p.Expected[i])
			total.add(lines[i], p.Expected[i])
		}
		t.Logf("%-10s %-10s %-34s %4d rows, %4d recognised, core fields %4d of %4d (%3.0f %%) %v", p.Package, p.DataStream, p.Test, s.rows, s.recognised, s.have, s.want, 100*float64(s.have)/float64(max(1, s.want)), worst(s.misses))
	}
	t.Logf("all: %d rows, %d recognised, core fields %d of %d (%.1f %%)", total.rows, total.recognised, total.have, total.want, 100*float64(total.have)/float64(total.want))
	const least = 78
	if percent := 100 * total.have / total.want; percent < least {
		t.Errorf("%d %% of the core fields, less than the %d %% reached before", percent, least)
	}
}
