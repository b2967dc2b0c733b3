package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"vigil/internal/auth/oidc"
	"vigil/internal/auth/passkey"
	"vigil/internal/secret"
	"vigil/schema"
	"vigil/server"
)

// webOptions say how people reach the web server and sign in.
type webOptions struct {
	url     string   // that people open; "" is localhost and the port
	proxies []string // networks of our own proxies
	signIn  string   // file of the providers; "" is sign-in.yaml of the data folder
}

func (o *webOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.url, "url", os.Getenv("VIGIL_PUBLIC_URL"), "address that people open, such as https://vigil.example.org; passkeys and sign-in providers are bound to it (VIGIL_PUBLIC_URL; default http://localhost:PORT)")
	f.StringSliceVar(&o.proxies, "trusted-proxy", nil, "networks of your own proxies (10.0.0.0/8): where requests come from is then read of X-Forwarded-For")
	f.StringVar(&o.signIn, "sign-in", os.Getenv("VIGIL_SIGN_IN"), "file of the OpenID Connect providers that people sign in at (VIGIL_SIGN_IN; default sign-in.yaml of the data folder)")
}

// apply reads what the options name into those of the server. local is where it listens.
func (o webOptions) apply(a *app, local string, to *server.Options) (err error) {
	to.Address = strings.TrimSuffix(o.url, "/")
	if to.Address == "" {
		to.Address = local
	}
	to.Secure = to.Secure || strings.HasPrefix(to.Address, "https://")
	// A party that cannot be is no reason not to start: people sign in otherwise.
	if to.Passkeys, err = passkey.New(to.Address); err != nil {
		to.Log.Warn("passkeys do not work", "why", err)
		to.Passkeys = nil
	}
	for _, p := range o.proxies {
		n, err := netip.ParsePrefix(p)
		if err != nil {
			return schema.E(schema.Invalid, fmt.Sprintf("%q is no network", p), "such as 10.0.0.0/8 or 192.0.2.7/32", err)
		}
		to.Proxies = append(to.Proxies, n)
	}
	to.SignIn, err = o.providers(a.data)
	return err
}

func (o webOptions) providers(data string) (*oidc.Set, error) {
	name := o.signIn
	if name == "" {
		name = filepath.Join(data, "sign-in.yaml")
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && o.signIn == "" {
		return nil, nil
	}
	if err != nil {
		return nil, schema.E(schema.Unavailable, "the sign-in providers cannot be read", "", err)
	}
	return oidc.Parse(name, text, secret.FromRef)
}
