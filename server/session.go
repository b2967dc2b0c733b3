package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"vigil/internal/auth"
	"vigil/internal/auth/perm"
	"vigil/internal/secret"
	"vigil/internal/store"
	"vigil/schema"
)

// caller is who makes a request.
type caller struct {
	user    schema.User
	session store.Session
	channel string // web or cli
	// platform: of the org that runs this installation.
	platform bool
}

type callerKey struct{}

// callerOf returns who makes the request, nil when nobody is signed in.
func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

func (c *caller) may(p perm.Permission) bool {
	return slices.Contains(perm.For(perm.Role(c.user.Role), c.platform), p)
}

const (
	sessionTime = 12 * time.Hour
	linkTime    = 24 * time.Hour
)

func (s *Server) cookieName() string {
	if s.o.Secure {
		return "__Host-vigil_session"
	}
	return "vigil_session"
}

// identify finds the session or token of the request. An invalid one is as good as
// none: routes say what they need.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/api/") {
			next.ServeHTTP(w, r)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), addressContext{}, clientAddress(r, s.o.Proxies)))
		r = r.WithContext(inOrg(r.Context(), s.o.Org))
		c, err := s.authenticate(r)
		if err != nil {
			s.o.Log.Warn("checking a session", "error", err)
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		if c != nil {
			r = r.WithContext(context.WithValue(inOrg(r.Context(), c.user.Org), callerKey{}, c))
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) authenticate(r *http.Request) (*caller, error) {
	if h := r.Header.Get("Authorization"); h != "" {
		token, ok := strings.CutPrefix(h, "Bearer ")
		if !ok {
			return nil, nil
		}
		x, err := s.o.Store.Token(r.Context(), auth.TokenID(token))
		return s.resolve(r.Context(), x, err, "cli")
	}
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return nil, nil
	}
	x, err := s.o.Store.Session(r.Context(), auth.TokenID(cookie.Value))
	return s.resolve(r.Context(), x, err, "web")
}

func (s *Server) resolve(ctx context.Context, x store.Session, err error, channel string) (*caller, error) {
	if schema.CodeOf(err) == schema.NotFound && err != nil {
		return nil, nil
	}
	if err != nil || !x.Valid(time.Now()) {
		return nil, err
	}
	open, err := s.openOrg(ctx, x.Org)
	if err != nil || !open {
		return nil, err
	}
	u, err := s.o.Store.User(ctx, x.Org, x.User)
	if err != nil && schema.CodeOf(err) == schema.NotFound || u.Disabled {
		return nil, nil
	}
	u.Org = x.Org // what the row is found by, whatever its document says
	return &caller{user: u, session: x, channel: channel, platform: x.Org == s.o.Org}, err
}

// me is what the app needs to know of its user.
type me struct {
	User        string            `json:"user"`
	Org         string            `json:"org"`
	Platform    bool              `json:"platform" doc:"of the org that runs this installation"`
	FullName    string            `json:"full_name"`
	Role        string            `json:"role" enum:"viewer,analyst,approver,admin"`
	Permissions []perm.Permission `json:"permissions" nullable:"false"`
	Version     string            `json:"version"`
	Live        string            `json:"live" doc:"offset from which on the live socket tells what changes from now on"`
}

func (s *Server) me(u schema.User) me {
	platform := u.Org == s.o.Org
	return me{User: u.Name, Org: u.Org, Platform: platform, FullName: u.FullName, Role: u.Role, Permissions: perm.For(perm.Role(u.Role), platform), Version: s.o.Version, Live: s.o.Hub.Of(u.Org).Offset()}
}

type loginInput struct {
	Body struct {
		User     string `json:"user" maxLength:"64"`
		Password string `json:"password" maxLength:"1024"`
		Org      string `json:"org,omitempty" maxLength:"32" doc:"whose user it is; default: the org that runs this installation"`
	}
}

type sessionOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      me
}

func (s *Server) login(ctx context.Context, in *loginInput) (*sessionOutput, error) {
	// The attempt counts as failed until it succeeds: guesses that come all at once
	// would otherwise all be looked at, at 46 MiB each.
	org := cmp.Or(in.Body.Org, s.o.Org)
	done, err := s.slowly(ctx, accountOf(org, in.Body.User))
	if err != nil {
		return nil, err
	}
	u, err := s.signingIn(ctx, org, in.Body.User)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return nil, err
	}
	if err == nil { // what is wrong is told to the org only when it is one
		ctx = inOrg(ctx, org)
	}
	ok, busy := s.checkPassword(ctx, u, in.Body.Password)
	if busy != nil {
		return nil, busy
	}
	if !ok || err != nil || u.Disabled {
		details := map[string]string{"from": addressOf(ctx).String(), "method": methodPassword}
		if org != orgOf(ctx) {
			details["org"] = org
		}
		s.audit(ctx, in.Body.User, "session.login", in.Body.User, "refused", details)
		return nil, schema.E(schema.Unauthorized, "user or password is wrong", "")
	}
	done()
	return s.startSession(ctx, u, methodPassword)
}

// checkPassword spends as much on an unknown user as on a wrong password, and never on
// more at once than there are processors: each takes 46 MiB.
func (s *Server) checkPassword(ctx context.Context, u schema.User, password string) (bool, error) {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
		return auth.CheckPassword(u.Hash, secret.New(password)), nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// How sessions are signed in; those of a provider are oidc: and its id.
const (
	methodPassword = "password"
	methodPasskey  = "passkey"
	methodLink     = "link"
)

func (s *Server) startSession(ctx context.Context, u schema.User, method string) (*sessionOutput, error) {
	token, id := auth.NewToken("vgs_")
	now := time.Now().UTC().Truncate(time.Millisecond)
	ctx = inOrg(ctx, u.Org)
	x := store.Session{ID: id, Org: u.Org, User: u.Name, Method: method, Created: now, Expires: now.Add(sessionTime), Version: 1}
	if err := s.o.Store.PutSession(ctx, x); err != nil {
		return nil, err
	}
	s.audit(ctx, u.Name, "session.login", u.Name, "ok", map[string]string{"from": addressOf(ctx).String(), "method": method})
	return &sessionOutput{SetCookie: s.cookie(token.Reveal(), x.Expires), Body: s.me(u)}, nil
}

func (s *Server) cookie(value string, expires time.Time) string {
	c := http.Cookie{Name: s.cookieName(), Value: value, Path: "/", Expires: expires, HttpOnly: true, Secure: s.o.Secure, SameSite: http.SameSiteLaxMode}
	return c.String()
}

type linkInput struct {
	Body struct {
		Token    string `json:"token" maxLength:"200"`
		Password string `json:"password" minLength:"12" maxLength:"1024" doc:"the admin's password from now on"`
	}
}

// loginLink redeems the one-time admin link: it sets the first admin's password.
func (s *Server) loginLink(ctx context.Context, in *linkInput) (*sessionOutput, error) {
	if err := s.redeem(ctx, in.Body.Token); err != nil {
		return nil, err
	}
	hash, err := auth.HashPassword(secret.New(in.Body.Password))
	if err != nil {
		return nil, err
	}
	u := schema.User{Name: firstAdmin, Org: s.o.Org, Role: string(perm.Admin), Hash: hash}
	if err := s.putUser(ctx, u, firstAdmin); err != nil {
		return nil, err
	}
	if u, err = s.o.Store.User(ctx, s.o.Org, u.Name); err != nil {
		return nil, err
	}
	return s.startSession(ctx, u, methodLink)
}

// firstAdmin is the user that the one-time link makes.
const firstAdmin = "admin"

// redeem uses a one-time admin link up, or refuses it.
func (s *Server) redeem(ctx context.Context, token string) error {
	done, err := s.slowly(ctx, "")
	if err != nil {
		return err
	}
	// A link that was not used in time must not take the account of an admin made since.
	have, err := s.hasAdmin(ctx)
	if err != nil {
		return err
	}
	if !s.links.redeem(token, time.Now()) || have {
		s.audit(ctx, "unknown", "session.link", firstAdmin, "refused", map[string]string{"from": addressOf(ctx).String()})
		return schema.E(schema.Unauthorized, "the link is used up, expired or wrong", "restart Vigil for a new one, while there is no user, or sign in with a password")
	}
	done()
	return nil
}

type logoutOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      struct {
		Redirect string `json:"redirect,omitempty" doc:"where to sign out at the provider too"`
	}
}

func (s *Server) logout(ctx context.Context, _ *struct{}) (*logoutOutput, error) {
	out := &logoutOutput{SetCookie: s.cookie("", time.Unix(0, 0))}
	if c := callerOf(ctx); c != nil && c.channel == "web" {
		x := c.session
		x.Revoked, x.Version = true, x.Version+1
		if err := s.o.Store.PutSession(ctx, x); err != nil {
			return nil, err
		}
		s.tellUsers(ctx, c.user.Name)
		s.audit(ctx, c.user.Name, "session.logout", c.user.Name, "ok", nil)
		out.Body.Redirect = s.signOutAt(ctx, x.Method)
	}
	return out, nil
}

// audit records what the server itself decided. A trail that cannot be written is a
// serious fault, but not one that a reader of alerts should be stopped by.
func (s *Server) audit(ctx context.Context, actor, verb, object, outcome string, details map[string]string) {
	_, err := s.o.Audit.Append(context.WithoutCancel(ctx), schema.AuditRecord{Org: orgOf(ctx), Time: time.Now().UTC(), Actor: actor, Verb: verb, Object: object, Outcome: outcome, Details: details})
	if err != nil {
		s.o.Log.Error("writing the audit trail", "verb", verb, "error", err)
	}
}

// links are the one-time admin links of this process, by token id.
type links struct {
	mu   sync.Mutex
	open map[string]time.Time
}

// AdminLink makes a one-time link token while no user exists; "" when one does.
func (s *Server) AdminLink(ctx context.Context) (string, error) {
	if have, err := s.hasAdmin(ctx); have || err != nil {
		return "", err
	}
	token, id := auth.NewToken("vgk_")
	s.links.mu.Lock()
	defer s.links.mu.Unlock()
	if s.links.open == nil {
		s.links.open = map[string]time.Time{}
	}
	s.links.open[id] = time.Now().Add(linkTime)
	return token.Reveal(), nil
}

func (s *Server) hasAdmin(ctx context.Context) (bool, error) {
	users, err := s.o.Store.Users(ctx, s.o.Org)
	return slices.ContainsFunc(users, func(u schema.User) bool { return u.Role == string(perm.Admin) && !u.Disabled }), err
}

// opens says whether the token would be redeemed.
func (l *links) opens(token string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.open[auth.TokenID(token)]
	return ok && now.Before(until)
}

func (l *links) redeem(token string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := auth.TokenID(token)
	for have, until := range l.open {
		if same(have, id) {
			delete(l.open, have)
			return now.Before(until)
		}
	}
	return false
}

// problem makes the problem+json answer of an error.
func problem(err error) *Problem {
	var se *schema.Error
	if !errors.As(err, &se) {
		return &Problem{Status: http.StatusInternalServerError, Title: "Internal error", Detail: "something failed inside Vigil; its log says what", Code: string(schema.Internal)}
	}
	return &Problem{Status: status(se.Code), Title: http.StatusText(status(se.Code)), Detail: se.Message, Code: string(se.Code), Hint: se.Hint}
}

func status(c schema.Code) int {
	switch c {
	case schema.Invalid:
		return http.StatusUnprocessableEntity
	case schema.NotFound:
		return http.StatusNotFound
	case schema.Conflict:
		return http.StatusConflict
	case schema.Denied:
		return http.StatusForbidden
	case schema.Unauthorized:
		return http.StatusUnauthorized
	case schema.Unavailable:
		return http.StatusServiceUnavailable
	case schema.Exhausted:
		return http.StatusTooManyRequests
	default:
		return http.StatusInternalServerError
	}
}

// Problem is an error answer (RFC 9457) with our code and hint.
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Hint   string `json:"hint,omitempty"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }
