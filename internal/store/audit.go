package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

const auditColumns = "org, writer, seq, id, time, actor, verb, object, outcome, details, prev, hash"

// InsertAudit stores sealed records of one writer. The same records are stored once,
// however often it is tried.
func (s *Store) InsertAudit(ctx context.Context, list []schema.AuditRecord) error {
	if len(list) == 0 {
		return nil
	}
	rows := make([][]any, len(list))
	for i, r := range list {
		details := r.Details
		if details == nil {
			details = map[string]string{}
		}
		rows[i] = []any{r.Org, r.Writer, r.Seq, r.ID, r.Time, r.Actor, r.Verb, r.Object, r.Outcome, details, r.Prev, r.Hash}
	}
	first, last := list[0], list[len(list)-1]
	token := schema.HashID("audit", last.Org, last.Writer, fmt.Sprint(first.Seq), fmt.Sprint(last.Seq), last.Hash)
	return s.insert(ctx, "audit", auditColumns, token, rows)
}

// HaveAudit returns those of the ids that are stored.
func (s *Store) HaveAudit(ctx context.Context, org string, ids []string) (map[string]bool, error) {
	have := map[string]bool{}
	if len(ids) == 0 {
		return have, nil
	}
	err := s.each(ctx, `SELECT id FROM audit WHERE org = {org:String} AND id IN {ids:Array(String)}`, P{"org": org, "ids": ids}, func(r driver.Rows) error {
		var id string
		if err := r.Scan(&id); err != nil {
			return err
		}
		have[id] = true
		return nil
	})
	return have, err
}

func scanAudit(r driver.Rows) (schema.AuditRecord, error) {
	var a schema.AuditRecord
	err := r.Scan(&a.Org, &a.Writer, &a.Seq, &a.ID, &a.Time, &a.Actor, &a.Verb, &a.Object, &a.Outcome, &a.Details, &a.Prev, &a.Hash)
	a.Time = a.Time.UTC()
	return a, err
}

// EachAudit hands every record of the trail to fn, by writer and in sequence.
func (s *Store) EachAudit(ctx context.Context, org string, fn func(schema.AuditRecord) error) error {
	err := s.each(ctx, "SELECT "+auditColumns+" FROM audit WHERE org = {org:String} ORDER BY writer, seq", P{"org": org}, func(r driver.Rows) error {
		a, err := scanAudit(r)
		if err != nil {
			return err
		}
		return fn(a)
	})
	if err != nil {
		return fmt.Errorf("reading the audit trail: %w", err)
	}
	return nil
}

// Audit lists records, newest first; before is the time of the last record of the
// page before (zero for the first page).
func (s *Store) Audit(ctx context.Context, org string, before time.Time, limit int) ([]schema.AuditRecord, error) {
	at := int64(1) << 60
	if !before.IsZero() {
		at = before.UnixMicro()
	}
	out := []schema.AuditRecord{}
	err := s.each(ctx, "SELECT "+auditColumns+" FROM audit WHERE org = {org:String} AND toUnixTimestamp64Micro(time) < {before:Int64} ORDER BY time DESC, writer, seq DESC LIMIT {limit:UInt32}",
		P{"org": org, "before": at, "limit": pageLimit(limit)}, func(r driver.Rows) error {
			a, err := scanAudit(r)
			out = append(out, a)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("listing the audit trail: %w", err)
	}
	return out, nil
}

// AuditHead is a row of the signed heads.
type AuditHead struct {
	Org, Writer string
	Seq         uint64
	Hash        string
	Signature   string
	Time        time.Time
}

// PutAuditHeads stores signed heads.
func (s *Store) PutAuditHeads(ctx context.Context, heads []AuditHead) error {
	rows := make([][]any, len(heads))
	for i, h := range heads {
		rows[i] = []any{h.Org, h.Writer, h.Seq, h.Hash, h.Signature, h.Time}
	}
	if err := s.insert(ctx, "vigil_private.audit_heads", "org, writer, seq, hash, signature, time", "", rows); err != nil {
		return fmt.Errorf("writing audit heads: %w", err)
	}
	return nil
}

// AuditHeads returns the longest signed head of every writer.
func (s *Store) AuditHeads(ctx context.Context, org string) ([]AuditHead, error) {
	var out []AuditHead
	err := s.each(ctx, `SELECT org, writer, seq, hash, signature, time FROM vigil_private.audit_heads WHERE org = {org:String} ORDER BY writer, seq DESC LIMIT 1 BY writer`,
		P{"org": org}, func(r driver.Rows) error {
			var h AuditHead
			if err := r.Scan(&h.Org, &h.Writer, &h.Seq, &h.Hash, &h.Signature, &h.Time); err != nil {
				return err
			}
			h.Time = h.Time.UTC()
			out = append(out, h)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("reading audit heads: %w", err)
	}
	return out, nil
}
