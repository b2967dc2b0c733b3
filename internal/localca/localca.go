// Package localca makes the certificates of this machine: signed by an authority of its
// own, whose certificate people put where they trust things. Certificates of others are
// loaded by it too, and read again when their files are replaced.
package localca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Files are where certificates and keys are, in PEM.
type Files struct {
	CA, Cert, Key string
}

const (
	authorityYears = 10
	leafDays       = 397 // more is refused by browsers
	renewDays      = 60  // less left than that: a new one is made
)

// Ensure returns the files of a certificate for the hosts (names and addresses), signed by
// the authority in the folder. What is missing, too old or for other hosts is made; the
// authority stays as long as it is valid.
func Ensure(dir string, hosts []string) (Files, error) {
	f := Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key")}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f, fmt.Errorf("creating the folder of certificates: %w", err)
	}
	ca, caKey, err := authority(f.CA, filepath.Join(dir, "ca.key"))
	if err != nil {
		return f, fmt.Errorf("the authority in %s: %w", dir, err)
	}
	if current(f, ca, hosts) {
		return f, nil
	}
	t := template(leafDays * 24 * time.Hour)
	t.Subject = pkix.Name{CommonName: "Vigil on " + hosts[0]}
	t.ExtKeyUsage, t.KeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, x509.KeyUsageDigitalSignature
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return f, issue(t, ca, caKey, f.Cert, f.Key)
}

// authority reads the authority, or makes it where there is none or it ends soon.
func authority(certFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	switch {
	case err == nil && ok && time.Until(pair.Leaf.NotAfter) > 2*leafDays*24*time.Hour:
		return pair.Leaf, key, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, nil, err // a damaged authority is not replaced behind its owner's back
	}
	t := template(authorityYears * 365 * 24 * time.Hour)
	t.Subject = pkix.Name{CommonName: "Vigil local authority"}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	if err := issue(t, nil, nil, certFile, keyFile); err != nil {
		return nil, nil, err
	}
	pair, err = tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, nil, err
	}
	return pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey), nil // just made
}

func template(valid time.Duration) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails (crypto/rand)
	now := time.Now().UTC()
	return &x509.Certificate{SerialNumber: serial, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(valid)}
}

// issue makes a key and its certificate, signed by the authority, or by itself.
func issue(t, ca *x509.Certificate, caKey *ecdsa.PrivateKey, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if ca == nil {
		ca, caKey = t, key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The key first: a crash between the two leaves a pair that does not fit, which is
	// noticed and made again.
	return errors.Join(write(keyFile, "PRIVATE KEY", secret, 0o600), write(certFile, "CERTIFICATE", der, 0o644))
}

func write(name, kind string, der []byte, mode os.FileMode) error {
	if err := os.WriteFile(name+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// current says whether the certificate is for these hosts, by this authority, and valid
// for a while.
func current(f Files, ca *x509.Certificate, hosts []string) bool {
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil || pair.Leaf.CheckSignatureFrom(ca) != nil || time.Until(pair.Leaf.NotAfter) < renewDays*24*time.Hour {
		return false
	}
	return !slices.ContainsFunc(hosts, func(h string) bool { return pair.Leaf.VerifyHostname(h) != nil })
}
