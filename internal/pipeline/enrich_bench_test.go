package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"vigil/internal/enrich"
	"vigil/internal/tables"
	"vigil/internal/testdata"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
)

// BenchmarkEnrichment is a whole file without enrichment, with what is built in, and with a
// table of 50,000 machines besides: compare cpu-ns/event within one run.
func BenchmarkEnrichment(b *testing.B) {
	set, _ := rules.Load(library.FS)
	var csv strings.Builder
	csv.WriteString("name,ip,criticality,owner,tags\n")
	for i := range 50_000 {
		fmt.Fprintf(&csv, "host%d,10.%d.%d.%d,high,Ana,a b\n", i, i>>16, i>>8&255, i&255)
	}
	csv.WriteString("campus,192.168.0.0/16,low,,\n")
	kind, err := tables.ByName(tables.AssetTable)
	if err != nil {
		b.Fatal(err)
	}
	assets, err := kind.Build([]byte(csv.String()))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range benchmarkFiles() {
		o := plain(b, f.path)
		for _, c := range []struct {
			name string
			part func() Enricher
		}{
			{"none", func() Enricher { return nil }},
			{"built-in", func() Enricher { return enrich.BuiltIn() }},
			{"assets", func() Enricher { return enrich.All(enrich.BuiltIn(), enrich.Table(assets)) }},
		} {
			b.Run(f.name+"/"+c.name, func(b *testing.B) {
				events, sink := int64(0), &discard{}
				began := testdata.CPUTime(b)
				for b.Loop() {
					cfg := testConfig(nil)
					cfg.Plan.Records, cfg.Plan.Bytes, cfg.Evaluator, cfg.Enricher = 25_000, 32<<20, set.Evaluator(), c.part()
					cfg.Committed = func(c schema.Chunk) error { events += c.Events; return nil }
					if err := Run(b.Context(), cfg, o, Position{}, sink); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(testdata.CPUTime(b)-began)/float64(events), "cpu-ns/event")
			})
		}
	}
}
