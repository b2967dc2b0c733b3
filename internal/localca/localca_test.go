package localca

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestEnsure: clients that trust the authority reach the server by every name; the
// certificate stays while it fits, and is made again for another host, by the same
// authority.
func TestEnsure(t *testing.T) {
	dir := t.TempDir()
	hosts := []string{"localhost", "vigil.example", "127.0.0.1", "::1"}
	f, err := Ensure(dir, hosts)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		if err := handshake(t, f, h, nil, ""); err != nil {
			t.Errorf("%s: %v", h, err)
		}
	}
	if err := handshake(t, f, "other.example", nil, ""); err == nil {
		t.Error("a host that the certificate does not name is believed")
	}
	first, ca := read(t, f.Cert), read(t, f.CA)
	if _, err := Ensure(dir, hosts); err != nil || read(t, f.Cert) != first {
		t.Errorf("the certificate is another one: %v", err)
	}
	if _, err := Ensure(dir, append(hosts, "other.example")); err != nil || read(t, f.CA) != ca {
		t.Errorf("the authority is another one: %v", err)
	}
	if err := handshake(t, f, "other.example", nil, ""); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"ca.key", "server.key"} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, fi.Mode(), err)
		}
	}
}

// TestDamagedAuthority: it is said, and nothing is overwritten.
func TestDamagedAuthority(t *testing.T) {
	dir := t.TempDir()
	f, err := Ensure(dir, []string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.CA, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(dir, []string{"localhost"}); err == nil || read(t, f.CA) != "nonsense" {
		t.Errorf("%v", err)
	}
}

// TestClientCertificates: with an authority for clients, only theirs are let in.
func TestClientCertificates(t *testing.T) {
	server, err := Ensure(t.TempDir(), []string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	mine, err := clientOf(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := clientOf(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, server, "localhost", &mine, mine.CA); err != nil {
		t.Error(err)
	}
	if err := handshake(t, server, "localhost", &theirs, mine.CA); err == nil {
		t.Error("a client of another authority is let in")
	}
	if err := handshake(t, server, "localhost", nil, mine.CA); err == nil {
		t.Error("a client without certificate is let in")
	}
}

// clientOf makes a certificate for a client.
func clientOf(dir string) (Files, error) {
	f := Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "c.key")}
	ca, key, err := authority(f.CA, filepath.Join(dir, "ca.key"))
	if err != nil {
		return f, err
	}
	t := template(time.Hour)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return f, issue(t, ca, key, f.Cert, f.Key)
}

// TestReplaced: a certificate that is replaced on disk is served, one that is half written
// is not.
func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	f, err := Ensure(dir, []string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{cert: f.Cert, key: f.Key}
	leaf := func() *x509.Certificate {
		p.looked = time.Time{}
		c, err := p.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf
	}
	old := leaf()
	if err := os.WriteFile(f.Cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !leaf().Equal(old) {
		t.Error("a half written certificate is served")
	}
	if _, err := Ensure(dir, []string{"localhost"}); err != nil {
		t.Fatal(err)
	}
	if leaf().Equal(old) {
		t.Error("the replaced certificate is not served")
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// handshake connects to a server with the files, as host.
func handshake(t *testing.T, f Files, host string, client *Files, clientCA string) error {
	t.Helper()
	sc, err := ServerConfig(f.Cert, f.Key, clientCA)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := Pool(f.CA)
	if err != nil {
		t.Fatal(err)
	}
	cc := &tls.Config{RootCAs: pool, ServerName: host}
	if client != nil {
		c, err := tls.LoadX509KeyPair(client.Cert, client.Key)
		if err != nil {
			t.Fatal(err)
		}
		cc.Certificates = []tls.Certificate{c}
	}
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = tls.Server(conn, sc).HandshakeContext(t.Context())
			_ = conn.Close()
		}
		done <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	err = tls.Client(conn, cc).HandshakeContext(t.Context())
	_ = conn.Close()
	if serr := <-done; serr != nil { // in TLS 1.3 the server may refuse when the client is done
		return serr
	}
	return err
}
