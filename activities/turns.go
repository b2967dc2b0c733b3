package activities

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// turn is how long a stretch of a source goes on when another of the same source waits.
const turn = 5 * time.Second

// turns lets one stretch of a source run at a time: a back-fill shares the state on disk
// with the source it is of.
type turns struct {
	held    chan struct{}
	waiting *atomic.Int32
}

func newTurns() turns { return turns{make(chan struct{}, 1), &atomic.Int32{}} }

// enter waits for its turn, and calls beat meanwhile.
func (t turns) enter(ctx context.Context, beat func()) error {
	t.waiting.Add(1)
	defer t.waiting.Add(-1)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case t.held <- struct{}{}:
			return nil
		case <-tick.C:
			beat()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (t turns) leave() { <-t.held }

// over says whether a stretch has had its turn and another waits.
func (t turns) over(began time.Time) bool { return t.waiting.Load() > 0 && time.Since(began) > turn }

// bySource keeps one T for each source of the process.
type bySource[T any] struct {
	mu  sync.Mutex
	all map[string]*T
}

// of returns what is kept for a source; fresh makes it the first time.
func (b *bySource[T]) of(org, name string, fresh func() *T) *T {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[string]*T{}
	}
	key := org + "/" + name
	if b.all[key] == nil {
		b.all[key] = fresh()
	}
	return b.all[key]
}
