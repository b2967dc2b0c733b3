package activities

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vigil/schema"
)

// followedHead is what the fingerprint of a followed content says of its start. It is
// written from the description of the fingerprint, and shares nothing with the follower.
func followedHead(fingerprint string) (size int, sum string, ok bool) {
	var inode uint64
	var generation int
	n, err := fmt.Sscanf(strings.ReplaceAll(fingerprint, "-", " "), "t1 %x %x %s %x", &inode, &size, &sum, &generation)
	return size, sum, err == nil && n == 4 && size > 0 && size <= 1<<20
}

// refollow finds the file that holds a followed content, wherever it was rotated to, and
// recounts it there. Where there is none, that is said: its rows were still compared.
func (p *Proof) refollow(ctx context.Context, list []schema.Chunk) error {
	size, sum, _ := followedHead(list[0].Fingerprint)
	var best *Proof
	for _, path := range rotations(list) {
		r, closeAll, err := openAgain(path)
		if err != nil {
			continue
		}
		in := bufio.NewReaderSize(r, 1<<20)
		head, _ := in.Peek(size)
		if have := sha256.Sum256(head); len(head) < size || hex.EncodeToString(have[:16]) != sum {
			closeAll()
			continue
		}
		var try Proof
		err = try.recount(ctx, in, list)
		closeAll()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil && len(try.Problems) == 0 {
			return nil
		}
		if best == nil && err == nil {
			best = &try
		}
	}
	if best == nil {
		p.Gone = append(p.Gone, fmt.Sprintf("%s up to byte %d: the file was removed or written anew; its %d chunks were compared with the tables only", list[0].Object, list[len(list)-1].To, len(list)))
		return os.ErrNotExist
	}
	for _, text := range best.Problems {
		p.problem("%s", text)
	}
	return nil
}

// rotations are the files that may hold the content now: those beside it whose name
// begins alike, its own first.
func rotations(list []schema.Chunk) []string {
	object := list[len(list)-1].Object
	stem, _, _ := strings.Cut(strings.TrimLeft(filepath.Base(object), "."), ".")
	entries, err := os.ReadDir(filepath.Dir(object))
	if err != nil {
		return nil
	}
	out := []string{object}
	for _, e := range entries {
		if path := filepath.Join(filepath.Dir(object), e.Name()); e.Type().IsRegular() && strings.Contains(e.Name(), stem) && !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	return out
}
