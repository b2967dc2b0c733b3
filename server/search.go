package server

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/auth"
	"vigil/internal/ocsf"
	"vigil/internal/store"
	"vigil/schema"
)

// queries are the running searches of this process, by id, so that they can be cancelled.
type queries struct {
	mu      sync.Mutex
	running map[string]runningQuery
}

type runningQuery struct {
	cancel context.CancelCauseFunc
	read   *atomic.Pointer[store.SearchStats]
}

type searchInput struct {
	Body struct {
		ID        string    `json:"id,omitempty" maxLength:"64" doc:"chosen by the caller, to cancel by"`
		Query     string    `json:"query,omitempty" maxLength:"20000"`
		From      time.Time `json:"from" required:"false"`
		To        time.Time `json:"to" required:"false"`
		Limit     int       `json:"limit,omitempty" minimum:"0" maximum:"1000"`
		Cursor    string    `json:"cursor,omitempty" maxLength:"100" doc:"next of the page before"`
		Histogram bool      `json:"histogram,omitempty"`
	}
}

// request checks what is searched for.
func (s *Server) request(ctx context.Context, in *searchInput) (store.SearchRequest, error) {
	b := in.Body
	q := store.SearchRequest{Org: s.o.Org, Query: b.Query, From: b.From, To: b.To, Limit: b.Limit, Cursor: b.Cursor, Histogram: b.Histogram, ID: b.ID}
	if err := s.wholeRange(ctx, &q); err != nil {
		return q, err
	}
	if text, ok := strings.CutPrefix(strings.TrimSpace(b.Query), "cel:"); ok {
		if s.o.Condition == nil {
			return q, schema.E(schema.Invalid, "cel: searches are not available here", "")
		}
		cond, p, err := s.o.Condition(strings.TrimSpace(text))
		if err != nil {
			return q, schema.E(schema.Invalid, "the expression cannot be read: "+err.Error(), "example: cel: e.source.ip.cidr(['10.0.0.0/8'])")
		}
		q.Condition, q.Params = cond, p
	}
	return q, nil
}

func (s *Server) search(ctx context.Context, in *searchInput) (*body[store.SearchResult], error) {
	q, err := s.request(ctx, in)
	if err != nil {
		return nil, err
	}
	ctx, done := s.queries.start(ctx, callerOf(ctx).user.Name, &q)
	defer done()
	res, err := s.o.Store.Search(ctx, q)
	if context.Cause(ctx) == errCancelled {
		return nil, schema.E(schema.Conflict, "the search was cancelled", "", err)
	}
	if err != nil {
		return nil, err
	}
	return answer(res), nil
}

// errCancelled is why a search ends that its caller cancelled.
var errCancelled = errors.New("cancelled by its caller")

// wholeRange fills the open ends of a range from what is stored, so that the
// histogram spans the events and not the years since 1970.
func (s *Server) wholeRange(ctx context.Context, q *store.SearchRequest) error {
	if !q.From.IsZero() && !q.To.IsZero() {
		return nil
	}
	first, last, err := s.o.Store.TimeRange(ctx, s.o.Org)
	if err != nil {
		return err
	}
	if q.From.IsZero() {
		q.From = first
	}
	if q.To.IsZero() {
		q.To = last.Add(time.Microsecond)
	}
	if q.To.Before(q.From) {
		q.To = q.From
	}
	return nil
}

// start registers the search so that its caller can watch and cancel it.
func (r *queries) start(ctx context.Context, user string, q *store.SearchRequest) (context.Context, func()) {
	if q.ID == "" {
		_, q.ID = auth.NewToken("")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	key := user + "/" + q.ID
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil {
		r.running = map[string]runningQuery{}
	}
	read := &atomic.Pointer[store.SearchStats]{}
	read.Store(&store.SearchStats{})
	q.Progress = func(st store.SearchStats) { read.Store(&st) }
	r.running[key] = runningQuery{cancel, read}
	return ctx, func() {
		cancel(nil)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.running, key)
	}
}

// progress is what a search has read so far; one that has ended is not running.
type progress struct {
	store.SearchStats
	Running bool `json:"running"`
}

// searchProgress says how far a search of the caller's is. An unknown one has ended: the
// answer races with the result.
func (s *Server) searchProgress(ctx context.Context, in *byID) (*body[progress], error) {
	s.queries.mu.Lock()
	defer s.queries.mu.Unlock()
	q, ok := s.queries.running[callerOf(ctx).user.Name+"/"+in.ID]
	if !ok {
		return answer(progress{}), nil
	}
	return answer(progress{*q.read.Load(), true}), nil
}

// cancelSearch stops a search of the caller's; the engine drops the query at once.
func (s *Server) cancelSearch(ctx context.Context, in *byID) (*body[changed], error) {
	s.queries.mu.Lock()
	defer s.queries.mu.Unlock()
	q, ok := s.queries.running[callerOf(ctx).user.Name+"/"+in.ID]
	if !ok {
		return nil, schema.E(schema.NotFound, "no search of that id is running", "it may have ended")
	}
	q.cancel(errCancelled)
	return answer(changed{1}), nil
}

func (s *Server) getEvent(ctx context.Context, in *byID) (*body[store.StoredEvent], error) {
	e, err := s.o.Store.Event(ctx, s.o.Org, in.ID)
	if err != nil {
		return nil, err
	}
	e.Raw = strings.ToValidUTF8(e.Raw, "\uFFFD")
	return answer(e), nil
}

type fieldRow struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Multi bool   `json:"multi"`
	Doc   string `json:"doc"`
}

func (s *Server) listFields(context.Context, *struct{}) (*body[list[fieldRow]], error) {
	kinds := map[schema.Kind]string{schema.Keyword: "keyword", schema.LowCard: "keyword", schema.Text: "text", schema.IP: "ip", schema.Long: "long", schema.Double: "double", schema.Bool: "boolean", schema.Date: "date"}
	var rows []fieldRow
	for _, f := range schema.Fields() {
		rows = append(rows, fieldRow{f.Name, kinds[f.Kind], f.Multi, f.Doc})
	}
	return answerList(rows, ""), nil
}

// searchOCSF answers a search with whole events, as objects of the Open Cybersecurity Schema
// Framework.
func (s *Server) searchOCSF(ctx context.Context, in *searchInput) (*body[list[map[string]any]], error) {
	q, err := s.request(ctx, in)
	if err != nil {
		return nil, err
	}
	ctx, done := s.queries.start(ctx, callerOf(ctx).user.Name, &q)
	defer done()
	events, next, err := s.o.Store.SearchEvents(ctx, q)
	if context.Cause(ctx) == errCancelled {
		return nil, schema.E(schema.Conflict, "the search was cancelled", "", err)
	}
	if err != nil {
		return nil, err
	}
	items := make([]map[string]any, len(events))
	for i, h := range events {
		items[i] = ocsf.Export(h.Event, ocsf.Origin{ID: h.Event.ID.String(), Org: s.o.Org, Source: h.Source, Ingested: h.Ingested})
	}
	return answerList(items, next), nil
}
