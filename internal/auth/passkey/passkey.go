// Package passkey registers passkeys (WebAuthn), signs people in with them, and checks
// the signatures by which they decide approvals. It keeps nothing: ceremonies and
// passkeys are stored by its callers.
package passkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"vigil/schema"
)

// Life is how long a ceremony may take, from its first step to its second.
const Life = 5 * time.Minute

// Party is the relying party: the site whose passkeys these are.
type Party struct {
	lib    *webauthn.WebAuthn
	origin string
}

// New makes the party of the address that people open, such as
// https://vigil.example.org. Browsers know passkeys only for names, by TLS or on
// localhost; another address is Invalid.
func New(address string) (*Party, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("%q is no address of a web site", address), "such as https://vigil.example.org", err)
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case net.ParseIP(host) != nil:
		return nil, schema.E(schema.Invalid, "passkeys work for names, and "+host+" is an address", "open Vigil by a name: --url https://NAME")
	case u.Scheme == "http" && !local(host):
		return nil, schema.E(schema.Invalid, "browsers know passkeys by TLS only, and "+address+" is without", "--tls, --tls-cert, or a proxy with TLS and --url https://NAME")
	}
	p := &Party{origin: u.Scheme + "://" + strings.ToLower(u.Host)}
	ask := protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired}
	wait := webauthn.TimeoutConfig{Timeout: Life, TimeoutUVD: Life}
	p.lib, err = webauthn.New(&webauthn.Config{RPID: host, RPDisplayName: "Vigil", RPOrigins: []string{p.origin}, AuthenticatorSelection: ask,
		AttestationPreference: protocol.PreferNoAttestation, Timeouts: webauthn.TimeoutsConfig{Login: wait, Registration: wait},
		// Password managers answer what nobody asked; nothing is made of it.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore})
	if err != nil {
		return nil, schema.E(schema.Invalid, "passkeys cannot work for "+address, "open Vigil by a name: --url https://NAME", err)
	}
	return p, nil
}

// local says whether browsers take the name for this machine.
func local(host string) bool { return host == "localhost" || strings.HasSuffix(host, ".localhost") }

// account is a user as the library sees one.
type account struct {
	user schema.User
	keys []schema.Passkey
}

// WebAuthnID implements webauthn.User. It says nothing of the user to who reads the
// authenticator.
func (a account) WebAuthnID() []byte { return handle(a.user.Org, a.user.Name) }

// WebAuthnName implements webauthn.User.
func (a account) WebAuthnName() string { return a.user.Name }

// WebAuthnDisplayName implements webauthn.User.
func (a account) WebAuthnDisplayName() string {
	if a.user.FullName != "" {
		return a.user.FullName
	}
	return a.user.Name
}

// WebAuthnCredentials implements webauthn.User.
func (a account) WebAuthnCredentials() []webauthn.Credential {
	out := make([]webauthn.Credential, 0, len(a.keys))
	for _, k := range a.keys {
		c := webauthn.Credential{PublicKey: k.PublicKey, Flags: webauthn.CredentialFlags{BackupEligible: k.Synced}, Authenticator: webauthn.Authenticator{SignCount: k.Count}}
		c.ID, _ = base64.RawURLEncoding.DecodeString(k.ID) // what cannot be read matches nothing
		for _, t := range k.Transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, c)
	}
	return out
}

func handle(org, user string) []byte {
	sum := sha256.Sum256([]byte("vigil/passkey/user\x00" + org + "\x00" + user))
	return sum[:]
}

// Usable leaves removed passkeys out, those of other names, and those whose counter
// went back.
func (p *Party) Usable(keys []schema.Passkey) []schema.Passkey {
	return slices.DeleteFunc(slices.Clone(keys), func(k schema.Passkey) bool { return k.Removed || k.Cloned || k.RPID != p.lib.Config.RPID })
}

// Register begins a registration: what the browser is asked for, and the state that
// [Party.Registered] needs. Authenticators that the user has registered refuse.
func (p *Party) Register(u schema.User, keys []schema.Passkey) (options, state []byte, err error) {
	a := account{u, p.Usable(keys)}
	var have []protocol.CredentialDescriptor
	for _, c := range a.WebAuthnCredentials() {
		have = append(have, c.Descriptor())
	}
	ask, session, err := p.lib.BeginRegistration(a, webauthn.WithExclusions(have))
	if err != nil {
		return nil, nil, fmt.Errorf("beginning a registration: %w", err)
	}
	return both(ask.Response, session)
}

func both(options, session any) ([]byte, []byte, error) {
	o, err := json.Marshal(options)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a ceremony: %w", err)
	}
	s, err := json.Marshal(session)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a ceremony: %w", err)
	}
	return o, s, nil
}

// Registered checks what the browser answered, and returns the passkey without name,
// version and token.
func (p *Party) Registered(u schema.User, state, answer []byte, now time.Time) (schema.Passkey, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return schema.Passkey{}, fmt.Errorf("the state of a registration is damaged: %w", err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return schema.Passkey{}, p.refused(err)
	}
	c, err := p.lib.CreateCredential(account{user: u}, session, parsed)
	if err != nil {
		return schema.Passkey{}, p.refused(err)
	}
	k := schema.Passkey{Org: u.Org, User: u.Name, ID: base64.RawURLEncoding.EncodeToString(c.ID), PublicKey: c.PublicKey, RPID: p.lib.Config.RPID,
		AAGUID: hex.EncodeToString(c.Authenticator.AAGUID), Synced: c.Flags.BackupEligible, Created: now.UTC().Truncate(time.Millisecond)}
	for _, t := range c.Transport {
		k.Transports = append(k.Transports, string(t))
	}
	return k, nil
}

// Digest is what the token of a registration is bound to: all that makes the passkey.
func Digest(k schema.Passkey) string {
	b, _ := json.Marshal([]any{k.Org, k.User, k.ID, k.PublicKey, k.RPID, k.Synced, k.Created.UnixMilli()}) // plain data
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// SignIn begins a sign-in; who signs in, the authenticator says.
func (p *Party) SignIn() (options, state []byte, err error) {
	ask, session, err := p.lib.BeginDiscoverableLogin()
	if err != nil {
		return nil, nil, fmt.Errorf("beginning a sign-in: %w", err)
	}
	return both(ask.Response, session)
}

// Use is one signature of a passkey.
type Use struct {
	ID     string
	Count  uint32
	Cloned bool // the counter went back; the signature is good and must not count
}

// SignedIn checks what the browser answered. keys are all of the user that the passkey
// belongs to; see [CredentialID].
func (p *Party) SignedIn(u schema.User, keys []schema.Passkey, state, answer []byte) (Use, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return Use{}, fmt.Errorf("the state of a sign-in is damaged: %w", err)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Use{}, p.refused(err)
	}
	find := func(_, _ []byte) (webauthn.User, error) { return account{u, p.Usable(keys)}, nil }
	_, c, err := p.lib.ValidatePasskeyLogin(find, session, parsed)
	if err != nil {
		return Use{}, p.refused(err)
	}
	return Use{ID: parsed.ID, Count: c.Authenticator.SignCount, Cloned: c.Authenticator.CloneWarning}, nil
}

// CredentialID reads the id of the passkey that made an answer; nothing is proved yet.
func CredentialID(answer []byte) (string, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", schema.E(schema.Invalid, "this is no answer of a passkey", "", err)
	}
	return base64.RawURLEncoding.EncodeToString(parsed.RawID), nil
}

// refused says what the browser's answer lacks, and where people should be.
func (p *Party) refused(err error) error {
	return refused(err, "open Vigil at "+p.origin+" and try again")
}

func refused(err error, hint string) error {
	var pe *protocol.Error
	why := err.Error()
	if errors.As(err, &pe) {
		why = strings.TrimSpace(pe.Details + " " + pe.DevInfo)
	}
	return schema.E(schema.Unauthorized, "the passkey was not accepted", hint, errors.New(why))
}

// verify checks one assertion over a challenge, as of a stored passkey.
func verify(k schema.Passkey, user []byte, origins []string, challenge, answer []byte) (*protocol.ParsedCredentialAssertionData, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, err
	}
	if h := parsed.Response.UserHandle; len(h) > 0 && !bytes.Equal(h, user) {
		return nil, errors.New("the passkey is another user's")
	}
	err = parsed.Verify(base64.RawURLEncoding.EncodeToString(challenge), k.RPID, "", origins, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true, k.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return nil, err
	}
	if parsed.Response.AuthenticatorData.Flags.HasBackupEligible() != k.Synced {
		return nil, errors.New("the passkey is not of the kind that was registered")
	}
	return parsed, nil
}
