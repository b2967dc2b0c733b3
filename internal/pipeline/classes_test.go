package pipeline

import (
	"bytes"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/internal/testdata"
	"vigil/internal/testdata/sigmahq"
	"vigil/rules"
	"vigil/schema"
)

// classes are kinds of event with few and short fields, and where they are recorded.
func classes() []struct {
	name, path, dataset string
	codes               []string // nil: any
} {
	return []struct {
		name, path, dataset string
		codes               []string
	}{
		{"dns", "zeek/slips-samples.zip", "zeek.dns", nil},
		{"flow", "zeek/slips-samples.zip", "zeek.conn", nil},
		{"sysmon-dns", "mordor/windows", "windows.sysmon", []string{"22"}},
		{"sysmon-network", "mordor/windows", "windows.sysmon", []string{"3"}},
		{"sysmon-registry", "mordor/windows", "windows.sysmon", []string{"12", "13", "14"}},
	}
}

// sample is records of one class with the parser that reads them.
type sample struct {
	records [][]byte
	parser  parser.Parser
}

// recorded reads the records of a data set, and codes.
func recorded(b *testing.B, path, dataset string, codes []string, limit int) []sample {
	b.Helper()
	var out []sample
	n := 0
	for o, err := range source.Objects(b.Context(), []string{filepath.Join(testdata.Shared(b), path)}) {
		if err != nil {
			b.Fatal(err)
		}
		var s sample
		var e schema.Event
		for rec, err := range o.Records(b.Context(), 0) {
			if err != nil {
				break // a damaged recording is not what is measured
			}
			if s.parser == nil {
				f, _, err := parser.Detect(rec.Data, o.Name())
				if err != nil {
					break
				}
				s.parser = f.New(parser.Options{Object: o.Name(), BaseYear: 2020})
			}
			e.Reset(rec.Data, rec.Offset)
			if s.parser.Parse(e.Raw, &e) != nil || e.Str(schema.FEventDataset) != dataset {
				continue
			}
			if codes != nil && !slices.Contains(codes, e.Str(schema.FEventCode)) {
				continue
			}
			if s.records, n = append(s.records, bytes.Clone(rec.Data)), n+1; n == limit {
				return append(out, s)
			}
		}
		if s.records != nil {
			out = append(out, s)
		}
	}
	if n == 0 {
		b.Fatalf("%s has no events of %s %v", path, dataset, codes)
	}
	return out
}

// BenchmarkClasses evaluates all of SigmaHQ's rules over events of small classes: how many of
// them one core evaluates a second. The target is a million. Events come to the rules as in
// the pipeline, just parsed: a few are parsed at a time, and the rest alone is measured.
func BenchmarkClasses(b *testing.B) {
	set := sigmahq.Rules(b)
	for _, c := range classes() {
		b.Run(c.name, func(b *testing.B) {
			samples := recorded(b, c.path, c.dataset, c.codes, 4000)
			ev := set.Evaluator()
			events := make([]schema.Event, 16)
			pass := func() (n int, spent time.Duration) {
				var hits []rules.Hit
				for _, s := range samples {
					for few := range slices.Chunk(s.records, len(events)) {
						for i, r := range few {
							events[i].Reset(r, 0)
							if err := s.parser.Parse(r, &events[i]); err != nil {
								b.Fatal(err)
							}
						}
						began := time.Now() // one batch is too short for the processor's clock
						for i := range few {
							hits = ev.Evaluate(&events[i], hits[:0])
						}
						spent += time.Since(began)
						n += len(few)
					}
				}
				return n, spent
			}
			different, _ := pass() // makes the indexes
			n, spent := 0, time.Duration(0)
			b.ReportAllocs()
			for b.Loop() {
				events, took := pass()
				n, spent = n+events, spent+took
			}
			b.ReportMetric(float64(n)/spent.Seconds(), "events/s")
			b.ReportMetric(float64(different), "different")
		})
	}
}

// scalingChunk is how many lines a worker takes at a time.
const scalingChunk = 250

// BenchmarkScaling parses lines and evaluates all of SigmaHQ's rules with one worker and
// with two: run it on an idle machine with two cores. Lines a second are of the clock; beside
// them is what a line costs in processor time, which grows where workers are in each other's
// way and bears a busy machine.
func BenchmarkScaling(b *testing.B) {
	all, size := everyRecording(b)
	lines := all[:0:0]
	for i := 0; i < len(all); i += 8 {
		lines = append(lines, all[i])
	}
	b.Logf("%d lines of %d B", len(lines), size/len(all))
	f, err := parser.ByName("windows")
	if err != nil {
		b.Fatal(err)
	}
	set := sigmahq.Rules(b)
	for _, c := range []struct {
		name    string
		workers int
	}{{"workers=1", 1}, {"workers=2", 2}} {
		b.Run(c.name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(c.workers))
			var next atomic.Int64 // workers take chunks as they are free, as in the pipeline
			work := make([]func(), c.workers)
			for w := range work {
				p, ev := f.New(parser.Options{}), set.Evaluator()
				var e schema.Event
				var hits []rules.Hit
				work[w] = func() {
					for {
						to := int(next.Add(scalingChunk))
						if to-scalingChunk >= len(lines) {
							return
						}
						for i, line := range lines[to-scalingChunk : min(to, len(lines))] {
							if e.Reset(line, int64(i)); p.Parse(line, &e) == nil {
								hits = ev.Evaluate(&e, hits[:0])
							}
						}
					}
				}
				next.Store(0)
				work[w]() // makes the indexes
			}
			n := 0
			began := testdata.CPUTime(b)
			for b.Loop() {
				next.Store(0)
				var wg sync.WaitGroup
				for _, do := range work {
					wg.Go(do)
				}
				wg.Wait()
				n += len(lines)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "lines/s")
			b.ReportMetric(float64(testdata.CPUTime(b)-began)/float64(n), "cpu-ns/line")
		})
	}
}
