package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"testing"
	"testing/fstest"
	"time"

	"vigil/internal/source"
	"vigil/internal/testdata"
	"vigil/internal/testdata/sigmahq"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
)

// witness fires once on each event, so that its detections count evaluations.
func witness(revision int) rules.File {
	return rules.File{Name: "witness.yaml", Text: fmt.Sprintf("id: witness\ntitle: Revision %d\nauthor: Vigil\nseverity: low\ndataset: '*'\nwhen: has(e.timestamp)\n", revision)}
}

// swap is what was seen of an ingestion during which another rule set came.
type swap struct {
	memory
	sets     map[string]*rules.Set // by hash
	compiled time.Duration         // what the other set took to load
	switched time.Duration         // from then to the first event in its hands
	between  int                   // chunks committed by the first set
}

// swapUnder ingests an object with a first set while another is compiled, and takes that
// as soon as it is there and a chunk has ended. The sink waits for it in the middle of
// the object at the latest, so that there is a swap however slow the machine is.
func swapUnder(tb testing.TB, o source.Object, plan Config, compile func() *rules.Set) *swap {
	tb.Helper()
	inForce, errs := rules.LoadFiles(rules.Options{}, witness(1))
	if len(errs) > 0 {
		tb.Fatal(errs[0])
	}
	s := &swap{sets: map[string]*rules.Set{inForce.Hash(): inForce}}
	ready, done := make(chan *rules.Set, 1), make(chan struct{})
	var since time.Time
	go func() {
		defer close(done)
		began := time.Now()
		set := compile()
		s.compiled, since = time.Since(began), time.Now()
		ready <- set
	}()
	const middle = 5
	s.fail = func(n int) error {
		if n == middle {
			<-done
		}
		return nil
	}
	for at, last := (Position{}), false; !last; {
		cfg := plan
		cfg.Evaluator, cfg.Plan.RuleSet = inForce.Evaluator(), inForce.Hash()
		cfg.Committed = func(c schema.Chunk) error {
			at, last = Position{From: c.To, Seq: c.Seq + 1}, c.Last
			if len(ready) > 0 && !last {
				return ErrStop
			}
			return nil
		}
		if err := Run(context.Background(), cfg, o, at, s); err != nil && !errors.Is(err, ErrStop) {
			tb.Fatal(err)
		}
		select {
		case inForce = <-ready:
			s.sets[inForce.Hash()] = inForce
			s.switched, s.between = time.Since(since), len(s.commits)
		default:
		}
	}
	return s
}

// check holds that each event was stored once and evaluated once, by the set that its
// chunk names, and that both sets had their turn.
func (s *swap) check(tb testing.TB) (events int) {
	tb.Helper()
	seen, turns, next := map[string]bool{}, map[string]int{}, int64(0)
	for i, c := range s.commits {
		if c.Chunk.From != next || c.Chunk.Seq != int64(i) {
			tb.Fatalf("chunk %d is number %d and begins at %d, not %d", i, c.Chunk.Seq, c.Chunk.From, next)
		}
		next = c.Chunk.To
		w, ok := s.sets[c.Chunk.RuleSet].Rule("witness")
		if !ok {
			tb.Fatalf("chunk %d names the set %q", i, c.Chunk.RuleSet)
		}
		turns[c.Chunk.RuleSet]++
		n := 0
		for _, d := range c.Detections {
			if d.Rule != "witness" {
				continue
			}
			if n++; seen[d.EventID] || d.RuleVersion != w.Version {
				tb.Fatalf("chunk %d: event %s is evaluated by %s, its set has %s; evaluated before: %v", i, d.EventID, d.RuleVersion, w.Version, seen[d.EventID])
			}
			seen[d.EventID] = true
		}
		if n != s.rows[i] || int64(n) != c.Chunk.Events {
			tb.Fatalf("chunk %d: %d evaluations of %d events, %d rows", i, n, c.Chunk.Events, s.rows[i])
		}
		events += n
	}
	if !s.commits[len(s.commits)-1].Chunk.Last || len(turns) != 2 {
		tb.Fatalf("the last of %d chunks is not the end, or not both sets had a turn: %v", len(s.commits), turns)
	}
	return events
}

// withWitness loads rules and the second revision of the witness.
func withWitness(tb testing.TB, system fs.FS) *rules.Set {
	w := witness(2)
	set, errs := rules.Load(system, fstest.MapFS{w.Name: {Data: []byte(w.Text)}})
	if len(errs) > 0 {
		tb.Error(errs[0])
	}
	return set
}

// TestSwap compiles rules and puts them in force while records flow: no event is dropped,
// and none is evaluated twice or by two sets.
func TestSwap(t *testing.T) {
	const records = 3000
	s := swapUnder(t, object(t, "app.jsonl", lines(records)), testConfig(nil), func() *rules.Set { return withWitness(t, library.FS) })
	broken := records / 29
	if n := s.check(t); n != records-broken {
		t.Errorf("%d events of %d", n, records-broken)
	}
}

// BenchmarkSwap is TestSwap with all of SigmaHQ's rules and records of Windows: how long
// it takes until rules that have changed, all of them, are in force.
func BenchmarkSwap(b *testing.B) {
	docs := sigmahq.Documents(sigmahq.Convert(sigmahq.Files(b)))
	o := plain(b, benchmarkFiles()[2].path)
	cfg := testConfig(nil)
	cfg.Plan.Records = 500
	for b.Loop() {
		var set *rules.Set
		began := testdata.CPUTime(b)
		s := swapUnder(b, o, cfg, func() *rules.Set { set = withWitness(b, maps.Clone(docs)); return set })
		used := testdata.CPUTime(b) - began
		b.ReportMetric(float64(s.check(b)), "events")
		b.ReportMetric(float64(len(set.Rules())), "rules")
		b.ReportMetric(s.compiled.Seconds(), "compile-s")
		b.ReportMetric(used.Seconds(), "cpu-s")
		b.ReportMetric(s.switched.Seconds()*1000, "swap-ms")
		b.ReportMetric(float64(s.between), "chunks-before")
	}
}
