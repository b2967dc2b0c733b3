package server

import (
	"context"
	"time"

	"vigil/internal/store"
)

type aroundInput struct {
	ID string `path:"id" maxLength:"64"`
	N  int    `query:"n" minimum:"0" maximum:"100" doc:"events before and after; default 10"`
}

// aroundEvent lists what the same host, or the same source, did just before and after.
func (s *Server) aroundEvent(ctx context.Context, in *aroundInput) (*body[list[store.SearchRow]], error) {
	if in.N == 0 {
		in.N = 10
	}
	rows, err := s.o.Store.Around(ctx, orgOf(ctx), in.ID, in.N)
	if err != nil {
		return nil, err
	}
	return answerList(rows, ""), nil
}

// eventPrevalence says how common the values of an event are.
func (s *Server) eventPrevalence(ctx context.Context, in *byID) (*body[list[store.Prevalence]], error) {
	rows, err := s.o.Store.Prevalence(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return answerList(rows, ""), nil
}

type valuesInput struct {
	Name   string    `path:"name" maxLength:"200"`
	Prefix string    `query:"prefix" maxLength:"200"`
	From   time.Time `query:"from"`
	To     time.Time `query:"to"`
	Limit  int       `query:"limit" minimum:"0" maximum:"100"`
}

// fieldValues completes the values of a field: its most frequent ones, by default of the
// newest day that has events.
func (s *Server) fieldValues(ctx context.Context, in *valuesInput) (*body[list[store.FacetValue]], error) {
	if in.Limit == 0 {
		in.Limit = 10
	}
	if in.To.IsZero() || in.From.IsZero() {
		_, last, err := s.o.Store.TimeRange(ctx, orgOf(ctx))
		if err != nil {
			return nil, err
		}
		in.From, in.To = last.Add(-24*time.Hour), last.Add(time.Second)
	}
	values, err := s.o.Store.FieldValues(ctx, orgOf(ctx), in.Name, in.Prefix, in.From, in.To, in.Limit)
	if err != nil {
		return nil, err
	}
	return answerList(values, ""), nil
}
