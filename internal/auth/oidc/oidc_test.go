package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/secret"
	"vigil/schema"
)

// issuer is a provider that does what a test tells it.
type issuer struct {
	*httptest.Server
	t      *testing.T
	key    *ecdsa.PrivateKey
	kid    string
	nonce  string
	sent   url.Values     // of the last token request
	claims map[string]any // laid over the good ones; nil takes one away
	info   map[string]any
	sign   func(header, payload string) string // "" for the good signature
	header map[string]any
	meta   map[string]any
	answer func(http.ResponseWriter) bool // of the token endpoint, instead of the good one
	keys   int                            // how often keys were read
}

func b64(v any) string {
	if b, ok := v.([]byte); ok {
		return base64.RawURLEncoding.EncodeToString(b)
	}
	b, _ := json.Marshal(v) // plain data
	return base64.RawURLEncoding.EncodeToString(b)
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, kid: "one"}
	i.rotate("one")
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		m := map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys", "userinfo_endpoint": i.URL + "/me",
			"end_session_endpoint": i.URL + "/bye", "id_token_signing_alg_values_supported": []string{"ES256", "none", "HS256"}}
		maps.Copy(m, i.meta)
		write(w, m)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.keys++
		public, _ := i.key.PublicKey.ECDH()
		xy := public.Bytes()[1:]
		write(w, map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": i.kid, "x": b64(xy[:32]), "y": b64(xy[32:])}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		i.sent = r.PostForm
		if i.answer != nil && i.answer(w) {
			return
		}
		write(w, map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": i.token()})
	})
	mux.HandleFunc("/me", func(w http.ResponseWriter, _ *http.Request) {
		m := map[string]any{"sub": "s1", "name": "from userinfo", "department": "blue"}
		maps.Copy(m, i.info)
		write(w, m)
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) rotate(kid string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	i.key, i.kid = key, kid
}

func (i *issuer) token() string {
	now := time.Now()
	c := map[string]any{"iss": i.URL, "sub": "s1", "aud": "vigil", "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "nonce": i.nonce, "preferred_username": "Ana", "groups": []string{"soc", "with,comma"},
		"email": "ana@example.org", "email_verified": true}
	for k, v := range i.claims {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	h := map[string]any{"alg": "ES256", "typ": "JWT", "kid": i.kid}
	maps.Copy(h, i.header)
	head, body := b64(h), b64(c)
	if i.sign != nil {
		return head + "." + body + "." + i.sign(head, body)
	}
	return head + "." + body + "." + i.es256(i.key, head, body)
}

func (i *issuer) es256(key *ecdsa.PrivateKey, head, body string) string {
	sum := sha256.Sum256([]byte(head + "." + body))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		i.t.Fatal(err)
	}
	return b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

const config = `providers:
  - id: corp
    name: Corp
    issuer: ISSUER
    client_id: vigil
    client_secret: env:OIDC
    team: "has(claims.department) ? claims.department : ''"
    roles:
      - {when: "'soc-admins' in claims.groups", role: admin}
      - {when: "'soc' in claims.groups", role: approver}
`

func resolve(ref string) (secret.Value, error) {
	if ref != "env:OIDC" {
		return secret.Value{}, errors.New("want env:NAME or file:/path")
	}
	return secret.New("s3cret"), nil
}

func (i *issuer) provider() *Provider {
	i.t.Helper()
	set, err := Parse("sign-in.yaml", []byte(strings.Replace(config, "ISSUER", i.URL, 1)), resolve)
	if err != nil {
		i.t.Fatal(err)
	}
	p, err := set.Get("corp")
	if err != nil {
		i.t.Fatal(err)
	}
	return p
}

// in signs in, as a browser that the provider sends back at once.
func (i *issuer) in(p *Provider, back url.Values) (Identity, error) {
	i.t.Helper()
	to, st, err := p.Begin(i.t.Context(), "state", "https://vigil.example.org/back")
	if err != nil {
		return Identity{}, err
	}
	u, err := url.Parse(to)
	if err != nil {
		i.t.Fatal(err)
	}
	q := u.Query()
	sum := sha256.Sum256([]byte(st.Verifier))
	if q.Get("state") != "state" || q.Get("nonce") != st.Nonce || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") != b64(sum[:]) || q.Get("response_type") != "code" || !strings.Contains(q.Get("scope"), "openid") {
		i.t.Errorf("the request: %s", to)
	}
	i.nonce = st.Nonce
	if back == nil {
		back = url.Values{"code": {"c"}}
	}
	kept, err := DecodeState(st.Encode())
	if err != nil {
		i.t.Fatal(err)
	}
	id, err := p.Finish(i.t.Context(), kept, back)
	if i.sent.Get("code_verifier") != "" && i.sent.Get("code_verifier") != st.Verifier {
		i.t.Error("another verifier was sent")
	}
	return id, err
}

func TestSignIn(t *testing.T) {
	i := newIssuer(t)
	p := i.provider()
	id, err := i.in(p, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	want := Identity{Provider: "corp", Issuer: i.URL, Subject: "s1", User: "ana", FullName: "from userinfo", Email: "ana@example.org", Role: "approver", Team: "blue", Groups: []string{"soc"}}
	if fmt.Sprint(id) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", id, want)
	}
	if to := p.SignOut(t.Context(), "https://vigil.example.org/"); !strings.HasPrefix(to, i.URL+"/bye?") || !strings.Contains(to, "client_id=vigil") || !strings.Contains(to, "post_logout_redirect_uri=https%3A%2F%2Fvigil") {
		t.Errorf("signing out: %s", to)
	}
	// Key rotation: a key that was never seen is fetched; the old one is worth nothing then.
	old := i.key
	before := i.keys
	i.rotate("two")
	if _, err := i.in(p, nil); err != nil || i.keys != before+1 {
		t.Errorf("after a rotation: %v, %d reads", err, i.keys-before)
	}
	i.header = map[string]any{"kid": "one"}
	i.sign = func(h, b string) string { return i.es256(old, h, b) }
	if _, err := i.in(p, nil); err == nil {
		t.Error("a key that was taken back signs in")
	}
}

// TestMisbehaving: tokens that are wrong in one way each prove nobody.
func TestMisbehaving(t *testing.T) {
	now := time.Now().Unix()
	other := newIssuer(t)
	for name, change := range map[string]func(*issuer){
		"nonce":           func(i *issuer) { i.claims = map[string]any{"nonce": "another"} },
		"no nonce":        func(i *issuer) { i.claims = map[string]any{"nonce": nil} },
		"audience":        func(i *issuer) { i.claims = map[string]any{"aud": "another"} },
		"two audiences":   func(i *issuer) { i.claims = map[string]any{"aud": []string{"vigil", "another"}} },
		"party":           func(i *issuer) { i.claims = map[string]any{"azp": "another"} },
		"issuer":          func(i *issuer) { i.claims = map[string]any{"iss": "https://evil.example"} },
		"expired":         func(i *issuer) { i.claims = map[string]any{"exp": now - 90} },
		"from the future": func(i *issuer) { i.claims = map[string]any{"iat": now + 600} },
		"not yet":         func(i *issuer) { i.claims = map[string]any{"nbf": now + 3600} },
		"no subject":      func(i *issuer) { i.claims = map[string]any{"sub": nil} },
		"unsigned": func(i *issuer) {
			i.header, i.sign = map[string]any{"alg": "none"}, func(_, _ string) string { return "" }
		},
		"no signature":        func(i *issuer) { i.sign = func(_, _ string) string { return "" } },
		"another key":         func(i *issuer) { i.sign = func(h, b string) string { return i.es256(other.key, h, b) } },
		"shared secret":       func(i *issuer) { i.header, i.sign = map[string]any{"alg": "HS256"}, hs256([]byte("s3cret")) },
		"public key as one":   func(i *issuer) { i.header, i.sign = map[string]any{"alg": "HS256"}, hs256(publicBytes(i)) },
		"access token":        func(i *issuer) { i.claims = map[string]any{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"} },
		"somebody's userinfo": func(i *issuer) { i.info = map[string]any{"sub": "s2"} },
		"no token":            func(i *issuer) { i.answer = body(200, `{"access_token":"a","token_type":"Bearer"}`) },
		"refused code":        func(i *issuer) { i.answer = body(400, `{"error":"invalid_grant"}`) },
		"nonsense":            func(i *issuer) { i.answer = body(200, `{"access_token":"a","token_type":"Bearer","id_token":"a.b"}`) },
	} {
		i := newIssuer(t)
		change(i)
		if id, err := i.in(i.provider(), nil); schema.CodeOf(err) != schema.Unauthorized || err == nil {
			t.Errorf("%s: %+v %v", name, id, err)
		}
	}
	for name, back := range map[string]url.Values{
		"error": {"error": {"access_denied"}, "code": {"c"}}, "no code": {}, "another issuer": {"code": {"c"}, "iss": {"https://evil.example"}},
	} {
		i := newIssuer(t)
		if _, err := i.in(i.provider(), back); schema.CodeOf(err) != schema.Unauthorized || i.sent != nil {
			t.Errorf("%s: %v; a code was sent: %v", name, err, i.sent != nil)
		}
	}
	i := newIssuer(t)
	i.meta = map[string]any{"authorization_response_iss_parameter_supported": true}
	if _, err := i.in(i.provider(), nil); schema.CodeOf(err) != schema.Unauthorized {
		t.Errorf("an answer without the issuer that it should name: %v", err)
	}
	i.meta = map[string]any{"issuer": "https://evil.example"}
	if _, err := i.in(i.provider(), nil); schema.CodeOf(err) != schema.Unavailable {
		t.Errorf("a provider that is another: %v", err)
	}
	i = newIssuer(t)
	p := i.provider()
	i.Close()
	if _, err := i.in(p, nil); schema.CodeOf(err) != schema.Unavailable {
		t.Errorf("a provider that is down: %v", err)
	}
}

func hs256(key []byte) func(h, b string) string {
	return func(h, b string) string {
		m := hmac.New(crypto.SHA256.New, key)
		m.Write([]byte(h + "." + b))
		return b64(m.Sum(nil))
	}
}

func publicBytes(i *issuer) []byte {
	k, _ := i.key.PublicKey.ECDH()
	return k.Bytes()
}

func body(status int, text string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
		return true
	}
}

// TestSkew: clocks may differ by a minute.
func TestSkew(t *testing.T) {
	i := newIssuer(t)
	now := time.Now().Unix()
	i.claims = map[string]any{"exp": now - 30, "iat": now + 30}
	if _, err := i.in(i.provider(), nil); err != nil {
		t.Errorf("half a minute: %v", err)
	}
}

func TestMapping(t *testing.T) {
	i := newIssuer(t)
	p := i.provider()
	for _, c := range []struct {
		claims map[string]any
		role   string
		code   schema.Code
	}{
		{map[string]any{"groups": []string{"soc-admins", "soc"}}, "admin", ""},
		{map[string]any{"groups": []string{"sales"}}, "", schema.Denied},
		{map[string]any{"groups": nil}, "", schema.Denied},
		{map[string]any{"groups": "soc"}, "", schema.Denied}, // not a list: nothing is in it
		{map[string]any{"preferred_username": nil}, "", schema.Denied},
		{map[string]any{"preferred_username": 7}, "", schema.Denied},
		{map[string]any{"email_verified": false}, "approver", ""},
	} {
		i.claims = c.claims
		id, err := i.in(p, nil)
		if id.Role != c.role || err == nil != (c.code == "") || err != nil && schema.CodeOf(err) != c.code {
			t.Errorf("%v: %+v %v", c.claims, id, err)
		}
		if c.claims["email_verified"] == false && id.Email != "" {
			t.Error("an address that nobody verified is kept")
		}
	}
}

func TestParse(t *testing.T) {
	good := strings.Replace(config, "ISSUER", "https://idp.example", 1)
	for name, c := range map[string][3]string{
		"unknown key": {"client_id", "klient_id", "sign-in.yaml:5:"},
		"plain http":  {"https://idp", "http://idp", "no https address"},
		"secret":      {"env:OIDC", "hunter2", "client_secret"},
		"no client":   {"client_id: vigil", "client_id: ''", "client_id"},
		"no id":       {"id: corp", "id: Corp Inc", "needs an id"},
		"role":        {"role: admin", "role: root", `no role "root"`},
		"condition":   {"'soc' in claims.groups", "'soc' inn claims", "role 2"},
		"variable":    {"claims.department :", "klaims.department :", "team"},
		"twice":       {"providers:\n", "providers:\n" + strings.TrimPrefix(good, "providers:\n"), "two providers"},
		"no roles":    {good[strings.Index(good, "    roles:"):], "", "needs roles"},
	} {
		_, err := Parse("sign-in.yaml", []byte(strings.Replace(good, c[0], c[1], 1)), resolve)
		if err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v, want %s", name, err, c[2])
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a secret is repeated: %v", name, err)
		}
	}
	s, err := Parse("sign-in.yaml", []byte(good), resolve)
	if err != nil || len(s.Providers()) != 1 || !slices.Equal(s.list[0].scopes, []string{"openid", "profile", "email"}) {
		t.Errorf("%+v %v", s, err)
	}
	var none *Set
	if _, err := none.Get("corp"); schema.CodeOf(err) != schema.NotFound || none.Providers() != nil {
		t.Errorf("without a file: %v", err)
	}
}
