package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/schema"
)

// fill appends blocks until the log is told to wait, and returns the bytes it got in.
func fill(t *testing.T, l *Log, block int) (n int64) {
	t.Helper()
	data := bytes.Repeat([]byte("x"), block)
	for range 100_000 {
		if _, err := l.Append(t.Context(), []Record{{Data: data}}); err != nil {
			if schema.CodeOf(err) != schema.Exhausted {
				t.Fatal(err)
			}
			return n
		}
		n += int64(block)
	}
	t.Fatal("nothing stopped it")
	return 0
}

// commit releases everything of a log, as its drain does when the store has it.
func commit(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range l.Segments() {
		l.Drained(s.ID, s.Cut)
		if s.Sealed {
			l.Release(s.ID)
		}
	}
}

// TestShare: loud sources fill what is fair and are refused; one that is quiet is not, and
// a loud one goes on when it was drained.
func TestShare(t *testing.T) {
	const limit = 16 << 20
	d := open(t, t.TempDir(), Options{Limit: limit})
	loud, louder, quiet := logOf(t, d, "loud"), logOf(t, d, "louder"), logOf(t, d, "quiet")
	got := fill(t, loud, 64<<10)
	if got < limit/2 || got > limit*4/5 {
		t.Errorf("one loud source holds %d of %d", got, limit)
	}
	if more := fill(t, louder, 64<<10); more < limit/20 {
		t.Errorf("the second loud source got %d", more)
	}
	for i := range 500 {
		if _, err := quiet.Append(t.Context(), records(fmt.Sprint("quiet ", i))); err != nil {
			t.Fatal(i, err)
		}
		commit(t, quiet)
		_, err1 := loud.Append(t.Context(), []Record{{Data: make([]byte, 1<<20)}})
		if err1 == nil {
			t.Fatal("the loud source got more than its share")
		}
	}
	if st := quiet.Stats(); st.Refused != 0 || st.Records != 500 {
		t.Errorf("%+v", st)
	}
	if st := loud.Stats(); st.Refused < 500 {
		t.Errorf("%+v", st)
	}
	commit(t, loud)
	commit(t, louder)
	if got := fill(t, loud, 64<<10); got < limit/2 {
		t.Errorf("after its drain the loud source got %d", got)
	}
}

// TestLedger: whatever happens, what the spool thinks is held is what is on disk.
func TestLedger(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir, Options{Limit: 4 << 20, SegmentBytes: 64 << 10})
	rnd := rand.New(rand.NewPCG(1, 2))
	logs := []*Log{logOf(t, d, "a"), logOf(t, d, "b"), logOf(t, d, "c")}
	for range 600 {
		l := logs[rnd.IntN(len(logs))]
		if rnd.IntN(10) == 0 {
			commit(t, l)
			continue
		}
		if _, err := l.Append(t.Context(), []Record{{Data: make([]byte, rnd.IntN(8<<10))}}); err != nil && schema.CodeOf(err) != schema.Exhausted {
			t.Fatal(err)
		}
	}
	var disk, pending, held, kept int64
	for _, l := range logs {
		st := l.Stats()
		disk += st.Disk
		pending += st.Pending
		for _, s := range l.released() {
			kept += s.size
		}
		held += l.held
	}
	if d.used != disk || d.kept != kept {
		t.Errorf("used %d, on disk %d; kept %d, released %d", d.used, disk, d.kept, kept)
	}
	if held < pending || held > pending+int64(len(logs))*headerSize {
		t.Errorf("held %d, pending %d", held, pending)
	}
}

// TestQuota: a source with a quota is refused at it, and one batch always fits.
func TestQuota(t *testing.T) {
	d := open(t, t.TempDir(), Options{Limit: 64 << 20})
	l, err := d.Log(Meta{Source: "small", Kind: "bulk", Format: "json", Limits: Limits{Quota: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	if got := fill(t, l, 64<<10); got < 800<<10 || got > 1<<20 {
		t.Errorf("%d bytes with a quota of 1 MiB", got)
	}
	commit(t, l)
	if _, err := l.Append(t.Context(), []Record{{Data: make([]byte, 3<<20)}}); err != nil {
		t.Error(err)
	}
	_, err = l.Append(t.Context(), records("x"))
	if err == nil || !strings.Contains(err.Error(), "quota") {
		t.Error(err)
	}
}

// TestRate: a source sends its rate, bursts and debts included, and not more.
func TestRate(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	d := open(t, t.TempDir(), Options{Now: func() time.Time { return now }})
	l, err := d.Log(Meta{Source: "paced", Kind: "bulk", Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Limit(Limits{Rate: 10_000, Set: now}); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for range 1000 { // 100 s
		if _, err := l.Append(t.Context(), []Record{{Data: make([]byte, 5000)}}); err == nil {
			sent += 5000
		}
		now = now.Add(100 * time.Millisecond)
	}
	if sent < 950_000 || sent > 1_040_000 {
		t.Errorf("%d bytes in 100 s at 10,000 a second", sent)
	}
}

// TestLimitsKept: the limits that were decided last are in force, also after a restart.
func TestLimitsKept(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1_700_000_000, 0).UTC()
	d, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := logOf(t, d, "a")
	if err := errors.Join(l.Limit(Limits{Quota: 2, Set: now}), l.Limit(Limits{Quota: 1, Set: now.Add(-time.Hour)}), d.Close()); err != nil {
		t.Fatal(err)
	}
	l, ok := open(t, dir, Options{}).Lookup("main", "a")
	if !ok || l.InForce() != (Limits{Quota: 2, Set: now}) {
		t.Errorf("%+v", l.InForce())
	}
}

// TestTurns: sources that always want to drain get shares by weight, however large their
// chunks are, and one that was quiet comes next.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Dir{logs: map[logKey]*Log{}, turns: turns{slots: 2}}
		ctx, cancel := context.WithCancel(t.Context())
		beats := 0
		drained := map[string]int64{}
		loud := func(name string, weight, chunk int64) {
			l := &Log{dir: d, limits: Limits{Weight: weight}}
			turn, err := l.Turn(ctx, func() {})
			for err == nil {
				time.Sleep(time.Duration(chunk) * time.Millisecond)
				d.turns.mu.Lock()
				drained[name] += chunk
				d.turns.mu.Unlock()
				err = turn.Next(ctx, chunk, func() {})
			}
			turn.Done(0)
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() { loud(fmt.Sprint("even", i), 1, 1000) })
		}
		all.Go(func() { loud("heavy", 4, 1000) })
		all.Go(func() { loud("fine", 1, 100) })
		quiet := &Log{dir: d}
		time.Sleep(10 * time.Second) // by then every source's chunks are known
		worst := time.Duration(0)
		for range 300 {
			time.Sleep(2 * time.Second)
			began := time.Now()
			turn, err := quiet.Turn(ctx, func() { beats++ })
			if err != nil {
				t.Fatal(err)
			}
			worst = max(worst, time.Since(began))
			time.Sleep(time.Millisecond)
			turn.Done(1)
		}
		cancel()
		all.Wait()
		if worst > time.Second {
			t.Errorf("the quiet source waited %s, longer than a chunk takes", worst)
		}
		base := float64(drained["even0"])
		for name, want := range map[string]float64{"even7": 1, "fine": 1, "heavy": 4} {
			if got := float64(drained[name]) / base; got < want*0.9 || got > want*1.1 {
				t.Errorf("%s drained %.2f times as much as even0, want %.0f", name, got, want)
			}
		}
		if q := &d.turns; len(q.running) != 0 || len(q.waiting) != 0 {
			t.Errorf("%d run, %d wait at the end", len(q.running), len(q.waiting))
		}
	})
}
