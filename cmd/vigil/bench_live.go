package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vigil/internal/auth/perm"
	"vigil/internal/bench"
	"vigil/internal/store"
	"vigil/schema"
)

// liveBench measures the live socket of a Vigil of its own.
type liveBench struct {
	a       *app
	clients int
	rate    int
	period  time.Duration

	own    *benchVigil
	cookie string
	socks  []*websocket.Conn
	heard  hearings
}

// hearings are what all clients heard, together.
type hearings struct {
	notes, frames, cuts atomic.Int64
	after               [100_000]atomic.Int64 // notes by the time they took, in tenths of a millisecond
}

func newBenchLiveCmd(a *app) *cobra.Command {
	b := &liveBench{a: a}
	c := &cobra.Command{
		Use: "live", Short: "Time from a change to every open screen, with many screens",
		Long: `Starts a Vigil with a data folder of its own, signs in, opens many live sockets that all listen to the same topic, and publishes
notes to its outbox, each by an insert of its own, as activities do. Measures the time from just before the insert until each client has read the frame
that carries the note, what a delivery (one frame to one client) costs the server, and what a connection takes in memory.
The clients are in this process, on the same cores as the server, and the notes are written by this process too, so the server
finds them by looking, as it finds those of another worker.`,
		Example: "  vigil bench live --clients 1000 --rate 100 --for 30s",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if b.clients < 1 || b.rate < 1 || b.period < time.Second {
				return exit(2, errors.New("--clients and --rate must be at least 1, --for at least 1s"))
			}
			list, err := b.run(c.Context())
			return errors.Join(err, a.figures(list))
		},
	}
	f := c.Flags()
	f.IntVar(&b.clients, "clients", 1000, "live sockets")
	f.IntVar(&b.rate, "rate", 100, "notes a second")
	f.DurationVar(&b.period, "for", 30*time.Second, "how long to publish")
	return c
}

func (b *liveBench) run(ctx context.Context) (list []figure, err error) {
	if b.own, err = newBenchVigil(b.a, ""); err != nil {
		return nil, err
	}
	defer b.own.end()
	if err := b.own.start(ctx); err != nil {
		return nil, err
	}
	if b.cookie, err = b.own.signIn(ctx, "bench-ana", perm.Viewer); err != nil {
		return nil, err
	}
	before, err := b.rested(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.connect(ctx); err != nil {
		return nil, err
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	defer b.hangUp()
	for _, ws := range b.socks {
		reading.Go(func() { b.listen(ws) })
	}
	open, err := b.rested(ctx)
	if err != nil {
		return nil, err
	}
	list = []figure{{"clients", b.clients, ""}, {"memory a connection, resident", float64(open.PSS-before.PSS) / float64(b.clients) / 1024, "KiB"}}
	more, err := b.publish(ctx)
	return append(list, more...), err
}

// rested is what Vigil uses once it has come to rest.
func (b *liveBench) rested(ctx context.Context) (bench.Usage, error) {
	select {
	case <-ctx.Done():
		return bench.Usage{}, context.Cause(ctx)
	case <-time.After(5 * time.Second):
		return b.own.usage()
	}
}

// connect opens the sockets and has each listen.
func (b *liveBench) connect(ctx context.Context) error {
	ep, err := b.own.endpoints()
	if err != nil {
		return err
	}
	url := "ws" + strings.TrimPrefix(strings.TrimSuffix(ep.API, "/"), "http") + "/api/v1/live"
	b.socks = make([]*websocket.Conn, b.clients)
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(32)
	dialer := websocket.Dialer{Subprotocols: []string{"vigil.v1"}, HandshakeTimeout: 20 * time.Second, WriteBufferPool: &sync.Pool{}, ReadBufferSize: 4 << 10, EnableCompression: true}
	for i := range b.socks {
		g.Go(func() error {
			ws, _, err := dialer.DialContext(within, url, http.Header{"Cookie": {b.cookie}})
			if err != nil {
				return fmt.Errorf("client %d: %w", i, err)
			}
			b.socks[i] = ws
			if err := ws.WriteJSON(map[string]string{"op": "sub", "topic": "alerts"}); err != nil {
				return fmt.Errorf("client %d: %w", i, err)
			}
			_, text, err := ws.ReadMessage()
			if err != nil || !bytes.Contains(text, []byte(`"subd"`)) {
				return fmt.Errorf("client %d may not listen: %s %w", i, text, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (b *liveBench) hangUp() {
	for _, ws := range b.socks {
		_ = ws.Close()
	}
}

const liveMark = `"id":"bench-`

// listen takes the time of every note in every frame. It looks for the notes' ids only:
// reading JSON a hundred thousand times a second would be most of what is measured.
func (b *liveBench) listen(ws *websocket.Conn) {
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			b.heard.cuts.Add(1)
			return
		}
		now := time.Now().UnixNano()
		b.heard.frames.Add(1)
		for {
			i := bytes.Index(text, []byte(liveMark))
			if i < 0 {
				break
			}
			text = text[i+len(liveMark):]
			digits, _, _ := bytes.Cut(text, []byte(`-`))
			sent, err := strconv.ParseInt(string(digits), 10, 64)
			if err != nil {
				break
			}
			took := max(now-sent, 0) / 100_000
			b.heard.after[min(took, int64(len(b.heard.after)-1))].Add(1)
			b.heard.notes.Add(1)
		}
	}
}

// publish writes notes at the rate, and waits until the last has arrived.
func (b *liveBench) publish(ctx context.Context) ([]figure, error) {
	st, err := b.own.store(ctx)
	if err != nil {
		return nil, err
	}
	before, err := b.own.usage()
	if err != nil {
		return nil, err
	}
	total := int(b.period.Seconds() * float64(b.rate))
	began := time.Now()
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for n := range total {
		// By the plan, not by the last: a slow insert does not thin out what follows.
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(b.rate))))
		g.Go(func() error { return publishOne(within, st, b.a.org, n) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	took := time.Since(began)
	want := int64(total) * int64(b.clients)
	for end := time.Now().Add(10 * time.Second); b.heard.notes.Load() < want && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(20 * time.Millisecond)
	}
	after, err := b.own.usage()
	if err != nil {
		return nil, err
	}
	return b.figures(total, took, before, after), nil
}

func publishOne(ctx context.Context, st *store.Store, org string, n int) error {
	now := time.Now()
	return st.PutNotes(ctx, schema.Note{Org: org, Topic: "alerts", Kind: "created", ID: fmt.Sprintf("bench-%d-%d", now.UnixNano(), n), Time: now.UTC(),
		Data: `{"rule":"linux-uid0-user","title":"A second user with the rights of root","severity":"high","risk":73,"status":"open"}`})
}

func (b *liveBench) figures(total int, took time.Duration, before, after bench.Usage) []figure {
	frames, notes := b.heard.frames.Load(), b.heard.notes.Load()
	own := (after.CPU - after.Children) - (before.CPU - before.Children)
	list := []figure{{"published", float64(total) / took.Seconds(), "notes/s"}, {"deliveries (one frame to one client)", float64(frames) / took.Seconds(), "a second"},
		{"notes that clients lack", int64(total)*int64(b.clients) - notes, fmt.Sprintf("of %d", total*b.clients)}, {"connections that were cut", b.heard.cuts.Load(), ""}}
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"slowest", 1}} {
		list = append(list, figure{"published to received, " + q.name, b.heard.quantile(q.at), "ms"})
	}
	return append(list, figure{"processor of Vigil a delivery", float64(own.Microseconds()) / float64(max(frames, 1)), "µs"},
		figure{"processor of ClickHouse a note", float64((after.Children - before.Children).Microseconds()) / float64(total) / 1e3, "ms"})
}

// quantile is in milliseconds.
func (h *hearings) quantile(q float64) float64 {
	left := int64(q * float64(h.notes.Load()-1))
	for i := range h.after {
		if left -= h.after[i].Load(); left < 0 {
			return float64(i) / 10
		}
	}
	return float64(len(h.after)) / 10
}
