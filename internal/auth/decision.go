package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vigil/schema"
)

// VerdictRun is the verdict of tokens that prove who asked for a playbook run. What
// else a token can say is internal/approval's table of verbs.
const VerdictRun = "run"

// VerdictUndo is the verdict of tokens that prove who takes an incident's actions back;
// their approval is the incident's id.
const VerdictUndo = "undo"

// VerdictPasskey is the verdict of tokens that prove that a server saw the registration
// of a passkey; their approval is its id, their binding what the passkey is made of.
const VerdictPasskey = "passkey"

// DecisionTTL is how long a decision token is good for.
const DecisionTTL = 10 * time.Minute

const decisionPrefix = "vgd_"

// Claims are what a decision token proves: this user, signed in at that time, gave
// this verdict on exactly this approval.
type Claims struct {
	Approval string `json:"approval"` // approval id; for VerdictRun the playbook id
	Binding  string `json:"binding"`  // hex SHA-256 of the approval's payload; for VerdictRun the incident id or ""
	User     string `json:"user"`
	Verdict  string `json:"verdict"`
	Reason   string `json:"reason"`
	// Args are what the verdict needs: whom to delegate to, until when, narrowed arguments.
	Args    map[string]string `json:"args,omitempty"`
	Channel string            `json:"channel"` // web, cli, temporal
	// Assertion is what the user's passkey answered when it signed this decision; see
	// internal/auth/passkey. Passkey is its id.
	Assertion json.RawMessage `json:"assertion,omitempty"`
	Passkey   string          `json:"passkey,omitempty"`
	Nonce     string          `json:"nonce"`
	Expires   int64           `json:"expires"` // Unix seconds
}

// RequestClaims are the claims by which the server proves who asked for a playbook
// run (flow.RunPlaybookInput.Token, flow.IncidentRespond.Token).
func RequestClaims(user, playbook, incident string, now time.Time) Claims {
	return Claims{Approval: playbook, Binding: incident, User: user, Verdict: VerdictRun, Channel: "web", Expires: now.Add(DecisionTTL).Unix()}
}

// DecisionKey signs decision tokens and audit heads.
type DecisionKey struct{ private ed25519.PrivateKey }

// LoadDecisionKey reads the key file, or creates it (0600) when there is none. A
// file that others may read is refused.
func LoadDecisionKey(path string) (DecisionKey, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createDecisionKey(path)
	}
	if err != nil {
		return DecisionKey{}, fmt.Errorf("reading the decision key: %w", err)
	}
	if fi, err := os.Stat(path); err == nil && fi.Mode().Perm()&0o077 != 0 {
		return DecisionKey{}, schema.E(schema.Denied, "the decision key "+path+" can be read by others", "chmod 600 it, and replace it when somebody may have read it")
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return DecisionKey{}, schema.E(schema.Invalid, "the decision key "+path+" is damaged", "restore it from a backup; open approvals need it", err)
	}
	return DecisionKey{ed25519.NewKeyFromSeed(seed)}, nil
}

// createDecisionKey writes a new key beside its place and links it there, so that
// of two processes starting at once both end up with the same key.
func createDecisionKey(path string) (DecisionKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return DecisionKey{}, fmt.Errorf("making the decision key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return DecisionKey{}, fmt.Errorf("making the decision key: %w", err)
	}
	tmp := fmt.Sprintf("%s.%d.new", path, os.Getpid())
	if err := os.WriteFile(tmp, []byte(base64.StdEncoding.EncodeToString(key.Seed())+"\n"), 0o600); err != nil {
		return DecisionKey{}, fmt.Errorf("writing the decision key: %w", err)
	}
	defer func() { _ = os.Remove(tmp) }()
	if err := os.Link(tmp, path); errors.Is(err, fs.ErrExist) {
		return LoadDecisionKey(path)
	} else if err != nil {
		return DecisionKey{}, fmt.Errorf("writing the decision key: %w", err)
	}
	return DecisionKey{key}, nil
}

// Public returns the public key as base64, the form workflows pin.
func (k DecisionKey) Public() string {
	return base64.StdEncoding.EncodeToString(k.private.Public().(ed25519.PublicKey))
}

// Sign signs bytes other than decisions, such as audit heads; domain keeps the
// purposes apart.
func (k DecisionKey) Sign(domain string, msg []byte) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(k.private, domainMessage(domain, msg)))
}

// VerifySignature checks what Sign made, purely.
func VerifySignature(public, domain string, msg []byte, signature string) bool {
	pub, err := base64.StdEncoding.DecodeString(public)
	sig, err2 := base64.StdEncoding.DecodeString(signature)
	return err == nil && err2 == nil && len(pub) == ed25519.PublicKeySize && ed25519.Verify(pub, domainMessage(domain, msg), sig)
}

func domainMessage(domain string, msg []byte) []byte {
	return append([]byte("vigil/"+domain+"\x00"), msg...)
}

// SignDecision makes the token. It fills an empty nonce, and an expiry of zero with
// DecisionTTL from now.
func (k DecisionKey) SignDecision(c Claims, now time.Time) (string, Claims, error) {
	switch {
	case c.Approval == "" || c.User == "":
		return "", c, schema.E(schema.Invalid, "a decision needs an approval and a user", "")
	case c.Verdict == "":
		return "", c, schema.E(schema.Invalid, "a decision needs a verdict", "such as approve or deny")
	}
	if c.Nonce == "" {
		b := make([]byte, 16)
		_, _ = rand.Read(b) // never fails (crypto/rand)
		c.Nonce = base64.RawURLEncoding.EncodeToString(b)
	}
	if c.Expires == 0 {
		c.Expires = now.Add(DecisionTTL).Unix()
	}
	body, err := json.Marshal(c)
	if err != nil {
		return "", c, fmt.Errorf("encoding a decision: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	sig := ed25519.Sign(k.private, domainMessage("decision", []byte(text)))
	return decisionPrefix + text + "." + base64.RawURLEncoding.EncodeToString(sig), c, nil
}

// VerifyDecision checks a token's form, signature and expiry, purely: workflows
// call it with the public key pinned in their history and the workflow's time.
func VerifyDecision(public, token string, now time.Time) (Claims, error) {
	var c Claims
	pub, err := base64.StdEncoding.DecodeString(public)
	if err != nil || len(pub) != ed25519.PublicKeySize {
		return c, schema.E(schema.Internal, "no usable decision key is pinned", "")
	}
	text, sig, ok := strings.Cut(strings.TrimPrefix(token, decisionPrefix), ".")
	if !ok || !strings.HasPrefix(token, decisionPrefix) {
		return c, refused("this is no decision token")
	}
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil || !ed25519.Verify(pub, domainMessage("decision", []byte(text)), raw) {
		return c, refused("the decision token was not signed by this Vigil")
	}
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(body, &c) != nil {
		return Claims{}, refused("the decision token cannot be read")
	}
	if now.Unix() >= c.Expires {
		return Claims{}, refused("the decision token expired at " + time.Unix(c.Expires, 0).UTC().Format(time.RFC3339))
	}
	return c, nil
}

func refused(what string) error {
	return schema.E(schema.Unauthorized, what, "a signed-in approver gets one with `vigil approvals sign ID`")
}
