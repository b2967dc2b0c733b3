package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"vigil/internal/intel"
	"vigil/internal/secret"
	"vigil/schema"
	"vigil/schema/flow"
)

// IntelStore keeps feeds and their indicators.
type IntelStore interface {
	SetStore
	Feed(ctx context.Context, org, id string) (schema.Feed, error)
	PutFeed(ctx context.Context, f schema.Feed) error
	PutIndicators(ctx context.Context, list []schema.Indicator) error
	PutIntelPart(ctx context.Context, org, part string, bodies []string) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
}

// Scheduler makes schedules; the Temporal client is one.
type Scheduler interface {
	ScheduleClient() client.ScheduleClient
}

// Intel syncs feeds.
type Intel struct {
	Store    IntelStore
	Sets     *IntelSets
	Trail    Trail
	Temporal Scheduler
	Log      *slog.Logger
}

// FeedInput is one run of a feed's workflow.
type FeedInput struct {
	Sync flow.SyncIntelInput `json:"sync"`
	Key  string              `json:"key"` // of the run: a repeat of it changes nothing
	Now  time.Time           `json:"now"`
}

// defaultTTL is how long an indicator that names no end is valid after the last sync
// that saw it.
const defaultTTL = 30 * 24 * time.Hour

// secretNames are the environment variables a feed may read: a setting must not send
// Vigil's own secrets anywhere.
const secretNames = "env:VIGIL_INTEL_"

// SyncFeed reads a feed and stores what is new, changed or gone. A feed is always whole:
// what it no longer lists is revoked. The feed's row is written last; a retry of the same
// run finds it and returns its result.
func (x *Intel) SyncFeed(ctx context.Context, in FeedInput) (flow.SyncIntelResult, error) {
	activity.RecordHeartbeat(ctx)
	prev, err := x.Store.Feed(ctx, in.Sync.Org, in.Sync.Feed)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return flow.SyncIntelResult{}, Retryable(err)
	}
	if prev.Run == in.Key && prev.Status == "synced" {
		return x.done(ctx, prev, in)
	}
	f, err := settings(prev, in)
	if err != nil {
		return flow.SyncIntelResult{}, Retryable(err)
	}
	s := &feedSync{x: x, in: in, prev: prev, feed: f, beat: beater(ctx)}
	if err := s.run(ctx); err != nil {
		return flow.SyncIntelResult{}, Retryable(fmt.Errorf("syncing feed %s: %w", f.ID, err))
	}
	return x.done(ctx, s.feed, in)
}

// done audits a sync and returns its result.
func (x *Intel) done(ctx context.Context, f schema.Feed, in FeedInput) (flow.SyncIntelResult, error) {
	err := x.tell(ctx, f, in, "intel.sync", "ok", map[string]string{"url": f.URL, "added": fmt.Sprint(f.Added), "changed": fmt.Sprint(f.Changed),
		"expired": fmt.Sprint(f.Expired), "refused": fmt.Sprint(f.Refused)})
	if err != nil {
		return flow.SyncIntelResult{}, Retryable(err)
	}
	return x.result(ctx, f)
}

// beater heartbeats at most once a second.
func beater(ctx context.Context) func() {
	last := time.Now()
	return func() {
		if time.Since(last) > time.Second {
			last = time.Now()
			activity.RecordHeartbeat(ctx)
		}
	}
}

func (x *Intel) result(ctx context.Context, f schema.Feed) (flow.SyncIntelResult, error) {
	v, err := x.Sets.Version(ctx, f.Org)
	return flow.SyncIntelResult{Feed: f.ID, Read: f.Read, Added: f.Added, Changed: f.Changed, Expired: f.Expired, Refused: f.Refused, Ignored: f.Ignored,
		Active: f.Active, Reasons: f.Reasons, Version: v}, Retryable(err)
}

// settings puts what was asked on what is known of the feed, and checks it.
func settings(prev schema.Feed, in FeedInput) (schema.Feed, error) {
	i, f := in.Sync, prev
	f.ID, f.Org, f.Run, f.Tried, f.Version = i.Feed, i.Org, in.Key, in.Now, prev.Version+1
	if prev.Status == "removed" {
		f = schema.Feed{ID: i.Feed, Org: i.Org, Run: in.Key, Tried: in.Now, Version: prev.Version + 1}
	}
	for _, s := range []struct {
		to   *string
		from string
	}{{&f.Kind, i.Kind}, {&f.URL, i.URL}, {&f.Type, i.Type}, {&f.Secret, i.Secret}} {
		if s.from != "" {
			*s.to = s.from
		}
	}
	for _, n := range []struct {
		to   *int
		from int
	}{{&f.Confidence, i.Confidence}, {&f.TTLHours, i.TTLHours}, {&f.Every, i.Every}} {
		if n.from != 0 {
			*n.to = n.from
		}
	}
	f.Every = max(f.Every, 0)
	if len(i.Columns) > 0 {
		f.Columns = i.Columns
	}
	return f, checkFeed(f)
}

func checkFeed(f schema.Feed) error {
	if f.URL == "" {
		return schema.E(schema.NotFound, "there is no feed "+f.ID, "give its kind and url to make it")
	}
	if _, err := intel.KindByName(f.Kind); err != nil {
		return err
	}
	if !strings.Contains(f.URL, "://") && !filepath.IsAbs(f.URL) {
		return schema.E(schema.Invalid, "the path "+f.URL+" is not absolute", "name the path as the worker's host knows it")
	}
	if f.Type != "" && !slices.Contains(intel.Types(), f.Type) {
		return schema.E(schema.Invalid, fmt.Sprintf("there is no indicator type %q", f.Type), "one of "+strings.Join(intel.Types(), ", "))
	}
	if f.Confidence < 0 || f.Confidence > 100 {
		return schema.E(schema.Invalid, "the confidence is not between 0 and 100", "")
	}
	if f.TTLHours < -1 || f.TTLHours > 24*3650 {
		return schema.E(schema.Invalid, "the validity is not between 1 hour and ten years", "0 is 30 days, -1 for ever")
	}
	if strings.HasPrefix(f.Secret, "env:") && !strings.HasPrefix(f.Secret, secretNames) {
		return schema.E(schema.Invalid, "a feed may not read the variable "+f.Secret, "name it "+secretNames+"…")
	}
	return intel.CheckColumns(f.Columns)
}

// feedSync is the state of one SyncFeed.
type feedSync struct {
	x     *Intel
	in    FeedInput
	prev  schema.Feed
	feed  schema.Feed
	beat  func()
	fresh []intel.Entry
	rows  []schema.Indicator
}

func (s *feedSync) run(ctx context.Context) error {
	old, err := s.known(ctx)
	if err != nil {
		return err
	}
	if err := s.read(ctx, old); err != nil {
		return err
	}
	s.diff(old)
	if s.feed.Active == 0 && len(s.fresh) == 0 && s.prev.Active > 0 {
		return schema.E(schema.Invalid, fmt.Sprintf("the feed held %d indicators and is empty now; they are kept", s.prev.Indicators), "look at its address; end the feed if it is meant")
	}
	return s.store(ctx)
}

// known returns the entries of the last sync.
func (s *feedSync) known(ctx context.Context) ([]intel.Entry, error) {
	if s.prev.Part == "" || s.prev.Status == "removed" {
		return nil, nil
	}
	return s.x.Sets.part(ctx, s.feed.Org, s.prev.Part)
}

// read fetches and reads the feed; when it has not changed, its entries are those known.
func (s *feedSync) read(ctx context.Context, old []intel.Entry) error {
	src := intel.Source{URL: s.feed.URL, Beat: s.beat}
	if s.feed.Secret != "" {
		v, err := secret.FromRef(s.feed.Secret)
		if err != nil {
			return schema.E(schema.Invalid, err.Error(), "set it on the worker's host")
		}
		src.Secret = v
	}
	if sameSettings(s.prev, s.feed) && s.prev.Part != "" {
		src.ETag, src.Modified = s.prev.ETag, s.prev.Modified
	}
	d, err := intel.Fetch(ctx, src)
	if errors.Is(err, intel.ErrUnchanged) {
		s.fresh = slices.Clone(old)
		for i := range s.fresh {
			if s.fresh[i].Default {
				s.fresh[i].Until, s.fresh[i].Default = 0, false
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	entries, rep, err := intel.Read(ctx, s.feed.Kind, d.Documents(), intel.Options{Type: s.feed.Type, Columns: s.feed.Columns, Confidence: s.feed.Confidence, Beat: s.beat})
	if err != nil {
		return err
	}
	for _, why := range slices.Sorted(maps.Keys(rep.Reasons)) {
		s.x.Log.Info("a feed's objects are not taken", "feed", s.feed.ID, "reason", why, "objects", rep.Reasons[why])
	}
	s.fresh = entries
	s.feed.Read, s.feed.Refused, s.feed.Ignored, s.feed.Reasons = rep.Read, rep.Refused, rep.Ignored, rep.Reasons
	s.feed.ETag, s.feed.Modified = d.ETag, d.Modified
	return nil
}

func sameSettings(a, b schema.Feed) bool {
	return a.Kind == b.Kind && a.URL == b.URL && a.Type == b.Type && a.Confidence == b.Confidence && a.Secret == b.Secret && maps.Equal(a.Columns, b.Columns)
}

// diff gives an end to entries that name none, counts what is new, changed and gone, and
// collects the rows to write.
func (s *feedSync) diff(old []intel.Entry) {
	f, now := &s.feed, s.in.Now.Unix()
	f.Added, f.Changed, f.Expired, f.Active, f.Indicators = 0, 0, 0, 0, len(s.fresh)
	before := make(map[string]*intel.Entry, len(old))
	for i := range old {
		before[old[i].Type+"\x00"+old[i].Value] = &old[i]
	}
	for i := range s.fresh {
		e := &s.fresh[i]
		o := before[e.Type+"\x00"+e.Value]
		delete(before, e.Type+"\x00"+e.Value)
		s.validity(e, o)
		s.count(e, o, now)
		if o == nil || !sameEntry(*o, *e, false) {
			s.rows = append(s.rows, s.row(e))
		}
	}
	for i := range old { // in order, for the same rows on a retry
		o := &old[i]
		if before[o.Type+"\x00"+o.Value] == nil || o.Revoked {
			continue
		}
		if o.Active(s.prev.Synced.Unix()) {
			f.Expired++
		}
		o.Revoked = true
		s.rows = append(s.rows, s.row(o))
	}
}

// validity gives an entry without an end one, and keeps the one it was given while more
// than half of it is left: so a feed that does not change keeps its set.
func (s *feedSync) validity(e, o *intel.Entry) {
	ttl := time.Duration(s.feed.TTLHours) * time.Hour
	if ttl == 0 {
		ttl = defaultTTL
	}
	if e.Until != 0 || ttl < 0 {
		return
	}
	now := s.in.Now.Unix()
	e.Default, e.Until = true, now+int64(ttl.Seconds())
	if o != nil && o.Default && o.Until <= e.Until && o.Until-now > int64(ttl.Seconds())/2 {
		e.Until = o.Until
	}
}

func (s *feedSync) count(e, o *intel.Entry, now int64) {
	f := &s.feed
	if e.Active(now) {
		f.Active++
	}
	switch {
	case o == nil:
		f.Added++
	case !sameEntry(*o, *e, true):
		f.Changed++
	}
	over := e.Revoked || e.Until != 0 && e.Until <= now
	if over && (o == nil || o.Active(s.prev.Synced.Unix())) {
		f.Expired++
	}
}

// sameEntry compares entries; ends that were given here may be left out.
func sameEntry(a, b intel.Entry, noDefaults bool) bool {
	if noDefaults && a.Default && b.Default {
		a.Until = b.Until
	}
	return a.Name == b.Name && a.Confidence == b.Confidence && a.From == b.From && a.Until == b.Until && a.Revoked == b.Revoked && slices.Equal(a.Labels, b.Labels)
}

func (s *feedSync) row(e *intel.Entry) schema.Indicator {
	x := schema.Indicator{ID: intel.ID(s.feed.ID, e.Type, e.Value), Org: s.feed.Org, Feed: s.feed.ID, Type: e.Type, Value: e.Value, Name: e.Name, Confidence: e.Confidence,
		Labels: e.Labels, Revoked: e.Revoked, Version: s.feed.Version}
	if e.From != 0 {
		x.ValidFrom = time.Unix(e.From, 0).UTC()
	}
	if e.Until != 0 {
		x.ValidUntil = time.Unix(e.Until, 0).UTC()
	}
	return x
}

// store writes indicators and part, and last the feed's row, from which on they match.
func (s *feedSync) store(ctx context.Context) error {
	f := &s.feed
	part, bodies, err := intel.EncodePart(s.fresh)
	if err != nil {
		return err
	}
	if part != s.prev.Part {
		if err := s.x.Store.PutIntelPart(ctx, f.Org, part, bodies); err != nil {
			return err
		}
	}
	for rows := range slices.Chunk(s.rows, 50_000) {
		activity.RecordHeartbeat(ctx)
		if err := s.x.Store.PutIndicators(ctx, rows); err != nil {
			return err
		}
	}
	f.Part, f.Status, f.Error, f.Synced = part, "synced", "", s.in.Now
	return s.x.Store.PutFeed(ctx, *f)
}

// tell audits what a person did or what changed, and publishes it.
func (x *Intel) tell(ctx context.Context, f schema.Feed, in FeedInput, verb, outcome string, details map[string]string) error {
	if in.Sync.By != scheduled || outcome != "ok" || f.Added+f.Changed+f.Expired > 0 {
		if err := x.Trail.record(ctx, schema.AuditRecord{Org: f.Org, ID: auditID(verb, in.Key), Actor: by(in.Sync.By), Verb: verb, Object: f.ID, Outcome: outcome, Details: details}); err != nil {
			return err
		}
	}
	n := note(f.Org, "intel", f.Status, f.ID, map[string]any{"feed": f.ID, "active": f.Active, "added": f.Added, "expired": f.Expired, "error": f.Error}, in.Now)
	if err := x.Store.PutNotes(ctx, n); err != nil {
		x.Log.Debug("publishing a feed's sync", "error", err)
	}
	return nil
}

// FailFeed records that a sync failed; what the feed held still matches.
func (x *Intel) FailFeed(ctx context.Context, in FeedInput, why string) error {
	f, err := x.Store.Feed(ctx, in.Sync.Org, in.Sync.Feed)
	if schema.CodeOf(err) == schema.NotFound || err == nil && (f.Status == "removed" || f.Run == in.Key) {
		return nil
	}
	if err != nil {
		return Retryable(err)
	}
	f.Status, f.Error, f.Tried, f.Run, f.Version = "failed", why, in.Now, in.Key, f.Version+1
	if err := x.Store.PutFeed(ctx, f); err != nil {
		return Retryable(err)
	}
	return Retryable(x.tell(ctx, f, in, "intel.sync", "failed", map[string]string{"url": f.URL, "error": why}))
}

// RemoveFeed ends a feed: its schedule goes, and all its indicators are revoked.
func (x *Intel) RemoveFeed(ctx context.Context, in FeedInput) (flow.SyncIntelResult, error) {
	prev, err := x.Store.Feed(ctx, in.Sync.Org, in.Sync.Feed)
	if err != nil {
		return flow.SyncIntelResult{}, Retryable(err)
	}
	if err := x.unschedule(ctx, in.Sync); err != nil {
		return flow.SyncIntelResult{}, err
	}
	if prev.Status == "removed" {
		return x.result(ctx, prev)
	}
	s := &feedSync{x: x, in: in, prev: prev, feed: prev, beat: beater(ctx)}
	old, err := s.known(ctx)
	if err != nil {
		return flow.SyncIntelResult{}, Retryable(err)
	}
	f := &s.feed
	f.Run, f.Tried, f.Version, f.Read, f.Refused, f.Ignored, f.Reasons, f.Every = in.Key, in.Now, prev.Version+1, 0, 0, 0, nil, 0
	s.diff(old)
	if err := x.Store.PutIndicators(ctx, s.rows); err != nil {
		return flow.SyncIntelResult{}, Retryable(err)
	}
	f.Part, f.Status, f.Error = "", "removed", ""
	if err := x.Store.PutFeed(ctx, *f); err != nil {
		return flow.SyncIntelResult{}, Retryable(err)
	}
	if err := x.tell(ctx, *f, in, "intel.remove", "ok", map[string]string{"url": f.URL, "revoked": fmt.Sprint(f.Expired)}); err != nil {
		return flow.SyncIntelResult{}, Retryable(err)
	}
	return x.result(ctx, *f)
}

// scheduled is who asks when a schedule does.
const scheduled = "schedule"

// ScheduleFeed makes or changes the schedule that repeats a feed's sync; a negative
// interval ends it.
func (x *Intel) ScheduleFeed(ctx context.Context, in flow.SyncIntelInput) error {
	if in.Every < 0 {
		return x.unschedule(ctx, in)
	}
	id, every := flow.IntelScheduleID(in.Org, in.Feed), time.Duration(in.Every)*time.Minute
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}, Jitter: every / 10}
	_, err := x.Temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{ID: id, Spec: spec, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: 10 * time.Minute,
		Action: &client.ScheduleWorkflowAction{ID: flow.SyncIntelID(in.Org, in.Feed), Workflow: flow.SyncIntel, TaskQueue: flow.QueueIntel,
			Args: []any{flow.SyncIntelInput{Org: in.Org, Feed: in.Feed, By: scheduled}}}})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		err = x.Temporal.ScheduleClient().GetHandle(ctx, id).Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(u client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			s := u.Description.Schedule
			s.Spec = &spec
			return &client.ScheduleUpdate{Schedule: &s}, nil
		}})
	}
	if err != nil {
		return fmt.Errorf("scheduling feed %s: %w", in.Feed, err)
	}
	return nil
}

func (x *Intel) unschedule(ctx context.Context, in flow.SyncIntelInput) error {
	err := x.Temporal.ScheduleClient().GetHandle(ctx, flow.IntelScheduleID(in.Org, in.Feed)).Delete(ctx)
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone || err == nil {
		return nil
	}
	return fmt.Errorf("ending the schedule of feed %s: %w", in.Feed, err)
}
