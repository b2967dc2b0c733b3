package sigma_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/internal/testdata/sigmahq"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/schema"
)

// mixed are recordings of many kinds and how many events of each to take; every so
// many events one is taken, so that the whole of a recording is seen.
var mixed = []struct {
	name  string
	every int
}{
	{"windows/sigma-regression/events.zip", 1},
	{"windows/evtx/evtx-attack-samples.zip", 9},
	{"mordor/windows/other/aptsimulator_cobaltstrike.jsonl.zst", 11},
	{"mordor/windows/defense_evasion/empire_dllinjection_LoadLibrary_CreateRemoteThread.jsonl.zst", 61},
	{"cloud/cloudtrail-stratus-2023-07-10.jsonl.gz", 23},
	{"linux/auth.log.gz", 97},
	{"web/scan-acunetix.log.gz", 31},
	{"zeek/wrccdc-2018/json/dce_rpc.json.zst", 97},
	{"suricata/slips-mixed-eve.jsonl.gz", 31},
}

// sample hands every so-manieth event of a recording to do.
func sample(t testing.TB, o source.Object, every int, n *int, do func(e *schema.Event)) {
	t.Helper()
	r, err := o.Reader(0)
	if err != nil {
		t.Fatalf("%s: %v", o.Name(), err)
	}
	defer func() { _ = r.Close() }()
	head, err := r.Sample()
	if err != nil {
		t.Fatal(err)
	}
	f, _, err := parser.Detect(head, o.Name())
	if err != nil {
		t.Fatal(err)
	}
	p := f.New(parser.Options{Object: o.Name(), BaseYear: 2020})
	var e schema.Event
	for {
		rec, err := r.Next()
		if err != nil {
			return
		}
		e.Reset(rec.Data, rec.Offset)
		if rec.Damage != nil || p.Parse(rec.Data, &e) != nil {
			continue
		}
		if *n++; *n%every == 0 {
			do(&e)
		}
	}
}

// TestEvaluatorsAgree compares the evaluator with the interpreter over all of SigmaHQ's
// rules: they must fire on the same events, each of them.
func TestEvaluatorsAgree(t *testing.T) {
	set := loaded(t)
	fast, slow := set.Evaluator(), set.Reference()
	var a, b []rules.Hit
	events, hits := 0, 0
	seen := map[string]bool{}
	for _, m := range mixed {
		n := 0
		objects := recordings(t, m.name)
		for _, name := range slices.Sorted(maps.Keys(objects)) {
			o := objects[name]
			sample(t, o, m.every, &n, func(e *schema.Event) {
				a, b = fast.Evaluate(e, a[:0]), slow.Evaluate(e, b[:0])
				events++
				hits += len(b)
				seen[e.Str(schema.FEventDataset)] = true
				if got, want := ids(a), ids(b); !slices.Equal(got, want) {
					t.Errorf("%s at %d: the evaluator has %v, the interpreter %v", o.Name(), e.Offset, got, want)
				}
			})
		}
	}
	if n, err := slow.Failures(); n > 0 {
		t.Errorf("%d evaluations failed, the last: %v", n, err)
	}
	t.Logf("%d events of %d data sets, %d hits", events, len(seen), hits)
	if events < 1000 || hits < 300 {
		t.Error("hardly anything was compared")
	}
}

func ids(hits []rules.Hit) []string {
	var out []string
	for _, h := range hits {
		out = append(out, h.Rule.ID)
	}
	slices.Sort(out)
	return out
}

// TestCorpusInSQL: each rule can be asked of stored history.
func TestCorpusInSQL(t *testing.T) {
	bad := 0
	for _, r := range loaded(t).Rules() {
		if _, err := chsql.Where(r); err != nil {
			bad++
			t.Errorf("%s %s: %v", r.ID, strings.TrimSpace(r.Title), err)
		}
	}
	t.Logf("%d rules rendered", len(loaded(t).Rules())-bad)
}

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
			start := cpuTime(b)
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
			b.ReportMetric(float64(n)/(cpuTime(b)-start).Seconds(), "events/cpu-s")
		})
	}
}

// BenchmarkLoad is the time to load all of SigmaHQ's rules, converted before.
func BenchmarkLoad(b *testing.B) {
	files := sigmahq.Documents(sigmahq.Convert(sigmahq.Files(b)))
	for b.Loop() {
		start := cpuTime(b)
		if _, errs := rules.Load(files); len(errs) > 0 {
			b.Fatal(errs[0])
		}
		b.ReportMetric((cpuTime(b) - start).Seconds(), "cpu-s")
	}
}

// cpuTime is what the process has used; unlike the clock it bears a busy machine.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
