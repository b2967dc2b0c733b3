// Package audit builds and verifies the hash chain of the audit trail. Each
// writer (process instance) has a chain of its own per organisation: every record
// carries the hash of the one before it, and signed heads kept elsewhere tell how
// long the chain was, so that a cut tail is found too.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/schema"
)

// canonical is the form that is hashed: fixed field order, sorted details, times
// as microseconds (what the store keeps).
type canonical struct {
	Org     string            `json:"org"`
	Writer  string            `json:"writer"`
	Seq     uint64            `json:"seq"`
	ID      string            `json:"id"`
	Time    int64             `json:"time"`
	Actor   string            `json:"actor"`
	Verb    string            `json:"verb"`
	Object  string            `json:"object"`
	Outcome string            `json:"outcome"`
	Details map[string]string `json:"details"`
	Prev    string            `json:"prev"`
}

// Hash returns the hex SHA-256 over the record's canonical form, Prev included.
func Hash(r schema.AuditRecord) string {
	d := r.Details
	if d == nil {
		d = map[string]string{}
	}
	b, _ := json.Marshal(canonical{r.Org, r.Writer, r.Seq, r.ID, r.Time.UnixMicro(), r.Actor, r.Verb, r.Object, r.Outcome, d, r.Prev}) // strings and numbers cannot fail
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Seal makes r the link after prev (the zero Head starts the chain).
func Seal(prev Head, r schema.AuditRecord) schema.AuditRecord {
	r.Writer, r.Seq, r.Prev = prev.Writer, prev.Seq+1, prev.Hash
	r.Time = r.Time.UTC().Truncate(time.Microsecond)
	r.Hash = Hash(r)
	return r
}

// Head is the end of a writer's chain at some time.
type Head struct {
	Org       string    `json:"org"`
	Writer    string    `json:"writer"`
	Seq       uint64    `json:"seq"`
	Hash      string    `json:"hash"`
	Time      time.Time `json:"time,omitzero"`
	Signature string    `json:"signature,omitempty"` // over Message, by the decision key, domain HeadDomain
}

// HeadDomain is the signing domain of heads.
const HeadDomain = "audit-head"

// Message is the text whose signature a head carries.
func (h Head) Message() []byte {
	return fmt.Appendf(nil, "%s\n%s\n%d\n%s\n%d", h.Org, h.Writer, h.Seq, h.Hash, h.Time.UnixMilli())
}

// Problem is one place where the trail is not what was written.
type Problem struct {
	Writer string `json:"writer"`
	Seq    uint64 `json:"seq"`
	Kind   string `json:"kind"` // changed, dropped, reordered, doubled, truncated, head
	Text   string `json:"text"`
}

// String names the position and what is wrong there.
func (p Problem) String() string {
	return fmt.Sprintf("%s: writer %s, record %d: %s", p.Kind, p.Writer, p.Seq, p.Text)
}

// Report is the result of a verification.
type Report struct {
	OK       bool      `json:"ok"`
	Records  int       `json:"records"`
	Writers  int       `json:"writers"`
	Heads    int       `json:"heads"`
	Problems []Problem `json:"problems"`
}

// Verifier checks a trail record by record; the records of one writer must come in
// the order in which they are stored or were exported.
type Verifier struct {
	state    map[string]*chain
	order    []string
	heads    []Head
	check    func(Head) bool
	problems []Problem
	records  int
}

type chain struct {
	head   Head
	hashes map[uint64]string // at the sequence numbers that a head names
}

// NewVerifier returns a verifier that also holds the trail against heads; check
// says whether a head's signature is good, nil takes them as they are.
func NewVerifier(heads []Head, check func(Head) bool) *Verifier {
	return &Verifier{state: map[string]*chain{}, heads: heads, check: check}
}

func chainKey(org, writer string) string { return org + "\x00" + writer }

func (v *Verifier) problem(writer string, seq uint64, kind, format string, args ...any) {
	v.problems = append(v.problems, Problem{writer, seq, kind, fmt.Sprintf(format, args...)})
}

// Add checks the next record.
func (v *Verifier) Add(r schema.AuditRecord) {
	v.records++
	key := chainKey(r.Org, r.Writer)
	c := v.state[key]
	if c == nil {
		c = &chain{head: Head{Org: r.Org, Writer: r.Writer}, hashes: map[uint64]string{}}
		v.state[key] = c
		v.order = append(v.order, key)
	}
	want := c.head.Seq + 1
	switch {
	case r.Seq > want:
		v.problem(r.Writer, want, "dropped", "missing; the next one is record %d", r.Seq)
	case r.Seq == c.head.Seq:
		v.problem(r.Writer, r.Seq, "doubled", "is there twice")
		return
	case r.Seq < want:
		v.problem(r.Writer, r.Seq, "reordered", "comes after record %d", c.head.Seq)
		return
	}
	if got := Hash(r); got != r.Hash {
		v.problem(r.Writer, r.Seq, "changed", "its content does not give its hash (%s %s by %s)", r.Verb, r.Object, r.Actor)
	} else if r.Seq == want && r.Prev != c.head.Hash {
		v.problem(r.Writer, r.Seq, "changed", "it does not follow the record before it")
	}
	c.head.Seq, c.head.Hash = r.Seq, r.Hash
	for _, h := range v.heads {
		if h.Org == r.Org && h.Writer == r.Writer && h.Seq == r.Seq {
			c.hashes[r.Seq] = r.Hash
		}
	}
}

// Report closes the verification.
func (v *Verifier) Report() Report {
	for _, h := range v.heads {
		v.checkHead(h)
	}
	slices.SortStableFunc(v.problems, func(a, b Problem) int {
		if c := strings.Compare(a.Writer, b.Writer); c != 0 {
			return c
		}
		return int(int64(a.Seq) - int64(b.Seq))
	})
	return Report{OK: len(v.problems) == 0, Records: v.records, Writers: len(v.order), Heads: len(v.heads), Problems: v.problems}
}

func (v *Verifier) checkHead(h Head) {
	if v.check != nil && !v.check(h) {
		v.problem(h.Writer, h.Seq, "head", "the signed head has a bad signature")
		return
	}
	c := v.state[chainKey(h.Org, h.Writer)]
	switch {
	case h.Seq == 0:
	case c == nil:
		v.problem(h.Writer, 1, "truncated", "no record is left; the signed head says there were %d", h.Seq)
	case c.head.Seq < h.Seq:
		v.problem(h.Writer, c.head.Seq+1, "truncated", "the chain ends at %d; the signed head says there were %d", c.head.Seq, h.Seq)
	case c.hashes[h.Seq] != "" && c.hashes[h.Seq] != h.Hash:
		v.problem(h.Writer, h.Seq, "changed", "the signed head has another hash: the chain was rewritten")
	}
}

// Verify checks a whole trail at once.
func Verify(records []schema.AuditRecord, heads []Head, check func(Head) bool) Report {
	v := NewVerifier(heads, check)
	for _, r := range records {
		v.Add(r)
	}
	return v.Report()
}
