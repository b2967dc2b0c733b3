package localca

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// ServerConfig serves a certificate from files, which may be replaced while it is served.
// clientCA, if not "", names the authorities of which every client must have a
// certificate.
func ServerConfig(cert, key, clientCA string) (*tls.Config, error) {
	p := &pair{cert: cert, key: key}
	if _, err := p.get(nil); err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	c := &tls.Config{GetCertificate: p.get, MinVersion: tls.VersionTLS12}
	if clientCA == "" {
		return c, nil
	}
	pool, err := Pool(clientCA)
	if err != nil {
		return nil, err
	}
	c.ClientCAs, c.ClientAuth = pool, tls.RequireAndVerifyClientCert
	return c, nil
}

// Pool is the authorities in a file.
func Pool(name string) (*x509.CertPool, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", name)
	}
	return pool, nil
}

// pair is a certificate that is read again when its file is another one.
type pair struct {
	cert, key string

	mu      sync.Mutex
	looked  time.Time
	changed time.Time
	now     *tls.Certificate
}

// lookAgain is how often a file is looked at.
const lookAgain = 10 * time.Second

func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now != nil && time.Since(p.looked) < lookAgain {
		return p.now, nil
	}
	p.looked = time.Now()
	fi, err := os.Stat(p.cert)
	if err == nil && p.now != nil && fi.ModTime().Equal(p.changed) {
		return p.now, nil
	}
	c, err := tls.LoadX509KeyPair(p.cert, p.key)
	switch {
	case err == nil:
		p.now, p.changed = &c, fi.ModTime()
	case p.now == nil:
		return nil, err
	} // half replaced: the old one goes on, and the files are looked at again
	return p.now, nil
}
