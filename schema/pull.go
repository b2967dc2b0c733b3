package schema

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// KafkaSource says where to consume, and as whom. Secrets stand in it only as
// references (env:NAME, file:/path).
type KafkaSource struct {
	Brokers []string `json:"brokers"` // host:port
	Topics  []string `json:"topics"`
	Group   string   `json:"group,omitempty"`   // consumer group; default vigil-<org>-<source>
	Start   string   `json:"start,omitempty"`   // of a partition nothing is stored of: earliest (default) or latest; since goes before
	Members int      `json:"members,omitempty"` // how many consume side by side, on whichever workers; default 1

	TLS        bool   `json:"tls,omitempty"`
	CA         string `json:"ca,omitempty"`          // reference to the PEM of the authority; default: the system's
	ClientCert string `json:"client_cert,omitempty"` // reference to a PEM certificate
	ClientKey  string `json:"client_key,omitempty"`  // reference to its PEM key
	SASL       string `json:"sasl,omitempty"`        // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	User       string `json:"user,omitempty"`
	Password   string `json:"password,omitempty"` // reference
}

// The SASL mechanisms.
const (
	SASLPlain    = "PLAIN"
	SASLScram256 = "SCRAM-SHA-256"
	SASLScram512 = "SCRAM-SHA-512"
)

const (
	// StartEarliest is the oldest record that is kept.
	StartEarliest = "earliest"
	// StartLatest is where the partition ends when the source is first planned.
	StartLatest = "latest"
)

const maxMembers = 64

// Validate checks the settings without asking anybody.
func (k *KafkaSource) Validate() error {
	switch {
	case len(k.Brokers) == 0 || len(k.Topics) == 0:
		return E(Invalid, "a Kafka source needs brokers and topics", `"kafka":{"brokers":["HOST:9092"],"topics":["TOPIC"]}`)
	case k.SASL != "" && k.SASL != SASLPlain && k.SASL != SASLScram256 && k.SASL != SASLScram512:
		return E(Invalid, fmt.Sprintf("there is no SASL mechanism %q", k.SASL), "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	case k.SASL != "" && (k.User == "" || k.Password == ""):
		return E(Invalid, "SASL needs a user and a password", "the password as a reference, such as env:KAFKA_PASSWORD or file:/path")
	case k.SASL == SASLPlain && !k.TLS:
		return E(Invalid, "SASL PLAIN without TLS shows the password to the network", "add tls, or use SCRAM-SHA-512")
	case (k.ClientCert == "") != (k.ClientKey == ""):
		return E(Invalid, "a client certificate needs its key", "name both client_cert and client_key")
	case !k.TLS && (k.CA != "" || k.ClientCert != ""):
		return E(Invalid, "certificates are named, but TLS is off", "add tls")
	case k.Start != "" && k.Start != StartEarliest && k.Start != StartLatest:
		return E(Invalid, "it cannot start at "+k.Start, "earliest, latest, or leave it out and name a time with since")
	case k.Members < 0 || k.Members > maxMembers:
		return E(Invalid, fmt.Sprintf("%d members are not possible", k.Members), fmt.Sprintf("1 to %d; more than partitions stand idle", maxMembers))
	}
	return references(k.CA, k.ClientCert, k.ClientKey, k.Password)
}

// S3Source says which objects to take. It lists a bucket, or hears of new objects from
// a queue. Secrets stand in it only as references.
type S3Source struct {
	Endpoint  string `json:"endpoint,omitempty"` // URL of an S3-compatible service; default: AWS
	Region    string `json:"region,omitempty"`   // default us-east-1
	PathStyle bool   `json:"path_style,omitempty"`
	AccessKey string `json:"access_key,omitempty"` // reference; without it the request is not signed
	SecretKey string `json:"secret_key,omitempty"` // reference
	Token     string `json:"token,omitempty"`      // reference to a session token

	Bucket     string `json:"bucket,omitempty"`
	Prefix     string `json:"prefix,omitempty"`
	StartAfter string `json:"start_after,omitempty"` // keys up to this one are passed over
	Ordered    bool   `json:"ordered,omitempty"`     // new keys sort behind old ones: later rounds list only behind the last

	Queue         string `json:"queue,omitempty"`          // URL of an SQS queue that is told of new objects; then nothing is listed
	QueueEndpoint string `json:"queue_endpoint,omitempty"` // URL of an SQS-compatible service; default: AWS
}

// Validate checks the settings without asking anybody.
func (s *S3Source) Validate() error {
	switch {
	case s.Bucket == "" && s.Queue == "":
		return E(Invalid, "an S3 source needs a bucket to list, or a queue to hear from", `"s3":{"bucket":"NAME"} or "s3":{"queue":"URL"}`)
	case s.Queue != "" && (s.Ordered || s.StartAfter != ""):
		return E(Invalid, "ordered and start_after are for listing, and a queue is named", "leave one out")
	case (s.AccessKey == "") != (s.SecretKey == ""):
		return E(Invalid, "an access key needs its secret key", "name both, as references such as env:AWS_SECRET_ACCESS_KEY")
	}
	for _, u := range []string{s.Endpoint, s.Queue, s.QueueEndpoint} {
		if u != "" && !strings.HasPrefix(u, "http://") && !strings.HasPrefix(u, "https://") {
			return E(Invalid, u+" is no URL", "http://HOST:PORT or https://HOST")
		}
	}
	return references(s.AccessKey, s.SecretKey, s.Token)
}

var reference = regexp.MustCompile(`^(env|file):.+`)

// references makes sure that no secret itself stands in the settings.
func references(refs ...string) error {
	for _, r := range refs {
		if r != "" && !reference.MatchString(r) {
			return E(Invalid, "a secret is not a reference", "env:NAME or file:/path on the worker's host; the secret itself is never stored")
		}
	}
	return nil
}

// SourceDef is the stored definition of a source that Vigil pulls from.
type SourceDef struct {
	Org     string          `json:"org"`
	ID      string          `json:"id"`
	Kind    string          `json:"kind"` // a row of flow.SourceKinds
	Doc     json.RawMessage `json:"doc"`  // the start of its Ingest workflow: flow.IngestInput without cursor
	Removed bool            `json:"removed,omitempty"`
	Created time.Time       `json:"created"`
	Version uint64          `json:"version"`
}
