package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/auth"
	"vigil/internal/auth/passkey/passkeytest"
	"vigil/internal/auth/perm"
	"vigil/internal/store"
	"vigil/schema"
)

// site is where the tests' people open Vigil.
const site = "http://localhost:8480"

type begun struct {
	Ceremony string
	Options  json.RawMessage
}

func (w *world) begin(cookie, path string, in any) begun {
	w.t.Helper()
	r := w.call(cookie, "POST", "/api/v1"+path, in)
	var b begun
	if err := json.Unmarshal(r.body, &b); err != nil || r.status != 200 || b.Ceremony == "" {
		w.t.Fatalf("%s: %d %s", path, r.status, r.body)
	}
	return b
}

func newKey(t *testing.T) *passkeytest.Key {
	t.Helper()
	k, err := passkeytest.New(site)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// enrol adds a passkey to the user of the session.
func (w *world) enrol(cookie, name string) (*passkeytest.Key, reply) {
	w.t.Helper()
	k := newKey(w.t)
	b := w.begin(cookie, "/passkeys/begin", nil)
	a, err := k.Create(b.Options)
	if err != nil {
		w.t.Fatal(err)
	}
	return k, w.call(cookie, "POST", "/api/v1/passkeys", map[string]any{"ceremony": b.Ceremony, "answer": json.RawMessage(a), "name": name})
}

// passkeyIn signs in with a passkey.
func (w *world) passkeyIn(k *passkeytest.Key) reply {
	w.t.Helper()
	b := w.begin("", "/login/passkey/begin", nil)
	return w.finish(b, k)
}

func (w *world) finish(b begun, k *passkeytest.Key) reply {
	w.t.Helper()
	a, err := k.Get(b.Options)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.call("", "POST", "/api/v1/login/passkey", map[string]any{"ceremony": b.Ceremony, "answer": json.RawMessage(a)})
}

func (w *world) audited(cookie, verb, outcome, detail string) bool {
	items, _ := w.auditRecords(cookie, "limit=1000")
	for _, a := range items {
		if text, _ := json.Marshal(a.Details); a.Verb == verb && a.Outcome == outcome && strings.Contains(string(text), detail) {
			return true
		}
	}
	return false
}

// linkByPasskey: the one-time link makes the first admin with a passkey and no password.
func linkByPasskey(t *testing.T, w *world) {
	u, err := w.store.User(t.Context(), schema.DefaultOrg, "admin")
	if err != nil {
		t.Fatal(err)
	}
	u.Disabled, u.Hash, u.Version = true, "", u.Version+1
	if err := w.store.PutUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if r := w.call("", "POST", "/api/v1/login/link/passkey/begin", map[string]string{"token": "vgk_made-up"}); r.status != 401 {
		t.Errorf("a made-up link begins: %d", r.status)
	}
	link, err := w.srv.AdminLink(t.Context())
	if err != nil || link == "" {
		t.Fatalf("no link: %v", err)
	}
	k := newKey(t)
	b := w.begin("", "/login/link/passkey/begin", map[string]string{"token": link})
	a, err := k.Create(b.Options)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]any{"token": link, "ceremony": b.Ceremony, "answer": json.RawMessage(a), "name": "blue key"}
	if r := w.call("", "POST", "/api/v1/login/link/passkey", in); r.status != 200 || r.cookie == "" {
		t.Fatalf("the link was refused: %d %s", r.status, r.body)
	}
	if r := w.call("", "POST", "/api/v1/login/link/passkey", in); r.status != 401 {
		t.Errorf("the link worked twice: %d", r.status)
	}
	if r := w.passkeyIn(k); r.status != 200 || !strings.Contains(string(r.body), `"user":"admin"`) {
		t.Errorf("the passkey does not sign in: %d %s", r.status, r.body)
	}
	if r := w.call("", "POST", "/api/v1/login", map[string]string{"user": "admin", "password": password}); r.status != 401 {
		t.Errorf("there is no password, and one signs in: %d", r.status)
	}
}

func passkeySignIn(t *testing.T, w *world, cookies map[perm.Role]string) {
	w.calm()
	cookie := w.person("keeper", perm.Analyst)
	k, r := w.enrol(cookie, "laptop")
	if r.status != 200 || !strings.Contains(string(r.body), `"name":"laptop"`) || !strings.Contains(string(r.body), `"works":true`) {
		t.Fatalf("adding: %d %s", r.status, r.body)
	}
	in := w.passkeyIn(k)
	if in.status != 200 || in.cookie == "" || !strings.Contains(string(in.body), `"user":"keeper"`) {
		t.Fatalf("signing in: %d %s", in.status, in.body)
	}
	// A password, or a session of one, cannot make itself a passkey where there is one.
	if r := w.call(cookie, "POST", "/api/v1/passkeys/begin", nil); r.status != 403 {
		t.Errorf("a session without the passkey adds another: %d", r.status)
	}
	if r := w.call(cookie, "DELETE", "/api/v1/passkeys/"+url.PathEscape(k.ID()), nil); r.status != 403 {
		t.Errorf("a session without the passkey removes it: %d", r.status)
	}
	if r := w.call(cookies[perm.Viewer], "DELETE", "/api/v1/passkeys/"+url.PathEscape(k.ID()), nil); r.status != 404 {
		t.Errorf("another user removes it: %d %s", r.status, r.body)
	}
	if r := w.call(cookies[perm.Viewer], "POST", "/api/v1/passkeys/"+url.PathEscape(k.ID()), map[string]string{"name": "x"}); r.status != 404 {
		t.Errorf("another user renames it: %d", r.status)
	}
	spare, r := w.enrol(in.cookie, "spare")
	if r.status != 200 || strings.Count(string(r.body), `"id"`) != 2 {
		t.Fatalf("a second passkey: %d %s", r.status, r.body)
	}
	if r := w.call(cookie, "POST", "/api/v1/passkeys/"+url.PathEscape(spare.ID()), map[string]string{"name": "in the safe"}); r.status != 200 || !strings.Contains(string(r.body), "in the safe") {
		t.Errorf("renaming: %d %s", r.status, r.body)
	}
	if r := w.passkeyIn(spare); r.status != 200 {
		t.Errorf("the second does not sign in: %d %s", r.status, r.body)
	}
	if r := w.call(in.cookie, "DELETE", "/api/v1/passkeys/"+url.PathEscape(spare.ID()), nil); r.status != 200 || strings.Contains(string(r.body), "in the safe") {
		t.Errorf("removing: %d %s", r.status, r.body)
	}
	if r := w.passkeyIn(spare); r.status != 401 {
		t.Errorf("a removed passkey signs in: %d", r.status)
	}
	admin := cookies[perm.Admin]
	if r := w.call(admin, "GET", "/api/v1/users/keeper/passkeys", nil); !strings.Contains(string(r.body), "laptop") {
		t.Errorf("an admin does not see it: %s", r.body)
	}
	for verb, detail := range map[string]string{"passkey.add": "laptop", "passkey.rename": "in the safe", "passkey.remove": "in the safe", "session.login": `"method":"passkey"`} {
		if !w.audited(admin, verb, "ok", detail) {
			t.Errorf("%s %s is not in the audit trail", verb, detail)
		}
	}
	attacks(t, w, k, in.cookie)
	if r := w.call(admin, "DELETE", "/api/v1/users/keeper/passkeys/"+url.PathEscape(k.ID()), nil); r.status != 200 || strings.Contains(string(r.body), "laptop") {
		t.Errorf("an admin does not remove it: %d %s", r.status, r.body)
	}
	if r := w.call(cookie, "POST", "/api/v1/passkeys/begin", nil); r.status != 200 {
		t.Errorf("with none left a password suffices again: %d %s", r.status, r.body)
	}
	forgedRow(t, w)
}

// attacks: answers that are replayed, late, signed elsewhere or by others are refused,
// and audited.
func attacks(t *testing.T, w *world, k *passkeytest.Key, cookie string) {
	replay := w.begin("", "/login/passkey/begin", nil)
	a, _ := k.Get(replay.Options)
	in := map[string]any{"ceremony": replay.Ceremony, "answer": json.RawMessage(a)}
	if r := w.call("", "POST", "/api/v1/login/passkey", in); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := w.call("", "POST", "/api/v1/login/passkey", in); r.status != 401 {
		t.Errorf("a replayed answer signs in: %d", r.status)
	}
	// The old answer to a new question.
	in["ceremony"] = w.begin("", "/login/passkey/begin", nil).Ceremony
	if r := w.call("", "POST", "/api/v1/login/passkey", in); r.status != 401 {
		t.Errorf("an answer to another question signs in: %d", r.status)
	}
	// What began as an addition does not end as a sign-in.
	in["ceremony"] = w.begin(cookie, "/passkeys/begin", nil).Ceremony
	if r := w.call("", "POST", "/api/v1/login/passkey", in); r.status != 401 {
		t.Errorf("another kind of ceremony signs in: %d", r.status)
	}
	w.calmed(k)
	elsewhere := *k
	elsewhere.Origin = "https://evil.example"
	if r := w.passkeyIn(&elsewhere); r.status != 401 || !strings.Contains(string(r.body), site) {
		t.Errorf("signed elsewhere: %d %s", r.status, r.body)
	}
	w.calm()
	if r := w.passkeyIn(newKey(t)); r.status != 401 {
		t.Errorf("a stranger's passkey signs in: %d", r.status)
	}
	w.calm()
	// One question, twenty answers at once, at two servers.
	for range 3 {
		once(t, w, k)
	}
	// The other server ends what this one began: nothing is in memory.
	b := w.begin("", "/login/passkey/begin", nil)
	if r := w.other().finish(b, k); r.status != 200 {
		t.Errorf("another server does not know the question: %d %s", r.status, r.body)
	}
	w.calm()
	w.calmed(k)
	// A copy counts from where it was taken.
	k.Count = 1
	if r := w.passkeyIn(k); r.status != 401 || !strings.Contains(string(r.body), "copy") {
		t.Errorf("a copy signs in: %d %s", r.status, r.body)
	}
	w.calm()
	k.Count = 1_000
	if r := w.passkeyIn(k); r.status != 401 {
		t.Errorf("the passkey is suspect, and signs in: %d", r.status)
	}
	w.calm()
	expired(t, w)
}

// once sends answers to one question from many sides: at most one session comes of it.
func once(t *testing.T, w *world, k *passkeytest.Key) {
	b := w.begin("", "/login/passkey/begin", nil)
	a, _ := k.Get(b.Options)
	body, _ := json.Marshal(map[string]any{"ceremony": b.Ceremony, "answer": json.RawMessage(a)})
	urls := []string{w.url, w.other().url}
	var mu sync.Mutex
	count := map[int]int{}
	var wg sync.WaitGroup
	for i := range 4 { // fewer than a limit would stop
		wg.Go(func() {
			res, err := http.Post(urls[i%2]+"/api/v1/login/passkey", "application/json", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			count[res.StatusCode]++
		})
	}
	wg.Wait()
	if count[200] > 1 || count[200]+count[401]+count[429] != 4 {
		t.Errorf("one question, answers by status: %v", count)
	}
	w.calmed(k)
}

// calmed also lets the account's failures be forgotten, by signing in.
func (w *world) calmed(k *passkeytest.Key) {
	w.t.Helper()
	w.calm()
	for _, o := range []*world{w, w.other()} {
		if r := o.passkeyIn(k); r.status != 200 {
			w.t.Fatalf("signing in between two attacks: %d %s", r.status, r.body)
		}
	}
}

// expired: a question is good for some minutes, and for its kind.
func expired(t *testing.T, w *world) {
	_, id := auth.NewToken("vgc_")
	now := time.Now().UTC().Truncate(time.Millisecond)
	c := store.Ceremony{ID: id, Org: schema.DefaultOrg, Kind: "passkey-sign-in", State: "{}", Expires: now.Add(time.Minute)}
	if err := w.store.PutCeremony(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{now.Add(time.Minute), now.Add(time.Hour)} {
		if _, err := w.store.TakeCeremony(t.Context(), c.Org, c.Kind, id, at); schema.CodeOf(err) != schema.Unauthorized {
			t.Errorf("at %s: %v", at, err)
		}
	}
	if got, err := w.store.TakeCeremony(t.Context(), c.Org, c.Kind, id, now); err != nil || got.State != "{}" {
		t.Errorf("in time: %+v %v", got, err)
	}
	if _, err := w.store.TakeCeremony(t.Context(), c.Org, c.Kind, id, now); schema.CodeOf(err) != schema.Unauthorized {
		t.Errorf("twice: %v", err)
	}
}

// forgedRow: a passkey in a workflow's input that no server registered is refused.
func forgedRow(t *testing.T, w *world) {
	doc, _ := json.Marshal(schema.Passkey{Org: schema.DefaultOrg, User: "keeper", ID: "YWJj", Name: "x", RPID: "localhost", Created: time.Now()})
	err := w.admin("passkey", "keeper", "passkey.add", map[string]string{"passkey": string(doc)})
	if err == nil || !strings.Contains(err.Error(), "no server of this Vigil") {
		t.Errorf("a forged passkey: %v", err)
	}
}

// other is a second server over the same store.
func (w *world) other() *world {
	if w.second == "" {
		ts := httptest.NewServer(w.build().Handler())
		w.root.Cleanup(ts.Close)
		w.second = ts.URL
	}
	o := *w
	o.url = w.second
	return &o
}
