package sigma_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runreveal/sigmalite"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/internal/testdata/sigmahq"
	"vigil/rules"
	"vigil/rules/sigma"
	"vigil/schema"
)

// BenchmarkPeers evaluates the rules of Windows process creations over the same Sysmon
// events: by sigmalite, which takes a map, and by Vigil, which takes an event just after it was
// parsed. Evaluations alone are measured, by the clock. .ci/peers runs it.
func BenchmarkPeers(b *testing.B) {
	var files []sigma.File
	for _, f := range sigmahq.Files(b) {
		if strings.Contains(string(f.Text), "category: process_creation") && strings.Contains(string(f.Text), "product: windows") {
			files = append(files, f)
		}
	}
	set, errs := rules.Load(sigmahq.Documents(sigmahq.Convert(files)))
	if len(errs) > 0 {
		b.Fatal(errs[0])
	}
	var theirs []*sigmalite.Detection
	for _, f := range files {
		if r, err := sigmalite.ParseRule(f.Text); err == nil && r.Detection != nil {
			theirs = append(theirs, r.Detection)
		}
	}
	lines, maps := creations(b, 3000)
	b.Run("sigmalite", func(b *testing.B) {
		n, hits := 0, 0
		for b.Loop() {
			for _, d := range theirs {
				if d.Matches(maps[n%len(maps)], nil) {
					hits++
				}
			}
			n++
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		b.ReportMetric(float64(len(theirs)), "rules")
		b.ReportMetric(float64(hits)/float64(n), "hits/event")
	})
	b.Run("vigil", func(b *testing.B) {
		ev, p := set.Evaluator(), windows(b)
		events := make([]schema.Event, 16) // an event is large: more of them leave the cache before they are evaluated
		n, found, spent := 0, 0, time.Duration(0)
		pass := func() {
			var hits []rules.Hit
			for few := range slices.Chunk(lines, len(events)) {
				for i, line := range few {
					events[i].Reset(line, 0)
					if err := p.Parse(line, &events[i]); err != nil {
						b.Fatal(err)
					}
				}
				began := time.Now()
				for i := range few {
					hits = ev.Evaluate(&events[i], hits[:0])
					found += len(hits)
				}
				spent += time.Since(began)
				n += len(few)
			}
		}
		pass() // makes the index
		n, found, spent = 0, 0, 0
		for b.Loop() {
			pass()
		}
		b.ReportMetric(float64(n)/spent.Seconds(), "events/s")
		b.ReportMetric(float64(len(set.Rules())), "rules")
		b.ReportMetric(float64(found)/float64(n), "hits/event")
	})
}

func windows(b *testing.B) parser.Parser {
	f, err := parser.ByName("windows")
	if err != nil {
		b.Fatal(err)
	}
	return f.New(parser.Options{})
}

// creations is Sysmon's process creations of recorded attacks, as both engines take them.
func creations(b *testing.B, limit int) (lines [][]byte, _ []*sigmalite.LogEntry) {
	var entries []*sigmalite.LogEntry
	for o, err := range source.Objects(b.Context(), []string{"../../../shared/data/mordor/windows"}) {
		if err != nil {
			b.Fatal(err)
		}
		p := windows(b)
		for rec, err := range o.Records(b.Context(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			if len(lines) == limit {
				return lines, entries
			}
			var e schema.Event
			e.Reset(bytes.Clone(rec.Data), 0)
			if p.Parse(e.Raw, &e) != nil || e.Str(schema.FEventDataset) != "windows.sysmon" || e.Str(schema.FEventCode) != "1" {
				continue
			}
			lines = append(lines, e.Raw)
			entries = append(entries, &sigmalite.LogEntry{Message: string(e.Raw), Fields: map[string]string{
				"Image": e.Str(schema.FProcessExecutable), "CommandLine": e.Str(schema.FProcessCommandLine), "ParentImage": e.Str(schema.FProcessParentExecutable),
				"ParentCommandLine": e.Str(schema.FProcessParentCommandLine), "User": e.Str(schema.FUserName), "CurrentDirectory": e.Str(schema.FProcessWorkingDirectory),
				"OriginalFileName": e.Str(schema.FProcessPeOriginalFileName), "Description": e.Str(schema.FProcessPeDescription), "Product": e.Str(schema.FProcessPeProduct),
				"Company": e.Str(schema.FProcessPeCompany), "IntegrityLevel": e.Str(schema.FProcessIntegrityLevel), "EventID": "1"}})
		}
	}
	return lines, entries
}
