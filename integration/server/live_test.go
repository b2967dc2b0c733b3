package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vigil/integration/chtest"
	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/auth/perm"
	"vigil/internal/live"
	"vigil/internal/secret"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/server"
)

// What the property test plays with.
const (
	liveClients = 10
	liveNouns   = 12 // of each topic
	liveFor     = 20 * time.Second
	liveSettle  = 3 * time.Minute // of a machine that does other things too
)

// liveTopics are topics with the path that reads one noun, and where in the answer the
// field is that the test writes.
var liveTopics = map[string]struct{ path, within, field string }{
	"alerts": {"/alerts/", "alert", "assignee"}, "incidents": {"/incidents/", "incident", "assignee"}, "approvals": {"/approvals/", "", "target"},
}

// TestLiveEverywhere: two servers over one store, clients that are cut at random and come
// back to either of them, writes of several topics, servers that are drained and killed
// and come again: every client ends with what the store holds. A client reads a noun only
// when a note names it, or when it is told of a gap, so that one lost note fails the test.
// VIGIL_SEED repeats a run's choices.
func TestLiveEverywhere(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("VIGIL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("VIGIL_SEED=%d", seed)
	c := newCluster(t)
	writer := rand.New(rand.NewPCG(seed, 0))
	for topic := range liveTopics {
		for n := range liveNouns {
			c.write(topic, n, writer)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients []*liveClient
	var running sync.WaitGroup
	for n := range liveClients {
		l := &liveClient{c: c, r: rand.New(rand.NewPCG(seed, uint64(n+1))), state: map[string]string{}, last: map[string]string{}, seen: map[string]string{}, stale: map[string]bool{}}
		clients = append(clients, l)
		running.Go(func() { l.run(ctx) })
	}
	running.Go(func() { c.disturb(ctx, rand.New(rand.NewPCG(seed, 1000))) })
	for end := time.Now().Add(liveFor); time.Now().Before(end); time.Sleep(time.Duration(writer.IntN(40)) * time.Millisecond) {
		c.write(slices.Sorted(maps.Keys(liveTopics))[writer.IntN(len(liveTopics))], writer.IntN(liveNouns), writer)
	}
	c.calm.Store(true)
	c.settle(clients)
	stop()
	running.Wait()
	c.compare(clients)
}

// cluster are two servers over one store.
type cluster struct {
	t      *testing.T
	store  *store.Store
	opts   server.Options
	cookie string
	nodes  [2]*liveNode
	calm   atomic.Bool // no more disturbance

	mu    sync.Mutex
	wrote map[string]string // topic/id → what was written last
	times map[string]int
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, wrote: map[string]string{}, times: map[string]int{}}
	c.store, _ = chtest.Open(t)
	dir := t.TempDir()
	key, err := auth.LoadDecisionKey(filepath.Join(dir, "decision.key"))
	if err != nil {
		t.Fatal(err)
	}
	c.opts = server.Options{Store: c.store, Audit: audit.NewLog(c.store, key, "test", filepath.Join(dir, "audit")), Decisions: key, Org: schema.DefaultOrg, Log: slog.New(slog.DiscardHandler)}
	for i := range c.nodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.nodes[i] = &liveNode{c: c, addr: l.Addr().String()}
		c.nodes[i].start(l)
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.stop(false)
		}
	})
	c.signIn()
	return c
}

func (c *cluster) signIn() {
	hash, err := auth.HashPassword(secret.New(password))
	if err == nil {
		err = c.store.PutUser(c.t.Context(), schema.User{Name: "ana", Org: schema.DefaultOrg, Role: string(perm.Analyst), Hash: hash, Version: 1})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := http.Post("http://"+c.nodes[0].addr+"/api/v1/login", "application/json", strings.NewReader(`{"user":"ana","password":"`+password+`"}`))
	if err != nil {
		c.t.Fatal(err)
	}
	_ = res.Body.Close()
	for _, k := range res.Cookies() {
		c.cookie = k.Name + "=" + k.Value
	}
	if c.cookie == "" {
		c.t.Fatalf("signing in: %s", res.Status)
	}
}

// write changes a noun and tells of it, as an activity does; some are told of late, with
// the time of a first attempt long ago.
func (c *cluster) write(topic string, n int, r *rand.Rand) {
	id := fmt.Sprintf("%s-%d", topic, n)
	c.mu.Lock()
	c.times[id]++
	version := c.times[id]
	c.mu.Unlock()
	value, ctx, now := fmt.Sprint("v", version), c.t.Context(), time.Now().UTC().Truncate(time.Millisecond)
	var err error
	switch topic {
	case "alerts":
		err = c.store.PutAlerts(ctx, []schema.Alert{{ID: id, Org: schema.DefaultOrg, Rule: "r", Severity: schema.High, Status: schema.AlertOpen, Created: now.Truncate(24 * time.Hour), FirstSeen: now, LastSeen: now, Assignee: value, Version: uint64(version)}})
	case "incidents":
		err = c.store.PutIncident(ctx, schema.Incident{ID: id, Org: schema.DefaultOrg, Severity: schema.High, Opened: now, LastSeen: now, Assignee: value, Version: uint64(version)})
	case "approvals":
		err = c.store.PutApproval(ctx, schema.Approval{ID: id, Org: schema.DefaultOrg, Status: schema.ApprovalPending, Created: now, Deadline: now, Target: value, Revision: uint64(version)})
	}
	if err == nil {
		at := now
		if r.IntN(4) == 0 {
			at = at.Add(-time.Hour)
		}
		err = c.store.PutNotes(ctx, schema.Note{Org: schema.DefaultOrg, Topic: topic, Kind: "changed", ID: id, Data: "{}", Time: at})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.wrote[id] = value
	c.mu.Unlock()
}

// disturb drains, kills and starts servers again.
func (c *cluster) disturb(ctx context.Context, r *rand.Rand) {
	for !c.calm.Load() {
		n := c.nodes[r.IntN(len(c.nodes))]
		n.stop(r.IntN(2) == 0)
		rest(ctx, r, 2*time.Second)
		n.start(nil)
		rest(ctx, r, 4*time.Second)
	}
}

func rest(ctx context.Context, r *rand.Rand, most time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(r.Int64N(int64(most)))):
	}
}

// truth is what the store holds.
func (c *cluster) truth() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.wrote)
}

// settle waits until all clients have what the store has.
func (c *cluster) settle(clients []*liveClient) {
	want := c.truth()
	for end := time.Now().Add(liveSettle); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if !slices.ContainsFunc(clients, func(l *liveClient) bool { return !maps.Equal(l.snapshot(), want) }) {
			return
		}
	}
}

func (c *cluster) compare(clients []*liveClient) {
	want := c.truth()
	offsets := map[string]string{}
	resumed, gaps, notes := 0, 0, 0
	for i, l := range clients {
		have := l.snapshot()
		for id, v := range want {
			if have[id] != v {
				c.t.Errorf("client %d ends with %s = %q, the store has %q", i, id, have[id], v)
			}
		}
		for offset, note := range l.seen {
			if known, ok := offsets[offset]; ok && known != note {
				c.t.Errorf("the offset %s is of %s here and of %s there", offset, known, note)
			}
			offsets[offset] = note
		}
		resumed, gaps, notes = resumed+l.resumed, gaps+l.gaps, notes+len(l.seen)
	}
	c.t.Logf("%d writes, %d notes heard, %d connections, of which %d had a gap", len(offsets), notes, resumed, gaps)
	if resumed < 2*liveClients || notes < liveClients {
		c.t.Errorf("too little happened: %d connections, %d notes", resumed, notes)
	}
}

// liveNode is a server that can be drained, killed and started again at its address.
type liveNode struct {
	c    *cluster
	addr string

	mu    sync.Mutex
	halt  context.CancelFunc
	ended chan struct{}
	conns *conns
}

// conns are the connections of a listener, so that they can be cut as a crash cuts them.
type conns struct {
	net.Listener
	mu  sync.Mutex
	all []net.Conn
}

func (l *conns) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.all = append(l.all, c)
		l.mu.Unlock()
	}
	return c, err
}

func (l *conns) cut() {
	_ = l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.all {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
}

func (n *liveNode) start(l net.Listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for end := time.Now().Add(10 * time.Second); l == nil; time.Sleep(50 * time.Millisecond) {
		var err error
		if l, err = net.Listen("tcp", n.addr); err != nil && time.Now().After(end) {
			n.c.t.Errorf("a server cannot come back: %v", err)
			return
		}
	}
	ctx, halt := context.WithCancel(context.Background())
	o := n.c.opts
	o.Hub = live.NewHubs(ctx, n.c.store, o.Log)
	n.halt, n.ended, n.conns = halt, make(chan struct{}), &conns{Listener: l}
	go func(ended chan struct{}, l net.Listener) {
		defer close(ended)
		_ = server.New(o).Run(ctx, l) // a killed one says that its listener is closed
	}(n.ended, n.conns)
}

// stop drains the server, or kills it.
func (n *liveNode) stop(kill bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended == nil {
		return
	}
	if kill {
		n.conns.cut()
	}
	n.halt()
	<-n.ended
	n.ended = nil
}

// liveClient does as the web app does (server/ui/src/lib/live.ts), in one goroutine.
type liveClient struct {
	c *cluster
	r *rand.Rand

	last    map[string]string // topic → offset
	seen    map[string]string // offset → which note
	stale   map[string]bool   // what is to be read again
	resumed int
	gaps    int

	mu    sync.Mutex
	state map[string]string
}

func (l *liveClient) snapshot() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.state)
}

func (l *liveClient) run(ctx context.Context) {
	for ctx.Err() == nil && !l.begin(ctx) {
		rest(ctx, l.r, 300*time.Millisecond)
	}
	for ctx.Err() == nil {
		l.listen(ctx)
		rest(ctx, l.r, 300*time.Millisecond)
	}
}

// begin takes the offset that the first page comes with, and reads everything.
func (l *liveClient) begin(ctx context.Context) bool {
	var me struct {
		Live string `json:"live"`
	}
	if !l.get(ctx, "/me", &me) || me.Live == "" {
		return false
	}
	for topic := range liveTopics {
		l.last[topic] = me.Live
		l.gap(topic)
	}
	return true
}

func (l *liveClient) gap(topic string) {
	for n := range liveNouns {
		l.stale[fmt.Sprintf("%s-%d", topic, n)] = true
	}
}

// listen stays connected to one of the servers until it is cut, by whomever.
func (l *liveClient) listen(ctx context.Context) {
	d := websocket.Dialer{Subprotocols: []string{"vigil.v1"}, HandshakeTimeout: 5 * time.Second, EnableCompression: l.r.IntN(2) == 0}
	ws, _, err := d.DialContext(ctx, "ws://"+l.c.nodes[l.r.IntN(2)].addr+"/api/v1/live", http.Header{"Cookie": {l.c.cookie}})
	if err != nil {
		return
	}
	defer func() { _ = ws.Close() }()
	l.resumed++
	for topic := range liveTopics {
		if ws.WriteJSON(map[string]string{"op": "sub", "topic": topic, "since": l.last[topic]}) != nil {
			return
		}
	}
	frames := make(chan wsFrame)
	gone := make(chan struct{})
	defer func() { _ = ws.Close(); <-gone }()
	left := make(chan struct{})
	defer close(left)
	go func() {
		defer close(gone)
		for {
			var f wsFrame
			if ws.ReadJSON(&f) != nil {
				return
			}
			select {
			case frames <- f:
			case <-left:
				return
			}
		}
	}()
	cut := time.NewTimer(time.Duration(l.r.Int64N(int64(2 * time.Second))))
	defer cut.Stop()
	read := time.NewTicker(50 * time.Millisecond)
	defer read.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-gone:
			return
		case f := <-frames:
			l.take(f)
		case <-read.C:
			l.refresh(ctx)
		case <-cut.C:
			if !l.c.calm.Load() {
				return
			}
		}
	}
}

func (l *liveClient) take(f wsFrame) {
	if f.Topic == "" {
		return
	}
	l.last[f.Topic] = max(l.last[f.Topic], f.Offset)
	if f.Gap || f.Dropped > 0 {
		l.gaps++
		l.gap(f.Topic)
	}
	if f.Data != nil {
		f.Items = append(f.Items, *f.Data)
	}
	for _, n := range f.Items {
		if l.seen[n.Offset] == "" {
			l.seen[n.Offset] = fmt.Sprint(n.Topic, " ", n.ID, " ", n.Time)
			l.stale[n.ID] = true
		}
	}
}

// refresh reads what is stale; what cannot be read stays so.
func (l *liveClient) refresh(ctx context.Context) {
	for id := range l.stale {
		topic, _, _ := strings.Cut(id, "-")
		at := liveTopics[topic]
		var doc map[string]any
		if !l.get(ctx, at.path+id, &doc) {
			return
		}
		if at.within != "" {
			doc, _ = doc[at.within].(map[string]any)
		}
		value, _ := doc[at.field].(string)
		l.mu.Lock()
		l.state[id] = value
		l.mu.Unlock()
		delete(l.stale, id)
	}
}

// get reads from either of the servers.
func (l *liveClient) get(ctx context.Context, path string, to any) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.c.nodes[l.r.IntN(2)].addr+"/api/v1"+path, nil)
	if err != nil {
		return false
	}
	req.Header.Set("Cookie", l.c.cookie)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return err == nil && res.StatusCode == http.StatusOK && json.Unmarshal(text, to) == nil
}
