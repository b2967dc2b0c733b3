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

// SearchBody is a query with its range.
type SearchBody struct {
	Query string    `json:"query,omitempty" maxLength:"20000"`
	From  time.Time `json:"from" required:"false"`
	To    time.Time `json:"to" required:"false"`
}

func (s *Server) request(ctx context.Context, b SearchBody) store.SearchRequest {
	return store.SearchRequest{Org: orgOf(ctx), Query: b.Query, From: b.From, To: b.To, CEL: s.o.CEL}
}

type searchInput struct {
	Body struct {
		SearchBody
		ID        string    `json:"id,omitempty" maxLength:"64" doc:"chosen by the caller, to cancel by"`
		Limit     int       `json:"limit,omitempty" minimum:"0" maximum:"1000"`
		Cursor    string    `json:"cursor,omitempty" maxLength:"100" doc:"next of the page before"`
		Histogram bool      `json:"histogram,omitempty"`
		Since     time.Time `json:"since" required:"false" doc:"only what was ingested from then on, newest arrivals first: a live tail"`
	}
}

func (in *searchInput) request(ctx context.Context, s *Server) store.SearchRequest {
	b := in.Body
	q := s.request(ctx, b.SearchBody)
	q.Limit, q.Cursor, q.Histogram, q.ID, q.Since = b.Limit, b.Cursor, b.Histogram, b.ID, b.Since
	return q
}

func (s *Server) search(ctx context.Context, in *searchInput) (*body[store.SearchResult], error) {
	q := in.request(ctx, s)
	who := callerOf(ctx).user.Name
	ctx, done := s.queries.start(ctx, &q)
	defer done()
	res, err := s.o.Store.Search(ctx, q)
	if strings.HasPrefix(strings.TrimSpace(q.Query), "sql:") {
		s.auditSQL(ctx, who, q.Query, err)
	}
	if context.Cause(ctx) == errCancelled {
		return nil, schema.E(schema.Conflict, "the search was cancelled", "", err)
	}
	if err != nil {
		return nil, err
	}
	return answer(res), nil
}

// auditSQL records what a person asked of the tables themselves.
func (s *Server) auditSQL(ctx context.Context, who, query string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	s.audit(ctx, who, "search.sql", "events", outcome, map[string]string{"query": clipTo(query, 2000)})
}

func clipTo(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

type estimateInput struct{ Body SearchBody }

// estimate is what a search would read, or why it cannot be read: it is asked while a
// person types, and half a query is no failure.
type estimate struct {
	store.Estimate
	Problem string `json:"problem,omitempty"`
}

// estimateSearch says what a search would read, before it runs.
func (s *Server) estimateSearch(ctx context.Context, in *estimateInput) (*body[estimate], error) {
	e, err := s.o.Store.Estimate(ctx, s.request(ctx, in.Body))
	if se, ok := errors.AsType[*schema.Error](err); ok && se.Code == schema.Invalid {
		return answer(estimate{Problem: se.Message}), nil
	}
	if err != nil {
		return nil, err
	}
	return answer(estimate{Estimate: e}), nil
}

// errCancelled is why a search ends that its caller cancelled.
var errCancelled = errors.New("cancelled by its caller")

// queryKey names a running search: ids are chosen by callers, so each has names of their own.
func queryKey(ctx context.Context, id string) string {
	return accountOf(orgOf(ctx), callerOf(ctx).user.Name) + "/" + id
}

// start registers the search so that its caller can watch and cancel it.
func (r *queries) start(ctx context.Context, q *store.SearchRequest) (context.Context, func()) {
	if q.ID == "" {
		_, q.ID = auth.NewToken("")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	key := queryKey(ctx, q.ID)
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
	q, ok := s.queries.running[queryKey(ctx, in.ID)]
	if !ok {
		return answer(progress{}), nil
	}
	return answer(progress{*q.read.Load(), true}), nil
}

// cancelSearch stops a search of the caller's; the engine drops the query at once.
func (s *Server) cancelSearch(ctx context.Context, in *byID) (*body[changed], error) {
	s.queries.mu.Lock()
	defer s.queries.mu.Unlock()
	q, ok := s.queries.running[queryKey(ctx, in.ID)]
	if !ok {
		return nil, schema.E(schema.NotFound, "no search of that id is running", "it may have ended")
	}
	q.cancel(errCancelled)
	return answer(changed{1}), nil
}

func (s *Server) getEvent(ctx context.Context, in *byID) (*body[store.StoredEvent], error) {
	e, err := s.o.Store.Event(ctx, orgOf(ctx), in.ID)
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
	var rows []fieldRow
	for _, f := range schema.Fields() {
		rows = append(rows, fieldRow{f.Name, kindName(f.Kind), f.Multi, f.Doc})
	}
	return answerList(rows, ""), nil
}

// kindName is a kind of field in the words of ECS.
func kindName(k schema.Kind) string {
	switch k {
	case schema.Text:
		return "text"
	case schema.IP:
		return "ip"
	case schema.Long:
		return "long"
	case schema.Double:
		return "double"
	case schema.Bool:
		return "boolean"
	case schema.Date:
		return "date"
	default:
		return "keyword"
	}
}

// ocsfEvent is an event as an object of the Open Cybersecurity Schema Framework.
type ocsfEvent map[string]any

// searchOCSF answers a search with whole events.
func (s *Server) searchOCSF(ctx context.Context, in *searchInput) (*body[list[ocsfEvent]], error) {
	q := in.request(ctx, s)
	ctx, done := s.queries.start(ctx, &q)
	defer done()
	events, next, err := s.o.Store.SearchEvents(ctx, q)
	if context.Cause(ctx) == errCancelled {
		return nil, schema.E(schema.Conflict, "the search was cancelled", "", err)
	}
	if err != nil {
		return nil, err
	}
	items := make([]ocsfEvent, len(events))
	for i, h := range events {
		items[i] = ocsf.Export(h.Event, ocsf.Origin{ID: h.Event.ID.String(), Org: orgOf(ctx), Source: h.Source, Ingested: h.Ingested})
	}
	return answerList(items, next), nil
}
