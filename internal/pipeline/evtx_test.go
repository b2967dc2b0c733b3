package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/internal/source"
	"vigil/internal/testdata"
	"vigil/schema"
	"vigil/schema/flow"
)

// logMemory keeps what a run commits, as text.
type logMemory struct {
	events []string // ids
	chunks []schema.Chunk
	failed []schema.ParseFailure
}

type rows struct{ ids []string }

func (r *rows) Append(e *schema.Event) { r.ids = append(r.ids, fmt.Sprint(e.ID, e.Offset)) }
func (r *rows) Rows() int              { return len(r.ids) }
func (r *rows) Reset()                 { r.ids = nil }

func (m *logMemory) NewEvents() Events { return &rows{} }
func (m *logMemory) Recycle(Events)    {}

func (m *logMemory) Commit(_ context.Context, c *Commit) error {
	if r, ok := c.Events.(*rows); ok {
		m.events = append(m.events, r.ids...)
	}
	m.chunks = append(m.chunks, c.Chunk)
	m.failed = append(m.failed, c.Failures...)
	return nil
}

// ingest runs an object to its end, stopping after every so many chunks (0: never) and
// going on from the manifest.
func ingest(t *testing.T, o source.Object, every int) *logMemory {
	t.Helper()
	m, at := &logMemory{}, Position{}
	for {
		n := 0
		cfg := Config{Org: "main", Source: "s", Plan: flow.IngestPlan{Records: 7, Bytes: 1 << 30, Ingested: time.Unix(1.7e9, 0)}, Committed: func(schema.Chunk) error {
			if n++; every > 0 && n >= every {
				return ErrStop
			}
			return nil
		}}
		err := Run(t.Context(), cfg, o, at, m)
		last := m.chunks[len(m.chunks)-1]
		at = Position{From: last.To, Seq: last.Seq + 1}
		if err == nil || !errors.Is(err, ErrStop) || last.Last {
			var p *source.Problem
			if err != nil && !errors.Is(err, ErrStop) && !errors.As(err, &p) {
				t.Fatal(err)
			}
			return m
		}
	}
}

// TestEventLogResumes: a run that stops after any chunk and goes on stores the same
// chunks, events and failures as one that never stops.
func TestEventLogResumes(t *testing.T) {
	paths := []string{"../parser/evtx/testdata/logon.evtx.gz"}
	if dir := testdata.Shared(t); dir != "" {
		paths = append(paths, filepath.Join(dir, "windows/evtx/parser-robustness.zip"))
	}
	logs := 0
	for o, err := range source.Objects(t.Context(), paths) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Size > 60<<10 {
			continue // of the large ones the small ones say enough
		}
		logs++
		whole, parts := ingest(t, o, 0), ingest(t, o, 1)
		if fmt.Sprint(whole.events) != fmt.Sprint(parts.events) || fmt.Sprint(whole.failed) != fmt.Sprint(parts.failed) {
			t.Errorf("%s: %d events and %d failures, in parts %d and %d", o.Name(), len(whole.events), len(whole.failed), len(parts.events), len(parts.failed))
		}
		for i := range whole.chunks {
			if a, b := whole.chunks[i], parts.chunks[i]; a.ID != b.ID || a.Hash != b.Hash || a.Format != "windows" {
				t.Errorf("%s chunk %d: %+v, in parts %+v", o.Name(), i, a, b)
				break
			}
		}
	}
	if logs < 5 {
		t.Errorf("only %d logs", logs)
	}
}

// TestDamageIsStored: what is damaged is a failure with its reason, place and bytes.
func TestDamageIsStored(t *testing.T) {
	for o, err := range source.Objects(t.Context(), []string{"../parser/evtx/testdata/logon.evtx.gz"}) {
		if err != nil {
			t.Fatal(err)
		}
		m := ingest(t, o, 0)
		if len(m.events) != 79 || len(m.failed) != 2 {
			t.Fatalf("%d events, %d failures", len(m.events), len(m.failed))
		}
		f := m.failed[1]
		if !strings.Contains(f.Reason, "no record") || f.Offset <= 4096+64<<10 || f.Size == 0 || int64(len(f.Raw)) != f.Size || f.Format != "windows" {
			t.Errorf("failure: %+v", f)
		}
	}
}
