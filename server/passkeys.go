package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vigil/internal/auth"
	"vigil/internal/auth/passkey"
	"vigil/internal/auth/perm"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// The kinds of ceremony: which second step may take what a first one began.
const (
	ceremonySignIn = "passkey-sign-in"
	ceremonyAdd    = "passkey-add"
	ceremonyLink   = "passkey-link"
)

// maxPasskeys bounds the passkeys of one user.
const maxPasskeys = 20

// asked is the first step of a ceremony: what the browser hands to
// navigator.credentials, and what its second step names.
type asked struct {
	Ceremony string          `json:"ceremony"`
	Options  json.RawMessage `json:"options"`
}

// answered is the second step.
type answered struct {
	Ceremony string          `json:"ceremony" minLength:"1" maxLength:"100"`
	Answer   json.RawMessage `json:"answer" doc:"what navigator.credentials answered, as its toJSON writes it"`
}

// begin stores a ceremony for its second step, on whichever server.
func (s *Server) begin(ctx context.Context, kind, user string, state []byte, life time.Duration) (string, error) {
	token, id := auth.NewToken("vgc_")
	return token.Reveal(), s.keep(ctx, id, kind, user, state, life)
}

func (s *Server) keep(ctx context.Context, id, kind, user string, state []byte, life time.Duration) error {
	return s.o.Store.PutCeremony(ctx, store.Ceremony{ID: id, Org: orgOf(ctx), Kind: kind, User: user, State: string(state), Expires: time.Now().UTC().Add(life).Truncate(time.Millisecond)})
}

func (s *Server) take(ctx context.Context, kind, token string) (store.Ceremony, error) {
	return s.o.Store.TakeCeremony(ctx, orgOf(ctx), kind, auth.TokenID(token), time.Now())
}

// passkeys refuses where browsers know no passkeys.
func (s *Server) passkeys() (*passkey.Party, error) {
	if s.o.Passkeys == nil {
		return nil, schema.E(schema.Unavailable, "passkeys do not work for the address that this Vigil is opened at", "start it with --url https://NAME, or open it on localhost")
	}
	return s.o.Passkeys, nil
}

// beginPasskeySignIn asks for a passkey, anybody's: who it is, the answer says. No name
// is asked for, so that none can be found out.
func (s *Server) beginPasskeySignIn(ctx context.Context, _ *struct{}) (*body[asked], error) {
	p, err := s.passkeys()
	if err != nil {
		return nil, err
	}
	if _, err := s.slowly(ctx, ""); err != nil { // each begun and not ended counts: it costs a row
		return nil, err
	}
	options, state, err := p.SignIn()
	if err != nil {
		return nil, err
	}
	token, err := s.begin(ctx, ceremonySignIn, "", state, passkey.Life)
	return answer(asked{token, options}), err
}

type answerInput struct{ Body answered }

// passkeySignIn checks the answer of an authenticator and signs its user in.
func (s *Server) passkeySignIn(ctx context.Context, in *answerInput) (*sessionOutput, error) {
	p, err := s.passkeys()
	if err != nil {
		return nil, err
	}
	id, err := passkey.CredentialID(in.Body.Answer)
	if err != nil {
		return nil, err
	}
	k, err := s.o.Store.PasskeyAnywhere(ctx, id)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return nil, err
	}
	if err == nil {
		ctx = inOrg(ctx, k.Org)
	}
	done, err := s.finishing(ctx, accountOf(k.Org, k.User))
	if err != nil {
		return nil, err
	}
	u, err := s.passkeyUser(ctx, p, k, in.Body)
	if err != nil {
		if code := schema.CodeOf(err); code == schema.Unauthorized || code == schema.Denied {
			s.audit(ctx, actor(k.User), "session.login", actor(k.User), "refused", map[string]string{"from": addressOf(ctx).String(), "method": methodPasskey, "passkey": id, "why": why(err)})
		}
		return nil, err
	}
	done()
	return s.startSession(ctx, u, methodPasskey)
}

func actor(user string) string {
	if user == "" {
		return "unknown"
	}
	return user
}

// why is an error with its cause, for the audit.
func why(err error) string { return clip(err.Error(), 500) }

func clip(text string, n int) string {
	if len(text) > n {
		return text[:n]
	}
	return text
}

// passkeyUser proves who answered. The ceremony is used up whatever comes of it.
func (s *Server) passkeyUser(ctx context.Context, p *passkey.Party, k schema.Passkey, in answered) (schema.User, error) {
	c, err := s.take(inOrg(ctx, s.o.Org), ceremonySignIn, in.Ceremony) // nobody was signed in when it began
	if err != nil {
		return schema.User{}, err
	}
	if k.User == "" {
		return schema.User{}, schema.E(schema.Unauthorized, "this passkey is not known here", "sign in otherwise, and add it under Your account")
	}
	u, err := s.signingIn(ctx, k.Org, k.User)
	if err != nil {
		return schema.User{}, err
	}
	use, err := p.SignedIn(u, []schema.Passkey{k}, []byte(c.State), in.Answer)
	if err == nil {
		err = s.used(ctx, u, use)
	}
	if err == nil && u.Disabled {
		err = schema.E(schema.Unauthorized, "this account may not sign in", "ask an admin")
	}
	return u, err
}

// used records a signature. One whose counter went back counts for nothing: somebody
// may have a copy of the passkey, and it is refused from now on.
func (s *Server) used(ctx context.Context, u schema.User, use passkey.Use) error {
	if err := s.o.Store.UsedPasskey(ctx, orgOf(ctx), use.ID, use.Count, use.Cloned, time.Now().UTC().Truncate(time.Millisecond)); err != nil {
		return err
	}
	if !use.Cloned {
		return nil
	}
	s.audit(ctx, u.Name, "passkey.cloned", use.ID, "refused", map[string]string{"from": addressOf(ctx).String()})
	return schema.E(schema.Unauthorized, "the counter of this passkey went back: somebody may have a copy of it", "sign in otherwise and remove it; tell your admin")
}

type linkBeginInput struct {
	Body struct {
		Token string `json:"token" maxLength:"200"`
	}
}

// beginLinkPasskey asks for the passkey of the first admin, whoever holds the one-time link.
func (s *Server) beginLinkPasskey(ctx context.Context, in *linkBeginInput) (*body[asked], error) {
	p, err := s.passkeys()
	if err != nil {
		return nil, err
	}
	done, err := s.slowly(ctx, "")
	if err != nil {
		return nil, err
	}
	if !s.links.opens(in.Body.Token, time.Now()) {
		return nil, schema.E(schema.Unauthorized, "the link is used up, expired or wrong", "restart Vigil for a new one, while there is no user, or sign in with a password")
	}
	done()
	return s.beginAdding(ctx, p, ceremonyLink, schema.User{Name: firstAdmin, Org: orgOf(ctx)}, nil)
}

func (s *Server) beginAdding(ctx context.Context, p *passkey.Party, kind string, u schema.User, have []schema.Passkey) (*body[asked], error) {
	options, state, err := p.Register(u, have)
	if err != nil {
		return nil, err
	}
	token, err := s.begin(ctx, kind, u.Name, state, passkey.Life)
	return answer(asked{token, options}), err
}

type linkPasskeyInput struct {
	Body struct {
		Ceremony string          `json:"ceremony" minLength:"1" maxLength:"100"`
		Answer   json.RawMessage `json:"answer"`
		Token    string          `json:"token" maxLength:"200"`
		Name     string          `json:"name" minLength:"1" maxLength:"100" doc:"of the passkey, for people"`
	}
}

// linkPasskey redeems the one-time link with a passkey instead of a password.
func (s *Server) linkPasskey(ctx context.Context, in *linkPasskeyInput) (*sessionOutput, error) {
	p, err := s.passkeys()
	if err != nil {
		return nil, err
	}
	u := schema.User{Name: firstAdmin, Org: orgOf(ctx), Role: string(perm.Admin)}
	k, err := s.registered(ctx, p, ceremonyLink, u, answered{in.Body.Ceremony, in.Body.Answer}, in.Body.Name)
	if err != nil {
		return nil, err
	}
	if err := s.redeem(ctx, in.Body.Token); err != nil {
		return nil, err
	}
	if err := s.putUser(ctx, u, firstAdmin); err != nil {
		return nil, err
	}
	if err := s.putPasskey(ctx, k, firstAdmin); err != nil {
		return nil, err
	}
	if u, err = s.o.Store.User(ctx, orgOf(ctx), u.Name); err != nil {
		return nil, err
	}
	return s.startSession(ctx, u, methodLink)
}

// registered checks the answer to a registration that began for this user.
func (s *Server) registered(ctx context.Context, p *passkey.Party, kind string, u schema.User, in answered, name string) (schema.Passkey, error) {
	c, err := s.take(ctx, kind, in.Ceremony)
	if err != nil {
		return schema.Passkey{}, err
	}
	if c.User != u.Name {
		return schema.Passkey{}, schema.E(schema.Denied, "this began for somebody else", "begin again")
	}
	k, err := p.Registered(u, []byte(c.State), in.Answer, time.Now())
	k.Name = name
	return k, err
}

// putPasskey stores a passkey through the Admin workflow, with the proof that a server
// saw its registration.
func (s *Server) putPasskey(ctx context.Context, k schema.Passkey, by string) error {
	var err error
	k.Token, _, err = s.o.Decisions.SignDecision(auth.Claims{Approval: k.ID, Binding: passkey.Digest(k), User: k.User, Verdict: auth.VerdictPasskey, Expires: k.Created.Add(auth.DecisionTTL).Unix()}, k.Created)
	if err != nil {
		return err
	}
	doc, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("encoding a passkey: %w", err)
	}
	_, err = s.admin(ctx, "passkey", k.User, flow.AdminInput{Verb: "passkey.add", Key: k.User, By: by, Args: map[string]string{"passkey": string(doc)}})
	return err
}

// passkeyRow is a passkey as its user and admins see it.
type passkeyRow struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Site    string    `json:"site"`   // the name that it works for
	Works   bool      `json:"works"`  // here, now
	Synced  bool      `json:"synced"` // may be on several devices
	Cloned  bool      `json:"cloned"` // somebody may have a copy; it is refused
	Created time.Time `json:"created"`
	Used    time.Time `json:"used,omitzero"`
}

func (s *Server) passkeyRows(ctx context.Context, user string) (*body[list[passkeyRow]], error) {
	all, err := s.o.Store.Passkeys(ctx, orgOf(ctx), user)
	if err != nil {
		return nil, err
	}
	var rows []passkeyRow
	for _, k := range all {
		if !k.Removed {
			works := s.o.Passkeys != nil && len(s.o.Passkeys.Usable([]schema.Passkey{k})) == 1
			rows = append(rows, passkeyRow{k.ID, k.Name, k.RPID, works, k.Synced, k.Cloned, k.Created, k.Used})
		}
	}
	return answerList(rows, ""), nil
}

func (s *Server) listPasskeys(ctx context.Context, _ *struct{}) (*body[list[passkeyRow]], error) {
	return s.passkeyRows(ctx, callerOf(ctx).user.Name)
}

type byUser struct {
	User string `path:"user" maxLength:"64"`
}

func (s *Server) listUserPasskeys(ctx context.Context, in *byUser) (*body[list[passkeyRow]], error) {
	return s.passkeyRows(ctx, in.User)
}

// freshFor is how long after the sign-in a session may change passkeys.
const freshFor = 15 * time.Minute

// fresh returns the caller's passkeys when the caller may change them: just signed in,
// and with a passkey where there is one. Else a stolen session or password could make
// itself a passkey, and with it approve.
func (s *Server) fresh(ctx context.Context) ([]schema.Passkey, error) {
	c := callerOf(ctx)
	if c.channel != "web" {
		return nil, schema.E(schema.Denied, "a token cannot change passkeys", "sign in in the web UI")
	}
	all, err := s.o.Store.Passkeys(ctx, orgOf(ctx), c.user.Name)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(k schema.Passkey) bool { return k.Removed })
	usable := s.o.Passkeys != nil && len(s.o.Passkeys.Usable(all)) > 0
	switch {
	case time.Since(c.session.Created) > freshFor:
		return nil, schema.E(schema.Denied, "you signed in too long ago to change passkeys", "sign out, and sign in again")
	case usable && c.session.Method != methodPasskey && c.session.Method != methodLink:
		return nil, schema.E(schema.Denied, "you have a passkey, and signed in without it", "sign in with the passkey to change passkeys; when it is lost, an admin removes it")
	}
	return all, nil
}

func (s *Server) beginPasskey(ctx context.Context, _ *struct{}) (*body[asked], error) {
	p, err := s.passkeys()
	if err != nil {
		return nil, err
	}
	have, err := s.fresh(ctx)
	if err != nil {
		return nil, err
	}
	if len(have) >= maxPasskeys {
		return nil, schema.E(schema.Exhausted, fmt.Sprintf("you have %d passkeys, the most there may be", len(have)), "remove one")
	}
	return s.beginAdding(ctx, p, ceremonyAdd, callerOf(ctx).user, have)
}

type addPasskeyInput struct {
	Body struct {
		Ceremony string          `json:"ceremony" minLength:"1" maxLength:"100"`
		Answer   json.RawMessage `json:"answer"`
		Name     string          `json:"name" minLength:"1" maxLength:"100" doc:"for people"`
	}
}

func (s *Server) addPasskey(ctx context.Context, in *addPasskeyInput) (*body[list[passkeyRow]], error) {
	p, err := s.passkeys()
	if err != nil {
		return nil, err
	}
	if _, err := s.fresh(ctx); err != nil {
		return nil, err
	}
	u := callerOf(ctx).user
	k, err := s.registered(ctx, p, ceremonyAdd, u, answered{in.Body.Ceremony, in.Body.Answer}, in.Body.Name)
	if err == nil {
		err = s.putPasskey(ctx, k, u.Name)
	}
	if err != nil {
		s.audit(ctx, u.Name, "passkey.add", u.Name, "refused", map[string]string{"why": why(err), "from": addressOf(ctx).String()})
		return nil, err
	}
	return s.listPasskeys(ctx, nil)
}

type renamePasskeyInput struct {
	ID   string `path:"id" maxLength:"1400"`
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"100"`
	}
}

func (s *Server) renamePasskey(ctx context.Context, in *renamePasskeyInput) (*body[list[passkeyRow]], error) {
	user := callerOf(ctx).user.Name
	if err := s.changePasskey(ctx, "passkey.rename", user, in.ID, in.Body.Name); err != nil {
		return nil, err
	}
	return s.listPasskeys(ctx, nil)
}

type passkeyInput struct {
	ID string `path:"id" maxLength:"1400"`
}

func (s *Server) removePasskey(ctx context.Context, in *passkeyInput) (*body[list[passkeyRow]], error) {
	if _, err := s.fresh(ctx); err != nil {
		return nil, err
	}
	if err := s.changePasskey(ctx, "passkey.remove", callerOf(ctx).user.Name, in.ID, ""); err != nil {
		return nil, err
	}
	return s.listPasskeys(ctx, nil)
}

type userPasskeyInput struct {
	User string `path:"user" maxLength:"64"`
	ID   string `path:"id" maxLength:"1400"`
}

// removeUserPasskey is for admins, when a passkey is lost.
func (s *Server) removeUserPasskey(ctx context.Context, in *userPasskeyInput) (*body[list[passkeyRow]], error) {
	if err := s.changePasskey(ctx, "passkey.remove", in.User, in.ID, ""); err != nil {
		return nil, err
	}
	return s.passkeyRows(ctx, in.User)
}

func (s *Server) changePasskey(ctx context.Context, verb, user, id, name string) error {
	_, err := s.admin(ctx, "passkey", user, flow.AdminInput{Verb: verb, Key: user, Args: map[string]string{"id": id, "name": name}})
	return err
}
