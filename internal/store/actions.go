package store

import (
	"context"
	"fmt"

	"vigil/schema"
)

// PutAction stores what came of an action; the highest Version holds.
func (s *Store) PutAction(ctx context.Context, a schema.ActionRecord) error {
	err := s.insertSmall(ctx, "actions", "org, key, incident, action, at, doc, version", []any{a.Org, a.Key, a.Incident, a.Action, a.At, asJSON(a), a.Version})
	if err != nil {
		return fmt.Errorf("writing action %s: %w", a.Key, err)
	}
	return nil
}

// Action returns the action of a key; NotFound when there is none.
func (s *Store) Action(ctx context.Context, org, key string) (schema.ActionRecord, error) {
	return doc[schema.ActionRecord](ctx, s, "action "+key, `SELECT doc FROM actions FINAL WHERE org = {org:String} AND key = {key:String}`, P{"org": org, "key": key})
}

// Actions lists the actions of an incident, oldest first.
func (s *Store) Actions(ctx context.Context, org, incident string) ([]schema.ActionRecord, error) {
	list, err := docs[schema.ActionRecord](ctx, s, `SELECT doc FROM actions FINAL WHERE org = {org:String} AND incident = {incident:String} ORDER BY at, key LIMIT 1000`, P{"org": org, "incident": incident})
	if err != nil {
		return nil, fmt.Errorf("listing actions: %w", err)
	}
	return list, nil
}
