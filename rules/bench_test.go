package rules_test

import (
	"errors"
	"testing"

	"vigil/internal/parser"
	"vigil/internal/testdata"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
)

func librarySet(tb testing.TB) *rules.Set {
	tb.Helper()
	set, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		tb.Fatal(errors.Join(errs...))
	}
	return set
}

// BenchmarkLoad is the time to read, check and plan the library.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		librarySet(b)
	}
}

// stream is the raw records of recordings with all Windows channels, in order.
func stream(b *testing.B, limit int) [][]byte {
	b.Helper()
	root := testdata.Shared(b)
	var out [][]byte
	for _, name := range []string{mordor + "lateral_movement/empire_shell_dcerpc_smb_service_dll_hijack.jsonl.zst", mordor + "defense_evasion/empire_dllinjection_LoadLibrary_CreateRemoteThread.jsonl.zst"} {
		eachEvent(b, root, name, func(e *schema.Event) {
			if len(out) < limit {
				out = append(out, append([]byte(nil), e.Raw...))
			}
		})
	}
	return out
}

// BenchmarkEvaluate is the time per event of a mixed Windows stream as the
// pipeline spends it: one event, reused. The library's cost is the difference to
// parsing alone.
func BenchmarkEvaluate(b *testing.B) {
	lines := stream(b, 15000)
	set := librarySet(b)
	for _, c := range []struct {
		name string
		ev   *rules.Evaluator
	}{{"parse", nil}, {"parse+filter", set.Evaluator()}, {"parse+interpreter", set.Reference()}} {
		b.Run(c.name, func(b *testing.B) {
			p := windowsParser(b)
			var hits []rules.Hit
			var e schema.Event
			n, bytes := 0, 0
			b.ReportAllocs()
			start := testdata.CPUTime(b)
			for b.Loop() {
				raw := lines[n%len(lines)]
				e.Reset(raw, 0)
				if err := p.Parse(raw, &e); err != nil {
					b.Fatal(err)
				}
				if c.ev != nil {
					hits = c.ev.Evaluate(&e, hits[:0])
				}
				n++
				bytes += len(raw)
			}
			b.SetBytes(int64(bytes / n))
			b.ReportMetric(float64(testdata.CPUTime(b)-start)/float64(n), "cpu-ns/event")
		})
	}
}

func windowsParser(b *testing.B) parser.Parser {
	b.Helper()
	f, err := parser.ByName("windows")
	if err != nil {
		b.Fatal(err)
	}
	return f.New(parser.Options{})
}

// TestPrefilterIsExact compares the evaluator with the interpreter on every event
// of a mixed recording, and holds a miss free of allocations.
func TestPrefilterIsExact(t *testing.T) {
	root := testdata.Shared(t)
	set := librarySet(t)
	fast, slow := set.Evaluator(), set.Reference()
	events, hits := 0, 0
	var a, b []rules.Hit
	for _, name := range []string{
		mordor + "credential_access/empire_dcsync_dcerpc_drsuapi_DsGetNCChanges.jsonl.zst", mordor + "other/aptsimulator_cobaltstrike.jsonl.zst",
		"linux/auth.log.gz", "web/scan-acunetix.log.gz", "suricata/slips-mixed-eve.jsonl.gz", "cloud/cloudtrail-stratus-2023-07-10.jsonl.gz",
		"zeek/wrccdc-2018/json/dce_rpc.json.zst", "zeek/slips-samples.zip!test9-mixed-zeek-dir/http.log", "volume/zeek-http.tsv.log.zst",
	} {
		eachEvent(t, root, name, func(e *schema.Event) {
			a, b = fast.Evaluate(e, a[:0]), slow.Evaluate(e, b[:0])
			events++
			hits += len(b)
			if len(a) != len(b) {
				t.Fatalf("%s at %d: %d hits, the interpreter has %d", name, e.Offset, len(a), len(b))
			}
			for i := range a {
				if a[i].Rule != b[i].Rule {
					t.Fatalf("%s at %d: %s, the interpreter has %s", name, e.Offset, a[i].Rule.ID, b[i].Rule.ID)
				}
			}
			if events%500 == 0 && len(a) == 0 {
				if n := leastAllocs(func() { a = fast.Evaluate(e, a[:0]) }); n != 0 {
					t.Errorf("%s at %d: a miss makes %v allocations", name, e.Offset, n)
				}
			}
		})
	}
	t.Logf("%d events, %d hits", events, hits)
	if hits == 0 {
		t.Error("nothing was compared")
	}
}

// leastAllocs is the least number of allocations of a few tries: the regular
// expressions of the standard library keep their machines in a pool, which the
// collector empties now and then and the race detector at random.
func leastAllocs(f func()) float64 {
	least := testing.AllocsPerRun(5, f)
	for try := 0; least != 0 && try < 20; try++ {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}
