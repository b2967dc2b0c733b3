package pipeline

import (
	"path/filepath"
	"testing"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/internal/store"
	"vigil/internal/testdata"
	"vigil/internal/testdata/sigmahq"
	"vigil/rules"
	"vigil/schema"
)

// everyRecording is each line of all Mordor recordings of Windows, none of them twice.
func everyRecording(b *testing.B) (lines [][]byte, bytes int) {
	b.Helper()
	seen := map[string]bool{}
	for o, err := range source.Objects(b.Context(), []string{filepath.Join(testdata.Shared(b), "mordor/windows")}) {
		if err != nil {
			b.Fatal(err)
		}
		for rec, err := range o.Records(b.Context(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			if line := string(rec.Data); rec.Damage == nil && len(line) > 0 && !seen[line] {
				seen[line] = true
				lines = append(lines, []byte(line))
				bytes += len(line)
			}
		}
	}
	return lines, bytes
}

// BenchmarkCold is one pass over lines that were never seen before, on one core, with
// all of SigmaHQ's rules: run it with -benchtime 1x and GOMAXPROCS=1. The first pass
// makes the indexes, which is part of what it costs.
func BenchmarkCold(b *testing.B) {
	lines, size := everyRecording(b)
	f, err := parser.ByName("windows")
	if err != nil {
		b.Fatal(err)
	}
	loaded := sigmahq.Rules(b)
	for _, c := range []struct {
		name           string
		rules, columns bool
	}{{"parse", false, false}, {"parse+rules", true, false}, {"parse+rules+columns", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			set := loaded.With(rules.Overlay{}) // which has no indexes yet
			ev, p, batch := set.Evaluator(), f.New(parser.Options{}), store.NewBatch()
			var e schema.Event
			var hits []rules.Hit
			fired, failed, passes := 0, 0, 0
			b.SetBytes(int64(size))
			began := testdata.CPUTime(b)
			for b.Loop() {
				passes++
				for i, raw := range lines {
					e.Reset(raw, int64(i))
					if p.Parse(raw, &e) != nil {
						failed++
						continue
					}
					if c.rules {
						hits = ev.Evaluate(&e, hits[:0])
						fired += len(hits)
					}
					if c.columns {
						if batch.Append(&e); batch.Rows() == 20_000 || batch.Bytes() >= 16<<20 { // as chunks of files are cut
							batch.Reset()
						}
					}
				}
			}
			took := (testdata.CPUTime(b) - began).Seconds()
			b.ReportMetric(float64(len(lines)*passes)/took, "lines/cpu-s")
			b.ReportMetric(float64(fired)/float64(passes), "hits")
			b.ReportMetric(float64(failed)/float64(passes), "not-parsed")
			b.ReportMetric(float64(size)/float64(len(lines)), "B/line")
			b.ReportMetric(float64(len(lines)), "lines")
		})
	}
}
