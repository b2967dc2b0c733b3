package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"vigil/internal/localca"
	"vigil/schema"
)

// tlsOptions say with which certificate a process serves, if any.
type tlsOptions struct {
	local     bool // one of this machine's own authority
	cert, key string
	clientCA  string // for the receivers
}

func (o *tlsOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.local, "tls", false, "serve over TLS, with a certificate of this machine's own authority (DATA/tls/ca.pem)")
	f.StringVar(&o.cert, "tls-cert", "", "serve over TLS, with this certificate chain in PEM; it is read again when it is replaced")
	f.StringVar(&o.key, "tls-key", "", "its private key in PEM")
	f.StringVar(&o.clientCA, "tls-client-ca", "", "take events only from senders with a certificate of an authority in this file; needs --tls or --tls-cert")
}

// served is what a process serves with; without TLS the configurations are nil.
type served struct {
	web, receivers *tls.Config
	ca             string // file of the local authority, "" for none
}

// serve reads or makes the certificate, for the addresses that are listened on.
func (o tlsOptions) serve(data string, listen ...string) (s served, err error) {
	switch {
	case (o.cert == "") != (o.key == ""):
		return s, schema.E(schema.Invalid, "a certificate without its key, or the other way round", "name both: --tls-cert FILE --tls-key FILE")
	case o.local && o.cert != "":
		return s, schema.E(schema.Invalid, "--tls makes a certificate, and --tls-cert names one", "use one of the two")
	case o.cert == "" && !o.local && o.clientCA != "":
		return s, schema.E(schema.Invalid, "--tls-client-ca needs TLS", "add --tls, or --tls-cert FILE --tls-key FILE")
	case o.cert == "" && !o.local:
		return s, nil
	case o.local:
		f, err := localca.Ensure(filepath.Join(data, "tls"), hostsOf(listen))
		if err != nil {
			return s, err
		}
		o.cert, o.key, s.ca = f.Cert, f.Key, f.CA
	}
	if s.web, err = localca.ServerConfig(o.cert, o.key, ""); err != nil {
		return s, err
	}
	s.receivers, err = localca.ServerConfig(o.cert, o.key, o.clientCA)
	return s, err
}

// hostsOf are the names and addresses by which this machine is reached at the addresses
// that it listens on.
func hostsOf(listen []string) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	add := func(h string) {
		if h != "" && !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	if name, err := os.Hostname(); err == nil {
		add(name)
	}
	for _, addr := range listen {
		host, _, err := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); err == nil && host != "" && (ip == nil || !ip.IsUnspecified()) {
			add(host)
			continue
		}
		all, _ := net.InterfaceAddrs()
		for _, a := range all {
			if n, ok := a.(*net.IPNet); ok && err == nil && !n.IP.IsLinkLocalUnicast() {
				add(n.IP.String())
			}
		}
	}
	return hosts
}

// scheme of what is served with the configuration.
func scheme(c *tls.Config) string {
	if c == nil {
		return "http"
	}
	return "https"
}

// transport reaches the running Vigil: it trusts the local authority, where there is one.
func (e endpoints) transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if e.CA != "" {
		if pool, err := localca.Pool(e.CA); err == nil {
			t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		}
	}
	return t
}
