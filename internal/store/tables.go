package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// pieceSize is how much of a table's bytes one row carries.
const pieceSize = 4 << 20

// PutTableBody stores the bytes of a table under their hash; a repeat changes nothing.
func (s *Store) PutTableBody(ctx context.Context, org, hash string, body []byte) error {
	n := uint32(0)
	for piece := range slices.Chunk(body, pieceSize) {
		if err := s.insert(ctx, "table_parts", "org, hash, n, body", "", [][]any{{org, hash, n, string(piece)}}); err != nil {
			return fmt.Errorf("storing a table: %w", err)
		}
		n++
	}
	return nil
}

// TableBody returns the bytes that were stored under a hash; NotFound when there are none.
// The caller holds them against the hash.
func (s *Store) TableBody(ctx context.Context, org, hash string) ([]byte, error) {
	var body []byte
	err := s.each(ctx, "SELECT body FROM table_parts FINAL WHERE org = {org:String} AND hash = {hash:String} ORDER BY n", P{"org": org, "hash": hash}, func(r driver.Rows) error {
		var piece string
		if err := r.Scan(&piece); err != nil {
			return err
		}
		body = append(body, piece...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading a table: %w", err)
	}
	if body == nil {
		return nil, schema.E(schema.NotFound, "there is no table of the hash "+hash, "")
	}
	return body, nil
}

// PutTableVersion makes a version of a table the one in force.
func (s *Store) PutTableVersion(ctx context.Context, v schema.TableVersion) error {
	if err := s.insert(ctx, "table_versions", "org, name, number, hash, doc", "", [][]any{{v.Org, v.Name, v.Number, v.Hash, asJSON(v)}}); err != nil {
		return fmt.Errorf("recording version %d of table %s: %w", v.Number, v.Name, err)
	}
	return nil
}

// TablesInForce returns the hash of every table that is in force, by name.
func (s *Store) TablesInForce(ctx context.Context, org string) (map[string]string, error) {
	out := map[string]string{}
	err := s.each(ctx, "SELECT name, argMax(hash, number) FROM table_versions WHERE org = {org:String} GROUP BY name", P{"org": org}, func(r driver.Rows) error {
		var name, hash string
		err := r.Scan(&name, &hash)
		out[name] = hash
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading which tables are in force: %w", err)
	}
	return out, nil
}

// TableVersions lists versions, newest first: of one table, or of name "" the one in force
// of each table.
func (s *Store) TableVersions(ctx context.Context, org, name string) ([]schema.TableVersion, error) {
	q := "SELECT doc FROM table_versions FINAL WHERE org = {org:String} AND name = {name:String} ORDER BY number DESC LIMIT 1000"
	if name == "" {
		q = "SELECT argMax(doc, number) FROM table_versions WHERE org = {org:String} GROUP BY name ORDER BY name"
	}
	list, err := docs[schema.TableVersion](ctx, s, q, P{"org": org, "name": name})
	if err != nil {
		return nil, fmt.Errorf("listing tables: %w", err)
	}
	return list, nil
}

const entityColumns = "org, kind, name, criticality, owner, facts, version"

// PutEntities stores the entities of one version of a table.
func (s *Store) PutEntities(ctx context.Context, list []schema.Entity) error {
	for part := range slices.Chunk(list, putRows) {
		rows := make([][]any, len(part))
		for i, x := range part {
			rows[i] = []any{x.Org, x.Kind, x.Name, x.Criticality, x.Owner, nonNil(x.Facts), x.Version}
		}
		if err := s.insert(ctx, "entities", entityColumns, "", rows); err != nil {
			return fmt.Errorf("writing entities: %w", err)
		}
	}
	return nil
}

// entityKinds says what the rows of a table are.
var entityKinds = map[string]string{"assets": "asset", "identities": "identity"}

// EntityFilter chooses entities; empty fields choose all.
type EntityFilter struct {
	Text        string // part of name, owner or a fact
	Name        string // exactly this name
	Criticality string
	Limit       int    // default 100, at most 1000
	Cursor      string // Next of the page before
}

// EntitiesInForce lists the entities of the table's version in force by name; next is the
// cursor of the following page, "" at the end.
func (s *Store) EntitiesInForce(ctx context.Context, org, table string, f EntityFilter) (list []schema.Entity, next string, err error) {
	limit := pageLimit(f.Limit)
	after, err := cursorParts(f.Cursor, 1)
	if err != nil {
		return nil, "", err
	}
	list = []schema.Entity{}
	err = s.each(ctx, "SELECT "+entityColumns+` FROM entities FINAL WHERE org = {org:String} AND kind = {kind:String}
AND version = (SELECT max(number) FROM table_versions WHERE org = {org:String} AND name = {table:String})
AND ({name:String} = '' OR name = {name:String}) AND ({criticality:String} = '' OR criticality = {criticality:String})
AND ({text:String} = '' OR positionCaseInsensitiveUTF8(concat(name, ' ', owner, ' ', arrayStringConcat(mapValues(facts), ' ')), {text:String}) > 0)
AND ({more:UInt8} = 0 OR name > {after:String}) ORDER BY name LIMIT {limit:UInt32}`,
		P{"org": org, "table": table, "kind": entityKinds[table], "name": f.Name, "criticality": f.Criticality, "text": f.Text, "more": min(len(f.Cursor), 1), "after": after[0], "limit": limit},
		func(r driver.Rows) error {
			var x schema.Entity
			if err := r.Scan(&x.Org, &x.Kind, &x.Name, &x.Criticality, &x.Owner, &x.Facts, &x.Version); err != nil {
				return err
			}
			list = append(list, x)
			return nil
		})
	if err != nil {
		return nil, "", fmt.Errorf("listing entities: %w", err)
	}
	if len(list) == limit {
		next = cursorOf(list[limit-1].Name)
	}
	return list, next, nil
}
