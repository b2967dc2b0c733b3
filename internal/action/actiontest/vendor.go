// Package actiontest is the other side of actions: a listener that behaves like the
// systems of the action table, for tests of actions and playbooks.
package actiontest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Secret is the bearer token that the listener wants.
const Secret = "tok-3n-of-the-vendor"

// Vendor is a real listener that behaves like the systems of the table: an EDR, a
// firewall, an identity provider, chats and trackers. It counts what it does.
type Vendor struct {
	*httptest.Server
	mu    sync.Mutex
	State map[string]string // what is isolated, blocked, disabled, quarantined
	Acts  map[string]int    // what was done, and how often
	// Fault is asked before each change: "" answers well, "lie" answers well and does
	// nothing, "drop" does it and breaks the connection, "hang" does not answer, a
	// number is a status.
	Fault func(r *http.Request) string
}

// New starts the listener; it ends with the test.
func New(t testing.TB) *Vendor {
	v := &Vendor{State: map[string]string{}, Acts: map[string]int{}, Fault: func(*http.Request) string { return "" }}
	v.Server = httptest.NewServer(http.HandlerFunc(v.serve))
	t.Cleanup(v.Close)
	return v
}

// Effects is everything the listener has done and holds.
func (v *Vendor) Effects() map[string]any {
	v.mu.Lock()
	defer v.mu.Unlock()
	return map[string]any{"state": v.State, "acts": v.Acts}
}

func (v *Vendor) serve(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+Secret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fault := ""
	if r.Method != "GET" {
		fault = v.Fault(r)
	}
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	switch fault {
	case "":
	case "hang":
		v.mu.Unlock()
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
		v.mu.Lock()
		return
	case "lie":
		_, _ = w.Write([]byte(`{}`))
		return
	case "drop":
		v.answer(httptest.NewRecorder(), r, body)
		panic(http.ErrAbortHandler)
	default:
		var code int
		_, _ = fmt.Sscan(fault, &code)
		w.WriteHeader(code)
		fmt.Fprint(w, "no: "+r.Header.Get("Authorization"))
		return
	}
	v.answer(w, r, body)
}

func (v *Vendor) did(what string) { v.Acts[what]++ }

func (v *Vendor) answer(w http.ResponseWriter, r *http.Request, body map[string]any) {
	say := func(x any) { _ = json.NewEncoder(w).Encode(x) }
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	name, rest := parts[0], "/"+strings.Join(parts[1:], "/")
	last := parts[len(parts)-1]
	text := func(k string) string { s, _ := body[k].(string); return s }
	switch {
	case name == "slack" || name == "mattermost":
		v.did(name)
		fmt.Fprint(w, "ok")
	case name == "teams":
		v.did(name)
		fmt.Fprint(w, "1")
	case name == "pagerduty":
		key := text("dedup_key")
		if body["routing_key"] != Secret {
			w.WriteHeader(400)
			return
		}
		if v.State[key] != text("event_action") {
			v.State[key] = text("event_action")
			v.did(key + text("event_action"))
		}
		say(map[string]string{"status": "success", "dedup_key": key})
	case name == "jira" && r.Method == "GET":
		issues := []any{}
		if k := v.State["jira"]; k != "" && strings.Contains(r.URL.Query().Get("jql"), k) {
			issues = append(issues, map[string]string{"key": "SEC-1"})
		}
		say(map[string]any{"issues": issues})
	case name == "jira":
		v.did(name)
		v.State["jira"] = body["fields"].(map[string]any)["labels"].([]any)[1].(string)
		say(map[string]string{"key": "SEC-1"})
	case name == "servicenow" && r.Method == "GET":
		found := []any{}
		if k := v.State["snow"]; k != "" && r.URL.Query().Get("sysparm_query") == "correlation_id="+k {
			found = append(found, map[string]string{"number": "INC1"})
		}
		say(map[string]any{"result": found})
	case name == "servicenow":
		v.did(name)
		v.State["snow"] = text("correlation_id")
		say(map[string]any{"result": map[string]string{"number": "INC1"}})
	case name == "github" && r.Method == "GET":
		found := []any{}
		if k := v.State["github"]; k != "" && r.URL.Query().Get("labels") == k {
			found = append(found, map[string]int{"number": 7})
		}
		say(found)
	case name == "github":
		v.did(name)
		v.State["github"] = body["labels"].([]any)[1].(string)
		say(map[string]int{"number": 7})
	case r.Method == "PUT" && (name == "tickets" || strings.HasPrefix(rest, "/collections/")):
		if v.State[rest] != "" {
			w.WriteHeader(http.StatusConflict)
		} else {
			v.State[rest] = "there"
			v.did(rest)
		}
		say(map[string]string{"id": last})
	case name == "openc2":
		if id := text("command_id"); v.State[id] == "" {
			v.State[id] = "done"
			v.did(text("action"))
		} else {
			w.WriteHeader(http.StatusConflict)
		}
		say(map[string]any{"status": 200})
	case strings.HasPrefix(rest, "/quarantine/") || strings.HasPrefix(rest, "/blocks/"):
		v.keep(w, r.Method, rest)
	case strings.HasPrefix(rest, "/hosts/"):
		v.host(w, r.Method, parts[2], last)
	case name == "scim" && r.Method == "GET" && rest == "/Users":
		say(map[string]any{"Resources": []map[string]string{{"id": "u-17"}}})
	case name == "scim" && r.Method == "GET":
		say(map[string]bool{"active": v.State["u-17"] != "false"})
	case name == "scim":
		v.State["u-17"] = fmt.Sprint(body["Operations"].([]any)[0].(map[string]any)["value"])
		v.did("scim" + v.State["u-17"])
	case name == "idp":
		if v.State[rest] == "" {
			v.State[rest] = "revoked"
			v.did(rest)
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (v *Vendor) keep(w http.ResponseWriter, method, at string) {
	switch {
	case method == "PUT":
		v.State[at] = "on"
		v.did(at)
	case v.State[at] == "":
		w.WriteHeader(http.StatusNotFound)
	case method == "DELETE":
		delete(v.State, at)
		v.did(at + " off")
	}
}

func (v *Vendor) host(w http.ResponseWriter, method, host, verb string) {
	switch {
	case host == "unknown":
		w.WriteHeader(http.StatusNotFound)
	case method == "GET":
		_ = json.NewEncoder(w).Encode(map[string]bool{"isolated": v.State[host] == "isolate"})
	default:
		v.State[host] = verb
		v.did(host + " " + verb)
	}
}
