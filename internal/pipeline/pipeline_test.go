package pipeline

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/source"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/schema"
	"vigil/schema/flow"
)

// memory keeps commits; its events are the store's own columns.
type memory struct {
	commits []Commit
	rows    []int
	fail    func(n int) error // called before each commit
}

func (m *memory) NewEvents() Events { return store.NewBatch() }

func (m *memory) Recycle(Events) {}

func (m *memory) Commit(_ context.Context, c *Commit) error {
	if m.fail != nil {
		if err := m.fail(len(m.commits)); err != nil {
			return err
		}
	}
	m.commits = append(m.commits, *c)
	m.rows = append(m.rows, c.Events.Rows())
	return nil
}

// chunks are the manifest rows without the one column that differs between attempts.
func (m *memory) chunks() []schema.Chunk {
	var out []schema.Chunk
	for _, c := range m.commits {
		c.Chunk.Read = time.Time{}
		out = append(out, c.Chunk)
	}
	return out
}

func (m *memory) detections() []string {
	var out []string
	for _, c := range m.commits {
		for _, d := range c.Detections {
			out = append(out, d.ID+" "+d.EventID+" "+d.Chunk)
		}
	}
	return out
}

const testRule = `id: test-word
title: The word evil in a message
description: For tests.
author: Vigil
license: Apache-2.0
severity: low
risk: 10
dataset: '*'
when: e.message.icontains('evil')
entities: {host: host.name}
`

func testRules(t *testing.T) *rules.Set {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "r.yaml"), []byte(testRule), 0o600); err != nil {
		t.Fatal(err)
	}
	set, errs := rules.Load(os.DirFS(dir))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return set
}

func testConfig(set *rules.Set) Config {
	cfg := Config{Org: "main", Source: "test", Plan: flow.IngestPlan{Ingested: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), BaseYear: 2026, Records: 100, Bytes: 1 << 20}}
	if set != nil {
		cfg.Evaluator = set.Evaluator()
	}
	return cfg
}

// object writes a file and opens it as an object.
func object(t testing.TB, name string, data []byte) source.Object {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for o, err := range source.Objects(context.Background(), []string{path}) {
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	t.Fatal("no object")
	return source.Object{}
}

// lines are JSON records; every 17th is evil, every 29th is broken.
func lines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		switch {
		case i%29 == 28:
			fmt.Fprintf(&b, "{\"broken\": %d\n", i)
		case i%17 == 16:
			fmt.Fprintf(&b, `{"timestamp":"2026-01-02T00:00:00Z","message":"evil %d","host":{"name":"h%d"}}`+"\n", i, i%3)
		default:
			fmt.Fprintf(&b, `{"timestamp":"2026-01-02T00:00:00Z","message":"good %d","host":{"name":"h%d"}}`+"\n", i, i%3)
		}
	}
	return b.Bytes()
}

// TestResumeCutsTheSameChunks stops a run between chunks, at every place and several
// times at random, and continues it from the manifest: chunks, detections and
// failures are those of an undisturbed run.
func TestResumeCutsTheSameChunks(t *testing.T) {
	set, o := testRules(t), object(t, "app.jsonl", lines(1234))
	var whole memory
	if err := Run(t.Context(), testConfig(set), o, Position{}, &whole); err != nil {
		t.Fatal(err)
	}
	if len(whole.commits) != 13 || len(whole.detections()) == 0 || len(whole.commits[0].Failures) == 0 {
		t.Fatalf("%d chunks, %d detections, %d failures in the first: the test tests nothing", len(whole.commits), len(whole.detections()), len(whole.commits[0].Failures))
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		var parts memory
		at := Position{}
		for done := false; !done; {
			cfg, left := testConfig(set), 1+rnd.IntN(4)
			cfg.Committed = func(c schema.Chunk) error {
				done = c.Last
				at = Position{From: c.To, Seq: c.Seq + 1, InDoubt: true}
				if left--; left == 0 && !c.Last {
					return ErrStop
				}
				return nil
			}
			if err := Run(t.Context(), cfg, o, at, &parts); err != nil && !errors.Is(err, ErrStop) {
				t.Fatal(err)
			}
		}
		if !slices.Equal(whole.chunks(), parts.chunks()) {
			t.Fatalf("the chunks differ:\n%+v\n%+v", whole.chunks(), parts.chunks())
		}
		if !slices.Equal(whole.detections(), parts.detections()) || !slices.Equal(whole.rows, parts.rows) {
			t.Fatal("detections or rows differ")
		}
	}
}

// TestResumeFindsTheHeader continues a file whose first lines name its columns.
func TestResumeFindsTheHeader(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tquery\n#types\ttime\tstring\taddr\tport\taddr\tport\tstring\n")
	for i := range 250 {
		fmt.Fprintf(&b, "1521911721.%06d\tC%d\t10.0.0.1\t5353\t10.0.0.2\t53\thost%d.example\n", i, i, i)
	}
	b.WriteString("#close\t2018-03-24-17-15-20\n")
	o := object(t, "dns.log", b.Bytes())
	var m memory
	cfg := testConfig(nil)
	cfg.Committed = func(schema.Chunk) error { return ErrStop }
	if err := Run(t.Context(), cfg, o, Position{}, &m); !errors.Is(err, ErrStop) {
		t.Fatal(err)
	}
	c := m.commits[len(m.commits)-1].Chunk
	if err := Run(t.Context(), testConfig(nil), o, Position{From: c.To, Seq: c.Seq + 1}, &m); err != nil {
		t.Fatal(err)
	}
	events := 0
	for i, c := range m.commits {
		events += m.rows[i]
		if len(c.Failures) > 0 {
			t.Errorf("chunk %d: %+v", i, c.Failures[0])
		}
	}
	if events != 250 {
		t.Errorf("%d events of 250", events)
	}
}

// TestBadInput: what cannot be taken is a failure with a reason; everything around it
// is stored.
func TestBadInput(t *testing.T) {
	good := `{"timestamp":"2026-01-02T00:00:00Z","message":"fine"}` + "\n"
	huge := `{"message":"` + strings.Repeat("x", 50<<20) + `"}` + "\n"
	var cut bytes.Buffer
	z := gzip.NewWriter(&cut)
	for range 20000 {
		_, _ = fmt.Fprintf(z, "{\"message\":\"%d\"}\n", rand.Uint64())
	}
	_ = z.Close()
	for name, c := range map[string]struct {
		data             []byte
		events, failures int
		reason           string
		problem          bool
	}{
		"half a line at the end": {[]byte(good + good + `{"message":"ha`), 2, 1, "", false},
		"NUL bytes":              {[]byte(good + "\x00\x00\x00\n" + good), 2, 1, "", false},
		"a line of 50 MB":        {[]byte(good + huge + good), 2, 1, "more than the", false},
		"wrong types":            {[]byte(good + `{"timestamp":{"a":1},"source":{"ip":"no address","port":"many"}}` + "\n"), 2, 0, "", false},
		"years 1601 and 2099":    {[]byte(`{"timestamp":"1601-01-01T00:00:00Z","message":"a"}` + "\n" + `{"timestamp":"2099-01-01T00:00:00Z","message":"b"}` + "\n"), 2, 0, "", false},
		"no format":              {[]byte{0x7f, 'E', 'L', 'F', 0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0}, 0, 1, "", true},
		"only blank lines":       {[]byte("\n\n\n"), 0, 1, "no format", true},
	} {
		t.Run(name, func(t *testing.T) {
			checkBad(t, object(t, "in.jsonl", c.data), c.events, c.failures, c.reason, c.problem)
		})
	}
	t.Run("a truncated gzip", func(t *testing.T) {
		var m memory
		err := Run(t.Context(), testConfig(nil), object(t, "in.jsonl.gz", cut.Bytes()[:cut.Len()/2]), Position{}, &m)
		var p *source.Problem
		if !errors.As(err, &p) {
			t.Fatalf("%v", err)
		}
		events, failures := totals(&m)
		if events < 5000 || failures < 1 || !m.commits[len(m.commits)-1].Chunk.Last {
			t.Errorf("%d events, %d failures", events, failures)
		}
	})
}

func checkBad(t *testing.T, o source.Object, events, failures int, reason string, problem bool) {
	var m memory
	err := Run(t.Context(), testConfig(nil), o, Position{}, &m)
	var p *source.Problem
	if errors.As(err, &p) != problem || err != nil && !problem {
		t.Fatalf("%v", err)
	}
	gotEvents, gotFailures := totals(&m)
	if gotEvents != events || gotFailures != failures {
		t.Errorf("%d events and %d failures, want %d and %d", gotEvents, gotFailures, events, failures)
	}
	if n := len(m.commits); n == 0 || !m.commits[n-1].Chunk.Last {
		t.Error("the object is not marked as complete")
	}
	for _, c := range m.commits {
		if c.Chunk.Events+c.Chunk.Failures < c.Chunk.Records {
			t.Errorf("%d records, but %d events and %d failures", c.Chunk.Records, c.Chunk.Events, c.Chunk.Failures)
		}
		for _, f := range c.Failures {
			if f.Reason == "" || !strings.Contains(f.Reason, reason) || len(f.Raw) > maxKept {
				t.Errorf("%q (%d bytes kept)", f.Reason, len(f.Raw))
			}
		}
	}
}

func totals(m *memory) (events, failures int) {
	for i, c := range m.commits {
		events += m.rows[i]
		failures += len(c.Failures)
	}
	return events, failures
}

// TestSinkFailureStopsTheRun: chunks behind a failed one are not committed.
func TestSinkFailureStopsTheRun(t *testing.T) {
	broken := errors.New("the engine is gone")
	m := memory{fail: func(n int) error {
		if n == 2 {
			return broken
		}
		return nil
	}}
	if err := Run(t.Context(), testConfig(nil), object(t, "app.jsonl", lines(2000)), Position{}, &m); !errors.Is(err, broken) {
		t.Fatalf("%v", err)
	}
	if len(m.commits) != 2 {
		t.Errorf("%d chunks are committed", len(m.commits))
	}
}

// TestCancel ends between two chunks, with the cause.
func TestCancel(t *testing.T) {
	cause := errors.New("told to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	m := memory{fail: func(n int) error {
		if n == 1 {
			cancel(cause)
		}
		return nil
	}}
	if err := Run(ctx, testConfig(nil), object(t, "app.jsonl", lines(5000)), Position{}, &m); !errors.Is(err, cause) {
		t.Fatalf("%v", err)
	}
}
