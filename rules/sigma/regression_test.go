package sigma_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"vigil/internal/parser"
	"vigil/internal/testdata"
	"vigil/rules"
	"vigil/rules/sigma"
	"vigil/schema"
)

// records is the hook for other arms of the test: the records of one test, ready for
// the parser of Windows events, whatever they were read from.
type records = iter.Seq2[[]byte, error]

// loaded converts the corpus and loads what was written, as the product does.
func loaded(t testing.TB) *rules.Set {
	t.Helper()
	files := corpusFiles(t)
	report := sigma.Convert(files, sigma.Options{Lists: placeholders(files)})
	set, errs := rules.Load(memory(report))
	for _, err := range errs {
		t.Error(err)
	}
	return set
}

// firings counts how often each rule fires on records, and says how many records
// there were.
func firings(t testing.TB, set *rules.Set, ev *rules.Evaluator, in records, each func(e *schema.Event, hits []rules.Hit)) int {
	t.Helper()
	f, err := parser.ByName("windows")
	if err != nil {
		t.Fatal(err)
	}
	p := f.New(parser.Options{})
	var e schema.Event
	var hits []rules.Hit
	n := 0
	for raw, err := range in {
		if err != nil {
			t.Fatal(err)
		}
		e.Reset(raw, int64(n))
		if err := p.Parse(raw, &e); err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
		n++
		hits = ev.Evaluate(&e, hits[:0])
		each(&e, hits)
	}
	return n
}

// jsonRecords reads JSON documents that follow each other, on however many lines.
func jsonRecords(r io.Reader) records {
	return func(yield func([]byte, error) bool) {
		dec := json.NewDecoder(r)
		for {
			var raw json.RawMessage
			err := dec.Decode(&raw)
			if err == io.EOF {
				return
			}
			if err == nil {
				var flat bytes.Buffer
				if err = json.Compact(&flat, raw); err == nil {
					raw = flat.Bytes()
				}
			}
			if !yield(raw, err) || err != nil {
				return
			}
		}
	}
}

// expectation is one of SigmaHQ's own regression tests.
type expectation struct {
	Rule  string `json:"rule_id"`
	Title string `json:"title"`
	JSON  string `json:"json_file"`
	Count int    `json:"expected_match_count"`
}

func expectations(t testing.TB) []expectation {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata.Shared(t), "windows/sigma-regression/expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []expectation
	for s := bufio.NewScanner(f); s.Scan(); {
		var x expectation
		if err := json.Unmarshal(s.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// TestRegression runs SigmaHQ's own tests: each rule must fire exactly as often as
// its test says, by both evaluators.
func TestRegression(t *testing.T) {
	set := loaded(t)
	z, err := zip.OpenReader(filepath.Join(testdata.Shared(t), "windows/sigma-regression/events.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	tests, events := 0, 0
	for _, x := range expectations(t) {
		if _, ok := set.Rule(x.Rule); !ok {
			t.Errorf("%s %s is not loaded", x.Rule, x.Title)
			continue
		}
		f, err := z.Open(x.JSON)
		if err != nil {
			t.Fatal(err)
		}
		fired := 0
		events += firings(t, set, set.Evaluator(), jsonRecords(f), func(_ *schema.Event, hits []rules.Hit) {
			for _, h := range hits {
				if h.Rule.ID == x.Rule {
					fired++
				}
			}
		})
		_ = f.Close()
		if tests++; fired != x.Count {
			t.Errorf("%s %s fires %d times, want %d", x.Rule, x.Title, fired, x.Count)
		}
	}
	t.Logf("%d tests over %d events", tests, events)
	if tests < 100 {
		t.Error("hardly anything was tested")
	}
}
