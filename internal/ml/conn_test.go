package ml

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/parser"
	"vigil/internal/testdata"
	"vigil/schema"
)

// eachConn parses a connection log of the shared recordings: ARCHIVE.zip!MEMBER.
func eachConn(t testing.TB, name string, do func(e *schema.Event)) {
	t.Helper()
	archive, member, _ := strings.Cut(name, "!")
	z, err := zip.OpenReader(filepath.Join(testdata.Shared(t), archive))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	f, err := z.Open(member)
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReaderSize(f, 1<<20)
	sample, _ := in.Peek(64 << 10)
	format, _, err := parser.Detect(sample, name)
	if err != nil {
		t.Fatal(err)
	}
	p := format.New(parser.Options{Object: filepath.Base(name)})
	var e schema.Event
	var offset int64
	for {
		line, err := in.ReadBytes('\n')
		if raw := bytes.TrimRight(line, "\r\n"); len(raw) > 0 {
			e.Reset(raw, offset)
			offset += int64(len(line))
			if p.Parse(raw, &e) == nil && e.Str(schema.FEventDataset) == zeekConn.Dataset {
				e.ID = schema.EventIDAt(schema.ObjectHash("main", "test", 1, name), e.Offset)
				do(&e)
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The connection logs of the shared recordings that are large enough to learn from.
var connLogs = []string{"zeek/ocsf-raw-zeek.zip!Zeek/conn.log", "zeek/lsass-campaigns.zip!LSASS_campaign_05/conn.log", "zeek/apt29-day1.zip!NASHUA/conn.log",
	"zeek/slips-samples.zip!test9-mixed-zeek-dir/conn.log", "zeek/rita-edge-cases.zip!proxy/conn.log"}

func recorded(t testing.TB, names ...string) *Dataset {
	s := NewDataset(zeekConn)
	for _, name := range names {
		eachConn(t, name, s.Add)
	}
	return s
}

// train seals and trains as an activity does.
func train(t testing.TB, s *Dataset) *Model {
	t.Helper()
	m, err := Train(s, s.Seal(zeekConn.Params.MaxRows), perDay, never)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func never() error { return nil }

// perDay is so few that the budget is the largest share.
const perDay = 1000

// TestReproducible: the same rows give the same bytes, in whatever order they were read.
func TestReproducible(t *testing.T) {
	s := recorded(t, connLogs...)
	first := train(t, s).Encode()
	if again := train(t, recorded(t, connLogs...)).Encode(); !bytes.Equal(first, again) {
		t.Errorf("trained twice: %s and %s", ModelID(first), ModelID(again))
	}
	other := recorded(t, connLogs[4], connLogs[2], connLogs[0], connLogs[3], connLogs[1])
	if again := train(t, other).Encode(); !bytes.Equal(first, again) {
		t.Error("another order of reading gives another model")
	}
	fewer := recorded(t, connLogs[:4]...)
	if again := train(t, fewer).Encode(); bytes.Equal(first, again) {
		t.Error("other rows give the same model")
	}
	t.Logf("%d rows, %d bytes, model %s", s.Rows(), len(first), ModelID(first))
}

// TestDecode: a model read back scores alike to the bit.
func TestDecode(t *testing.T) {
	m := train(t, recorded(t, connLogs[0]))
	body := m.Encode()
	back, err := Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Encode(), body) {
		t.Error("written again, the model has other bytes")
	}
	a, b := m.Scorer(), back.Scorer()
	n := 0
	eachConn(t, connLogs[0], func(e *schema.Event) {
		n++
		if x, y := a.Score(e), b.Score(e); x != y || !(x > 0 && x < 1) {
			t.Fatalf("%v and %v", x, y)
		}
		if a.Explain() != b.Explain() {
			t.Fatal("explanations differ")
		}
	})
	if n == 0 {
		t.Fatal("no events")
	}
	for cut := range body {
		if _, err := Decode(body[:cut]); err == nil {
			t.Fatalf("the first %d of %d bytes are a model", cut, len(body))
		}
		if cut > 2000 {
			break
		}
	}
	if _, err := Decode(append(body, 0)); err == nil {
		t.Error("a byte too many is not noticed")
	}
}

// TestQuietOnItsOwn: on what it learned from, a model stays within its budget.
func TestQuietOnItsOwn(t *testing.T) {
	for _, name := range connLogs {
		s := recorded(t, name)
		m := train(t, s)
		rows, _ := s.split()
		above := 0
		for _, v := range m.scoreAll(m.encoder.matrix(rows, len(zeekConn.Features))) {
			if v >= m.Threshold {
				above++
			}
		}
		if most := int(float64(len(rows)) * zeekConn.Params.MaxShare); above > most {
			t.Errorf("%s: %d of %d above the threshold, the budget is %d", name, above, len(rows), most)
		}
	}
}

// TestInjected: on each recording the simulated attacks rank far above the ordinary
// connections of the same time, which the model has not seen.
func TestInjected(t *testing.T) {
	for _, name := range connLogs {
		s := recorded(t, name)
		m := train(t, s)
		_, test := s.split()
		own := m.measure(test)
		for i, sim := range zeekConn.Simulators {
			labels := make([]bool, len(test), 2*len(test))
			attacks := make([]sample, len(test))
			for k := range test {
				attacks[k].cells = test[k].injected[i]
				labels = append(labels, true)
			}
			all := append(append([]float64{}, own.scores...), m.scoreAll(m.encoder.matrix(attacks, len(zeekConn.Features)))...)
			auc := rocAUC(all, labels)
			t.Logf("%-50s %-13s ROC-AUC %.3f recall %.2f", name, sim.Name, auc, own.recall[i])
			if auc < 0.88 {
				t.Errorf("%s: %s ROC-AUC %.3f", name, sim.Name, auc)
			}
			if (sim.Name == "exfiltration" || sim.Name == "long-channel") && own.recall[i] < 0.9 {
				t.Errorf("%s: %s recall %.2f", name, sim.Name, own.recall[i])
			}
		}
	}
}

// TestGate: what the gate lets through, and each reason to refuse.
func TestGate(t *testing.T) {
	s := recorded(t, connLogs...)
	champion := train(t, s)
	if v := Evaluate(Candidate{ID: "c", Model: champion}, s, perDay); !v.Pass || v.Why == "" {
		t.Fatalf("an honest model is refused: %+v", v)
	}
	if v := Evaluate(Candidate{ID: "c", Model: champion, RolledBack: true}, s, perDay); v.Pass || failed(v) != "not-rolled-back" {
		t.Errorf("rolled back before: %+v", v)
	}
	if v := Evaluate(Candidate{ID: "c", Model: champion, ChampionID: "c", Champion: champion}, s, perDay); v.Pass || failed(v) != "changed" {
		t.Errorf("the champion again: %+v", v)
	}
	few := recorded(t, connLogs[4])
	if v := Evaluate(Candidate{ID: "m", Model: train(t, few)}, few, perDay); v.Pass || !strings.Contains(failed(v), "rows") {
		t.Errorf("%d rows: %+v", few.Rows(), v)
	}
	if _, no := zeekConn.TooFew(few.Rows()); !no {
		t.Error("too few rows are not noticed")
	}
	// Somebody floods the network with what he means to do later, until it is usual.
	poisoned := recorded(t, connLogs...)
	n := 0
	eachConn(t, connLogs[0], func(e *schema.Event) {
		for _, port := range []int64{4444, 8443, 31337} {
			n++
			e.SetInt(schema.FEventDuration, int64(n)*7_000_000_000)
			e.SetInt(schema.FSourceBytes, int64(n)<<19)
			e.SetInt(schema.FDestinationBytes, int64(n)<<10)
			e.SetInt(schema.FSourcePackets, int64(n)*300)
			e.SetInt(schema.FDestinationPackets, int64(n)*150)
			e.SetInt(schema.FDestinationPort, port)
			e.SetStr(schema.FNetworkTransport, "tcp")
			e.SetStr(schema.FNetworkProtocol, "ssl")
			e.SetStr(schema.FEventAction, "SF")
			e.ID[0] = byte(port)
			poisoned.Add(e)
		}
	})
	m := train(t, poisoned)
	v := Evaluate(Candidate{ID: "p", Model: m, ChampionID: "c", Champion: champion}, poisoned, perDay)
	t.Logf("poisoned with %d rows: %s", n, v.Why)
	if v.Pass || !strings.Contains(failed(v), "no-attack-lost") {
		t.Errorf("a poisoned model passes: %+v", v)
	}
}

func failed(v Verdict) string {
	var names []string
	for _, c := range v.Checks {
		if !c.Pass {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, " ")
}

// TestExplain: the explanation of an injected attack names what was injected.
func TestExplain(t *testing.T) {
	m := train(t, recorded(t, connLogs...))
	e, err := attack("exfiltration")
	if err != nil {
		t.Fatal(err)
	}
	s := m.Scorer()
	score := s.Score(e)
	why := s.Explain()
	t.Logf("score %.3f, threshold %.3f: %s", score, m.Threshold, why)
	if score < m.Threshold || !strings.Contains(why, "bytes_out") && !strings.Contains(why, "packets_out") && !strings.Contains(why, "balance") {
		t.Errorf("score %.3f, threshold %.3f: %s", score, m.Threshold, why)
	}
}

func attack(name string) (*schema.Event, error) {
	for _, s := range zeekConn.Simulators {
		if s.Name == name {
			var base, e schema.Event
			base.Set(schema.FSourceIP, "10.0.0.5")
			s.inject(&base, &e, rand.New(rand.NewPCG(1, 1)))
			return &e, nil
		}
	}
	return nil, errors.New("no simulator " + name)
}

func TestLog2(t *testing.T) {
	last := float32(-1)
	for n := range int64(100_000) {
		v := log2(n)
		if v <= last {
			t.Fatalf("not rising at %d", n)
		}
		if d := float64(v) - math.Log2(float64(n+1)); math.Abs(d) > 0.09 {
			t.Fatalf("log2(%d) = %v", n, v)
		}
		if back := unlog2(v); math.Abs(back-float64(n)) > 0.01*float64(n)+0.01 {
			t.Fatalf("%d comes back as %v", n, back)
		}
		last = v
	}
	for _, n := range []int64{-5, 0} {
		if log2(n) != 0 {
			t.Errorf("log2(%d) = %v", n, log2(n))
		}
	}
	if v := log2(math.MaxInt64); v < 62.9 || v > 63.1 {
		t.Errorf("the largest number: %v", v)
	}
}

// TestHostileCounters: whatever a log line claims, features are finite and scores lie
// between 0 and 1.
func TestHostileCounters(t *testing.T) {
	s := train(t, recorded(t, connLogs[0])).Scorer()
	var e schema.Event
	for _, v := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		for _, d := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
			e.Reset(nil, 0)
			for _, f := range []schema.FieldID{schema.FSourceBytes, schema.FDestinationBytes, schema.FSourcePackets, schema.FDestinationPackets, schema.FDestinationPort} {
				e.SetInt(f, v)
			}
			e.SetInt(schema.FEventDuration, d)
			if got := s.Score(&e); !(got > 0 && got < 1) {
				t.Errorf("%d, %d: score %v", v, d, got)
			}
			for i, x := range s.x[:len(zeekConn.Features)] {
				if x != x || math.IsInf(float64(x), 0) {
					t.Errorf("%d, %d: %s is %v", v, d, zeekConn.Features[i].Name, x)
				}
			}
		}
	}
}

func TestScoreAllocatesNothing(t *testing.T) {
	s := train(t, recorded(t, connLogs[0])).Scorer()
	var e schema.Event
	eachConn(t, connLogs[0], func(x *schema.Event) {
		if e.Raw == nil {
			e = *x
		}
	})
	if n := testing.AllocsPerRun(100, func() { s.Score(&e) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// FuzzDecode: bytes are a model that scores, or an error.
func FuzzDecode(f *testing.F) {
	if dir := filepath.Join(testdata.Root(f), "..", "shared"); isDir(dir) {
		s := NewDataset(zeekConn)
		eachConn(f, connLogs[0], s.Add)
		s.Seal(24)
		m, err := Train(s, "x", perDay, never)
		if err != nil {
			f.Fatal(err)
		}
		m.forest.trees, m.forest.sizes = m.forest.trees[:2], m.forest.sizes[:2]
		f.Add(m.Encode())
	}
	f.Add([]byte(format))
	var e schema.Event
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		s := m.Scorer()
		if v := s.Score(&e); math.IsNaN(v) {
			t.Errorf("score %v", v)
		}
		_ = s.Explain()
		if !bytes.Equal(m.Encode(), b) {
			// Only one spelling of a model is written; another one may be read.
			if again, err := Decode(m.Encode()); err != nil || again.Threshold != m.Threshold {
				t.Errorf("what was read cannot be written and read again: %v", err)
			}
		}
	})
}

func isDir(path string) bool {
	i, err := os.Stat(path)
	return err == nil && i.IsDir()
}

func BenchmarkScore(b *testing.B) {
	s := train(b, recorded(b, connLogs...)).Scorer()
	events := copies(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Score(events[i&63])
		i++
	}
}

func BenchmarkFeatures(b *testing.B) {
	m := train(b, recorded(b, connLogs...))
	events := copies(b)
	s := m.Scorer()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		zeekConn.read(events[i&63], s.cells[:len(zeekConn.Features)])
		m.encoder.encode(s.cells[:len(zeekConn.Features)], s.x[:])
		i++
	}
}

// copies are 64 real events that live on.
func copies(b *testing.B) []*schema.Event {
	var out []*schema.Event
	eachConn(b, connLogs[0], func(e *schema.Event) {
		if len(out) < 64 {
			c := &schema.Event{}
			for _, f := range zeekConn.Fields {
				c.Set(f, strings.Clone(e.Str(f)))
			}
			out = append(out, c)
		}
	})
	return out
}

func BenchmarkTrain20k(b *testing.B) {
	s := NewDataset(zeekConn)
	for i := byte(0); s.Rows() < 20_000; i++ {
		for _, name := range connLogs {
			eachConn(b, name, func(e *schema.Event) {
				e.ID[0] ^= i
				s.Add(e)
			})
		}
	}
	h := s.Seal(20_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Train(s, h, perDay, never); err != nil {
			b.Fatal(err)
		}
	}
}
