package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/parser"
	"vigil/schema"
	"vigil/schema/flow"
)

func newSourcesAddKafkaCmd(a *app) *cobra.Command {
	var k schema.KafkaSource
	in := flow.IngestInput{Kind: flow.KindKafka, Kafka: &k}
	var since string
	c := &cobra.Command{
		Use: "add-kafka NAME --brokers HOST:9092 --topics TOPIC", Short: "Consume topics of Kafka, each record exactly once", Args: cobra.ExactArgs(1),
		Long: `Consumes as a consumer group for as long as the source is there. Every offset is stored once, across rebalances and
crashes; ` + "`vigil prove NAME`" + ` reads the topics again by offsets and agrees, or names the chunk that differs. Secrets are references
(env:NAME, file:/path) that the worker looks up; the secret itself is never stored. See docs/guides/kafka.md.`,
		Example: `  vigil sources add-kafka edge --brokers kafka-1:9092,kafka-2:9092 --topics firewall,proxy
  vigil sources add-kafka edge --brokers kafka-1:9093 --topics windows --format windows --members 4 \
    --tls --ca file:/etc/vigil/kafka-ca.pem --sasl SCRAM-SHA-512 --user vigil --password env:VIGIL_KAFKA_PASSWORD
  vigil sources add-kafka edge --brokers kafka-1:9092 --topics firewall --since 2026-01-31T08:00:00Z`,
		RunE: func(c *cobra.Command, args []string) error {
			in.Source = args[0]
			return a.addStream(c.Context(), in, since, k.Validate)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&k.Brokers, "brokers", nil, "host:port of some brokers")
	f.StringSliceVar(&k.Topics, "topics", nil, "topics")
	f.StringVar(&k.Group, "group", "", "consumer group; default vigil-ORG-NAME")
	f.StringVar(&k.Start, "start", "", "where a partition begins that nothing is stored of: earliest (default) or latest")
	f.IntVar(&k.Members, "members", 1, "how many consume side by side, on whichever workers have room; at most one a partition is of use")
	f.BoolVar(&k.TLS, "tls", false, "connect by TLS")
	f.StringVar(&k.CA, "ca", "", "reference to the authority's certificate in PEM; default: the system's authorities")
	f.StringVar(&k.ClientCert, "client-cert", "", "reference to a client certificate in PEM")
	f.StringVar(&k.ClientKey, "client-key", "", "reference to its key in PEM")
	f.StringVar(&k.SASL, "sasl", "", "PLAIN (with --tls), SCRAM-SHA-256 or SCRAM-SHA-512")
	f.StringVar(&k.User, "user", "", "user, for --sasl")
	f.StringVar(&k.Password, "password", "", "reference to the password, such as env:VIGIL_KAFKA_PASSWORD")
	streamFlags(c, &in, &since)
	return c
}

func newSourcesAddS3Cmd(a *app) *cobra.Command {
	var s schema.S3Source
	in := flow.IngestInput{Kind: flow.KindS3, S3: &s}
	var since string
	c := &cobra.Command{
		Use: "add-s3 NAME --bucket BUCKET", Short: "Take the objects of an S3-compatible store, each exactly once", Args: cobra.ExactArgs(1),
		Long: `Lists a bucket every so often, or hears of new objects from an SQS queue. Objects may be gzip, zstd, zip, Parquet, Windows
event logs or plain. An object is known by key and ETag: a second delivery doubles nothing. Without keys, AWS is asked with what the
worker's host has (environment, profile, role), and an endpoint of one's own unsigned. Secrets are references (env:NAME, file:/path)
that the worker looks up. See docs/guides/s3.md.`,
		Example: `  vigil sources add-s3 trail --bucket my-trail --prefix AWSLogs/ --region eu-central-1 --ordered
  vigil sources add-s3 trail --queue https://sqs.eu-central-1.amazonaws.com/123456789012/trail --region eu-central-1
  vigil sources add-s3 lake --endpoint http://minio:9000 --path-style --bucket logs --access-key env:MINIO_USER --secret-key env:MINIO_PASSWORD
  vigil sources add-s3 old --bucket archive --prefix 2026/ --since 2026-01-01T00:00:00Z --once`,
		RunE: func(c *cobra.Command, args []string) error {
			in.Source = args[0]
			return a.addStream(c.Context(), in, since, s.Validate)
		},
	}
	f := c.Flags()
	f.StringVar(&s.Endpoint, "endpoint", "", "URL of an S3-compatible service; default: AWS")
	f.StringVar(&s.Region, "region", "", "region; default us-east-1")
	f.BoolVar(&s.PathStyle, "path-style", false, "http://HOST/BUCKET instead of http://BUCKET.HOST, as MinIO and Ceph want it")
	f.StringVar(&s.AccessKey, "access-key", "", "reference to the access key")
	f.StringVar(&s.SecretKey, "secret-key", "", "reference to the secret key")
	f.StringVar(&s.Token, "session-token", "", "reference to a session token")
	f.StringVar(&s.Bucket, "bucket", "", "bucket")
	f.StringVar(&s.Prefix, "prefix", "", "only keys that begin so")
	f.StringVar(&s.StartAfter, "start-after", "", "only keys that sort behind this one")
	f.BoolVar(&s.Ordered, "ordered", false, "new keys sort behind old ones (dates do): later rounds list only behind the last")
	f.StringVar(&s.Queue, "queue", "", "URL of an SQS queue that the bucket notifies; then nothing is listed")
	f.StringVar(&s.QueueEndpoint, "queue-endpoint", "", "URL of an SQS-compatible service; default: AWS")
	f.IntVar(&in.Every, "every", 0, "seconds between two listings; default 60")
	f.BoolVar(&in.Once, "once", false, "end when what is listed is stored")
	streamFlags(c, &in, &since)
	return c
}

func streamFlags(c *cobra.Command, in *flow.IngestInput, since *string) {
	f := c.Flags()
	f.StringVar(&in.Format, "format", "", "format of everything; default: detected by content")
	f.StringVar(&in.Zone, "zone", "", "time zone of timestamps that name none (IANA), default UTC")
	f.StringVar(since, "since", "", "only what was written since then, such as 2026-01-31T08:00:00Z")
}

// addStream checks what can be checked here, and adds the source.
func (a *app) addStream(ctx context.Context, in flow.IngestInput, since string, validate func() error) error {
	if since != "" {
		var err error
		if in.Since, err = time.Parse(time.RFC3339, since); err != nil {
			return exit(2, errors.New("--since is no time: write it like 2026-01-31T08:00:00Z"))
		}
	}
	if in.Format != "" {
		if _, err := parser.ByName(in.Format); err != nil {
			return exit(2, err)
		}
	}
	if err := validate(); err != nil {
		return exit(2, err)
	}
	return a.addSource(ctx, in)
}
