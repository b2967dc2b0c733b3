package store

import (
	"context"
	"fmt"

	"vigil/schema"
)

// Saved lists the kept searches or dashboards of an organisation, by title. They are
// private data: a search that is not shared may name what its owner looks for.
func (s *Store) Saved(ctx context.Context, org string, kind schema.SavedKind) ([]schema.Saved, error) {
	out, err := docs[schema.Saved](ctx, s, `SELECT doc FROM vigil_private.saved FINAL WHERE org = {org:String} AND kind = {kind:String} AND NOT JSONExtractBool(doc, 'deleted')
ORDER BY lowerUTF8(JSONExtractString(doc, 'title')), id`, P{"org": org, "kind": string(kind)})
	if err != nil {
		return nil, fmt.Errorf("reading saved documents: %w", err)
	}
	return out, nil
}

// SavedOne returns one document, a deleted one too; NotFound when there never was one.
func (s *Store) SavedOne(ctx context.Context, org string, kind schema.SavedKind, id string) (schema.Saved, error) {
	return doc[schema.Saved](ctx, s, string(kind)+" "+id, `SELECT doc FROM vigil_private.saved FINAL WHERE org = {org:String} AND kind = {kind:String} AND id = {id:String}`,
		P{"org": org, "kind": string(kind), "id": id})
}

// PutSaved stores a document; the highest Version holds.
func (s *Store) PutSaved(ctx context.Context, d schema.Saved) error {
	err := s.insert(ctx, "vigil_private.saved", "org, kind, id, doc, version", "", [][]any{{d.Org, string(d.Kind), d.ID, asJSON(d), d.Version}})
	if err != nil {
		return fmt.Errorf("saving %s %s: %w", d.Kind, d.ID, err)
	}
	return nil
}
