package action

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/internal/action/actiontest"
	"vigil/internal/secret"
	"vigil/schema"
)

func connectorsOf(v *actiontest.Vendor) Connectors {
	out := Connectors{}
	for name := range connectorNames {
		if name == "http" {
			continue
		}
		out[name] = &Connector{Name: name, URL: secret.New(v.URL + "/" + name), Auth: "bearer", Secret: secret.New(actiontest.Secret), Timeout: 2 * time.Second,
			Options: map[string]string{"project": "SEC", "repository": "acme/soc"}}
	}
	return out
}

// TestFaults holds every row with a connector to what it promises when the other side
// times out, fails, refuses, or acts and breaks the connection: it says whether to try
// again, and trying again acts once. No error repeats the secret.
func TestFaults(t *testing.T) {
	for verb, d := range Definitions() {
		if d.Connector == "" || d.Connector == "smtp" || d.Connector == "ssh" || d.Connector == "bash" {
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
				b.vendor.Fault = func(*http.Request) string {
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
				if s := fmt.Sprintf("%v %+v", err, err); strings.Contains(s, actiontest.Secret) {
					t.Errorf("the error tells the secret: %s", s)
				}
				if _, err := b.table[verb].Run(t.Context(), r); err != nil {
					t.Fatalf("the second attempt: %v", err)
				}
				// Chats cannot tell repeats: their definition says that they may see two.
				if chat := d.Connector == "slack" || d.Connector == "teams" || d.Connector == "mattermost"; !chat {
					for what, n := range b.vendor.Acts {
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
		b.vendor.Fault = func(*http.Request) string { return "lie" }
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
		b.vendor.Fault = func(*http.Request) string { return "hang" }
		b.mail.Hang()
		b.shell.hang()
		b.local.command = "sleep 60"
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
		if _, err := a.Run(t.Context(), b.request(t, d)); schema.CodeOf(err) != schema.Invalid || !strings.Contains(err.Error(), "connectors.yaml") {
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
