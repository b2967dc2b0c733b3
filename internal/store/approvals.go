package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// ApprovalFilter says which approvals are listed; empty fields say nothing.
type ApprovalFilter struct {
	Status   string
	Incident string
	Review   string    // state of the review after a break-glass decision
	Since    time.Time // when they were asked for
	Limit    int
}

// Approvals lists approvals, newest first. The documents are read for the page only:
// ten thousand that wait must cost no more than the page does.
func (s *Store) Approvals(ctx context.Context, org string, f ApprovalFilter) ([]schema.Approval, error) {
	limit := min(f.Limit, 100_000)
	if limit <= 0 {
		limit = 100
	}
	since := f.Since
	if since.IsZero() {
		since = time.Unix(0, 0)
	}
	list, err := docs[schema.Approval](ctx, s, `SELECT doc FROM approvals FINAL WHERE org = {org:String} AND id IN (
  SELECT id FROM approvals FINAL WHERE org = {org:String} AND ({status:String} = '' OR status = {status:String}) AND ({incident:String} = '' OR incident = {incident:String})
  AND ({review:String} = '' OR review = {review:String}) AND created >= {since:DateTime64(3)} ORDER BY created DESC, id LIMIT {limit:UInt32})
ORDER BY created DESC, id`, P{"org": org, "status": f.Status, "incident": f.Incident, "review": f.Review, "since": since, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("listing approvals: %w", err)
	}
	return list, nil
}

// CountApprovals counts the approvals of a status.
func (s *Store) CountApprovals(ctx context.Context, org, status string) (int, error) {
	var n uint64
	if _, err := s.row(ctx, `SELECT count() FROM approvals FINAL WHERE org = {org:String} AND status = {status:String}`, P{"org": org, "status": status}, &n); err != nil {
		return 0, fmt.Errorf("counting approvals: %w", err)
	}
	return int(n), nil
}

// AloneSince counts the actions that ran without any approval since a time, and names
// the approvals whose actions a person took back.
func (s *Store) AloneSince(ctx context.Context, org string, since time.Time) (alone int, undone map[string]bool, err error) {
	undone = map[string]bool{}
	err = s.each(ctx, `SELECT verb, details['approval'] AS approval, details['cause'] AS cause, count() FROM audit
WHERE org = {org:String} AND time >= {since:DateTime64(6)} AND outcome = 'ok' AND verb IN ('action.result', 'undo.result') GROUP BY verb, approval, cause`,
		P{"org": org, "since": since}, func(r driver.Rows) error {
			var verb, approval, cause string
			var n uint64
			if err := r.Scan(&verb, &approval, &cause, &n); err != nil {
				return err
			}
			switch {
			case verb == "action.result" && approval == "":
				alone += int(n)
			case verb == "undo.result" && approval != "" && cause == "person":
				undone[approval] = true
			}
			return nil
		})
	if err != nil {
		return 0, nil, fmt.Errorf("counting actions: %w", err)
	}
	return alone, undone, nil
}

// Approval returns one approval.
func (s *Store) Approval(ctx context.Context, org, id string) (schema.Approval, error) {
	return doc[schema.Approval](ctx, s, "approval "+id, `SELECT doc FROM approvals FINAL WHERE org = {org:String} AND id = {id:String}`, P{"org": org, "id": id})
}

// PutApproval stores the read model; the highest Revision holds.
func (s *Store) PutApproval(ctx context.Context, a schema.Approval) error {
	if err := s.PutApprovals(ctx, []schema.Approval{a}); err != nil {
		return fmt.Errorf("writing approval %s: %w", a.ID, err)
	}
	return nil
}

// PutApprovals stores many read models at once.
func (s *Store) PutApprovals(ctx context.Context, list []schema.Approval) error {
	rows := make([][]any, len(list))
	for i, a := range list {
		rows[i] = []any{a.Org, a.ID, string(a.Status), a.Created, a.Deadline, asJSON(a), a.Revision}
	}
	return s.insertSmall(ctx, "approvals", "org, id, status, created, deadline, doc, version", rows...)
}
