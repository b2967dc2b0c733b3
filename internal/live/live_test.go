package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
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
	away  bool
}

func (o *outbox) put(t time.Time, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notes = append(o.notes, schema.Note{Offset: fmt.Sprintf("%016x%s", t.UnixMicro(), id), ID: id, Topic: "alerts", Time: t})
	slices.SortFunc(o.notes, func(a, b schema.Note) int { return strings.Compare(a.Offset, b.Offset) })
}

func (o *outbox) add(n schema.Note) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notes = append(o.notes, n)
}

func (o *outbox) Published() <-chan struct{} { return nil }

func (o *outbox) NotesSince(_ context.Context, _, from string, limit int) ([]schema.Note, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away {
		return nil, errors.New("the store is away")
	}
	var out []schema.Note
	for _, n := range o.notes {
		if n.Offset >= from && len(out) < limit {
			out = append(out, n)
		}
	}
	return out, nil
}

func (o *outbox) setAway(away bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away = away
}

// listener is a client: what it heard, and from where on it resumes.
type listener struct {
	h    *Hub
	stop func()
	mu   sync.Mutex
	got  map[string]int
	last string
}

func listen(h *Hub) *listener {
	l := &listener{h: h, got: map[string]int{}, last: h.Offset()}
	l.stop = h.Listen(l.take)
	return l
}

func (l *listener) take(notes []schema.Note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range notes {
		l.got[n.ID]++
		l.last = max(l.last, n.Offset)
	}
}

// resume comes back after a while, as a client of any hub over the same outbox does.
func (l *listener) resume(t *testing.T, h *Hub) (gap bool) {
	t.Helper()
	h.Resume(l.last, func(missed []schema.Note, newest string, g bool) {
		if l.take(missed); g {
			l.last, gap = newest, true
		}
	})
	l.h, l.stop = h, h.Listen(l.take)
	return gap
}

// TestEveryNoteOnce: under random disconnects, two hubs over one outbox, notes that
// appear up to five seconds late and an outbox that is away for half a minute, a listener
// that resumes by its last offset at either hub hears every note.
func TestEveryNoteOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &outbox{}
		ctx, cancel := context.WithCancel(t.Context())
		hubs := [2]*Hub{}
		for i := range hubs {
			hubs[i] = NewHub(box, "main", slog.New(slog.DiscardHandler))
			go hubs[i].Run(ctx)
		}
		time.Sleep(time.Second)
		r := rand.New(rand.NewPCG(1, 2))
		l := listen(hubs[0])
		for i := range 600 {
			late := time.Duration(r.IntN(5000)) * time.Millisecond
			box.put(time.Now().Add(-late), fmt.Sprintf("n%04d", i))
			time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
			if i == 300 {
				box.setAway(true)
			} else if i == 310 {
				time.Sleep(30 * time.Second)
				box.setAway(false)
			}
			if r.IntN(20) == 0 {
				l.stop()
				time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
				if l.resume(t, hubs[r.IntN(2)]) {
					t.Fatal("a gap although everything is kept")
				}
			}
		}
		time.Sleep(2 * time.Second)
		cancel()
		synctest.Wait()
		if len(l.got) != 600 {
			t.Errorf("heard %d of 600 notes", len(l.got))
		}
	})
}

// TestBurst: more notes at once than a page or the ring holds pass once each, in order.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &outbox{}
		ctx, cancel := context.WithCancel(t.Context())
		h := NewHub(box, "main", slog.New(slog.DiscardHandler))
		go h.Run(ctx)
		time.Sleep(time.Second)
		l := listen(h)
		const n = 2*kept + 7
		for i := range n {
			box.add(schema.Note{Offset: fmt.Sprintf("%016xx", time.Now().UnixMicro()+int64(i)), ID: fmt.Sprint(i)})
		}
		time.Sleep(20 * time.Second)
		cancel()
		synctest.Wait()
		twice := 0
		for _, times := range l.got {
			if times > 1 {
				twice++
			}
		}
		if len(l.got) != n || twice > 0 {
			t.Errorf("heard %d of %d notes, %d of them more than once", len(l.got), n, twice)
		}
		if len(h.ring) != kept || len(h.seen) > kept {
			t.Errorf("keeps %d notes and %d offsets", len(h.ring), len(h.seen))
		}
	})
}

// TestGap: what fell out of the ring is a gap, also when it would only have been late; so
// is everything before the first read, and what is no offset. A new hub reads back, so
// that a restart is none.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gap := func(h *Hub, since string) (gap bool) {
			h.Resume(since, func(_ []schema.Note, _ string, g bool) { gap = g })
			return gap
		}
		box := &outbox{}
		before := offsetAt(time.Now())
		box.put(time.Now(), "before")
		time.Sleep(time.Minute)
		h := NewHub(box, "main", slog.New(slog.DiscardHandler))
		if !gap(h, before) || gap(h, "") {
			t.Error("before the first read nothing is known, and who asks for nothing misses nothing")
		}
		ctx, cancel := context.WithCancel(t.Context())
		go h.Run(ctx)
		time.Sleep(time.Second)
		l := &listener{got: map[string]int{}, last: before}
		if l.resume(t, h) || l.got["before"] != 1 {
			t.Errorf("a restart is a gap, or loses what was written before: %v", l.got)
		}
		if !gap(h, offsetAt(time.Now().Add(-reach-time.Second))) || !gap(h, "yesterday") {
			t.Error("no gap for what was never read")
		}
		start := time.Now()
		for i := range kept + 10 {
			box.add(schema.Note{Offset: fmt.Sprintf("%016xx", time.Now().UnixMicro()), ID: fmt.Sprint(i)})
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		cancel()
		synctest.Wait()
		// The first notes that were dropped are 55 ms old; what is late is looked for 10 s back.
		if !gap(h, offsetAt(start)) || !gap(h, offsetAt(start.Add(9*time.Second))) {
			t.Error("no gap although notes were dropped that such a listener may lack")
		}
		if gap(h, offsetAt(start.Add(11*time.Second))) {
			t.Error("a gap although everything since is known")
		}
	})
}
