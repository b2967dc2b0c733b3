package store

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// queryID is the key of a context that names its query itself.
type queryID struct{}

// withQueryID names the query that runs in ctx, so that the engine's process list shows it.
func withQueryID(ctx context.Context, id string) context.Context {
	return context.WithValue(clickhouse.Context(ctx, clickhouse.WithQueryID(id)), queryID{}, id)
}

// How long a killed query may take to end before its connection is cut, and the time
// between two attempts: the first may come before the engine knows the query.
const (
	killWithin = 5 * time.Second
	killEvery  = 100 * time.Millisecond
)

// killable gives a query a context that does not end with ctx: when ctx ends, the engine is
// told to kill the query, and its connection is read to the end. The driver would close the
// connection with an answer on its way, and such a reset can take the whole embedded engine
// down (ClickHouse 26.7: "Terminate called for uncaught exception … Connection reset by
// peer"). done must be called when the query has ended.
func (s *Store) killable(ctx context.Context) (run context.Context, done func()) {
	run, cut := context.WithCancel(context.WithoutCancel(ctx))
	id, named := ctx.Value(queryID{}).(string)
	if !named {
		id = rand.Text()
		run = clickhouse.Context(run, clickhouse.WithQueryID(id))
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer cut()
		s.kill(id, ended)
	})
	return run, func() {
		close(ended)
		if stop() {
			cut()
		}
	}
}

// kill asks the engine to end the query until it has ended.
func (s *Store) kill(id string, ended <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), killWithin)
	defer cancel()
	for {
		select {
		case <-ended:
			return
		default:
		}
		if s.conn.Exec(ctx, "KILL QUERY WHERE query_id = {id:String} ASYNC", P{"id": id}.args()...) != nil {
			return // no answer, or no right to: the connection is cut
		}
		select {
		case <-ended:
			return
		case <-time.After(killEvery):
		case <-ctx.Done():
			return
		}
	}
}
