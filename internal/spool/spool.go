package spool

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"

	"vigil/schema"
)

// Options bound a spool.
type Options struct {
	// Org is whose sources are that do not tell: those of before there were several orgs.
	// Default: main.
	Org string
	// Limit is the most bytes on disk, of all sources together; default 2 GiB. What does
	// not fit is refused.
	Limit int64
	// Keep is how many bytes of segments stay after everything of them is committed, for
	// proofs and for recognising re-sends; default a quarter of Limit.
	Keep int64
	// KeepFor is how long they stay at most; default 24 h.
	KeepFor time.Duration
	// SegmentBytes and SegmentAge end a segment; default 64 MiB, or less where Limit is
	// small, and an hour.
	SegmentBytes int64
	SegmentAge   time.Duration
	Log          *slog.Logger     // default slog.Default
	Now          func() time.Time // default time.Now

	maxIDs int // of a log, in memory
}

func (o Options) withDefaults() Options {
	o.Org = cmp.Or(o.Org, schema.DefaultOrg)
	o.Limit = cmp.Or(o.Limit, 2<<30)
	o.Keep = cmp.Or(o.Keep, o.Limit/4)
	o.KeepFor = cmp.Or(o.KeepFor, 24*time.Hour)
	o.SegmentBytes = cmp.Or(o.SegmentBytes, min(64<<20, o.Limit/16))
	o.SegmentAge = cmp.Or(o.SegmentAge, time.Hour)
	o.maxIDs = cmp.Or(o.maxIDs, maxIDs)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Dir is the spool of one host: a folder with a folder a source.
type Dir struct {
	path string
	o    Options
	lock *os.File

	turns turns

	mu   sync.Mutex
	used int64 // bytes on disk, and those promised to batches on their way
	kept int64 // of these, bytes of segments that are released
	logs map[logKey]*Log
}

// logKey names a log: sources of two orgs may have one name.
type logKey struct{ org, source string }

// Open opens the spool in a folder and repairs what a crash left: the torn end of the
// newest segments is set aside, and they are sealed.
func Open(path string, o Options) (*Dir, error) {
	d := &Dir{path: path, o: o.withDefaults(), logs: map[logKey]*Log{}, turns: turns{slots: drains}}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("creating the spool: %w", err)
	}
	if err := d.hold(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the spool: %w", err), d.Close())
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(path, e.Name(), metaName))
		if errors.Is(err, os.ErrNotExist) || !e.IsDir() {
			continue
		}
		var m Meta
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		if err == nil {
			m.Org = cmp.Or(m.Org, d.o.Org)
			_, err = d.open(m, e.Name())
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening the spool of %s: %w", e.Name(), err), d.Close())
		}
	}
	return d, nil
}

// hold takes the spool for this process: two would write into each other's segments. The
// lock ends with the process, however it ends.
func (d *Dir) hold() error {
	f, err := os.OpenFile(filepath.Join(d.path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("locking the spool: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return schema.E(schema.Conflict, "another process uses the spool "+d.path, "name another data folder with --data", err)
	}
	d.lock = f
	return nil
}

const metaName = "source.json"

func (d *Dir) now() time.Time { return d.o.Now() }

// Close writes what waits and ends all logs.
func (d *Dir) Close() error {
	var errs []error
	for _, l := range d.Logs() {
		errs = append(errs, l.close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock != nil { // closing twice is closing once
		errs = append(errs, d.lock.Close())
		d.lock = nil
	}
	return errors.Join(errs...)
}

// Logs returns the logs of all sources of all orgs, by name.
func (d *Dir) Logs() []*Log {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]*Log, 0, len(d.logs))
	for _, l := range d.logs {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *Log) int { return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Org, b.Org)) })
	return out
}

// Lookup returns the log of an org's source; false when it has none here.
func (d *Dir) Lookup(org, source string) (*Log, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l, ok := d.logs[logKey{org, source}]
	return l, ok
}

var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Log returns the log of a source and makes it where there is none. A source keeps the
// kind it began with: its records are parsed by it.
func (d *Dir) Log(m Meta) (*Log, error) {
	if !sourceName.MatchString(m.Source) {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("a source cannot be named %q", m.Source), "letters, digits, dot, hyphen and underscore")
	}
	m.Org = cmp.Or(m.Org, d.o.Org)
	l, ok := d.Lookup(m.Org, m.Source)
	switch {
	case ok && l.Kind != m.Kind:
		return nil, schema.E(schema.Conflict, fmt.Sprintf("the source %s receives %s, not %s", m.Source, l.Kind, m.Kind), "give each kind a source of its own: vigil sources add-push")
	case ok:
		return l, nil
	}
	return d.open(m, schema.OwnName(m.Org, m.Source))
}

// open makes the log of a source from its folder.
func (d *Dir) open(m Meta, folder string) (*Log, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := logKey{m.Org, m.Source}
	if l, ok := d.logs[key]; ok {
		return l, nil
	}
	l := &Log{Meta: m, limits: m.Limits, dir: d, path: filepath.Join(d.path, folder), log: d.o.Log, ids: map[ID]*segment{},
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), stopped: make(chan struct{})}
	if err := l.writeMeta(); err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		return nil, err
	}
	for _, s := range l.segments {
		d.used += s.size
		l.held += s.size
	}
	d.logs[key] = l
	go l.run()
	return l, nil
}

func (l *Log) writeMeta() error {
	if _, err := os.Stat(filepath.Join(l.path, metaName)); err == nil {
		return nil
	}
	if err := os.MkdirAll(l.path, 0o700); err != nil {
		return err
	}
	return errors.Join(l.saveMeta(), syncDir(l.dir.path))
}

// saveMeta replaces the description of the source as a whole.
func (l *Log) saveMeta() error {
	text, err := json.Marshal(l.Meta)
	if err != nil {
		return err
	}
	return ReplaceFile(filepath.Join(l.path, metaName), text)
}

// ReplaceFile puts a file in the place of another as a whole, durably.
func ReplaceFile(name string, text []byte) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// candidate is a segment that may be deleted.
type candidate struct {
	log     *Log
	segment *segment
}

// released lists the segments that may be deleted, oldest first.
func (d *Dir) released() []candidate {
	var out []candidate
	for _, l := range d.Logs() {
		for _, s := range l.released() {
			out = append(out, candidate{l, s})
		}
	}
	slices.SortStableFunc(out, func(a, b candidate) int { return a.segment.Created.Compare(b.segment.Created) })
	return out
}

// prune deletes released segments that are too many or too old.
func (d *Dir) prune() {
	list := d.released()
	var kept int64
	for _, c := range list {
		kept += c.segment.size
	}
	for _, c := range list {
		if kept <= d.o.Keep && d.now().Sub(c.segment.Created) <= d.o.KeepFor {
			return
		}
		kept -= c.segment.size
		c.log.delete(c.segment)
	}
}

// recover reads the segments that are there, and seals those that a process left open.
func (l *Log) recover() error {
	names, err := filepath.Glob(filepath.Join(l.path, "*.seg"))
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		s := &segment{path: name}
		if _, err := fmt.Sscanf(filepath.Base(name), "%d.seg", &s.number); err != nil {
			return fmt.Errorf("%s is no segment: %w", name, err)
		}
		ok, err := l.adopt(s)
		if err != nil {
			return fmt.Errorf("repairing %s: %w", name, err)
		}
		if ok {
			l.segments = append(l.segments, s)
		}
	}
	return nil
}

// adopt reads one segment; false when it holds nothing.
func (l *Log) adopt(s *segment) (bool, error) {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return false, err
	}
	r, err := NewReader(f, 0)
	if err != nil {
		if fi.Size() <= headerSize { // the process ended while it began the segment
			return false, os.Remove(s.path)
		}
		l.log.Error("a spool segment is set aside: its header is damaged", "segment", s.path)
		return false, os.Rename(s.path, s.path+".damaged")
	}
	s.Header = r.Header
	for err == nil {
		var e Entry
		if e, err = r.Next(); err == nil && !e.Cut {
			s.records++
			for _, id := range []ID{e.ID, e.Request} {
				if id != (ID{}) {
					l.ids[id] = s
					s.ids = append(s.ids, id)
				}
			}
		}
	}
	l.forget()
	switch {
	case !errors.Is(err, io.EOF) && !errors.Is(err, ErrDamaged):
		return false, err
	case r.Sealed():
		s.size = fi.Size()
	default:
		if s.size, err = l.seal(s, f, r.Offset(), fi.Size()); err != nil {
			return false, err
		}
	}
	s.cut, s.sealed = s.size, true
	return true, nil
}

// seal ends a segment that a process left open: what stands behind its last whole frame
// is kept beside it, cut off, and the seal put in its place.
func (l *Log) seal(s *segment, f *os.File, end, size int64) (int64, error) {
	if size > end {
		l.log.Warn("the spool was torn by a crash: a batch that nobody was told is safe is set aside", "segment", s.path, "offset", end, "bytes", size-end)
		if err := keepTail(f, s.path+".torn", end); err != nil {
			return 0, err
		}
		if err := f.Truncate(end); err != nil {
			return 0, err
		}
	}
	tail := appendFrame(nil, kindSeal, nil)
	if _, err := f.WriteAt(tail, end); err != nil {
		return 0, err
	}
	return end + int64(len(tail)), f.Sync()
}

func keepTail(f *os.File, name string, from int64) error {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return errors.Join(err, out.Close())
	}
	_, err = io.Copy(out, f)
	return errors.Join(err, out.Close())
}
