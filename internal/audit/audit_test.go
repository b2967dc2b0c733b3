package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/schema"
)

// memory is a sink that can lose the answer of an insert.
type memory struct {
	rows    []schema.AuditRecord
	inserts int
	took    time.Duration // of an insert
	fail    string        // "", before, after
}

func (m *memory) InsertAudit(_ context.Context, list []schema.AuditRecord) error {
	time.Sleep(m.took)
	fail := m.fail
	m.fail = ""
	if fail == "before" {
		return errors.New("gone before")
	}
	for _, r := range list {
		if !slices.ContainsFunc(m.rows, func(x schema.AuditRecord) bool { return x.Writer == r.Writer && x.Seq == r.Seq }) {
			m.rows = append(m.rows, r)
		}
	}
	m.inserts++
	if fail == "after" {
		return errors.New("gone after")
	}
	return nil
}

func (m *memory) HaveAudit(_ context.Context, _ string, ids []string) (map[string]bool, error) {
	have := map[string]bool{}
	for _, r := range m.rows {
		have[r.ID] = slices.Contains(ids, r.ID)
	}
	return have, nil
}

type signer struct{}

func (signer) Sign(domain string, msg []byte) string {
	return domain + ":" + schema.HashID(string(msg))
}

func goodHead(h Head) bool { return h.Signature == signer{}.Sign(HeadDomain, h.Message()) }

func trail(t *testing.T, n int) (*memory, []Head, string) {
	t.Helper()
	m, dir := &memory{}, t.TempDir()
	l := NewLog(m, signer{}, "w1", dir)
	for i := range n {
		r := schema.AuditRecord{Actor: "ana", Verb: "approval.decide", Object: fmt.Sprint(i), Outcome: "ok", ID: fmt.Sprint("id", i),
			Details: map[string]string{"b": "2", "a": "1"}, Time: time.Unix(int64(i), 1234567)}
		if _, err := l.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return m, l.Heads(), dir
}

func TestTampering(t *testing.T) {
	clone := func(r []schema.AuditRecord) []schema.AuditRecord { return slices.Clone(r) }
	for _, c := range []struct {
		name, kind string
		seq        uint64
		do         func([]schema.AuditRecord) []schema.AuditRecord
	}{
		{"nothing", "", 0, clone},
		{"change", "changed", 3, func(r []schema.AuditRecord) []schema.AuditRecord { r = clone(r); r[2].Actor = "eve"; return r }},
		{"change and rehash", "changed", 4, func(r []schema.AuditRecord) []schema.AuditRecord {
			r = clone(r)
			r[2].Actor = "eve"
			r[2].Hash = Hash(r[2])
			return r
		}},
		{"drop", "dropped", 3, func(r []schema.AuditRecord) []schema.AuditRecord { return slices.Delete(clone(r), 2, 3) }},
		{"drop the first", "dropped", 1, func(r []schema.AuditRecord) []schema.AuditRecord { return clone(r)[1:] }},
		{"reorder", "reordered", 3, func(r []schema.AuditRecord) []schema.AuditRecord { r = clone(r); r[2], r[3] = r[3], r[2]; return r }},
		{"double", "doubled", 3, func(r []schema.AuditRecord) []schema.AuditRecord { return slices.Insert(clone(r), 3, r[2]) }},
		{"truncate", "truncated", 5, func(r []schema.AuditRecord) []schema.AuditRecord { return clone(r)[:4] }},
		{"remove all", "truncated", 1, func([]schema.AuditRecord) []schema.AuditRecord { return nil }},
		{"rewrite", "changed", 6, func(r []schema.AuditRecord) []schema.AuditRecord {
			var out []schema.AuditRecord
			h := Head{Writer: "w1"}
			for _, x := range r {
				x.Actor = "eve"
				x = Seal(h, x)
				h.Seq, h.Hash = x.Seq, x.Hash
				out = append(out, x)
			}
			return out
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, heads, _ := trail(t, 6)
			rep := Verify(c.do(m.rows), heads, goodHead)
			if c.kind == "" {
				if !rep.OK {
					t.Fatalf("%v", rep.Problems)
				}
				return
			}
			if rep.OK || !slices.ContainsFunc(rep.Problems, func(p Problem) bool { return p.Kind == c.kind && p.Seq == c.seq }) {
				t.Errorf("want %s at %d, got %v", c.kind, c.seq, rep.Problems)
			}
		})
	}
}

func TestForgedHead(t *testing.T) {
	m, heads, _ := trail(t, 3)
	heads[0].Seq = 2
	if rep := Verify(m.rows[:2], heads, goodHead); rep.OK {
		t.Error("a head with a bad signature was accepted")
	}
}

func TestRetryDoesNotFork(t *testing.T) {
	for _, fail := range []string{"before", "after"} {
		m := &memory{}
		l := NewLog(m, signer{}, "w1", "")
		a := schema.AuditRecord{ID: "a", Verb: "action.intent"}
		m.fail = fail
		if _, err := l.Append(t.Context(), a); err == nil {
			t.Fatal("the failure was hidden")
		}
		for range 2 {
			if _, err := l.Append(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Append(t.Context(), schema.AuditRecord{ID: "b", Verb: "action.result"}); err != nil {
			t.Fatal(err)
		}
		if rep := Verify(m.rows, l.Heads(), goodHead); !rep.OK || rep.Records != 2 {
			t.Errorf("%s: %d records, %v", fail, rep.Records, rep.Problems)
		}
	}
}

func TestHeadFilesAndExport(t *testing.T) {
	_, heads, dir := trail(t, 4)
	read, err := ReadHeads(dir)
	if err != nil || len(read) != 1 || read[0].Hash != heads[0].Hash || !goodHead(read[0]) {
		t.Fatalf("%+v %v", read, err)
	}
	if fi, _ := os.Stat(filepath.Join(dir)); fi == nil {
		t.Fatal("no folder")
	}
	err = ReadExport(strings.NewReader("{\"x\":1}\n"), func(Export) error { return nil }, func(schema.AuditRecord) error { return nil })
	if schema.CodeOf(err) != schema.Invalid {
		t.Errorf("garbage as export: %v", err)
	}
}

// Records that come together make one insert and one chain, each once, also where a record
// and its retry come together or the answer of the insert is lost.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Second) // the log rests
		m := &memory{fail: "after", took: time.Millisecond}
		l := NewLog(m, signer{}, "w1", "")
		put := func(i int) error {
			_, err := l.Append(t.Context(), schema.AuditRecord{Actor: "ana", Verb: "v", Object: fmt.Sprint(i), Outcome: "ok", ID: fmt.Sprint("id", i%50)})
			return err
		}
		if err := put(0); err == nil {
			t.Fatal("the lost answer is no error")
		}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if err := put(i); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(m.rows) != 50 {
			t.Errorf("%d records of 50 are stored", len(m.rows))
		}
		if m.inserts > 3 {
			t.Errorf("%d inserts for records that came together", m.inserts)
		}
		if rep := Verify(m.rows, l.Heads(), goodHead); !rep.OK || rep.Records != 50 {
			t.Errorf("%+v", rep)
		}
	})
}
