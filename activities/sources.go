package activities

import (
	"bytes"
	"cmp"
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
	in.Kind = cmp.Or(in.Kind, flow.KindFiles)
	if have.Kind != "" && have.Kind != in.Kind {
		return time.Time{}, schema.E(schema.Conflict, fmt.Sprintf("%s is a %s source", in.Source, have.Kind), "the same bytes would be stored twice: choose another name, or `vigil sources backfill`")
	}
	if bare := in.Kafka == nil && in.S3 == nil && in.Settings == "" && len(in.Paths) == 0; bare {
		if err != nil {
			return time.Time{}, err
		}
		stored, err := startOf(have)
		if err != nil {
			return time.Time{}, err
		}
		in.Kafka, in.S3, in.Settings, in.Paths = stored.Kafka, stored.S3, stored.Settings, stored.Paths
		in.Format, in.Zone, in.Host = cmp.Or(in.Format, stored.Format), cmp.Or(in.Zone, stored.Zone), cmp.Or(in.Host, stored.Host)
		in.Epoch, in.Every = max(in.Epoch, stored.Epoch), cmp.Or(in.Every, stored.Every)
	}
	if err := validate(in); err != nil {
		return time.Time{}, err
	}
	if in.Once && have.ID != "" || have.Removed {
		return have.Created, nil
	}
	next, err := definition(*in, have)
	if err != nil || bytes.Equal(next.Doc, have.Doc) {
		return next.Created, err
	}
	return next.Created, s.PutSource(ctx, next)
}

// startOf is how a source is started.
func startOf(d schema.SourceDef) (in flow.IngestInput, err error) {
	if err := json.Unmarshal(d.Doc, &in); err != nil {
		return in, fmt.Errorf("reading the definition of the source: %w", err)
	}
	return in, nil
}

// definition is the next version of a source's definition: its start, without what is
// of one run.
func definition(in flow.IngestInput, have schema.SourceDef) (schema.SourceDef, error) {
	in.Cursor, in.By = nil, ""
	if in.Kind == flow.KindFiles {
		in.Since, in.Until = time.Time{}, time.Time{}
	}
	doc, err := json.Marshal(in)
	next := schema.SourceDef{Org: in.Org, ID: in.Source, Kind: in.Kind, Doc: doc, Created: have.Created, Version: have.Version + 1}
	if next.Created.IsZero() {
		next.Created = time.Now().UTC().Truncate(time.Millisecond)
	}
	return next, err
}

// validate checks what a source is told, without asking anybody.
func validate(in *flow.IngestInput) error {
	if _, err := time.LoadLocation(in.Zone); err != nil {
		return schema.E(schema.Invalid, "unknown time zone "+in.Zone, "use an IANA name such as Europe/Berlin")
	}
	switch {
	case in.Kind == flow.KindFiles:
		return nil // the paths are looked at when they are walked
	case in.Kind == flow.KindTail:
		return checkTail(*in)
	case in.Kind == flow.KindPull:
		_, err := pullDocument(*in)
		return err
	case in.Kind == flow.KindKafka && in.Kafka != nil && in.S3 == nil:
		return in.Kafka.Validate()
	case in.Kind == flow.KindS3 && in.S3 != nil && in.Kafka == nil:
		return in.S3.Validate()
	default:
		return schema.E(schema.Invalid, "a source of kind "+in.Kind+" needs its settings and no other's", `"kind":"kafka" with "kafka":{…}, or "kind":"s3" with "s3":{…}`)
	}
}
