package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vigil/schema"
)

// Sink is where records are kept.
type Sink interface {
	// InsertAudit stores a sealed record durably. Inserting the same record again
	// must not double it.
	InsertAudit(ctx context.Context, r schema.AuditRecord) error
	// HasAudit says whether a record with that id is stored, by any writer.
	HasAudit(ctx context.Context, org, id string) (bool, error)
}

// Signer signs heads; auth.DecisionKey does.
type Signer interface {
	Sign(domain string, msg []byte) string
}

// Log appends to the trail as one writer. It is safe for concurrent use.
type Log struct {
	sink   Sink
	signer Signer
	writer string
	dir    string // of the head files, "" for none
	now    func() time.Time

	mu      sync.Mutex
	heads   map[string]Head                // by org
	pending map[string]*schema.AuditRecord // sealed, but its insert is in doubt
}

// NewLog returns the log of a process instance. writer must be new for each start
// of a process: chains are never continued. dir is the folder outside the database
// for signed heads; "" keeps none.
func NewLog(sink Sink, signer Signer, writer, dir string) *Log {
	return &Log{sink: sink, signer: signer, writer: writer, dir: dir, now: time.Now,
		heads: map[string]Head{}, pending: map[string]*schema.AuditRecord{}}
}

// Append seals and stores a record. The id must be derived from what happened, so
// that a retry finds the record and adds nothing; an empty id is derived from all
// fields and the time. The stored record is returned, or the given one when it was
// stored before.
func (l *Log) Append(ctx context.Context, r schema.AuditRecord) (schema.AuditRecord, error) {
	if r.Org == "" {
		r.Org = schema.DefaultOrg
	}
	if r.Time.IsZero() {
		r.Time = l.now()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.settle(ctx, r.Org); err != nil {
		return r, err
	}
	if r.ID == "" {
		r.ID = schema.HashID("audit", l.writer, fmt.Sprint(l.heads[r.Org].Seq), r.Actor, r.Verb, r.Object, r.Time.String())
	} else if seen, err := l.sink.HasAudit(ctx, r.Org, r.ID); err != nil || seen {
		return r, err
	}
	head := l.heads[r.Org]
	head.Org, head.Writer = r.Org, l.writer
	sealed := Seal(head, r)
	l.pending[r.Org] = &sealed
	return sealed, l.settle(ctx, r.Org)
}

// settle stores the record whose insert is open or in doubt. Until that succeeds
// nothing else may take its place in the chain.
func (l *Log) settle(ctx context.Context, org string) error {
	r := l.pending[org]
	if r == nil {
		return nil
	}
	if err := l.sink.InsertAudit(ctx, *r); err != nil {
		return fmt.Errorf("writing audit record %d of %s: %w", r.Seq, r.Writer, err)
	}
	head := Head{Org: org, Writer: r.Writer, Seq: r.Seq, Hash: r.Hash, Time: r.Time.Truncate(time.Millisecond)}
	if l.signer != nil {
		head.Signature = l.signer.Sign(HeadDomain, head.Message())
	}
	l.heads[org] = head
	delete(l.pending, org)
	return l.saveHead(head)
}

func (l *Log) saveHead(h Head) error {
	if l.dir == "" {
		return nil
	}
	b, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encoding the audit head: %w", err)
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("saving the audit head: %w", err)
	}
	path := filepath.Join(l.dir, schema.HashID(h.Org, h.Writer)+".json")
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("saving the audit head: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("saving the audit head: %w", err)
	}
	return nil
}

// Heads returns the current signed heads, by org.
func (l *Log) Heads() []Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Head, 0, len(l.heads))
	for _, h := range l.heads {
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b Head) int { return strings.Compare(a.Org, b.Org) })
	return out
}

// ReadHeads reads the head files of a folder; a missing folder has none.
func ReadHeads(dir string) ([]Head, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("listing audit heads: %w", err)
	}
	var out []Head
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("reading audit heads: %w", err)
		}
		var h Head
		if err := json.Unmarshal(b, &h); err != nil {
			return nil, fmt.Errorf("reading audit head %s: %w", f, err)
		}
		out = append(out, h)
	}
	return out, nil
}
