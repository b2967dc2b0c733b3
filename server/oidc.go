package server

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"vigil/internal/auth"
	"vigil/internal/auth/oidc"
	"vigil/schema"
	"vigil/schema/flow"
)

const (
	ceremonyOIDC = "oidc:"
	methodOIDC   = "oidc:"
)

// loginOptions is how one can sign in here.
type loginOptions struct {
	Passkeys  bool          `json:"passkeys"`
	Orgs      bool          `json:"orgs" doc:"there are several orgs: who signs in by password says whose user it is"`
	Providers []providerRow `json:"providers" nullable:"false"`
}

type providerRow struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (s *Server) getLoginOptions(ctx context.Context, _ *struct{}) (*body[loginOptions], error) {
	added, err := s.o.Store.Orgs(ctx)
	if err != nil {
		return nil, err
	}
	o := loginOptions{Passkeys: s.o.Passkeys != nil, Orgs: len(added) > 0, Providers: []providerRow{}}
	for _, p := range s.o.SignIn.Providers() {
		o.Providers = append(o.Providers, providerRow{p.ID, p.Name})
	}
	return answer(o), nil
}

func (s *Server) oidcCookie(value string, age time.Duration) string {
	name := "vigil_oidc"
	if s.o.Secure {
		name = "__Host-vigil_oidc"
	}
	c := http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(age.Seconds()), HttpOnly: true, Secure: s.o.Secure, SameSite: http.SameSiteLaxMode}
	return c.String()
}

// stateOf is what comes back with the browser: it follows from the cookie, so that the
// answer counts only in the browser that asked.
func stateOf(token string) string { return auth.TokenID("oidc-state\x00" + token) }

// serveOIDC sends the browser to a provider.
func (s *Server) serveOIDC(w http.ResponseWriter, r *http.Request) {
	to, cookie, err := s.beginOIDC(r.Context(), r.PathValue("id"))
	if err != nil {
		s.toSignIn(w, r, err)
		return
	}
	w.Header().Set("Set-Cookie", cookie)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (s *Server) beginOIDC(ctx context.Context, id string) (to, cookie string, err error) {
	p, err := s.o.SignIn.Get(id)
	if err != nil {
		return "", "", err
	}
	ctx = inOrg(ctx, cmp.Or(p.Org, s.o.Org))
	if _, err := s.slowly(ctx, ""); err != nil { // each begun and not ended counts: it costs a row
		return "", "", err
	}
	// The state follows from the cookie, which the ceremony is found by: it is made first.
	token, hash := auth.NewToken("vgc_")
	to, st, err := p.Begin(ctx, stateOf(token.Reveal()), s.o.Address+"/api/v1/login/oidc/"+p.ID+"/callback")
	if err != nil {
		return "", "", err
	}
	if err := s.keep(ctx, hash, ceremonyOIDC+p.ID, "", st.Encode(), oidc.Life); err != nil {
		return "", "", err
	}
	return to, s.oidcCookie(token.Reveal(), oidc.Life), nil
}

// serveOIDCCallback takes the browser that comes back from a provider.
func (s *Server) serveOIDCCallback(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Set-Cookie", s.oidcCookie("", -time.Second))
	out, err := s.endOIDC(r)
	if err != nil {
		s.toSignIn(w, r, err)
		return
	}
	w.Header().Add("Set-Cookie", out.SetCookie)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Server) endOIDC(r *http.Request) (*sessionOutput, error) {
	p, err := s.o.SignIn.Get(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	org := cmp.Or(p.Org, s.o.Org)
	ctx := inOrg(r.Context(), org)
	open, err := s.openOrg(ctx, org)
	if err == nil && !open {
		err = schema.E(schema.Unauthorized, "the org of this provider is closed, or was never added", "vigil orgs list")
	}
	if err != nil {
		return nil, err
	}
	r = r.WithContext(ctx)
	done, err := s.finishing(ctx, "")
	if err != nil {
		return nil, err
	}
	id, err := s.identity(r, p)
	u := schema.User{}
	if err == nil {
		u, err = s.provision(ctx, id)
	}
	if err != nil {
		s.audit(ctx, actor(id.User), "session.login", actor(id.User), "refused", map[string]string{"from": addressOf(ctx).String(), "method": methodOIDC + p.ID,
			"issuer": id.Issuer, "subject": id.Subject, "why": why(err)})
		return nil, err
	}
	done()
	return s.startSession(ctx, u, methodOIDC+p.ID)
}

// identity proves who comes back: in the browser that asked, once, in time.
func (s *Server) identity(r *http.Request, p *oidc.Provider) (oidc.Identity, error) {
	q := r.URL.Query()
	name, _, _ := strings.Cut(s.oidcCookie("", 0), "=")
	c, err := r.Cookie(name)
	if err != nil || !same(stateOf(c.Value), q.Get("state")) {
		return oidc.Identity{}, schema.E(schema.Unauthorized, "this browser did not begin that sign-in", "begin again")
	}
	kept, err := s.take(r.Context(), ceremonyOIDC+p.ID, c.Value)
	if err != nil {
		return oidc.Identity{}, err
	}
	st, err := oidc.DecodeState([]byte(kept.State))
	if err != nil {
		return oidc.Identity{}, err
	}
	return p.Finish(r.Context(), st, q)
}

// provision returns the user that the identity is, as its claims say by now.
func (s *Server) provision(ctx context.Context, id oidc.Identity) (schema.User, error) {
	name, err := s.o.Store.SubjectUser(ctx, orgOf(ctx), id.Issuer, id.Subject)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return schema.User{}, err
	}
	if name == "" {
		name = id.User
	} else {
		u, err := s.o.Store.User(ctx, orgOf(ctx), name)
		switch {
		case err != nil && schema.CodeOf(err) != schema.NotFound:
			return u, err
		case u.Disabled:
			return u, schema.E(schema.Unauthorized, "this account may not sign in", "ask an admin")
		case err == nil && current(u, id):
			return u, nil
		}
	}
	args := map[string]string{"provider": id.Provider, "issuer": id.Issuer, "subject": id.Subject, "role": id.Role, "full_name": id.FullName, "email": id.Email, "team": id.Team, "groups": strings.Join(id.Groups, ",")}
	if _, err := s.admin(ctx, "user", name, flow.AdminInput{Verb: "user.provision", Key: name, By: name, Args: args}); err != nil {
		return schema.User{}, err
	}
	u, err := s.o.Store.User(ctx, orgOf(ctx), name)
	if err == nil && u.Disabled {
		err = schema.E(schema.Unauthorized, "this account may not sign in", "ask an admin")
	}
	return u, err
}

func current(u schema.User, id oidc.Identity) bool {
	return u.Role == id.Role && u.FullName == id.FullName && u.Email == id.Email && u.Team == id.Team && u.Provider == id.Provider && slices.Equal(u.Groups, id.Groups)
}

// toSignIn goes back to the sign-in page with one of a few words that it knows: a text
// in an address could be anybody's.
func (s *Server) toSignIn(w http.ResponseWriter, r *http.Request, err error) {
	word := map[schema.Code]string{schema.Unauthorized: "refused", schema.Denied: "denied", schema.Conflict: "taken", schema.Invalid: "denied", schema.Unavailable: "unavailable",
		schema.Exhausted: "slow", schema.NotFound: "unknown"}[schema.CodeOf(err)]
	if word == "" {
		word = "failed"
	}
	s.o.Log.Warn("a sign-in at a provider was refused", "provider", r.PathValue("id"), "error", err)
	http.Redirect(w, r, "/?"+url.Values{"sign-in": {word}}.Encode(), http.StatusSeeOther)
}

// signOutAt is where the browser signs out at the provider of its session too, "" for none.
func (s *Server) signOutAt(ctx context.Context, method string) string {
	id, ok := strings.CutPrefix(method, methodOIDC)
	if !ok {
		return ""
	}
	p, err := s.o.SignIn.Get(id)
	if err != nil {
		return ""
	}
	return p.SignOut(ctx, s.o.Address+"/")
}
