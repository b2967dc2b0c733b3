package pipeline

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"testing"

	"vigil/internal/source"
	"vigil/internal/spool"
	"vigil/schema"
)

// TestSpool drains a spool whose drain fails again and again, while it grows, and once
// more in one go afterwards: the chunks are the same, to the last column.
func TestSpool(t *testing.T) {
	set := testRules(t)
	dir := t.TempDir()
	d, err := spool.Open(dir, spool.Options{SegmentBytes: 3000})
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.Log(spool.Meta{Source: "push", Kind: "bulk", Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	var live memory
	fails := 0
	live.fail = func(n int) error {
		if fails++; fails%3 == 0 {
			return errors.New("the engine is away")
		}
		return nil
	}
	cfg := testConfig(set)
	cfg.Format, cfg.Plan.Records = "json", 7
	at := map[string]Position{}
	done, seen := map[string]bool{}, map[string]int64{}
	cfg.Committed = func(c schema.Chunk) error {
		at[c.Fingerprint] = Position{From: c.To, Seq: c.Seq + 1}
		done[c.Fingerprint] = c.Last
		return nil
	}
	drain := func() {
		for _, s := range l.Segments() {
			for !done[s.ID] && (s.Sealed || seen[s.ID] < s.Cut) {
				if Run(t.Context(), cfg, source.Spooled(s), at[s.ID], &live) == nil {
					seen[s.ID] = s.Cut
				}
			}
		}
	}
	n := 0
	for i := range 40 {
		var batch []spool.Record
		for range i % 11 {
			text := fmt.Sprintf(`{"message":"record %d","host":{"name":"h"}}`, n)
			switch {
			case n%13 == 0:
				text = "broken\n"
			case n%5 == 0:
				text = fmt.Sprintf(`{"message":"evil %d"}`, n)
			}
			batch = append(batch, spool.Record{Data: []byte(text)})
			n++
		}
		if len(batch) > 0 {
			if _, err := l.Append(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		if i%3 == 0 {
			if err := l.Cut(t.Context()); err != nil {
				t.Fatal(err)
			}
			drain()
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = spool.Open(dir, spool.Options{}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	l, _ = d.Lookup("push")
	drain()

	var again memory
	cfg.Evaluator, cfg.Committed = set.Evaluator(), nil
	for _, s := range l.Segments() {
		if err := Run(t.Context(), cfg, source.Spooled(s), Position{}, &again); err != nil {
			t.Fatal(err)
		}
	}
	ends := 0
	var records int64
	a, b := live.chunks(), again.chunks()
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || !reflect.DeepEqual(a[i], b[i]) {
			t.Fatalf("chunk %d of %d and %d differs:\n%+v\n%+v", i, len(a), len(b), a[min(i, len(a)-1)], b[min(i, len(b)-1)])
		}
		records += a[i].Records
		if a[i].Last {
			ends++
		}
		if a[i].Records > 0 && a[i].Ingested.Equal(cfg.Plan.Ingested) {
			t.Errorf("chunk %d has the plan's ingest time, not that of its first record", i)
		}
	}
	if records != int64(n) || ends < 2 || len(a) < 30 || fails < 30 {
		t.Errorf("%d records of %d, %d segments, %d chunks, %d commits tried", records, n, ends, len(a), fails)
	}
	if x, y := fmt.Sprint(live.detections()), fmt.Sprint(again.detections()); x != y || len(live.detections()) == 0 {
		t.Errorf("detections differ:\n%s\n%s", x, y)
	}
	for _, s := range l.Segments() { // a copied segment is the same object for `vigil ingest`
		for o, err := range source.Objects(t.Context(), []string{s.Path}) {
			if err != nil || o.Fingerprint != s.ID {
				t.Errorf("%+v %v", o, err)
			}
		}
	}
	if _, err := os.Stat(l.Segments()[0].Path); err != nil {
		t.Error(err)
	}
}
