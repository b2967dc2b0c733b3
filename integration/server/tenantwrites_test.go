package server

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"vigil/internal/secret"
	"vigil/schema"
)

// orgsByPlatform: only the platform adds, lists and closes orgs, attaches what is the
// machine's, and opens payloads.
func orgsByPlatform(t *testing.T, w *world, platform, guest string) {
	for _, c := range []struct {
		method, path string
		in           any
	}{
		{"GET", "/orgs", nil}, {"POST", "/orgs", map[string]string{"name": "third", "admin": "x", "password": password}}, {"POST", "/orgs/acme/close", map[string]string{}},
		{"POST", "/sources/ingest", map[string]any{"source": "files", "paths": []string{"/etc/passwd"}}}, {"POST", "/sources", map[string]any{"source": "files", "kind": "tail", "paths": []string{"/var/log/*"}}},
		{"POST", "/sources/files/backfill", map[string]any{"paths": []string{"/etc/passwd"}}}, {"POST", "/intel/feeds", map[string]any{"feed": "f", "url": "/etc/passwd"}},
	} {
		if r := w.call(guest, c.method, "/api/v1"+c.path, c.in); r.status != 403 {
			t.Errorf("%s %s by an admin of another org than the platform: %d %s", c.method, c.path, r.status, r.body)
		}
	}
	if r := w.call(guest, "POST", "/api/codec/decode", map[string]any{"payloads": []any{}}); r.status != 403 {
		t.Errorf("an admin of another org opens payloads: %d", r.status)
	}
	for name, want := range map[string]int{theirs: 409, ours: 422, "Acme": 422, "a-b": 422, "a/b": 422, "x": 422} {
		if r := w.call(platform, "POST", "/api/v1/orgs", map[string]string{"name": name, "admin": "ana", "password": password}); r.status != want {
			t.Errorf("adding the org %q: %d, want %d: %s", name, r.status, want, r.body)
		}
	}
	var me struct {
		Org         string
		Permissions []string
	}
	if err := json.Unmarshal(w.call(guest, "GET", "/api/v1/me", nil).body, &me); err != nil || me.Org != theirs || strings.Contains(strings.Join(me.Permissions, " "), "admin:orgs") || len(me.Permissions) < 20 {
		t.Errorf("me in %s: %+v %v", theirs, me, err)
	}
}

// signInByOrg: a name is one of its org only, and so are tokens and the count of failures.
func signInByOrg(t *testing.T, w *world, platform, guest string) {
	in := func(org, user string) reply {
		w.calm()
		return w.call("", "POST", "/api/v1/login", map[string]string{"org": org, "user": user, "password": password})
	}
	for _, c := range []struct {
		org, user string
		want      int
	}{{"", "root", 200}, {ours, "root", 200}, {theirs, "ana", 200}, {theirs, "root", 401}, {"", "ana", 401}, {"nowhere", "ana", 401}, {"acme/ana", "", 401}} {
		if r := in(c.org, c.user); r.status != c.want {
			t.Errorf("signing in as %s of %q: %d, want %d", c.user, c.org, r.status, c.want)
		}
	}
	// One name in both orgs is two people: what one may says nothing of the other.
	if r := w.call(guest, "POST", "/api/v1/users", map[string]string{"name": "root", "role": "viewer", "password": password}); r.status != 200 {
		t.Fatalf("adding a user: %d %s", r.status, r.body)
	}
	var me struct{ Org, Role string }
	if err := json.Unmarshal(w.call(in(theirs, "root").cookie, "GET", "/api/v1/me", nil).body, &me); err != nil || me.Org != theirs || me.Role != "viewer" {
		t.Errorf("root of %s: %+v %v", theirs, me, err)
	}
	if err := json.Unmarshal(w.call(platform, "GET", "/api/v1/me", nil).body, &me); err != nil || me.Org != ours || me.Role != "admin" {
		t.Errorf("root of %s: %+v %v", ours, me, err)
	}
	// A token is of its org; no header and no body makes it another's.
	var token struct{ Token string }
	if err := json.Unmarshal(w.call(guest, "POST", "/api/v1/tokens", map[string]string{"name": "t"}).body, &token); err != nil {
		t.Fatal(err)
	}
	r := w.call("", "GET", "/api/v1/alerts", nil, "Authorization", "Bearer "+token.Token, "X-Org", ours, "X-Vigil-Org", ours)
	if !strings.Contains(string(r.body), mark(theirs)) || strings.Contains(string(r.body), mark(ours)) {
		t.Errorf("alerts by token: %d %.300s", r.status, r.body)
	}
	if r := w.call(guest, "GET", "/api/v1/alerts?org="+ours, nil); strings.Contains(string(r.body), mark(ours)) {
		t.Errorf("alerts with an org in the address: %.300s", r.body)
	}
	if r := w.call(guest, "POST", "/api/v1/users", map[string]string{"name": "eve", "role": "admin", "password": password, "org": ours}); r.status != 422 {
		t.Errorf("a user with an org in the body: %d %s", r.status, r.body)
	}
}

// write is a case of a route that changes something, asked for with the ids of another org.
type write struct {
	path string
	in   any
}

// harmless are the routes that change nothing of what their address names: nobody is signed in,
// or they concern the caller's own session, or are refused to all but the platform.
var harmless = map[string]string{
	"POST /login": "signs in", "POST /login/link": "the platform's one-time link", "POST /login/link/passkey/begin": "the platform's one-time link", "POST /login/link/passkey": "the platform's one-time link",
	"POST /login/passkey/begin": "signs in", "POST /login/passkey": "signs in", "POST /logout": "the session", "POST /passkeys": "the caller's", "POST /passkeys/begin": "the caller's", "POST /tokens": "the caller's",
	"POST /orgs": "orgsByPlatform", "POST /orgs/{name}/{verb}": "orgsByPlatform", "POST /sources/ingest": "orgsByPlatform", "POST /sources": "orgsByPlatform", "POST /intel/feeds": "orgsByPlatform",
	"POST /searches": "searchesOwn", "POST /searches/ocsf": "searchesOwn", "POST /searches/estimate": "searchesOwn", "POST /rules/check": "keeps nothing", "POST /exceptions/try": "keeps nothing",
	"POST /samples/test": "starts the caller's org's tests", "POST /posture/assess": "starts the caller's org's assessment", "POST /models/train": "starts the caller's org's training", "POST /hunts": "starts the caller's org's hunt", "POST /rules/deploy": "starts the caller's org's deployment",
}

// writes has a case for every other route that changes something; %s is what was planted for
// the other org.
var writes = map[string]write{
	"POST /passkeys/{id}": {"/passkeys/%s", map[string]string{"name": "mine"}}, "DELETE /passkeys/{id}": {"/passkeys/%s", nil}, "DELETE /users/{user}/passkeys/{id}": {"/users/%s/passkeys/%s", nil},
	"POST /alerts/update":        {"/alerts/update", map[string]any{"ids": []string{mark(ours)}, "status": "closed", "verdict": "benign", "reason": "x"}},
	"POST /incidents/{id}/files": {"/incidents/%s/files?name=x", "bytes"}, "POST /incidents/{id}/undo": {"/incidents/%s/undo", map[string]string{"reason": "x"}},
	"POST /incidents/{id}/{verb}": {"/incidents/%s/comment", map[string]string{"text": "x"}}, "POST /runs/{verb}": {"/runs/cancel?id=%s", map[string]string{}},
	"POST /playbooks/{name}/run": {"/playbooks/contain-ssh-brute-force/run", map[string]string{"incident": mark(ours)}},
	"POST /approvals/{id}/look":  {"/approvals/%s/look", map[string]string{"verdict": "view"}}, "POST /approvals/{id}/review": {"/approvals/%s/review", map[string]string{"verdict": "justified", "reason": "x"}},
	"POST /approvals/{id}/decide": {"/approvals/%s/decide", map[string]string{"verdict": "approve"}}, "POST /approvals/{id}/step-up": {"/approvals/%s/step-up", map[string]string{"verdict": "approve"}},
	"POST /approvals/{id}/sign": {"/approvals/%s/sign", map[string]string{"verdict": "approve"}},
	"DELETE /sources/{id}":      {"/sources/%s", nil}, "POST /sources/{id}/rewind": {"/sources/%s/rewind", map[string]any{"to": time.Unix(1, 0)}}, "POST /sources/{id}/backfill": {"/sources/%s/backfill", map[string]any{}},
	"POST /sources/{id}/schedule": {"/sources/%s/schedule", map[string]any{"every_seconds": 60}}, "POST /sources/{id}/{verb}": {"/sources/%s/pause", map[string]any{}},
	"DELETE /searches/{id}": {"/searches/%s", nil}, "POST /saved/{kind}": {"/saved/search", map[string]any{"id": mark(ours), "title": "taken", "doc": "x"}}, "DELETE /saved/{kind}/{id}": {"/saved/search/%s", nil},
	"POST /exceptions":             {"/exceptions", map[string]any{"id": mark(ours), "rule": "*", "when": "e.event.code == '1'", "reason": "abc", "expires": time.Now().Add(time.Hour)}},
	"POST /exceptions/{id}/remove": {"/exceptions/%s/remove", map[string]string{"reason": "abc"}}, "POST /models/{detector}/rollback": {"/models/%s/rollback", map[string]string{"reason": "x"}},
	"POST /intel/feeds/{id}/{verb}": {"/intel/feeds/" + mark(ours) + "/remove", map[string]any{}}, "POST /tables/{name}": {"/tables/assets", "no table"}, "POST /tables/{name}/rollback": {"/tables/assets/rollback", map[string]any{"number": 1}},
	"DELETE /hunts/{id}": {"/hunts/hunt%%2Fmain%%2Fx", nil}, "POST /samples": {"/samples", map[string]any{"id": mark(ours)}}, "DELETE /samples/{id}": {"/samples/%s", nil},
	"POST /users": {"/users", map[string]any{"name": "root", "role": "viewer", "disabled": true}},
}

// writesOwn: nothing that an admin of one org asks changes a row of another, whichever ids it
// names.
func writesOwn(t *testing.T, w *world, _, guest string) {
	for _, route := range w.routesOf("POST", "DELETE", "PUT", "PATCH") {
		if _, ok := writes[route]; !ok && harmless[route] == "" {
			t.Errorf("%s has no case here: say what it may change of which org", route)
		}
	}
	before := w.prints(ours)
	for route, c := range writes {
		method, _, _ := strings.Cut(route, " ")
		path := read{path: c.path}.of(ours)
		var r reply
		if text, raw := c.in.(string); raw {
			r = w.callRaw(guest, method, path, "application/octet-stream", []byte(text))
		} else {
			r = w.call(guest, method, path, c.in)
		}
		if r.status >= 500 && r.status != 503 {
			t.Errorf("%s: %d %.300s", route, r.status, r.body)
		}
		if strings.Contains(c.path, "%s") && r.status < 400 {
			t.Errorf("%s with an id of another org: %d %.300s", route, r.status, r.body)
		}
	}
	for table, print := range w.prints(ours) {
		if print != before[table] {
			t.Errorf("what an admin of %s asked changed rows of %s in %s: %s, was %s", theirs, ours, table, print, before[table])
		}
	}
}

// searchesOwn: no search shows an event or a row of another org, however it is written.
func searchesOwn(t *testing.T, w *world, platform, guest string) {
	search := func(cookie, query string) reply {
		return w.call(cookie, "POST", "/api/v1/searches", map[string]any{"query": query, "limit": 100, "histogram": true})
	}
	for _, query := range []string{"", "user.name:" + mark(ours), "planted", "sql: SELECT user_name FROM events", "sql: SELECT * FROM alerts"} {
		r := search(platform, query)
		if r.status != 200 || query != "planted" && !strings.Contains(string(r.body), mark(ours)) {
			t.Errorf("%q in %s finds nothing of its own: %d %.300s", query, ours, r.status, r.body)
		}
	}
	filter := fmt.Sprintf("SETTINGS additional_table_filters = {'vigil.events': 'org = \\'%s\\''}", ours)
	queries := []string{
		"", "user.name:" + mark(ours), "org:" + ours, "planted", mark(ours), "event.id:" + eventOf(ours), "* | stats count() by user.name", "NOT user.name:x | top 10 user.name", "* | timechart",
		"user.name:x) OR (1=1", "user.name:\"x' OR 1=1 --\"", "cel: true", "cel: e.user.name == '" + mark(ours) + "'", "cel: e.user.name != 'x' || true",
		"sql: SELECT * FROM events", "sql: SELECT * FROM vigil.events WHERE org = '" + ours + "'", "sql: SELECT * FROM alerts a JOIN events e ON 1 = 1", "sql: SELECT * FROM (SELECT * FROM alerts)",
		"sql: WITH x AS (SELECT * FROM vigil.alerts) SELECT * FROM x", "sql: SELECT (SELECT any(user_name) FROM events)", "sql: SELECT * FROM events WHERE user_name IN (SELECT user_name FROM events)",
		"sql: SELECT * FROM events UNION ALL SELECT * FROM events", "sql: SELECT * FROM merge('vigil', '.*')", "sql: SELECT * FROM loop(vigil.events) LIMIT 5", "sql: SELECT * FROM view(SELECT * FROM vigil.alerts)",
		"sql: SELECT * FROM remote('127.0.0.1', vigil.events)", "sql: SELECT * FROM cluster('default', vigil.events)", "sql: SELECT * FROM mergeTreeIndex(vigil, events)", "sql: SELECT * FROM events FINAL " + filter,
		"sql: SELECT * FROM events /* */ settings additional_table_filters = {}", "sql: SELECT * FROM `vigil`.`events`", "sql: SELECT * FROM \"vigil_private\".\"users\"", "sql: SELECT * FROM vigil_private.saved",
		"sql: SELECT query FROM system.query_log", "sql: SELECT query FROM system.processes", "sql: SELECT * FROM system.text_log", "sql: SELECT * FROM system.row_policies", "sql: SELECT * FROM system.users",
		"sql: SELECT partition, min_block_number FROM system.parts", "sql: SELECT dictGet('x', 'y', 1)", "sql: SELECT joinGet('vigil.events', 'user_name', 1)", "sql: EXPLAIN SELECT * FROM events", "sql: SHOW CREATE TABLE events",
		"sql: SELECT hasColumnInTable('vigil_private', 'users', 'hash')", "sql: SELECT * FROM file('/etc/passwd')", "sql: SELECT * FROM url('http://127.0.0.1')", "sql: DESCRIBE events",
	}
	for _, query := range queries {
		for _, route := range []string{"/searches", "/searches/estimate", "/searches/ocsf"} {
			r := w.call(guest, "POST", "/api/v1"+route, map[string]any{"query": query})
			// What was asked comes back in refusals; everything else with the mark is a leak.
			if said := strings.ReplaceAll(string(r.body), query, ""); r.status == 200 && strings.Contains(said, mark(ours)) || r.status >= 500 {
				t.Errorf("%s %q in %s: %d %.400s", route, query, theirs, r.status, r.body)
			}
		}
		r := w.call(guest, "GET", "/api/v1/export?query="+url.QueryEscape(query), nil)
		if r.status == 200 && strings.Contains(string(r.body), mark(ours)) || r.status >= 500 {
			t.Errorf("export of %q in %s: %d %.400s", query, theirs, r.status, r.body)
		}
	}
}

// engineWall: the engine itself shows the analyst of an org that org's rows only, of every table
// there is, with nothing of Vigil in between; and nobody is the analyst of another.
func engineWall(t *testing.T, w *world, _, _ string) {
	listed := map[string]bool{}
	for _, table := range schema.OrgTables() {
		listed[table] = true
	}
	for _, table := range strings.Fields(w.owner("SELECT name FROM system.tables WHERE database = 'vigil' AND NOT is_temporary ORDER BY name")) {
		hasOrg := w.owner("SELECT count() FROM system.columns WHERE database = 'vigil' AND table = '"+table+"' AND name = 'org'") == "1"
		if hasOrg != listed[table] {
			t.Errorf("the table %s has a column org: %t; schema.OrgTables knows it: %t", table, hasOrg, listed[table])
		}
		if !hasOrg {
			if out, err := w.analyst(theirs, "SELECT * FROM vigil."+table); err == nil {
				t.Errorf("the analyst of %s reads %s, which has no org: %.200s", theirs, table, out)
			}
			continue
		}
		if all := w.owner("SELECT uniqExact(org) FROM vigil." + table); all != "2" && table != "rule_test_events" {
			t.Errorf("%s holds rows of %s orgs, want both: nothing is proved of it", table, all)
		}
		for _, sql := range []string{"SELECT DISTINCT org FROM vigil.%s", "SELECT DISTINCT org FROM vigil.%s SETTINGS additional_table_filters = {}", "SELECT DISTINCT org FROM vigil.%s WHERE org = '" + ours + "'",
			"SELECT DISTINCT org FROM merge('vigil', '^%s$')", "SELECT DISTINCT org FROM view(SELECT * FROM vigil.%s)", "SELECT DISTINCT a.org FROM vigil.%s a JOIN vigil.%[1]s b ON a.org != b.org"} {
			q := fmt.Sprintf(sql, table)
			if i := strings.Index(q, "%!(EXTRA"); i >= 0 {
				q = q[:i]
			}
			if out, err := w.analyst(theirs, q); err == nil && out != "" && out != theirs {
				t.Errorf("the analyst of %s sees rows of %q with %s", theirs, out, q)
			}
		}
		if out, err := w.analyst(theirs, "SELECT DISTINCT org FROM vigil."+table); table != "rule_test_events" && (err != nil || out != theirs) {
			t.Errorf("the analyst of %s does not see its own rows of %s: %q %v", theirs, table, out, err)
		}
	}
	for _, sql := range []string{"SELECT * FROM vigil_private.users", "INSERT INTO vigil.alerts (org) VALUES ('acme')", "ALTER TABLE vigil.alerts DELETE WHERE 1", "DROP ROW POLICY analyst_acme ON vigil.alerts", "CREATE USER x",
		"SELECT query FROM system.query_log", "SELECT * FROM remote('127.0.0.1', 'vigil', 'alerts')", "SELECT * FROM file('/etc/passwd')", "SYSTEM FLUSH LOGS"} {
		if out, err := w.analyst(theirs, sql); err == nil {
			t.Errorf("the analyst of %s may %s: %.200s", theirs, sql, out)
		}
	}
	if _, err := w.sql(schema.AnalystOf(w.engine.AnalystUser, ours), secret.Derive(w.engine.AnalystPassword, theirs), "SELECT 1"); err == nil {
		t.Error("the password of one analyst is that of another")
	}
	// Row policies do not hold for mergeTreeIndex, which shows keys: no SQL that people type calls it.
	for _, sql := range []string{"SELECT org AS id FROM events, mergeTreeIndex(vigil, alerts)", "SELECT 1 AS id FROM events, merge('vigil', '.*')"} {
		if rows, err := w.store.Aggregate(t.Context(), theirs, sql, time.Unix(0, 0), time.Now()); schema.CodeOf(err) != schema.Denied {
			t.Errorf("a rule may %s: %v %v", sql, rows, err)
		}
	}
	// A rule in SQL is typed by somebody too.
	for _, sql := range []string{"SELECT a.id AS id FROM events, alerts AS a", "SELECT doc AS id FROM alerts"} {
		rows, err := w.store.Aggregate(t.Context(), theirs, sql, time.Unix(0, 0), time.Now().Add(time.Hour))
		if strings.Contains(fmt.Sprint(rows), mark(ours)) {
			t.Errorf("a rule of %s reads rows of %s with %s: %v %v", theirs, ours, sql, rows, err)
		}
		if !strings.Contains(fmt.Sprint(rows), mark(theirs)) {
			t.Errorf("a rule of %s does not read its own rows with %s: %v %v", theirs, sql, rows, err)
		}
	}
}

// liveOwn: a socket hears of its own org only, on every topic.
func liveOwn(t *testing.T, w *world, platform, guest string) {
	topics := []string{"alerts", "incidents", "approvals", "runs", "sources", "audit", "posture", "models", "intel", "tables", "rules", "exceptions"}
	conns := map[string]string{ours: platform, theirs: guest}
	for org, cookie := range conns {
		c, code := w.dial(cookie)
		if code != 101 {
			t.Fatalf("dialling in %s: %d", org, code)
		}
		for _, topic := range topics {
			// Since the beginning: what is kept would come as a backlog.
			if err := c.WriteJSON(map[string]string{"op": "sub", "topic": topic, "since": "0000000000000001"}); err != nil {
				t.Fatal(err)
			}
		}
		for range topics {
			for f := next(t, c); f.Op != "subd"; f = next(t, c) {
				if f.Op == "err" {
					t.Fatalf("a topic in %s: %+v", org, f)
				}
			}
		}
		now := time.Now().UTC()
		for other := range conns {
			for _, topic := range topics {
				if err := w.store.PutNotes(t.Context(), schema.Note{Org: other, Topic: topic, Kind: "changed", ID: mark(other) + topic + org, Time: now}); err != nil {
					t.Fatal(err)
				}
			}
		}
		heard := map[string]bool{}
		for len(heard) < len(topics) {
			f := next(t, c)
			for _, n := range f.Items {
				if n.Org != org && n.Org != "" || strings.Contains(n.ID, mark(theirs)) != (org == theirs) && strings.HasPrefix(n.ID, "planted") {
					t.Fatalf("a socket of %s hears of %s: %+v", org, n.Org, n)
				}
				if strings.HasSuffix(n.ID, org) && strings.HasPrefix(n.ID, mark(org)) {
					heard[n.Topic] = true
				}
			}
		}
		_ = c.Close()
	}
}

// exportsOwn: files hold what is the caller's org's, in every format.
func exportsOwn(t *testing.T, w *world, platform, guest string) {
	for _, format := range []string{"ndjson", "csv", "parquet"} {
		for org, cookie := range map[string]string{ours: platform, theirs: guest} {
			other := map[string]string{ours: theirs, theirs: ours}[org]
			r := w.call(cookie, "GET", "/api/v1/export?query=&format="+format, nil)
			if r.status != 200 || strings.Contains(string(r.body), mark(other)) || format != "parquet" && !strings.Contains(string(r.body), mark(org)) {
				t.Errorf("%s of %s: %d %.300s", format, org, r.status, r.body)
			}
		}
	}
}

// closedOrg: who is of a closed org is nobody, from the next request on; it comes back as it was.
func closedOrg(t *testing.T, w *world, platform, guest string) {
	for _, c := range []struct {
		verb string
		want int
	}{{"close", 401}, {"open", 200}} {
		if r := w.call(platform, "POST", "/api/v1/orgs/"+theirs+"/"+c.verb, map[string]any{}); r.status != 200 {
			t.Fatalf("%s: %d %s", c.verb, r.status, r.body)
		}
		w.calm()
		if r := w.call(guest, "GET", "/api/v1/me", nil); r.status != c.want {
			t.Errorf("a session after %s: %d, want %d", c.verb, r.status, c.want)
		}
		if r := w.call("", "POST", "/api/v1/login", map[string]string{"org": theirs, "user": "ana", "password": password}); r.status != c.want {
			t.Errorf("signing in after %s: %d, want %d", c.verb, r.status, c.want)
		}
	}
}
