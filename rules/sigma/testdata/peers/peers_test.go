package sigma_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/runreveal/sigmalite"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/internal/testdata/sigmahq"
	"vigil/rules"
	"vigil/rules/sigma"
	"vigil/schema"
)

// BenchmarkPeers evaluates the rules of Windows process creations over the same Sysmon
// events: by sigmalite, which takes a map, and by Vigil, whose events are parsed before.
// events/cpu-s are evaluations alone. .ci/peers runs it.
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
	events, maps := creations(b, 3000)
	b.Run("sigmalite", func(b *testing.B) {
		n, hits := 0, 0
		began := cpuTime(b)
		for b.Loop() {
			for _, d := range theirs {
				if d.Matches(maps[n%len(maps)], nil) {
					hits++
				}
			}
			n++
		}
		b.ReportMetric(float64(n)/(cpuTime(b)-began).Seconds(), "events/cpu-s")
		b.ReportMetric(float64(len(theirs)), "rules")
		b.ReportMetric(float64(hits)/float64(n), "hits/event")
	})
	b.Run("vigil", func(b *testing.B) {
		ev := set.Evaluator()
		var hits []rules.Hit
		n, found := 0, 0
		ev.Evaluate(&events[0], nil) // makes the index
		began := cpuTime(b)
		for b.Loop() {
			hits = ev.Evaluate(&events[n%len(events)], hits[:0])
			found += len(hits)
			n++
		}
		b.ReportMetric(float64(n)/(cpuTime(b)-began).Seconds(), "events/cpu-s")
		b.ReportMetric(float64(len(set.Rules())), "rules")
		b.ReportMetric(float64(found)/float64(n), "hits/event")
	})
}

// creations is Sysmon's process creations of recorded attacks, as both engines take them.
func creations(b *testing.B, limit int) ([]schema.Event, []*sigmalite.LogEntry) {
	var events []schema.Event
	var entries []*sigmalite.LogEntry
	for o, err := range source.Objects(b.Context(), []string{"../../../shared/data/mordor/windows"}) {
		if err != nil {
			b.Fatal(err)
		}
		f, err := parser.ByName("windows")
		if err != nil {
			b.Fatal(err)
		}
		p := f.New(parser.Options{})
		for rec, err := range o.Records(b.Context(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			if len(events) == limit {
				return events, entries
			}
			var e schema.Event
			e.Reset(bytes.Clone(rec.Data), 0)
			if p.Parse(e.Raw, &e) != nil || e.Str(schema.FEventDataset) != "windows.sysmon" || e.Str(schema.FEventCode) != "1" {
				continue
			}
			events = append(events, e)
			entries = append(entries, &sigmalite.LogEntry{Message: string(e.Raw), Fields: map[string]string{
				"Image": e.Str(schema.FProcessExecutable), "CommandLine": e.Str(schema.FProcessCommandLine), "ParentImage": e.Str(schema.FProcessParentExecutable),
				"ParentCommandLine": e.Str(schema.FProcessParentCommandLine), "User": e.Str(schema.FUserName), "CurrentDirectory": e.Str(schema.FProcessWorkingDirectory),
				"OriginalFileName": e.Str(schema.FProcessPeOriginalFileName), "Description": e.Str(schema.FProcessPeDescription), "Product": e.Str(schema.FProcessPeProduct),
				"Company": e.Str(schema.FProcessPeCompany), "IntegrityLevel": e.Str(schema.FProcessIntegrityLevel), "EventID": "1"}})
		}
	}
	return events, entries
}
