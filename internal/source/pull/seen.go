package pull

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// ID tells a record from others, of one epoch.
type ID [16]byte

// IDs are the ids of a page's records. Records without an id are known by their bytes;
// the same bytes twice in one answer are two records.
func (p Page) IDs(epoch int) []ID {
	out := make([]ID, len(p.Records))
	same := map[string]int{}
	for i, r := range p.Records {
		n := 0
		if r.ID[0] == 'b' {
			n = same[r.ID]
			same[r.ID]++
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", epoch, n, r.ID))
		copy(out[i][:], sum[:])
	}
	return out
}

// maxSeen is how many ids are remembered at most, the newest.
const maxSeen = 1 << 20

// Seen remembers ids in a file: what an overlap or a rewind fetches again is known. It is
// for one goroutine. After a crash the newest may be missing; those are in the spool.
type Seen struct {
	path string
	keep time.Duration
	ids  map[ID]struct{}
	file *os.File
}

const seenSize = 16 + 8

// OpenSeen reads a file of ids, drops those that are older than keep, and makes it where
// there is none.
func OpenSeen(path string, keep time.Duration, now time.Time) (*Seen, error) {
	s := &Seen{path: path, keep: keep}
	return s, s.load(now)
}

func (s *Seen) load(now time.Time) error {
	text, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text = text[:len(text)/seenSize*seenSize] // a torn entry
	text = text[max(0, len(text)-maxSeen*seenSize):]
	s.ids = map[ID]struct{}{}
	var live bytes.Buffer
	for e := range slices.Chunk(text, seenSize) {
		if at := time.Unix(int64(binary.BigEndian.Uint64(e[16:])), 0); now.Sub(at) <= s.keep {
			s.ids[ID(e[:16])] = struct{}{}
			live.Write(e)
		}
	}
	if err := os.WriteFile(s.path+".new", live.Bytes(), 0o600); err != nil {
		return err
	}
	if err := os.Rename(s.path+".new", s.path); err != nil {
		return err
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, err = os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND, 0o600)
	return err
}

// Has says whether an id is known.
func (s *Seen) Has(id ID) bool {
	_, ok := s.ids[id]
	return ok
}

// Add remembers ids.
func (s *Seen) Add(ids []ID, now time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	var b bytes.Buffer
	for _, id := range ids {
		s.ids[id] = struct{}{}
		b.Write(id[:])
		b.Write(binary.BigEndian.AppendUint64(nil, uint64(now.Unix())))
	}
	if _, err := s.file.Write(b.Bytes()); err != nil {
		return err
	}
	if len(s.ids) > 2*maxSeen {
		return s.load(now)
	}
	return nil
}
