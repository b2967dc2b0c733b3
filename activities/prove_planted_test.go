package activities

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/internal/spool"
	"vigil/internal/store"
	"vigil/schema/flow"
)

// planted are losses and doubles, each put into a manifest that was proved. They happen to
// the second chunk, which is said of them.
var planted = map[string]func(m *manifest){
	"a row lost":                   rowCount(-1, -1, 0),
	"a row stored twice":           rowCount(1, 0, 0),
	"a row of its own too many":    rowCount(1, 1, 0),
	"one row lost, another twice":  rowCount(0, -1, 0),
	"a failure lost":               rowCount(0, 0, -1),
	"a failure stored twice":       rowCount(0, 0, 1),
	"a chunk in the manifest less": func(m *manifest) { m.chunks = slices.Delete(m.chunks, 1, 2) },
	"a chunk's rows without their chunk": func(m *manifest) {
		rows := store.RowCount{Events: m.chunks[1].Events, DistinctEvents: m.chunks[1].Events, Failures: m.chunks[1].Failures}
		id := m.chunks[1].ID
		m.chunks = slices.Delete(m.chunks, 1, 2)
		m.plant = func(r map[string]store.RowCount) { r[id] = rows }
	},
	"a chunk committed twice, by another id": func(m *manifest) {
		twice := m.chunks[1]
		twice.ID += "-again"
		m.chunks = slices.Insert(m.chunks, 2, twice)
	},
	"a record less in tables and manifest": func(m *manifest) { m.chunks[1].Records--; m.chunks[1].Events-- },
	"a record more in tables and manifest": func(m *manifest) { m.chunks[1].Records++; m.chunks[1].Events++ },
}

// rowCount changes what the tables hold of the second chunk.
func rowCount(events, distinct, failures int64) func(*manifest) {
	return func(m *manifest) {
		id := m.chunks[1].ID
		m.plant = func(r map[string]store.RowCount) {
			c := r[id]
			r[id] = store.RowCount{Events: c.Events + events, DistinctEvents: c.DistinctEvents + distinct, Failures: c.Failures + failures}
		}
	}
}

// TestPlanted plants every loss and double in a file and in the spool of a push source:
// none goes unseen.
func TestPlanted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	var lines strings.Builder
	for i := range 100 {
		fmt.Fprintf(&lines, "{\"message\":\"record %d\"}\n", i)
	}
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	spooled, dir := pushed(t, 100)
	for name, c := range map[string]struct {
		m *manifest
		x Prove
	}{"file": {m: committed(t, path)}, "spool": {spooled, Prove{Spool: dir}}} {
		whole := slices.Clone(c.m.chunks)
		c.x.Store = c.m
		if p := provedBy(t, &c.x, "push"); !p.OK || p.Records != 100 || p.Reread == 0 || len(whole) < 3 {
			t.Fatalf("%s, as it is: %+v", name, p)
		}
		for what, plant := range planted {
			c.m.chunks, c.m.plant = slices.Clone(whole), nil
			plant(c.m)
			if p := provedBy(t, &c.x, "push"); p.OK || !strings.Contains(strings.Join(p.Problems, " "), "chunk ") {
				t.Errorf("%s: %s is not found: %+v", name, what, p)
			}
		}
	}
}

// pushed is a spool of n records, drained into a manifest.
func pushed(t *testing.T, n int) (*manifest, *spool.Dir) {
	t.Helper()
	d, err := spool.Open(t.TempDir(), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	l, err := d.Log(spool.Meta{Source: "push", Kind: "bulk", Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	var records []spool.Record
	for i := range n {
		records = append(records, spool.Record{Data: fmt.Appendf(nil, `{"message":"record %d"}`, i)})
	}
	if _, err := l.AppendRequest(t.Context(), spool.ID{1}, records); err != nil {
		t.Fatal(err)
	}
	if err := l.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := &manifest{}
	cfg := pipeline.Config{Org: "main", Source: "push", Format: "json", Plan: flow.IngestPlan{Records: 20, Bytes: 1 << 20}}
	for _, s := range l.Segments() {
		if err := pipeline.Run(t.Context(), cfg, source.Spooled(s), pipeline.Position{}, m); err != nil {
			t.Fatal(err)
		}
	}
	return m, d
}
