package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"vigil/internal/pipeline"
	"vigil/internal/source/tail"
	"vigil/internal/spool"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

const (
	// gather is how long a follower waits after the first new line, so that a slow file
	// makes a few chunks a second at most. It bounds latency.
	gather = 100 * time.Millisecond
)

// Tail follows files on this host.
type Tail struct {
	Ingest *Ingest // whose sink, rules and folding are used
	Dir    string  // where the ranges whose commit is in doubt are kept

	sources bySource[followed]
}

// FollowFiles commits what is written to files, range by range, for about a minute or
// until it is told to stop. The manifest is the checkpoint. A range whose commit is in
// doubt is on disk beside the spool before it is begun, so that every attempt makes the
// same chunks: it may be killed and repeated at any point.
func (t *Tail) FollowFiles(ctx context.Context, in SegmentInput) (SegmentResult, error) {
	in.Ingest.Org = cmp.Or(in.Ingest.Org, schema.DefaultOrg)
	made, err := define(ctx, t.Ingest.Store, &in.Ingest)
	if err != nil {
		return SegmentResult{Progress: in.Progress}, Retryable(err)
	}
	s := &follow{segment: segment{a: t.Ingest, in: in, sink: &sink{store: t.Ingest.Store, crash: t.Ingest.Crash}, began: time.Now(), p: in.Progress, beat: time.Now()},
		path: filepath.Join(t.Dir, schema.OwnName(in.Ingest.Org, in.Ingest.Source)+".json"), touched: map[string]bool{}, made: made}
	s.p.Problems = nil
	activity.RecordHeartbeat(ctx, s.p)
	s.src = t.source(in.Ingest.Org, in.Ingest.Source)
	if err := s.src.enter(ctx, func() { activity.RecordHeartbeat(ctx, s.p) }); err != nil {
		return SegmentResult{Progress: s.p}, err
	}
	defer s.src.leave()
	s.began = time.Now()
	done, err := s.run(ctx)
	if in.Ingest.Once && s.f != nil {
		s.f.Close()
	}
	s.p.Object = ""
	return SegmentResult{Progress: s.p, Done: done}, Retryable(err)
}

func checkTail(in flow.IngestInput) error {
	if len(in.Paths) == 0 {
		return schema.E(schema.Invalid, "a tail source needs a name and at least one path or glob", `--input '{"kind":"tail","host":"HOST","source":"NAME","paths":["/var/log/app.log"]}'`)
	}
	for _, p := range in.Paths {
		if !filepath.IsAbs(p) {
			return schema.E(schema.Invalid, "the path "+p+" is not absolute", "name it as the host that has it knows it")
		}
	}
	return nil
}

// followed is a source whose files this process holds open, also between stretches and
// while it is paused: what is removed meanwhile is still read.
type followed struct {
	turns
	follower *tail.Follower
	asked    string // what the follower was made for
}

func (t *Tail) source(org, name string) *followed {
	return t.sources.of(org, name, func() *followed { return &followed{turns: newTurns()} })
}

// follow is the state of one FollowFiles.
type follow struct {
	segment
	src     *followed
	f       *tail.Follower
	path    string // of what is kept on disk
	kept    keptTail
	state   map[string]store.ObjectState
	touched map[string]bool // contents that this attempt has committed chunks of
	pins    flow.IngestPlan
	made    time.Time // the source was
}

// keptTail is what is on disk beside the manifest: it only matters after a crash.
type keptTail struct {
	Ranges  []keptRange            `json:"ranges"`
	Anchors map[string]tail.Anchor `json:"anchors"`
}

// keptRange is a range that is being committed, with what its chunks are made with.
type keptRange struct {
	Epoch       int             `json:"epoch"`
	Name        string          `json:"name"`
	Fingerprint string          `json:"fingerprint"`
	From        int64           `json:"from"`
	To          int64           `json:"to"`
	Last        bool            `json:"last"`
	Plan        flow.IngestPlan `json:"plan"`
}

func (s *follow) run(ctx context.Context) (done bool, err error) {
	i := s.in.Ingest
	if s.state, err = s.a.Store.Committed(ctx, i.Org, i.Source, i.Epoch); err != nil {
		return false, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := s.a.pin(ctx, i.Org, &s.pins); err != nil {
		return false, fmt.Errorf("pinning versions: %w", err)
	}
	if err := s.load(); err != nil {
		return false, err
	}
	if err := s.open(); err != nil {
		return false, schema.E(schema.Invalid, err.Error(), "* and ? stand for any characters")
	}
	s.after = func(c schema.Chunk) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.touched[c.Fingerprint] = true
		s.state[c.Fingerprint] = store.ObjectState{Fingerprint: c.Fingerprint, To: c.To, Seq: c.Seq + 1, Complete: c.Last}
	}
	if err = s.settle(ctx); err == nil {
		done, err = s.follow(ctx)
	}
	if errors.Is(err, pipeline.ErrStop) {
		return false, nil
	}
	return done, err
}

// open takes over the files that the process holds open, if they are those that are
// asked for.
func (s *follow) open() (err error) {
	i := s.in.Ingest
	known := s.known()
	for _, r := range s.kept.Ranges {
		if _, ok := known[r.Fingerprint]; !ok && r.Epoch == i.Epoch {
			known[r.Fingerprint] = tail.State{} // the file is to be known again
		}
	}
	asked := fmt.Sprint(i.Paths, i.Epoch, i.Since, i.Until)
	if !i.Once && s.src.follower != nil && s.src.asked == asked {
		s.f = s.src.follower
		s.f.Update(known)
		return nil
	}
	if i.Once {
		s.made = time.Time{}
	}
	s.f, err = tail.New(tail.Options{Began: s.made, Patterns: i.Paths, Known: known, Anchors: s.kept.Anchors, Since: i.Since, Until: i.Until, Once: i.Once})
	if err == nil && !i.Once {
		if s.src.follower != nil {
			s.src.follower.Close()
		}
		s.src.follower, s.src.asked = s.f, asked
	}
	return err
}

func (s *follow) known() map[string]tail.State {
	known := map[string]tail.State{}
	for fp, st := range s.state {
		known[fp] = tail.State{To: st.To, Complete: st.Complete}
	}
	return known
}

// settle commits again what a stretch before this one left in doubt, exactly as it was
// begun.
func (s *follow) settle(ctx context.Context) error {
	for _, r := range s.kept.Ranges {
		st := s.state[r.Fingerprint]
		if r.Epoch != s.in.Ingest.Epoch || (r.To < 0 || st.To >= r.To) && (!r.Last || st.Complete) {
			continue
		}
		o, ok := s.f.Find(r.Fingerprint, r.To)
		if !ok {
			s.problem(fmt.Errorf("%s: bytes %d to %d were being committed when the process ended, and are not in the file any more", r.Name, max(r.From, st.To), r.To))
			continue
		}
		s.in.Plan = r.Plan
		if err := s.commit(ctx, tail.Range{Object: o, From: r.From, To: r.To, Last: r.Last}); err != nil {
			return err
		}
	}
	s.f.Update(s.known())
	return nil
}

// follow reads until it is time to hand back; done when all that was asked for is read.
func (s *follow) follow(ctx context.Context) (done bool, err error) {
	for !s.handBack(ctx) {
		ranges, problems := s.f.Scan()
		for _, p := range problems {
			s.problem(p)
		}
		s.mu.Lock()
		s.p.ObjectsAll, s.p.Objects, s.p.Waiting = s.f.Files(), 0, s.f.Lag()
		s.mu.Unlock()
		if len(ranges) == 0 {
			if s.in.Ingest.Once {
				return true, nil
			}
			if s.f.Wait(ctx) {
				time.Sleep(gather)
			}
			s.heartbeat(ctx, false)
			if ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			continue
		}
		if err := s.round(ctx, ranges); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (s *follow) handBack(ctx context.Context) bool {
	return s.stopping(ctx) || s.src.over(s.began)
}

// round commits ranges: those of files that were rotated away before the others, else
// side by side. All of them are on disk before the first is begun.
func (s *follow) round(ctx context.Context, ranges []tail.Range) error {
	now := time.Now().UTC().Truncate(time.Millisecond)
	plan := s.pins
	plan.Ingested, plan.BaseYear, plan.Zone, plan.Records, plan.Bytes = now, now.Year(), s.in.Ingest.Zone, chunkRecords, chunkBytes
	s.kept = keptTail{Anchors: s.f.Anchors()}
	for _, r := range ranges {
		s.kept.Ranges = append(s.kept.Ranges, keptRange{Epoch: s.in.Ingest.Epoch, Name: r.Object.Name(), Fingerprint: r.Object.Fingerprint, From: r.From, To: r.To, Last: r.Last, Plan: plan})
	}
	s.in.Plan = plan
	if err := s.save(); err != nil {
		return fmt.Errorf("keeping what is about to be committed: %w", err)
	}
	for i := 0; i < len(ranges); {
		n := i
		for n < len(ranges) && ranges[n].Gone == ranges[i].Gone {
			n++
		}
		if err := s.beside(ctx, ranges[i:n]); err != nil {
			return err
		}
		i = n
	}
	stuck := false
	for _, r := range ranges {
		st := s.state[r.Object.Fingerprint]
		stuck = stuck || st.To < r.To // it was truncated meanwhile, or the disk does not give it
		s.f.Committed(r.Object.Fingerprint, st.To, st.Complete)
	}
	if stuck {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return nil
}

func (s *follow) beside(ctx context.Context, ranges []tail.Range) error {
	g, gctx := errgroup.WithContext(ctx)
	free := semaphore.NewWeighted(lanes)
	var stopped atomic.Bool
	for _, r := range ranges {
		if stopped.Load() {
			break
		}
		weight := int64(1)
		if r.To < 0 || r.To-r.From >= largeObject {
			weight = lanes
		}
		if free.Acquire(gctx, weight) != nil {
			break
		}
		g.Go(func() error {
			defer free.Release(weight)
			err := s.commit(gctx, r)
			if errors.Is(err, pipeline.ErrStop) {
				stopped.Store(true)
				return nil
			}
			return err
		})
	}
	if err := errors.Join(g.Wait(), context.Cause(ctx)); err != nil {
		return err
	}
	if stopped.Load() {
		return pipeline.ErrStop
	}
	return nil
}

// commit moves one range, from where the manifest says. When it is time to hand back in
// the middle of it, the range stays on disk and the next stretch goes on with it.
func (s *follow) commit(ctx context.Context, r tail.Range) error {
	o := r.Object
	if !r.Last {
		o.Limit = r.To
	}
	s.mu.Lock()
	st, touched := s.state[o.Fingerprint], s.touched[o.Fingerprint]
	s.mu.Unlock()
	at := pipeline.Position{From: max(st.To, r.From), Seq: st.Seq, InDoubt: !touched}
	if r.To >= 0 && at.From >= r.To && (!r.Last || st.Complete) {
		return nil
	}
	return s.object(ctx, o, at)
}

func (s *follow) load() error {
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s.kept)
	}
	if err != nil {
		return schema.E(schema.Internal, "the state of the followed files cannot be read", "move "+s.path+" away: ranges that were being committed at a crash may then be doubled", err)
	}
	return nil
}

// save replaces the state on disk as a whole, durably.
func (s *follow) save() error {
	text, err := json.Marshal(s.kept)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	return spool.ReplaceFile(s.path, text)
}
