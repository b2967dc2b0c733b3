package tail

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const settle = 80 * time.Millisecond

// reader follows files as an activity does, and keeps what it has read.
type reader struct {
	t     *testing.T
	o     Options
	f     *Follower
	lines []string
	names map[string]bool // fingerprints
}

func follow(t *testing.T, patterns ...string) *reader {
	t.Helper()
	r := &reader{t: t, o: Options{Patterns: patterns, Known: map[string]State{}, Settle: settle}, names: map[string]bool{}}
	r.restart()
	t.Cleanup(func() { r.f.Close() })
	return r
}

// restart forgets everything but what is committed and the anchors.
func (r *reader) restart() {
	r.t.Helper()
	if r.f != nil {
		r.o.Anchors = r.f.Anchors()
		r.f.Close()
	}
	f, err := New(r.o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.f = f
}

// step reads what can be read now.
func (r *reader) step() (n int) {
	r.t.Helper()
	r.f.dirty = true
	ranges, errs := r.f.Scan()
	for _, err := range errs {
		r.t.Log(err)
	}
	for _, g := range ranges {
		end := g.From
		for rec, err := range g.Object.Records(r.t.Context(), g.From) {
			if err != nil {
				r.t.Fatal(err)
			}
			r.lines = append(r.lines, string(rec.Data))
			end = rec.Offset + rec.Size
			n++
		}
		if g.To >= 0 && end != g.To {
			r.t.Errorf("read to %d of %d", end, g.To)
		}
		r.names[g.Object.Fingerprint] = true
		r.f.Committed(g.Object.Fingerprint, end, g.Last)
		r.o.Known[g.Object.Fingerprint] = State{To: end, Complete: g.Last}
	}
	return n
}

// rest steps until files that were rotated away are at their end.
func (r *reader) rest() {
	r.t.Helper()
	r.step()
	time.Sleep(settle + 20*time.Millisecond)
	r.step()
	r.step()
}

// want checks that every line was read once; their order across files does not matter.
func (r *reader) want(from, to int) {
	r.t.Helper()
	var want []string
	for i := from; i < to; i++ {
		want = append(want, line(i))
	}
	got := slices.Sorted(slices.Values(r.lines))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("%d lines, want %d: %q", len(got), len(want), strings.Join(got, ","))
	}
}

func line(i int) string { return fmt.Sprintf("line %03d of a log that is followed", i) }

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(line(i) + "\n")
	}
	return b.String()
}

// put appends to a file.
func put(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = io.WriteString(f, text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// copyFile copies as logrotate's copytruncate does, and compresses where the name asks.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	must(t, err)
	f, err := os.Create(to)
	must(t, err)
	if strings.HasSuffix(to, ".gz") {
		z := gzip.NewWriter(f)
		_, err = z.Write(text)
		must(t, err)
		must(t, z.Close())
	} else {
		_, err = f.Write(text)
		must(t, err)
	}
	must(t, f.Close())
}

func TestHalfLineWaits(t *testing.T) {
	p := filepath.Join(t.TempDir(), "app.log")
	r := follow(t, p)
	put(t, p, line(0)+"\n"+line(1)[:5])
	r.step()
	r.want(0, 1)
	put(t, p, line(1)[5:]+"\n")
	r.step()
	r.want(0, 2)
}

// TestRename: the old file is read to its end after it was renamed, also what is written
// to it afterwards, and its successor from the start.
func TestRename(t *testing.T) {
	p := filepath.Join(t.TempDir(), "app.log")
	r := follow(t, p)
	put(t, p, lines(0, 40))
	r.step()
	must(t, os.Rename(p, p+".1"))
	put(t, p+".1", lines(40, 45)+line(45)) // the writer has not reopened yet; the last line never ends
	put(t, p, lines(46, 50))
	r.rest()
	r.want(0, 50)
	if len(r.names) != 2 || len(r.f.files) != 1 {
		t.Errorf("contents %v, %d files open", r.names, len(r.f.files))
	}
}

// TestRotatedWhileDown: what was rotated, and rotated and compressed, while nobody looked
// is read to its end and not twice.
func TestRotatedWhileDown(t *testing.T) {
	for _, name := range []string{"app.log.1", "app.log-20260101", "app.log.1.gz"} {
		for _, pattern := range []string{"app.log", "app.log*"} {
			t.Run(name+" "+pattern, func(t *testing.T) {
				dir := t.TempDir()
				p := filepath.Join(dir, "app.log")
				r := follow(t, filepath.Join(dir, pattern))
				put(t, p, lines(0, 40))
				r.step()
				put(t, p, lines(40, 50))
				if strings.HasSuffix(name, ".gz") {
					copyFile(t, p, filepath.Join(dir, name))
					must(t, os.Remove(p))
					time.Sleep(settle)
				} else {
					must(t, os.Rename(p, filepath.Join(dir, name)))
				}
				put(t, p, lines(50, 60))
				r.restart()
				r.rest()
				r.want(0, 60)
				r.restart()
				r.rest()
				r.want(0, 60)
			})
		}
	}
}

// TestRotatedTwiceWhileDown: files that came and went while nobody looked are read; those
// that were rotated away before the source was asked for are not.
func TestRotatedTwiceWhileDown(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "app.log")
	put(t, p+".3", lines(900, 910))
	old := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(p+".3", old, old))
	r := follow(t, p)
	r.o.Began = time.Now().Add(-time.Minute)
	r.restart()
	put(t, p, lines(0, 20))
	r.step()
	put(t, p, lines(20, 30))
	must(t, os.Rename(p, p+".2"))
	put(t, p+".1", lines(30, 60)) // it was app.log meanwhile
	put(t, p, lines(60, 65))
	r.restart()
	r.rest()
	r.want(0, 65)
}

// TestCopyTruncate: the lines between the last reading and the copy are read from the
// copy, the new ones from the file, and compressing the copy doubles nothing.
func TestCopyTruncate(t *testing.T) {
	for _, pattern := range []string{"app.log", "app.log*"} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprint(pattern, " down ", down), func(t *testing.T) {
				dir := t.TempDir()
				p := filepath.Join(dir, "app.log")
				r := follow(t, filepath.Join(dir, pattern))
				put(t, p, lines(0, 40))
				r.step()
				put(t, p, lines(40, 44))
				copyFile(t, p, p+".1")
				if !down {
					r.f.look() // the copy is met while the file is still whole
				}
				must(t, os.Truncate(p, 0))
				put(t, p, lines(44, 50))
				if down {
					r.restart()
				}
				r.rest()
				r.want(0, 50)
				copyFile(t, p+".1", p+".1.gz")
				must(t, os.Remove(p+".1"))
				time.Sleep(settle)
				r.rest()
				r.restart()
				r.rest()
				r.want(0, 50)
			})
		}
	}
}

// TestTruncateAndGrow: a file that was truncated and has grown beyond the old place since
// is told by the bytes before it.
func TestTruncateAndGrow(t *testing.T) {
	p := filepath.Join(t.TempDir(), "app.log")
	r := follow(t, p)
	put(t, p, lines(0, 5))
	r.step()
	must(t, os.Truncate(p, 0))
	put(t, p, lines(5, 30))
	r.step()
	r.want(0, 30)
	// The same first line again: another content although it begins alike.
	must(t, os.Truncate(p, 0))
	put(t, p, line(5)+"\n"+lines(30, 31))
	r.step()
	if r.lines = slices.DeleteFunc(r.lines, func(s string) bool { return s == line(5) }); len(r.lines) != 30 {
		t.Errorf("%d other lines", len(r.lines))
	}
}

// TestRemoved: a file that is removed is read to its end, and is not missed.
func TestRemoved(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "app.log")
	r := follow(t, filepath.Join(dir, "*.log"))
	put(t, p, lines(0, 10))
	r.step()
	put(t, p, lines(10, 12)+line(12))
	must(t, os.Remove(p))
	r.rest()
	r.want(0, 13)
	if len(r.f.files) != 0 {
		t.Errorf("%d files are open", len(r.f.files))
	}
	put(t, p, lines(13, 15)) // another file, perhaps in the same inode
	r.step()
	r.want(0, 15)
}

// TestNewFiles: files that come later are picked up, small ones and empty ones too, and
// copies that are under way are not read as files of their own.
func TestNewFiles(t *testing.T) {
	dir := t.TempDir()
	r := follow(t, filepath.Join(dir, "*.log*"))
	r.step()
	a := filepath.Join(dir, "a.log")
	put(t, a, "")
	r.step()
	put(t, a, lines(0, 30))
	put(t, filepath.Join(dir, "b.log"), lines(30, 31))
	r.step()
	r.want(0, 31)
	text, err := os.ReadFile(a)
	must(t, err)
	put(t, filepath.Join(dir, "copy.log"), string(text[:700]))
	r.step()
	put(t, filepath.Join(dir, "copy.log"), string(text[700:]))
	r.step()
	r.want(0, 31)
	must(t, os.WriteFile(filepath.Join(dir, "bin.log"), []byte("\x00\x01\x02\x03\n"), 0o600))
	_, errs := func() ([]Range, []error) { r.f.dirty = true; return r.f.Scan() }()
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "bin.log") {
		t.Errorf("%v", errs)
	}
}

// TestAlikeByChance: files that begin with the same few lines are not copies of each
// other.
func TestAlikeByChance(t *testing.T) {
	dir := t.TempDir()
	r := follow(t, filepath.Join(dir, "*.log"))
	for i := range 3 {
		p := filepath.Join(dir, fmt.Sprint(i, ".log"))
		put(t, p, "Starting\n")
		r.step()
		time.Sleep(settle)
		put(t, p, lines(10*i, 10*i+10))
		r.step()
		if i == 1 {
			must(t, os.Remove(p))
			r.rest()
			r.restart()
		}
	}
	r.rest()
	r.lines = slices.DeleteFunc(r.lines, func(s string) bool { return s == "Starting" })
	r.want(0, 30)
}

// TestWakes: a change is told at once, not by polling.
func TestWakes(t *testing.T) {
	p := filepath.Join(t.TempDir(), "app.log")
	r := follow(t, p)
	put(t, p, lines(0, 1))
	r.step()
	for r.f.Wait(t.Context()) {
	}
	began := time.Now()
	put(t, p, lines(1, 2))
	if !r.f.Wait(t.Context()) {
		t.Errorf("it polled (%s)", time.Since(began))
	}
	r.step()
	r.want(0, 2)
}

// TestOnce: what is there is read to its end, a half line of a file that nobody writes to
// included, within the bounds of time.
func TestOnce(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "app.log")
	put(t, p+".2", lines(0, 10))
	put(t, p+".1", lines(10, 20))
	put(t, p, lines(20, 30)+line(30))
	now := time.Now()
	for i, name := range []string{p, p + ".1", p + ".2"} {
		at := now.Add(-time.Duration(i+1) * time.Hour)
		must(t, os.Chtimes(name, at, at))
	}
	r := follow(t, p)
	r.o.Once, r.o.Since = true, now.Add(-150*time.Minute)
	r.restart()
	r.step()
	r.want(10, 31)
	if n := r.step(); n != 0 {
		t.Errorf("%d more lines", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("t1-1f-400-00112233445566778899aabbccddeeff-0")
	f.Add("t1-----")
	f.Fuzz(func(t *testing.T, s string) {
		id, ok := parse(s)
		if back, again := parse(id.String()); ok && (!again || back != id) {
			t.Errorf("%q: %+v, %+v", s, id, back)
		}
	})
}
