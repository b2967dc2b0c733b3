// Package bench is what `vigil bench` measures with: altered copies of recordings,
// so that repeated input flatters no cache and no codec, and what the processes of a
// running Vigil use.
package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"vigil/internal/source"
)

// Written says what a set of copies holds.
type Written struct {
	Lines    int64
	Distinct int64
	Bytes    int64 // decompressed
}

// Unique is the share of lines that occur once, 0 to 1.
func (w Written) Unique() float64 { return float64(w.Distinct) / float64(max(w.Lines, 1)) }

// Copies writes one zstd file into dir for each object under the paths that holds
// lines: the given number of altered copies of its lines one after another. Objects
// that cannot be read are left out.
func Copies(ctx context.Context, paths []string, dir string, copies int64) (Written, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Written{}, err
	}
	w := writer{seen: map[uint64]struct{}{}, seed: maphash.MakeSeed(), copies: copies}
	n := 0
	for o, err := range source.Objects(ctx, paths) {
		if err != nil {
			continue
		}
		n++
		if err := w.object(ctx, o, filepath.Join(dir, fmt.Sprintf("%04d-%s.zst", n, filepath.Base(o.Name())))); err != nil {
			return Written{}, fmt.Errorf("copying %s: %w", o.Name(), err)
		}
	}
	w.sum.Distinct = int64(len(w.seen))
	return w.sum, context.Cause(ctx)
}

// writer writes copies and counts what it has written.
type writer struct {
	copies int64
	sum    Written
	seen   map[uint64]struct{}
	seed   maphash.Seed
	line   []byte
}

func (w *writer) object(ctx context.Context, o source.Object, name string) (err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(z, 1<<20)
	for c := range w.copies {
		if err := w.copy(ctx, o, out, c); err != nil {
			return errors.Join(err, z.Close())
		}
	}
	return errors.Join(out.Flush(), z.Close())
}

// copy writes copy c of an object; header lines stand once, before the first.
func (w *writer) copy(ctx context.Context, o source.Object, out *bufio.Writer, c int64) error {
	for rec, err := range o.Records(ctx, 0) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return nil // what stands before a break is enough here
		}
		header := bytes.HasPrefix(rec.Data, []byte("#"))
		if header && c > 0 || len(rec.Data) == 0 {
			continue
		}
		w.line = append(w.line[:0], rec.Data...)
		if !header {
			Vary(w.line, uint64(c))
			w.sum.Lines++
			w.seen[maphash.Bytes(w.seed, w.line)] = struct{}{}
		}
		w.line = append(w.line, '\n')
		w.sum.Bytes += int64(len(w.line))
		if _, err := out.Write(w.line); err != nil {
			return err
		}
	}
	return nil
}

// Vary changes a line in place for copy c: the last octet of addresses, the last
// digits of long numbers (times move by minutes, ports stay ports), and every digit
// of long ids and hashes. Letters and short numbers stay, so the line keeps its
// shape. Copy 0 is the line itself.
func Vary(line []byte, c uint64) {
	if c == 0 {
		return
	}
	for i := 0; i < len(line); {
		if !alnum(line[i]) {
			i++
			continue
		}
		end, digits := i, 0
		for ; end < len(line) && alnum(line[end]); end++ {
			if digit(line[end]) {
				digits++
			}
		}
		varyRun(line, i, end, digits, c)
		i = end
	}
}

// varyRun changes the run line[i:end] of letters and digits.
func varyRun(line []byte, i, end, digits int, c uint64) {
	run := line[i:end]
	switch {
	case digits == len(run) && len(run) >= 6:
		rotate(run[len(run)-4:], c)
	case digits == len(run) && len(run) == 5:
		rotate(run[3:], c)
	case digits == len(run) && lastOctet(line, i, end):
		octet(run, c)
	case digits > 0 && len(run) >= 8 && !stamp(run):
		rotate(run, c)
	}
}

// rotate adds another number to each digit, from the copy and the place.
func rotate(run []byte, c uint64) {
	x := c * 0x9E3779B97F4A7C15
	for i := range run {
		if digit(run[i]) {
			run[i] = '0' + byte((uint64(run[i]-'0')+x>>(uint(i)%56))%10)
		}
	}
}

// stamp says whether a run is a date like 20201018T044512Z, which must stay one.
func stamp(run []byte) bool { return len(run) > 8 && digit(run[0]) && run[8] == 'T' }

// lastOctet says whether line[i:end] ends a dotted quad.
func lastOctet(line []byte, i, end int) bool {
	if end-i > 3 || i < 6 || line[i-1] != '.' || end < len(line) && (line[end] == '.' || alnum(line[end])) {
		return false
	}
	dots := 0
	for j := i - 1; j >= 0 && i-j < 13 && (line[j] == '.' || digit(line[j])); j-- {
		if line[j] == '.' {
			dots++
		}
	}
	return dots == 3
}

// octet maps an octet to another of the same number of digits.
func octet(run []byte, c uint64) {
	n := uint64(0)
	for _, b := range run {
		n = n*10 + uint64(b-'0')
	}
	switch len(run) {
	case 1:
		n = (n + c) % 10
	case 2:
		n = 10 + (n-10+c*7)%90
	default:
		n = 100 + (n-100+c*37)%155
	}
	for i := len(run) - 1; i >= 0; i-- {
		run[i] = '0' + byte(n%10)
		n /= 10
	}
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

func alnum(b byte) bool { return digit(b) || b|0x20 >= 'a' && b|0x20 <= 'z' }
