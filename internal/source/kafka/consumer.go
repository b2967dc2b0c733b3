package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"vigil/internal/source"
	"vigil/schema"
)

// Where chunks are cut: as those of files are.
const (
	maxRecords = 20_000
	maxBytes   = 16 << 20
	lanes      = 4 // partitions that are stored side by side
	// linger is how long records may gather when few come, so that a slow topic makes a
	// few chunks a second at most. It bounds latency.
	linger = 200 * time.Millisecond
	// session is after how long without a sign of life the group puts a member out.
	session = 15 * time.Second
)

// Place is where the manifest ends for a partition.
type Place struct {
	To  int64 // offset of the next record
	Seq int64 // number of the next chunk
}

// Chunk is a claimed range, ready to be stored.
type Chunk struct {
	Claim
	Object  source.Object
	Seq     int64
	InDoubt bool // claimed before; parts may be stored
	part    *part
	took    int // of the records held
}

// Ledger is what a consumer needs of its surroundings.
type Ledger interface {
	// Places tells where the manifest ends, by fingerprint of the partition.
	Places(ctx context.Context) (map[string]Place, error)
	// Pin fills in the ingest time and the versions that new chunks are made with.
	Pin(ctx context.Context, c *Claim) error
	// Store stores a chunk and returns when its manifest row is written. It must be
	// idempotent, and is called for several chunks at once.
	Store(ctx context.Context, c Chunk) error
	// Lag is told how many offsets are not stored yet, of the partitions at hand.
	Lag(n int64)
}

// Consumer is one member of a source's consumer group.
type Consumer struct {
	Source *schema.KafkaSource
	Group  string
	Epoch  int
	Since  time.Time // partitions that nothing is stored of begin there
	Latest time.Time // what Start "latest" means: when the source was made
	Once   bool      // end when what is there is stored
	Ledger Ledger
	Log    *slog.Logger

	cl    *kgo.Client
	mu    sync.Mutex
	parts map[string]map[int32]*part
	opts  []kgo.Opt // of tests
}

// part is a partition that this member owns. But for its place in the table, only the
// round touches it.
type part struct {
	topic  string
	number int32
	id     string // fingerprint
	at     Place
	claim  Claim // taken by the group, not in the manifest yet; To 0: none
	lost   int64 // the log starts there, behind at; 0: it does not
	mark   bool  // the group is to be told where the manifest ends
	held   []item
	end    int64 // of what could be read when it was last asked
	goal   int64 // the end when it was taken over
}

// item is a record that was fetched and is not stored yet.
type item struct {
	source.Item
	control bool // the end of a transaction: it only passes the place
}

// Run consumes until stop says so (asked between chunks), ctx ends, or all is read that
// was there, if that is asked for: then done is true.
func (c *Consumer) Run(ctx context.Context, stop func() bool) (done bool, err error) {
	c.parts = map[string]map[int32]*part{}
	made := make(chan struct{}) // the group may give partitions before the client is in our hands
	assigned := func(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
		select {
		case <-made:
			return c.assigned(ctx, offsets)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c.cl, err = dial(c.Source, append([]kgo.Opt{kgo.ConsumerGroup(c.Group), kgo.ConsumeTopics(c.Source.Topics...), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.KeepControlRecords(),
		kgo.SessionTimeout(session), kgo.HeartbeatInterval(session / 5), kgo.FetchMaxWait(time.Second), kgo.FetchMaxBytes(16 << 20), kgo.FetchMaxPartitionBytes(2 << 20),
		kgo.AdjustFetchOffsetsFn(assigned), kgo.OnPartitionsRevoked(c.dropped), kgo.OnPartitionsLost(c.dropped)}, c.opts...)...)
	close(made)
	if err != nil {
		return false, err
	}
	defer c.cl.CloseAllowingRebalance()
	if _, err := topics(ctx, c.cl, c.Source); err != nil {
		return false, err
	}
	for !stop() {
		began := time.Now()
		full, err := c.round(ctx, stop)
		if err != nil {
			return false, err
		}
		if c.Once && c.through() {
			return true, nil
		}
		if rest := linger - time.Since(began); !full && rest > 0 {
			select {
			case <-time.After(rest):
			case <-ctx.Done():
				return false, context.Cause(ctx)
			}
		}
	}
	return false, nil
}

// through says whether every partition is stored to the end that it had when it was
// taken over. A group of one member has them all.
func (c *Consumer) through() bool {
	list := c.owned()
	for _, p := range list {
		if p.reached() < p.goal {
			return false
		}
	}
	return len(list) > 0
}

// dropped forgets partitions that another member has from now on. Rounds block it, so
// nothing of them is under way.
func (c *Consumer) dropped(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic, list := range gone {
		for _, n := range list {
			delete(c.parts[topic], n)
		}
	}
}

// round takes what has come and stores it, chunk by chunk. While it runs, the group cannot
// give this member's partitions away, unless it takes so long that it is put out: then
// its next claim is refused.
func (c *Consumer) round(ctx context.Context, stop func() bool) (full bool, err error) {
	poll, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	f := c.cl.PollRecords(poll, lanes*maxRecords)
	defer c.cl.AllowRebalance()
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err := c.take(f); err != nil {
		return false, err
	}
	for !stop() {
		chunks, err := c.next(ctx)
		if err != nil || len(chunks) == 0 {
			return full, errors.Join(err, c.settle(ctx))
		}
		if err := c.store(ctx, chunks); err != nil {
			return full, err
		}
		for _, ch := range chunks {
			full = full || ch.took == maxRecords
		}
	}
	return full, c.settle(ctx)
}

// take puts what was fetched with its partitions.
func (c *Consumer) take(f kgo.Fetches) error {
	var err error
	f.EachError(func(topic string, n int32, e error) {
		if !errors.Is(e, context.DeadlineExceeded) && !errors.Is(e, context.Canceled) {
			err = errors.Join(err, fmt.Errorf("%s: %w", Name(topic, n), e))
		}
	})
	if errors.Is(err, kerr.OffsetOutOfRange) {
		return schema.E(schema.Unavailable, "the log does not hold the place any more where reading goes on", "it is looked up again, and what is gone is counted", err)
	}
	if err != nil {
		return schema.E(schema.Unavailable, "reading from Kafka fails", "", err)
	}
	owned := map[string]*part{}
	for _, p := range c.owned() {
		owned[Name(p.topic, p.number)] = p
	}
	f.EachPartition(func(t kgo.FetchTopicPartition) {
		p := owned[Name(t.Topic, t.Partition)]
		if p == nil {
			return
		}
		p.end = max(p.end, t.LastStableOffset)
		for _, r := range t.Records {
			p.held = append(p.held, item{source.Item{Offset: r.Offset, Data: r.Value}, r.Attrs.IsControl()})
		}
	})
	return nil
}

// owned lists the partitions of this member.
func (c *Consumer) owned() []*part {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*part
	for _, of := range c.parts {
		for _, p := range of {
			out = append(out, p)
		}
	}
	return out
}

// next claims a chunk of every partition that has records for one. A claim that waits to
// be made again goes first.
func (c *Consumer) next(ctx context.Context) (out []Chunk, err error) {
	claims := map[*part]Claim{}
	var pins Claim
	for _, p := range c.owned() {
		if p.claim.To > 0 {
			if ch, ok := p.chunk(); ok {
				ch.InDoubt = true
				out = append(out, ch)
			}
			continue
		}
		n := p.cut()
		if n == 0 && p.lost == 0 {
			continue
		}
		if pins.Ingested.IsZero() {
			if err := c.Ledger.Pin(ctx, &pins); err != nil {
				return nil, err
			}
		}
		claim := pins
		claim.ID, claim.Epoch, claim.From = p.id, c.Epoch, p.at.To
		if claim.To, claim.Lost = p.lost, p.lost > 0; !claim.Lost {
			claim.To = p.held[n-1].Offset + 1
		}
		claims[p] = claim
	}
	if len(claims) == 0 {
		return out, nil
	}
	taken, err := c.commit(ctx, claims)
	if err != nil {
		return nil, err
	}
	for p, claim := range claims {
		if !taken[p] {
			c.rewind(p)
			continue
		}
		p.claim = claim
		if ch, ok := p.chunk(); ok {
			out = append(out, ch)
		}
	}
	return out, nil
}

// cut is how many of the records held make the next chunk; 0 when they are not enough
// for one: marks of transactions wait for a record.
func (p *part) cut() int {
	size, any := 0, false
	for i := range p.held {
		size += len(p.held[i].Data)
		any = any || !p.held[i].control
		if any && (i+1 >= maxRecords || size >= maxBytes) {
			return i + 1
		}
	}
	if !any {
		return 0
	}
	return len(p.held)
}

// reached is the offset up to which there is nothing left to store.
func (p *part) reached() int64 {
	if n := len(p.held); n > 0 && p.cut() == 0 {
		return p.held[n-1].Offset + 1
	}
	return p.at.To
}

// chunk is the chunk of the claim, if the records held reach to its end. What a claim
// ends with may have been compacted away since: then the record behind tells.
func (p *part) chunk() (Chunk, bool) {
	c := p.claim
	feed := &source.Feed{From: c.From, To: c.To}
	n := 0
	if c.Lost {
		feed.Lost = fmt.Sprintf("offsets %d to %d were deleted from the topic (retention) before they were read", c.From, c.To-1)
	} else {
		for n < len(p.held) && p.held[n].Offset < c.To {
			n++
		}
		if n == len(p.held) && (n == 0 || p.held[n-1].Offset < c.To-1) {
			return Chunk{}, false
		}
	}
	for _, it := range p.held[:n] {
		if !it.control {
			feed.Items = append(feed.Items, it.Item)
		}
	}
	return Chunk{Claim: c, Object: source.Fed(Name(p.topic, p.number), p.id, feed), Seq: p.at.Seq, part: p, took: n}, true
}

// empty says that all of the chunk was compacted away since it was claimed.
func (ch Chunk) empty() bool { return !ch.Lost && len(ch.Object.Feed.Items) == 0 }

// store stores chunks side by side and moves their partitions on.
func (c *Consumer) store(ctx context.Context, chunks []Chunk) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lanes)
	for _, ch := range chunks {
		g.Go(func() error {
			if ch.empty() {
				return nil
			}
			if err := c.Ledger.Store(gctx, ch); err != nil {
				return fmt.Errorf("storing %s from %d: %w", ch.Object.Name(), ch.From, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, ch := range chunks {
		p := ch.part
		p.claim, p.mark = Claim{}, true
		p.held = p.held[ch.took:]
		if ch.Lost {
			p.lost = 0
		}
		if !ch.empty() {
			p.at = Place{To: ch.To, Seq: ch.Seq + 1}
		}
	}
	return nil
}

// settle tells the group how far the manifest is, and the ledger how far behind.
func (c *Consumer) settle(ctx context.Context) error {
	claims, lag := map[*part]Claim{}, int64(0)
	for _, p := range c.owned() {
		lag += max(0, p.end-p.reached())
		if p.mark && p.claim.To == 0 {
			claims[p] = Claim{ID: p.id, Epoch: c.Epoch, From: p.at.To}
		}
	}
	c.Ledger.Lag(lag)
	if len(claims) == 0 {
		return nil
	}
	taken, err := c.commit(ctx, claims)
	for p := range claims {
		p.mark = !taken[p]
	}
	return err
}

// rewind goes back to where the manifest ends, because a claim was not taken. If the
// partition has another owner by now, this has no effect.
func (c *Consumer) rewind(p *part) {
	p.held = nil
	c.cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.topic: {p.number: {Epoch: -1, Offset: p.read()}}})
}

// assigned says where the partitions that this member now owns are read from.
func (c *Consumer) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	w := where{adm: kadm.NewClient(c.cl), c: c}
	if err := w.look(ctx); err != nil {
		return nil, fmt.Errorf("looking up where to go on: %w", err)
	}
	for topic, of := range offsets {
		for n := range of {
			p, err := w.part(ctx, topic, n)
			if err != nil {
				return nil, err
			}
			offsets[topic][n] = kgo.NewOffset().At(p.read())
			c.mu.Lock()
			if c.parts[topic] == nil {
				c.parts[topic] = map[int32]*part{}
			}
			c.parts[topic][n] = p
			c.mu.Unlock()
		}
	}
	return offsets, nil
}

// read is where fetching goes on: behind what is lost.
func (p *part) read() int64 { return max(p.at.To, p.lost) }
