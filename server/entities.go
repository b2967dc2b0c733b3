package server

import (
	"context"
	"strings"

	"vigil/internal/store"
	"vigil/schema"
)

type seenInput struct {
	Kind  string `query:"kind" enum:"host,user,ip" default:"host"`
	Q     string `query:"q" maxLength:"200"`
	Limit int    `query:"limit" minimum:"0" maximum:"1000"`
}

// listSeen lists those that events or alerts name: hosts, users or addresses, riskiest first.
func (s *Server) listSeen(ctx context.Context, in *seenInput) (*body[list[store.EntityRow]], error) {
	rows, err := s.o.Store.Entities(ctx, orgOf(ctx), in.Kind, strings.TrimSpace(in.Q), "", in.Limit)
	if err != nil {
		return nil, err
	}
	return answerList(rows, ""), nil
}

type seenOneInput struct {
	Kind string `path:"kind" enum:"host,user,ip"`
	Name string `path:"name" maxLength:"500"`
}

func (s *Server) getSeen(ctx context.Context, in *seenOneInput) (*body[store.EntityRow], error) {
	rows, err := s.o.Store.Entities(ctx, orgOf(ctx), in.Kind, "", in.Name, 1)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, schema.E(schema.NotFound, "no event or alert names the "+in.Kind+" "+clipTo(in.Name, 100), "")
	}
	return answer(rows[0]), nil
}
