package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vigil/internal/auth/perm"
	"vigil/internal/secret"
	"vigil/schema"
)

// The two orgs of TestTenants. What is planted for each carries its mark in every text.
const (
	ours   = "main"
	theirs = "acme"
)

func mark(org string) string { return "planted-for-" + org }

// eventOf is the id of the event that is planted for an org.
func eventOf(org string) string { return fmt.Sprintf("%032x", "event of "+org)[:32] }

// owner runs SQL as the owner of the tables.
func (w *world) owner(sql string) string {
	w.t.Helper()
	out, err := w.sql(w.engine.User, w.engine.Password, sql)
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// sql asks the engine itself, as anybody who has a connection to it may.
func (w *world) sql(user string, password secret.Value, sql string) (string, error) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), "POST", "http://"+w.engine.HTTPAddr+"/?database=vigil", strings.NewReader(sql))
	if err != nil {
		w.t.Fatal(err)
	}
	req.SetBasicAuth(user, password.Reveal())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != 200 {
		err = fmt.Errorf("%d: %.300s", res.StatusCode, b)
	}
	return strings.TrimSpace(string(b)), err
}

// analyst asks as the user of the engine who runs what people of an org type, past all that
// Vigil checks itself.
func (w *world) analyst(org, sql string) (string, error) {
	return w.sql(schema.AnalystOf(w.engine.AnalystUser, org), secret.Derive(w.engine.AnalystPassword, org), sql)
}

// planted are values that the columns of some tables must have for the rows to be shown.
var planted = map[string]string{
	"saved.kind": "search", "table_versions.name": "assets", "findings.kind": "objective", "entities.kind": "asset",
}

// tables are the tables of both databases that have an org, by database.table.
func (w *world) tables() []string {
	return strings.Fields(w.owner("SELECT concat(database, '.', table) FROM system.columns WHERE database IN ('vigil', 'vigil_private') AND name = 'org' ORDER BY 1"))
}

// plant puts a row of the org into every table there is, whatever its columns.
func (w *world) plant(org string) {
	for _, table := range w.tables() {
		_, name, _ := strings.Cut(table, ".")
		if slices.Contains([]string{"users", "sessions", "tokens", "audit_heads"}, name) {
			continue // whoever signs in is one; a head that is made up would be a fault of the audit
		}
		var columns, values []string
		for line := range strings.Lines(w.owner("SELECT name, type FROM system.columns WHERE concat(database, '.', table) = '" + table + "' AND default_kind IN ('', 'DEFAULT')")) {
			column, kind, _ := strings.Cut(strings.TrimSpace(line), "\t")
			value, ok := plantedValue(org, name, column, kind)
			if ok {
				columns, values = append(columns, "`"+column+"`"), append(values, value)
			}
		}
		w.owner("INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")")
	}
}

func plantedValue(org, table, column, kind string) (string, bool) {
	quoted := func(s string) string { return "'" + s + "'" }
	if v, ok := planted[table+"."+column]; ok {
		return quoted(v), true
	}
	switch {
	case column == "org":
		return quoted(org), true
	case column == "doc":
		doc := map[string]any{"org": org}
		for _, name := range []string{"id", "title", "rule", "source", "name", "incident", "workflow", "value", "feed", "user", "detector", "table", "owner"} {
			doc[name] = mark(org)
		}
		if table == "saved" {
			doc["kind"], doc["shared"], doc["doc"] = "search", true, mark(org)
		}
		b, _ := json.Marshal(doc)
		return quoted(string(b)), true
	case kind == "FixedString(16)" && column == "id":
		return "unhex('" + eventOf(org) + "')", true
	case kind == "String" || kind == "LowCardinality(String)":
		return quoted(mark(org)), true
	case kind == "UInt64" && column == "version":
		return "1", true
	case strings.HasPrefix(kind, "DateTime"):
		return "now() - 60", true
	case strings.HasPrefix(kind, "Date"):
		return "today()", true
	}
	return "", false
}

// prints are what every table holds of an org, but for the audit trail, which grows by what
// people of the org do themselves.
func (w *world) prints(org string) map[string]string {
	out := map[string]string{}
	for _, table := range w.tables() {
		out[table] = w.owner("SELECT count(), groupBitXor(cityHash64(*)) FROM " + table + " WHERE org = '" + org + "'")
	}
	return out
}

// TestTenants: whoever is of one org sees nothing of another and changes nothing of it, whatever
// is asked of which route, search, socket, or of the engine itself.
func TestTenants(t *testing.T) {
	w := newWorld(t)
	platform := w.person("root", perm.Admin)
	in := map[string]string{"name": theirs, "title": "Acme", "admin": "ana", "password": password}
	if r := w.call(platform, "POST", "/api/v1/orgs", in); r.status != 200 {
		t.Fatalf("adding an org: %d %s", r.status, r.body)
	}
	guest := w.call("", "POST", "/api/v1/login", map[string]string{"org": theirs, "user": "ana", "password": password})
	if guest.status != 200 {
		t.Fatalf("the first admin of an org cannot sign in: %d %s", guest.status, guest.body)
	}
	w.plant(ours)
	w.plant(theirs)
	for name, fn := range map[string]func(*testing.T, *world, string, string){
		"orgs": orgsByPlatform, "sign-in": signInByOrg, "reads": readsOwn, "others": othersByID, "writes": writesOwn, "searches": searchesOwn,
		"engine": engineWall, "live": liveOwn, "exports": exportsOwn,
	} {
		t.Run(name, func(t *testing.T) { w.t = t; fn(t, w, platform, guest.cookie) })
	}
	w.t = t
	t.Run("closed", func(t *testing.T) { w.t = t; closedOrg(t, w, platform, guest.cookie) })
}

// read is a case of a GET route. shows says that an answer of it has what was planted for the
// caller's org, so that its silence about another's means something.
type read struct {
	path  string
	shows bool
}

// shared are the GET routes whose answers hold nothing of any org.
var shared = map[string]string{
	"/login/options": "how one signs in", "/fields": "the field table", "/rules/language": "the language", "/playbooks": "the playbooks of the installation",
}

// reads has a case for every GET route. %s is an id, a name or a value.
var reads = map[string]read{
	"/passkeys": {"/passkeys", false}, "/me": {"/me", false}, "/orgs": {"/orgs", false}, "/home": {"/home", true},
	"/alerts": {"/alerts", true}, "/alerts/{id}": {"/alerts/%s", true}, "/incidents": {"/incidents", true}, "/incidents/{id}": {"/incidents/%s", true},
	"/incidents/{id}/actions": {"/incidents/%s/actions", true}, "/incidents/{id}/similar": {"/incidents/%s/similar", false}, "/incidents/{id}/then": {"/incidents/%s/then?at=2020-01-01T00:00:00Z", false},
	"/kpis": {"/kpis", false}, "/runs": {"/runs?id=%s", true}, "/approvals": {"/approvals", true}, "/approvals/{id}": {"/approvals/%s", true}, "/approvals/metrics": {"/approvals/metrics", false},
	"/sources": {"/sources", true}, "/sources/{id}": {"/sources/%s", true}, "/searches/{id}": {"/searches/%s", false},
	"/events/{id}": {"/events/%e", true}, "/events/{id}/around": {"/events/%e/around", true}, "/events/{id}/prevalence": {"/events/%e/prevalence", false},
	"/fields/{name}/values": {"/fields/user.name/values", true}, "/saved/{kind}": {"/saved/search", true}, "/dashboards": {"/dashboards", false}, "/dashboards/{id}": {"/dashboards/%s", false},
	"/rules": {"/rules", false}, "/rules/coverage": {"/rules/coverage", false}, "/rules/health": {"/rules/health", false}, "/rules/deployments": {"/rules/deployments", true},
	"/rules/deploy": {"/rules/deploy", false}, "/rules/{id}": {"/rules/%s", false}, "/rules/{id}/tuning": {"/rules/%s/tuning", false},
	"/entities": {"/entities?kind=user", true}, "/entities/{kind}/{name}": {"/entities/user/%s", true}, "/exceptions": {"/exceptions", true},
	"/models": {"/models", true}, "/models/{id}": {"/models/%s", true}, "/intel/feeds": {"/intel/feeds", true}, "/intel/indicators": {"/intel/indicators", false}, "/intel/sightings": {"/intel/sightings", true},
	"/assets": {"/assets", false}, "/identities": {"/identities", false}, "/tables": {"/tables", true}, "/tables/{name}/versions": {"/tables/assets/versions", true},
	"/hunts": {"/hunts", false}, "/hunts/{id}": {"/hunts/hunt%%2Fmain%%2Fx", false}, "/posture": {"/posture", false}, "/posture/coverage": {"/posture/coverage", false}, "/posture/findings": {"/posture/findings", true},
	"/samples": {"/samples", true}, "/audit": {"/audit", true}, "/audit/verify": {"/audit/verify", false}, "/users": {"/users", false}, "/users/{user}/passkeys": {"/users/%s/passkeys", true},
	// Beside the table of the API:
	"/export": {"/export?query=", true}, "/incidents/{id}/report": {"/incidents/%s/report?format=json", true}, "/incidents/{id}/files/{hash}": {"/incidents/%s/files/" + strings.Repeat("0", 64), false},
}

// of is the path with the ids of what was planted for an org.
func (r read) of(org string) string {
	return "/api/v1" + strings.NewReplacer("%%", "%", "%s", mark(org), "%e", eventOf(org)).Replace(r.path)
}

// routesOf are the paths of the API with that method, as its description tells.
func (w *world) routesOf(methods ...string) []string {
	w.t.Helper()
	r := w.call("", "GET", "/api/v1/openapi.json", nil)
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(r.body, &doc); err != nil || len(doc.Paths) < 50 {
		w.t.Fatalf("reading the API's description: %d %v", r.status, err)
	}
	var out []string
	for path, methodsOf := range doc.Paths {
		for _, m := range methods {
			if _, ok := methodsOf[strings.ToLower(m)]; ok {
				out = append(out, m+" "+strings.TrimPrefix(path, "/api/v1"))
			}
		}
	}
	slices.Sort(out)
	return out
}

// readsOwn: every GET route shows either org its own, and nothing of the other.
func readsOwn(t *testing.T, w *world, platform, guest string) {
	for _, route := range w.routesOf("GET") {
		path := strings.TrimPrefix(route, "GET ")
		if _, ok := reads[path]; !ok && shared[path] == "" {
			t.Errorf("GET %s has no case here: say what it shows of an org", path)
		}
	}
	for route, c := range reads {
		for org, cookie := range map[string]string{ours: platform, theirs: guest} {
			other := theirs
			if org == theirs {
				other = ours
			}
			r := w.call(cookie, "GET", c.of(org), nil)
			leaks := strings.Contains(string(r.body), mark(other))
			if route == "/audit" { // it names what the org's own people asked for in vain
				leaks = strings.Contains(string(r.body), `"org":"`+other+`"`)
			}
			if leaks || r.status >= 500 {
				t.Errorf("GET %s in %s: %d, shows what is %s's: %.300s", route, org, r.status, other, r.body)
			}
			if shows := strings.Contains(string(r.body), mark(org)); c.shows && (!shows || r.status != 200) {
				t.Errorf("GET %s in %s does not show what was planted: %d %.300s", route, org, r.status, r.body)
			}
		}
	}
}

// othersByID: an id of another org that somebody guesses is that of nothing.
func othersByID(t *testing.T, w *world, _, guest string) {
	for route, c := range reads {
		if !strings.Contains(c.path, "%s") && !strings.Contains(c.path, "%e") {
			continue
		}
		r := w.call(guest, "GET", c.of(ours), nil)
		// What is asked for by name may be named in the refusal; nothing else may be said.
		said := strings.ReplaceAll(string(r.body), "there is no", "")
		var page struct{ Items []json.RawMessage }
		_ = json.Unmarshal(r.body, &page)
		if r.status == 200 && (len(page.Items) > 0 || strings.Contains(said, mark(ours))) || r.status >= 500 {
			t.Errorf("GET %s with an id of another org: %d %.300s", route, r.status, r.body)
		}
	}
}
