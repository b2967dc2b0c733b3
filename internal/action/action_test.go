package action

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/action/actiontest"
	"vigil/internal/secret"
	"vigil/schema"
)

// lists keeps entries in memory, highest version first.
type lists struct {
	m    map[string]Entry
	puts int
}

func (l *lists) PutEntry(_ context.Context, e Entry) error {
	if l.puts++; e.Version > l.m[e.List+e.Value].Version {
		l.m[e.List+e.Value] = e
	}
	return nil
}
func (l *lists) Entry(_ context.Context, _, list, value string) (Entry, error) {
	return l.m[list+value], nil
}
func (l *lists) Entries(_ context.Context, _, list string) ([]Entry, error) {
	var out []Entry
	for _, e := range l.m {
		if e.List == list && !e.Removed {
			out = append(out, e)
		}
	}
	return out, nil
}

type tags map[string]bool

func (t tags) TagAlerts(_ context.Context, _ string, ids []string, tag string) (int, error) {
	n := 0
	for _, id := range ids {
		if !t[id+tag] {
			t[id+tag] = true
			n++
		}
	}
	return n, nil
}

type peers struct{}

func (peers) TalkedTo(context.Context, string, string, int) ([]Peer, error) {
	return []Peer{{Peer: "10.0.0.7", Events: 3}}, nil
}

// listener is a real receiver that acts once for each idempotency key.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	status []int // answers to give before 200
	acted  map[string]int
	calls  int
	last   *http.Request
	body   []byte
}

func newListener(t *testing.T, status ...int) *listener {
	l := &listener{status: status, acted: map[string]int{}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.calls++
		l.last = r
		l.body, _ = io.ReadAll(r.Body)
		if len(l.status) > 0 {
			code := l.status[0]
			l.status = l.status[1:]
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(code)
			return
		}
		key := r.Header.Get("Idempotency-Key")
		if l.acted[key] > 0 {
			w.WriteHeader(http.StatusConflict)
			return
		}
		l.acted[key]++
	}))
	t.Cleanup(l.Close)
	return l
}

const hookSecret = "s3cret-of-the-hook"

type hunts struct{ started map[string]int }

func (h hunts) StartHunt(_ context.Context, org, rule, key string, _ int) (string, error) {
	id := "hunt/" + org + "/" + rule + "/" + key
	if h.started[id] > 0 {
		return id, schema.E(schema.Conflict, "it runs already", "")
	}
	h.started[id]++
	return id, nil
}

type bench struct {
	lists   *lists
	hook    *listener
	table   Table
	pub     *Publisher
	vendor  *actiontest.Vendor
	mail    *actiontest.Mailbox
	shell   *shell
	local   *localShell
	hunts   hunts
	systems Connectors
}

func newBench(t *testing.T, status ...int) bench {
	b := bench{lists: &lists{m: map[string]Entry{}}, hook: newListener(t, status...), pub: NewPublisher(t.TempDir()), vendor: actiontest.New(t), mail: actiontest.NewMailbox(t), shell: newShell(t), local: newLocalShell(t), hunts: hunts{map[string]int{}}}
	systems := connectorsOf(b.vendor)
	b.systems = systems
	systems["smtp"], systems["ssh"], systems["bash"] = mailConnector(b.mail), b.shell.connector(t), b.local.connector()
	b.table = NewTable(Ports{Lists: b.lists, Tags: tags{}, Peers: peers{}, Hunts: b.hunts, Publish: b.pub, Systems: systems, Webhook: Webhook{URL: b.hook.URL, Secret: secret.New(hookSecret)}})
	return b
}

// sample makes arguments that fit a definition.
func (b bench) sample(d Definition) map[string]string {
	args := map[string]string{}
	for _, in := range d.Inputs {
		switch in.Kind {
		case Address:
			args[in.Name] = "203.0.113.5"
		case Hours:
			args[in.Name] = "2"
		case URL:
			args[in.Name] = b.hook.URL
		case Hash:
			args[in.Name] = strings.Repeat("ab", 32)
		default:
			args[in.Name] = "value"
		}
	}
	switch d.Verb {
	case "http-api":
		args["body"], args["method"] = `{"a":1}`, "POST"
	case "verify-listed":
		args["list"], args["value"] = "addresses", "203.0.113.5"
	case "isolate-host":
		args["hosts"] = "ws1,ws2"
	case "email":
		args["to"] = "soc@example.org"
	case "ssh":
		args["command"] = "echo once >> " + b.shell.file
		args["host"] = "127.0.0.1"
	case "bash":
		args["command"] = b.local.command
	case "openc2-http":
		args["host"] = "127.0.0.1"
		args["command"] = `{"action":"deny","target":{"ipv4_net":"203.0.113.5"}}`
	}
	return args
}

func (b bench) request(t *testing.T, d Definition) Request {
	t.Helper()
	args := b.sample(d)
	target, err := d.Check(args)
	if err != nil {
		t.Fatal(err)
	}
	return Request{Org: "main", Run: "run", Step: "step", Target: target, Arguments: args, Key: "run/step/1", Now: time.Now()}
}

// effects is everything an action has changed.
func (b bench) effects(t *testing.T) string {
	t.Helper()
	b.hook.mu.Lock()
	defer b.hook.mu.Unlock()
	out, _ := json.Marshal(map[string]any{"entries": b.lists.m, "posts": b.hook.acted, "tags": b.table["tag"].(tagAction).tags, "vendor": b.vendor.Effects(), "mail": b.mail.Mails(),
		"shell": b.shell.effects(t), "local": b.local.effects(t), "hunts": b.hunts.started})
	return string(out)
}

// TestContract holds every row of the table to what all actions promise.
func TestContract(t *testing.T) {
	for _, verb := range NewTable(Ports{}).Verbs() {
		t.Run(verb, func(t *testing.T) {
			b := newBench(t)
			if verb == "verify-listed" {
				if _, err := b.table["block-address"].Run(t.Context(), b.request(t, b.table["block-address"].Definition())); err != nil {
					t.Fatal(err)
				}
			}
			a := b.table[verb]
			d := a.Definition()
			before := b.effects(t)
			checkDefinition(t, d)
			r := b.request(t, d)
			dry := r
			dry.DryRun = true
			if _, err := a.Run(t.Context(), dry); err != nil || b.effects(t) != before {
				t.Errorf("a dry run failed or changed something: %v", err)
			}
			first, err := a.Run(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			once := b.effects(t)
			second, err := a.Run(t.Context(), r)
			if err != nil || b.effects(t) != once {
				t.Errorf("the same key acted twice: %v", err)
			}
			if !d.Reads && second.Outcome != AlreadyDone {
				t.Errorf("the second outcome is %s", second.Outcome)
			}
			if text, _ := json.Marshal(first); strings.Contains(string(text), hookSecret) || strings.Contains(string(text), actiontest.Secret) {
				t.Errorf("a secret is in the result: %s", text)
			}
			checkUndo(t, a, r, first)
		})
	}
}

func checkDefinition(t *testing.T, d Definition) {
	t.Helper()
	if d.Blast == "" || d.Idempotent == "" || d.Title == "" || d.Risk != Low && d.Risk != Medium && d.Risk != High || d.Reversible && d.Undo == "" || d.TimeBoxed && !d.Reversible {
		t.Errorf("the definition is incomplete: %+v", d)
	}
	if _, err := d.Check(map[string]string{}); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("missing inputs: %v", err)
	}
	if _, err := d.Check(map[string]string{"nonsense": "x"}); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("unknown inputs: %v", err)
	}
}

func checkUndo(t *testing.T, a Action, r Request, res Result) {
	t.Helper()
	d := a.Definition()
	if d.TimeBoxed && !res.Expires.After(r.Now) {
		t.Errorf("the time box ends at %s", res.Expires)
	}
	if !d.Reversible {
		return
	}
	l, ok := a.(*held)
	if !ok { // what is resolved, such as a page
		if out, err := a.Undo(t.Context(), r); err != nil || out.Outcome != Done {
			t.Errorf("undo: %+v %v", out, err)
		}
		return
	}
	other := r
	other.Key = "another run"
	if out, err := a.Undo(t.Context(), other); err != nil || out.Outcome != AlreadyDone || out.Outputs["kept"] == "" {
		t.Errorf("another run's undo took it away: %+v %v", out, err)
	}
	longer := other
	longer.Arguments = maps.Clone(r.Arguments)
	longer.Arguments["hours"] = "9"
	if out, err := a.Run(t.Context(), longer); err != nil || out.Outcome != Done || !out.Expires.After(res.Expires) {
		t.Errorf("a renewal: %+v %v", out, err)
	}
	if out, err := a.Undo(t.Context(), r); err != nil || out.Outcome != AlreadyDone || out.Outputs["kept"] == "" {
		t.Errorf("what was renewed ended early: %+v %v", out, err)
	}
	for _, want := range []string{Done, AlreadyDone} {
		if out, err := a.Undo(t.Context(), longer); err != nil || out.Outcome != want {
			t.Errorf("undo: %+v %v, want %s", out, err, want)
		}
	}
	values, _ := l.values(r)
	for _, v := range values {
		if e, _ := l.lists.Entry(t.Context(), "main", l.list, v); e.Active(r.Now) {
			t.Error("it is still on the list after the undo")
		}
		if p, ok := l.eff.(publishing); ok && p.pub != nil {
			if ok, _ := p.pub.Contains("main", l.list, v); ok {
				t.Error("it is still published after the undo")
			}
		}
		if s, ok := l.eff.(remoteState); ok {
			id, err := s.lookUp(t.Context(), r, v)
			if have, err2 := s.now(t.Context(), r, id); err != nil || err2 != nil || have {
				t.Errorf("the other system still holds it: %v %v", err, err2)
			}
		}
	}
}

func TestCheckRefusesDangerousTargets(t *testing.T) {
	d := Definitions()["block-address"]
	for _, bad := range []string{"127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "10.0.0", "fe80::1%eth0", "a\nb", "203.0.113.5\n10.0.0.1"} {
		if _, err := d.Check(map[string]string{"address": bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestListValueIsOneLine(t *testing.T) {
	b := newBench(t)
	r := Request{Org: "main", Target: "ws1\n0.0.0.0/0", Arguments: map[string]string{"host": "ws1\n0.0.0.0/0"}, Key: "k", Now: time.Now()}
	if _, err := b.table["contain-host"].Run(t.Context(), r); err == nil {
		t.Error("a value of two lines was put on a list")
	}
}

func TestWebhook(t *testing.T) {
	b := newBench(t)
	d := b.table["notify"].Definition()
	r := b.request(t, d)
	if _, err := b.table["notify"].Run(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	h := b.hook.last.Header
	if want := "sha256=" + Signature(hookSecret, h.Get("X-Vigil-Timestamp"), b.hook.body); h.Get("X-Vigil-Signature") != want || h.Get("Idempotency-Key") != r.Key {
		t.Errorf("headers %v", h)
	}
	elsewhere := newListener(t)
	for _, verb := range []string{"webhook", "http-api"} {
		r := b.request(t, b.table[verb].Definition())
		r.Arguments["url"], r.Target = elsewhere.URL, elsewhere.URL
		if _, err := b.table[verb].Run(t.Context(), r); schema.CodeOf(err) != schema.Denied || elsewhere.calls != 0 {
			t.Errorf("%s went to a URL nobody configured: %v", verb, err)
		}
	}
}

func TestWebhookErrorsSayWhetherToTryAgain(t *testing.T) {
	for status, want := range map[int]schema.Code{500: schema.Unavailable, 429: schema.Unavailable, 404: schema.NotFound, 302: schema.Invalid} {
		b := newBench(t, status)
		r := b.request(t, b.table["notify"].Definition())
		if _, err := b.table["notify"].Run(t.Context(), r); schema.CodeOf(err) != want {
			t.Errorf("%d: %v", status, err)
		}
	}
	b := newBench(t)
	b.hook.Close()
	_, err := b.table["notify"].Run(t.Context(), b.request(t, b.table["notify"].Definition()))
	if schema.CodeOf(err) != schema.Unavailable {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestNotifyWithoutWebhookStaysInTheUI(t *testing.T) {
	a := NewTable(Ports{})["notify"]
	res, err := a.Run(t.Context(), Request{Target: "x", Arguments: map[string]string{"subject": "x"}, Key: "k", Now: time.Now()})
	if err != nil || res.Outputs["channel"] != "ui" {
		t.Errorf("%+v %v", res, err)
	}
}

// TestPublishIsAtomic: readers see whole lists only, and expired values are gone.
func TestPublishIsAtomic(t *testing.T) {
	p := NewPublisher(t.TempDir())
	now := time.Now()
	var all []Entry
	for range 2000 {
		all = append(all, Entry{Value: "203.0.113.5", Expires: now.Add(time.Hour)})
	}
	all = append(all, Entry{Value: "198.51.100.1", Expires: now.Add(-time.Second)}, Entry{Value: "a\nb", Expires: now.Add(time.Hour)})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			if err := p.Publish("main", "addresses", all, now); err != nil {
				t.Error(err)
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if b, err := os.ReadFile(p.Path("main", "addresses")); err == nil && strings.Count(string(b), "\n") != 2000 {
			t.Fatalf("a reader saw %d lines", strings.Count(string(b), "\n"))
		}
	}
	if ok, _ := p.Contains("main", "addresses", "198.51.100.1"); ok {
		t.Error("an expired value is published")
	}
}
