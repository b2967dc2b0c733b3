package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"vigil/internal/source"
)

// identify finds the content of a file that was just opened. False: there is nothing to
// read of it.
func (f *Follower) identify(x *file, begin bool) (bool, error) {
	raw, err := readHead(io.NewSectionReader(x.f, 0, headSize))
	if err != nil {
		return false, err
	}
	if len(raw) == 0 {
		return begin && !f.o.Once, nil // it may be written to
	}
	head := raw
	if x.packed = packed(raw); x.packed {
		if time.Since(x.rested) < f.o.Settle {
			return false, errUnsettled
		}
		if head, err = unpackedHead(x, raw); err != nil {
			return false, err
		}
	}
	if id, ok := f.same(x, head); ok {
		st := f.known[id.String()]
		return f.resume(x, id, st), nil
	}
	if id, copied := f.original(x, head); copied {
		st := f.known[id.String()]
		if f.live(id) != nil || st.To > x.size && !x.packed {
			return false, nil // read elsewhere
		}
		x.gone, x.rested = true, time.Now() // copies have no writer
		return f.resume(x, id, st), nil
	}
	if !begin {
		return false, nil
	}
	if x.packed {
		x.id = f.fresh(x.key.inode, head)
	}
	if err := source.Lines(head); err != nil {
		return false, fmt.Errorf("only files of lines are followed: %w", err)
	}
	return true, nil
}

// errUnsettled says that a compressed file may still be written.
var errUnsettled = errors.New("the file was changed just now")

func readHead(r io.Reader) ([]byte, error) {
	head := make([]byte, headSize)
	n, err := io.ReadFull(r, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}

// unpackedHead is the start of what a compressed file holds.
func unpackedHead(x *file, raw []byte) ([]byte, error) {
	r, err := unpack(io.NewSectionReader(x.f, 0, x.size), raw)
	if err != nil {
		return nil, fmt.Errorf("it is not whole: %w", err)
	}
	defer func() { _ = r.Close() }()
	return readHead(r)
}

// fresh is the identity of a content that nothing is known of.
func (f *Follower) fresh(inode uint64, head []byte) identity {
	id := identity{inode: inode, head: min(len(head), headSize), sum: headSum(head[:min(len(head), headSize)])}
	for {
		if _, taken := f.known[id.String()]; !taken && f.live(id) == nil {
			return id
		}
		id.generation++
	}
}

// same finds the content that is known of this very file: the newest that it still holds.
func (f *Follower) same(x *file, head []byte) (best identity, found bool) {
	for fp, st := range f.known {
		id, ok := parse(fp)
		if ok && id.inode == x.key.inode && id.begins(head) && (!found || id.generation > best.generation) && f.holds(x, id, st) {
			best, found = id, true
		}
	}
	return best, found
}

// original finds the known content that another file than its own is a copy of. So little
// that it may be alike by chance is a copy only where all of it is the same.
func (f *Follower) original(x *file, head []byte) (best identity, found bool) {
	for fp, st := range f.known {
		id, ok := parse(fp)
		if !ok || id.inode == x.key.inode || found && id.head < best.head {
			continue
		}
		switch {
		case x.size < anchorSize && !x.packed:
			ok = x.size == st.To && id.begins(head) || time.Since(x.rested) < f.o.Settle && f.live(id) != nil && f.prefix(x, id)
		case id.begins(head) && id.head >= anchorSize:
			ok = f.holds(x, id, st) || f.prefix(x, id)
		case id.begins(head):
			_, remembered := f.anchor(id)
			ok = remembered && st.To >= anchorSize && f.holds(x, id, st)
		default:
			ok = f.live(id) != nil && f.prefix(x, id) // a copy that is under way
		}
		if ok {
			best, found = id, true
		}
	}
	return best, found
}

// holds says whether the file holds what is committed of a content: it is as long, and
// the bytes before the place where reading went on are the same.
func (f *Follower) holds(x *file, id identity, st State) bool {
	a, remembered := f.anchor(id)
	if x.packed {
		return unpackedHolds(x, st.To, a)
	}
	if x.size < st.To {
		return false
	}
	if !remembered || a.At > x.size {
		return true
	}
	have, err := anchorOf(x.f, a.At)
	return err == nil && have == a
}

// anchor is the anchor of a content, if it is remembered.
func (f *Follower) anchor(id identity) (Anchor, bool) {
	if x := f.live(id); x != nil && x.anchor.Sum != "" {
		return x.anchor, true
	}
	a, ok := f.o.Anchors[id.String()]
	return a, ok
}

// unpackedHolds is holds for a compressed file: it is unpacked up to there.
func unpackedHolds(x *file, to int64, a Anchor) bool {
	raw, err := readHead(io.NewSectionReader(x.f, 0, headSize))
	if err != nil {
		return false
	}
	r, err := unpack(io.NewSectionReader(x.f, 0, x.size), raw)
	if err != nil {
		return false
	}
	defer func() { _ = r.Close() }()
	if a.Sum == "" || a.At > to {
		n, err := io.CopyN(io.Discard, r, to)
		return n == to && (err == nil || errors.Is(err, io.EOF))
	}
	tail := min(a.At, anchorSize)
	if _, err := io.CopyN(io.Discard, r, a.At-tail); err != nil {
		return false
	}
	buf := make([]byte, tail)
	if _, err := io.ReadFull(r, buf); err != nil || headSum(buf) != a.Sum {
		return false
	}
	n, _ := io.CopyN(io.Discard, r, to-a.At)
	return n == to-a.At
}

// prefix says whether the file is the start of a content that is being read: a copy that
// is not finished, or an older one.
func (f *Follower) prefix(x *file, id identity) bool {
	live := f.live(id)
	if live == nil {
		return id.head >= anchorSize && x.size < f.known[id.String()].To && !x.packed
	}
	if x.packed || x.size > live.size {
		return false
	}
	a, b := io.NewSectionReader(x.f, 0, x.size), io.NewSectionReader(live.f, 0, x.size)
	bufA, bufB := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		if n != m || !bytes.Equal(bufA[:n], bufB[:m]) {
			return false
		}
		if errA != nil || errB != nil {
			return true
		}
	}
}

// live is the open file that a content is read from.
func (f *Follower) live(id identity) *file {
	for _, x := range f.files {
		if x.id == id {
			return x
		}
	}
	return nil
}

// resume goes on with a content behind what is committed; false when all of it is.
func (f *Follower) resume(x *file, id identity, st State) bool {
	x.id, x.to, x.looked = id, st.To, st.To
	if st.Complete && (x.size == st.To || x.packed) {
		return false
	}
	if a, err := anchorOf(x.f, x.to); err == nil && !x.packed {
		x.anchor = a
	}
	return true
}

// truncated looks at the sizes of the open files. One that is shorter than what was read
// of it, or has other bytes there, was written anew: it gets a new identity.
func (f *Follower) truncated() (any bool) {
	for _, x := range f.files {
		fi, err := x.f.Stat()
		if err != nil {
			continue
		}
		if fi.Size() != x.size {
			x.size, x.rested = fi.Size(), time.Now()
		}
		if x.packed || x.to == 0 || x.size == x.to {
			continue
		}
		if x.size > x.to {
			if have, err := anchorOf(x.f, x.to); err != nil || have == x.anchor || x.anchor.Sum == "" {
				continue
			}
		}
		f.o.Anchors[x.id.String()] = x.anchor
		x.id, x.to, x.looked, x.anchor, x.ended = identity{}, 0, 0, Anchor{}, false
		any = true
	}
	return any
}

// readable says what of a file can be read.
func (f *Follower) readable(x *file, now time.Time) (Range, bool) {
	r := Range{Object: source.Object{Path: x.name, File: x.f, Size: x.size}, From: x.to, To: x.size, Gone: x.gone}
	if x.ended && x.size <= x.to {
		return r, false
	}
	if x.packed {
		r.To, r.Last = -1, true
		r.Object.Fingerprint = x.id.String()
		return r, true
	}
	rested := x.gone && now.Sub(x.rested) >= f.o.Settle
	end := x.size
	if end-x.to > maxRange {
		end, rested = x.to+maxRange, false
	}
	nl, err := lastLine(x.f, max(x.to, x.looked), end)
	if err == nil && nl < 0 && end < x.size { // a very long line
		nl, err = lastLine(x.f, end, x.size)
		end = x.size
	}
	switch {
	case err != nil:
		f.problem(x.path, err)
		return r, false
	case rested:
		r.Last = true
	case nl < 0:
		x.looked = end
		return r, false
	default:
		r.To = nl
	}
	if x.size == 0 { // rotated away and empty
		f.forget(x.key, x)
		return r, false
	}
	if x.id.head == 0 {
		head, err := readHead(io.NewSectionReader(x.f, 0, r.To))
		if err == nil {
			err = source.Lines(head)
		}
		if err != nil {
			f.problem(x.path, err)
			return r, false
		}
		x.id = f.fresh(x.key.inode, head)
	}
	r.Object.Fingerprint, r.Object.Size = x.id.String(), r.To
	if !r.Last {
		r.Object.Limit = r.To
	}
	return r, true
}

// lastLine is the offset behind the last line end in a range, -1 when there is none. It
// looks from the end.
func lastLine(r io.ReaderAt, from, to int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for to > from {
		at := max(from, to-int64(len(buf)))
		n, err := r.ReadAt(buf[:to-at], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return -1, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		to = at
	}
	return -1, nil
}

// Update takes over what is committed by now, by whomever.
func (f *Follower) Update(known map[string]State) {
	for fp, st := range known {
		f.known[fp] = st
	}
	for _, x := range f.files {
		if st, ok := f.known[x.id.String()]; ok && x.id.head > 0 && st.To > x.to && !x.packed && st.To <= x.size {
			f.resume(x, x.id, st)
		}
	}
}

// Find opens the file that holds a content, wherever it was moved to: of the files that
// match the patterns, and those rotated away from them. It is for ranges whose commit is
// in doubt.
func (f *Follower) Find(fingerprint string, to int64) (source.Object, bool) {
	id, ok := parse(fingerprint)
	if !ok {
		return source.Object{}, false
	}
	if f.dirty {
		f.look()
		f.scanned, f.dirty = time.Now(), false
	}
	if x := f.live(id); x != nil && (x.packed || x.size >= to) {
		return source.Object{Path: x.name, File: x.f, Size: to, Fingerprint: fingerprint}, true
	}
	return source.Object{}, false
}
