package store

import (
	"context"
	"fmt"

	"vigil/schema"
)

// Orgs lists the orgs that were added, closed ones too, by name.
func (s *Store) Orgs(ctx context.Context) ([]schema.Org, error) {
	out, err := docs[schema.Org](ctx, s, `SELECT doc FROM vigil_private.orgs FINAL ORDER BY name`, nil)
	if err != nil {
		return nil, fmt.Errorf("reading orgs: %w", err)
	}
	return out, nil
}

// Org returns one org that was added; NotFound when it was not.
func (s *Store) Org(ctx context.Context, name string) (schema.Org, error) {
	return doc[schema.Org](ctx, s, "org "+name, `SELECT doc FROM vigil_private.orgs FINAL WHERE name = {name:String}`, P{"name": name})
}

// PutOrg stores an org; the highest Version holds.
func (s *Store) PutOrg(ctx context.Context, o schema.Org) error {
	if err := s.insert(ctx, "vigil_private.orgs", "name, doc, version", "", [][]any{{o.Name, asJSON(o), o.Version}}); err != nil {
		return fmt.Errorf("writing org %s: %w", o.Name, err)
	}
	return nil
}
