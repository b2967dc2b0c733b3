package schema

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// EventID is the deterministic id of an event: the first eight bytes are the
// hash of its object (org, source, epoch, object fingerprint), the last eight
// its byte offset there. The same record ingested again has the same id, and
// neighbouring ids compress to almost nothing.
type EventID [16]byte

// String returns the id as 32 hex digits.
func (id EventID) String() string { return hex.EncodeToString(id[:]) }

// ParseEventID reads the form String writes.
func ParseEventID(s string) (EventID, error) {
	var id EventID
	if len(s) != 32 {
		return id, fmt.Errorf("event id %q: want 32 hex digits", s)
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return id, fmt.Errorf("event id %q: %w", s, err)
	}
	return id, nil
}

// EventIDAt returns the id of the record at offset in the object with that hash.
func EventIDAt(object uint64, offset int64) EventID {
	var id EventID
	binary.BigEndian.PutUint64(id[:8], object)
	binary.BigEndian.PutUint64(id[8:], uint64(offset))
	return id
}

// ObjectHash is the 64-bit identity of one object (file, archive member, spool
// segment, partition) of a source: org, source id, epoch and fingerprint.
func ObjectHash(org, source string, epoch int, fingerprint string) uint64 {
	sum := digest("object", org, source, fmt.Sprint(epoch), fingerprint)
	return binary.BigEndian.Uint64(sum[:8])
}

// HashID derives a short deterministic id (32 hex digits, 128 bits) from its
// parts. Parts are length-prefixed, so no two part lists collide by joining.
func HashID(parts ...string) string {
	sum := digest(parts...)
	return hex.EncodeToString(sum[:16])
}

func digest(parts ...string) [sha256.Size]byte {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}

// ChunkID is the id of a manifest row: source, epoch, object and offset range.
func ChunkID(org, source string, epoch int, object string, from, to int64) string {
	return HashID("chunk", org, source, fmt.Sprint(epoch), object, fmt.Sprint(from), fmt.Sprint(to))
}

// DetectionID is the id of the fact that a rule version fired on an event.
func DetectionID(org, rule, version, event string) string {
	return HashID("detection", org, rule, version, event)
}

// AlertID is the id of an alert: org, rule, de-duplication key and the start of
// its event-time bucket in Unix seconds.
func AlertID(org, rule, key string, bucket int64) string {
	return HashID("alert", org, rule, key, fmt.Sprint(bucket))
}

// OwnName names what a process keeps on disk of an org's source or the like: names of two orgs
// may be one. Neither has an @.
func OwnName(org, name string) string {
	if org == DefaultOrg {
		return name
	}
	return org + "@" + name
}
