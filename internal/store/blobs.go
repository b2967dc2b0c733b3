package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// PutBlob stores bytes under their SHA-256, which it returns in hex; a repeat changes nothing.
func (s *Store) PutBlob(ctx context.Context, org string, body []byte) (string, error) {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	n := uint32(0)
	for piece := range slices.Chunk(body, pieceSize) {
		if err := s.insert(ctx, "vigil_private.blobs", "org, hash, n, body", "", [][]any{{org, hash, n, string(piece)}}); err != nil {
			return "", fmt.Errorf("storing a file: %w", err)
		}
		n++
	}
	return hash, nil
}

// Blob returns the bytes stored under a SHA-256, which they are held against.
func (s *Store) Blob(ctx context.Context, org, hash string) ([]byte, error) {
	var body []byte
	err := s.each(ctx, "SELECT body FROM vigil_private.blobs FINAL WHERE org = {org:String} AND hash = {hash:String} ORDER BY n", P{"org": org, "hash": hash}, func(r driver.Rows) error {
		var piece string
		err := r.Scan(&piece)
		body = append(body, piece...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading a file: %w", err)
	}
	if body == nil {
		return nil, schema.E(schema.NotFound, "there is no file of the hash "+hash, "vigil incidents attach ID FILE")
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != hash {
		return nil, schema.E(schema.Internal, "the stored file is damaged: its hash is not "+hash, "")
	}
	return body, nil
}
