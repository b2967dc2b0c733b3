// Package gather joins what many callers hand in at the same time into few, larger
// pieces of work: group commit. What comes alone is done at once.
package gather

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Options bound a Gatherer.
type Options struct {
	Most    int           // items of one piece of work at most; default 1,000
	Timeout time.Duration // of one piece of work; default 30 s
	Rest    time.Duration // the longest rest of a lane after a piece of work; default 250 ms
}

// Gatherer does the items of each lane in the order in which they came, many at once. It
// is safe for concurrent use.
type Gatherer[T any] struct {
	do func(ctx context.Context, lane string, items []T) error
	o  Options

	mu    sync.Mutex
	lanes map[string]*lane[T] // those at work
}

type lane[T any] struct{ waiting []*group[T] }

// group is what will be done at once.
type group[T any] struct {
	items []T
	puts  int           // how many callers' items these are
	done  chan struct{} // closed when it was done
	err   error
}

// New returns a Gatherer of do, which is called for one lane by one goroutine at a time.
func New[T any](o Options, do func(ctx context.Context, lane string, items []T) error) *Gatherer[T] {
	if o.Most == 0 {
		o.Most = 1000
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Rest == 0 {
		o.Rest = 250 * time.Millisecond
	}
	return &Gatherer[T]{do: do, o: o, lanes: map[string]*lane[T]{}}
}

// Put hands items in and waits until they were done. Items of one call are done together.
// shared says whether others' items were among them, which then share the error. A caller
// that stops waiting takes nothing back.
func (g *Gatherer[T]) Put(ctx context.Context, name string, items ...T) (shared bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, context.Cause(ctx)
	}
	x := g.join(ctx, name, items)
	select {
	case <-x.done:
		return x.puts > 1, x.err
	case <-ctx.Done():
		return false, fmt.Errorf("waiting for %s: %w", name, context.Cause(ctx))
	}
}

// join adds items to the group that is done next, and starts the lane when it is idle.
func (g *Gatherer[T]) join(ctx context.Context, name string, items []T) *group[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lanes[name]
	if l == nil {
		l = &lane[T]{}
		g.lanes[name] = l
		go g.work(context.WithoutCancel(ctx), name, l)
	}
	if n := len(l.waiting); n > 0 && len(l.waiting[n-1].items)+len(items) <= g.o.Most {
		x := l.waiting[n-1]
		x.items, x.puts = append(x.items, items...), x.puts+1
		return x
	}
	x := &group[T]{items: items, puts: 1, done: make(chan struct{})}
	l.waiting = append(l.waiting, x)
	return x
}

// work does the groups of a lane until none waits.
func (g *Gatherer[T]) work(ctx context.Context, name string, l *lane[T]) {
	for {
		x := g.next(name, l)
		if x == nil {
			return
		}
		began := time.Now()
		x.err = g.one(ctx, name, x.items)
		close(x.done)
		// The more came together, the more will, and the longer the lane can rest.
		time.Sleep(min(time.Duration(x.puts)*time.Since(began), g.o.Rest))
	}
}

// next takes the group that is next out of the lane; without one the lane ends.
func (g *Gatherer[T]) next(name string, l *lane[T]) *group[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(l.waiting) == 0 {
		delete(g.lanes, name)
		return nil
	}
	x := l.waiting[0]
	l.waiting = l.waiting[1:]
	return x
}

func (g *Gatherer[T]) one(ctx context.Context, name string, items []T) error {
	ctx, cancel := context.WithTimeout(ctx, g.o.Timeout)
	defer cancel()
	return g.do(ctx, name, items)
}
