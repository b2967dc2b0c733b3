package spool

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"vigil/schema"
)

// Log is the spool of one source: many writers, one fsync at a time, one drain.
type Log struct {
	Meta
	dir  *Dir
	path string
	log  *slog.Logger

	wake    chan struct{} // something waits to be written
	changed chan struct{} // something was written that no drain has seen
	stopped chan struct{}

	mu       sync.Mutex
	next     *group // being filled
	flying   *group // being written
	closed   bool
	broken   error
	segments []*segment // oldest first
	file     *os.File   // of the newest segment, nil before the first record
	ids      map[ID]*segment
	stats    Stats

	// Guarded by dir.mu:
	limits Limits
	held   int64 // bytes that wait to be committed, and those promised to batches
	tokens float64
	paced  time.Time

	finish, cost float64 // where its next turn starts, and what the last one cost; guarded by dir.turns.mu
}

// Meta is what a spool knows of its source.
type Meta struct {
	Org    string `json:"org,omitempty"` // whose source it is
	Source string `json:"source"`
	Kind   string `json:"kind"`   // bulk, hec, otlp, syslog
	Format string `json:"format"` // parser format of its records
	Limits        // of a Log they may change: Log.InForce are those in force
	// Last is the number of the newest segment that was deleted: numbers are not used
	// again, so that positions grow.
	Last uint64 `json:"last,omitempty"`
}

// segment is the state of one file.
type segment struct {
	Header
	number    uint64
	path      string
	size      int64 // durable bytes
	cut       int64 // end of the last cut
	drained   int64 // what stands before it is committed, as far as this process knows
	records   int64
	sealed    bool
	committed bool
	ids       []ID
}

// group is what one fsync covers.
type group struct {
	buf     []byte // frames
	ids     []ID
	records int64
	cut     bool
	done    chan struct{}
	err     error
	start   int64 // position of buf once it is written
}

// position orders everything that is on disk, across segments and restarts. It fits the
// integers of JSON.
func (s *segment) position(offset int64) int64 { return int64(s.number)<<32 | offset }

// Result says what became of a batch.
type Result struct {
	Stored int
	// Duplicate tells, by index, records whose ID is in the spool already; nil: none.
	Duplicate []bool
	// Position is where the batch ends on disk: it grows from batch to batch and survives
	// restarts. Whatever is not behind Log.Position is durable.
	Position int64
}

// Stats are the counters of a log since the process started, and its size now.
type Stats struct {
	Records    int64  `json:"records"`    // taken in and on disk
	Bytes      int64  `json:"bytes"`      // of these records
	Duplicates int64  `json:"duplicates"` // re-sends known by their id, answered and not stored
	Suspected  int64  `json:"suspected"`  // records without id in a request that came before: stored, and marked
	Refused    int64  `json:"refused"`    // records that got a "try later": the spool was full, or their source had its share
	Invalid    int64  `json:"invalid"`    // records and requests that are not what their protocol asks for: never kept
	Dropped    int64  `json:"dropped"`    // datagrams that could not be kept: lost, and counted
	Pending    int64  `json:"pending"`    // bytes on disk that are not committed
	Disk       int64  `json:"disk"`       // bytes on disk
	Segments   int64  `json:"segments"`
	Error      string `json:"error,omitempty"`
}

// Append stores a batch and returns when it is on disk. Records whose ID the spool still
// knows are not stored again. A full spool is Exhausted: nothing of the batch is kept.
func (l *Log) Append(ctx context.Context, batch []Record) (Result, error) {
	return l.AppendRequest(ctx, ID{}, batch)
}

// AppendRequest is Append for a batch that came in a request, of whose bytes id is made.
// Where the spool still knows the same request, it may be a re-send or may truly have
// happened twice: records without an ID of their own are kept, and marked as suspects.
func (l *Log) AppendRequest(ctx context.Context, id ID, batch []Record) (Result, error) {
	size, err := batchSize(batch)
	if err != nil {
		return Result{}, err
	}
	if err := l.dir.reserve(l, size); err != nil {
		l.mu.Lock()
		l.stats.Refused += int64(len(batch))
		l.mu.Unlock()
		return Result{}, err
	}
	g, res, err := l.add(id, batch, size)
	if err != nil {
		return res, err
	}
	if g == nil { // all of it is on disk already
		res.Position = l.Position()
		return res, nil
	}
	select {
	case <-g.done:
		res.Position += g.start
		return res, g.err
	case <-ctx.Done():
		return Result{}, context.Cause(ctx) // it may be stored: the sender sends it again
	}
}

// batchSize is the most that the batch takes on disk.
func batchSize(batch []Record) (int64, error) {
	size := int64(frameHead + 8 + 16)
	for _, r := range batch {
		size += int64(len(r.Data)) + 1 + int64(len(r.ID)) + binary.MaxVarintLen64
	}
	if size > MaxBatch {
		return 0, schema.E(schema.Invalid, fmt.Sprintf("a batch of %d bytes is too large", size), fmt.Sprintf("send at most %d at once", MaxBatch))
	}
	return size, nil
}

// add puts the batch into the group that is written next, and returns the group whose
// end makes the batch durable; nil: it is already.
func (l *Log) add(request ID, batch []Record, reserved int64) (*group, Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var took int64
	defer func() { l.grow(took - reserved) }()
	switch {
	case l.closed:
		return nil, Result{}, schema.E(schema.Unavailable, "the spool is closed", "try again when Vigil is up again")
	case l.broken != nil:
		return nil, Result{}, schema.E(schema.Unavailable, "the spool of "+l.Source+" cannot be written", "see `vigil doctor`; a restart tries again", l.broken)
	}
	res := l.encode(request, batch)
	if res.Stored > 0 {
		took = res.Position
		res.Position = int64(len(l.next.buf))
		l.signal()
		return l.next, res, nil
	}
	if l.next != nil { // what the re-send repeats may be in it
		res.Position = int64(len(l.next.buf))
		return l.next, res, nil
	}
	return l.flying, res, nil
}

// encode appends the batch's new records to the next group as one frame, whose size is
// the result's Position for now.
func (l *Log) encode(request ID, batch []Record) Result {
	var res Result
	kind := byte(kindBatch)
	payload := binary.BigEndian.AppendUint64(make([]byte, 0, 512), uint64(l.dir.now().UnixMilli()))
	var ids []ID
	suspect := false
	if request != (ID{}) {
		kind = kindRequest
		payload = append(payload, request[:]...)
		if _, suspect = l.ids[request]; !suspect {
			ids = append(ids, request)
		}
	}
	for i, r := range batch {
		if r.ID != (ID{}) {
			if _, known := l.ids[r.ID]; known {
				if res.Duplicate == nil {
					res.Duplicate = make([]bool, len(batch))
				}
				res.Duplicate[i] = true
				l.stats.Duplicates++
				continue
			}
			l.ids[r.ID] = nil
			ids = append(ids, r.ID)
		}
		if r.suspect = suspect && r.ID == (ID{}); r.suspect {
			l.stats.Suspected++
		}
		payload = appendRecord(payload, r)
		res.Stored++
	}
	if res.Stored == 0 {
		return res
	}
	if request != (ID{}) && !suspect {
		l.ids[request] = nil
	}
	g := l.group()
	before := len(g.buf)
	g.buf = appendFrame(g.buf, kind, payload)
	g.ids = append(g.ids, ids...)
	g.records += int64(res.Stored)
	l.stats.Bytes += int64(len(payload))
	res.Position = int64(len(g.buf) - before)
	return res
}

func (l *Log) group() *group {
	if l.next == nil {
		l.next = &group{done: make(chan struct{})}
	}
	return l.next
}

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run writes groups until the log is closed and nothing waits.
func (l *Log) run() {
	defer close(l.stopped)
	for {
		l.mu.Lock()
		g := l.next
		l.next, l.flying = nil, g
		closed := l.closed
		l.mu.Unlock()
		if g == nil {
			if closed {
				return
			}
			<-l.wake
			continue
		}
		g.err = l.write(g)
		l.mu.Lock()
		l.flying = nil
		if g.err == nil {
			l.stats.Records += g.records
		}
		l.mu.Unlock()
		close(g.done)
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}
}

// smallSegment is what is never ended early: where room is scarce, every segment is a
// file for one cut.
const smallSegment = 1 << 20

// write puts the group behind the newest segment, with one fsync, and starts a new
// segment where the old one is large or old enough.
func (l *Log) write(g *group) error {
	l.mu.Lock()
	s, err := l.active()
	l.mu.Unlock()
	if err != nil {
		return l.fail(g, nil, err)
	}
	if s == nil { // nothing was ever written: nothing to cut
		return nil
	}
	buf := g.buf
	end := s.size + int64(len(buf))
	full := end >= l.dir.o.SegmentBytes || g.cut && (l.dir.now().Sub(s.Created) >= l.dir.o.SegmentAge || end >= smallSegment && l.dir.tight())
	cutNow := g.cut && end > s.cut
	switch {
	case full:
		buf = appendFrame(buf, kindSeal, nil)
	case cutNow:
		buf = appendFrame(buf, kindCut, nil)
	}
	if len(buf) == 0 {
		return nil
	}
	if _, err := l.file.Write(buf); err != nil {
		return l.fail(g, s, err)
	}
	if err := l.file.Sync(); err != nil {
		return l.fail(g, s, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grow(int64(len(buf) - len(g.buf)))
	g.start = s.position(s.size)
	s.size += int64(len(buf))
	s.records += g.records
	if full || cutNow {
		s.cut = s.size
	}
	for _, id := range g.ids {
		l.ids[id] = s
	}
	s.ids = append(s.ids, g.ids...)
	l.forget()
	if full {
		s.sealed = true
		_ = l.file.Close() // it is synced
		l.file = nil
	}
	return nil
}

// maxIDs bounds the memory of a log's ids, about 100 bytes each.
const maxIDs = 2 << 20

// forget drops the ids of the oldest segments where there are too many.
func (l *Log) forget() {
	for _, s := range l.segments {
		if len(l.ids) <= l.dir.o.maxIDs {
			return
		}
		for _, id := range s.ids {
			delete(l.ids, id)
		}
		s.ids = nil
	}
}

// fail takes back what could not be made durable. After a failed fsync nobody knows what
// the disk holds: the log refuses everything until a restart has looked.
func (l *Log) fail(g *group, s *segment, cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range g.ids {
		delete(l.ids, id)
	}
	l.grow(-int64(len(g.buf)))
	if s != nil {
		terr := l.file.Truncate(s.size)
		_, serr := l.file.Seek(s.size, io.SeekStart)
		if rerr := errors.Join(terr, serr, l.file.Sync()); rerr != nil || !errors.Is(cause, syscall.ENOSPC) {
			l.broken = errors.Join(cause, rerr)
		}
	}
	l.log.Error("the spool could not be written", "source", l.Source, "error", cause)
	return schema.E(schema.Unavailable, "the spool of "+l.Source+" could not be written", "free disk space; the sender sends again", cause)
}

// active returns the segment to append to, a new one where needed; nil when there is
// none and nothing to write.
func (l *Log) active() (*segment, error) {
	if l.file != nil {
		return l.segments[len(l.segments)-1], nil
	}
	if l.flying != nil && len(l.flying.buf) == 0 {
		return nil, nil
	}
	s := &segment{number: l.newest() + 1}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	head := appendHeader(nil, id, l.dir.now())
	s.Header, _ = parseHeader(head)
	s.path = filepath.Join(l.path, fmt.Sprintf("%016d.seg", s.number))
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(head); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(s.path))
	}
	if err := syncDir(l.path); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(s.path))
	}
	s.size, s.cut = headerSize, headerSize
	l.grow(headerSize)
	l.file = f
	l.segments = append(l.segments, s)
	return s, nil
}

// newest is the highest segment number that was used.
func (l *Log) newest() uint64 {
	n := l.Last
	if k := len(l.segments); k > 0 {
		n = max(n, l.segments[k-1].number)
	}
	return n
}

// Segment is a segment as its drain sees it.
type Segment struct {
	Header
	Path   string
	Cut    int64 // it may be read up to here
	Sealed bool  // nothing follows behind Cut
}

// Segments returns the segments that are not released, oldest first.
func (l *Log) Segments() []Segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Segment
	for _, s := range l.segments {
		if !s.committed {
			out = append(out, Segment{Header: s.Header, Path: s.path, Cut: s.cut, Sealed: s.sealed})
		}
	}
	return out
}

// Changed is signalled after writes.
func (l *Log) Changed() <-chan struct{} { return l.changed }

// Cut ends a chunk behind everything that is durable now, durably: whoever reads the
// segment afterwards, now or after a crash, cuts there.
func (l *Log) Cut(ctx context.Context) error {
	l.mu.Lock()
	if l.closed || l.broken != nil || l.next == nil && l.flying == nil && !l.uncut() {
		l.mu.Unlock()
		return nil
	}
	g := l.group()
	g.cut = true
	l.signal()
	l.mu.Unlock()
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Waiting says whether Cut would find something to cut.
func (l *Log) Waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.uncut()
}

// uncut says whether something durable stands behind the last cut.
func (l *Log) uncut() bool {
	n := len(l.segments)
	if n == 0 || l.segments[n-1].sealed {
		return false
	}
	s := l.segments[n-1]
	return s.size > s.cut || s.size > headerSize && l.dir.now().Sub(s.Created) >= l.dir.o.SegmentAge
}

// Position is the end of what is on disk.
func (l *Log) Position() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.segments); n > 0 {
		return l.segments[n-1].position(l.segments[n-1].size)
	}
	return int64(l.Last)<<32 | (1<<32 - 1) // everything up to there was
}

// Drained says that what stands before the offset is committed: it waits no more.
func (l *Log) Drained(id string, to int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if s.ID == id && !s.committed && to > s.drained {
			l.settle(to-s.drained, 0, 0)
			s.drained = to
		}
	}
}

// Release says that every chunk of a sealed segment is committed. Its file stays for
// proofs and for recognising re-sends until its room is needed.
func (l *Log) Release(id string) {
	l.mu.Lock()
	for _, s := range l.segments {
		if s.ID == id && s.sealed && !s.committed {
			l.settle(s.size-s.drained, s.size, 0)
			s.committed, s.drained = true, s.size
		}
	}
	l.mu.Unlock()
	l.dir.prune()
}

// released returns the segments that may be deleted.
func (l *Log) released() []*segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*segment
	for _, s := range l.segments {
		if s.committed {
			out = append(out, s)
		}
	}
	return out
}

// delete takes a released segment away, and with it the ids it is known by.
func (l *Log) delete(s *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.segments, s)
	if i < 0 {
		return
	}
	if i == len(l.segments)-1 {
		l.Last = s.number
		if err := l.saveMeta(); err != nil {
			l.log.Warn("a released spool segment is not deleted: its number cannot be kept", "segment", s.path, "error", err)
			return
		}
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		l.log.Warn("a released spool segment cannot be deleted", "segment", s.path, "error", err)
	}
	for _, id := range s.ids {
		delete(l.ids, id)
	}
	l.segments = slices.Delete(l.segments, i, i+1)
	l.settle(0, -s.size, s.size)
}

const pinName = "pinned.json"

// Pin keeps a document for the drain of this log, durably; nil takes it away. It is what
// the drain must remember of chunks that may be partly stored.
func (l *Log) Pin(doc []byte) error {
	name := filepath.Join(l.path, pinName)
	if doc != nil {
		return ReplaceFile(name, doc)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Pinned is the document of Pin, nil when there is none.
func (l *Log) Pinned() []byte {
	doc, err := os.ReadFile(filepath.Join(l.path, pinName))
	if err != nil {
		return nil
	}
	return doc
}

// Drop counts records that are lost because nobody can be told to send them again.
func (l *Log) Drop(n int) {
	l.mu.Lock()
	l.stats.Dropped += int64(n)
	l.mu.Unlock()
}

// Invalid counts what a sender was told is wrong with what it sent.
func (l *Log) Invalid(n int) {
	l.mu.Lock()
	l.stats.Invalid += int64(n)
	l.mu.Unlock()
}

// Stats returns the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.stats
	for _, s := range l.segments {
		st.Segments++
		st.Disk += s.size
		if !s.committed {
			st.Pending += s.size - max(s.drained, headerSize)
		}
	}
	if l.broken != nil {
		st.Error = l.broken.Error()
	}
	return st
}

// close writes what waits, and ends the log.
func (l *Log) close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.signal()
	<-l.stopped
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
