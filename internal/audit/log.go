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

	"vigil/internal/gather"
	"vigil/schema"
)

// Sink is where records are kept.
type Sink interface {
	// InsertAudit stores sealed records of one writer durably, all or none. Inserting the
	// same records again must not double them.
	InsertAudit(ctx context.Context, list []schema.AuditRecord) error
	// HaveAudit returns those of the ids that are stored, by any writer.
	HaveAudit(ctx context.Context, org string, ids []string) (map[string]bool, error)
}

// Signer signs heads; auth.DecisionKey does.
type Signer interface {
	Sign(domain string, msg []byte) string
}

// Log appends to the trail as one writer: what comes at the same time is sealed in the order
// in which it came and stored at once. It is safe for concurrent use.
type Log struct {
	sink   Sink
	signer Signer
	writer string
	dir    string // of the head files, "" for none
	now    func() time.Time
	gather *gather.Gatherer[*entry] // a lane an org

	mu      sync.Mutex
	heads   map[string]Head                 // by org
	pending map[string][]schema.AuditRecord // by org: sealed, but their insert is in doubt
}

// entry is a record on its way into the chain; it is replaced by the sealed one.
type entry struct{ schema.AuditRecord }

// NewLog returns the log of a process instance. writer must be new for each start
// of a process: chains are never continued. dir is the folder outside the database
// for signed heads; "" keeps none.
func NewLog(sink Sink, signer Signer, writer, dir string) *Log {
	l := &Log{sink: sink, signer: signer, writer: writer, dir: dir, now: time.Now,
		heads: map[string]Head{}, pending: map[string][]schema.AuditRecord{}}
	l.gather = gather.New(gather.Options{}, l.write)
	return l
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
	e := &entry{r}
	if _, err := l.gather.Put(ctx, r.Org, e); err != nil {
		return r, err
	}
	return e.AuditRecord, nil
}

// write seals and stores records of an org, but for those that are stored already.
func (l *Log) write(ctx context.Context, org string, list []*entry) error {
	if err := l.settle(ctx, org); err != nil {
		return err
	}
	var ids []string
	for _, e := range list {
		if e.ID != "" {
			ids = append(ids, e.ID)
		}
	}
	have, err := l.sink.HaveAudit(ctx, org, ids)
	if err != nil {
		return fmt.Errorf("looking for audit records: %w", err)
	}
	l.seal(org, list, have)
	return l.settle(ctx, org)
}

// seal makes those that are not there the next links of the chain.
func (l *Log) seal(org string, list []*entry, have map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	head := l.heads[org]
	head.Org, head.Writer = org, l.writer
	taken := map[string]bool{} // a record and its retry may meet here
	for _, e := range list {
		if e.ID == "" {
			e.ID = schema.HashID("audit", l.writer, fmt.Sprint(head.Seq), e.Actor, e.Verb, e.Object, e.Time.String())
		}
		if have[e.ID] || taken[e.ID] {
			continue
		}
		taken[e.ID] = true
		e.AuditRecord = Seal(head, e.AuditRecord)
		head.Seq, head.Hash = e.Seq, e.Hash
		l.pending[org] = append(l.pending[org], e.AuditRecord)
	}
}

// settle stores the records whose insert is open or in doubt. Until that succeeds
// nothing else may take their place in the chain.
func (l *Log) settle(ctx context.Context, org string) error {
	l.mu.Lock()
	list := l.pending[org] // only the lane of the org changes it
	l.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	last := list[len(list)-1]
	if err := l.sink.InsertAudit(ctx, list); err != nil {
		return fmt.Errorf("writing audit records up to %d of %s: %w", last.Seq, last.Writer, err)
	}
	head := Head{Org: org, Writer: last.Writer, Seq: last.Seq, Hash: last.Hash, Time: last.Time.Truncate(time.Millisecond)}
	if l.signer != nil {
		head.Signature = l.signer.Sign(HeadDomain, head.Message())
	}
	l.mu.Lock()
	l.heads[org] = head
	delete(l.pending, org)
	l.mu.Unlock()
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
