package rulesql

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"go.temporal.io/sdk/testsuite"

	"vigil/activities"
	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/internal/store"
	"vigil/internal/testdata"
	"vigil/internal/testdata/sigmahq"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/schema"
	"vigil/schema/flow"
)

// equalityData are the recordings that the three executors are compared on, with how
// many records of each to pass over before one is taken: of every product that rules of
// SigmaHQ are written for and Vigil reads.
var equalityData = []struct {
	name  string
	every int
}{
	{"windows/sigma-regression/events.zip", 1},
	{"windows/evtx/evtx-attack-samples.zip", 3},
	{"mordor/windows/other/aptsimulator_cobaltstrike.jsonl.zst", 3},
	{"mordor/windows/defense_evasion/empire_dllinjection_LoadLibrary_CreateRemoteThread.jsonl.zst", 2},
	{"mordor/windows/lateral_movement/empire_shell_dcerpc_smb_service_dll_hijack.jsonl.zst", 2},
	{"mordor/windows/credential_access/empire_shell_reg_dump_sam.jsonl.zst", 1},
	{"mordor/windows/persistence/empire_schtasks_creation_standard_user.jsonl.zst", 1},
	{"cloud/cloudtrail-stratus-2023-07-10.jsonl.gz", 1},
	{"linux/auth.log.gz", 23},
	{"web/scan-acunetix.log.gz", 5},
	{"web/apache-combined.log.gz", 7},
	{"zeek/wrccdc-2018/json/dce_rpc.json.zst", 31},
	{"suricata/slips-mixed-eve.jsonl.gz", 3},
}

// TestSigmaEquality asks each of SigmaHQ's rules of over 20,000 recorded events, by its
// three executors: the interpreter without any index, the native program behind the
// index, and SQL; and all of them at once by a hunt. They find the same events.
func TestSigmaEquality(t *testing.T) {
	root := testdata.Shared(t)
	db := open(t)
	set := sigmahq.Rules(t)
	ref, native := set.Reference(), set.Evaluator()
	want, got := map[string][]string{}, map[string][]string{}
	datasets := map[string]bool{}
	seen, events, hits := 0, 0, 0
	batch := store.NewBatch()
	for _, d := range equalityData {
		for o, err := range source.Objects(t.Context(), []string{filepath.Join(root, d.name)}) {
			if err != nil {
				t.Fatal(err)
			}
			each(t, o, func(e *schema.Event) {
				if seen++; seen%d.every != 0 {
					return
				}
				events++
				datasets[e.Str(schema.FEventDataset)] = true
				e.ID = schema.EventIDAt(11, int64(seen))
				for _, h := range ref.Evaluate(e, nil) {
					want[h.Rule.ID] = append(want[h.Rule.ID], e.ID.String())
					hits++
				}
				for _, h := range native.Evaluate(e, nil) {
					got[h.Rule.ID] = append(got[h.Rule.ID], e.ID.String())
				}
				batch.Append(e)
			})
			if batch.Bytes() > 64<<20 {
				db.insert(t, "attacks", batch)
				batch.Reset()
			}
		}
	}
	db.insert(t, "attacks", batch)
	if n, err := ref.Failures(); n > 0 {
		t.Errorf("%d evaluations failed, the last: %v", n, err)
	}
	fired := 0
	for _, r := range set.Rules() {
		if len(want[r.ID]) > 0 {
			fired++
		}
		if !slices.Equal(got[r.ID], want[r.ID]) {
			t.Errorf("%s %s: the native program finds %d events, the interpreter %d", r.ID, r.Title, len(got[r.ID]), len(want[r.ID]))
		}
		where, err := chsql.Where(r)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			continue
		}
		stored, err := db.ids("attacks", where)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			continue
		}
		slices.Sort(want[r.ID])
		if !slices.Equal(stored, want[r.ID]) {
			t.Errorf("%s %s: SQL finds %d events, the interpreter %d\n%s", r.ID, r.Title, len(stored), len(want[r.ID]), where.Inline())
		}
	}
	swept := sweepAll(t, db, set)
	for _, r := range set.Rules() {
		if int64(len(want[r.ID])) != swept[r.ID] {
			t.Errorf("%s %s: a hunt of all rules finds %d events, the interpreter %d", r.ID, r.Title, swept[r.ID], len(want[r.ID]))
		}
	}
	t.Logf("%d rules, of which %d fired, over %d events of %d data sets: %d hits", len(set.Rules()), fired, events, len(datasets), hits)
	if events < 20_000 || hits < 1000 || fired < 200 {
		t.Error("too little was compared")
	}
}

// each parses the records of an object.
func each(t *testing.T, o source.Object, do func(e *schema.Event)) {
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
	p := f.New(parser.Options{Object: o.Name()})
	var e schema.Event
	for {
		rec, err := r.Next()
		if err != nil {
			return
		}
		e.Reset(rec.Data, rec.Offset)
		if rec.Damage == nil && p.Parse(rec.Data, &e) == nil {
			do(&e)
		}
	}
}

// sweepAll hunts for all rules in one pass over the columns that they read, and says how
// many events each fires on.
func sweepAll(t *testing.T, db *database, set *rules.Set) map[string]int64 {
	t.Helper()
	key, err := auth.LoadDecisionKey(filepath.Join(t.TempDir(), "decision.key"))
	if err != nil {
		t.Fatal(err)
	}
	log := audit.NewLog(db.store, key, "sweep", t.TempDir())
	x := &activities.Hunts{Store: db.store, Rules: func(context.Context, string) (*rules.Set, error) { return set, nil }, Trail: activities.Trail{Log: log}, Log: slog.New(slog.DiscardHandler)}
	env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	env.RegisterActivity(x)
	in := flow.HuntInput{Org: "main", Rules: []string{"*"}}
	var plan activities.HuntPlan
	v, err := env.ExecuteActivity(x.PlanHunt, in)
	if err == nil {
		err = v.Get(&plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, w := range plan.Windows {
		var res flow.HuntResult
		v, err := env.ExecuteActivity(x.HuntRules, activities.HuntWindow{Hunt: in, Version: plan.Version, From: w[0], To: w[1], Samples: 1})
		if err == nil {
			err = v.Get(&res)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d rules at once: %d rows and %d bytes read, %d ms", plan.Rules, res.Scanned, res.Bytes, res.Millis)
		for _, f := range res.Found {
			out[f.Rule] += f.Fires
		}
	}
	return out
}
