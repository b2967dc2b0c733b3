package passkey

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"vigil/internal/auth/passkey/passkeytest"
	"vigil/schema"
)

const home = "http://localhost:8480"

var ana, ben = schema.User{Org: "main", Name: "ana"}, schema.User{Org: "main", Name: "ben"}

func party(t *testing.T) *Party {
	t.Helper()
	p, err := New(home)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func enrol(t *testing.T, p *Party, u schema.User, change func(*passkeytest.Key)) (*passkeytest.Key, schema.Passkey, error) {
	t.Helper()
	k, err := passkeytest.New(home)
	if err != nil {
		t.Fatal(err)
	}
	options, state, err := p.Register(u, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(k)
	}
	answer, err := k.Create(options)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := p.Registered(u, state, answer, time.Now())
	return k, stored, err
}

func must(t *testing.T, p *Party, u schema.User) (*passkeytest.Key, schema.Passkey) {
	t.Helper()
	k, stored, err := enrol(t, p, u, nil)
	if err != nil {
		t.Fatalf("%v: %v", err, errors.Unwrap(err))
	}
	return k, stored
}

func TestAddress(t *testing.T) {
	for address, ok := range map[string]bool{"http://localhost:8480": true, "https://vigil.example.org": true, "https://vigil.example.org:8443/": true, "http://vigil.example.org": false,
		"http://127.0.0.1:8480": false, "https://[::1]:8480": false, "vigil.example.org": false, "ftp://vigil.example.org": false, "https://vigil.example.org/path": false, "": false} {
		if _, err := New(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestRegistration(t *testing.T) {
	p := party(t)
	_, k := must(t, p, ana)
	if k.User != "ana" || k.RPID != "localhost" || len(k.PublicKey) == 0 || k.Synced {
		t.Errorf("%+v", k)
	}
	for name, change := range map[string]func(*passkeytest.Key){
		"origin":     func(k *passkeytest.Key) { k.Origin = "http://localhost:9999" },
		"name":       func(k *passkeytest.Key) { k.RPID = "evil.example" },
		"challenge":  func(k *passkeytest.Key) { k.Challenge = make([]byte, 32) },
		"unverified": func(k *passkeytest.Key) { k.Unverified = true },
	} {
		if _, _, err := enrol(t, p, ana, change); schema.CodeOf(err) != schema.Unauthorized {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
	// What began for one user registers nothing for another.
	key, _ := passkeytest.New(home)
	options, state, _ := p.Register(ana, nil)
	answer, err := key.Create(options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Registered(ben, state, answer, time.Now()); err == nil {
		t.Error("another user's registration was taken")
	}
	// An authenticator that is registered refuses by itself.
	a, stored := must(t, p, ana)
	options, _, _ = p.Register(ana, []schema.Passkey{stored})
	if _, err := a.Create(options); err == nil || !strings.Contains(err.Error(), "registered already") {
		t.Errorf("twice: %v", err)
	}
}

func TestSignIn(t *testing.T) {
	p := party(t)
	key, stored := must(t, p, ana)
	other, others := must(t, p, ben)
	in := func(k *passkeytest.Key, u schema.User, keys []schema.Passkey) (Use, error) {
		options, state, err := p.SignIn()
		if err != nil {
			t.Fatal(err)
		}
		answer, err := k.Get(options)
		if err != nil {
			t.Fatal(err)
		}
		return p.SignedIn(u, keys, state, answer)
	}
	use, err := in(key, ana, []schema.Passkey{stored})
	if err != nil || use.ID != stored.ID || use.Cloned || use.Count == 0 {
		t.Fatalf("%+v %v", use, err)
	}
	if _, err := in(other, ana, []schema.Passkey{stored}); err == nil {
		t.Error("another user's passkey signs in")
	}
	if _, err := in(other, ana, []schema.Passkey{stored, others}); err == nil {
		t.Error("a passkey of another user signs in when it is stored for this one")
	}
	// A copy counts from where it was taken: the counter goes back.
	stored.Count = 100
	if use, err := in(key, ana, []schema.Passkey{stored}); err != nil || !use.Cloned {
		t.Errorf("the counter went back: %+v %v", use, err)
	}
	stored.Count, key.Count = 0, 0
	if use, err := in(key, ana, []schema.Passkey{stored}); err != nil || use.Cloned {
		t.Errorf("a passkey that does not count: %+v %v", use, err)
	}
	for name, change := range map[string]func(*schema.Passkey){
		"removed": func(k *schema.Passkey) { k.Removed = true }, "cloned": func(k *schema.Passkey) { k.Cloned = true }, "of another name": func(k *schema.Passkey) { k.RPID = "vigil.example.org" },
		"another key": func(k *schema.Passkey) { k.PublicKey = others.PublicKey }, "of another kind": func(k *schema.Passkey) { k.Synced = true },
	} {
		bad := stored
		change(&bad)
		if _, err := in(key, ana, []schema.Passkey{bad}); schema.CodeOf(err) != schema.Unauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*passkeytest.Key){
		"origin": func(k *passkeytest.Key) { k.Origin = "https://evil.example" }, "name": func(k *passkeytest.Key) { k.RPID = "evil.example" },
		"challenge": func(k *passkeytest.Key) { k.Challenge = make([]byte, 32) }, "unverified": func(k *passkeytest.Key) { k.Unverified = true },
	} {
		bad := *key
		change(&bad)
		if _, err := in(&bad, ana, []schema.Passkey{stored}); schema.CodeOf(err) != schema.Unauthorized {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
}

func statement() Statement {
	return Statement{Org: "main", Approval: "a1", Binding: strings.Repeat("ab", 32), User: "ana", Verdict: "approve", Reason: "<seen> & done", Args: map[string]string{"b": "2", "a": "1"}}
}

// TestStepUp alters all that was said and all that was signed: nothing of it holds.
func TestStepUp(t *testing.T) {
	p := party(t)
	key, stored := must(t, p, ana)
	keys := []schema.Passkey{stored}
	s := statement()
	options, err := p.StepUp(ana, keys, s)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := key.Get(options)
	if err != nil {
		t.Fatal(err)
	}
	if use, err := p.Signed(ana, keys, s, answer); err != nil || use.ID != stored.ID || use.Cloned {
		t.Fatalf("%+v %v", use, err)
	}
	if err := Proved(keys, s, answer, false); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Statement){
		"binding": func(s *Statement) { s.Binding = strings.Repeat("cd", 32) }, "verdict": func(s *Statement) { s.Verdict = "break-glass" }, "reason": func(s *Statement) { s.Reason = "other" },
		"user": func(s *Statement) { s.User = "ben" }, "approval": func(s *Statement) { s.Approval = "a2" }, "org": func(s *Statement) { s.Org = "other" }, "args": func(s *Statement) { s.Args = nil },
	} {
		bad := statement()
		change(&bad)
		if err := Proved(keys, bad, answer, false); err == nil {
			t.Errorf("another %s is proved", name)
		}
		if _, err := p.Signed(ana, keys, bad, answer); err == nil {
			t.Errorf("another %s is taken", name)
		}
	}
	var doc map[string]any
	if err := json.Unmarshal(answer, &doc); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"clientDataJSON", "authenticatorData", "signature", "userHandle"} {
		inner := doc["response"].(map[string]any)
		was := inner[field].(string)
		raw, _ := base64.RawURLEncoding.DecodeString(was)
		raw[len(raw)-3] ^= 1
		inner[field] = base64.RawURLEncoding.EncodeToString(raw)
		bad, _ := json.Marshal(doc)
		inner[field] = was
		if err := Proved(keys, s, bad, false); err == nil {
			t.Errorf("a changed %s is proved", field)
		}
	}
	_, others := must(t, p, ben)
	for name, c := range map[string]struct {
		change func(*schema.Passkey)
		before bool // whether it holds for what was done before
	}{
		"removed": {func(k *schema.Passkey) { k.Removed = true }, true}, "cloned": {func(k *schema.Passkey) { k.Cloned = true }, true}, "another user's": {func(k *schema.Passkey) { k.User = "ben" }, false},
		"of another name": {func(k *schema.Passkey) { k.RPID = "vigil.example.org" }, false}, "another key": {func(k *schema.Passkey) { k.PublicKey = others.PublicKey }, false}, "gone": {func(k *schema.Passkey) { k.ID = "x" }, false},
	} {
		bad := stored
		c.change(&bad)
		if err := Proved([]schema.Passkey{bad}, s, answer, false); err == nil {
			t.Errorf("a passkey that is %s proves", name)
		}
		if err := Proved([]schema.Passkey{bad}, s, answer, true); (err == nil) != c.before {
			t.Errorf("a passkey that is %s, for what was done before: %v", name, err)
		}
	}
	for name, change := range map[string]func(*passkeytest.Key){
		"elsewhere": func(k *passkeytest.Key) { k.Origin = "https://evil.example" }, "without TLS": func(k *passkeytest.Key) { k.Origin = "http://vigil.example.org" }, "unverified": func(k *passkeytest.Key) { k.Unverified = true },
		"with a name that ends like it": func(k *passkeytest.Key) { k.Origin = "https://evillocalhost" },
	} {
		bad := *key
		change(&bad)
		answer, err := bad.Get(options)
		if err != nil {
			t.Fatal(err)
		}
		if err := Proved(keys, s, answer, false); err == nil {
			t.Errorf("signed %s: it proves", name)
		}
	}
	// Nobody signs in with what approves, or approves with what signs in.
	_, state, _ := p.SignIn()
	if _, err := p.SignedIn(ana, keys, state, answer); err == nil {
		t.Error("a decision signs in")
	}
	options, _, _ = p.SignIn()
	if answer, _ = key.Get(options); Proved(keys, s, answer, false) == nil {
		t.Error("a sign-in decides")
	}
	if _, err := p.StepUp(ben, nil, s); schema.CodeOf(err) != schema.Denied {
		t.Errorf("without a passkey: %v", err)
	}
}

// TestDigest: what makes a passkey is bound, what changes is not.
func TestDigest(t *testing.T) {
	_, k := must(t, party(t), ana)
	named := k
	named.Name, named.Version, named.Count, named.Removed = "blue", 3, 9, true
	if Digest(named) != Digest(k) {
		t.Error("a new name changes the digest")
	}
	for name, change := range map[string]func(*schema.Passkey){"user": func(k *schema.Passkey) { k.User = "ben" }, "key": func(k *schema.Passkey) { k.PublicKey = append([]byte{1}, k.PublicKey...) }, "name": func(k *schema.Passkey) { k.RPID = "x" }} {
		bad := k
		change(&bad)
		if Digest(bad) == Digest(k) {
			t.Errorf("another %s does not", name)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	p, err := New(home)
	if err != nil {
		f.Fatal(err)
	}
	key, _ := passkeytest.New(home)
	options, state, _ := p.Register(ana, nil)
	answer, _ := key.Create(options)
	f.Add(answer)
	ask, begun, _ := p.SignIn()
	get, _ := key.Get(ask)
	f.Add(get)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = p.Registered(ben, state, b, time.Unix(0, 0))
		if _, err := p.SignedIn(ben, nil, begun, b); err == nil {
			t.Error("signed in without a passkey")
		}
		if Proved(nil, statement(), b, true) == nil {
			t.Error("proved without a passkey")
		}
	})
}
