package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// PutSource stores a version of a source's definition.
func (s *Store) PutSource(ctx context.Context, d schema.SourceDef) error {
	token := schema.HashID("source", d.Org, d.ID, fmt.Sprint(d.Version))
	return s.insert(ctx, "sources", "org, id, kind, doc, removed, created, version", token, [][]any{{d.Org, d.ID, d.Kind, string(d.Doc), d.Removed, d.Created, d.Version}})
}

// SourceDefs returns the definitions of an org's sources that are not removed, by id.
func (s *Store) SourceDefs(ctx context.Context, org string) ([]schema.SourceDef, error) {
	return s.sourceDefs(ctx, "NOT removed", P{"org": org})
}

// SourceDef returns the definition of one source, removed or not; NotFound when there is
// none.
func (s *Store) SourceDef(ctx context.Context, org, id string) (schema.SourceDef, error) {
	all, err := s.sourceDefs(ctx, "id = {id:String}", P{"org": org, "id": id})
	if err != nil || len(all) > 0 {
		return append(all, schema.SourceDef{})[0], err
	}
	return schema.SourceDef{}, schema.E(schema.NotFound, "there is no source "+id, "`vigil sources list` names them, `vigil sources --help` says how to add one")
}

func (s *Store) sourceDefs(ctx context.Context, where string, p P) ([]schema.SourceDef, error) {
	out := []schema.SourceDef{}
	err := s.each(ctx, "SELECT org, id, kind, doc, removed, created, version FROM sources FINAL WHERE org = {org:String} AND "+where+" ORDER BY id", p, func(r driver.Rows) error {
		var d schema.SourceDef
		var doc string
		err := r.Scan(&d.Org, &d.ID, &d.Kind, &doc, &d.Removed, &d.Created, &d.Version)
		d.Doc = json.RawMessage(doc)
		out = append(out, d)
		return err
	})
	return out, err
}
