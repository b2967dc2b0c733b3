package live

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/schema"
)

// outbox is a log in memory whose rows may appear late, as slow inserts do.
type outbox struct {
	mu    sync.Mutex
	notes []schema.Note
}

func (o *outbox) put(t time.Time, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notes = append(o.notes, schema.Note{Offset: fmt.Sprintf("%016x%s", t.UnixMicro(), id), ID: id, Topic: "alerts", Time: t})
	slices.SortFunc(o.notes, func(a, b schema.Note) int {
		if a.Offset < b.Offset {
			return -1
		}
		return 1
	})
}

func (o *outbox) NotesSince(_ context.Context, _, from string, limit int) ([]schema.Note, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []schema.Note
	for _, n := range o.notes {
		if n.Offset >= from && len(out) < limit {
			out = append(out, n)
		}
	}
	return out, nil
}

// TestEveryNoteOnce: under random disconnects, and with notes that appear up to five
// seconds late, a listener that resumes by its last offset sees every note, and
// knows when it cannot.
func TestEveryNoteOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &outbox{}
		ctx, cancel := context.WithCancel(t.Context())
		h := NewHub(box, "main", slog.Default())
		go h.Run(ctx)
		time.Sleep(time.Second)
		r := rand.New(rand.NewPCG(1, 2))
		got := map[string]bool{}
		last := h.Offset()
		sub, _, _ := h.Subscribe("")
		take := func(n schema.Note) { got[n.ID] = true; last = max(last, n.Offset) }
		drain := func() {
			for {
				select {
				case n, ok := <-sub.C:
					if !ok {
						return
					}
					take(n)
				default:
					return
				}
			}
		}
		for i := range 600 {
			late := time.Duration(r.IntN(5000)) * time.Millisecond
			box.put(time.Now().Add(-late), fmt.Sprintf("n%04d", i))
			time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
			drain()
			if r.IntN(20) == 0 {
				sub.Close()
				time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
				var backlog []schema.Note
				var gap bool
				sub, backlog, gap = h.Subscribe(last)
				if gap {
					t.Fatal("a gap although everything is kept")
				}
				for _, n := range backlog {
					take(n)
				}
			}
		}
		time.Sleep(time.Second)
		drain()
		if len(got) != 600 {
			t.Errorf("saw %d of 600 notes", len(got))
		}
		cancel()
		synctest.Wait()
	})
}

// TestGapAndSlow: what fell out of the ring is a gap, and a listener that does not
// read is cut off instead of blocking the rest.
func TestGapAndSlow(t *testing.T) {
	h := NewHub(&outbox{}, "main", slog.Default())
	start := h.Offset()
	slow, _, _ := h.Subscribe("")
	now := time.Now()
	for i := range kept + 10 {
		h.deliver([]schema.Note{{Offset: fmt.Sprintf("%016xx", now.Add(time.Duration(i)*time.Minute).UnixMicro()), ID: fmt.Sprint(i)}})
	}
	n := 0
	for range slow.C {
		n++
	}
	if n != cap(slow.C) {
		t.Errorf("the slow listener got %d notes before it was cut, want %d", n, cap(slow.C))
	}
	if _, _, gap := h.Subscribe(start); !gap {
		t.Error("no gap although notes were dropped")
	}
}
