// Package oidc signs people in at an OpenID Connect provider: authorization code with
// PKCE, state and nonce, and what the provider's claims mean here. It keeps nothing but
// what it has read of the providers; sign-ins in progress are stored by its callers.
package oidc

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"vigil/internal/auth/perm"
	"vigil/internal/expr"
	"vigil/internal/secret"
	"vigil/schema"
)

// settings are one provider as the file says it.
type settings struct {
	ID       string   `yaml:"id"`
	Name     string   `yaml:"name"`
	Org      string   `yaml:"org"` // whose people sign in there; default: the platform's
	Issuer   string   `yaml:"issuer"`
	ClientID string   `yaml:"client_id"`
	Secret   string   `yaml:"client_secret"` // env:NAME or file:/path; none for public clients
	Scopes   []string `yaml:"scopes"`
	User     string   `yaml:"user"` // CEL over claims → name
	Roles    []struct {
		When string `yaml:"when"`
		Role string `yaml:"role"`
	} `yaml:"roles"`
	Groups string `yaml:"groups"` // CEL over claims → list
	Team   string `yaml:"team"`   // CEL over claims → text
}

// role is one row of the mapping: the first whose condition holds decides.
type role struct {
	when expr.Program
	any  bool // no condition: it always holds
	role string
}

var providerID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Set are the providers of one file.
type Set struct{ list []*Provider }

// Providers returns them in the order of the file.
func (s *Set) Providers() []*Provider {
	if s == nil {
		return nil
	}
	return s.list
}

// Get returns a provider by its id; NotFound when there is none.
func (s *Set) Get(id string) (*Provider, error) {
	for _, p := range s.Providers() {
		if p.ID == id {
			return p, nil
		}
	}
	return nil, schema.E(schema.NotFound, fmt.Sprintf("there is no sign-in provider %q", id), "")
}

// Parse reads a sign-in file. resolve turns references into secrets; errors name the
// place, or the provider and what is wrong with it.
func Parse(name string, text []byte, resolve func(ref string) (secret.Value, error)) (*Set, error) {
	var f struct {
		Providers []settings `yaml:"providers"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&f); err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
			pos := at.GetToken().Position
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%s:%d:%d: %s", name, pos.Line, pos.Column, at.GetMessage()), "")
		}
		return nil, schema.E(schema.Invalid, name+": not readable as YAML", "", err)
	}
	s := &Set{}
	for i, x := range f.Providers {
		p, err := x.provider(resolve)
		if err != nil {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%s: provider %d (%s): %s", name, i+1, x.ID, err), "docs/guides/sign-in.md")
		}
		if _, err := s.Get(p.ID); err == nil {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%s: two providers have the id %q", name, p.ID), "")
		}
		s.list = append(s.list, p)
	}
	return s, nil
}

func (x settings) provider(resolve func(string) (secret.Value, error)) (p *Provider, err error) {
	p = &Provider{ID: x.ID, Name: x.Name, Org: x.Org, issuer: x.Issuer, client: x.ClientID, scopes: x.Scopes, now: time.Now}
	p.http = &http.Client{Timeout: 15 * time.Second, Transport: bounded{http.DefaultTransport}}
	if p.Name == "" {
		p.Name = p.ID
	}
	if len(p.scopes) == 0 {
		p.scopes = []string{"profile", "email"}
	}
	if !slices.Contains(p.scopes, "openid") {
		p.scopes = append([]string{"openid"}, p.scopes...)
	}
	u, uerr := url.Parse(x.Issuer)
	switch {
	case !providerID.MatchString(x.ID):
		return nil, errors.New("it needs an id of small letters, digits and hyphens")
	case uerr != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, fmt.Errorf("the issuer %q is no https address", x.Issuer)
	case x.ClientID == "":
		return nil, errors.New("it needs a client_id")
	case len(x.Roles) == 0:
		return nil, errors.New("it needs roles: who may sign in, and as what")
	}
	if x.Secret != "" {
		if p.secret, err = resolve(x.Secret); err != nil {
			return nil, fmt.Errorf("client_secret: %w", err)
		}
	}
	for _, c := range []struct {
		name, text string
		to         *expr.Program
	}{{"user", or(x.User, "claims.preferred_username"), &p.user}, {"groups", or(x.Groups, "has(claims.groups) ? claims.groups : []"), &p.groups}, {"team", or(x.Team, "''"), &p.team}} {
		if *c.to, err = expr.Compile(c.text, variables()); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for i, r := range x.Roles {
		if perm.Of(perm.Role(r.Role)) == nil {
			return nil, fmt.Errorf("role %d: there is no role %q: viewer, analyst, approver or admin", i+1, r.Role)
		}
		row := role{role: r.Role, any: r.When == ""}
		if r.When != "" {
			if row.when, err = expr.Compile(r.When, variables()); err != nil {
				return nil, fmt.Errorf("role %d: when: %w", i+1, err)
			}
		}
		p.roles = append(p.roles, row)
	}
	return p, nil
}

func variables() map[string]expr.Type { return map[string]expr.Type{"claims": expr.Dyn} }

func or(text, def string) string {
	if text == "" {
		return def
	}
	return text
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Identity is somebody whom a provider vouches for. The subject is who it is: names and
// addresses of mail may go to other people.
type Identity struct {
	Provider, Issuer, Subject string
	User, FullName, Email     string
	Role, Team                string
	Groups                    []string
}

// identify says what the claims mean here. Denied when no row of roles holds.
func (p *Provider) identify(subject string, claims map[string]any) (Identity, error) {
	vars := map[string]any{"claims": claims}
	id := Identity{Provider: p.ID, Issuer: p.issuer, Subject: subject, FullName: text(claims["name"]), Email: text(claims["email"])}
	if verified, told := claims["email_verified"].(bool); told && !verified {
		id.Email = "" // anybody can claim any address
	}
	user, err := p.user.EvalString(vars)
	if err != nil || user == "" {
		return id, schema.E(schema.Denied, p.Name+" does not say how you are called here", "an admin sets \"user\" in sign-in.yaml; are the scopes right?", err)
	}
	id.User = strings.ToLower(user)
	for _, r := range p.roles {
		// A condition over claims that are not there does not hold.
		if ok, err := r.holds(vars); err == nil && ok {
			id.Role = r.role
			break
		}
	}
	if id.Role == "" {
		return id, schema.E(schema.Denied, "none of your groups at "+p.Name+" may sign in here", "ask your admin")
	}
	groups, err := p.groups.Eval(vars)
	if err != nil {
		return id, schema.E(schema.Denied, "the groups that "+p.Name+" names cannot be read", "an admin sets \"groups\" in sign-in.yaml", err)
	}
	id.Groups = texts(groups)
	if id.Team, err = p.team.EvalString(vars); err != nil {
		id.Team = "" // policies that ask for different teams will say that there is none
	}
	return id, nil
}

func (r role) holds(vars map[string]any) (bool, error) {
	if r.any {
		return true, nil
	}
	return r.when.EvalBool(vars)
}

func text(v any) string {
	s, _ := v.(string)
	return clip(s, 200)
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// maxGroups bounds the groups that are kept of a user.
const maxGroups = 200

// texts takes a list, or text with commas. Groups with commas would become others: they
// are left out.
func texts(v any) []string {
	var all []string
	switch l := v.(type) {
	case string:
		all = strings.Split(l, ",")
	case []string:
		all = l
	case []any:
		for _, x := range l {
			if s := text(x); !strings.Contains(s, ",") {
				all = append(all, s)
			}
		}
	}
	var out []string
	for _, s := range all {
		if s = strings.TrimSpace(s); s != "" && len(out) < maxGroups {
			out = append(out, s)
		}
	}
	return out
}
