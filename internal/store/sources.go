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
	return s.insert(ctx, "sources", "org, id, kind, doc, created, version", token, [][]any{{d.Org, d.ID, d.Kind, string(d.Doc), d.Created, d.Version}})
}

// SourceDefs returns the definitions of an org's pull sources, by id.
func (s *Store) SourceDefs(ctx context.Context, org string) ([]schema.SourceDef, error) {
	out := []schema.SourceDef{}
	err := s.each(ctx, "SELECT id, kind, doc, created, version FROM sources FINAL WHERE org = {org:String} ORDER BY id", P{"org": org}, func(r driver.Rows) error {
		d := schema.SourceDef{Org: org}
		var doc string
		err := r.Scan(&d.ID, &d.Kind, &doc, &d.Created, &d.Version)
		d.Doc = json.RawMessage(doc)
		out = append(out, d)
		return err
	})
	return out, err
}

// SourceDef returns the definition of one pull source; NotFound when there is none.
func (s *Store) SourceDef(ctx context.Context, org, id string) (schema.SourceDef, error) {
	all, err := s.SourceDefs(ctx, org)
	if err != nil {
		return schema.SourceDef{}, err
	}
	for _, d := range all {
		if d.ID == id {
			return d, nil
		}
	}
	return schema.SourceDef{}, schema.E(schema.NotFound, "there is no pull source "+id, "`vigil sources add-kafka` or `vigil sources add-s3` makes one")
}
