// Package source turns places where bytes come from (files, folders, archives)
// into records with their offsets. It knows compression and framing, and nothing
// of what a record means.
package source

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"vigil/internal/spool"
	"vigil/schema"
)

// MaxRecord is the longest record that is kept whole, in bytes. The head of a longer
// one is handed on as TooLong, and reading goes on behind it.
const MaxRecord = 16 << 20

// keptHead is how much of a record that is too long is kept.
const keptHead = 64 << 10

// Object is one stream of records: a file, or a member of an archive.
type Object struct {
	Path   string // file on this host
	Member string // name inside a zip archive, "" otherwise
	Size   int64  // stored (compressed) bytes
	// Fingerprint is the identity of the content: a second delivery of the same
	// bytes under another name is the same object.
	Fingerprint string
	// Limit is set for a spool segment that still grows: it is read up to there, and its
	// end is not the object's end.
	Limit int64
	// Spool says that the object is a segment of this host's spool: there is no other
	// copy of it, so that trouble in reading it is tried again instead of ending it.
	Spool bool
	// Feed is set for a chunk of a queue; there is no file then.
	Feed *Feed
	// Label names the object to people and parsers where Path is only a copy of it.
	Label string
	// File is the open file of one that is followed: by now its path may be that of another
	// file. It is read up to Size, and stays open.
	File *os.File
}

// Passing says whether an error of reading the object may go away: then the object is
// not at its end.
func (o Object) Passing(err error) bool { return o.Spool && !errors.Is(err, spool.ErrDamaged) }

// Spooled is the object of a spool segment. Its identity is the segment's own, so that
// it stays the same object while it grows.
func Spooled(s spool.Segment) Object {
	o := Object{Path: s.Path, Size: s.Cut, Fingerprint: s.ID, Spool: true}
	if !s.Sealed {
		o.Limit = s.Cut
	}
	return o
}

// Name is the object as shown to people and as parsers see it.
func (o Object) Name() string {
	name := o.Path
	if o.Label != "" {
		name = o.Label
	}
	if o.Member != "" {
		name += "!" + o.Member
	}
	return name
}

// Problem is an object that cannot be read, with what a person can do about it.
type Problem struct {
	Path string
	Err  error
}

// Error names the path and the cause.
func (p *Problem) Error() string { return p.Path + ": " + p.Err.Error() }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Objects walks the paths, folders recursively and in sorted order, and yields every
// object. What cannot be read is yielded as a *Problem; the walk goes on.
func Objects(ctx context.Context, paths []string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for _, p := range paths {
			if !walk(ctx, p, yield) {
				return
			}
		}
	}
}

func walk(ctx context.Context, root string, yield func(Object, error) bool) bool {
	found, goOn := 0, true
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			goOn = yield(Object{}, &Problem{path, err})
		} else if !d.IsDir() {
			found++
			goOn = file(path, yield)
		}
		if !goOn {
			return fs.SkipAll
		}
		if err != nil && d != nil && d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil && goOn {
		return yield(Object{}, &Problem{root, err})
	}
	if found == 0 && goOn {
		if fi, err := os.Stat(root); err == nil && fi.IsDir() {
			return yield(Object{}, &Problem{root, errors.New("the folder holds no files")})
		}
	}
	return goOn
}

// file yields the object of a plain file, or those of an archive's members.
func file(path string, yield func(Object, error) bool) bool {
	f, err := os.Open(path)
	if err != nil {
		return yield(Object{}, &Problem{path, err})
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	switch {
	case err != nil:
		return yield(Object{}, &Problem{path, err})
	case !fi.Mode().IsRegular():
		return yield(Object{}, &Problem{path, errors.New("not a regular file")})
	case fi.Size() == 0:
		return yield(Object{}, &Problem{path, errors.New("the file is empty")})
	}
	head := make([]byte, len(spool.Magic))
	_, _ = f.ReadAt(head, 0)
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return members(path, f, fi.Size(), yield)
	}
	if string(head) == spool.Magic {
		h, err := spool.ReadHeader(path)
		if err != nil {
			return yield(Object{}, &Problem{path, err})
		}
		return yield(Object{Path: path, Size: fi.Size(), Fingerprint: h.ID}, nil)
	}
	sum, err := fingerprint(f, fi.Size())
	if err != nil {
		return yield(Object{}, &Problem{path, err})
	}
	return yield(Object{Path: path, Size: fi.Size(), Fingerprint: sum}, nil)
}

func members(path string, f *os.File, size int64, yield func(Object, error) bool) bool {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return yield(Object{}, &Problem{path, fmt.Errorf("reading the zip archive: %w", err)})
	}
	files := slices.Clone(z.File)
	slices.SortFunc(files, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range files {
		if m.FileInfo().IsDir() {
			continue
		}
		if m.UncompressedSize64 == 0 {
			if !yield(Object{}, &Problem{path + "!" + m.Name, errors.New("the file is empty")}) {
				return false
			}
			continue
		}
		// The archive already carries the checksum of the content.
		sum := schema.HashID("zip", m.Name, fmt.Sprint(m.CRC32), fmt.Sprint(m.UncompressedSize64))
		o := Object{Path: path, Member: m.Name, Size: int64(m.CompressedSize64), Fingerprint: sum}
		if !yield(o, nil) {
			return false
		}
	}
	return true
}

// fingerprint is SHA-256 over the size and 17 evenly spread blocks of 64 KiB: cheap
// on a 100 GB file, and two different logs do not share it.
func fingerprint(f io.ReaderAt, size int64) (string, error) {
	const block, blocks = 64 << 10, 16
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, size)
	buf := make([]byte, block)
	step := max(block, (size-block)/blocks)
	for at := int64(0); at < size; at += step {
		n, err := f.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		h.Write(buf[:n])
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// open opens the object for reading, decompressed.
func (o Object) open() (*stack, error) {
	f := o.File
	s := &stack{count: &counter{}}
	if f == nil {
		var err error
		if f, err = os.Open(o.Path); err != nil {
			return nil, err
		}
		s.closers = append(s.closers, f)
		s.base = f
	} else {
		s.base = io.NewSectionReader(f, 0, o.Size)
	}
	s.count.r = s.base
	raw, err := o.member(f, s.count)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	r, plain, err := decompress(raw)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading %s: %w", o.Name(), err), s.Close())
	}
	if !plain || o.Member != "" {
		s.base = nil
	}
	s.Reader = r
	s.closers = append([]io.Closer{r}, s.closers...)
	return s, nil
}

func (o Object) member(f *os.File, count *counter) (io.Reader, error) {
	if o.Member == "" {
		return count, nil
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(f, fi.Size())
	if err != nil {
		return nil, err
	}
	for _, m := range z.File {
		if m.Name == o.Member {
			raw, err := m.Open()
			if err != nil {
				return nil, err
			}
			count.r = raw
			return count, nil
		}
	}
	return nil, fmt.Errorf("%s has no member %s any more", o.Path, o.Member)
}

// decompress looks at the first bytes and unwraps gzip or zstd; plain says that there was
// nothing to unwrap.
func decompress(r io.Reader) (out io.ReadCloser, plain bool, err error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	head = head[:n]
	all := io.MultiReader(bytes.NewReader(head), r)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(all)
		return z, false, err
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// One decoder goroutine; a window a hostile file may ask for is bounded.
		z, err := zstd.NewReader(all, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, false, err
		}
		return z.IOReadCloser(), false, nil
	default:
		return io.NopCloser(all), true, nil
	}
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) read() int64 { return c.n }

// stack is an opened object: its decompressed bytes, and what to close.
type stack struct {
	io.Reader
	count   *counter
	base    io.ReadSeeker // the bytes themselves, if nothing is unwrapped
	closers []io.Closer
}

// ahead goes n bytes on without reading them, if it can: what was read so far must be in
// the reader's hands. It does not go behind the end.
func (s *stack) ahead(n int64) error {
	if s.base == nil || n <= 0 {
		return nil
	}
	at, err := s.base.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	end, err := s.base.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if at+n > end {
		return io.ErrUnexpectedEOF
	}
	s.count.n += n
	_, err = s.base.Seek(at+n, io.SeekStart)
	return err
}

func (s *stack) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
