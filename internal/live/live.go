// Package live hands small "something changed" notes to whoever listens in this
// process. The outbox table is the log; a Hub tails it, so that every server sees the
// same notes with the same offsets.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"vigil/schema"
)

// Log is the outbox; the store is one.
type Log interface {
	// NotesSince returns notes with an offset of at least from, oldest first.
	NotesSince(ctx context.Context, org, from string, limit int) ([]schema.Note, error)
}

const (
	// overlap is how far back each read goes again: a slow insert may appear behind a
	// quick one (decision 7).
	overlap = 10 * time.Second
	kept    = 5000 // notes kept for resume; older than that is a gap
	pageMax = 2000
)

// Hub tails the outbox of one org and passes notes on. Publishing never blocks: a
// listener that is full loses its subscription.
type Hub struct {
	log  Log
	org  string
	out  *slog.Logger
	poke chan struct{}

	mu    sync.Mutex
	ring  []schema.Note // by arrival
	seen  map[string]bool
	first string // offset from which on everything is in the ring
	subs  map[*Subscription]bool
}

// Subscription receives notes until it is closed or too slow.
type Subscription struct {
	// C carries the notes; it is closed when the listener was too slow.
	C   chan schema.Note
	hub *Hub
}

// NewHub makes a hub; Run tails.
func NewHub(log Log, org string, out *slog.Logger) *Hub {
	return &Hub{log: log, org: org, out: out, poke: make(chan struct{}, 1), seen: map[string]bool{}, subs: map[*Subscription]bool{}, first: offsetAt(time.Now())}
}

func offsetAt(t time.Time) string { return fmt.Sprintf("%016x", max(t.UnixMicro(), 0)) }

// Nudge makes the hub read at once, for writers in the same process.
func (h *Hub) Nudge() {
	select {
	case h.poke <- struct{}{}:
	default:
	}
}

// Run tails the outbox until ctx ends.
func (h *Hub) Run(ctx context.Context) {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		if notes, err := h.log.NotesSince(ctx, h.org, offsetAt(time.Now().Add(-overlap)), pageMax); err == nil {
			h.deliver(notes)
		} else if ctx.Err() == nil {
			h.out.Debug("reading the outbox", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-h.poke:
		}
	}
}

// deliver passes new notes on, in order of arrival.
func (h *Hub) deliver(notes []schema.Note) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range notes {
		if h.seen[n.Offset] {
			continue
		}
		h.seen[n.Offset] = true
		h.ring = append(h.ring, n)
		for s := range h.subs {
			select {
			case s.C <- n:
			default: // too slow: the listener resumes by offset
				delete(h.subs, s)
				close(s.C)
			}
		}
	}
	if over := len(h.ring) - kept; over > 0 {
		for _, n := range h.ring[:over] {
			delete(h.seen, n.Offset)
			h.first = max(h.first, n.Offset)
		}
		h.ring = slices.Clone(h.ring[over:])
	}
}

// Subscribe starts listening. The notes since the offset that are still known come
// back too; gap says that some are not, and the listener must read anew. An empty
// offset asks for new notes only.
func (h *Hub) Subscribe(since string) (s *Subscription, backlog []schema.Note, gap bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s = &Subscription{C: make(chan schema.Note, 256), hub: h}
	h.subs[s] = true
	if since == "" {
		return s, nil, false
	}
	// Notes that were late when the listener left have smaller offsets than its last.
	back := since
	if t, ok := timeOf(since); ok {
		back = offsetAt(t.Add(-overlap))
	}
	for _, n := range h.ring {
		if n.Offset > back && n.Offset != since {
			backlog = append(backlog, n)
		}
	}
	return s, backlog, since < h.first
}

func timeOf(offset string) (time.Time, bool) {
	if len(offset) < 16 {
		return time.Time{}, false
	}
	var micro int64
	if _, err := fmt.Sscanf(offset[:16], "%x", &micro); err != nil {
		return time.Time{}, false
	}
	return time.UnixMicro(micro), true
}

// Offset is the newest offset that has been delivered, or the start of the hub.
func (h *Hub) Offset() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	newest := h.first
	for _, n := range h.ring {
		newest = max(newest, n.Offset)
	}
	return newest
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.hub.subs[s] {
		delete(s.hub.subs, s)
		close(s.C)
	}
}
