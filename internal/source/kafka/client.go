// Package kafka consumes topics of Kafka exactly once into chunks.
package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"vigil/internal/secret"
	"vigil/schema"
)

// dial makes a client of the source's cluster. Secrets are looked up now, so that a
// changed one is taken at the next stretch.
func dial(src *schema.KafkaSource, more ...kgo.Opt) (*kgo.Client, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(src.Brokers...), kgo.ClientID("vigil"), kgo.RetryTimeout(20 * time.Second),
		// Records of transactions that were aborted are none.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// A place that is gone is an error that we account for, never a silent jump.
		kgo.ConsumeResetOffset(kgo.NoResetOffset())}
	if src.TLS {
		c, err := tlsConfig(src)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(c))
	}
	if src.SASL != "" {
		m, err := mechanism(src)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(m))
	}
	cl, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("making the Kafka client: %w", err)
	}
	return cl, nil
}

func resolve(ref, what string) (secret.Value, error) {
	v, err := secret.FromRef(ref)
	if err != nil {
		return v, schema.E(schema.Unavailable, what+" of the Kafka source cannot be read", "set it where the worker runs", err)
	}
	return v, nil
}

func tlsConfig(src *schema.KafkaSource) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if src.CA != "" {
		pem, err := resolve(src.CA, "the authority")
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(pem.Reveal())) {
			return nil, schema.E(schema.Invalid, "the authority of the Kafka source holds no certificate", "PEM is expected")
		}
	}
	if src.ClientCert == "" {
		return c, nil
	}
	cert, err := resolve(src.ClientCert, "the client certificate")
	if err != nil {
		return nil, err
	}
	key, err := resolve(src.ClientKey, "the client key")
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(cert.Reveal()), []byte(key.Reveal()))
	if err != nil {
		return nil, schema.E(schema.Invalid, "the client certificate of the Kafka source does not fit its key", "", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

func mechanism(src *schema.KafkaSource) (sasl.Mechanism, error) {
	password, err := resolve(src.Password, "the password")
	if err != nil {
		return nil, err
	}
	switch src.SASL {
	case schema.SASLPlain:
		return plain.Auth{User: src.User, Pass: password.Reveal()}.AsMechanism(), nil
	case schema.SASLScram256:
		return scram.Auth{User: src.User, Pass: password.Reveal()}.AsSha256Mechanism(), nil
	default:
		return scram.Auth{User: src.User, Pass: password.Reveal()}.AsSha512Mechanism(), nil
	}
}

// Name is a partition as shown to people: the object of its chunks.
func Name(topic string, partition int32) string {
	return fmt.Sprintf("kafka://%s/%d", topic, partition)
}

// fingerprint is the identity of a partition. A topic that was deleted and made again has
// another id, and its offsets start again without meaning the same records.
func fingerprint(topic string, id kadm.TopicID, partition int32) string {
	return schema.HashID("kafka", topic, id.String(), fmt.Sprint(partition))
}

// topics asks for the source's topics; an error names those that are not there.
func topics(ctx context.Context, cl *kgo.Client, src *schema.KafkaSource) (kadm.TopicDetails, error) {
	list, err := kadm.NewClient(cl).ListTopics(ctx, src.Topics...)
	if err != nil {
		return nil, schema.E(schema.Unavailable, "the Kafka cluster does not answer", "check brokers, TLS and SASL: "+src.Brokers[0], err)
	}
	var missing error
	for _, t := range slices.Sorted(slices.Values(src.Topics)) {
		if d := list[t]; d.Err != nil || len(d.Partitions) == 0 {
			missing = errors.Join(missing, schema.E(schema.Unavailable, "the topic "+t+" is not there", "create it, or let the user read it", d.Err))
		}
	}
	return list, missing
}
