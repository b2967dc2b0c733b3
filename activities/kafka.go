package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.temporal.io/sdk/activity"

	"vigil/internal/pipeline"
	"vigil/internal/source/kafka"
	"vigil/schema"
	"vigil/schema/flow"
)

// consumeTime is how long one activity is a member of its consumer group. Joining makes
// the group share its partitions out again, so it is long.
const consumeTime = 10 * time.Minute

// Kafka consumes topics into the store.
type Kafka struct {
	Ingest  *Ingest // whose sink, rules and folding are used
	Sources SourceStore
}

// ConsumeKafka is one member of a Kafka source's consumer group for about ten minutes, or
// until it is told to stop. The manifest says where partitions go on; what a killed
// attempt was about to store is claimed with the group (see kafka.Claim).
func (k *Kafka) ConsumeKafka(ctx context.Context, in SegmentInput) (SegmentResult, error) {
	in.Ingest.Org = cmp.Or(in.Ingest.Org, schema.DefaultOrg)
	s := &consume{segment: segment{a: k.Ingest, in: in, sink: &sink{store: k.Ingest.Store, crash: k.Ingest.Crash}, began: time.Now(), p: in.Progress, beat: time.Now()}}
	s.resumeAll(ctx)
	s.p.Problems = nil
	activity.RecordHeartbeat(ctx, s.p)
	made, err := define(ctx, k.Sources, &s.in.Ingest)
	if err != nil {
		return SegmentResult{Progress: s.p}, Retryable(err)
	}
	done, err := s.consume(ctx, made)
	s.p.Object = ""
	return SegmentResult{Progress: s.p, Done: done}, Retryable(err)
}

// consume is the state of one ConsumeKafka; it is the consumer's ledger.
type consume struct{ segment }

func (s *consume) consume(ctx context.Context, made time.Time) (done bool, err error) {
	i := s.in.Ingest
	c := &kafka.Consumer{Source: i.Kafka, Group: kafkaGroup(i), Epoch: i.Epoch, Since: i.Since, Latest: made, Once: i.Once, Ledger: s, Log: s.a.Log}
	beats, stop := context.WithCancel(ctx)
	defer stop()
	go s.beats(beats)
	return c.Run(ctx, func() bool { return s.expired(ctx, consumeTime) })
}

// kafkaGroup is the consumer group of a source. What is stored again under another epoch
// is a group of its own: it goes over the same partitions. All that stores under one epoch
// must be of one group, because the group is what keeps its members apart.
func kafkaGroup(in flow.IngestInput) string {
	g := cmp.Or(in.Kafka.Group, "vigil-"+in.Org+"-"+in.Source)
	if in.Epoch > 0 {
		g += fmt.Sprintf("-%d", in.Epoch)
	}
	return g
}

// resumeAll takes over what a lost attempt had counted.
func (s *segment) resumeAll(ctx context.Context) {
	var last flow.IngestProgress
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &last) == nil {
		s.p = last
	}
}

// beats heartbeats until ctx ends, also while nothing comes.
func (s *segment) beats(ctx context.Context) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.heartbeat(ctx, true)
		case <-ctx.Done():
			return
		}
	}
}

// Places implements kafka.Ledger.
func (s *consume) Places(ctx context.Context) (map[string]kafka.Place, error) {
	i := s.in.Ingest
	state, err := s.a.Store.Committed(ctx, i.Org, i.Source, i.Epoch)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	out := make(map[string]kafka.Place, len(state))
	for id, st := range state {
		out[id] = kafka.Place{To: st.To, Seq: st.Seq}
	}
	return out, nil
}

// Pin implements kafka.Ledger.
func (s *consume) Pin(ctx context.Context, c *kafka.Claim) error {
	var p flow.IngestPlan
	if err := s.a.pin(ctx, s.in.Ingest.Org, &p); err != nil {
		return fmt.Errorf("pinning versions: %w", err)
	}
	c.Ingested, c.RuleSet, c.Intel, c.Models, c.Tables = time.Now().UTC().Truncate(time.Millisecond), p.RuleSet, p.Intel, p.Models, p.Tables
	return nil
}

// Store implements kafka.Ledger.
func (s *consume) Store(ctx context.Context, c kafka.Chunk) error {
	plan := flow.IngestPlan{Ingested: c.Ingested, BaseYear: c.Ingested.Year(), Zone: s.in.Ingest.Zone, RuleSet: c.RuleSet, Intel: c.Intel, Models: c.Models, Tables: c.Tables,
		Records: math.MaxInt64, Bytes: math.MaxInt64} // it is cut already
	if c.Lost {
		s.problem(errors.New(c.Object.Name() + ": " + c.Object.Feed.Lost))
	}
	err := s.move(ctx, plan, c.Object, pipeline.Position{From: c.From, Seq: c.Seq, InDoubt: c.InDoubt})
	if errors.Is(err, pipeline.ErrStop) {
		return nil // behind the commit
	}
	return err
}

// Lag implements kafka.Ledger.
func (s *consume) Lag(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.p.Waiting = n
}
