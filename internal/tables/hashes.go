package tables

import (
	"encoding/hex"
	"fmt"

	"vigil/schema"
)

// Known is what a table says of a file.
type Known struct {
	Name, Owner, Status string
	hashes              []string
}

// Hashes looks files up by their hash.
type Hashes struct {
	rows  int
	known map[string]*Known
}

func hashSheet() *sheet[Known] {
	return &sheet[Known]{key: "hash", columns: []column[Known]{
		{"hash", takeHashes},
		text("name", func(k *Known) *string { return &k.Name }),
		text("owner", func(k *Known) *string { return &k.Owner }),
		choice("status", func(k *Known) *string { return &k.Status }, "allowed", "unwanted", "denied"),
	}}
}

func takeHashes(k *Known, cell string) error {
	for _, v := range listOf(cell) {
		b, err := hex.DecodeString(v)
		if n := len(b); err != nil || n != 16 && n != 20 && n != 32 {
			return fmt.Errorf("%q is no MD5, SHA-1 or SHA-256 in hexadecimal", v)
		}
		k.hashes = append(k.hashes, folded(v))
	}
	return nil
}

func parseHashes(body []byte) (*Hashes, error) {
	t := &Hashes{known: map[string]*Known{}}
	lines := map[*Known]int{}
	err := hashSheet().parse(body, func(row *Known, line int) error {
		k := *row
		for _, h := range k.hashes {
			if o := t.known[h]; o != nil {
				return fmt.Errorf("the hash %s is already in line %d", h, lines[o])
			}
			t.known[h] = &k
		}
		lines[&k] = line
		t.rows++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Len implements Table.
func (t *Hashes) Len() int { return t.rows }

// Find finds a file by any of its hashes.
func (t *Hashes) Find(hash string) *Known {
	var buf key
	return t.known[string(buf.fold(hash))]
}

// Entities implements Table.
func (t *Hashes) Entities() []schema.Entity { return nil }
