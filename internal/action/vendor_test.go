package action

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/secret"
	"vigil/schema"
)

const vendorSecret = "tok-3n-of-the-vendor"

// vendor is a real listener that behaves like the systems of the table: an EDR, a
// firewall, an identity provider, chats and trackers. It counts what it does.
type vendor struct {
	*httptest.Server
	mu    sync.Mutex
	state map[string]string // what is isolated, blocked, disabled, quarantined
	acts  map[string]int    // what was done, and how often
	// fault is asked before each change: "" answers well, "lie" answers well and does
	// nothing, "drop" does it and breaks the connection, "hang" does not answer, a
	// number is a status.
	fault func(r *http.Request) string
}

func newVendor(t *testing.T) *vendor {
	v := &vendor{state: map[string]string{}, acts: map[string]int{}, fault: func(*http.Request) string { return "" }}
	v.Server = httptest.NewServer(http.HandlerFunc(v.serve))
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) connectors() Connectors {
	out := Connectors{}
	for name := range connectorNames {
		out[name] = &Connector{Name: name, URL: secret.New(v.URL + "/" + name), Auth: "bearer", Secret: secret.New(vendorSecret), Timeout: 2 * time.Second,
			Options: map[string]string{"project": "SEC", "repository": "acme/soc"}}
	}
	return out
}

func (v *vendor) effects() map[string]any {
	v.mu.Lock()
	defer v.mu.Unlock()
	return map[string]any{"state": v.state, "acts": v.acts}
}

func (v *vendor) serve(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+vendorSecret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fault := ""
	if r.Method != "GET" {
		fault = v.fault(r)
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

func (v *vendor) did(what string) { v.acts[what]++ }

func (v *vendor) answer(w http.ResponseWriter, r *http.Request, body map[string]any) {
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
		if body["routing_key"] != vendorSecret {
			w.WriteHeader(400)
			return
		}
		if v.state[key] != text("event_action") {
			v.state[key] = text("event_action")
			v.did(key + text("event_action"))
		}
		say(map[string]string{"status": "success", "dedup_key": key})
	case name == "jira" && r.Method == "GET":
		issues := []any{}
		if k := v.state["jira"]; k != "" && strings.Contains(r.URL.Query().Get("jql"), k) {
			issues = append(issues, map[string]string{"key": "SEC-1"})
		}
		say(map[string]any{"issues": issues})
	case name == "jira":
		v.did(name)
		v.state["jira"] = body["fields"].(map[string]any)["labels"].([]any)[1].(string)
		say(map[string]string{"key": "SEC-1"})
	case name == "servicenow" && r.Method == "GET":
		found := []any{}
		if k := v.state["snow"]; k != "" && r.URL.Query().Get("sysparm_query") == "correlation_id="+k {
			found = append(found, map[string]string{"number": "INC1"})
		}
		say(map[string]any{"result": found})
	case name == "servicenow":
		v.did(name)
		v.state["snow"] = text("correlation_id")
		say(map[string]any{"result": map[string]string{"number": "INC1"}})
	case name == "github" && r.Method == "GET":
		found := []any{}
		if k := v.state["github"]; k != "" && r.URL.Query().Get("labels") == k {
			found = append(found, map[string]int{"number": 7})
		}
		say(found)
	case name == "github":
		v.did(name)
		v.state["github"] = body["labels"].([]any)[1].(string)
		say(map[string]int{"number": 7})
	case r.Method == "PUT" && (name == "tickets" || strings.HasPrefix(rest, "/collections/")):
		if v.state[rest] != "" {
			w.WriteHeader(http.StatusConflict)
		} else {
			v.state[rest] = "there"
			v.did(rest)
		}
		say(map[string]string{"id": last})
	case name == "openc2":
		if id := text("command_id"); v.state[id] == "" {
			v.state[id] = "done"
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
		say(map[string]bool{"active": v.state["u-17"] != "false"})
	case name == "scim":
		v.state["u-17"] = fmt.Sprint(body["Operations"].([]any)[0].(map[string]any)["value"])
		v.did("scim" + v.state["u-17"])
	case name == "idp":
		if v.state[rest] == "" {
			v.state[rest] = "revoked"
			v.did(rest)
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (v *vendor) keep(w http.ResponseWriter, method, at string) {
	switch {
	case method == "PUT":
		v.state[at] = "on"
		v.did(at)
	case v.state[at] == "":
		w.WriteHeader(http.StatusNotFound)
	case method == "DELETE":
		delete(v.state, at)
		v.did(at + " off")
	}
}

func (v *vendor) host(w http.ResponseWriter, method, host, verb string) {
	switch {
	case host == "unknown":
		w.WriteHeader(http.StatusNotFound)
	case method == "GET":
		_ = json.NewEncoder(w).Encode(map[string]bool{"isolated": v.state[host] == "isolate"})
	default:
		v.state[host] = verb
		v.did(host + " " + verb)
	}
}

// TestFaults holds every row with a connector to what it promises when the other side
// times out, fails, refuses, or acts and breaks the connection: it says whether to try
// again, and trying again acts once. No error repeats the secret.
func TestFaults(t *testing.T) {
	for verb, d := range Definitions() {
		if d.Connector == "" || d.Connector == "smtp" || d.Connector == "ssh" {
			continue
		}
		for _, c := range []struct {
			fault string
			want  schema.Code
		}{{"hang", schema.Unavailable}, {"503", schema.Unavailable}, {"429", schema.Unavailable}, {"302", schema.Invalid}, {"401", schema.Denied}, {"400", schema.Invalid}, {"drop", schema.Unavailable}} {
			t.Run(verb+" "+c.fault, func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				for _, s := range b.systems {
					s.Timeout = 700 * time.Millisecond
				}
				once := false
				b.vendor.fault = func(*http.Request) string {
					if once {
						return ""
					}
					once = true
					return c.fault
				}
				r := b.request(t, d)
				_, err := b.table[verb].Run(t.Context(), r)
				// net/http sends a DELETE again by itself when a kept connection breaks.
				if again := c.fault == "drop" && verb == "revoke-token" && err == nil; schema.CodeOf(err) != c.want && !again || !once {
					t.Fatalf("%v, want %s", err, c.want)
				}
				if s := fmt.Sprintf("%v %+v", err, err); strings.Contains(s, vendorSecret) {
					t.Errorf("the error tells the secret: %s", s)
				}
				if _, err := b.table[verb].Run(t.Context(), r); err != nil {
					t.Fatalf("the second attempt: %v", err)
				}
				// Chats cannot tell repeats: their definition says that they may see two.
				if chat := d.Connector == "slack" || d.Connector == "teams" || d.Connector == "mattermost"; !chat {
					for what, n := range b.vendor.acts {
						if n != 1 {
							t.Errorf("%s was done %d times", what, n)
						}
					}
				}
			})
		}
	}
}

// TestLies: the other side says yes and does nothing.
func TestLies(t *testing.T) {
	for _, verb := range []string{"isolate-host", "quarantine-hash", "firewall-block", "disable-user", "slack", "teams", "mattermost", "jira-issue", "servicenow-incident", "github-issue", "pagerduty"} {
		b := newBench(t)
		b.vendor.fault = func(*http.Request) string { return "lie" }
		if _, err := b.table[verb].Run(t.Context(), b.request(t, b.table[verb].Definition())); err == nil {
			t.Errorf("%s believed a lie", verb)
		}
	}
}

// TestCancelStops: a cancelled action does not wait for who does not answer.
func TestCancelStops(t *testing.T) {
	for verb, d := range Definitions() {
		if d.Connector == "" {
			continue
		}
		b := newBench(t)
		b.vendor.fault = func(*http.Request) string { return "hang" }
		b.mail.hang()
		b.shell.hang()
		ctx, cancel := contextAfter(t, 50*time.Millisecond)
		began := time.Now()
		_, err := b.table[verb].Run(ctx, b.request(t, d))
		cancel()
		if err == nil || time.Since(began) > 1500*time.Millisecond {
			t.Errorf("%s: %v after %s", verb, err, time.Since(began))
		}
	}
}

func TestUnknownHost(t *testing.T) {
	b := newBench(t)
	r := b.request(t, b.table["isolate-host"].Definition())
	r.Target, r.Arguments = "unknown", map[string]string{"hosts": "unknown"}
	for _, dry := range []bool{true, false} {
		r.DryRun = dry
		if _, err := b.table["isolate-host"].Run(t.Context(), r); schema.CodeOf(err) != schema.NotFound {
			t.Errorf("%v", err)
		}
	}
}

func TestMissingConnectors(t *testing.T) {
	for verb, a := range NewTable(Ports{Lists: &lists{m: map[string]Entry{}}}) {
		d := a.Definition()
		if d.Connector == "" {
			continue
		}
		b := newBench(t)
		if _, err := a.Run(t.Context(), b.request(t, d)); schema.CodeOf(err) != schema.Unavailable || !strings.Contains(err.Error(), "connectors.yaml") {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

func TestParseConnectors(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("hush-hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := "connectors:\n  slack: {url_secret: 'file:" + key + "'}\n  edr: {url: 'https://edr.example/api', auth: bearer, secret: 'file:" + key + "', timeout_seconds: 3}\n"
	resolve := func(ref string) (secret.Value, error) {
		v, err := secret.FromRef(ref)
		if err == nil && strings.HasPrefix(good, "connectors:\n  slack") && v.Reveal() == "hush-hush" && ref == "file:"+key {
			return v, nil
		}
		return v, err
	}
	if _, err := ParseConnectors("c.yaml", []byte(good), resolve); err == nil || !strings.Contains(err.Error(), "slack: url needs") {
		t.Errorf("an address that is none: %v", err)
	}
	got, err := ParseConnectors("c.yaml", []byte(strings.Replace(good, "slack: {url_secret: 'file:"+key+"'}", "slack: {url: 'https://hooks.example/x'}", 1)), resolve)
	if err != nil || got["edr"].Secret.Reveal() != "hush-hush" || got["edr"].Timeout != 3*time.Second {
		t.Fatalf("%+v %v", got, err)
	}
	if text := fmt.Sprintf("%+v %v", got["edr"], *got["edr"]); strings.Contains(text, "hush") {
		t.Errorf("a connector prints its secret: %s", text)
	}
	for text, want := range map[string]string{
		"connectors: {nothing: {url: 'http://x'}}":                                           "no such connector",
		"connectors: {edr: {url: 'gopher://x'}}":                                             "url needs",
		"connectors: {edr: {url: 'http://x', auth: magic}}":                                  "auth cannot be",
		"connectors: {edr: {url: 'http://x', auth: bearer}}":                                 `needs a "secret"`,
		"connectors: {edr: {url: 'http://x', auth: bearer, secret: 'plain'}}":                "its secret",
		"connectors: {edr: {url: 'http://x', auth: bearer, secret: 'env:NOT_SET_ANYWHERE'}}": "its secret",
		"connectors: {jira: {url: 'http://x'}}":                                              `option "project"`,
		"connectors:\n  edr: {uri: x}":                                                       "c.yaml:2:",
	} {
		if _, err := ParseConnectors("c.yaml", []byte(text), secret.FromRef); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "plain") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
