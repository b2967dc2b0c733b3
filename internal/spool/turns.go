package spool

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// drains is how many chunks of a host's sources are made at once.
const drains = 4

// turns shares the draining between sources by the bytes that they bring: self-clocked
// fair queueing, where a turn is expected to cost what the source's last one did. A source
// whose chunks are small comes next, however many loud ones wait, and loud ones get shares
// in proportion to their weights.
type turns struct {
	mu      sync.Mutex
	slots   int
	now     float64 // virtual time: where the turn stands that is the furthest behind
	running []*Turn
	waiting []*Turn // in order of arrival
}

// Turn is the right to make chunks of one source.
type Turn struct {
	log   *Log
	start float64 // in virtual time
	cost  float64 // that it is expected to have
	ready chan struct{}
}

// Turn waits until it is the source's turn. While it waits it calls beat each second.
func (l *Log) Turn(ctx context.Context, beat func()) (*Turn, error) {
	t, q := &Turn{log: l}, &l.dir.turns
	q.mu.Lock()
	q.tell()
	t.start = max(q.now, l.finish) // what it did not use while it was idle is gone
	q.enter(t)
	q.mu.Unlock()
	return t, t.wait(ctx, beat)
}

// Next ends the turn, in which so many bytes were drained, and waits for the next one. It
// goes on at once when nobody comes before.
func (t *Turn) Next(ctx context.Context, bytes int64, beat func()) error {
	q := &t.log.dir.turns
	weight := t.log.InForce().weight()
	q.mu.Lock()
	q.end(t, bytes, weight)
	t.start = t.log.finish
	q.enter(t)
	q.mu.Unlock()
	return t.wait(ctx, beat)
}

// Done ends the turn. Ending it twice is ending it once; one without bytes costs nothing.
func (t *Turn) Done(bytes int64) {
	q := &t.log.dir.turns
	weight := t.log.InForce().weight()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end(t, bytes, weight)
	q.begin()
}

func (t *Turn) wait(ctx context.Context, beat func()) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-t.ready:
			return nil
		case <-tick.C:
			beat()
		case <-ctx.Done():
			q := &t.log.dir.turns
			q.mu.Lock()
			q.waiting = slices.DeleteFunc(q.waiting, func(w *Turn) bool { return w == t })
			q.mu.Unlock()
			t.Done(0)
			return context.Cause(ctx)
		}
	}
}

func (q *turns) enter(t *Turn) {
	t.ready, t.cost = make(chan struct{}), t.log.cost
	q.waiting = append(q.waiting, t)
	q.begin()
}

// end takes the turn off those that run, and charges it.
func (q *turns) end(t *Turn, bytes, weight int64) {
	if i := slices.Index(q.running, t); i >= 0 {
		q.running = slices.Delete(q.running, i, i+1)
		if bytes > 0 {
			t.log.cost = float64(bytes) / float64(weight)
			t.log.finish = t.start + t.log.cost
		}
		q.now = max(q.now, t.start)
	}
}

// begin lets those begin who come next, as long as there are slots.
func (q *turns) begin() {
	for len(q.running) < q.slots && len(q.waiting) > 0 {
		t := slices.MinFunc(q.waiting, func(a, b *Turn) int { return cmp.Compare(a.start+a.cost, b.start+b.cost) })
		q.waiting = slices.DeleteFunc(q.waiting, func(w *Turn) bool { return w == t })
		q.running = append(q.running, t)
		close(t.ready)
	}
}

// tell sets the virtual time by those that are active.
func (q *turns) tell() {
	if active := slices.Concat(q.running, q.waiting); len(active) > 0 {
		q.now = slices.MinFunc(active, func(a, b *Turn) int { return cmp.Compare(a.start, b.start) }).start
	}
}
