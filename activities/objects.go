package activities

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/internal/source/objects"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// listEvery is how often a bucket is listed, if nobody says.
const listEvery = time.Minute

// Objects pulls the objects of S3-compatible stores into the store.
type Objects struct {
	Ingest  *Ingest // whose sink, rules and folding are used
	Sources SourceStore
	Dir     string // where objects are put while they are read, four at most
}

// PullObjects lists a bucket once, or hears from a queue for about a minute, and stores
// what is new. An object is fetched to disk and read as a file is; its identity is its key
// and ETag, so that a second delivery, by whichever way, doubles nothing. A message of the
// queue is deleted behind the manifest rows of all that it told of.
func (o *Objects) PullObjects(ctx context.Context, in SegmentInput) (SegmentResult, error) {
	in.Ingest.Org = cmp.Or(in.Ingest.Org, schema.DefaultOrg)
	s := &pull{segment: segment{a: o.Ingest, in: in, sink: &sink{store: o.Ingest.Store, crash: o.Ingest.Crash}, began: time.Now(), p: in.Progress, beat: time.Now()}}
	s.resumeAll(ctx)
	s.p.Problems = nil
	activity.RecordHeartbeat(ctx, s.p)
	if _, err := define(ctx, o.Sources, &s.in.Ingest); err != nil {
		return SegmentResult{Progress: s.p}, Retryable(err)
	}
	r, err := s.run(ctx, o.Dir)
	s.p.Object = ""
	r.Progress = s.p
	return r, Retryable(err)
}

// pull is the state of one PullObjects.
type pull struct {
	segment
	client *objects.Client
	dir    string
	state  map[string]store.ObjectState
}

func (s *pull) run(ctx context.Context, dir string) (r SegmentResult, err error) {
	i := s.in.Ingest
	if s.client, err = objects.Open(ctx, *i.S3); err != nil {
		return r, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return r, err
	}
	if s.dir, err = os.MkdirTemp(dir, "pull-"); err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(s.dir) }()
	if s.state, err = s.a.Store.Committed(ctx, i.Org, i.Source, i.Epoch); err != nil {
		return r, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := s.plan(ctx); err != nil {
		return r, fmt.Errorf("pinning versions: %w", err)
	}
	s.after = func(c schema.Chunk) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state[c.Fingerprint] = store.ObjectState{Fingerprint: c.Fingerprint, To: c.To, Seq: c.Seq + 1, Complete: c.Last}
	}
	beats, stop := context.WithCancel(ctx)
	defer stop()
	go s.beats(beats)
	if i.S3.Queue != "" && !i.Once {
		return r, s.hear(ctx)
	}
	done, err := s.list(ctx)
	if done && err == nil {
		r.Done = i.Once
		r.Wait = cmp.Or(time.Duration(i.Every)*time.Second, listEvery)
	}
	return r, err
}

// plan is the same for every attempt at a stretch: a retry must not move chunks to another
// partition of the tables.
func (s *pull) plan(ctx context.Context) error {
	at := activity.GetInfo(ctx).ScheduledTime.UTC().Truncate(time.Millisecond)
	if at.IsZero() {
		at = s.began.UTC().Truncate(time.Millisecond)
	}
	s.in.Plan = flow.IngestPlan{Ingested: at, BaseYear: at.Year(), Zone: s.in.Ingest.Zone, Records: chunkRecords, Bytes: chunkBytes}
	return s.a.pin(ctx, s.in.Ingest.Org, &s.in.Plan)
}

// listing is where a listing goes on in the next stretch.
type listing struct {
	After   string `json:"after"`
	Rewound string `json:"rewound,omitempty"` // the rewind that it knows of
}

// list takes what the bucket holds, page by page; done when it is through.
func (s *pull) list(ctx context.Context) (done bool, err error) {
	i := s.in.Ingest
	var at listing
	_ = json.Unmarshal([]byte(s.p.Cursor), &at) // what cannot be read begins anew
	if at.Rewound != i.Rewound {
		at = listing{Rewound: i.Rewound}
	}
	keep := func() {
		doc, _ := json.Marshal(at)
		s.p.Cursor = string(doc)
	}
	defer keep()
	whole := true
	for page, err := range s.client.List(ctx, at.After) {
		if err != nil {
			return false, err
		}
		var todo []objects.Object
		for _, o := range page {
			if !o.Modified.Before(i.Since) && (i.Until.IsZero() || o.Modified.Before(i.Until)) {
				todo = append(todo, o)
			}
		}
		ok, err := s.all(ctx, todo)
		if errors.Is(err, pipeline.ErrStop) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		whole = whole && ok
		if n := len(page); n > 0 && (whole || !i.S3.Ordered) {
			at.After = page[n-1].Key
		}
		if s.stopping(ctx) {
			return false, nil
		}
	}
	if !i.S3.Ordered {
		at.After = ""
	}
	return true, nil
}

// all takes objects side by side; ok when each is stored.
func (s *pull) all(ctx context.Context, list []objects.Object) (ok bool, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lanes)
	var stopped, failed atomic.Bool
	for _, o := range list {
		if gctx.Err() != nil || stopped.Load() {
			break
		}
		g.Go(func() error {
			stored, err := s.one(gctx, o)
			if errors.Is(err, pipeline.ErrStop) {
				stopped.Store(true)
				return nil
			}
			if !stored {
				failed.Store(true)
			}
			return err
		})
	}
	if err := errors.Join(g.Wait(), context.Cause(ctx)); err != nil {
		return false, err
	}
	if stopped.Load() {
		return false, pipeline.ErrStop
	}
	return !failed.Load(), nil
}

// one fetches an object and stores what of it is not; stored when it is complete, or
// can be no more.
func (s *pull) one(ctx context.Context, o objects.Object) (stored bool, err error) {
	if o.ETag != "" && (o.Size == 0 || s.complete(o.ID())) {
		return true, nil
	}
	o, file, err := s.client.Fetch(ctx, o, s.dir)
	if errors.Is(err, objects.ErrGone) {
		s.problem(err)
		return true, nil // newer content is an object of its own
	}
	if err != nil {
		if ctx.Err() == nil {
			s.problem(err)
			return false, nil // the others go on; this one is tried again at the next round
		}
		return false, context.Cause(ctx)
	}
	defer func() { _ = os.Remove(file) }()
	if s.complete(o.ID()) {
		return true, nil // it was not told what it is
	}
	return true, s.read(ctx, o, file)
}

func (s *pull) complete(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state[id].Complete
}

// read stores the file that an object was fetched to, and the members of an archive each.
func (s *pull) read(ctx context.Context, o objects.Object, file string) error {
	reason := ""
	members := 0
	for f, err := range source.Objects(ctx, []string{file}) {
		if err != nil {
			var p *source.Problem
			if errors.As(err, &p) {
				reason = p.Err.Error()
				continue
			}
			return err
		}
		f.Label, f.Fingerprint = o.Name(), o.ID()
		if f.Member != "" {
			members++
			f.Fingerprint = schema.HashID(o.ID(), f.Member)
		}
		s.mu.Lock()
		st := s.state[f.Fingerprint]
		s.mu.Unlock()
		if st.Complete {
			continue
		}
		if err := s.object(ctx, f, pipeline.Position{From: st.To, Seq: st.Seq, InDoubt: true}); err != nil {
			return err
		}
	}
	if members > 0 || reason != "" && !s.complete(o.ID()) {
		if err := s.mark(ctx, o, reason); err != nil {
			return err
		}
	}
	s.finished(source.Object{Path: o.Name(), Size: o.Size})
	return context.Cause(ctx)
}

// mark commits an empty chunk of an object that has no records of its own: an archive,
// whose members are complete, or what cannot be read, with the reason as a failure. So it
// is known without being fetched again.
func (s *pull) mark(ctx context.Context, o objects.Object, reason string) error {
	i, at := s.in.Ingest, s.in.Plan.Ingested
	sum := sha256.Sum256(nil)
	c := schema.Chunk{Org: i.Org, Source: i.Source, Epoch: i.Epoch, ID: schema.ChunkID(i.Org, i.Source, i.Epoch, o.ID()+"#end", 0, 0), Object: o.Name(), Fingerprint: o.ID(),
		Hash: hex.EncodeToString(sum[:]), Last: true, Ingested: at, RuleSet: s.in.Plan.RuleSet, Read: time.Now()}
	d := store.ChunkData{Events: store.NewBatch(), InDoubt: true, Crash: s.a.Crash}
	if reason != "" {
		s.problem(&source.Problem{Path: o.Name(), Err: errors.New(reason)})
		c.Failures = 1
		d.Failures = []schema.ParseFailure{{Org: i.Org, Source: i.Source, Chunk: c.ID, Object: o.Name(), Reason: reason, Ingested: at}}
	}
	d.Chunk = c
	if err := s.a.Store.CommitChunk(ctx, d); err != nil {
		return err
	}
	s.after(c)
	return nil
}

// hear takes what a queue tells of, until it is time to hand back.
func (s *pull) hear(ctx context.Context) error {
	for !s.stopping(ctx) {
		list, err := s.client.Receive(ctx, 10*time.Second)
		if err != nil {
			return err
		}
		for _, m := range list {
			if err := s.message(ctx, m); errors.Is(err, pipeline.ErrStop) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// message takes the objects of one message. It is deleted when all of them are stored;
// until then it stays hidden, and comes again when this process dies.
func (s *pull) message(ctx context.Context, m objects.Message) error {
	if m.Err != nil {
		s.problem(fmt.Errorf("message %s stays in the queue: %w", m.ID, m.Err))
		return nil
	}
	hidden, stop := context.WithCancel(ctx)
	defer stop()
	go s.hide(hidden, m)
	ok, err := s.all(ctx, m.Objects)
	if err != nil || !ok || m.Foreign > 0 {
		return err
	}
	return s.client.Delete(ctx, m)
}

// hide keeps a message from others while it is worked on.
func (s *pull) hide(ctx context.Context, m objects.Message) {
	tick := time.NewTicker(objects.Visibility / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.client.Extend(ctx, m); err != nil && ctx.Err() == nil {
				s.a.Log.Warn("hiding a message for longer; it may be delivered again, which doubles nothing", "message", m.ID, "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
