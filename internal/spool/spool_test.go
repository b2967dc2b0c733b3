package spool

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/schema"
)

func open(t testing.TB, dir string, o Options) *Dir {
	t.Helper()
	d, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func logOf(t testing.TB, d *Dir, source string) *Log {
	t.Helper()
	l, err := d.Log(Meta{Source: source, Kind: "bulk", Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func records(texts ...string) []Record {
	out := make([]Record, len(texts))
	for i, s := range texts {
		out[i].Data = []byte(s)
	}
	return out
}

func idOf(s string) (id ID) {
	sum := sha256.Sum256([]byte(s))
	copy(id[:], sum[:])
	return id
}

// chunks reads what a drain may read of a log, as the texts of each chunk.
func chunks(t testing.TB, l *Log) [][]string {
	t.Helper()
	var out [][]string
	for _, s := range l.Segments() {
		f, err := os.Open(s.Path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(f, s.Cut)
		if err != nil {
			t.Fatal(err)
		}
		var cur []string
		at := int64(headerSize)
		for {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if e.Offset != at {
				t.Errorf("an entry at %d, the one before ended at %d", e.Offset, at)
			}
			at = e.Offset + e.Size
			if !e.Cut {
				cur = append(cur, string(e.Data))
			} else if cur != nil {
				out = append(out, cur)
				cur = nil
			}
		}
		if cur != nil {
			t.Errorf("%v stand behind the last cut of what may be read", cur)
		}
		_ = f.Close()
	}
	return out
}

func want(t *testing.T, got [][]string, want string) {
	t.Helper()
	if s := fmt.Sprint(got); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

// TestCuts: what is appended can be read up to the last cut, in the same chunks, also
// after a restart.
func TestCuts(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := logOf(t, d, "web")
	if _, err := Open(dir, Options{}); schema.CodeOf(err) != schema.Conflict {
		t.Errorf("a second process may open the spool: %v", err)
	}
	add := func(texts ...string) {
		t.Helper()
		if res, err := l.Append(t.Context(), records(texts...)); err != nil || res.Stored != len(texts) {
			t.Fatalf("%+v %v", res, err)
		}
	}
	add("a", "", "b")
	want(t, chunks(t, l), "[]")
	for range 2 { // the second finds nothing to cut
		if err := l.Cut(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	add("c\nd")
	add("e")
	want(t, chunks(t, l), "[[a  b]]")
	if err := l.Pin([]byte("a")); err != nil || string(l.Pinned()) != "a" {
		t.Errorf("%s %v", l.Pinned(), err)
	}
	if err := l.Pin(nil); err != nil || l.Pinned() != nil {
		t.Errorf("%s %v", l.Pinned(), err)
	}
	before := l.Segments()[0]
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), records("late")); schema.CodeOf(err) != schema.Unavailable {
		t.Errorf("a closed log answered %v", err)
	}
	d = open(t, dir, Options{})
	l = logOf(t, d, "web")
	want(t, chunks(t, l), "[[a  b] [c\nd e]]")
	s := l.Segments()[0]
	if s.ID != before.ID || !s.Sealed {
		t.Errorf("%+v was %+v", s, before)
	}
	add("f")
	if err := l.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, chunks(t, l), "[[a  b] [c\nd e] [f]]")
	if l.Segments()[1].ID == s.ID {
		t.Error("two segments share an id")
	}
	if _, err := d.Log(Meta{Source: "web", Kind: "hec"}); schema.CodeOf(err) != schema.Conflict {
		t.Errorf("another kind was taken: %v", err)
	}
	if _, err := d.Log(Meta{Source: "../web", Kind: "hec"}); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("a path was taken as name: %v", err)
	}
}

// TestSkip resumes at every offset that was the end of an entry.
func TestSkip(t *testing.T) {
	l := logOf(t, open(t, t.TempDir(), Options{}), "web")
	for i := range 5 {
		if _, err := l.Append(t.Context(), append(records(fmt.Sprint("x", i), strings.Repeat("long", 1000)), Record{Data: []byte("id"), ID: idOf(fmt.Sprint(i))})); err != nil {
			t.Fatal(err)
		}
		if err := l.Cut(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(l.Segments()[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readAll(file, 0)
	if !errors.Is(err, io.EOF) || len(all) != 20 {
		t.Fatal(len(all), err)
	}
	for i, e := range all {
		rest, err := readAll(file, e.Offset+e.Size)
		if !errors.Is(err, io.EOF) || len(rest) != len(all)-i-1 {
			t.Fatalf("from the end of entry %d: %d entries, %v", i, len(rest), err)
		}
		for j := range rest {
			if a, b := rest[j], all[i+1+j]; !bytes.Equal(a.Data, b.Data) || a.Offset != b.Offset || a.Size != b.Size || a.ID != b.ID || a.Cut != b.Cut || !a.Received.Equal(b.Received) && !a.Cut {
				t.Fatalf("from the end of entry %d: %+v, want %+v", i, a, b)
			}
		}
	}
}

func readAll(file []byte, from int64) ([]Entry, error) {
	r, err := NewReader(bytes.NewReader(file), 0)
	if err != nil {
		return nil, err
	}
	if err := r.Skip(from); err != nil {
		return nil, err
	}
	var out []Entry
	for {
		e, err := r.Next()
		if err != nil {
			return out, err
		}
		e.Data = bytes.Clone(e.Data)
		out = append(out, e)
	}
}

// TestIDs: a re-send is stored once, also after a restart, until its segment is deleted.
func TestIDs(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 1, Keep: 1}
	d, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	l := logOf(t, d, "web")
	batch := []Record{{Data: []byte("1"), ID: idOf("1")}, {Data: []byte("2"), ID: idOf("2")}, {Data: []byte("1"), ID: idOf("1")}}
	res, err := l.Append(t.Context(), batch)
	if err != nil || res.Stored != 2 || fmt.Sprint(res.Duplicate) != "[false false true]" {
		t.Fatalf("%+v %v", res, err)
	}
	if l.Position() < res.Position || res.Position == 0 {
		t.Errorf("position %d, the log is at %d", res.Position, l.Position())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir, o)
	l = logOf(t, d, "web")
	if l.Position() < res.Position {
		t.Errorf("position %d was durable, the log is at %d after a restart", res.Position, l.Position())
	}
	again, err := l.Append(t.Context(), append(batch, Record{Data: []byte("3"), ID: idOf("3")}))
	if err != nil || again.Stored != 1 || fmt.Sprint(again.Duplicate) != "[true true true false]" || again.Position <= res.Position {
		t.Fatalf("%+v %v", again, err)
	}
	if st := l.Stats(); st.Records != 1 || st.Duplicates != 3 || st.Segments != 2 {
		t.Errorf("%+v", st)
	}
	for _, s := range l.Segments() {
		l.Release(s.ID)
	}
	if st := l.Stats(); st.Segments != 0 || st.Pending != 0 || st.Disk != 0 || l.Position() < again.Position {
		t.Errorf("after releasing: %+v at %d", st, l.Position())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	l = logOf(t, open(t, dir, o), "web")
	res, err = l.Append(t.Context(), batch)
	if err != nil || res.Stored != 2 {
		t.Errorf("ids of a deleted segment are still known: %+v %v", res, err)
	}
	if res.Position <= again.Position {
		t.Errorf("position %d came after %d", res.Position, again.Position)
	}
}

// TestSuspects: a request that comes again without ids is kept and marked, also after a
// restart; ids of its records go first; too many ids make the oldest forgotten.
func TestSuspects(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	batch := []Record{{Data: []byte("plain")}, {Data: []byte("known"), ID: idOf("k")}}
	if _, err := logOf(t, d, "web").AppendRequest(t.Context(), idOf("body"), batch); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir, Options{SegmentBytes: 1, maxIDs: 2})
	l := logOf(t, d, "web")
	res, err := l.AppendRequest(t.Context(), idOf("body"), batch)
	if err != nil || res.Stored != 1 || l.Stats().Suspected != 1 {
		t.Fatalf("%+v %v %+v", res, err, l.Stats())
	}
	file, err := os.ReadFile(l.Segments()[1].Path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readAll(file, 0)
	if !errors.Is(err, io.EOF) || len(all) != 2 || string(all[0].Data) != "plain" || !all[0].Suspect || all[0].Request != idOf("body") {
		t.Errorf("%+v %v", all, err)
	}
	if _, err := l.Append(t.Context(), []Record{{Data: []byte("third"), ID: idOf("3")}}); err != nil {
		t.Fatal(err)
	}
	if res, err = l.AppendRequest(t.Context(), idOf("body"), batch); err != nil || res.Stored != 2 || l.Stats().Suspected != 1 {
		t.Errorf("forgotten ids: %+v %v %+v", res, err, l.Stats())
	}
}

// TestFull: a full spool refuses, takes again when a segment was released, and what it
// uses stays below the limit.
func TestFull(t *testing.T) {
	d := open(t, t.TempDir(), Options{Limit: 20_000, Keep: 20_000, SegmentBytes: 4000})
	l := logOf(t, d, "web")
	big := records(strings.Repeat("x", 1000))
	n := 0
	for ; ; n++ {
		_, err := l.Append(t.Context(), big)
		if schema.CodeOf(err) == schema.Exhausted {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	st := l.Stats()
	if n < 15 || st.Refused != 1 || st.Records != int64(n) || st.Disk > 20_000 || st.Pending != st.Disk-st.Segments*headerSize {
		t.Errorf("%d taken, then %+v", n, st)
	}
	l.Release(l.Segments()[0].ID)
	if _, err := l.Append(t.Context(), big); err != nil {
		t.Errorf("room was made, but: %v", err)
	}
	d.mu.Lock()
	used := d.used
	d.mu.Unlock()
	if st := l.Stats(); used != st.Disk {
		t.Errorf("%d bytes are counted, %d are on disk", used, st.Disk)
	}
}

// TestManyWriters: everything that was acknowledged is there once, and in the order of
// each writer.
func TestManyWriters(t *testing.T) {
	d := open(t, t.TempDir(), Options{SegmentBytes: 20_000})
	l := logOf(t, d, "web")
	var wg sync.WaitGroup
	const writers, each = 20, 50
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := l.Append(t.Context(), records(fmt.Sprintf("%d:%d", w, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if err := l.Cut(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if err := l.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := [writers]int{}
	for _, c := range chunks(t, l) {
		for _, text := range c {
			var w, i int
			if _, err := fmt.Sscanf(text, "%d:%d", &w, &i); err != nil || next[w] != i {
				t.Fatalf("%s: want number %d (%v)", text, next[w], err)
			}
			next[w]++
		}
	}
	for w, n := range next {
		if n != each {
			t.Errorf("writer %d has %d records, want %d", w, n, each)
		}
	}
}

// TestTorn cuts a segment at every byte: what is whole stays, the rest is set aside.
func TestTorn(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := logOf(t, d, "web")
	var ends []int64
	for i := range 3 {
		if _, err := l.Append(t.Context(), records(fmt.Sprint("a", i), fmt.Sprint("b", i))); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, l.Position()&(1<<32-1))
	}
	path := l.segments[0].path
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		_ = os.Remove(path + ".torn")
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := Open(dir, Options{})
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		expect := 0
		for _, end := range ends {
			if int64(n) >= end {
				expect += 2
			}
		}
		got := 0
		for _, c := range chunks(t, logOf(t, d, "web")) {
			got += len(c)
		}
		if got != expect {
			t.Errorf("cut at %d: %d records are left, want %d", n, got, expect)
		}
		torn, err := os.ReadFile(path + ".torn")
		if err == nil && !bytes.HasSuffix(whole[:n], torn) {
			t.Errorf("cut at %d: what was set aside is not the end of the segment", n)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDamage flips a byte in a sealed segment: reading says so where it is.
func TestDamage(t *testing.T) {
	l := logOf(t, open(t, t.TempDir(), Options{SegmentBytes: 1}), "web")
	if _, err := l.Append(t.Context(), records("hello")); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(l.Segments()[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 0x40
		got, err := readAll(bad, 0)
		if !errors.Is(err, ErrDamaged) || len(got) > 1 {
			t.Errorf("byte %d is another, and reading gives %d entries and %v", i, len(got), err)
		}
	}
}

// TestLimits: a batch that is too large is refused, and an old segment is sealed.
func TestLimits(t *testing.T) {
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	d := open(t, t.TempDir(), Options{Now: clock})
	l := logOf(t, d, "web")
	if _, err := l.Append(t.Context(), []Record{{Data: make([]byte, MaxBatch)}}); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("%v", err)
	}
	if _, err := l.Append(t.Context(), records("x")); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now = now.Add(61 * time.Minute)
	mu.Unlock()
	if err := l.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := l.Segments(); len(s) != 1 || !s[0].Sealed {
		t.Errorf("an old segment is not sealed: %+v", s)
	}
}

// FuzzReader: whatever the bytes are, reading ends, with offsets that grow.
func FuzzReader(f *testing.F) {
	head := appendHeader(nil, [16]byte{1}, time.UnixMilli(1_700_000_000_000))
	f.Add(head)
	f.Add(append(bytes.Clone(head), "trailing"...))
	payload := appendRecord(appendRecord(make([]byte, 8), Record{Data: []byte("a")}), Record{Data: []byte("b"), ID: idOf("b")})
	f.Add(appendFrame(appendFrame(appendFrame(bytes.Clone(head), kindBatch, payload), kindCut, nil), kindSeal, nil))
	f.Add(appendFrame(bytes.Clone(head), kindBatch, append(make([]byte, 8), 1, 2, 3)))
	f.Add(appendFrame(bytes.Clone(head), kindRequest, append(make([]byte, 24), flagSuspect, 1, 'x')))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := NewReader(bytes.NewReader(file), 0)
		if err != nil {
			return
		}
		at := int64(0)
		for {
			e, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, ErrDamaged) {
					t.Errorf("unexpected error: %v", err)
				}
				return
			}
			if e.Offset < at || e.Size <= 0 || e.Offset+e.Size > int64(len(file)) {
				t.Fatalf("an entry at %d with %d bytes, in a file of %d; the one before ended at %d", e.Offset, e.Size, len(file), at)
			}
			at = e.Offset + e.Size
		}
	})
}
