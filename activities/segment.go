package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// segment is the state of one IngestSegment.
type segment struct {
	a     *Ingest
	in    SegmentInput
	sink  *sink
	began time.Time

	mu      sync.Mutex
	p       flow.IngestProgress
	size    int64            // stored bytes of finished objects
	reached map[string]int64 // stored bytes read of those under way, by name
	beat    time.Time
	after   func(c schema.Chunk) // called behind each commit, if set
	fresh   bool                 // no attempt before this one left anything in doubt
}

// Small objects are moved side by side, because each costs some round trips to the
// engine; one that keeps the processors busy by itself is moved alone.
const (
	lanes       = 4
	largeObject = 1 << 20 // stored bytes
)

func (s *segment) run(ctx context.Context) (done bool, err error) {
	i := s.in.Ingest
	state, err := s.a.Store.Committed(ctx, i.Org, i.Source, i.Epoch)
	if err != nil {
		return false, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := s.totals(ctx); err != nil {
		return false, fmt.Errorf("adding up the manifest: %w", err)
	}
	err = s.objects(ctx, state)
	if errors.Is(err, pipeline.ErrStop) {
		return false, nil
	}
	return err == nil, err
}

// objects moves what is not complete, until all is, or it is time to hand back
// (ErrStop): then every lane ends behind its next commit.
func (s *segment) objects(ctx context.Context, state map[string]store.ObjectState) error {
	g, gctx := errgroup.WithContext(ctx)
	free := semaphore.NewWeighted(lanes)
	var stopped atomic.Bool
	seen := map[string]bool{}
	for o, err := range source.Objects(gctx, s.in.Ingest.Paths) {
		if gctx.Err() != nil || stopped.Load() {
			break
		}
		if err != nil {
			s.problem(err)
			continue
		}
		if !asked(s.in.Ingest, o) {
			continue
		}
		st := state[o.Fingerprint]
		if st.Complete || seen[o.Fingerprint] {
			s.finished(o)
			continue
		}
		seen[o.Fingerprint] = true
		weight := int64(1)
		if o.Size >= largeObject {
			weight = lanes
		}
		if free.Acquire(gctx, weight) != nil {
			break
		}
		g.Go(func() error {
			defer free.Release(weight)
			err := s.object(gctx, o, pipeline.Position{From: st.To, Seq: st.Seq, InDoubt: true})
			switch {
			case errors.Is(err, pipeline.ErrStop):
				stopped.Store(true)
				return nil
			case err == nil:
				s.finished(o)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if stopped.Load() {
		return pipeline.ErrStop
	}
	return context.Cause(ctx)
}

// finished counts an object that is complete.
func (s *segment) finished(o source.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.reached, o.Name())
	s.p.Objects++
	s.size += o.Size
	s.p.Size = s.size
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
	return s.move(ctx, s.in.Plan, o, at)
}

// move runs the pipeline with a plan.
func (s *segment) move(ctx context.Context, plan flow.IngestPlan, o source.Object, at pipeline.Position) error {
	set, err := s.a.Rules.Set(ctx, s.in.Ingest.Org, plan.RuleSet)
	if err != nil {
		return err
	}
	cfg := pipeline.Config{Org: s.in.Ingest.Org, Source: s.in.Ingest.Source, Epoch: s.in.Ingest.Epoch, Format: s.in.Ingest.Format, Plan: plan,
		Evaluator: set.Evaluator(), Committed: func(c schema.Chunk) error { return s.committed(ctx, c) },
		Reading: func(stored int64) { s.reading(ctx, o.Name(), stored) }}
	if s.a.Enricher != nil {
		if cfg.Enricher, err = s.a.Enricher(ctx, cfg.Org, plan); err != nil {
			return fmt.Errorf("preparing the enrichment: %w", err)
		}
	}
	if s.a.Formats != nil {
		var err error
		if cfg.Formats, err = s.a.Formats(ctx, cfg.Org, plan); err != nil {
			return fmt.Errorf("preparing the formats: %w", err)
		}
	}
	if s.a.Models != nil {
		if cfg.Scorer, err = s.a.Models.Scorer(ctx, s.in.Ingest.Org, plan.Models); err != nil {
			return err
		}
	}
	err = pipeline.Run(ctx, cfg, o, at, s.sink)
	for r, why := range cfg.Evaluator.OverBudget() {
		s.a.Log.Warn("a rule takes too long and is switched off", "rule", r.ID, "version", r.Version, "why", why)
		if serr := s.a.Rules.SwitchOff(ctx, s.in.Ingest.Org, r, why); serr != nil && ctx.Err() == nil {
			s.a.Log.Error("switching off a rule", "rule", r.ID, "error", serr)
		}
	}
	var p *source.Problem
	if errors.As(err, &p) && ctx.Err() == nil {
		s.problem(p)
		return nil
	}
	return err
}

// sink adapts the store to the pipeline. It serves all objects of one segment.
type sink struct {
	store IngestStore
	crash func(string)
	mu    sync.Mutex
	free  []pipeline.Events
}

// NewEvents implements pipeline.Sink.
func (k *sink) NewEvents() pipeline.Events {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(k.free)
	if n == 0 {
		return store.NewBatch()
	}
	events := k.free[n-1]
	k.free = k.free[:n-1]
	return events
}

// Recycle implements pipeline.Sink.
func (k *sink) Recycle(e pipeline.Events) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.free = append(k.free, e)
}

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
		stop := s.beating(ctx)
		r, err := s.a.Folder.FoldChunk(ctx, c.Org, []string{c.ID})
		stop()
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

// stopping says whether the activity should hand back: its time is up, other rules are in
// force, or the worker stops.
func (s *segment) stopping(ctx context.Context) bool {
	return s.expired(ctx, segmentTime) || s.fresh && s.in.Plan.RuleSet != "" && s.a.Rules.Now(s.in.Ingest.Org).Hash() != s.in.Plan.RuleSet
}

// expired says whether more than limit has passed, or the worker stops.
func (s *segment) expired(ctx context.Context, limit time.Duration) bool {
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return true
	default:
		return time.Since(s.began) > limit
	}
}

// beating heartbeats while something else takes its time; call what it returns at the end.
func (s *segment) beating(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	go func() {
		t := time.NewTicker(5 * time.Second)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				s.heartbeat(ctx, false)
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { close(done) }
}

func (s *segment) reading(ctx context.Context, name string, stored int64) {
	s.mu.Lock()
	if s.reached == nil {
		s.reached = map[string]int64{}
	}
	s.reached[name] = stored
	s.p.Object, s.p.Size = name, s.size
	for _, n := range s.reached {
		s.p.Size += n
	}
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
