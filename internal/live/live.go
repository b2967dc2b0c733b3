// Package live hands small "something changed" notes to whoever listens in this
// process. The outbox table is the log; a Hub tails it, so that every server sees the
// same notes with the same offsets.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"vigil/schema"
)

// Log is the outbox; the store is one.
type Log interface {
	// NotesSince returns notes with an offset of at least from, oldest first.
	NotesSince(ctx context.Context, org, from string, limit int) ([]schema.Note, error)
	// Published returns a channel that is closed when this process writes notes next.
	Published() <-chan struct{}
}

const (
	// overlap is how far back each read goes again: a slow insert may appear behind a
	// quick one (decision 7). The store writes notes again whose insert took long.
	overlap = 10 * time.Second
	// reach is how much of the past a new hub reads, so that clients of a server that
	// was restarted resume without reading everything anew.
	reach   = 5 * time.Minute
	kept    = 5000 // notes kept for resume; older than that is a gap
	pageMax = 2000
	glance  = time.Second            // how far most reads go back; one a second goes back by the overlap
	pace    = 80 * time.Millisecond  // between two reads: what came meanwhile goes out as one
	alone   = time.Second            // between two reads while nobody listens: a read takes ten milliseconds of ClickHouse's processor
	poll    = 250 * time.Millisecond // for what other processes write, while they are quiet
	awake   = 5 * time.Second        // after a note, reads follow each other by the pace
	nothing = "g"                    // behind every offset
)

// Hub tails the outbox of one org and passes notes on. Publishing never blocks: sinks
// only put notes into queues.
type Hub struct {
	log Log
	org string
	out *slog.Logger

	mu     sync.Mutex
	ring   []schema.Note // by arrival
	seen   map[string]bool
	first  string // offset from which on everything is in the ring
	newest string
	sinks  map[*func([]schema.Note)]bool

	listened chan struct{} // somebody begins to listen
}

// Hubs are the hubs of all orgs, each begun when somebody of the org first listens. What one
// passes on, the others never hold.
type Hubs struct {
	log Log
	out *slog.Logger
	ctx context.Context // of the tails
	run sync.WaitGroup

	mu   sync.Mutex
	hubs map[string]*Hub
}

// NewHubs makes the hubs; their tails end with ctx.
func NewHubs(ctx context.Context, log Log, out *slog.Logger) *Hubs {
	return &Hubs{log: log, out: out, ctx: ctx, hubs: map[string]*Hub{}}
}

// Of returns the hub of an org, which tails from now on.
func (x *Hubs) Of(org string) *Hub {
	x.mu.Lock()
	defer x.mu.Unlock()
	h, ok := x.hubs[org]
	if !ok {
		h = NewHub(x.log, org, x.out)
		x.hubs[org] = h
		x.run.Go(func() { h.Run(x.ctx) })
	}
	return h
}

// Wait returns when the tails have ended.
func (x *Hubs) Wait() {
	<-x.ctx.Done()
	x.run.Wait()
}

// NewHub makes a hub; Run tails.
func NewHub(log Log, org string, out *slog.Logger) *Hub {
	return &Hub{log: log, org: org, out: out, seen: map[string]bool{}, sinks: map[*func([]schema.Note)]bool{}, first: nothing, newest: offsetAt(time.Now()), listened: make(chan struct{}, 1)}
}

func offsetAt(t time.Time) string { return fmt.Sprintf("%016x", max(t.UnixMicro(), 0)) }

// tail is how far the outbox was read, and when it last held something new. What is read again begins at reads that succeeded,
// not at a clock: notes that are written while reading fails are not lost.
type tail struct{ last, whole, heard time.Time }

// next is where a read begins, and whether it goes back by the whole overlap.
func (t tail) next(now time.Time) (from time.Time, whole bool) {
	if now.Sub(t.whole) < glance {
		return t.last.Add(-glance), false
	}
	return t.whole.Add(-overlap), true
}

// Run tails the outbox until ctx ends.
func (h *Hub) Run(ctx context.Context) {
	start := time.Now().Add(overlap - reach)
	t := tail{last: start, whole: start}
	for ctx.Err() == nil {
		published, began := h.log.Published(), time.Now()
		from, whole := t.next(began)
		fresh, err := h.read(ctx, from, began)
		if fresh {
			t.heard = began
		}
		if err == nil {
			if t.last = began; whole {
				t.whole = began
				h.forget(offsetAt(t.whole.Add(-overlap)))
			}
		} else if ctx.Err() == nil {
			h.out.Debug("reading the outbox", "error", err)
		}
		h.rest(ctx, published, t)
	}
}

// rest waits until the next read.
func (h *Hub) rest(ctx context.Context, published <-chan struct{}, t tail) {
	h.mu.Lock()
	listened := len(h.sinks) > 0
	h.mu.Unlock()
	if !listened {
		pause(ctx, h.listened, alone)
		return
	}
	pause(ctx, nil, pace)
	if time.Since(t.heard) > awake {
		pause(ctx, published, poll)
	}
}

// pause waits until something is published, at most for d.
func pause(ctx context.Context, published <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-published:
	case <-t.C:
	}
}

// read passes on what is new since from, in pages, and says whether there was anything.
func (h *Hub) read(ctx context.Context, from, began time.Time) (fresh bool, err error) {
	for at := offsetAt(from); ; {
		notes, err := h.log.NotesSince(ctx, h.org, at, pageMax)
		if err != nil {
			return fresh, err
		}
		fresh = h.deliver(notes) || fresh
		if len(notes) < pageMax {
			break
		}
		at = notes[len(notes)-1].Offset
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first == nothing {
		h.first = offsetAt(from)
	}
	h.newest = max(h.newest, offsetAt(began))
	return fresh, nil
}

// forget drops the oldest notes, many at a time, and the offsets before that are read no
// more. An offset that is still read stays known, or its note would come again.
func (h *Hub) forget(before string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.seen, func(offset string, _ bool) bool { return offset < before })
	over := len(h.ring) - kept
	if over <= 0 {
		return
	}
	for _, n := range h.ring[:over] {
		h.first = max(h.first, n.Offset)
	}
	h.ring = slices.Clone(h.ring[over:])
}

// deliver passes new notes on, in order of arrival.
func (h *Hub) deliver(notes []schema.Note) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := len(h.ring)
	for _, n := range notes {
		if !h.seen[n.Offset] {
			h.seen[n.Offset] = true
			h.ring = append(h.ring, n)
			h.newest = max(h.newest, n.Offset)
		}
	}
	fresh := h.ring[before:]
	for sink := range h.sinks {
		if len(fresh) > 0 {
			(*sink)(slices.Clone(fresh))
		}
	}
	return len(fresh) > 0
}

// Listen passes every new note to the sink, in order, until stop is called. The sink
// must not block and must not call the hub.
func (h *Hub) Listen(sink func([]schema.Note)) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sinks[&sink] = true
	select {
	case h.listened <- struct{}{}:
	default: // it is told already
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.sinks, &sink)
	}
}

// Resume tells fn what a listener missed since its last offset: the notes that are
// known, and whether there may be others, so that it must read anew. An empty offset
// asks for new notes only. No note passes to a sink while fn runs: whoever starts to
// listen in fn misses nothing and hears nothing twice.
func (h *Hub) Resume(since string, fn func(missed []schema.Note, newest string, gap bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if since == "" {
		fn(nil, h.newest, false)
		return
	}
	// Notes that were late when the listener left have smaller offsets than its last.
	back, ok := backFrom(since)
	if !ok || back < h.first {
		fn(nil, h.newest, true)
		return
	}
	var missed []schema.Note
	for _, n := range h.ring {
		if n.Offset >= back && n.Offset != since {
			missed = append(missed, n)
		}
	}
	fn(missed, h.newest, false)
}

// backFrom is the offset of the overlap before an offset; false for what is none.
func backFrom(offset string) (string, bool) {
	if len(offset) < 16 {
		return "", false
	}
	var micro int64
	if _, err := fmt.Sscanf(offset[:16], "%016x", &micro); err != nil {
		return "", false
	}
	return offsetAt(time.UnixMicro(micro).Add(-overlap)), true
}

// Offset is an offset from which on a listener misses nothing that happens from now on.
func (h *Hub) Offset() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest
}
