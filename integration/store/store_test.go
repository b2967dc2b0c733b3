package store_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/integration/chtest"
	"vigil/internal/store"
	"vigil/schema"
)

func TestMain(m *testing.M) { chtest.Main(m) }

// TestStore is one engine, several tests of what the store promises.
func TestStore(t *testing.T) {
	s, _ := chtest.Open(t)
	t.Run("every field comes back", func(t *testing.T) { everyField(t, s) })
	t.Run("a chunk is stored once", func(t *testing.T) { storedOnce(t, s) })
	t.Run("pages miss nothing", func(t *testing.T) { pages(t, s) })
	t.Run("absurd times", func(t *testing.T) { absurdTimes(t, s) })
	t.Run("migrating again changes nothing", func(t *testing.T) {
		if err := s.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// sampleValue is a value that fits a field.
func sampleValue(e *schema.Event, f *schema.Field) string {
	id := f.ID
	switch f.Kind {
	case schema.IP:
		text := "2001:db8::" + fmt.Sprintf("%x", int(id)+1)
		e.SetAddr(id, netip.MustParseAddr(text), text)
		return text
	case schema.Long:
		e.SetInt(id, int64(id)+7)
		return fmt.Sprint(int64(id) + 7)
	case schema.Double:
		e.SetFloat(id, float64(id)+0.5)
		return fmt.Sprint(float64(id) + 0.5)
	case schema.Bool:
		e.SetInt(id, 1)
		return "true"
	case schema.Date:
		t := time.Date(2026, 1, 2, 3, 4, 5, 6000*(int(id)+1), time.UTC)
		e.SetTime(id, t)
		return t.Format("2006-01-02 15:04:05.000000")
	}
	v := "value of " + f.Name
	e.SetStr(id, v)
	if f.Multi {
		e.SetStr(id, v+" 2")
		v += ", " + v + " 2"
	}
	return v
}

// everyField stores an event with a value in every field, and one with none, and
// reads them back.
func everyField(t *testing.T, s *store.Store) {
	var e schema.Event
	b := store.NewBatch()
	e.Reset([]byte("empty"), 0)
	e.ID = schema.EventIDAt(1, 0)
	b.Append(&e)
	raw := []byte("raw \x00 \xff bytes")
	e.Reset(raw, 17)
	e.ID = schema.EventIDAt(1, 17)
	want := map[string]string{}
	fields := schema.Fields()
	for i := range fields {
		want[fields[i].Name] = sampleValue(&e, &fields[i])
	}
	e.AddExtra("labels.mine", "yes")
	b.Append(&e)
	chunk := schema.HashID("every-field")
	if err := s.InsertEvents(t.Context(), "main", "fields", chunk, time.Now(), b); err != nil {
		t.Fatal(err)
	}
	got, err := s.Event(t.Context(), "main", e.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range want {
		if got.Fields[name] != v {
			t.Errorf("%s = %q, want %q", name, got.Fields[name], v)
		}
	}
	if got.Raw != string(raw) || got.Offset != 17 || got.Chunk != chunk || got.Extras["labels.mine"] != "yes" || len(got.Fields) != len(want) {
		t.Errorf("raw %q, offset %d, chunk %s, extras %v, %d fields of %d", got.Raw, got.Offset, got.Chunk, got.Extras, len(got.Fields), len(want))
	}
	empty, err := s.Event(t.Context(), "main", schema.EventIDAt(1, 0).String())
	if err != nil || len(empty.Fields) != 0 || empty.Raw != "empty" {
		t.Errorf("the empty event came back as %+v (%v)", empty, err)
	}
}

func chunkOf(source string, n int, read time.Time) store.ChunkData {
	b := store.NewBatch()
	var e schema.Event
	for i := range n {
		e.Reset(fmt.Append(nil, i), int64(i))
		e.ID = schema.EventIDAt(schema.ObjectHash("main", source, 0, "f"), int64(i))
		e.SetTime(schema.FTimestamp, time.Date(2026, 1, 2, 0, 0, i/50, 0, time.UTC))
		e.SetStr(schema.FMessage, source)
		b.Append(&e)
	}
	c := schema.Chunk{Org: "main", Source: source, ID: schema.ChunkID("main", source, 0, "f", 0, int64(n)), Object: "f", Fingerprint: "f", To: int64(n), Bytes: int64(n), Records: int64(n), Events: int64(n),
		Failures: 1, Detections: 1, Last: true, Ingested: read.Truncate(time.Millisecond), RuleSet: "r", Read: read}
	return store.ChunkData{Chunk: c, Events: b,
		Failures:   []schema.ParseFailure{{Org: "main", Source: source, Chunk: c.ID, Object: "f", Reason: "for the test", Raw: []byte("\x00\xff"), Ingested: c.Ingested}},
		Detections: []schema.Detection{{Org: "main", ID: schema.DetectionID("main", "r", "1", source), Source: source, Chunk: c.ID, Rule: "r", RuleVersion: "1", Kind: "match", Severity: schema.Low, EventID: e.ID.String(), Time: e.Time(), Ingested: c.Ingested}}}
}

var errCrash = errors.New("crash")

// storedOnce commits a chunk again and again, also after attempts that ended between
// the writes, with and without being told that it is in doubt.
func storedOnce(t *testing.T, s *store.Store) {
	for _, point := range []string{"after-events", "after-failures", "after-detections", "before-manifest", "after-manifest"} {
		d := chunkOf("once-"+point, 1000, time.Now().UTC())
		d.Crash = func(p string) {
			if p == point {
				panic(errCrash)
			}
		}
		crashing(t, s, d)
		d.Crash = nil
		for _, doubt := range []bool{true, false, true} {
			d.InDoubt = doubt
			if err := s.CommitChunk(t.Context(), d); err != nil {
				t.Fatalf("%s: %v", point, err)
			}
		}
		rows, err := s.RowCounts(t.Context(), "main", d.Chunk.Source)
		if err != nil {
			t.Fatal(err)
		}
		if got := rows[d.Chunk.ID]; got != (store.RowCount{Events: 1000, DistinctEvents: 1000, Failures: 1}) {
			t.Errorf("killed at %s: %+v", point, got)
		}
		chunks, err := s.Chunks(t.Context(), "main", d.Chunk.Source)
		if err != nil || len(chunks) != 1 || chunks[0].Hash != d.Chunk.Hash || !chunks[0].Last {
			t.Errorf("killed at %s: manifest %+v (%v)", point, chunks, err)
		}
		n, total, err := s.PlanTotals(t.Context(), "main", d.Chunk.Source, 0, d.Chunk.Ingested)
		if err != nil || n != 1 || total.Records != 1000 || total.Events != 1000 || total.Failures != 1 || total.Detections != 1 || total.Bytes != 1000 {
			t.Errorf("killed at %s: totals of %d chunks: %+v (%v)", point, n, total, err)
		}
		list, err := s.ChunkDetections(t.Context(), "main", []string{d.Chunk.ID}, 10)
		if err != nil || len(list) != 1 {
			t.Errorf("killed at %s: %d detections (%v)", point, len(list), err)
		}
	}
	latency(t, s)
}

func crashing(t *testing.T, s *store.Store, d store.ChunkData) {
	defer func() {
		if x := recover(); x != errCrash {
			t.Fatalf("it did not crash where it should: %v", x)
		}
	}()
	_ = s.CommitChunk(t.Context(), d)
}

// latency is the time from reading to folding, weighted by detections.
func latency(t *testing.T, s *store.Store) {
	d := chunkOf("late", 10, time.Now().UTC().Add(-3*time.Second))
	if err := s.CommitChunk(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if l, err := s.Latency(t.Context(), "main", "late"); err != nil || l.Detections != 0 {
		t.Errorf("before folding: %+v (%v)", l, err)
	}
	if err := s.PutFolds(t.Context(), "main", map[string]int{d.Chunk.ID: 1}); err != nil {
		t.Fatal(err)
	}
	l, err := s.Latency(t.Context(), "main", "late")
	if err != nil || l.Detections != 1 || l.P50 < 3*time.Second || l.P50 > time.Minute || l.P99 != l.P50 {
		t.Errorf("%+v (%v)", l, err)
	}
}

// pages reads many events of few times in small pages: each event comes once.
func pages(t *testing.T, s *store.Store) {
	d := chunkOf("pages", 500, time.Now().UTC())
	if err := s.CommitChunk(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	q := store.SearchRequest{Org: "main", Query: "message:pages", From: time.Unix(0, 0), To: time.Now().Add(time.Hour), Limit: 7}
	var ids []string
	for range 100 {
		res, err := s.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range res.Rows {
			ids = append(ids, r.ID)
		}
		if q.Cursor = res.Next; q.Cursor == "" {
			break
		}
	}
	slices.Sort(ids)
	if n := len(ids); n != 500 || len(slices.Compact(ids)) != 500 {
		t.Errorf("%d rows, %d distinct, of 500", n, len(slices.Compact(ids)))
	}
	q.Cursor = "x' OR 1=1|" + strings.Repeat("0", 32)
	if _, err := s.Search(t.Context(), q); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("a forged cursor: %v", err)
	}
}

// absurdTimes: no event time makes an insert fail or move another event. Times that
// the column holds come back, as far as the driver can read them (until 2262).
func absurdTimes(t *testing.T, s *store.Store) {
	b := store.NewBatch()
	var e schema.Event
	years := []int{1, 1601, 1899, 1900, 1970, 2026, 2099, 2261, 2299, 2300, 9999}
	for i, y := range years {
		e.Reset(fmt.Append(nil, y), int64(i))
		e.ID = schema.EventIDAt(99, int64(i))
		e.SetTime(schema.FTimestamp, time.Date(y, 6, 1, 12, 0, 0, 0, time.UTC))
		b.Append(&e)
	}
	if err := s.InsertEvents(t.Context(), "main", "absurd", schema.HashID("absurd"), time.Now(), b); err != nil {
		t.Fatal(err)
	}
	for i, y := range years {
		got, err := s.Event(t.Context(), "main", schema.EventIDAt(99, int64(i)).String())
		if err != nil || got.Raw != fmt.Sprint(y) {
			t.Errorf("year %d: %+v (%v)", y, got, err)
		}
		if want := time.Date(y, 6, 1, 12, 0, 0, 0, time.UTC); y >= 1900 && y < 2262 && !got.Time.Equal(want) {
			t.Errorf("year %d came back as %s", y, got.Time)
		}
	}
}
