package pipeline

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"vigil/internal/bench"
	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/internal/store"
	"vigil/internal/testdata"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
)

// discard takes commits and drops them: what is left is the pipeline itself.
type discard struct{ free []Events }

func (d *discard) NewEvents() Events {
	if n := len(d.free); n > 0 {
		e := d.free[n-1]
		d.free = d.free[:n-1]
		return e
	}
	return store.NewBatch()
}
func (d *discard) Recycle(e Events)                      { d.free = append(d.free, e) }
func (d *discard) Commit(context.Context, *Commit) error { return nil }

// benchmarkFiles are the recordings of the two floors: Zeek and Windows.
func benchmarkFiles() []struct{ name, path string } {
	return []struct{ name, path string }{
		{"zeek-http-json", "volume/zeek-http.jsonl.zst"},
		{"zeek-http-tsv", "volume/zeek-http.tsv.log.zst"},
		{"windows", "mordor/windows/persistence/empire_persistence_registry_modification_run_keys_standard_user.jsonl.zst"},
	}
}

// plain unpacks a recording, so that decompression is not what is measured.
func plain(b *testing.B, path string) source.Object {
	b.Helper()
	dir := b.TempDir()
	if _, err := bench.Copies(b.Context(), []string{filepath.Join(testdata.Shared(b), path)}, dir, 1); err != nil {
		b.Fatal(err)
	}
	var data []byte
	for o, err := range source.Objects(b.Context(), []string{dir}) {
		if err != nil {
			b.Fatal(err)
		}
		for rec, err := range o.Records(b.Context(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			data = append(append(data, rec.Data...), '\n')
		}
	}
	return object(b, "in.log", data)
}

// BenchmarkRun is a whole file from bytes to columns with the library's rules, without
// an engine behind: cpu-ns per event is what one core needs for steps 1 to 4.
func BenchmarkRun(b *testing.B) {
	set, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		b.Fatal(errors.Join(errs...))
	}
	for _, f := range benchmarkFiles() {
		b.Run(f.name, func(b *testing.B) {
			o := plain(b, f.path)
			fi, err := os.Stat(o.Path)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(fi.Size())
			events, sink := int64(0), &discard{}
			began := testdata.CPUTime(b)
			for b.Loop() {
				cfg := testConfig(nil)
				cfg.Plan.Records, cfg.Plan.Bytes, cfg.Evaluator = 25_000, 32<<20, set.Evaluator()
				cfg.Committed = func(c schema.Chunk) error { events += c.Events; return nil }
				if err := Run(b.Context(), cfg, o, Position{}, sink); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(testdata.CPUTime(b)-began)/float64(events), "cpu-ns/event")
		})
	}
}

// BenchmarkColumns is an event into the column buffers of an insert; the target is
// 2 µs a row and no allocation.
func BenchmarkColumns(b *testing.B) {
	for _, f := range benchmarkFiles() {
		b.Run(f.name, func(b *testing.B) {
			events := sampleEvents(b, f.path, 16) // few enough to stay in the cache, as the one event of the pipeline does
			batch := store.NewBatch()
			const full = 5000     // rows of a chunk
			for i := range full { // the buffers grow once
				batch.Append(&events[i%len(events)])
			}
			batch.Reset()
			b.ReportAllocs()
			size := 0
			for i := range events {
				size += len(events[i].Raw)
			}
			b.SetBytes(int64(size / len(events)))
			n := 0
			began := testdata.CPUTime(b)
			for b.Loop() {
				if n%full == 0 {
					batch.Reset()
				}
				batch.Append(&events[n%len(events)])
				n++
			}
			b.ReportMetric(float64(testdata.CPUTime(b)-began)/float64(n), "cpu-ns/event")
		})
	}
}

// sampleEvents parses records from all over a recording, each into an event of its own.
func sampleEvents(b *testing.B, path string, limit int) []schema.Event {
	b.Helper()
	const step = 997 // a prime, so that no rhythm of the recording is met
	events := make([]schema.Event, limit)
	n, records := 0, 0
	for o, err := range source.Objects(b.Context(), []string{filepath.Join(testdata.Shared(b), path)}) {
		if err != nil {
			b.Fatal(err)
		}
		var p parser.Parser
		for rec, err := range o.Records(b.Context(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			if p == nil {
				f, _, err := parser.Detect(rec.Data, o.Name())
				if err != nil {
					b.Fatal(err)
				}
				p = f.New(parser.Options{Object: o.Name()})
			}
			if records++; records%step != 1 && n > 0 {
				continue
			}
			events[n].Reset(bytes.Clone(rec.Data), rec.Offset)
			switch err := p.Parse(events[n].Raw, &events[n]); {
			case errors.Is(err, parser.ErrHeader), errors.Is(err, parser.ErrSkip):
				continue
			case err != nil:
				b.Fatal(err)
			}
			if n++; n == limit {
				return events
			}
		}
	}
	return events[:n]
}
