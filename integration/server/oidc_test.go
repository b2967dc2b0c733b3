package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/auth/oidc"
	"vigil/internal/auth/perm"
	"vigil/internal/secret"
	"vigil/schema"
	"vigil/server"
)

// provider starts the npm oidc-provider, which knows the people of provider.mjs, and
// returns its issuer.
func provider(t *testing.T, callback string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join("..", "..", ".ci", "fetch-provider")).Output()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("the npm oidc-provider is not to be had: %v", err)
	}
	c := exec.Command("node", "provider.mjs")
	c.Dir = strings.TrimSpace(string(out))
	c.Env = append(os.Environ(), "CALLBACK="+callback)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	issuer, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(issuer)
}

const providers = `providers:
  - id: corp
    name: Corp
    issuer: ISSUER
    client_id: vigil
    client_secret: env:SECRET
    scopes: [profile, email]
    roles:
      - {when: "'soc-admins' in claims.groups", role: admin}
      - {when: "'soc' in claims.groups", role: approver}
      - {when: "'readers' in claims.groups", role: viewer}
`

// visitor is a browser.
type visitor struct {
	t    *testing.T
	http *http.Client
	last []string // addresses that were redirected to, of the last visit
	from string
}

func newVisitor(t *testing.T, n int) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, from: fmt.Sprintf("203.0.113.%d", n)}
	v.http = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		r.Header.Set("X-Forwarded-For", v.from)
		v.last = append(v.last, r.URL.String())
		return nil
	}}
	return v
}

func (v *visitor) call(method, to string, in any) (int, string) {
	v.t.Helper()
	v.last = nil
	b, _ := json.Marshal(in)
	req, err := http.NewRequestWithContext(v.t.Context(), method, to, bytes.NewReader(b))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", v.from)
	res, err := v.http.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestProvider signs people in at a real provider of others.
func TestProvider(t *testing.T) {
	w := newWorld(t)
	ts := httptest.NewUnstartedServer(nil)
	address := "http://" + ts.Listener.Addr().String()
	issuer := provider(t, address+"/api/v1/login/oidc/corp/callback")
	set, err := oidc.Parse("sign-in.yaml", []byte(strings.Replace(providers, "ISSUER", issuer, 1)), func(string) (secret.Value, error) { return secret.New("not-so-secret"), nil })
	if err != nil {
		t.Fatal(err)
	}
	o := w.opts
	o.Address, o.SignIn = address, set
	ts.Config.Handler = server.New(o).Handler()
	ts.Start()
	t.Cleanup(ts.Close)
	w.url = address
	admin := w.person("the-admin", perm.Admin)

	n := 0
	who := func(sub string, groups ...string) {
		in := map[string]any{"sub": sub}
		if groups != nil {
			in["groups"] = groups
		}
		newVisitor(t, 250).call("POST", issuer+"/who", in)
	}
	// in signs in with a new browser and says who that is, or what the sign-in page is told.
	in := func() (*visitor, string) {
		n++
		v := newVisitor(t, n)
		v.call("GET", address+"/api/v1/login/oidc/corp", nil)
		end, _ := url.Parse(v.last[len(v.last)-1])
		if word := end.Query().Get("sign-in"); word != "" {
			return v, word
		}
		var me struct{ User, Role string }
		_, text := v.call("GET", address+"/api/v1/me", nil)
		if err := json.Unmarshal([]byte(text), &me); err != nil {
			t.Fatal(text)
		}
		return v, me.User + " " + me.Role
	}

	if _, text := newVisitor(t, 251).call("GET", address+"/api/v1/login/options", nil); !strings.Contains(text, `{"id":"corp","name":"Corp"}`) {
		t.Errorf("the sign-in page does not know it: %s", text)
	}
	who("s-ana")
	ana, got := in()
	if got != "ana.idp approver" {
		t.Fatalf("signed in as %q; went %v", got, ana.last)
	}
	u, err := w.store.User(t.Context(), schema.DefaultOrg, "ana.idp")
	if err != nil || u.Provider != "corp" || u.FullName != "Ana I." || u.Email != "ana@example.org" || fmt.Sprint(u.Groups) != "[soc]" || u.Hash != "" {
		t.Errorf("%+v %v", u, err)
	}
	who("s-mallory")
	if _, got := in(); got != "taken" {
		t.Errorf("somebody else of that name and address is %q", got)
	}
	who("s-sales")
	if _, got := in(); got != "denied" {
		t.Errorf("whose groups have no role is %q", got)
	}
	who("s-boss")
	if _, got := in(); got != "boss.idp admin" {
		t.Errorf("the boss is %q", got)
	}
	who("s-ana", "readers")
	if _, got := in(); got != "ana.idp viewer" {
		t.Errorf("with other groups: %q", got)
	}
	who("s-mallory")
	if err := w.admin("user", "the-admin", "user.link", map[string]string{"issuer": issuer, "subject": "s-mallory"}); err != nil {
		t.Fatal(err)
	}
	if _, got := in(); got != "the-admin admin" {
		t.Errorf("after an admin linked them: %q", got)
	}
	strangers(t, address, n)
	who("s-ana")
	signOut(t, w, ana, address, issuer)
	if u, err = w.store.User(t.Context(), schema.DefaultOrg, "ana.idp"); err != nil {
		t.Fatal(err)
	}
	u.Disabled, u.Version = true, u.Version+1
	if err := w.store.PutUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if _, got := in(); got != "refused" {
		t.Errorf("a disabled user is %q", got)
	}
	for verb, c := range map[string][2]string{"session.login": {"ok", "oidc:corp"}, "user.provision": {"ok", "approver"}, "user.link": {"ok", "s-mallory"}} {
		if !w.audited(admin, verb, c[0], c[1]) {
			t.Errorf("%s is not in the audit trail", verb)
		}
	}
	if !w.audited(admin, "session.login", "refused", "s-mallory") {
		t.Error("the refused subject is not in the audit trail")
	}
}

// strangers: an answer of the provider counts once, and only in the browser that asked.
func strangers(t *testing.T, address string, n int) {
	v := newVisitor(t, n+100)
	v.call("GET", address+"/api/v1/login/oidc/corp", nil)
	back := v.last[len(v.last)-2]
	if !strings.Contains(back, "/callback?code=") {
		t.Fatalf("where is the callback: %v", v.last)
	}
	for name, who := range map[string]*visitor{"again": v, "another browser": newVisitor(t, n+101)} {
		who.call("GET", back, nil)
		if end := who.last[len(who.last)-1]; !strings.Contains(end, "sign-in=refused") {
			t.Errorf("%s: %s", name, end)
		}
	}
	// The answer of another sign-in, in a browser that has begun one of its own.
	x := newVisitor(t, n+102)
	x.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	x.call("GET", address+"/api/v1/login/oidc/corp", nil)
	x.http.CheckRedirect = newVisitorRedirects(x)
	x.call("GET", back, nil)
	if end := x.last[len(x.last)-1]; !strings.Contains(end, "sign-in=refused") {
		t.Errorf("another sign-in's answer: %s", end)
	}
	x.call("GET", address+"/api/v1/login/oidc/nobody", nil)
	if end := x.last[len(x.last)-1]; !strings.Contains(end, "sign-in=unknown") {
		t.Errorf("a provider that is not there: %s", end)
	}
}

func newVisitorRedirects(v *visitor) func(*http.Request, []*http.Request) error {
	return func(r *http.Request, _ []*http.Request) error {
		v.last = append(v.last, r.URL.String())
		return nil
	}
}

// signOut: the session ends here, and the browser is told where to end the provider's.
func signOut(t *testing.T, w *world, v *visitor, address, issuer string) {
	status, text := v.call("POST", address+"/api/v1/logout", map[string]string{})
	if status != 200 || !strings.Contains(text, issuer+"/session/end?client_id=vigil") {
		t.Errorf("signing out: %d %s", status, text)
	}
	if status, _ := v.call("GET", address+"/api/v1/me", nil); status != 401 {
		t.Errorf("the session lives on: %d", status)
	}
}
