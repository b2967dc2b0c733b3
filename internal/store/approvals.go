package store

import (
	"context"
	"fmt"

	"vigil/schema"
)

// Approvals lists approvals, newest first; status "" lists all.
func (s *Store) Approvals(ctx context.Context, org, status string, limit int) ([]schema.Approval, error) {
	list, err := docs[schema.Approval](ctx, s, `SELECT doc FROM approvals FINAL WHERE org = {org:String} AND ({status:String} = '' OR status = {status:String})
ORDER BY created DESC, id LIMIT {limit:UInt32}`, P{"org": org, "status": status, "limit": pageLimit(limit)})
	if err != nil {
		return nil, fmt.Errorf("listing approvals: %w", err)
	}
	return list, nil
}

// Approval returns one approval.
func (s *Store) Approval(ctx context.Context, org, id string) (schema.Approval, error) {
	return doc[schema.Approval](ctx, s, "approval "+id, `SELECT doc FROM approvals FINAL WHERE org = {org:String} AND id = {id:String}`, P{"org": org, "id": id})
}

// PutApproval stores the read model; the highest Revision holds.
func (s *Store) PutApproval(ctx context.Context, a schema.Approval) error {
	err := s.insert(ctx, "approvals", "org, id, status, created, deadline, doc, version", "",
		[][]any{{a.Org, a.ID, string(a.Status), a.Created, a.Deadline, asJSON(a), a.Revision}})
	if err != nil {
		return fmt.Errorf("writing approval %s: %w", a.ID, err)
	}
	return nil
}
