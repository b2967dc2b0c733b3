// Package server tests the API, sign-in and the live socket over real sockets, with
// the embedded ClickHouse and Temporal and a real worker behind them.
package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gorilla/websocket"
	"go.temporal.io/sdk/client"

	"vigil/activities"
	"vigil/integration/chtest"
	"vigil/integration/tptest"
	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/auth/passkey"
	"vigil/internal/auth/perm"
	"vigil/internal/dashboard/library"
	"vigil/internal/intel"
	"vigil/internal/live"
	"vigil/internal/playbook"
	"vigil/internal/secret"
	"vigil/internal/standalone/clickhouse"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/schema"
	"vigil/schema/flow"
	"vigil/server"
	"vigil/worker"
)

func TestMain(m *testing.M) { chtest.Main(m) }

const password = "correct horse battery"

// world is one server with what it stands on.
type world struct {
	t      *testing.T
	store  *store.Store
	engine *clickhouse.Engine
	srv    *server.Server
	hub    *live.Hubs
	tp     client.Client
	url    string

	root   *testing.T // of the whole world
	second string     // address of the other server, once it runs
	opts   server.Options
	from   int // the address that calls come from, as the proxy tells
}

// build makes a server over the world's engines.
func (w *world) build() *server.Server { return server.New(w.opts) }

// calm moves on to an address that has failed at nothing.
func (w *world) calm() { w.from++ }

// admin runs a change as a workflow, as the stock CLI can.
func (w *world) admin(noun, key, verb string, args map[string]string) error {
	run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: flow.AdminID(schema.DefaultOrg, noun, key), TaskQueue: flow.QueueRespond}, flow.Admin,
		flow.AdminInput{Verb: verb, Key: key, By: "stock", Args: args})
	if err != nil {
		return err
	}
	return run.Get(w.t.Context(), nil)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, root: t}
	w.store, w.engine = chtest.Open(t)
	tp := tptest.Dial(t)
	w.tp = tp
	key, err := auth.LoadDecisionKey(filepath.Join(dir, "keys", "decision.key"))
	if err != nil {
		t.Fatal(err)
	}
	trail := audit.NewLog(w.store, key, "test-"+time.Now().Format("150405.000000"), filepath.Join(dir, "audit"))
	pbs, errs := playbook.Load(activities.PlaybookVerbs(nil))
	for _, err := range errs {
		t.Fatal(err)
	}
	set, _ := rules.Load()
	sets := &activities.RuleSets{Store: w.store, Local: set}
	changes := &activities.RuleChanges{Store: w.store, Rules: sets, Hunts: &activities.Hunts{Store: w.store, Rules: sets.InForce, Log: slog.New(slog.DiscardHandler)}, Trail: activities.Trail{Log: trail}, Public: key.Public()}
	g, err := worker.Start(tp, worker.Activities{Admin: &activities.Admin{Store: w.store, Trail: activities.Trail{Log: trail}, Temporal: tp, Public: key.Public()}, Rules: changes,
		Controls: &activities.Controls{Store: w.store, Trail: activities.Trail{Log: trail}, Temporal: tp},
		Saved:    &activities.Saved{Store: w.store, Trail: activities.Trail{Log: trail}},
		Orgs:     &activities.Orgs{Store: w.store, Trail: activities.Trail{Log: trail}, Platform: schema.DefaultOrg, Begin: w.engine.AddOrg},
		Tables:   &activities.Tables{Store: w.store, Trail: activities.Trail{Log: trail}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Stop() })
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	w.hub = live.NewHubs(ctx, w.store, slog.New(slog.DiscardHandler))
	party, err := passkey.New(site)
	if err != nil {
		t.Fatal(err)
	}
	w.opts = server.Options{Passkeys: party, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Store: w.store, Temporal: tp, Hub: w.hub, Audit: trail, Decisions: key, Rules: sets.Now, RuleSets: sets, Playbooks: pbs,
		Org: schema.DefaultOrg, Version: "test", Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Dashboards: func() []fs.FS { return []fs.FS{library.FS} },
		UI: fstest.MapFS{"index.html": {Data: []byte(`<meta name="csp-nonce" content="__CSP_NONCE__">`)}, "assets/a.js": {Data: []byte("1")}}}
	w.srv = w.build()
	ts := httptest.NewServer(w.srv.Handler())
	t.Cleanup(ts.Close)
	w.url = ts.URL
	return w
}

// reply is an answer read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
	cookie string
}

func (w *world) call(cookie, method, path string, in any, headers ...string) reply {
	w.t.Helper()
	b, _ := json.Marshal(in)
	if in == nil {
		b = nil
	}
	return w.callRaw(cookie, method, path, "application/json", b, headers...)
}

func (w *world) callRaw(cookie, method, path, contentType string, b []byte, headers ...string) reply {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", w.from))
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	r := reply{status: res.StatusCode, header: res.Header}
	if r.body, err = io.ReadAll(res.Body); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range res.Cookies() {
		r.cookie = c.Name + "=" + c.Value
	}
	return r
}

// person stores a user and signs in.
func (w *world) person(name string, role perm.Role) string {
	w.t.Helper()
	hash, err := auth.HashPassword(secret.New(password))
	if err == nil {
		err = w.store.PutUser(w.t.Context(), schema.User{Name: name, Org: schema.DefaultOrg, Role: string(role), Hash: hash, Version: 1})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	r := w.call("", "POST", "/api/v1/login", map[string]string{"user": name, "password": password})
	if r.status != 200 || r.cookie == "" {
		w.t.Fatalf("signing in as %s: %d %s", name, r.status, r.body)
	}
	return r.cookie
}

// routes is what each route needs, written down apart from the server's own table.
var routes = []struct{ method, path, weakest string }{
	{"GET", "/passkeys", "viewer"}, {"GET", "/users/x/passkeys", "admin"}, {"DELETE", "/users/x/passkeys/x", "admin"}, {"DELETE", "/passkeys/x", "viewer"}, {"POST", "/passkeys/x", "viewer"},
	{"GET", "/me", "viewer"}, {"GET", "/home", "viewer"}, {"GET", "/alerts", "viewer"}, {"GET", "/alerts/x", "viewer"},
	{"POST", "/alerts/update", "analyst"}, {"GET", "/incidents", "viewer"}, {"GET", "/incidents/x", "viewer"}, {"POST", "/incidents/x/ack", "analyst"},
	{"GET", "/incidents/x/actions", "viewer"}, {"POST", "/incidents/x/undo", "approver"},
	{"GET", "/runs?id=x", "viewer"}, {"POST", "/runs/cancel?id=x", "analyst"}, {"POST", "/playbooks/x/run", "analyst"}, {"GET", "/approvals", "viewer"}, {"GET", "/approvals/x", "viewer"}, {"POST", "/approvals/x/decide", "approver"},
	{"POST", "/approvals/x/sign", "approver"}, {"GET", "/approvals/metrics", "viewer"}, {"POST", "/approvals/x/look", "viewer"}, {"POST", "/approvals/x/review", "approver"}, {"GET", "/sources", "viewer"}, {"GET", "/sources/x", "viewer"}, {"POST", "/sources/ingest", "analyst"},
	{"POST", "/searches", "viewer"}, {"POST", "/searches/ocsf", "viewer"}, {"DELETE", "/searches/x", "viewer"}, {"GET", "/events/x", "viewer"}, {"GET", "/fields", "viewer"}, {"GET", "/rules", "viewer"},
	{"GET", "/rules/x", "viewer"}, {"GET", "/playbooks", "viewer"}, {"GET", "/models", "viewer"}, {"GET", "/models/x", "viewer"},
	{"POST", "/models/train", "admin"}, {"POST", "/models/x/rollback", "admin"}, {"GET", "/audit", "analyst"}, {"GET", "/audit/verify", "analyst"}, {"GET", "/users", "admin"}, {"POST", "/users", "admin"},
	{"POST", "/searches/estimate", "viewer"}, {"GET", "/events/x/around", "viewer"}, {"GET", "/events/x/prevalence", "viewer"}, {"GET", "/fields/user.name/values", "viewer"},
	{"GET", "/export?query=nothing:here", "viewer"}, {"GET", "/saved/search", "viewer"}, {"POST", "/saved/search", "analyst"}, {"DELETE", "/saved/search/x", "analyst"},
	{"GET", "/incidents/x/report?format=stix", "viewer"}, {"POST", "/rules/check", "viewer"}, {"POST", "/rules/deploy", "admin"}, {"GET", "/rules/deploy", "viewer"}, {"GET", "/rules/language", "viewer"}, {"GET", "/entities?kind=user", "viewer"}, {"GET", "/entities/host/x", "viewer"},
	{"GET", "/dashboards", "viewer"}, {"GET", "/dashboards/x", "viewer"},
	{"GET", "/assets", "viewer"}, {"GET", "/identities", "viewer"}, {"GET", "/tables", "viewer"}, {"GET", "/tables/geo/versions", "viewer"},
	{"POST", "/tables/geo", "admin"}, {"POST", "/tables/geo/rollback", "admin"},
}

// valid are bodies that pass the shape check, so that the permission decides.
var valid = map[string]any{
	"/passkeys/x":    map[string]any{"name": "x"},
	"/alerts/update": map[string]any{"ids": []string{}}, "/approvals/x/decide": map[string]any{"verdict": "approve"}, "/approvals/x/sign": map[string]any{"verdict": "approve"},
	"/approvals/x/look": map[string]any{"verdict": "view"}, "/approvals/x/review": map[string]any{"verdict": "justified", "reason": "x"},
	"/runs/cancel?id=x": map[string]any{}, "/playbooks/x/run": map[string]any{"incident": "x"}, "/incidents/x/ack": map[string]any{}, "/incidents/x/undo": map[string]any{"reason": "x"}, "/sources/ingest": map[string]any{"source": "bad name", "paths": []string{"x"}}, "/searches": map[string]any{"query": "nothing:here"}, "/searches/ocsf": map[string]any{"query": "nothing:here"},
	"/tables/geo": "no database", "/tables/geo/rollback": map[string]any{"number": 9},
	"/rules/check": map[string]any{"yaml": "id: x"}, "/rules/deploy": map[string]any{"yaml": "id: x", "reason": "x"}, "/searches/estimate": map[string]any{"query": "nothing:here"}, "/saved/search": map[string]any{"id": "x", "doc": "a", "title": ""},
	"/users": map[string]any{"name": "zz", "role": "viewer", "password": "short"},
}

// TestServer runs the parts against one pair of engines: starting them is the dear part.
func TestServer(t *testing.T) {
	w := newWorld(t)
	t.Run("link", func(t *testing.T) { w.t = t; adminLink(t, w) })
	t.Run("link by passkey", func(t *testing.T) { w.t = t; linkByPasskey(t, w) })
	w.t = t
	cookies := map[perm.Role]string{}
	for _, r := range perm.Roles() {
		cookies[r] = w.person("p-"+string(r), r)
	}
	for name, fn := range map[string]func(*testing.T, *world, map[perm.Role]string){
		"routes": routeByRole, "refusals": refusalsAudited, "audit": auditPages, "page": page, "session": sessions, "lists": lists, "live": liveResume, "search": searchShape, "saved": savedByOwner, "export": exports, "tables": assetTables, "ocsf": ocsfExport, "deploy": deployRule, "passkeys": passkeySignIn,
	} {
		t.Run(name, func(t *testing.T) { w.t = t; fn(t, w, cookies) })
	}
	t.Run("guessing", func(t *testing.T) { w.t = t; guessing(t, w) })
}

// adminLink: the link works once, sets the first password, and is worth nothing once there is an admin.
func adminLink(t *testing.T, w *world) {
	one, err := w.srv.AdminLink(t.Context())
	if err != nil || one == "" {
		t.Fatalf("no link although there is no user: %q %v", one, err)
	}
	two, err := w.srv.AdminLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]string{"token": one, "password": password}
	if r := w.call("", "POST", "/api/v1/login/link", in); r.status != 200 || r.cookie == "" {
		t.Fatalf("the link was refused: %d %s", r.status, r.body)
	}
	if r := w.call("", "POST", "/api/v1/login/link", in); r.status != 401 {
		t.Errorf("the link worked twice: %d", r.status)
	}
	if r := w.call("", "POST", "/api/v1/login/link", map[string]string{"token": two, "password": "another long password"}); r.status != 401 {
		t.Errorf("a second link takes the account of the admin there is: %d", r.status)
	}
	if r := w.call("", "POST", "/api/v1/login", map[string]string{"user": "admin", "password": password}); r.status != 200 {
		t.Errorf("the admin's password does not hold: %d %s", r.status, r.body)
	}
	if again, err := w.srv.AdminLink(t.Context()); err != nil || again != "" {
		t.Errorf("a link although there is an admin: %q %v", again, err)
	}
}

func routeByRole(t *testing.T, w *world, cookies map[perm.Role]string) {
	for _, rt := range routes {
		if r := w.call("", rt.method, "/api/v1"+rt.path, valid[rt.path]); r.status != 401 {
			t.Errorf("%s %s without a session: %d", rt.method, rt.path, r.status)
		}
		may := false
		for _, role := range perm.Roles() {
			may = may || string(role) == rt.weakest
			r := w.call(cookies[role], rt.method, "/api/v1"+rt.path, valid[rt.path])
			if may == (r.status == 403) || r.status == 401 || r.status >= 500 {
				t.Errorf("%s %s as %s: %d %s", rt.method, rt.path, role, r.status, r.body)
			}
		}
	}
}

func (w *world) auditRecords(cookie, query string) (items []schema.AuditRecord, next string) {
	w.t.Helper()
	r := w.call(cookie, "GET", "/api/v1/audit?"+query, nil)
	var page struct {
		Items []schema.AuditRecord `json:"items"`
		Next  string               `json:"next"`
	}
	if err := json.Unmarshal(r.body, &page); err != nil || r.status != 200 {
		w.t.Fatalf("reading the audit: %d %s", r.status, r.body)
	}
	return page.Items, page.Next
}

// refusalsAudited: an attempt to decide without the right leaves a record.
func refusalsAudited(t *testing.T, w *world, cookies map[perm.Role]string) {
	if r := w.call(cookies[perm.Analyst], "POST", "/api/v1/approvals/nope/decide", valid["/approvals/x/decide"]); r.status != 403 {
		t.Fatalf("an analyst decided: %d", r.status)
	}
	items, _ := w.auditRecords(cookies[perm.Admin], "limit=200")
	for _, a := range items {
		if a.Actor == "p-analyst" && a.Outcome == "refused" && strings.Contains(a.Object, "/approvals/nope/decide") {
			return
		}
	}
	t.Error("the refused decision is not in the audit trail")
}

// auditPages: small pages add up to the whole trail.
func auditPages(t *testing.T, w *world, cookies map[perm.Role]string) {
	all, _ := w.auditRecords(cookies[perm.Admin], "limit=1000")
	seen := map[string]bool{}
	for cursor, n := "", 0; n < 200; n++ {
		items, next := w.auditRecords(cookies[perm.Admin], "limit=3&cursor="+cursor)
		for _, a := range items {
			seen[a.ID] = true
		}
		if cursor = next; next == "" {
			break
		}
	}
	if len(all) < 7 || len(seen) != len(all) {
		t.Errorf("pages of three showed %d of %d records", len(seen), len(all))
	}
}

func page(t *testing.T, w *world, _ map[perm.Role]string) {
	one, two := w.call("", "GET", "/alerts/some/where", nil), w.call("", "GET", "/", nil)
	csp := one.header.Get("Content-Security-Policy")
	_, rest, _ := strings.Cut(csp, "'nonce-")
	nonce, _, _ := strings.Cut(rest, "'")
	if one.status != 200 || len(nonce) < 16 || !bytes.Contains(one.body, []byte(nonce)) {
		t.Errorf("page and policy do not share a nonce: %d %q %s", one.status, csp, one.body)
	}
	if csp == two.header.Get("Content-Security-Policy") {
		t.Error("two answers share a nonce")
	}
	if strings.Contains(csp, "unsafe-eval") || !strings.Contains(csp, "script-src 'self';") || !strings.Contains(csp, "require-trusted-types-for 'script'") {
		t.Errorf("weak policy: %s", csp)
	}
	if r := w.call("", "GET", "/assets/a.js", nil); r.status != 200 || !strings.Contains(r.header.Get("Cache-Control"), "immutable") {
		t.Errorf("asset: %d %v", r.status, r.header)
	}
	for _, gone := range []string{"/assets/gone.js", "/favicon.ico"} {
		if r := w.call("", "GET", gone, nil); r.status != 404 {
			t.Errorf("%s, which is missing, answers %d", gone, r.status)
		}
	}
	if r := w.call("", "GET", "/entities/host:ws15.office.example", nil, "Accept", "text/html"); r.status != 200 {
		t.Errorf("the page of a name with dots answers %d", r.status)
	}
}

// sessions: a signed-out cookie is worth nothing, other origins may not write, tokens sign in and cannot make tokens.
func sessions(t *testing.T, w *world, _ map[perm.Role]string) {
	cookie := w.person("leaver", perm.Analyst)
	if r := w.call(cookie, "POST", "/api/v1/logout", nil, "Origin", "https://evil.example"); r.status != 403 {
		t.Errorf("another origin wrote: %d", r.status)
	}
	r := w.call(cookie, "POST", "/api/v1/tokens", map[string]string{"name": "ci"})
	var tok struct{ Token string }
	if err := json.Unmarshal(r.body, &tok); err != nil || !strings.HasPrefix(tok.Token, "vgl_") {
		t.Fatalf("no token: %d %s", r.status, r.body)
	}
	if r := w.call("", "GET", "/api/v1/me", nil, "Authorization", "Bearer "+tok.Token); r.status != 200 {
		t.Errorf("the token does not sign in: %d", r.status)
	}
	if r := w.call("", "POST", "/api/v1/tokens", map[string]string{"name": "x"}, "Authorization", "Bearer "+tok.Token); r.status != 403 {
		t.Errorf("a token made a token: %d", r.status)
	}
	if r := w.call(cookie, "POST", "/api/v1/logout", nil); r.status >= 300 {
		t.Fatalf("signing out: %d %s", r.status, r.body)
	}
	if r := w.call(cookie, "GET", "/api/v1/me", nil); r.status != 401 {
		t.Errorf("the signed-out cookie still works: %d", r.status)
	}
}

// lists: firewalls get what is in force, and 304 while nothing changes; the same as TAXII.
func lists(t *testing.T, w *world, _ map[perm.Role]string) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	for i, e := range []store.ListEntry{{Value: "203.0.113.9", Expires: now.Add(time.Hour)}, {Value: "203.0.113.10", Expires: now.Add(-time.Hour)}, {Value: "2001:db8::9"}, {Value: "203.0.113.12"}} {
		e.Org, e.List, e.Added, e.Version = schema.DefaultOrg, "addresses", now.Add(time.Duration(i)*time.Second-time.Minute), 1
		if err := w.store.PutListEntry(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	r := w.call("", "GET", "/lists/addresses.txt", nil)
	if string(r.body) != "2001:db8::9\n203.0.113.12\n203.0.113.9\n" {
		t.Errorf("list: %q", r.body)
	}
	if r := w.call("", "GET", "/lists/addresses.txt", nil, "If-None-Match", r.header.Get("ETag")); r.status != 304 {
		t.Errorf("unchanged list: %d", r.status)
	}
	for path, want := range map[string]int{"/taxii2/": 200, "/taxii2/lists/": 200, "/taxii2/lists/collections/": 200, "/taxii2/lists/collections/addresses/": 200,
		"/taxii2/lists/collections/addresses/manifest/": 200, "/taxii2/lists/collections/sent/objects/": 404, "/taxii2/lists/collections/addresses/objects/indicator--x/": 404,
		"/taxii2/lists/collections/addresses/objects/?limit=0": 400, "/taxii2/lists/collections/addresses/objects/?added_after=x": 400} {
		if r := w.call("", "GET", path, nil, "Accept", "application/taxii+json;version=2.1"); r.status != want || r.header.Get("Content-Type") != "application/taxii+json;version=2.1" {
			t.Errorf("%s: %d, %s", path, r.status, r.header.Get("Content-Type"))
		}
	}
	if r := w.call("", "GET", "/taxii2/", nil, "Accept", "application/vnd.oasis.taxii+json; version=2.0"); r.status != 406 {
		t.Errorf("TAXII 2.0 is answered with %d", r.status)
	}
	w.taxii(t, "203.0.113.9 2001:db8::9 203.0.113.12")
}

// taxii reads the collection page by page with the reader of our feeds, which knows nothing
// of how it is written.
func (w *world) taxii(t *testing.T, want string) {
	const path = "/taxii2/lists/collections/addresses/objects/?limit=2"
	var got []string
	var last string
	for next := ""; ; {
		r := w.call("", "GET", path+"&next="+url.QueryEscape(next), nil)
		var page struct {
			More bool
			Next string
		}
		if err := json.Unmarshal(r.body, &page); err != nil {
			t.Fatalf("%v: %s", err, r.body)
		}
		entries, _, err := intel.Read(t.Context(), "stix", intel.One("page.json", bytes.NewReader(r.body)), intel.Options{})
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(entries, func(a, b intel.Entry) int { return cmp.Compare(a.From, b.From) })
		for _, e := range entries {
			got = append(got, e.Value)
		}
		last = r.header.Get("X-TAXII-Date-Added-Last")
		if next = page.Next; !page.More {
			break
		}
	}
	if strings.Join(got, " ") != want {
		t.Errorf("TAXII gives %v, want %s", got, want)
	}
	if r := w.call("", "GET", path+"&added_after="+url.QueryEscape(last), nil); strings.Contains(string(r.body), "indicator--") {
		t.Errorf("after the last there is %s", r.body)
	}
}

func (w *world) dial(cookie string, headers ...string) (*websocket.Conn, int) {
	h := http.Header{"Cookie": {cookie}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	d := websocket.Dialer{Subprotocols: []string{"vigil.v1"}, HandshakeTimeout: 5 * time.Second}
	c, res, err := d.DialContext(w.t.Context(), "ws"+strings.TrimPrefix(w.url, "http")+"/api/v1/live", h)
	if err != nil {
		if res == nil {
			w.t.Fatal(err)
		}
		return nil, res.StatusCode
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return c, 101
}

type wsFrame struct {
	Op, Topic, Offset, Message string
	Gap                        bool
	Dropped                    int
	Items                      []schema.Note
	Data                       *schema.Note
}

func next(t *testing.T, c *websocket.Conn) wsFrame {
	t.Helper()
	var f wsFrame
	if err := c.ReadJSON(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

// liveResume: strangers, other origins and topics without the right are refused; a
// client that comes and goes ends with every note of its topic.
func liveResume(t *testing.T, w *world, cookies map[perm.Role]string) {
	if _, code := w.dial(""); code != 401 {
		t.Errorf("a stranger listens: %d", code)
	}
	if _, code := w.dial(cookies[perm.Viewer], "Origin", "https://evil.example"); code != 403 {
		t.Errorf("another origin listens: %d", code)
	}
	c, _ := w.dial(cookies[perm.Viewer])
	_ = c.WriteJSON(map[string]string{"op": "sub", "topic": "audit"})
	if f := next(t, c); f.Op != "err" {
		t.Errorf("a viewer listens to the audit: %+v", f)
	}
	_ = c.WriteJSON(map[string]string{"op": "sub", "topic": "alerts"})
	last, got := next(t, c).Offset, map[string]bool{}
	for i := range 30 {
		n := schema.Note{Org: schema.DefaultOrg, Topic: "alerts", Kind: "created", ID: fmt.Sprintf("a%02d", i), Data: "{}", Time: time.Now().UTC()}
		if err := w.store.PutNotes(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if i%10 != 9 {
			continue
		}
		// Away while notes are written, then back from the last offset.
		_ = c.Close()
		c, _ = w.dial(cookies[perm.Viewer])
		_ = c.WriteJSON(map[string]string{"op": "sub", "topic": "alerts", "since": last})
		for len(got) < i+1 {
			f := next(t, c)
			if f.Gap {
				t.Fatal("a gap although everything is kept")
			}
			if f.Data != nil {
				f.Items = append(f.Items, *f.Data)
			}
			for _, n := range f.Items {
				got[n.ID], last = true, max(last, n.Offset)
			}
		}
	}
	_ = c.Close()
}

// searchShape: the contract's body is taken, and a wrong query is the caller's error.
func searchShape(t *testing.T, w *world, cookies map[perm.Role]string) {
	body := map[string]any{"query": "", "from": "2020-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z", "limit": 10, "cursor": "", "histogram": true}
	if r := w.call(cookies[perm.Viewer], "POST", "/api/v1/searches", body); r.status != 200 {
		t.Errorf("the contract's search is refused: %d %s", r.status, r.body)
	}
	body["query"] = "(open"
	r := w.call(cookies[perm.Viewer], "POST", "/api/v1/searches", body)
	if r.status != 422 || r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a wrong query: %d %s %s", r.status, r.header.Get("Content-Type"), r.body)
	}
}

// savedByOwner: what is not shared only its owner sees, and nobody else changes it.
func savedByOwner(t *testing.T, w *world, cookies map[perm.Role]string) {
	analyst, approver, admin := cookies[perm.Analyst], cookies[perm.Approver], cookies[perm.Admin]
	list := func(cookie, kind string) string {
		return string(w.call(cookie, "GET", "/api/v1/"+kind, nil).body)
	}
	put := func(cookie, kind string, doc map[string]any) int {
		return w.call(cookie, "POST", "/api/v1/saved/"+kind, doc).status
	}
	mine := map[string]any{"id": "mine", "title": "Mine", "doc": "event.outcome:failure | top 5 user.name", "range": "24h", "columns": []string{"user.name"}}
	if code := put(analyst, "search", mine); code != 200 || !strings.Contains(list(analyst, "saved/search"), "top 5 user.name") {
		t.Fatalf("saving: %d %s", code, list(analyst, "saved/search"))
	}
	if strings.Contains(list(approver, "saved/search"), "Mine") {
		t.Error("a search that is not shared is seen by others")
	}
	if code := put(approver, "search", mine); code != 403 {
		t.Errorf("somebody else changed it: %d", code)
	}
	mine["shared"] = true
	if code := put(admin, "search", mine); code != 200 || !strings.Contains(list(approver, "saved/search"), `"owner":"p-analyst"`) {
		t.Errorf("an admin shares it: %d %s", code, list(approver, "saved/search"))
	}
	if code := put(analyst, "search", map[string]any{"id": "bad", "title": "Bad", "doc": "| nonsense"}); code != 422 {
		t.Errorf("a query that cannot be read is kept: %d", code)
	}
	if r := w.call(approver, "DELETE", "/api/v1/saved/search/mine", nil); r.status != 403 {
		t.Errorf("somebody else deleted it: %d", r.status)
	}
	if r := w.call(analyst, "DELETE", "/api/v1/saved/search/mine", nil); r.status != 200 || strings.Contains(list(analyst, "saved/search"), "Mine") {
		t.Errorf("deleting: %d", r.status)
	}
	if !strings.Contains(list(analyst, "dashboards"), "security-overview") {
		t.Errorf("the dashboard that comes with Vigil is not there: %s", list(analyst, "dashboards"))
	}
	board := "id: mine\ntitle: My board\npanels:\n  - {title: Users, query: '| top 5 user.name', show: bar}\n"
	if code := put(analyst, "dashboard", map[string]any{"id": "mine", "doc": board, "shared": true}); code != 200 || !strings.Contains(list(cookies[perm.Viewer], "dashboards/mine"), "top 5 user.name") {
		t.Errorf("a dashboard: %d %s", code, list(cookies[perm.Viewer], "dashboards/mine"))
	}
	if code := put(analyst, "dashboard", map[string]any{"id": "broken", "doc": strings.Replace(board, "top 5", "sort", 1)}); code != 422 {
		t.Errorf("a dashboard whose query cannot be read: %d", code)
	}
}

// exports: each format is a file of its kind, an export leaves a record, a refusal is no file.
func exports(t *testing.T, w *world, cookies map[perm.Role]string) {
	for format, media := range map[string]string{"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"} {
		r := w.call(cookies[perm.Viewer], "GET", "/api/v1/export?columns=user.name&query=nothing:here&format="+format, nil)
		if r.status != 200 || r.header.Get("Content-Type") != media || !strings.Contains(r.header.Get("Content-Disposition"), "."+format) {
			t.Errorf("%s: %d %v %s", format, r.status, r.header, r.body)
		}
	}
	for _, bad := range []string{"format=xls", "query=(open", "columns=no.such", "from=yesterday", "limit=-1"} {
		if r := w.call(cookies[perm.Viewer], "GET", "/api/v1/export?"+bad, nil); r.status != 422 || r.header.Get("Content-Disposition") != "" {
			t.Errorf("%s: %d %v", bad, r.status, r.header)
		}
	}
	items, _ := w.auditRecords(cookies[perm.Admin], "limit=500")
	for _, a := range items {
		if a.Verb == "search.export" && a.Actor == "p-viewer" && a.Object == "parquet" && a.Details["query"] == "nothing:here" {
			return
		}
	}
	t.Error("the export is not in the audit trail")
}

// guessing: failures lock out for a while, also when they come all at once.
func guessing(t *testing.T, w *world) {
	codes := make(chan int, 40)
	for range cap(codes) {
		go func() {
			b, _ := json.Marshal(map[string]string{"user": "p-admin", "password": "wrong guess again"})
			res, err := http.Post(w.url+"/api/v1/login", "application/json", bytes.NewReader(b))
			if err != nil {
				codes <- 0
				return
			}
			_ = res.Body.Close()
			codes <- res.StatusCode
		}()
	}
	count := map[int]int{}
	for range cap(codes) {
		count[<-codes]++
	}
	if count[401] > 8 || count[429] < 32 || count[401] == 0 {
		t.Errorf("of 40 guesses at once, answers by status: %v", count)
	}
}
