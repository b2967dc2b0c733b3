package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"vigil/schema"
)

// ledger keeps what the store keeps: rows under a chunk's id as token, and the manifest.
type ledger struct {
	t    *testing.T
	mu   sync.Mutex
	rows map[string]map[int64]string // by chunk: offset → record
	ends map[string]Place
	list []Chunk // manifest rows, in order of commit
	lag  atomic.Int64
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, rows: map[string]map[int64]string{}, ends: map[string]Place{}}
}

func (l *ledger) Places(context.Context) (map[string]Place, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]Place{}
	for k, v := range l.ends {
		out[k] = v
	}
	return out, nil
}

func (l *ledger) Pin(_ context.Context, c *Claim) error {
	c.Ingested, c.Intel = time.Now().UTC().Truncate(time.Millisecond), "set-1"
	return nil
}

func (l *ledger) Lag(n int64) { l.lag.Store(n) }

// insert writes the rows of a chunk as the tables do: once a token.
func (l *ledger) insert(ch Chunk) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	token := schema.ChunkID("main", "s", ch.Epoch, ch.ID, ch.From, ch.To)
	rows := map[int64]string{}
	for _, it := range ch.Object.Feed.Items {
		rows[it.Offset] = string(it.Data)
	}
	if have, ok := l.rows[token]; ok {
		if len(have) != len(rows) {
			l.t.Errorf("%s %d–%d: %d records, an attempt before had %d", ch.Object.Name(), ch.From, ch.To, len(rows), len(have))
		}
		return true
	}
	l.rows[token] = rows
	return false
}

func (l *ledger) commit(ch Chunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ch.To > l.ends[ch.ID].To {
		l.ends[ch.ID] = Place{ch.To, ch.Seq + 1}
		l.list = append(l.list, ch)
	}
}

// counted is how often each record is stored, by its text.
func (l *ledger) counted() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int{}
	for _, rows := range l.rows {
		for _, text := range rows {
			out[text]++
		}
	}
	return out
}

// member is a ledger with a place to hang or die in.
type member struct {
	*ledger
	at func(point string, ch Chunk) error
}

func (m *member) Store(_ context.Context, ch Chunk) error {
	for _, step := range []struct {
		point string
		do    func()
	}{{"before", func() { m.insert(ch) }}, {"between", func() { m.ledger.commit(ch) }}} {
		if m.at != nil {
			if err := m.at(step.point, ch); err != nil {
				return err
			}
		}
		step.do()
	}
	return nil
}

// wire is a member's network, which can be cut off without telling anybody.
type wire struct {
	cut atomic.Bool
}

func (w *wire) dial(ctx context.Context, network, host string) (net.Conn, error) {
	if w.cut.Load() {
		return nil, errors.New("cut off")
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, host)
	return &wired{c, w}, err
}

type wired struct {
	net.Conn
	w *wire
}

func (c *wired) Write(b []byte) (int, error) {
	if c.w.cut.Load() {
		return len(b), nil // into the void
	}
	return c.Conn.Write(b)
}

func cluster(t *testing.T, o ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(2), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}, o...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func produce(t *testing.T, k *kfake.Cluster, topic string, from, to int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := from; i < to; i++ {
		cl.Produce(t.Context(), &kgo.Record{Value: fmt.Appendf(nil, "record %06d", i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func consumer(k *kfake.Cluster, l Ledger, topic string, w *wire) *Consumer {
	return &Consumer{Source: &schema.KafkaSource{Brokers: k.ListenAddrs(), Topics: []string{topic}}, Group: "vigil-main-s", Ledger: l, Log: slog.New(slog.DiscardHandler),
		opts: []kgo.Opt{kgo.SessionTimeout(time.Second), kgo.HeartbeatInterval(150 * time.Millisecond), kgo.RebalanceTimeout(2 * time.Second), kgo.Dialer(w.dial), kgo.RequestTimeoutOverhead(2 * time.Second)}}
}

// started is a member that runs.
type started struct {
	cancel context.CancelFunc
	done   chan error
	stop   atomic.Bool
}

func start(ctx context.Context, c *Consumer) *started {
	ctx, cancel := context.WithCancel(ctx)
	s := &started{cancel: cancel, done: make(chan error, 1)}
	go func() {
		_, err := c.Run(ctx, s.stop.Load)
		s.done <- err
	}()
	return s
}

// await waits until so many different records are stored.
func await(t *testing.T, l *ledger, n int) {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if len(l.counted()) >= n {
			return
		}
	}
	t.Fatalf("%d of %d records are stored", len(l.counted()), n)
}

// check holds the ledger to: every record once, chunks that join without gap or overlap.
func check(t *testing.T, l *ledger, n int) {
	t.Helper()
	counted := l.counted()
	if len(counted) != n {
		t.Errorf("%d records are stored, want %d", len(counted), n)
	}
	for text, times := range counted {
		if times != 1 {
			t.Errorf("%q is stored %d times", text, times)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ends := map[string]int64{}
	for _, ch := range l.list {
		if ch.From != ends[ch.ID] {
			t.Errorf("%s: a chunk starts at %d, the one before ends at %d", ch.Object.Name(), ch.From, ends[ch.ID])
		}
		ends[ch.ID] = ch.To
	}
}

// TestRebalance: members join, leave and die in the middle of chunks while records come.
func TestRebalance(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(6, "logs"))
	l := newLedger(t)
	const all = 6000
	produce(t, k, "logs", 0, 1000)
	a := start(t.Context(), consumer(k, &member{ledger: l}, "logs", &wire{}))
	await(t, l, 1000)
	// The second dies in the middle of a chunk, cut off from the group: it never leaves.
	w, died := &wire{}, make(chan struct{})
	var once sync.Once
	b := start(t.Context(), consumer(k, &member{l, func(point string, _ Chunk) error {
		if point != "between" {
			return nil
		}
		w.cut.Store(true)
		once.Do(func() { close(died) })
		return errors.New("killed between rows and manifest")
	}}, "logs", w))
	for n := 1000; n < 4000; n += 500 {
		produce(t, k, "logs", n, n+500)
		time.Sleep(100 * time.Millisecond)
	}
	select {
	case <-died:
	case <-time.After(20 * time.Second):
		t.Fatal("the second member never had a partition")
	}
	if err := <-b.done; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the second member ended with %v", err)
	}
	c := start(t.Context(), consumer(k, &member{ledger: l}, "logs", &wire{}))
	produce(t, k, "logs", 4000, all-1000)
	await(t, l, all-1000)
	a.stop.Store(true) // leaves in good order
	if err := <-a.done; err != nil {
		t.Error(err)
	}
	produce(t, k, "logs", all-1000, all)
	await(t, l, all)
	time.Sleep(300 * time.Millisecond)
	c.stop.Store(true)
	if err := <-c.done; err != nil {
		t.Error(err)
	}
	check(t, l, all)
	remade := slices.IndexFunc(l.list, func(ch Chunk) bool { return ch.InDoubt })
	if remade < 0 {
		t.Error("no chunk was made again: nobody died in the middle of one, so the test is void")
	}
	if n := l.lag.Load(); n != 0 {
		t.Errorf("the lag is %d at the end", n)
	}
}

// TestZombie: a member claims a chunk, sleeps, loses the partition, and stores the chunk
// when another has already stored it. The other must have made the same chunk, although
// by then there was more to take; and the sleeper must be able to claim nothing more.
func TestZombie(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "logs"))
	l := newLedger(t)
	produce(t, k, "logs", 0, 100)
	w, asleep, wake := &wire{}, make(chan Chunk), make(chan struct{})
	stores := 0
	a := start(t.Context(), consumer(k, &member{l, func(point string, ch Chunk) error {
		if point == "before" {
			if stores++; stores == 1 {
				w.cut.Store(true)
				asleep <- ch
				<-wake
				w.cut.Store(false)
			}
		}
		return nil
	}}, "logs", w))
	claimed := <-asleep
	produce(t, k, "logs", 100, 300)
	b := start(t.Context(), consumer(k, &member{ledger: l}, "logs", &wire{}))
	await(t, l, 300)
	if first := l.list[0]; first.To != claimed.To || first.From != claimed.From || !first.Ingested.Equal(claimed.Ingested) || first.Intel != claimed.Intel || !first.InDoubt || first.To != 100 {
		t.Errorf("the claim was %+v, made again as %+v", claimed.Claim, first.Claim)
	}
	close(wake)
	produce(t, k, "logs", 300, 400)
	await(t, l, 400)
	time.Sleep(500 * time.Millisecond)
	for _, s := range []*started{a, b} {
		s.cancel()
		<-s.done
	}
	check(t, l, 400)
}

// TestLost: what retention deletes before it is read becomes a chunk that says so.
func TestLost(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "logs"))
	l := newLedger(t)
	run := func(n int) {
		s := start(t.Context(), consumer(k, &member{ledger: l}, "logs", &wire{}))
		await(t, l, n)
		time.Sleep(300 * time.Millisecond)
		s.stop.Store(true)
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	}
	produce(t, k, "logs", 0, 50)
	run(50)
	produce(t, k, "logs", 50, 150)
	deleteTo(t, k, 120)
	run(80)
	check(t, l, 80)
	i := slices.IndexFunc(l.list, func(c Chunk) bool { return c.Lost })
	if i < 0 || l.list[i].From != 50 || l.list[i].To != 120 || !strings.Contains(l.list[i].Object.Feed.Lost, "offsets 50 to 119 were deleted") {
		t.Errorf("chunks %+v", l.list)
	}
}

func deleteTo(t *testing.T, k *kfake.Cluster, offset int64) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var os kadm.Offsets
	os.Add(kadm.Offset{Topic: "logs", Partition: 0, At: offset})
	r, err := kadm.NewClient(cl).DeleteRecords(t.Context(), os)
	if err != nil || r.Error() != nil {
		t.Fatal(err, r.Error())
	}
}

// TestTransactions: what was aborted is no record, and its offsets are a gap.
func TestTransactions(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "logs"))
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.DefaultProduceTopic("logs"), kgo.TransactionalID("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for n := range 10 {
			cl.Produce(t.Context(), kgo.StringRecord(fmt.Sprintf("transaction %d record %d", i, n)), nil)
		}
		if err := errors.Join(cl.Flush(t.Context()), cl.EndTransaction(t.Context(), end)); err != nil {
			t.Fatal(err)
		}
	}
	l := newLedger(t)
	c := consumer(k, &member{ledger: l}, "logs", &wire{})
	c.Once = true // it ends although the last offset is no record but the mark of a transaction
	if done, err := c.Run(t.Context(), func() bool { return false }); err != nil || !done {
		t.Errorf("done %v (%v)", done, err)
	}
	check(t, l, 20)
	if last := l.list[len(l.list)-1]; last.To < 32 {
		t.Errorf("the last chunk ends at %d: no gap was passed", last.To)
	}
	if n := l.lag.Load(); n != 0 {
		t.Errorf("the lag is %d", n)
	}
}

// TestStart: a source may begin at a time, or with what comes.
func TestStart(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "logs"))
	produce(t, k, "logs", 0, 10)
	time.Sleep(20 * time.Millisecond)
	middle := time.Now()
	time.Sleep(20 * time.Millisecond)
	produce(t, k, "logs", 10, 30)
	for name, o := range map[string]struct {
		start string
		since time.Time
		want  int
	}{"earliest": {want: 30}, "latest": {schema.StartLatest, time.Time{}, 20}, "since": {"", middle, 20}} {
		l := newLedger(t)
		c := consumer(k, &member{ledger: l}, "logs", &wire{})
		c.Group, c.Source.Start, c.Since, c.Latest, c.Once = "group-"+name, o.start, o.since, middle, true
		done, err := c.Run(t.Context(), func() bool { return false })
		if err != nil || !done || len(l.counted()) != o.want {
			t.Errorf("%s: %d records, done %v (%v)", name, len(l.counted()), done, err)
		}
	}
}

// TestMadeAgainTopic: a topic that was deleted and made again starts anew.
func TestMadeAgainTopic(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "logs"))
	l := newLedger(t)
	for round := range 2 {
		produce(t, k, "logs", round*10, round*10+10)
		s := start(t.Context(), consumer(k, &member{ledger: l}, "logs", &wire{}))
		await(t, l, round*10+10)
		s.stop.Store(true)
		<-s.done
		cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
		if err != nil {
			t.Fatal(err)
		}
		adm := kadm.NewClient(cl)
		if _, err := adm.DeleteTopics(t.Context(), "logs"); err != nil {
			t.Fatal(err)
		}
		if _, err := adm.CreateTopic(t.Context(), 1, 1, nil, "logs"); err != nil {
			t.Fatal(err)
		}
		cl.Close()
	}
	check(t, l, 20)
	if len(l.ends) != 2 {
		t.Errorf("%d objects, want one for each life of the topic", len(l.ends))
	}
}
