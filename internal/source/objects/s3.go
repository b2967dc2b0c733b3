// Package objects lists, hears of and fetches the objects of S3-compatible stores.
package objects

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"vigil/internal/secret"
	"vigil/schema"
)

// Object is an object of a bucket, with what identifies its content.
type Object struct {
	Bucket, Key, ETag string
	Size              int64
	Modified          time.Time // zero: not told
}

// Name is the object as shown to people and as parsers see it.
func (o Object) Name() string { return "s3://" + o.Bucket + "/" + o.Key }

// ID is the identity of the object: what has the same key and the same ETag was delivered
// before.
func (o Object) ID() string { return schema.HashID("s3", o.Bucket, o.Key, o.ETag) }

// ErrGone says that the object, or that content of it, is not there any more.
var ErrGone = errors.New("the object is gone, or has other content by now")

// Client talks to an object store, and to the queue that tells of its objects.
type Client struct {
	src schema.S3Source
	s3  *s3.Client
	sqs *sqs.Client
}

// Open makes a client. Secrets are looked up now, so that a changed one is taken at the
// next stretch. Without keys, an endpoint of one's own is asked unsigned, and AWS with
// what the host has (environment, profile, role).
func Open(ctx context.Context, src schema.S3Source) (*Client, error) {
	cfg := aws.Config{Region: cmp.Or(src.Region, "us-east-1"), Credentials: aws.AnonymousCredentials{}}
	switch {
	case src.AccessKey != "":
		keys, err := credentials(src)
		if err != nil {
			return nil, err
		}
		cfg.Credentials = keys
	case src.Endpoint == "":
		var err error
		if cfg, err = config.LoadDefaultConfig(ctx, config.WithRegion(cfg.Region)); err != nil {
			return nil, schema.E(schema.Unavailable, "the host has no usable AWS settings", "name access_key and secret_key", err)
		}
	}
	c := &Client{src: src}
	c.s3 = s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = src.PathStyle
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
		if src.Endpoint != "" {
			o.BaseEndpoint = &src.Endpoint
		}
	})
	c.sqs = sqs.NewFromConfig(cfg, func(o *sqs.Options) {
		if src.QueueEndpoint != "" {
			o.BaseEndpoint = &src.QueueEndpoint
		}
	})
	return c, nil
}

func credentials(src schema.S3Source) (aws.CredentialsProvider, error) {
	var values [3]string
	for i, ref := range []string{src.AccessKey, src.SecretKey, src.Token} {
		if ref == "" {
			continue
		}
		v, err := secret.FromRef(ref)
		if err != nil {
			return nil, schema.E(schema.Unavailable, "a key of the S3 source cannot be read", "set it where the worker runs", err)
		}
		values[i] = v.Reveal()
	}
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: values[0], SecretAccessKey: values[1], SessionToken: values[2], Source: "vigil"}, nil
	}), nil
}

// List yields the objects below the source's prefix in pages, in the order of their keys,
// behind a key.
func (c *Client) List(ctx context.Context, after string) iter.Seq2[[]Object, error] {
	return func(yield func([]Object, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &c.src.Bucket}
		if c.src.Prefix != "" {
			in.Prefix = &c.src.Prefix
		}
		if after = max(after, c.src.StartAfter); after != "" {
			in.StartAfter = &after
		}
		for pages := s3.NewListObjectsV2Paginator(c.s3, in); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, explained(err, "listing s3://"+c.src.Bucket+"/"+c.src.Prefix))
				return
			}
			var out []Object
			for _, o := range page.Contents {
				if key := aws.ToString(o.Key); key > after {
					out = append(out, Object{Bucket: c.src.Bucket, Key: key, ETag: strings.Trim(aws.ToString(o.ETag), `"`), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)})
				}
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

// Fetch copies the object into a folder and returns the path; ErrGone when that content
// is not there. Without an ETag it takes what is there.
func (c *Client) Fetch(ctx context.Context, o Object, dir string) (_ Object, file string, err error) {
	in := &s3.GetObjectInput{Bucket: &o.Bucket, Key: &o.Key}
	if o.ETag != "" {
		match := `"` + o.ETag + `"`
		in.IfMatch = &match
	}
	res, err := c.s3.GetObject(ctx, in)
	if err != nil {
		return o, "", explained(err, "fetching "+o.Name())
	}
	defer func() { _ = res.Body.Close() }()
	etag := strings.Trim(aws.ToString(res.ETag), `"`)
	if o.ETag != "" && etag != o.ETag {
		return o, "", fmt.Errorf("%s: %w", o.Name(), ErrGone) // the store does not know If-Match
	}
	o.ETag, o.Size = etag, aws.ToInt64(res.ContentLength)
	f, err := os.CreateTemp(dir, "*-"+safe(path.Base(o.Key)))
	if err != nil {
		return o, "", err
	}
	n, err := io.Copy(f, res.Body)
	if err == nil && res.ContentLength != nil && n != *res.ContentLength {
		err = fmt.Errorf("it broke off after %d of %d bytes", n, *res.ContentLength)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return o, "", schema.E(schema.Unavailable, "fetching "+o.Name()+" fails", "it is tried again", err)
	}
	return o, f.Name(), nil
}

// safe keeps the end of a key that a file may be named by.
func safe(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '*' || r == '/' || r == '!' || r < ' ' {
			return '_'
		}
		return r
	}, name)
	return name[max(0, len(name)-100):]
}

// explained tells apart what is gone, what may not be read and what may pass.
func explained(err error, doing string) error {
	status := 0
	var res *smithyhttp.ResponseError
	if errors.As(err, &res) {
		status = res.HTTPStatusCode()
	}
	code := ""
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	switch {
	case code == "NoSuchBucket":
		return schema.E(schema.Unavailable, doing+": there is no such bucket", "check bucket, endpoint and path style", err)
	case status == http.StatusNotFound, status == http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w", doing, ErrGone)
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return schema.E(schema.Unavailable, doing+" is not allowed", "check the keys and the rights: s3:ListBucket, s3:GetObject, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility", err)
	default:
		return schema.E(schema.Unavailable, doing+" fails", "it is tried again", err)
	}
}
