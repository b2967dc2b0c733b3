package rulesql

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/gzip"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/internal/store"
	"vigil/internal/testdata"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/rules/sigma"
	"vigil/schema"
)

// sigmaSet is the rules of SigmaHQ, converted.
func sigmaSet(t *testing.T, root string) *rules.Set {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "rules/sigma-rules.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files, err := sigma.FromTar(z)
	if err != nil {
		t.Fatal(err)
	}
	out := fstest.MapFS{}
	for _, c := range sigma.Convert(files, sigma.Options{}).Converted {
		out[strings.TrimSuffix(c.File, path.Ext(c.File))+".yaml"] = &fstest.MapFile{Data: []byte(c.Rule.YAML)}
	}
	set, errs := rules.Load(out)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	return set
}

// TestSigmaEquality asks each of SigmaHQ's rules of recorded attacks, by the
// interpreter without any index and by SQL, and compares the ids.
func TestSigmaEquality(t *testing.T) {
	root := testdata.Shared(t)
	db := open(t)
	set := sigmaSet(t, root)
	ref := set.Reference()
	want := map[string][]string{}
	events, hits := 0, 0
	batch := store.NewBatch()
	for _, name := range []string{"windows/evtx/evtx-attack-samples.zip", "cloud/cloudtrail-stratus-2023-07-10.jsonl.gz", "web/scan-acunetix.log.gz"} {
		for o, err := range source.Objects(t.Context(), []string{filepath.Join(root, name)}) {
			if err != nil {
				t.Fatal(err)
			}
			each(t, o, func(e *schema.Event) {
				if events++; events%7 != 0 {
					return
				}
				e.ID = schema.EventIDAt(11, int64(events))
				for _, h := range ref.Evaluate(e, nil) {
					want[h.Rule.ID] = append(want[h.Rule.ID], e.ID.String())
					hits++
				}
				batch.Append(e)
			})
		}
	}
	db.insert(t, "attacks", batch)
	for _, r := range set.Rules() {
		where, err := chsql.Where(r)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			continue
		}
		got, err := db.ids("attacks", where)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			continue
		}
		slices.Sort(want[r.ID])
		if !slices.Equal(got, want[r.ID]) {
			t.Errorf("%s %s: SQL finds %d events, the interpreter %d\n%s", r.ID, r.Title, len(got), len(want[r.ID]), where.Inline())
		}
	}
	t.Logf("%d rules over %d events: %d hits", len(set.Rules()), events/7, hits)
	if hits < 100 {
		t.Error("hardly anything was compared")
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
