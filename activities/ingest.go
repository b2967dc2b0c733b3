package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/schema"
	"vigil/schema/flow"
)

// Chunk cuts of files: small enough that an alert follows its event within a second
// or two at full speed, large enough that merges stay cheap.
const (
	chunkRecords = 25_000
	chunkBytes   = 32 << 20
	// segmentTime is how long one activity moves chunks before it hands back.
	segmentTime = time.Minute
)

// IngestStore is what ingestion reads and writes; *store.Store is one.
type IngestStore interface {
	Committed(ctx context.Context, org, source string, epoch int) (map[string]store.ObjectState, error)
	PlanTotals(ctx context.Context, org, source string, epoch int, ingested time.Time) (chunks int64, total schema.Chunk, err error)
	CommitChunk(ctx context.Context, d store.ChunkData) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
}

// IngestMetrics counts chunks for operators; *telemetry.Metrics is one.
type IngestMetrics interface {
	Committed(format string, events, failures, bytes, detections int64)
	Folded(alerts int, sinceRead time.Duration)
}

// Folder folds the detections of committed chunks into alerts; *Alerts is one.
type Folder interface {
	FoldChunk(ctx context.Context, org string, chunks []string) (FoldResult, error)
}

// Scoring knows the models in force and scores with those that a plan pins;
// *LiveModels is one.
type Scoring interface {
	InForce(ctx context.Context, org string) (string, error)
	Scorer(ctx context.Context, org, models string) (pipeline.Scorer, error)
}

// Ingest moves sources into the store.
type Ingest struct {
	Store IngestStore
	Rules func() *rules.Set
	// Enricher makes the enrichment of a plan, with the versions that it pins; nil
	// enriches nothing.
	Enricher func(ctx context.Context, org string, plan flow.IngestPlan) (pipeline.Enricher, error)
	// Models scores events; nil: none is scored.
	Models Scoring
	Folder Folder
	Log    *slog.Logger
	// Crash is called at the named points; kill tests end the process there. nil does nothing.
	Crash func(point string)
	// Metrics is told of each chunk; nil counts nothing.
	Metrics IngestMetrics
	// IntelVersion names the indicator set now in force; nil: none.
	IntelVersion func(ctx context.Context, org string) (string, error)
}

// PlanIngest fixes what retries must not change: ingest time, base year, chunk cuts
// and versions. It counts the objects.
func (a *Ingest) PlanIngest(ctx context.Context, in flow.IngestInput) (flow.IngestPlan, error) {
	if in.Source == "" || len(in.Paths) == 0 {
		return flow.IngestPlan{}, Retryable(schema.E(schema.Invalid, "Ingest needs a source and at least one path", `--input '{"source":"NAME","paths":["/path"]}'`))
	}
	if _, err := time.LoadLocation(in.Zone); err != nil {
		return flow.IngestPlan{}, Retryable(schema.E(schema.Invalid, "unknown time zone "+in.Zone, "use an IANA name such as Europe/Berlin"))
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	plan := flow.IngestPlan{Ingested: now, BaseYear: now.Year(), Zone: in.Zone, Records: chunkRecords, Bytes: chunkBytes, RuleSet: a.Rules().Hash()}
	if err := a.pin(ctx, cmp.Or(in.Org, schema.DefaultOrg), &plan); err != nil {
		return plan, Retryable(fmt.Errorf("pinning versions: %w", err))
	}
	for o, err := range source.Objects(ctx, in.Paths) {
		activity.RecordHeartbeat(ctx)
		if err == nil {
			plan.Objects++
			plan.Size += o.Size
		} else if ctx.Err() != nil {
			return plan, context.Cause(ctx)
		}
	}
	return plan, nil
}

// pin writes the indicator set and the models now in force into the plan.
func (a *Ingest) pin(ctx context.Context, org string, plan *flow.IngestPlan) (err error) {
	if a.IntelVersion != nil {
		if plan.Intel, err = a.IntelVersion(ctx, org); err != nil {
			return err
		}
	}
	if a.Models != nil {
		plan.Models, err = a.Models.InForce(ctx, org)
	}
	return err
}

// SegmentInput is one stretch of work of an Ingest workflow.
type SegmentInput struct {
	Ingest   flow.IngestInput    `json:"ingest"`
	Plan     flow.IngestPlan     `json:"plan"`
	Progress flow.IngestProgress `json:"progress"` // totals so far
}

// SegmentResult hands the totals back; Done when every object is complete.
type SegmentResult struct {
	Progress flow.IngestProgress `json:"progress"`
	Done     bool                `json:"done"`
}

// IngestSegment moves chunks for about a minute, from where the manifest says, and
// heartbeats its progress. It may be killed and repeated at any point.
func (a *Ingest) IngestSegment(ctx context.Context, in SegmentInput) (SegmentResult, error) {
	s := &segment{a: a, in: in, sink: &sink{store: a.Store, crash: a.Crash}, began: time.Now(), p: in.Progress, beat: time.Now()}
	s.resume(ctx)
	activity.RecordHeartbeat(ctx, s.p) // before anything slow
	done, err := s.run(ctx)
	s.p.Object = ""
	if err != nil {
		return SegmentResult{Progress: s.p}, Retryable(err)
	}
	s.publish(ctx, done)
	return SegmentResult{Progress: s.p, Done: done}, nil
}

// segment is the state of one IngestSegment.
type segment struct {
	a     *Ingest
	in    SegmentInput
	sink  *sink
	began time.Time

	mu    sync.Mutex
	p     flow.IngestProgress
	size  int64 // stored bytes of finished objects
	beat  time.Time
	after func(c schema.Chunk) // called behind each commit, if set
}

func (s *segment) run(ctx context.Context) (done bool, err error) {
	i := s.in.Ingest
	state, err := s.a.Store.Committed(ctx, i.Org, i.Source, i.Epoch)
	if err != nil {
		return false, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := s.totals(ctx); err != nil {
		return false, fmt.Errorf("adding up the manifest: %w", err)
	}
	seen := map[string]bool{}
	for o, err := range source.Objects(ctx, i.Paths) {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if err != nil {
			s.problem(err)
			continue
		}
		if st := state[o.Fingerprint]; !st.Complete && !seen[o.Fingerprint] {
			at := pipeline.Position{From: st.To, Seq: st.Seq, InDoubt: true}
			if err := s.object(ctx, o, at); errors.Is(err, pipeline.ErrStop) {
				return false, nil
			} else if err != nil {
				return false, err
			}
		}
		seen[o.Fingerprint] = true
		s.p.Objects++
		s.size += o.Size
		s.p.Size = s.size
	}
	return true, nil
}

// resume takes over what only the heartbeat of a lost attempt knows: problems of
// objects that it has finished. The counts come from the manifest.
func (s *segment) resume(ctx context.Context) {
	var last flow.IngestProgress
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &last) == nil {
		s.p.Problems, s.p.Alerts = last.Problems, last.Alerts
	}
}

// totals starts the counts from the manifest: an attempt before this one may have
// committed chunks and ended before it could tell.
func (s *segment) totals(ctx context.Context) error {
	i := s.in.Ingest
	chunks, t, err := s.a.Store.PlanTotals(ctx, i.Org, i.Source, i.Epoch, s.in.Plan.Ingested)
	if err != nil {
		return err
	}
	s.p.Chunks, s.p.Records, s.p.Events, s.p.Failures, s.p.Detections, s.p.Bytes = chunks, t.Records, t.Events, t.Failures, t.Detections, t.Bytes
	s.p.ObjectsAll, s.p.SizeAll, s.p.Objects = s.in.Plan.Objects, s.in.Plan.Size, 0
	return nil
}

// object runs the pipeline over one object from where the manifest says.
func (s *segment) object(ctx context.Context, o source.Object, at pipeline.Position) error {
	set := s.a.Rules()
	plan := s.in.Plan
	plan.RuleSet = set.Hash() // what is evaluated is what is recorded
	cfg := pipeline.Config{Org: s.in.Ingest.Org, Source: s.in.Ingest.Source, Epoch: s.in.Ingest.Epoch, Format: s.in.Ingest.Format, Plan: plan,
		Evaluator: set.Evaluator(), Committed: func(c schema.Chunk) error { return s.committed(ctx, c) },
		Reading: func(stored int64) { s.reading(ctx, o.Name(), stored) }}
	if s.a.Enricher != nil {
		var err error
		if cfg.Enricher, err = s.a.Enricher(ctx, cfg.Org, plan); err != nil {
			return fmt.Errorf("preparing the enrichment: %w", err)
		}
	}
	if s.a.Models != nil {
		var err error
		if cfg.Scorer, err = s.a.Models.Scorer(ctx, s.in.Ingest.Org, plan.Models); err != nil {
			return err
		}
	}
	err := pipeline.Run(ctx, cfg, o, at, s.sink)
	var p *source.Problem
	if errors.As(err, &p) && ctx.Err() == nil {
		s.problem(p)
		return nil
	}
	return err
}

// sink adapts the store to the pipeline. It serves the objects of one segment, one
// after another.
type sink struct {
	store IngestStore
	crash func(string)
	free  []pipeline.Events
}

// NewEvents implements pipeline.Sink.
func (k *sink) NewEvents() pipeline.Events {
	n := len(k.free)
	if n == 0 {
		return store.NewBatch()
	}
	events := k.free[n-1]
	k.free = k.free[:n-1]
	return events
}

// Recycle implements pipeline.Sink.
func (k *sink) Recycle(e pipeline.Events) { k.free = append(k.free, e) }

// Commit implements pipeline.Sink. A broken engine is tried again here, while the
// activity heartbeats: the chunk is in memory, and its token makes repeats harmless.
func (k *sink) Commit(ctx context.Context, c *pipeline.Commit) error {
	d := store.ChunkData{Chunk: c.Chunk, Failures: c.Failures, Detections: c.Detections, Scores: c.Scores, Sightings: c.Sightings, RuleError: c.RuleError, InDoubt: c.InDoubt, Crash: k.crash}
	d.Events, _ = c.Events.(*store.Batch)
	pause := 100 * time.Millisecond
	for {
		err := k.store.CommitChunk(ctx, d)
		if err == nil || schema.CodeOf(err) != schema.Unavailable || ctx.Err() != nil {
			return err
		}
		d.InDoubt = true
		select {
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// committed counts a chunk, folds its detections and decides whether to go on.
func (s *segment) committed(ctx context.Context, c schema.Chunk) error {
	alerts := 0
	if c.Detections > 0 && s.a.Folder != nil {
		r, err := s.a.Folder.FoldChunk(ctx, c.Org, []string{c.ID})
		if err != nil {
			// The chunk is committed; the Detect sweep folds it later.
			s.a.Log.Warn("folding right after the commit failed; the Detect sweep repeats it", "chunk", c.ID, "error", err)
		}
		alerts = r.Alerts
		if s.a.Metrics != nil && err == nil {
			s.a.Metrics.Folded(alerts, time.Since(c.Read))
		}
	}
	if s.a.Metrics != nil {
		s.a.Metrics.Committed(c.Format, c.Events, c.Failures, c.Bytes, c.Detections)
	}
	s.mu.Lock()
	s.p.Chunks++
	s.p.Records += c.Records
	s.p.Events += c.Events
	s.p.Failures += c.Failures
	s.p.Detections += c.Detections
	s.p.Bytes += c.Bytes
	s.p.Alerts += int64(alerts)
	s.mu.Unlock()
	s.heartbeat(ctx, true)
	if s.after != nil {
		s.after(c)
	}
	if s.stopping(ctx) {
		return pipeline.ErrStop
	}
	return nil
}

// stopping says whether the activity should hand back: its time is up, or the worker stops.
func (s *segment) stopping(ctx context.Context) bool {
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return true
	default:
		return time.Since(s.began) > segmentTime
	}
}

func (s *segment) reading(ctx context.Context, name string, stored int64) {
	s.mu.Lock()
	s.p.Object, s.p.Size = name, s.size+stored
	s.mu.Unlock()
	s.heartbeat(ctx, false)
}

func (s *segment) heartbeat(ctx context.Context, publish bool) {
	s.mu.Lock()
	p, due := s.p, time.Since(s.beat) > time.Second
	if due {
		s.beat = time.Now()
	}
	s.mu.Unlock()
	activity.RecordHeartbeat(ctx, p)
	if due && publish {
		s.publish(ctx, false)
	}
}

// publish tells the live outbox how far the source is. It is only a hint for
// screens: when it fails, nothing is lost.
func (s *segment) publish(ctx context.Context, done bool) {
	s.mu.Lock()
	p := s.p
	s.mu.Unlock()
	kind := "progress"
	if done {
		kind = "completed"
	}
	n := note(s.in.Ingest.Org, "sources", kind, s.in.Ingest.Source, p, time.Now())
	if err := s.a.Store.PutNotes(ctx, n); err != nil && ctx.Err() == nil {
		s.a.Log.Debug("publishing progress", "error", err)
	}
}

const maxProblems = 20

func (s *segment) problem(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := err.Error(); len(s.p.Problems) < maxProblems && !slices.Contains(s.p.Problems, text) {
		s.p.Problems = append(s.p.Problems, text)
	}
}
