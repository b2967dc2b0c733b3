package store

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

const indicatorColumns = "org, id, feed, type, value, name, confidence, labels, valid_from, valid_until, revoked, version"

// putRows is how many indicators one insert carries.
const putRows = 50_000

// PutIndicators stores indicators; of one the highest Version holds.
func (s *Store) PutIndicators(ctx context.Context, list []schema.Indicator) error {
	for part := range slices.Chunk(list, putRows) {
		rows := make([][]any, len(part))
		for i, x := range part {
			labels := x.Labels
			if labels == nil {
				labels = []string{}
			}
			rows[i] = []any{x.Org, x.ID, x.Feed, x.Type, x.Value, x.Name, int32(x.Confidence), labels, epoch(x.ValidFrom), epoch(x.ValidUntil), x.Revoked, x.Version}
		}
		if err := s.insert(ctx, "indicators", indicatorColumns, "", rows); err != nil {
			return fmt.Errorf("writing indicators: %w", err)
		}
	}
	return nil
}

// epoch makes the zero time what the column means by it.
func epoch(t time.Time) time.Time {
	if t.Unix() <= 0 {
		return time.Unix(0, 0).UTC()
	}
	return t
}

func unepoch(t time.Time) time.Time {
	if t.Unix() == 0 {
		return time.Time{}
	}
	return t.UTC()
}

// IndicatorFilter chooses indicators; empty fields choose all.
type IndicatorFilter struct {
	Feed, Type string
	Value      string // exactly this value
	Text       string // part of value, name or a label
	Status     string // active, expired, revoked; "": all
	At         time.Time
	Limit      int    // default 100, at most 1000
	Cursor     string // Next of the page before
}

// Indicators lists indicators by type and value; next is the cursor of the following
// page, "" at the end.
func (s *Store) Indicators(ctx context.Context, org string, f IndicatorFilter) (list []schema.Indicator, next string, err error) {
	limit := pageLimit(f.Limit)
	after, err := cursorParts(f.Cursor, 3)
	if err != nil {
		return nil, "", err
	}
	list = []schema.Indicator{}
	err = s.each(ctx, "SELECT "+indicatorColumns+` FROM indicators FINAL WHERE org = {org:String}
AND ({feed:String} = '' OR feed = {feed:String}) AND ({type:String} = '' OR type = {type:String}) AND ({value:String} = '' OR value = {value:String})
AND ({text:String} = '' OR positionCaseInsensitiveUTF8(concat(value, ' ', name, ' ', arrayStringConcat(labels, ' ')), {text:String}) > 0)
AND ({status:String} = '' OR {status:String} = multiIf(revoked, 'revoked', toUnixTimestamp64Milli(valid_until) != 0 AND toUnixTimestamp64Milli(valid_until) <= {at:Int64}, 'expired', 'active'))
AND ({more:UInt8} = 0 OR (type, value, feed) > ({t:String}, {v:String}, {w:String}))
ORDER BY type, value, feed, id LIMIT {limit:UInt32}`,
		P{"org": org, "feed": f.Feed, "type": f.Type, "value": f.Value, "text": f.Text, "status": f.Status, "at": f.At.UnixMilli(),
			"more": min(len(f.Cursor), 1), "t": after[0], "v": after[1], "w": after[2], "limit": limit},
		func(r driver.Rows) error {
			var x schema.Indicator
			var confidence int32
			if err := r.Scan(&x.Org, &x.ID, &x.Feed, &x.Type, &x.Value, &x.Name, &confidence, &x.Labels, &x.ValidFrom, &x.ValidUntil, &x.Revoked, &x.Version); err != nil {
				return err
			}
			x.Confidence, x.ValidFrom, x.ValidUntil = int(confidence), unepoch(x.ValidFrom), unepoch(x.ValidUntil)
			list = append(list, x)
			return nil
		})
	if err != nil {
		return nil, "", fmt.Errorf("listing indicators: %w", err)
	}
	if len(list) == limit {
		last := list[limit-1]
		next = cursorOf(last.Type, last.Value, last.Feed)
	}
	return list, next, nil
}

// cursorOf packs the sort key of a page's last row.
func cursorOf(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
}

func cursorParts(cursor string, n int) ([]string, error) {
	if cursor == "" {
		return make([]string, n), nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if parts := strings.Split(string(b), "\x00"); err == nil && len(parts) == n {
		return parts, nil
	}
	return nil, schema.E(schema.Invalid, "the cursor is damaged", "take it from the page before as it is")
}

// PutFeed stores a feed; the highest Version holds.
func (s *Store) PutFeed(ctx context.Context, f schema.Feed) error {
	err := s.insert(ctx, "feeds", "org, id, status, indicators, error, synced, doc, version", "",
		[][]any{{f.Org, f.ID, f.Status, int64(f.Indicators), f.Error, epoch(f.Synced), asJSON(f), f.Version}})
	if err != nil {
		return fmt.Errorf("writing feed %s: %w", f.ID, err)
	}
	return nil
}

// Feeds lists the feeds that are not removed.
func (s *Store) Feeds(ctx context.Context, org string) ([]schema.Feed, error) {
	list, err := docs[schema.Feed](ctx, s, "SELECT doc FROM feeds FINAL WHERE org = {org:String} AND status != 'removed' ORDER BY id", P{"org": org})
	if err != nil {
		return nil, fmt.Errorf("listing feeds: %w", err)
	}
	return list, nil
}

// Feed returns one feed, removed or not; NotFound when there never was one.
func (s *Store) Feed(ctx context.Context, org, id string) (schema.Feed, error) {
	return doc[schema.Feed](ctx, s, "feed "+id, "SELECT doc FROM feeds FINAL WHERE org = {org:String} AND id = {id:String}", P{"org": org, "id": id})
}

// FeedParts returns the part that each feed stands at: what a set of now is made of.
func (s *Store) FeedParts(ctx context.Context, org string) (map[string]string, error) {
	out := map[string]string{}
	err := s.each(ctx, "SELECT id, JSONExtractString(doc, 'part') FROM feeds FINAL WHERE org = {org:String} AND status != 'removed'", P{"org": org}, func(r driver.Rows) error {
		var id, part string
		if err := r.Scan(&id, &part); err != nil {
			return err
		}
		if part != "" {
			out[id] = part
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading what feeds stand at: %w", err)
	}
	return out, nil
}

// PutIntelPart stores the bodies of a part under its content hash; a repeat changes
// nothing.
func (s *Store) PutIntelPart(ctx context.Context, org, part string, bodies []string) error {
	for n, b := range bodies {
		if err := s.insert(ctx, "intel_parts", "org, part, n, body", "", [][]any{{org, part, uint32(n), b}}); err != nil {
			return fmt.Errorf("writing an indicator set: %w", err)
		}
	}
	return nil
}

// IntelPart returns the bodies of a part, in order.
func (s *Store) IntelPart(ctx context.Context, org, part string) ([]string, error) {
	var out []string
	err := s.each(ctx, "SELECT n, body FROM intel_parts FINAL WHERE org = {org:String} AND part = {part:String} ORDER BY n", P{"org": org, "part": part}, func(r driver.Rows) error {
		var n uint32
		var b string
		if err := r.Scan(&n, &b); err != nil {
			return err
		}
		if int(n) != len(out) {
			return schema.E(schema.Internal, "a stored indicator set has a hole", "sync its feed again")
		}
		out = append(out, b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading an indicator set: %w", err)
	}
	return out, nil
}

// PutIntelSet records which parts a version is made of; a repeat changes nothing.
func (s *Store) PutIntelSet(ctx context.Context, org, version string, parts map[string]string) error {
	if err := s.insert(ctx, "intel_sets", "org, version, parts", "", [][]any{{org, version, parts}}); err != nil {
		return fmt.Errorf("recording an indicator set: %w", err)
	}
	return nil
}

// IntelSet returns the parts of a version; NotFound when nobody recorded it.
func (s *Store) IntelSet(ctx context.Context, org, version string) (map[string]string, error) {
	var parts map[string]string
	found, err := s.row(ctx, "SELECT parts FROM intel_sets FINAL WHERE org = {org:String} AND version = {version:String}", P{"org": org, "version": version}, &parts)
	if err == nil && !found {
		err = schema.E(schema.NotFound, "there is no indicator set "+version, "")
	}
	if err != nil {
		return nil, fmt.Errorf("reading an indicator set: %w", err)
	}
	return parts, nil
}

const sightingColumns = "org, indicator, value, feed, event_id, source, chunk, time, ingested"

func (s *Store) putSightings(ctx context.Context, token string, list []schema.Sighting) error {
	rows := make([][]any, len(list))
	for i, x := range list {
		rows[i] = []any{x.Org, x.Indicator, x.Value, x.Feed, x.EventID, x.Source, x.Chunk, x.Time, x.Ingested}
	}
	return s.insert(ctx, "sightings", sightingColumns, token, rows)
}

// SightingFilter chooses sightings; empty fields choose all.
type SightingFilter struct {
	Feed, Value, Source string
	Limit               int
	Cursor              string
}

// Sightings lists sightings, newest event first; next is the cursor of the following
// page, "" at the end.
func (s *Store) Sightings(ctx context.Context, org string, f SightingFilter) (list []schema.Sighting, next string, err error) {
	limit := pageLimit(f.Limit)
	before, err := cursorParts(f.Cursor, 3)
	if err != nil {
		return nil, "", err
	}
	list = []schema.Sighting{}
	err = s.each(ctx, "SELECT "+sightingColumns+` FROM sightings WHERE org = {org:String}
AND ({feed:String} = '' OR feed = {feed:String}) AND ({value:String} = '' OR value = {value:String}) AND ({source:String} = '' OR source = {source:String})
AND ({more:UInt8} = 0 OR (toString(time), event_id, indicator) < ({a:String}, {b:String}, {c:String}))
ORDER BY toString(time) DESC, event_id DESC, indicator DESC LIMIT {limit:UInt32}`,
		P{"org": org, "feed": f.Feed, "value": f.Value, "source": f.Source, "more": min(len(f.Cursor), 1), "a": before[0], "b": before[1], "c": before[2], "limit": limit},
		func(r driver.Rows) error {
			var x schema.Sighting
			if err := r.Scan(&x.Org, &x.Indicator, &x.Value, &x.Feed, &x.EventID, &x.Source, &x.Chunk, &x.Time, &x.Ingested); err != nil {
				return err
			}
			list = append(list, x)
			return nil
		})
	if err != nil {
		return nil, "", fmt.Errorf("listing sightings: %w", err)
	}
	if len(list) == limit {
		last := list[limit-1]
		next = cursorOf(last.Time.UTC().Format("2006-01-02 15:04:05.000000"), last.EventID, last.Indicator)
	}
	return list, next, nil
}
