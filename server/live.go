package server

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"vigil/internal/auth/perm"
	"vigil/internal/live"
	"vigil/schema"
)

// The limits of a live connection.
const (
	subprotocol  = "vigil.v1"
	readLimit    = 4 << 10
	maxTopics    = 64
	writeTime    = 5 * time.Second
	pingEvery    = 24 * time.Second
	pongWithin   = 40 * time.Second
	recheckEvery = 60 * time.Second
	batchEvery   = 100 * time.Millisecond // at most ten frames a second and topic
	closeSignIn  = 4001
	closeTooSlow = 4008
	closeTooMany = 4009
	closeRestart = 1012
)

// topics says which permission a topic needs.
var topics = map[string]perm.Permission{
	"alerts": "read:alerts", "incidents": "read:incidents", "approvals": "read:approvals", "runs": "read:incidents", "sources": "read:sources",
	"audit": "read:audit", "posture": "read:posture", "models": "read:models", "intel": "read:intel", "tables": "read:entities", "rules": "read:rules", "exceptions": "read:rules",
}

// frame is what a client sends: sub, unsub.
type frame struct {
	Op    string `json:"op" enum:"sub,unsub"`
	Topic string `json:"topic"`
	Since string `json:"since,omitempty"`
}

// reply is what the server sends: subd, batch, err.
type reply struct {
	Op      string        `json:"op" enum:"subd,batch,err"`
	Topic   string        `json:"topic,omitempty"`
	Offset  string        `json:"offset,omitempty"`
	Gap     bool          `json:"gap,omitempty"`
	Items   []schema.Note `json:"items,omitempty"`
	Message string        `json:"message,omitempty"`
}

// connection is one WebSocket.
type connection struct {
	s      *Server
	ws     *websocket.Conn
	who    *caller
	cookie *http.Request // to check the session again
	sub    *live.Subscription
	mu     sync.Mutex // of writes and topics
	topics map[string]bool
	queue  map[string][]schema.Note
}

func (s *Server) serveLive(w http.ResponseWriter, r *http.Request) {
	who := callerOf(r.Context())
	if who == nil {
		http.Error(w, "sign in first", http.StatusUnauthorized)
		return
	}
	up := websocket.Upgrader{Subprotocols: []string{subprotocol}, HandshakeTimeout: 5 * time.Second, EnableCompression: false}
	ws, err := up.Upgrade(w, r, nil) // checks the Origin against the Host
	if err != nil {
		return
	}
	s.sockets.Add(1)
	defer s.sockets.Done()
	c := &connection{s: s, ws: ws, who: who, cookie: r, topics: map[string]bool{}, queue: map[string][]schema.Note{}}
	c.sub, _, _ = s.o.Hub.Subscribe("")
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	defer c.sub.Close()
	defer func() { _ = ws.Close() }()
	go c.read(cancel)
	c.write(ctx)
}

// read takes frames until the client goes.
func (c *connection) read(cancel context.CancelFunc) {
	defer cancel()
	c.ws.SetReadLimit(readLimit)
	_ = c.ws.SetReadDeadline(time.Now().Add(pongWithin))
	c.ws.SetPongHandler(func(string) error { return c.ws.SetReadDeadline(time.Now().Add(pongWithin)) })
	for {
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		var f frame
		if json.Unmarshal(data, &f) != nil {
			c.send(reply{Op: "err", Message: "not a JSON frame"})
			continue
		}
		if !c.take(f) {
			return
		}
	}
}

func (c *connection) take(f frame) bool {
	switch f.Op {
	case "sub":
		return c.subscribe(f)
	case "unsub":
		c.mu.Lock()
		delete(c.topics, f.Topic)
		delete(c.queue, f.Topic)
		c.mu.Unlock()
	default:
		c.send(reply{Op: "err", Message: "unknown op " + clipText(f.Op)})
	}
	return true
}

func (c *connection) subscribe(f frame) bool {
	need, ok := topics[f.Topic]
	c.mu.Lock()
	may := ok && c.who.may(need) // the re-check changes who
	c.mu.Unlock()
	if !may {
		c.send(reply{Op: "err", Topic: clipText(f.Topic), Message: "there is no such topic for you"})
		return true
	}
	c.mu.Lock()
	n := len(c.topics)
	c.topics[f.Topic] = true
	c.mu.Unlock()
	if n >= maxTopics {
		c.close(closeTooMany, "too many topics")
		return false
	}
	// A second subscription only to learn the backlog; notes of the first may repeat
	// them, and clients drop offsets they know.
	s, backlog, gap := c.s.o.Hub.Subscribe(f.Since)
	s.Close()
	c.send(reply{Op: "subd", Topic: f.Topic, Offset: c.s.o.Hub.Offset(), Gap: gap})
	var items []schema.Note
	for _, n := range backlog {
		if n.Topic == f.Topic {
			items = append(items, n)
		}
	}
	if len(items) > 0 {
		c.send(reply{Op: "batch", Topic: f.Topic, Offset: newest(items), Items: items})
	}
	return true
}

func newest(items []schema.Note) string {
	last := ""
	for _, n := range items {
		last = max(last, n.Offset)
	}
	return last
}

func clipText(s string) string {
	if len(s) > 40 {
		return s[:40]
	}
	return s
}

// write passes notes on in batches, pings, and re-checks the session.
func (c *connection) write(ctx context.Context) {
	flush, ping, check := time.NewTicker(batchEvery), time.NewTicker(pingEvery), time.NewTicker(recheckEvery)
	defer flush.Stop()
	defer ping.Stop()
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.s.closing:
			c.close(closeRestart, "the server restarts")
			return
		case n, ok := <-c.sub.C:
			if !ok {
				c.close(closeTooSlow, "too slow; resume")
				return
			}
			c.mu.Lock()
			if c.topics[n.Topic] {
				c.queue[n.Topic] = append(c.queue[n.Topic], n)
			}
			c.mu.Unlock()
		case <-flush.C:
			if !c.flush() {
				return
			}
		case <-ping.C:
			if c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTime)) != nil {
				return
			}
		case <-check.C:
			if !c.stillMay(ctx) {
				c.close(closeSignIn, "sign in again")
				return
			}
		}
	}
}

func (c *connection) flush() bool {
	c.mu.Lock()
	pending := c.queue
	c.queue = map[string][]schema.Note{}
	c.mu.Unlock()
	for topic, items := range pending {
		if !c.send(reply{Op: "batch", Topic: topic, Offset: newest(items), Items: items}) {
			return false
		}
	}
	return true
}

// stillMay checks session and role again; topics that the role lost are dropped.
func (c *connection) stillMay(ctx context.Context) bool {
	who, err := c.s.authenticate(c.cookie.WithContext(ctx))
	if err != nil {
		return true // the store is away; the next check decides
	}
	if who == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.who = who
	for topic := range c.topics {
		if !who.may(topics[topic]) {
			delete(c.topics, topic)
		}
	}
	return true
}

func (c *connection) send(r reply) bool {
	data, err := json.Marshal(r)
	if err != nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeTime))
	err = c.ws.WriteMessage(websocket.TextMessage, data)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(closeTooSlow, "too slow; resume"), time.Now().Add(time.Second))
	}
	return err == nil
}

func (c *connection) close(code int, why string) {
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, why), time.Now().Add(writeTime))
}
