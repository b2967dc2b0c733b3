package server

import (
	"context"
	"encoding/json"
	"strconv"

	"vigil/internal/store"
	"vigil/internal/tables"
	"vigil/schema"
	"vigil/schema/flow"
)

// maxTable is how large a table may be that is sent over the API; `vigil tables import` takes larger
// ones.
const maxTable = 64 << 20

type entitiesInput struct {
	Text        string `query:"q" maxLength:"200"`
	Name        string `query:"name" maxLength:"256"`
	Criticality string `query:"criticality" enum:"low,medium,high,critical,"`
	Cursor      string `query:"cursor" maxLength:"4096"`
	Limit       int    `query:"limit" minimum:"0" maximum:"1000"`
}

// listEntities lists the entities of the table in force.
func (s *Server) listEntities(table string) func(context.Context, *entitiesInput) (*body[list[schema.Entity]], error) {
	return func(ctx context.Context, in *entitiesInput) (*body[list[schema.Entity]], error) {
		items, next, err := s.o.Store.EntitiesInForce(ctx, orgOf(ctx), table, store.EntityFilter{Text: in.Text, Name: in.Name, Criticality: in.Criticality, Cursor: in.Cursor, Limit: in.Limit})
		if err != nil {
			return nil, err
		}
		return answerList(items, next), nil
	}
}

// listTables lists the versions in force.
func (s *Server) listTables(ctx context.Context, _ *struct{}) (*body[list[schema.TableVersion]], error) {
	items, err := s.o.Store.TableVersions(ctx, orgOf(ctx), "")
	if err != nil {
		return nil, err
	}
	return answerList(items, ""), nil
}

type tableInput struct {
	Name string `path:"name" enum:"assets,identities,hashes,geo,asn"`
}

func (s *Server) listTableVersions(ctx context.Context, in *tableInput) (*body[list[schema.TableVersion]], error) {
	items, err := s.o.Store.TableVersions(ctx, orgOf(ctx), in.Name)
	if err != nil {
		return nil, err
	}
	return answerList(items, ""), nil
}

type putTableInput struct {
	Name    string `path:"name" enum:"assets,identities,hashes,geo,asn"`
	File    string `query:"file" maxLength:"200" doc:"name of the file, for people"`
	RawBody []byte `contentType:"application/octet-stream"`
}

// putTable checks a table, stores its bytes under their hash, and has it put in force.
func (s *Server) putTable(ctx context.Context, in *putTableInput) (*body[schema.TableVersion], error) {
	kind, err := tables.ByName(in.Name)
	if err != nil {
		return nil, err
	}
	if _, err := kind.Check(in.RawBody); err != nil {
		return nil, err
	}
	hash := tables.Hash(in.RawBody)
	if err := s.o.Store.PutTableBody(ctx, orgOf(ctx), hash, in.RawBody); err != nil {
		return nil, err
	}
	return s.changeTable(ctx, flow.AdminInput{Verb: "table.put", Key: in.Name, Args: map[string]string{"hash": hash, "file": in.File}})
}

type rollbackTableInput struct {
	Name string `path:"name" enum:"assets,identities,hashes,geo,asn"`
	Body struct {
		Number uint64 `json:"number" minimum:"1"`
	}
}

func (s *Server) rollbackTable(ctx context.Context, in *rollbackTableInput) (*body[schema.TableVersion], error) {
	return s.changeTable(ctx, flow.AdminInput{Verb: "table.rollback", Key: in.Name, Args: map[string]string{"number": strconv.FormatUint(in.Body.Number, 10)}})
}

// changeTable has a table changed and answers with the version that is in force then.
func (s *Server) changeTable(ctx context.Context, in flow.AdminInput) (*body[schema.TableVersion], error) {
	res, err := s.admin(ctx, "table", in.Key, in)
	if err != nil {
		return nil, err
	}
	var v schema.TableVersion
	if err := json.Unmarshal([]byte(res.Doc), &v); err != nil {
		return nil, err
	}
	return answer(v), nil
}
