package activities

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/internal/spool"
	"vigil/schema"
	"vigil/schema/flow"
)

// TestProveSpool proves a spool that is partly drained, and finds what was changed in it
// or in the manifest afterwards.
func TestProveSpool(t *testing.T) {
	d, err := spool.Open(t.TempDir(), spool.Options{SegmentBytes: 2000})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	l, err := d.Log(spool.Meta{Source: "push", Kind: "bulk", Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	m := &manifest{}
	add := func(n int) {
		t.Helper()
		var b []spool.Record
		for i := range n {
			r := spool.Record{Data: fmt.Appendf(nil, `{"message":"record %d"}`, i)}
			if i%2 == 0 {
				r.ID = spool.ID{byte(n), byte(i), 1}
			}
			b = append(b, r)
		}
		b = append(b, spool.Record{Data: []byte("no\njson")}, spool.Record{})
		if _, err := l.AppendRequest(t.Context(), spool.ID{byte(n % 4), 9}, b); err != nil {
			t.Fatal(err)
		}
		if err := l.Cut(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 20 {
		add(n)
	}
	cfg := pipeline.Config{Org: "main", Source: "push", Format: "json", Plan: flow.IngestPlan{Records: 8, Bytes: 1 << 20}}
	for _, s := range l.Segments() {
		if err := pipeline.Run(t.Context(), cfg, source.Spooled(s), pipeline.Position{}, m); err != nil {
			t.Fatal(err)
		}
	}
	add(25) // 27 records more in the segment that grows, or in a new one
	add(60) // and 62 that fill it, and one or more segments that nobody has seen
	add(23)
	segments := l.Segments()

	if p := proof(t, m, d); !p.OK || p.Waiting != 27+62+25 || p.Records != 190+20 || p.Reread < 2 || p.Suspected == 0 {
		t.Fatalf("%+v", p)
	}
	for name, damage := range map[string]func() (undo func()){
		"a changed hash": func() func() { c := m.chunks[1]; m.chunks[1].Hash = "00"; return func() { m.chunks[1] = c } },
		"a missing chunk": func() func() {
			all := m.chunks
			m.chunks = append(append([]schema.Chunk{}, all[:2]...), all[3:]...)
			return func() { m.chunks = all }
		},
		"a changed record": func() func() {
			path := segments[0].Path
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(file), "record 1", "record 9", 1)
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil || changed == string(file) {
				t.Fatal("nothing was changed", err)
			}
			return func() { _ = os.WriteFile(path, file, 0o600) }
		},
	} {
		undo := damage()
		if p := proof(t, m, d); p.OK || len(p.Problems) == 0 {
			t.Errorf("%s is not found: %+v", name, p)
		}
		undo()
	}
	if err := os.Remove(segments[0].Path); err != nil {
		t.Fatal(err)
	}
	if p := proof(t, m, d); !p.OK {
		t.Errorf("a segment that is gone: %+v", p)
	}
	if _, err := os.Stat(segments[0].Path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func proof(t *testing.T, m *manifest, d *spool.Dir) Proof {
	t.Helper()
	return provedBy(t, &Prove{Store: m, Spool: d}, "push")
}
