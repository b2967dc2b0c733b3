package oidc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"vigil/internal/expr"
	"vigil/internal/secret"
	"vigil/schema"
)

// Skew is by how much the clocks of provider and Vigil may differ.
const Skew = time.Minute

// Life is how long a sign-in at a provider may take.
const Life = 10 * time.Minute

// rediscover is how long what a provider says of itself is believed.
const rediscover = time.Hour

// algorithms are those by which tokens may be signed: none, and those with a shared
// secret, are not.
var algorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// Provider is an OpenID Connect provider that people may sign in at.
type Provider struct {
	ID, Name string
	Org      string // whose people sign in there; "": the platform's

	issuer, client     string
	secret             secret.Value
	scopes             []string
	user, groups, team expr.Program
	roles              []role
	http               *http.Client
	now                func() time.Time

	mu    sync.Mutex
	found *found
}

// found is what a provider says of itself.
type found struct {
	at       time.Time
	provider *oidc.Provider
	ends     string // where people sign out
	namesIss bool   // answers name their issuer
	userinfo bool
}

// State is what a sign-in keeps from its first step to its second.
type State struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Redirect string `json:"redirect"`
}

// discover asks the provider about itself, at most once an hour.
func (p *Provider) discover(ctx context.Context) (*found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil && p.now().Sub(p.found.at) < rediscover {
		return p.found, nil
	}
	// The keys are fetched later with this context: it must not end with the request.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.http), p.issuer)
	if err != nil {
		return nil, schema.E(schema.Unavailable, p.Name+" does not answer", "try again, or sign in otherwise", err)
	}
	var more struct {
		Ends     string `json:"end_session_endpoint"`
		NamesIss bool   `json:"authorization_response_iss_parameter_supported"`
		UserInfo string `json:"userinfo_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, schema.E(schema.Unavailable, p.Name+" cannot be understood", "", err)
	}
	p.found = &found{at: p.now(), provider: provider, ends: more.Ends, namesIss: more.NamesIss, userinfo: more.UserInfo != ""}
	return p.found, nil
}

func (p *Provider) oauth(f *found, redirect string) oauth2.Config {
	return oauth2.Config{ClientID: p.client, ClientSecret: p.secret.Reveal(), Endpoint: f.provider.Endpoint(), RedirectURL: redirect, Scopes: p.scopes}
}

// Begin returns where the browser goes, and what [Provider.Finish] needs. state comes
// back with the browser; redirect is where to.
func (p *Provider) Begin(ctx context.Context, state, redirect string) (to string, st State, err error) {
	f, err := p.discover(ctx)
	if err != nil {
		return "", State{}, err
	}
	st = State{Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Redirect: redirect}
	cfg := p.oauth(f, redirect)
	return cfg.AuthCodeURL(state, oidc.Nonce(st.Nonce), oauth2.S256ChallengeOption(st.Verifier)), st, nil
}

// Finish redeems what the browser came back with. Whoever it cannot prove is
// Unauthorized; whom the mapping knows no role for is Denied.
func (p *Provider) Finish(ctx context.Context, st State, query url.Values) (Identity, error) {
	f, err := p.discover(ctx)
	if err != nil {
		return Identity{}, err
	}
	switch iss := query.Get("iss"); {
	case query.Get("error") != "":
		return Identity{}, p.refused(fmt.Errorf("it says %s %s", clip(query.Get("error"), 100), clip(query.Get("error_description"), 200)))
	case iss == "" && f.namesIss, iss != "" && iss != p.issuer:
		return Identity{}, p.refused(fmt.Errorf("the answer comes from %q", clip(iss, 200)))
	case query.Get("code") == "":
		return Identity{}, p.refused(errors.New("the answer has no code"))
	}
	ctx = oidc.ClientContext(ctx, p.http)
	cfg := p.oauth(f, st.Redirect)
	token, err := cfg.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(st.Verifier))
	if err != nil {
		var answer *oauth2.RetrieveError
		if errors.As(err, &answer) {
			return Identity{}, p.refused(err)
		}
		return Identity{}, schema.E(schema.Unavailable, p.Name+" does not answer", "try again", err)
	}
	claims, subject, err := p.verify(ctx, f, token, st.Nonce)
	if err != nil {
		return Identity{}, p.refused(err)
	}
	if f.userinfo {
		if err := p.more(ctx, f, token, subject, claims); err != nil {
			return Identity{}, p.refused(err)
		}
	}
	return p.identify(subject, claims)
}

func (p *Provider) refused(err error) error {
	return schema.E(schema.Unauthorized, p.Name+" did not sign you in", "try again; Vigil's audit trail says more", err)
}

// verify checks the identity token: signature, issuer, audience, times, nonce.
func (p *Provider) verify(ctx context.Context, f *found, token *oauth2.Token, nonce string) (map[string]any, string, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, "", errors.New("there is no identity token")
	}
	now := p.now()
	v := f.provider.VerifierContext(oidc.ClientContext(context.WithoutCancel(ctx), p.http), &oidc.Config{ClientID: p.client, SupportedSigningAlgs: algorithms, Now: func() time.Time { return now.Add(-Skew) }})
	id, err := v.Verify(ctx, raw)
	if err != nil {
		return nil, "", err
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return nil, "", err
	}
	azp, _ := claims["azp"].(string)
	switch {
	case id.Nonce != nonce:
		return nil, "", errors.New("the identity token is not for this sign-in: its nonce differs")
	case id.Subject == "":
		return nil, "", errors.New("the identity token has no subject")
	case len(id.Audience) > 1 && azp == "", azp != "" && azp != p.client:
		return nil, "", fmt.Errorf("the identity token is for %q", azp)
	case id.IssuedAt.After(now.Add(Skew)):
		return nil, "", fmt.Errorf("the identity token is from the future: %s", id.IssuedAt)
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, "", err
		}
	}
	return claims, id.Subject, nil
}

// more adds what the provider tells at its userinfo endpoint; what is signed counts
// where both say something.
func (p *Provider) more(ctx context.Context, f *found, token *oauth2.Token, subject string, claims map[string]any) error {
	info, err := f.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return err
	}
	if info.Subject != subject {
		return errors.New("the userinfo is somebody else's")
	}
	told := map[string]any{}
	if err := info.Claims(&told); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		if _, have := claims[name]; !have {
			claims[name] = told[name]
		}
	}
	return nil
}

// SignOut is where the browser signs out at the provider too and comes back from, ""
// when the provider has no such place or does not answer.
func (p *Provider) SignOut(ctx context.Context, back string) string {
	f, err := p.discover(ctx)
	if err != nil || f.ends == "" {
		return ""
	}
	u, err := url.Parse(f.ends)
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.client)
	q.Set("post_logout_redirect_uri", back)
	u.RawQuery = q.Encode()
	return u.String()
}

// maxAnswer bounds what is read of one answer of a provider, in bytes.
const maxAnswer = 1 << 20

// bounded reads no more of an answer than maxAnswer.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxAnswer), res.Body}
	return res, nil
}

// Encode is the state as it is stored.
func (st State) Encode() []byte {
	b, _ := json.Marshal(st) // strings cannot fail
	return b
}

// DecodeState reads what Encode wrote.
func DecodeState(b []byte) (st State, err error) {
	if err = json.Unmarshal(b, &st); err != nil {
		err = fmt.Errorf("the state of a sign-in is damaged: %w", err)
	}
	return st, err
}
