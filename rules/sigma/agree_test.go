package sigma_test

import (
	"slices"
	"strings"
	"testing"

	"vigil/internal/parser"
	"vigil/internal/source"
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
		for _, o := range recordings(t, m.name) {
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
