package sigma_test

import (
	"bytes"
	"testing"

	"vigil/internal/parser"
	"vigil/internal/testdata"
	"vigil/internal/testdata/sigmahq"
	"vigil/rules"
	"vigil/schema"
)

// BenchmarkEvaluate is the time per event of a mixed Windows stream with all of
// SigmaHQ's rules; the rules' cost is the difference to parsing alone.
func BenchmarkEvaluate(b *testing.B) {
	const name = "mordor/windows/defense_evasion/empire_dllinjection_LoadLibrary_CreateRemoteThread.jsonl.zst"
	set := loaded(b)
	var lines [][]byte
	for rec, err := range recordings(b, name)[name].Records(b.Context(), 0) {
		if err != nil {
			b.Fatal(err)
		}
		lines = append(lines, bytes.Clone(rec.Data))
	}
	f, err := parser.ByName("windows")
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		ev   *rules.Evaluator
	}{{"parse", nil}, {"parse+rules", set.Evaluator()}} {
		b.Run(c.name, func(b *testing.B) {
			p := f.New(parser.Options{})
			var e schema.Event
			var hits []rules.Hit
			n := 0
			b.ReportAllocs()
			start := testdata.CPUTime(b)
			for b.Loop() {
				raw := lines[n%len(lines)]
				n++
				e.Reset(raw, 0)
				if err := p.Parse(raw, &e); err != nil {
					b.Fatal(err)
				}
				if c.ev != nil {
					hits = c.ev.Evaluate(&e, hits[:0])
				}
			}
			b.ReportMetric(float64(n)/(testdata.CPUTime(b)-start).Seconds(), "events/cpu-s")
		})
	}
}

// BenchmarkLoad is the time to load all of SigmaHQ's rules, converted before.
func BenchmarkLoad(b *testing.B) {
	files := sigmahq.Documents(sigmahq.Convert(sigmahq.Files(b)))
	for b.Loop() {
		start := testdata.CPUTime(b)
		if _, errs := rules.Load(files); len(errs) > 0 {
			b.Fatal(errs[0])
		}
		b.ReportMetric((testdata.CPUTime(b) - start).Seconds(), "cpu-s")
	}
}
