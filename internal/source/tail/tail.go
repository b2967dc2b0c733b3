// Package tail follows files that grow, are rotated (renamed, copied and truncated,
// compressed) and removed. It says which ranges of which contents can be read; whoever
// commits them tells it so. It holds files open, so that what is removed is read to its
// end.
package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"vigil/internal/source"
)

// State is how far a content is committed.
type State struct {
	To       int64
	Complete bool
}

// Options of a Follower.
type Options struct {
	Patterns []string // files and globs
	// Known are the contents of which something is committed, by fingerprint.
	Known map[string]State
	// Anchors are those of the known contents, as far as they are remembered.
	Anchors map[string]Anchor
	// Since and Until bound which files are begun, by when they were changed last. With
	// Since, rotated files are begun too.
	Since, Until time.Time
	// Began is when the files were asked for first. Files rotated away that were written to
	// since then are begun too: they came and went while nobody looked.
	Began time.Time
	// Once reads what is there: a half line at the end is taken, nothing is waited for.
	Once bool
	// Settle is how long a file that was rotated away or removed must rest before its end
	// is believed; default 5 s.
	Settle time.Duration
}

const (
	// maxRange is about the most that is handed out of one file at once.
	maxRange = 64 << 20
	// rescan is how often folders are looked at when nothing tells of changes there.
	rescan = time.Second
	// poll is how often open files are looked at when nothing tells of changes.
	poll = 250 * time.Millisecond
)

// Range is what can be read of a content now. The object ends at To.
type Range struct {
	Object source.Object
	From   int64
	To     int64 // -1: to the end of a compressed file
	Last   bool  // nothing follows
	Gone   bool  // the file was rotated away or removed: it is read before its successor
}

// Follower follows files. It is for one goroutine.
type Follower struct {
	o       Options
	known   map[string]State
	files   map[key]*file
	ignored map[key]int64 // files that are copies of what is read elsewhere, with the size they had
	watch   *fsnotify.Watcher
	watched map[string]bool
	scanned time.Time
	dirty   bool // something changed in a folder
	errs    []error
}

// key is a file on this host.
type key struct{ device, inode uint64 }

// file is one open file.
type file struct {
	key    key
	id     identity // zero: it has no line yet
	path   string   // where it was last seen
	name   string   // where it was seen first
	f      *os.File
	packed bool
	to     int64 // committed up to here
	looked int64 // there is no line end between to and here
	anchor Anchor
	gone   bool // it is not at its path any more
	rested time.Time
	size   int64
	ended  bool // its end is committed
}

// New makes a Follower. Where the system cannot tell of changes it polls.
func New(o Options) (*Follower, error) {
	if o.Settle == 0 {
		o.Settle = 5 * time.Second
	}
	o.Patterns = slices.Clone(o.Patterns)
	for _, p := range o.Patterns {
		if _, err := filepath.Match(p, ""); err != nil {
			return nil, fmt.Errorf("the pattern %s: %w", p, err)
		}
	}
	for i, p := range o.Patterns {
		if fi, err := os.Stat(p); err == nil && fi.IsDir() {
			o.Patterns[i] = filepath.Join(p, "*")
		}
	}
	f := &Follower{o: o, known: o.Known, files: map[key]*file{}, ignored: map[key]int64{}, watched: map[string]bool{}, dirty: true}
	if f.known == nil {
		f.known = map[string]State{}
	}
	if f.o.Anchors == nil {
		f.o.Anchors = map[string]Anchor{}
	}
	if w, err := fsnotify.NewWatcher(); err == nil {
		f.watch = w
	}
	return f, nil
}

// Close lets all files go.
func (f *Follower) Close() {
	if f.watch != nil {
		_ = f.watch.Close()
	}
	for _, x := range f.files {
		_ = x.f.Close()
	}
}

// Wait returns when something may have changed, at the latest after the poll interval;
// true when the system told of a change.
func (f *Follower) Wait(ctx context.Context) bool {
	var events chan fsnotify.Event
	var lost chan error
	if f.watch != nil {
		events, lost = f.watch.Events, f.watch.Errors
	}
	t := time.NewTimer(poll)
	defer t.Stop()
	for {
		select {
		case e := <-events:
			f.dirty = f.dirty || !e.Has(fsnotify.Write)
			if e.Has(fsnotify.Chmod) && !e.Has(fsnotify.Write|fsnotify.Create) {
				continue
			}
			f.drain(events)
			return true
		case <-lost: // events were dropped
			f.dirty = true
			return true
		case <-t.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// drain takes the events that are there already.
func (f *Follower) drain(events chan fsnotify.Event) {
	for {
		select {
		case e := <-events:
			f.dirty = f.dirty || !e.Has(fsnotify.Write)
		default:
			return
		}
	}
}

// Scan says what can be read now: first the rest of files that were rotated away. Files
// that cannot be followed are told as *source.Problem.
func (f *Follower) Scan() ([]Range, []error) {
	f.errs = nil
	now := time.Now()
	if f.dirty || now.Sub(f.scanned) >= rescan {
		f.look()
		f.scanned, f.dirty = now, false
	}
	if f.truncated() { // what was copied away before is looked for at once
		clear(f.ignored)
		f.look()
	}
	var out []Range
	for _, x := range f.files {
		if r, ok := f.readable(x, now); ok {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Range) int {
		if a.Gone != b.Gone {
			if a.Gone {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Object.Path, b.Object.Path), cmp.Compare(a.Object.Fingerprint, b.Object.Fingerprint))
	})
	return out, f.errs
}

// Lag is how many bytes of the followed files are not committed.
func (f *Follower) Lag() (n int64) {
	for _, x := range f.files {
		if !x.packed {
			n += max(0, x.size-x.to)
		}
	}
	return n
}

// Files is how many files are followed.
func (f *Follower) Files() int { return len(f.files) }

// Committed says that a content is committed up to an offset; last, that nothing follows.
func (f *Follower) Committed(fingerprint string, to int64, last bool) {
	f.known[fingerprint] = State{To: to, Complete: last}
	for k, x := range f.files {
		if x.id.String() != fingerprint {
			continue
		}
		x.to, x.looked, x.ended = to, to, last
		if x.packed {
			if last {
				f.forget(k, x)
			}
			return
		}
		if a, err := anchorOf(x.f, to); err == nil {
			x.anchor = a
		}
		if last && x.gone {
			f.forget(k, x)
		}
		return
	}
}

// Anchors are those of the contents that are followed, to be remembered across restarts.
func (f *Follower) Anchors() map[string]Anchor {
	out := map[string]Anchor{}
	for _, x := range f.files {
		if x.anchor.Sum != "" {
			out[x.id.String()] = x.anchor
		}
	}
	return out
}

func (f *Follower) forget(k key, x *file) {
	f.ignored[k] = x.size
	_ = x.f.Close()
	delete(f.files, k)
}

func (f *Follower) problem(path string, err error) {
	f.errs = append(f.errs, &source.Problem{Path: path, Err: err})
}

// look compares the folders with the files that are open.
func (f *Follower) look() {
	seen := map[key]string{}
	for _, p := range f.o.Patterns {
		for _, path := range f.matches(p) {
			f.meet(path, false, seen)
		}
	}
	for _, p := range f.o.Patterns { // what may have been rotated away
		for _, path := range append(f.matches(p+".*"), f.matches(p+"-*")...) {
			f.meet(path, true, seen)
		}
	}
	for k, x := range f.files {
		path, here := seen[k]
		if here && path != x.path {
			x.path = path // renamed
		}
		if !x.gone && (!here || path != x.name && taken(x.name, k)) {
			x.gone, x.rested = true, time.Now()
		}
	}
}

// taken says whether another file, or none, is at a path.
func taken(path string, k key) bool {
	fi, err := os.Stat(path)
	return err != nil || keyOf(fi) != k
}

func keyOf(fi fs.FileInfo) key {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return key{uint64(st.Dev), st.Ino}
	}
	return key{}
}

// matches lists a pattern's files, and watches their folders.
func (f *Follower) matches(pattern string) []string {
	list, err := filepath.Glob(pattern)
	if err != nil {
		return nil
	}
	dirs, _ := filepath.Glob(filepath.Dir(pattern))
	for _, d := range dirs {
		if f.watch != nil && !f.watched[d] && f.watch.Add(d) == nil {
			f.watched[d] = true
		}
	}
	return list
}

// meet takes a path into account. What is known of a file that was rotated away is read
// to its end; it is begun only where it was written to since the files were asked for, or
// with Since.
func (f *Follower) meet(path string, rotated bool, seen map[key]string) {
	fi, err := os.Stat(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.problem(path, err)
		}
		return
	}
	if !fi.Mode().IsRegular() {
		return
	}
	k := keyOf(fi)
	if _, twice := seen[k]; twice {
		return
	}
	seen[k] = path
	if f.files[k] != nil {
		return
	}
	if size, ok := f.ignored[k]; ok && size == fi.Size() {
		return
	}
	begin := !rotated || !f.o.Since.IsZero() || !f.o.Began.IsZero() && fi.ModTime().After(f.o.Began)
	if begin && (fi.ModTime().Before(f.o.Since) || !f.o.Until.IsZero() && !fi.ModTime().Before(f.o.Until)) {
		return
	}
	if err := f.adopt(path, k, rotated, begin); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.problem(path, err)
		f.ignored[k] = fi.Size()
	}
}

// adopt opens a file and finds out which content it holds.
func (f *Follower) adopt(path string, k key, rotated, begin bool) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	fi, err := in.Stat()
	if err != nil || keyOf(fi) != k {
		return errors.Join(err, in.Close()) // another file by now: the next look meets it
	}
	x := &file{key: k, path: path, name: path, f: in, size: fi.Size(), gone: rotated, rested: fi.ModTime()}
	if f.o.Once && time.Since(fi.ModTime()) > f.o.Settle {
		x.gone = true // nobody writes to it
	}
	keep, err := f.identify(x, begin)
	if errors.Is(err, errUnsettled) {
		return in.Close()
	}
	if err != nil || !keep {
		f.ignored[k] = fi.Size()
		return errors.Join(err, in.Close())
	}
	f.files[k] = x
	return nil
}
