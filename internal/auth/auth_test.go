package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/internal/secret"
	"vigil/schema"
)

func TestPassword(t *testing.T) {
	good := secret.New("correct horse battery staple")
	h, err := HashPassword(good)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(h, "$argon2id$v=19$m=47104,t=1,p=1$") {
		t.Errorf("hash %s", h)
	}
	if !CheckPassword(h, good) || CheckPassword(h, secret.New("correct horse battery stapl3")) || CheckPassword("", good) {
		t.Error("CheckPassword answers wrongly")
	}
	if h2, _ := HashPassword(good); h2 == h {
		t.Error("two hashes are equal: no salt")
	}
	if _, err := HashPassword(secret.New("short")); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("short password: %v", err)
	}
	if CheckPassword(strings.Replace(h, "m=47104", "m=99999999", 1), good) {
		t.Error("a hash with absurd cost was accepted")
	}
}

func testKey(t *testing.T) (DecisionKey, string) {
	path := filepath.Join(t.TempDir(), "keys", "decision.key")
	k, err := LoadDecisionKey(path)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func TestDecisionKeyFile(t *testing.T) {
	k, path := testKey(t)
	again, err := LoadDecisionKey(path)
	if err != nil || again.Public() != k.Public() {
		t.Fatalf("the key changed: %v", err)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadDecisionKey(path); schema.CodeOf(err) != schema.Denied {
		t.Errorf("a readable key file: %v", err)
	}
}

func TestDecisionToken(t *testing.T) {
	k, _ := testKey(t)
	other, _ := testKey(t)
	now := time.Unix(1_800_000_000, 0)
	want := Claims{Args: map[string]string{"hours": "2"}, Approval: "a1", Binding: "b1", User: "ana", Verdict: "approve", Reason: "seen", Channel: "cli"}
	token, _, err := k.SignDecision(want, now)
	if err != nil {
		t.Fatal(err)
	}
	got, err := VerifyDecision(k.Public(), token, now.Add(time.Minute))
	if err != nil || got.User != "ana" || got.Binding != "b1" || got.Nonce == "" || got.Args["hours"] != "2" {
		t.Fatalf("%+v %v", got, err)
	}
	forged, _, _ := other.SignDecision(want, now)
	body, sig, _ := strings.Cut(token, ".")
	for name, tok := range map[string]string{
		"own key": forged, "changed": body[:len(body)-2] + "AA." + sig, "no signature": body, "empty": "", "text": "approve please",
	} {
		if _, err := VerifyDecision(k.Public(), tok, now); err == nil || !strings.Contains(err.Error(), "vigil approvals sign") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := VerifyDecision(k.Public(), token, now.Add(DecisionTTL)); err == nil {
		t.Error("an expired token was accepted")
	}
	if _, _, err := k.SignDecision(Claims{Approval: "a", User: "u"}, now); err == nil {
		t.Error("a token without a verdict was signed")
	}
}
