package server

import (
	"context"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

func (s *Server) listFeeds(ctx context.Context, _ *struct{}) (*body[list[schema.Feed]], error) {
	feeds, err := s.o.Store.Feeds(ctx, orgOf(ctx))
	if err != nil {
		return nil, err
	}
	return answerList(feeds, ""), nil
}

type indicatorsInput struct {
	Feed   string `query:"feed" maxLength:"64"`
	Type   string `query:"type" enum:"ip,cidr,domain,url,md5,sha1,sha256,email,"`
	Value  string `query:"value" maxLength:"2048"`
	Text   string `query:"q" maxLength:"200"`
	Status string `query:"status" enum:"active,expired,revoked,"`
	Cursor string `query:"cursor" maxLength:"4096"`
	Limit  int    `query:"limit" minimum:"0" maximum:"1000"`
}

func (s *Server) listIndicators(ctx context.Context, in *indicatorsInput) (*body[list[schema.Indicator]], error) {
	items, next, err := s.o.Store.Indicators(ctx, orgOf(ctx), store.IndicatorFilter{Feed: in.Feed, Type: in.Type, Value: in.Value, Text: in.Text, Status: in.Status,
		At: time.Now(), Cursor: in.Cursor, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	return answerList(items, next), nil
}

type sightingsInput struct {
	Feed   string `query:"feed" maxLength:"64"`
	Value  string `query:"value" maxLength:"2048"`
	Source string `query:"source" maxLength:"100"`
	Cursor string `query:"cursor" maxLength:"4096"`
	Limit  int    `query:"limit" minimum:"0" maximum:"1000"`
}

func (s *Server) listSightings(ctx context.Context, in *sightingsInput) (*body[list[schema.Sighting]], error) {
	items, next, err := s.o.Store.Sightings(ctx, orgOf(ctx), store.SightingFilter{Feed: in.Feed, Value: in.Value, Source: in.Source, Cursor: in.Cursor, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	return answerList(items, next), nil
}

type feedInput struct {
	Body struct {
		Feed       string            `json:"feed" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$"`
		Kind       string            `json:"kind,omitempty" enum:"stix,csv,text,zeek-intel,misp,"`
		URL        string            `json:"url,omitempty" maxLength:"2048" doc:"http(s)://… or a path on the worker's host"`
		Type       string            `json:"type,omitempty" enum:"ip,cidr,domain,url,md5,sha1,sha256,email,"`
		Columns    map[string]string `json:"columns,omitempty" doc:"CSV column → value, type, name, confidence, labels, valid_from or valid_until"`
		Confidence int               `json:"confidence,omitempty" minimum:"0" maximum:"100"`
		TTLHours   int               `json:"ttl_hours,omitempty" minimum:"-1" maximum:"87600"`
		Secret     string            `json:"secret,omitempty" maxLength:"200" doc:"env:VIGIL_INTEL_…"`
		Every      int               `json:"every_minutes,omitempty" minimum:"-1" maximum:"525600"`
	}
}

// putFeed adds or changes a feed: it starts the sync, which does the rest.
func (s *Server) putFeed(ctx context.Context, in *feedInput) (*body[started], error) {
	b := in.Body
	if strings.HasPrefix(b.Secret, "file:") {
		return nil, schema.E(schema.Denied, "a feed's secret cannot be a file when it is set over the API", "use env:VIGIL_INTEL_…, or `vigil intel add` on the machine")
	}
	return s.startSync(ctx, flow.SyncIntelInput{Feed: b.Feed, Kind: b.Kind, URL: b.URL, Type: b.Type, Columns: b.Columns, Confidence: b.Confidence, TTLHours: b.TTLHours,
		Secret: b.Secret, Every: b.Every})
}

type changeFeedInput struct {
	ID   string `path:"id" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$"`
	Verb string `path:"verb" enum:"sync,remove"`
}

// changeFeed syncs a feed now, or ends it.
func (s *Server) changeFeed(ctx context.Context, in *changeFeedInput) (*body[started], error) {
	return s.startSync(ctx, flow.SyncIntelInput{Feed: in.ID, Remove: in.Verb == "remove"})
}

// startSync starts SyncIntel under an id of its own; it waits there while the feed is being
// synced.
func (s *Server) startSync(ctx context.Context, in flow.SyncIntelInput) (*body[started], error) {
	in.Org, in.By = orgOf(ctx), callerOf(ctx).user.Name
	id := flow.SyncIntelID(in.Org, in.Feed) + "/" + schema.HashID("api", in.By, time.Now().UTC().Format(time.RFC3339Nano))[:12]
	if _, err := s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueIntel}, flow.SyncIntel, in); err != nil {
		return nil, temporalError(err)
	}
	return answer(started{id}), nil
}
