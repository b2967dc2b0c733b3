package activities

import (
	"context"
	"time"

	"vigil/internal/audit"
	"vigil/internal/store"
	"vigil/schema"
)

// Trail appends to the audit trail; *audit.Log is wrapped into one.
type Trail struct{ Log *audit.Log }

func (t Trail) record(ctx context.Context, r schema.AuditRecord) error {
	_, err := t.Log.Append(ctx, r)
	return err
}

// HeadStore keeps signed heads.
type HeadStore interface {
	PutAuditHeads(ctx context.Context, heads []store.AuditHead) error
}

// Audit records what people and the system did.
type Audit struct {
	Trail Trail
	Store HeadStore
}

// RecordAudit appends one record; its id makes a repeat harmless.
func (a *Audit) RecordAudit(ctx context.Context, r schema.AuditRecord) error {
	return Retryable(a.Trail.record(ctx, r))
}

// SealAudit stores the signed heads of this process's chains and returns them, so
// that they stand in Temporal's history too: a cut tail is found against either.
func (a *Audit) SealAudit(ctx context.Context) ([]audit.Head, error) {
	heads := a.Trail.Log.Heads()
	rows := make([]store.AuditHead, len(heads))
	for i, h := range heads {
		rows[i] = store.AuditHead{Org: h.Org, Writer: h.Writer, Seq: h.Seq, Hash: h.Hash, Signature: h.Signature, Time: h.Time}
	}
	return heads, Retryable(a.Store.PutAuditHeads(ctx, rows))
}

// auditID derives a record's id from what happened.
func auditID(parts ...string) string { return schema.HashID(append([]string{"audit"}, parts...)...) }

// stamp formats a time in details.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
