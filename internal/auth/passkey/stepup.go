package passkey

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"vigil/schema"
)

// Statement is exactly what a person says with a passkey about an approval. Its binding
// is over the action, so that the authenticator signs the action itself.
type Statement struct {
	Purpose  string            `json:"purpose"` // set by Text
	Org      string            `json:"org"`
	Approval string            `json:"approval"`
	Binding  string            `json:"binding"` // hex SHA-256 of the approval's payload
	User     string            `json:"user"`
	Verdict  string            `json:"verdict"`
	Reason   string            `json:"reason"`
	Args     map[string]string `json:"args,omitempty"`
}

// Text is the statement as it is shown and signed: the challenge is its SHA-256.
func (s Statement) Text() string {
	s.Purpose = "vigil/decision"
	if len(s.Args) == 0 {
		s.Args = nil
	}
	b, _ := json.Marshal(s) // fixed field order, sorted arguments; strings cannot fail
	return string(b)
}

func (s Statement) challenge() []byte {
	sum := sha256.Sum256([]byte(s.Text()))
	return sum[:]
}

// StepUp is what the browser is asked for to sign the statement: any of the user's
// passkeys, by a person that it knows.
func (p *Party) StepUp(u schema.User, keys []schema.Passkey, s Statement) (options []byte, err error) {
	a := account{u, p.Usable(keys)}
	if len(a.keys) == 0 {
		return nil, schema.E(schema.Denied, "this needs a passkey, and you have none for "+p.lib.Config.RPID, "add one under Your account")
	}
	ask, _, err := p.lib.BeginLogin(a, webauthn.WithChallenge(s.challenge()))
	if err != nil {
		return nil, refused(err, "")
	}
	return json.Marshal(ask.Response)
}

// Signed checks the signature of a statement on behalf of the server that took it.
func (p *Party) Signed(u schema.User, keys []schema.Passkey, s Statement, answer []byte) (Use, error) {
	k, err := of(keys, answer)
	if err == nil && len(p.Usable([]schema.Passkey{k})) == 0 {
		err = schema.E(schema.Denied, "this passkey is removed, suspect or of another name", "use another one")
	}
	if err != nil {
		return Use{}, err
	}
	parsed, err := verify(k, handle(u.Org, u.Name), []string{p.origin}, s.challenge(), answer)
	if err != nil {
		return Use{}, p.refused(err)
	}
	// The same signature may come twice, when an answer was lost: it says the same again,
	// and its count is the stored one.
	count := parsed.Response.AuthenticatorData.Counter
	return Use{ID: k.ID, Count: count, Cloned: count < k.Count}, nil
}

// Proved checks the signature of a statement again, right before what it approves is
// done. keys are the user's as they are stored now; a passkey that was removed or has
// become suspect proves nothing, unless it only has to hold for what was done before.
func Proved(keys []schema.Passkey, s Statement, answer []byte, before bool) error {
	k, err := of(keys, answer)
	switch {
	case err != nil:
		return err
	case k.User != s.User || k.Org != s.Org:
		return schema.E(schema.Denied, "the passkey is another user's", "look into the audit trail")
	case k.Removed && !before:
		return schema.E(schema.Denied, "the passkey that "+s.User+" signed with was removed since", "ask for the action again")
	case k.Cloned && !before:
		return schema.E(schema.Denied, "the passkey that "+s.User+" signed with may have been copied", "remove it, and ask for the action again")
	}
	origin, err := originFor(k.RPID, answer)
	if err == nil {
		_, err = verify(k, handle(s.Org, s.User), []string{origin}, s.challenge(), answer)
	}
	if err != nil {
		return refused(err, "look into the audit trail: somebody changed the decision")
	}
	return nil
}

// originFor returns the origin that the answer names when it is one of the passkey's
// name: the server held it against its exact address, which a worker does not know.
func originFor(rpID string, answer []byte) (string, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(parsed.Response.CollectedClientData.Origin)
	if err != nil {
		return "", err
	}
	host := strings.ToLower(u.Hostname())
	if host != rpID && !strings.HasSuffix(host, "."+rpID) || u.Scheme != "https" && (u.Scheme != "http" || !local(host)) {
		return "", errors.New("it was signed at " + u.Host + ", not at " + rpID)
	}
	return u.Scheme + "://" + u.Host, nil
}

// of finds the passkey that made the answer.
func of(keys []schema.Passkey, answer []byte) (schema.Passkey, error) {
	id, err := CredentialID(answer)
	if err != nil {
		return schema.Passkey{}, err
	}
	i := slices.IndexFunc(keys, func(k schema.Passkey) bool { return k.ID == id })
	if i < 0 {
		return schema.Passkey{}, schema.E(schema.Denied, "the passkey is not one of the user's", "add it under Your account")
	}
	return keys[i], nil
}

// ValidID says whether a text can be a credential id.
func ValidID(id string) bool {
	b, err := base64.RawURLEncoding.DecodeString(id)
	return err == nil && len(b) > 0 && len(b) <= 1023
}
