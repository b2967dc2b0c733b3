package tail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// headSize is how much of a file's start its identity is made of, at most. A file that is
// shorter when it is seen first is known by the lines that it had then.
const headSize = 1024

// identity is what tells one content from another while its file grows, is renamed,
// copied or compressed: the inode it was written to, its first bytes, and a number that
// tells contents apart that began alike in the same inode (after a truncation).
type identity struct {
	inode      uint64
	head       int // bytes
	sum        string
	generation int
}

// String is the fingerprint as the manifest keeps it.
func (id identity) String() string {
	return fmt.Sprintf("t1-%x-%x-%s-%x", id.inode, id.head, id.sum, id.generation)
}

// parse reads a fingerprint; false when it is of another kind.
func parse(fingerprint string) (id identity, ok bool) {
	p := strings.Split(fingerprint, "-")
	if len(p) != 5 || p[0] != "t1" || len(p[3]) != 32 {
		return id, false
	}
	inode, err1 := strconv.ParseUint(p[1], 16, 64)
	head, err2 := strconv.ParseUint(p[2], 16, 16)
	generation, err3 := strconv.ParseUint(p[4], 16, 31)
	id = identity{inode: inode, head: int(head), sum: p[3], generation: int(generation)}
	return id, errors.Join(err1, err2, err3) == nil && head > 0 && head <= headSize
}

func headSum(head []byte) string {
	sum := sha256.Sum256(head)
	return hex.EncodeToString(sum[:16])
}

// begins says whether a content that starts with head may be this one.
func (id identity) begins(head []byte) bool {
	return len(head) >= id.head && headSum(head[:id.head]) == id.sum
}

// packed says whether the bytes are the start of a gzip or zstd file.
func packed(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0x1f, 0x8b}) || bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd})
}

// unpack reads a gzip or zstd file.
func unpack(r io.Reader, head []byte) (io.ReadCloser, error) {
	if head[0] == 0x1f {
		return gzip.NewReader(r)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// anchorSize is how many bytes before the place where reading goes on are remembered:
// where they differ, the file was truncated and written anew.
const anchorSize = 256

// Anchor is the hash of the bytes before an offset.
type Anchor struct {
	At  int64  `json:"at"`
	Sum string `json:"sum"`
}

// anchorOf reads the anchor of an offset.
func anchorOf(r io.ReaderAt, at int64) (Anchor, error) {
	n := min(at, anchorSize)
	buf := make([]byte, n)
	if _, err := r.ReadAt(buf, at-n); err != nil {
		return Anchor{}, err
	}
	return Anchor{At: at, Sum: headSum(buf)}, nil
}
