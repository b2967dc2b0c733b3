package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/internal/spool"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// linger is how long a drain waits after the first record before it cuts a chunk, so
// that a slow source makes a few chunks a second at most. It bounds latency.
const linger = 200 * time.Millisecond

// Drain moves the spool of this host into the store.
type Drain struct {
	Ingest *Ingest // whose sink, rules and folding are used
	Spool  *spool.Dir
}

// DrainInput is one stretch of work of a Drain workflow.
type DrainInput struct {
	Drain    flow.DrainInput     `json:"drain"`
	Progress flow.IngestProgress `json:"progress"` // totals so far
}

// DrainSpool commits what a push source receives, chunk by chunk, for about a minute or
// until the worker stops. The cuts that the spool carries are the chunks' ends, and the
// manifest is the checkpoint: it may be killed and repeated at any point.
func (d *Drain) DrainSpool(ctx context.Context, in DrainInput) (flow.IngestProgress, error) {
	log, ok := d.Spool.Lookup(in.Drain.Org, in.Drain.Source)
	if !ok {
		return in.Progress, Retryable(schema.E(schema.NotFound, "this host has no spool of "+in.Drain.Source, "vigil sources add-push, then send something"))
	}
	ingest := SegmentInput{Ingest: flow.IngestInput{Org: in.Drain.Org, Source: in.Drain.Source, Format: log.Format}}
	s := &drain{log: log, segment: segment{a: d.Ingest, in: ingest, sink: &sink{store: d.Ingest.Store, crash: d.Ingest.Crash},
		began: time.Now(), p: in.Progress, beat: time.Now()}}
	s.p.Problems = nil
	activity.RecordHeartbeat(ctx, s.p) // before anything slow
	if err := s.run(ctx, in.Drain.Zone); err != nil {
		return s.p, Retryable(err)
	}
	s.p.Object = ""
	return s.p, log.Pin(nil) // nothing is in doubt
}

// drain is the state of one DrainSpool.
type drain struct {
	segment
	log   *spool.Log
	state map[string]store.ObjectState
	pins  pins
	turn  *spool.Turn      // that this drain has, while it makes chunks
	limit int64            // where the segment ends that it makes them of
	touch map[string]bool  // segments this attempt has committed chunks of
	read  map[string]int64 // how far this attempt has read them
}

func (s *drain) run(ctx context.Context, zone string) (err error) {
	if err := s.pin(ctx); err != nil {
		return fmt.Errorf("pinning versions: %w", err)
	}
	if s.state, err = s.a.Store.Committed(ctx, s.in.Ingest.Org, s.in.Ingest.Source, 0); err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	s.touch, s.read = map[string]bool{}, map[string]int64{}
	s.after = func(c schema.Chunk) {
		s.touch[c.Fingerprint] = true
		s.state[c.Fingerprint] = store.ObjectState{Fingerprint: c.Fingerprint, To: c.To, Seq: c.Seq + 1, Complete: c.Last}
		if c.To >= s.limit {
			s.turn.Done(c.Bytes)
			return
		}
		_ = s.turn.Next(ctx, c.Bytes, s.queued(ctx)) // it fails when ctx ends, which the pipeline sees too
	}
	for !s.stopping(ctx) {
		if err := s.log.Cut(ctx); err != nil {
			return fmt.Errorf("cutting the spool: %w", err)
		}
		for _, seg := range s.log.Segments() {
			if err := s.one(ctx, seg, zone); errors.Is(err, pipeline.ErrStop) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// one commits what of a segment is not, and releases it when that was all.
func (s *drain) one(ctx context.Context, seg spool.Segment, zone string) error {
	st := s.state[seg.ID]
	s.log.Drained(seg.ID, st.To) // also what an earlier process drained
	// A chunk that was full just before a cut ends before it: what was read tells more
	// than what is committed.
	if !st.Complete && (seg.Sealed || seg.Cut > max(st.To, s.read[seg.ID], spool.Start)) {
		s.in.Plan = s.plan(seg, zone)
		at := pipeline.Position{From: st.To, Seq: st.Seq, InDoubt: !s.touch[seg.ID]}
		if err := s.inTurn(ctx, seg, at); err != nil {
			return err
		}
		s.read[seg.ID] = seg.Cut
		s.log.Drained(seg.ID, seg.Cut)
	}
	if s.state[seg.ID].Complete {
		s.log.Release(seg.ID)
	}
	return nil
}

// inTurn makes the chunks of a segment, each when it is this source's turn: however much
// others have in their spools, those with little are served in between.
func (s *drain) inTurn(ctx context.Context, seg spool.Segment, at pipeline.Position) (err error) {
	if s.turn, err = s.log.Turn(ctx, s.queued(ctx)); err != nil {
		return err
	}
	defer s.turn.Done(0)
	s.limit = seg.Cut
	return s.object(ctx, source.Spooled(seg), at)
}

// queued is what a drain does each second that it waits for its turn.
func (s *drain) queued(ctx context.Context) func() {
	return func() { s.heartbeat(ctx, false) }
}

// plan is the same for every attempt at a segment: it is made of the segment itself.
func (s *drain) plan(seg spool.Segment, zone string) flow.IngestPlan {
	p := flow.IngestPlan{Ingested: seg.Created, BaseYear: seg.Created.Year(), Zone: zone, Records: chunkRecords, Bytes: chunkBytes}
	p.RuleSet, p.Intel, p.Models, p.Tables = s.pins.RuleSet, s.pins.Intel, s.pins.Models, s.pins.Tables
	return p
}

// pins are the versions that the chunks of a stretch are made with.
type pins struct {
	RuleSet string `json:"rule_set"`
	Intel   string `json:"intel"`
	Models  string `json:"models"`
	Tables  string `json:"tables"`
}

// pin takes the versions in force, unless the last stretch ended in the middle: then a
// chunk of it may be partly stored, and is made again with the versions it had. They
// are kept beside the segments, on disk before the first chunk is made with them.
func (s *drain) pin(ctx context.Context) error {
	var p flow.IngestPlan
	if err := s.a.pin(ctx, s.in.Ingest.Org, &p); err != nil {
		return err
	}
	doc := s.log.Pinned()
	if s.fresh = doc == nil; !s.fresh {
		if err := json.Unmarshal(doc, &s.pins); err != nil {
			return err
		}
		s.pins.RuleSet = cmp.Or(s.pins.RuleSet, p.RuleSet) // pinned by a Vigil that did not keep rule sets
		return nil
	}
	s.pins = pins{p.RuleSet, p.Intel, p.Models, p.Tables}
	doc, err := json.Marshal(s.pins)
	if err != nil {
		return err
	}
	return s.log.Pin(doc)
}

// wait returns when there is something to drain, or the activity should end.
func (s *drain) wait(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for !s.stopping(ctx) {
		select {
		case <-s.log.Changed():
			if !s.log.Waiting() {
				continue // it was our own cut
			}
			select {
			case <-time.After(linger):
			case <-ctx.Done():
			}
			return nil
		case <-tick.C:
			s.heartbeat(ctx, false)
			if s.log.Waiting() {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
