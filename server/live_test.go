package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vigil/internal/auth/perm"
	"vigil/internal/live"
	"vigil/schema"
)

// TestLiveLimits holds the limits against what clients are told.
func TestLiveLimits(t *testing.T) {
	want := liveLimits{read: 4096, topics: 64, queue: 256, oldest: 10 * time.Second, write: 5 * time.Second, ping: 24 * time.Second, pong: 40 * time.Second,
		recheck: time.Minute, leave: time.Second, deflate: 1024, items: 256}
	if defaultLiveLimits != want {
		t.Errorf("the limits are %+v, want %+v", defaultLiveLimits, want)
	}
}

// box is an outbox in memory.
type box struct {
	mu    sync.Mutex
	notes []schema.Note
	rang  chan struct{}
}

func (b *box) NotesSince(_ context.Context, _, from string, limit int) ([]schema.Note, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []schema.Note
	for _, n := range b.notes {
		if n.Offset >= from && len(out) < limit {
			out = append(out, n)
		}
	}
	return out, nil
}

func (b *box) Published() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rang
}

// put publishes notes with these ids.
func (b *box) put(topic string, ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		b.notes = append(b.notes, schema.Note{Offset: fmt.Sprintf("%016x%08x", time.Now().UnixMicro(), len(b.notes)), Topic: topic, ID: id, Data: "{}"})
	}
	close(b.rang)
	b.rang = make(chan struct{})
}

// station is the live part of a server, with a session that the test changes.
type station struct {
	t   *testing.T
	box *box
	s   *sockets
	url string
	// Clients that are opened now let the kernel keep little for them.
	small bool

	mu   sync.Mutex
	who  *caller
	fail error
}

func (st *station) session(*http.Request) (*caller, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.who, st.fail
}

func (st *station) set(who *caller, fail error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.who, st.fail = who, fail
}

func person(name string, role perm.Role) *caller {
	return &caller{user: schema.User{Name: name, Role: string(role)}}
}

// newStation serves with limits that the test changes.
func newStation(t *testing.T, change func(*liveLimits)) *station {
	t.Helper()
	limits := defaultLiveLimits
	if change != nil {
		change(&limits)
	}
	st := &station{t: t, box: &box{rang: make(chan struct{})}, who: person("ana", perm.Analyst)}
	hub := live.NewHub(st.box, "main", slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	st.s = newSockets(hub, limits, st.session)
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := st.session(r)
		st.s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	}))
	t.Cleanup(func() { ts.CloseClientConnections(); ts.Close(); stop(); running.Wait() })
	st.url = "ws" + strings.TrimPrefix(ts.URL, "http")
	return st
}

func (st *station) dial(compress bool, headers ...string) (*websocket.Conn, int) {
	st.t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	d := websocket.Dialer{Subprotocols: []string{subprotocol}, EnableCompression: compress, NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil && st.small {
			err = c.(*net.TCPConn).SetReadBuffer(64 << 10)
		}
		return c, err
	}}
	c, res, err := d.DialContext(st.t.Context(), st.url, h)
	if err != nil {
		if res == nil {
			st.t.Fatal(err)
		}
		return nil, res.StatusCode
	}
	st.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return c, http.StatusSwitchingProtocols
}

// open dials and listens to topics, from where the hub is now.
func (st *station) open(topics ...string) *websocket.Conn {
	st.t.Helper()
	c, code := st.dial(false)
	if c == nil {
		st.t.Fatalf("no connection: %d", code)
	}
	for _, topic := range topics {
		say(st.t, c, frame{Op: "sub", Topic: topic})
		if r := hear(st.t, c); r.Op != "subd" || r.Topic != topic || r.Gap || r.Offset == "" {
			st.t.Fatalf("listening to %s: %+v", topic, r)
		}
	}
	return c
}

func say(t *testing.T, c *websocket.Conn, f frame) {
	t.Helper()
	if err := c.WriteJSON(f); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c *websocket.Conn) (r reply) {
	t.Helper()
	if err := c.ReadJSON(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// closed reads until the connection ends, and returns the code and the frames before.
func closed(t *testing.T, c *websocket.Conn) (code int, before []reply) {
	t.Helper()
	for {
		var r reply
		err := c.ReadJSON(&r)
		if e, ok := errors.AsType[*websocket.CloseError](err); ok {
			return e.Code, before
		}
		if err != nil {
			t.Fatalf("ended without a code: %v", err)
		}
		before = append(before, r)
	}
}

// TestLiveDoor: strangers, other origins, other protocols and, while it drains, everybody
// stay outside.
func TestLiveDoor(t *testing.T) {
	st := newStation(t, nil)
	if _, code := st.dial(false, "Origin", "https://evil.example"); code != http.StatusForbidden {
		t.Errorf("another origin: %d", code)
	}
	if _, code := st.dial(false, "Origin", "http"+strings.TrimPrefix(st.url, "ws")); code != http.StatusSwitchingProtocols {
		t.Errorf("our own origin: %d", code)
	}
	if _, res, err := websocket.DefaultDialer.Dial(st.url, nil); err == nil || res == nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("without the subprotocol: %v", err)
	}
	st.set(nil, nil)
	if _, code := st.dial(false); code != http.StatusUnauthorized {
		t.Errorf("a stranger: %d", code)
	}
	st.set(person("ana", perm.Analyst), nil)
	st.s.drain()
	if _, code := st.dial(false); code != http.StatusServiceUnavailable {
		t.Errorf("while it drains: %d", code)
	}
}

// TestLiveFrames: one note is a pub, several are a batch, more than a frame holds are told
// as dropped; mistakes keep the connection; what is unsubscribed is quiet.
func TestLiveFrames(t *testing.T) {
	st := newStation(t, func(l *liveLimits) { l.items = 3 })
	c := st.open("alerts", "runs")
	st.box.put("alerts", "one")
	if r := hear(t, c); r.Op != "pub" || r.Topic != "alerts" || r.Data == nil || r.Data.ID != "one" || r.Offset != r.Data.Offset {
		t.Errorf("one note: %+v", r)
	}
	st.box.put("runs", "a", "b", "c")
	if r := hear(t, c); r.Op != "batch" || len(r.Items) != 3 || r.Dropped != 0 || r.Offset != r.Items[2].Offset {
		t.Errorf("three notes: %+v", r)
	}
	st.box.put("runs", "d", "e", "f", "g", "h")
	if r := hear(t, c); r.Op != "batch" || len(r.Items) != 3 || r.Dropped != 2 || r.Items[2].ID != "h" {
		t.Errorf("more than a frame holds: %+v", r)
	}
	for _, bad := range []string{"{", `{"op":"dance"}`, `{"op":"sub","topic":"users"}`, `{"op":"sub","topic":"nothing"}`} {
		if err := c.WriteMessage(websocket.TextMessage, []byte(bad)); err != nil {
			t.Fatal(err)
		}
		if r := hear(t, c); r.Op != "err" || r.Message == "" {
			t.Errorf("%s: %+v", bad, r)
		}
	}
	say(t, c, frame{Op: "unsub", Topic: "runs"})
	say(t, c, frame{Op: "sub", Topic: "intel"}) // its answer says that unsub was taken
	if r := hear(t, c); r.Op != "subd" {
		t.Fatalf("%+v", r)
	}
	st.box.put("runs", "unheard")
	st.box.put("alerts", "heard")
	if r := hear(t, c); r.Topic != "alerts" {
		t.Errorf("after unsub: %+v", r)
	}
}

// TestLiveResume: the answer to sub does not move a client's offset past what follows it,
// so that one that is cut between the two lacks nothing; what cannot be known is a gap.
func TestLiveResume(t *testing.T) {
	st := newStation(t, nil)
	c := st.open("alerts")
	st.box.put("alerts", "one")
	since := hear(t, c).Offset
	_ = c.Close()
	other := st.open("alerts")
	st.box.put("alerts", "two", "three")
	hear(t, other) // the hub knows them
	for range 2 {
		c, _ = st.dial(false)
		say(t, c, frame{Op: "sub", Topic: "alerts", Since: since})
		if r := hear(t, c); r.Op != "subd" || r.Gap || r.Offset != since {
			t.Errorf("the answer moves the offset from %s: %+v", since, r)
		}
		_ = c.Close() // and again, as if it had been cut there
	}
	c, _ = st.dial(false)
	say(t, c, frame{Op: "sub", Topic: "alerts", Since: since})
	hear(t, c)
	if r := hear(t, c); len(r.Items) < 2 || r.Offset < r.Items[len(r.Items)-1].Offset {
		t.Errorf("what was missed: %+v", r)
	}
	for _, since := range []string{"0000000000000001", "nonsense"} {
		say(t, c, frame{Op: "sub", Topic: "runs", Since: since})
		if r := hear(t, c); r.Op != "subd" || !r.Gap || r.Offset == "" {
			t.Errorf("since %s: %+v", since, r)
		}
	}
}

// TestLiveTooMuch: too many topics, messages that are too long, or are once they are
// unpacked, end the connection.
func TestLiveTooMuch(t *testing.T) {
	st := newStation(t, nil)
	c := st.open()
	for i := range 65 {
		say(t, c, frame{Op: "sub", Topic: fmt.Sprint("topic", i)})
	}
	if code, before := closed(t, c); code != 4009 || len(before) > 64 {
		t.Errorf("65 topics: %d after %d answers", code, len(before))
	}
	c = st.open()
	for range 200 {
		say(t, c, frame{Op: "sub", Topic: "topic"})
		say(t, c, frame{Op: "unsub", Topic: "topic"})
		if r := hear(t, c); r.Op != "err" {
			t.Fatalf("one topic again and again: %+v", r)
		}
	}
	for _, compress := range []bool{false, true} {
		c, _ = st.dial(compress)
		long := func(n int) {
			text, _ := json.Marshal(frame{Op: "sub"})
			text = append(text, strings.Repeat(" ", n-len(text))...)
			if err := c.WriteMessage(websocket.TextMessage, text); err != nil {
				t.Fatal(err)
			}
		}
		long(4096)
		if r := hear(t, c); r.Op != "err" {
			t.Errorf("4 KiB, compressed %v: %+v", compress, r)
		}
		long(4097)
		if code, before := closed(t, c); code != websocket.CloseMessageTooBig || len(before) > 0 {
			t.Errorf("more than 4 KiB, compressed %v: %d after %v", compress, code, before)
		}
	}
}

// wire counts what arrives.
type wire struct {
	net.Conn
	n *int
}

func (w wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	*w.n += n
	return n, err
}

// TestLiveDeflate: frames of a KiB and more are compressed, smaller ones are not.
func TestLiveDeflate(t *testing.T) {
	st := newStation(t, nil)
	n := 0
	d := websocket.Dialer{Subprotocols: []string{subprotocol}, EnableCompression: true, NetDial: func(network, addr string) (net.Conn, error) {
		c, err := net.Dial(network, addr)
		return wire{c, &n}, err
	}}
	c, _, err := d.Dial(st.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	say(t, c, frame{Op: "sub", Topic: "alerts"})
	if _, _, err := c.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{600, 3000} {
		before := n
		st.box.put("alerts", strings.Repeat("a", size))
		_, text, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if packed := n-before < len(text); packed != (len(text) >= 1024) {
			t.Errorf("%d bytes of a frame of %d arrived", n-before, len(text))
		}
	}
}

// TestLiveOneMessage: a frame is made once, whoever gets it.
func TestLiveOneMessage(t *testing.T) {
	s := newSockets(nil, defaultLiveLimits, nil)
	var all []*connection
	for range 3 {
		c := &connection{s: s, who: person("ana", perm.Analyst), topics: map[string]bool{"alerts": true}, queue: newQueue(4, time.Minute)}
		all = append(all, c)
		s.open[c] = true
	}
	s.pass([]schema.Note{{Offset: "1", Topic: "alerts"}, {Offset: "2", Topic: "alerts"}, {Offset: "3", Topic: "runs"}})
	first := all[0].queue.wait
	if len(first) != 1 {
		t.Fatalf("%d frames, want one a topic", len(first))
	}
	for _, c := range all[1:] {
		if len(c.queue.wait) != 1 || c.queue.wait[0].message != first[0].message {
			t.Error("another message for another client")
		}
	}
}

// TestLiveQueue: 256 frames may wait, each for ten seconds; then the client is cut, and
// putting goes on without waiting.
func TestLiveQueue(t *testing.T) {
	now := time.Now()
	q := newQueue(defaultLiveLimits.queue, defaultLiveLimits.oldest)
	for range 256 {
		q.put(outgoing{}, now)
	}
	if _, ok, slow := q.take(now); !ok || slow {
		t.Error("256 frames are too many")
	}
	q.put(outgoing{}, now)
	q.put(outgoing{}, now)
	if _, ok, slow := q.take(now); ok || !slow || q.wait != nil {
		t.Error("257 frames wait")
	}
	for _, put := range []bool{false, true} {
		q = newQueue(256, 10*time.Second)
		q.put(outgoing{}, now)
		if _, _, slow := q.take(now.Add(10 * time.Second)); slow {
			t.Error("ten seconds are too long")
		}
		q.put(outgoing{}, now)
		if put {
			q.put(outgoing{}, now.Add(10*time.Second+1))
			now = now.Add(-time.Minute) // what put found stays found
		}
		if _, _, slow := q.take(now.Add(10*time.Second + 1)); !slow {
			t.Error("a frame waits for more than ten seconds")
		}
	}
}

// TestLiveTooSlow: a client that does not read is cut and told to resume, the others
// hear on, and whoever publishes does not wait.
func TestLiveTooSlow(t *testing.T) {
	st := newStation(t, nil)
	quick := st.open("alerts")
	st.small = true
	slow := st.open("alerts")
	const rounds = 800 // the kernel keeps some megabytes before a write waits
	var heard atomic.Int64
	go func() {
		for {
			if _, _, err := quick.ReadMessage(); err != nil {
				return
			}
			heard.Add(1)
		}
	}()
	big := make([]schema.Note, 1)
	for i := range rounds {
		big[0] = schema.Note{Topic: "alerts", ID: strings.Repeat("a", 30_000), Offset: fmt.Sprintf("%016x", time.Now().UnixMicro()+int64(i))}
		began := time.Now()
		st.s.pass(big)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("publishing waited for %s", took)
		}
		st.await("the quick one to hear on", func() bool { return heard.Load() > int64(i-100) })
	}
	st.await("the quick one to hear everything", func() bool { return heard.Load() == rounds })
	if code, before := closed(t, slow); code != 4008 || len(before) == rounds {
		t.Errorf("the slow one was closed with %d after %d frames", code, len(before))
	}
}

// TestLiveStuck: a write that does not end within its time ends the connection.
func TestLiveStuck(t *testing.T) {
	st := newStation(t, func(l *liveLimits) { l.write = 200 * time.Millisecond; l.queue = 1 << 20 })
	st.small = true
	st.open("alerts")
	for i := range 800 {
		st.s.pass([]schema.Note{{Topic: "alerts", ID: strings.Repeat("a", 30_000), Offset: fmt.Sprint(i)}})
	}
	st.await("the stuck connection to end", func() bool { return st.connections() == 0 })
}

func (st *station) connections() int {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	return len(st.s.open)
}

func (st *station) await(what string, ok func() bool) {
	st.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			st.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestLivePing: a client that answers pings stays, one that is silent is dropped.
func TestLivePing(t *testing.T) {
	st := newStation(t, func(l *liveLimits) { l.ping, l.pong = 50*time.Millisecond, 400*time.Millisecond })
	silent := st.open()
	silent.SetPingHandler(func(string) error { return nil })
	go func() { _, _, _ = silent.ReadMessage() }()
	st.await("the silent client to be dropped", func() bool { return st.connections() == 0 })
	c := st.open("alerts")
	heard := make(chan error, 1)
	go func() { _, _, err := c.ReadMessage(); heard <- err }()
	time.Sleep(1200 * time.Millisecond)
	st.box.put("alerts", "one")
	if err := <-heard; err != nil {
		t.Errorf("a client that answers is dropped: %v", err)
	}
}

// TestLiveRecheck: sessions are checked again, and at once when the user changed; a role
// that lost a topic hears no more of it, and a store that is away ends nothing.
func TestLiveRecheck(t *testing.T) {
	st := newStation(t, func(l *liveLimits) { l.recheck = time.Hour })
	c := st.open("alerts", "audit")
	st.set(person("ana", perm.Viewer), nil)
	st.box.put("users", "bo") // somebody else
	st.box.put("audit", "still heard")
	if r := hear(t, c); r.Op != "pub" || r.Topic != "audit" {
		t.Fatalf("before the change is told: %+v", r)
	}
	st.box.put("users", "ana")
	if r := hear(t, c); r.Op != "err" || r.Topic != "audit" {
		t.Fatalf("after the role changed: %+v", r)
	}
	st.box.put("audit", "unheard")
	st.box.put("alerts", "heard")
	if r := hear(t, c); r.Topic != "alerts" {
		t.Errorf("a viewer hears of the audit: %+v", r)
	}
	say(t, c, frame{Op: "sub", Topic: "audit"})
	if r := hear(t, c); r.Op != "err" {
		t.Errorf("a viewer listens to the audit: %+v", r)
	}
	st.set(nil, errors.New("the store is away"))
	st.box.put("users", "ana")
	st.box.put("alerts", "heard too")
	if r := hear(t, c); r.Topic != "alerts" {
		t.Errorf("while the store is away: %+v", r)
	}
	st.set(nil, nil)
	st.box.put("users", "ana")
	if code, _ := closed(t, c); code != 4001 {
		t.Errorf("a session that ended: %d", code)
	}

	st = newStation(t, func(l *liveLimits) { l.recheck = 50 * time.Millisecond })
	c = st.open()
	time.Sleep(200 * time.Millisecond)
	st.set(nil, nil) // and nobody tells
	if code, _ := closed(t, c); code != 4001 {
		t.Errorf("a session that expired: %d", code)
	}
}

// TestLiveDrain: what is queued is sent, clients are told to come back, and one that
// does not read delays it by no more than a write may take.
func TestLiveDrain(t *testing.T) {
	st := newStation(t, func(l *liveLimits) { l.write = 500 * time.Millisecond })
	c := st.open("alerts")
	st.small = true
	stuck := st.open("runs")
	for i := range 200 {
		st.s.pass([]schema.Note{{Topic: "runs", ID: strings.Repeat("a", 60_000), Offset: fmt.Sprint(i)}})
	}
	st.s.pass([]schema.Note{{Topic: "alerts", ID: "last", Offset: "1"}})
	began := time.Now()
	drained := make(chan struct{})
	go func() { defer close(drained); st.s.drain() }()
	if code, before := closed(t, c); code != 1012 || len(before) != 1 || before[0].Data.ID != "last" {
		t.Errorf("drained with %d after %v", code, before)
	}
	<-drained
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("draining took %s", took)
	}
	_ = stuck.Close()
}
