package server

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"vigil/internal/auth/perm"
	"vigil/internal/live"
	"vigil/schema"
)

const (
	subprotocol = "vigil.v1"
	// Close codes: what the client does next.
	closeSignIn  = 4001
	closeTooSlow = 4008 // resume
	closeTooMany = 4009
	closeRestart = websocket.CloseServiceRestart // resume elsewhere, after a random wait
)

// liveLimits bound a live connection.
type liveLimits struct {
	read    int64 // bytes of a message, as it is sent and as it is unpacked
	topics  int
	queue   int           // frames that wait to be sent
	oldest  time.Duration // how long one of them may wait
	write   time.Duration
	ping    time.Duration
	pong    time.Duration
	recheck time.Duration
	leave   time.Duration // for the client to answer the end of the connection
	deflate int           // bytes from which on a frame is compressed
	items   int           // notes of a frame; of more, the newest, and the client is told
}

var defaultLiveLimits = liveLimits{read: 4 << 10, topics: 64, queue: 256, oldest: 10 * time.Second, write: 5 * time.Second,
	ping: 24 * time.Second, pong: 40 * time.Second, recheck: 60 * time.Second, leave: time.Second, deflate: 1 << 10, items: 256}

// topics says which permission a topic needs.
var topics = map[string]perm.Permission{
	"alerts": "read:alerts", "incidents": "read:incidents", "approvals": "read:approvals", "runs": "read:incidents", "sources": "read:sources",
	"audit": "read:audit", "posture": "read:posture", "models": "read:models", "intel": "read:intel", "tables": "read:entities", "rules": "read:rules", "exceptions": "read:rules",
}

// topicUsers tells the servers, and nobody else, that a user's rights or sessions changed.
const topicUsers = "users"

// frame is what a client sends: sub, unsub.
type frame struct {
	Op    string `json:"op" enum:"sub,unsub"`
	Topic string `json:"topic"`
	Since string `json:"since,omitempty"`
}

// reply is what the server sends: subd, pub (one note), batch (several), err.
type reply struct {
	Op      string        `json:"op" enum:"subd,pub,batch,err"`
	Topic   string        `json:"topic,omitempty"`
	Offset  string        `json:"offset,omitempty"`
	Gap     bool          `json:"gap,omitempty"`
	Data    *schema.Note  `json:"data,omitempty"`
	Items   []schema.Note `json:"items,omitempty"`
	Dropped int           `json:"dropped,omitempty"` // notes that are not in the batch
	Message string        `json:"message,omitempty"`
}

// lives are the live connections of every org; those of one share nothing with another's.
type lives struct {
	of func(org string) *sockets

	mu      sync.Mutex
	orgs    map[string]*sockets
	drained bool
}

func newLives(of func(org string) *sockets) *lives {
	return &lives{of: of, orgs: map[string]*sockets{}}
}

// ServeHTTP implements http.Handler: the org is that of who is signed in.
func (l *lives) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who := callerOf(r.Context())
	if who == nil {
		http.Error(w, "sign in first", http.StatusUnauthorized)
		return
	}
	s := l.org(who.user.Org)
	if s == nil {
		http.Error(w, "the server restarts", http.StatusServiceUnavailable)
		return
	}
	s.ServeHTTP(w, r)
}

// org returns the connections of an org, nil once the server drains.
func (l *lives) org(name string) *sockets {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drained {
		return nil
	}
	s, ok := l.orgs[name]
	if !ok {
		s = l.of(name)
		l.orgs[name] = s
	}
	return s
}

// drain drains all orgs at once.
func (l *lives) drain() {
	l.mu.Lock()
	l.drained = true
	l.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range l.orgs { // nobody adds to it any more
		wg.Go(s.drain)
	}
	wg.Wait()
}

// sockets are the live connections of an org.
type sockets struct {
	hub     *live.Hub
	limits  liveLimits
	again   func(*http.Request) (*caller, error) // checks a session again
	up      websocket.Upgrader
	closing chan struct{}
	running sync.WaitGroup
	listen  func() (stop func()) // begins with the first connection

	mu   sync.Mutex
	open map[*connection]bool
}

func newSockets(hub *live.Hub, limits liveLimits, again func(*http.Request) (*caller, error)) *sockets {
	s := &sockets{hub: hub, limits: limits, again: again, closing: make(chan struct{}), open: map[*connection]bool{},
		// It compares the Origin with the Host by itself.
		up: websocket.Upgrader{Subprotocols: []string{subprotocol}, HandshakeTimeout: 5 * time.Second, EnableCompression: true, WriteBufferPool: &sync.Pool{}}}
	s.listen = sync.OnceValue(func() func() { return hub.Listen(s.pass) })
	return s
}

func (s *sockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who := callerOf(r.Context())
	switch {
	case who == nil:
		http.Error(w, "sign in first", http.StatusUnauthorized)
		return
	case !slices.Contains(websocket.Subprotocols(r), subprotocol):
		http.Error(w, "ask for the subprotocol "+subprotocol, http.StatusBadRequest)
		return
	}
	c := &connection{s: s, who: who, request: r, asked: map[string]bool{}, topics: map[string]bool{}, queue: newQueue(s.limits.queue, s.limits.oldest),
		end: make(chan ending, 1), changed: make(chan struct{}, 1)}
	if !s.enter(c) {
		http.Error(w, "the server restarts", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(c)
	ws, err := s.up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c.ws = ws
	c.run(context.WithoutCancel(r.Context()))
}

// enter counts a connection in; false once the server drains.
func (s *sockets) enter(c *connection) bool {
	s.listen()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closing:
		return false
	default:
	}
	s.running.Add(1)
	s.open[c] = true
	return true
}

func (s *sockets) leave(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	s.running.Done()
}

// drain tells every client to come back elsewhere, and waits until they have gone: for as
// long as a write may take, and their answer.
func (s *sockets) drain() {
	s.mu.Lock()
	close(s.closing)
	s.mu.Unlock()
	s.running.Wait()
	s.listen()()
}

// pass makes one frame a topic and puts it into the queues of those who listen. It never
// waits for any of them.
func (s *sockets) pass(notes []schema.Note) {
	byTopic := map[string][]schema.Note{}
	for _, n := range notes {
		byTopic[n.Topic] = append(byTopic[n.Topic], n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, of := range byTopic {
		if topic == topicUsers {
			s.usersChanged(of)
			continue
		}
		var out outgoing
		for c := range s.open {
			if !c.listens(topic) {
				continue
			}
			if out.message == nil {
				out = outgoingOf(s.frame(topic, newest(of), of), s.limits.deflate)
			}
			c.queue.put(out, time.Now())
		}
	}
}

// usersChanged has the sessions of these users checked now.
func (s *sockets) usersChanged(notes []schema.Note) {
	for c := range s.open {
		if slices.ContainsFunc(notes, func(n schema.Note) bool { return n.ID == c.user() }) {
			select {
			case c.changed <- struct{}{}:
			default: // is about to be checked
			}
		}
	}
}

// frame is the newest of the notes, as many as a frame may hold.
func (s *sockets) frame(topic, offset string, notes []schema.Note) reply {
	if len(notes) == 1 {
		return reply{Op: "pub", Topic: topic, Offset: offset, Data: &notes[0]}
	}
	over := max(len(notes)-s.limits.items, 0)
	return reply{Op: "batch", Topic: topic, Offset: offset, Items: notes[over:], Dropped: over}
}

func newest(items []schema.Note) string {
	last := ""
	for _, n := range items {
		last = max(last, n.Offset)
	}
	return last
}

// connection is one WebSocket. Its own goroutine writes; another one reads.
type connection struct {
	s       *sockets
	ws      *websocket.Conn
	request *http.Request // to check the session again
	asked   map[string]bool
	queue   *queue
	end     chan ending
	changed chan struct{} // rights or sessions of the user

	mu     sync.Mutex // of those below
	who    *caller
	topics map[string]bool
}

// ending is why a connection is closed by the server.
type ending struct {
	code int
	why  string
}

func (c *connection) user() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.who.user.Name
}

func (c *connection) listens(topic string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.topics[topic]
}

// run serves the connection until one of its sides ends it.
func (c *connection) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() { _ = c.ws.Close() }()
	gone := make(chan struct{})
	go func() { defer close(gone); c.read() }()
	var checks sync.WaitGroup
	defer checks.Wait()
	ping := time.NewTicker(c.s.limits.ping)
	defer ping.Stop()
	// The first check comes at a random time, so that clients that came together are not
	// checked together for ever.
	check := time.NewTimer(rand.N(c.s.limits.recheck))
	defer check.Stop()
	for {
		select {
		case <-gone:
			return
		case <-c.s.closing:
			c.send(time.Now().Add(c.s.limits.write))
			c.close(ending{closeRestart, "the server restarts; resume"}, gone)
			return
		case e := <-c.end:
			c.close(e, gone)
			return
		case <-c.queue.ready:
			if !c.send(never) {
				c.close(ending{closeTooSlow, "too slow; resume"}, gone)
				return
			}
		case <-ping.C:
			if c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.s.limits.write)) != nil {
				return
			}
		case <-check.C:
			check.Reset(c.s.limits.recheck)
			checks.Go(func() { c.check(ctx) })
		case <-c.changed:
			checks.Go(func() { c.check(ctx) })
		}
	}
}

var never = time.Unix(1<<40, 0)

// send writes what is queued; false when the client is too slow, or not done in time.
func (c *connection) send(until time.Time) bool {
	for {
		out, ok, slow := c.queue.take(time.Now())
		if slow {
			return false
		}
		if !ok {
			return true
		}
		deadline := time.Now().Add(c.s.limits.write)
		if until.Before(deadline) {
			deadline = until
		}
		_ = c.ws.SetWriteDeadline(deadline)
		c.ws.EnableWriteCompression(out.deflate)
		if c.ws.WritePreparedMessage(out.message) != nil {
			return false
		}
	}
}

// close says why, and waits a little for the client's answer: a connection that is closed
// with unread bytes is reset, and the reason could be lost with it.
func (c *connection) close(e ending, gone <-chan struct{}) {
	deadline := time.Now().Add(c.s.limits.leave)
	if c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(e.code, e.why), deadline) != nil {
		return
	}
	select {
	case <-gone:
	case <-time.After(time.Until(deadline)):
	}
}

// finish has the connection closed; the first reason holds.
func (c *connection) finish(e ending) {
	select {
	case c.end <- e:
	default:
	}
}

// say queues an answer of this connection alone.
func (c *connection) say(r reply) {
	c.queue.put(outgoingOf(r, c.s.limits.deflate), time.Now())
}

// read takes frames until the client goes.
func (c *connection) read() {
	wait := func(string) error { return c.ws.SetReadDeadline(time.Now().Add(c.s.limits.pong)) }
	c.ws.SetReadLimit(c.s.limits.read)
	c.ws.SetPongHandler(wait)
	_ = wait("")
	for {
		_, r, err := c.ws.NextReader()
		if err != nil {
			return
		}
		// The library's limit is of the bytes as they are sent, which may be compressed.
		data, err := io.ReadAll(io.LimitReader(r, c.s.limits.read+1))
		if int64(len(data)) > c.s.limits.read {
			c.finish(ending{websocket.CloseMessageTooBig, "a message is too long"})
			return
		}
		if err != nil {
			return
		}
		var f frame
		if json.Unmarshal(data, &f) != nil {
			c.say(reply{Op: "err", Message: "not a JSON frame"})
			continue
		}
		c.take(f)
	}
}

func (c *connection) take(f frame) {
	switch f.Op {
	case "sub":
		c.subscribe(f)
	case "unsub":
		delete(c.asked, f.Topic)
		c.mu.Lock()
		delete(c.topics, f.Topic)
		c.mu.Unlock()
	default:
		c.say(reply{Op: "err", Message: "unknown op " + clipText(f.Op)})
	}
}

func (c *connection) subscribe(f frame) {
	// Topics that are refused count too: asking is what costs.
	if c.asked[f.Topic] = true; len(c.asked) > c.s.limits.topics {
		c.finish(ending{closeTooMany, "too many topics"})
		return
	}
	need, ok := topics[f.Topic]
	if !ok || !c.may(need) {
		c.say(reply{Op: "err", Topic: clipText(f.Topic), Message: "there is no such topic for you"})
		return
	}
	// Nothing passes meanwhile, so that the answer, what was missed and what comes next
	// are queued in this order, and nothing is missing between them.
	c.s.hub.Resume(f.Since, func(missed []schema.Note, last string, gap bool) {
		missed = slices.DeleteFunc(missed, func(n schema.Note) bool { return n.Topic != f.Topic })
		at := last
		if len(missed) > 0 {
			at = f.Since // a client that is cut here has not heard what follows
		}
		c.mu.Lock()
		c.topics[f.Topic] = true
		c.mu.Unlock()
		c.say(reply{Op: "subd", Topic: f.Topic, Offset: at, Gap: gap})
		if len(missed) > 0 {
			c.say(c.s.frame(f.Topic, last, missed))
		}
	})
}

// may says whether the caller has a permission; checks change who that is.
func (c *connection) may(p perm.Permission) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.who.may(p)
}

// check looks at session and role again. A session that ended ends the connection; the
// client is told of topics that the role lost.
func (c *connection) check(ctx context.Context) {
	who, err := c.s.again(c.request.WithContext(ctx))
	switch {
	case err != nil: // the store is away; the next check decides
		return
	case who == nil:
		c.finish(ending{closeSignIn, "sign in again"})
		return
	}
	c.mu.Lock()
	c.who = who
	var lost []string
	for topic := range c.topics {
		if !who.may(topics[topic]) {
			lost = append(lost, topic)
			delete(c.topics, topic)
		}
	}
	c.mu.Unlock()
	for _, topic := range lost {
		c.say(reply{Op: "err", Topic: topic, Message: "there is no such topic for you any more"})
	}
}

func clipText(s string) string {
	if len(s) > 40 {
		return s[:40]
	}
	return s
}

// outgoing is a frame as it is sent, made once for all who get it.
type outgoing struct {
	message *websocket.PreparedMessage
	deflate bool
	at      time.Time // since when it waits
}

func outgoingOf(r reply, deflate int) outgoing {
	data, err := json.Marshal(r)
	if err != nil {
		panic("a frame cannot be written as JSON: " + err.Error()) // it holds texts only
	}
	m, err := websocket.NewPreparedMessage(websocket.TextMessage, data)
	if err != nil {
		panic("a text is no message: " + err.Error())
	}
	return outgoing{message: m, deflate: len(data) >= deflate}
}

// queue holds the frames that wait for a client. Putting never blocks: a client that
// leaves too many, or one for too long, is too slow.
type queue struct {
	ready  chan struct{} // has something to say
	limit  int
	oldest time.Duration

	mu   sync.Mutex
	wait []outgoing
	slow bool
}

func newQueue(limit int, oldest time.Duration) *queue {
	return &queue{ready: make(chan struct{}, 1), limit: limit, oldest: oldest}
}

func (q *queue) put(o outgoing, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.age(now)
	if len(q.wait) == q.limit {
		q.cut()
	}
	if !q.slow {
		o.at = now
		q.wait = append(q.wait, o)
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take returns the frame that waits longest; slow says that the client must go.
func (q *queue) take(now time.Time) (o outgoing, ok, slow bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.age(now); q.slow || len(q.wait) == 0 {
		return o, false, q.slow
	}
	o, q.wait = q.wait[0], q.wait[1:]
	if len(q.wait) == 0 {
		q.wait = nil // frees what was sent
	}
	return o, true, false
}

func (q *queue) age(now time.Time) {
	if len(q.wait) > 0 && now.Sub(q.wait[0].at) > q.oldest {
		q.cut()
	}
}

func (q *queue) cut() { q.slow, q.wait = true, nil }

// tellUsers has every server check the sessions of a user.
func (s *Server) tellUsers(ctx context.Context, user string) {
	err := s.o.Store.PutNotes(context.WithoutCancel(ctx), schema.Note{Org: orgOf(ctx), Topic: topicUsers, Kind: "changed", ID: user, Data: "{}", Time: time.Now().UTC()})
	if err != nil {
		s.o.Log.Warn("telling that a session ended", "error", err)
	}
}
