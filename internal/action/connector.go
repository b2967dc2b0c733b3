package action

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"vigil/internal/secret"
	"vigil/schema"
)

// Connector is one system that actions talk to: where it is and how to sign in. Its
// secrets are references in the settings and never leave this package.
type Connector struct {
	Name    string
	URL     secret.Value // of chat webhooks it is itself a secret
	Auth    string       // none, bearer, basic, header
	User    string       // of basic; of header the header's name
	Secret  secret.Value
	Options map[string]string // what the rows of the table say they read
	Timeout time.Duration     // of one request; default 15 s
}

// Connectors are the systems by name. An action whose connector is missing says so.
type Connectors map[string]*Connector

// connectorNames is the table of connectors: what each is, and the options it needs.
var connectorNames = map[string][]string{
	"slack": nil, "teams": nil, "mattermost": nil, "pagerduty": nil, "jira": {"project"}, "servicenow": nil, "github": {"repository"}, "tickets": nil,
	"smtp": {"from", "to"}, "ssh": {"host_key"}, "firewall": nil, "scim": nil, "idp": nil, "edr": nil, "openc2": nil, "http": nil, "bash": {"dir"},
}

type connectorFile struct {
	Connectors map[string]struct {
		URL       string            `yaml:"url"`
		URLSecret string            `yaml:"url_secret"` // a reference, for addresses that are secrets
		Auth      string            `yaml:"auth"`
		User      string            `yaml:"user"`
		Secret    string            `yaml:"secret"` // env:NAME or file:/path
		Seconds   int               `yaml:"timeout_seconds"`
		Options   map[string]string `yaml:"options"`
	} `yaml:"connectors"`
}

// ParseConnectors reads a settings file. resolve turns a secret's reference into it.
func ParseConnectors(name string, text []byte, resolve func(ref string) (secret.Value, error)) (Connectors, error) {
	var f connectorFile
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&f); err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
			p := at.GetToken().Position
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%s:%d:%d: %s", name, p.Line, p.Column, at.GetMessage()), "")
		}
		return nil, schema.E(schema.Invalid, name+": not readable as YAML", "", err)
	}
	out := Connectors{}
	for key, c := range f.Connectors {
		bad := func(what string, err error) error {
			return schema.E(schema.Invalid, fmt.Sprintf("%s: connector %s: %s", name, key, what), "", err)
		}
		needs, known := connectorNames[key]
		if !known {
			return nil, bad("there is no such connector", nil)
		}
		x := &Connector{Name: key, Auth: c.Auth, User: c.User, Options: c.Options, Timeout: time.Duration(c.Seconds) * time.Second, URL: secret.New(c.URL)}
		var err error
		if c.URLSecret != "" {
			if x.URL, err = resolve(c.URLSecret); err != nil {
				return nil, bad("its address", err)
			}
		}
		if c.Secret != "" {
			if x.Secret, err = resolve(c.Secret); err != nil {
				return nil, bad("its secret", err)
			}
		}
		if err := x.check(needs); err != nil {
			return nil, bad(err.Error(), nil)
		}
		out[key] = x
	}
	return out, nil
}

func (c *Connector) check(needs []string) error {
	u, err := url.Parse(c.URL.Reveal())
	if err == nil && c.Name == "bash" {
		if err := c.checkLocal(u); err != nil {
			return err
		}
	} else if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "ssh", "smtp", "smtps"}, u.Scheme) {
		return errors.New("url needs a scheme and a host, such as https://edr.example/api")
	}
	if c.Auth == "" {
		c.Auth = "none"
	}
	if !slices.Contains([]string{"none", "bearer", "basic", "header"}, c.Auth) {
		return fmt.Errorf("auth cannot be %q: none, bearer, basic or header", c.Auth)
	}
	if c.Auth != "none" && c.Secret.Empty() {
		return errors.New(`its auth needs a "secret"`)
	}
	for _, n := range needs {
		if c.Options[n] == "" {
			return fmt.Errorf("it needs the option %q", n)
		}
	}
	if c.Timeout <= 0 {
		c.Timeout = 15 * time.Second
	}
	return nil
}

// covers says whether an address lies below the connector's URL.
func (c *Connector) covers(target string) bool {
	if c == nil {
		return false
	}
	base, err := url.Parse(c.URL.Reveal())
	u, err2 := url.Parse(target)
	return err == nil && err2 == nil && u.Scheme == base.Scheme && u.Host == base.Host && u.User == nil && !strings.Contains(u.Path, "..") &&
		strings.HasPrefix(strings.TrimSuffix(u.Path, "/")+"/", strings.TrimSuffix(base.Path, "/")+"/")
}

// serves says whether the connector is the one for a host that a playbook names: its
// own, or one of its option serves.
func (c *Connector) serves(host string) bool {
	u, err := url.Parse(c.URL.Reveal())
	return err == nil && (host == "" || strings.EqualFold(host, u.Hostname()) || slices.Contains(split(c.Options["serves"]), host))
}

// redact takes what is secret out of a text that others wrote: vendors repeat tokens
// in their errors.
func (c *Connector) redact(s string) string {
	for _, v := range []secret.Value{c.Secret, c.URL} {
		if t := v.Reveal(); len(t) >= 4 && (v != c.URL || strings.Count(t, "/") > 3) {
			s = strings.ReplaceAll(s, t, "[redacted]")
		}
	}
	return s
}
