package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"vigil/schema"
)

// certificate makes one for 127.0.0.1 that is its own authority.
func certificate(t *testing.T) (pair tls.Certificate, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile
}

// TestSecured reads over TLS as a user, with each mechanism; and says what is wrong.
func TestSecured(t *testing.T) {
	pair, ca := certificate(t)
	users := []kfake.Opt{kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}), kfake.EnableSASL(), kfake.SeedTopics(1, "logs")}
	for _, m := range []string{schema.SASLPlain, schema.SASLScram256, schema.SASLScram512} {
		users = append(users, kfake.Superuser(m, "vigil", "right"))
	}
	k := cluster(t, users...)
	t.Setenv("VIGIL_TEST_KAFKA", "right")
	t.Setenv("VIGIL_TEST_WRONG", "wrong")
	good := schema.KafkaSource{Brokers: k.ListenAddrs(), Topics: []string{"logs"}, TLS: true, CA: "file:" + ca, User: "vigil", Password: "env:VIGIL_TEST_KAFKA"}
	for _, m := range []string{schema.SASLPlain, schema.SASLScram256, schema.SASLScram512} {
		src := good
		src.SASL = m
		if err := asks(t, src); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		src.Password = "env:VIGIL_TEST_WRONG"
		if err := asks(t, src); err == nil {
			t.Errorf("%s: a wrong password is taken", m)
		}
	}
	src := good
	src.SASL, src.CA = schema.SASLScram512, ""
	if err := asks(t, src); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	src.Password = "env:VIGIL_TEST_NOT_SET"
	if err := asks(t, src); err == nil || !strings.Contains(err.Error(), "the password of the Kafka source cannot be read") {
		t.Errorf("a missing secret: %v", err)
	}
	src = good
	src.SASL, src.Topics = schema.SASLScram512, []string{"logs", "not-there"}
	if err := asks(t, src); err == nil || !strings.Contains(err.Error(), "the topic not-there is not there") {
		t.Errorf("a missing topic: %v", err)
	}
}

func asks(t *testing.T, src schema.KafkaSource) error {
	t.Helper()
	if err := src.Validate(); err != nil {
		return err
	}
	cl, err := dial(&src)
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = topics(t.Context(), cl, &src)
	return err
}

func TestSettings(t *testing.T) {
	ok := func() schema.KafkaSource {
		return schema.KafkaSource{Brokers: []string{"k:9092"}, Topics: []string{"a"}, TLS: true, SASL: "PLAIN", User: "u", Password: "env:P"}
	}
	if k := ok(); k.Validate() != nil {
		t.Fatal(k.Validate())
	}
	for want, change := range map[string]func(*schema.KafkaSource){
		"needs brokers":        func(k *schema.KafkaSource) { k.Brokers = nil },
		"no SASL mechanism":    func(k *schema.KafkaSource) { k.SASL = "GSSAPI" },
		"without TLS":          func(k *schema.KafkaSource) { k.TLS = false },
		"not a reference":      func(k *schema.KafkaSource) { k.Password = "hunter2" },
		"needs its key":        func(k *schema.KafkaSource) { k.ClientCert = "file:/c" },
		"members are not":      func(k *schema.KafkaSource) { k.Members = 1000 },
		"cannot start at noon": func(k *schema.KafkaSource) { k.Start = "noon" },
	} {
		k := ok()
		change(&k)
		var se *schema.Error
		if err := k.Validate(); !errors.As(err, &se) || se.Code != schema.Invalid || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
