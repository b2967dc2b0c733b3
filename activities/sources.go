package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"vigil/schema"
	"vigil/schema/flow"
)

// SourceStore keeps the definitions of sources that Vigil pulls from; *store.Store is one.
type SourceStore interface {
	SourceDef(ctx context.Context, org, id string) (schema.SourceDef, error)
	PutSource(ctx context.Context, d schema.SourceDef) error
}

// define makes the start of a source whole: what it does not say is as it is stored, and
// what is new of it is stored, so that it can be listed, proved and started again by its
// name. It returns when the source was made.
func define(ctx context.Context, s SourceStore, in *flow.IngestInput) (time.Time, error) {
	if !sourceName.MatchString(in.Source) {
		return time.Time{}, schema.E(schema.Invalid, fmt.Sprintf("a source cannot be named %q", in.Source), "letters, digits, dot, hyphen and underscore")
	}
	have, err := s.SourceDef(ctx, in.Org, in.Source)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return time.Time{}, fmt.Errorf("reading the definition of the source: %w", err)
	}
	if in.Kafka == nil && in.S3 == nil {
		if err != nil {
			return time.Time{}, err
		}
		var stored flow.IngestInput
		if err := json.Unmarshal(have.Doc, &stored); err != nil {
			return time.Time{}, fmt.Errorf("reading the definition of the source: %w", err)
		}
		in.Kafka, in.S3 = stored.Kafka, stored.S3
		if in.Format == "" {
			in.Format = stored.Format
		}
		if in.Zone == "" {
			in.Zone = stored.Zone
		}
	}
	if err := validate(in); err != nil {
		return time.Time{}, err
	}
	doc, err := json.Marshal(flow.IngestInput{Org: in.Org, Source: in.Source, Kind: in.Kind, Kafka: in.Kafka, S3: in.S3, Format: in.Format, Zone: in.Zone})
	if err != nil {
		return time.Time{}, err
	}
	if bytes.Equal(doc, have.Doc) {
		return have.Created, nil
	}
	next := schema.SourceDef{Org: in.Org, ID: in.Source, Kind: in.Kind, Doc: doc, Created: have.Created, Version: have.Version + 1}
	if next.Created.IsZero() {
		next.Created = time.Now().UTC().Truncate(time.Millisecond)
	}
	return next.Created, s.PutSource(ctx, next)
}

// validate checks what a source is told, without asking anybody.
func validate(in *flow.IngestInput) error {
	if _, err := time.LoadLocation(in.Zone); err != nil {
		return schema.E(schema.Invalid, "unknown time zone "+in.Zone, "use an IANA name such as Europe/Berlin")
	}
	switch {
	case in.Kind == flow.KindKafka && in.Kafka != nil && in.S3 == nil:
		return in.Kafka.Validate()
	case in.Kind == flow.KindS3 && in.S3 != nil && in.Kafka == nil:
		return in.S3.Validate()
	default:
		return schema.E(schema.Invalid, "a source of kind "+in.Kind+" needs its settings and no other's", `"kind":"kafka" with "kafka":{…}, or "kind":"s3" with "s3":{…}`)
	}
}
