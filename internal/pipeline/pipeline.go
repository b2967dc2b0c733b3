// Package pipeline is the one straight line from a source's object to committed
// chunks: record → event → enrichment → stateless rules → columns → commit. The same
// call serves the ingest activity, receivers and benchmarks.
package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/rules"
	"vigil/rules/correlate"
	"vigil/schema"
	"vigil/schema/flow"
)

// Events collects the events of one chunk as columns.
type Events interface {
	Append(e *schema.Event)
	Rows() int
	Reset()
}

// Commit is one chunk, ready to be stored.
type Commit struct {
	Chunk      schema.Chunk
	Events     Events
	Failures   []schema.ParseFailure
	Detections []schema.Detection
	Scores     []schema.Score
	Sightings  []schema.Sighting
	RuleError  string // why evaluation failed, "" when it did not
	InDoubt    bool   // an earlier attempt may have stored parts of the chunk
}

// Sink stores chunks. Commit must be idempotent: the manifest row last, everything
// under the chunk's id as deduplication token.
type Sink interface {
	// NewEvents returns an empty collection, a recycled one if there is any: the buffers
	// of a chunk have grown to tens of megabytes.
	NewEvents() Events
	// Recycle takes a collection back that no run uses any more.
	Recycle(Events)
	Commit(ctx context.Context, c *Commit) error
}

// Enricher puts context on events, from tables handed in. It keeps nothing of e.
type Enricher interface {
	Enrich(e *schema.Event)
}

// Scorer scores events by models. Rules ask it about the event it took last.
type Scorer interface {
	rules.Scores
	// Take scores e and appends the scores worth keeping; model, detector and score
	// only are filled in. It keeps nothing of e.
	Take(e *schema.Event, dst []schema.Score) []schema.Score
}

// Witness is an Enricher that tells which indicators it saw in the event it enriched last;
// only indicator, value and feed are filled in.
type Witness interface {
	Sightings(dst []schema.Sighting) []schema.Sighting
}

// Config is what a run needs to know. One Config serves one goroutine.
type Config struct {
	Org, Source string
	Epoch       int
	Format      string     // parser format; "": detected
	Formats     parser.Set // to choose from; nil: the built-in ones
	Plan        flow.IngestPlan
	Evaluator   *rules.Evaluator // nil: no rules
	Enricher    Enricher         // nil: none
	Scorer      Scorer           // nil: rules find scores in the event's extras, as tests write them
	// Committed is called after each commit, in order.
	Committed func(c schema.Chunk) error
	// Reading is called now and then with the stored bytes read of the object.
	Reading func(stored int64)
	// Now is the wall clock, for latency figures only.
	Now func() time.Time
}

// Position is where an object is continued: behind its last committed chunk.
type Position struct {
	From    int64 // offset in the decompressed object
	Seq     int64 // number of the next chunk
	InDoubt bool  // the next chunk may be partly stored
}

// ErrStop ends a run between two chunks without an error of its own.
var ErrStop = errors.New("stopped between chunks")

// Run reads one object from the position to its end and commits its chunks. It
// returns ErrStop when Committed returned ErrStop.
func Run(ctx context.Context, cfg Config, o source.Object, at Position, sink Sink) error {
	r, err := newRun(cfg, o, at, sink)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- r.commitAll(ctx, cancel) }()
	err = r.readAll(ctx)
	close(r.ready)
	cerr := <-done
	r.recycle()
	if cerr != nil {
		return cerr
	}
	return err
}

// recycle hands the buffers back when nothing is under way.
func (r *run) recycle() {
	if r.cur != nil {
		r.free <- r.cur.Events
		r.cur = nil
	}
	for range len(r.free) {
		events := <-r.free
		events.Reset()
		r.sink.Recycle(events)
	}
}

// run is the state of one Run.
type run struct {
	cfg    Config
	object source.Object
	hash   uint64
	at     Position
	sink   Sink
	parser parser.Parser
	format string
	zone   *time.Location

	event schema.Event
	hits  []rules.Hit
	sum   hash.Hash
	bytes int64 // of the current chunk's records where offsets count something else
	cur   *Commit
	free  chan Events  // event buffers not in use
	ready chan *Commit // chunks to commit, in order
}

func newRun(cfg Config, o source.Object, at Position, sink Sink) (*run, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Plan.Records <= 0 || cfg.Plan.Bytes <= 0 {
		return nil, fmt.Errorf("the plan does not say where chunks are cut: %+v", cfg.Plan)
	}
	zone, err := time.LoadLocation(cfg.Plan.Zone)
	if err != nil {
		return nil, schema.E(schema.Invalid, "unknown time zone "+cfg.Plan.Zone, "use an IANA name such as Europe/Berlin", err)
	}
	r := &run{cfg: cfg, object: o, at: at, sink: sink, zone: zone, sum: sha256.New(),
		hash: schema.ObjectHash(cfg.Org, cfg.Source, cfg.Epoch, o.Fingerprint),
		free: make(chan Events, 2), ready: make(chan *Commit)}
	for range cap(r.free) {
		r.free <- sink.NewEvents()
	}
	if cfg.Scorer != nil && cfg.Evaluator != nil {
		cfg.Evaluator.SetScores(cfg.Scorer)
	}
	return r, nil
}

// commitAll stores chunks in order while the next one is read.
func (r *run) commitAll(ctx context.Context, cancel context.CancelCauseFunc) (err error) {
	for c := range r.ready {
		if err == nil {
			if err = r.sink.Commit(ctx, c); err == nil && r.cfg.Committed != nil {
				err = r.cfg.Committed(c.Chunk)
			}
			if err != nil {
				cancel(err) // the reader stops; chunks behind this one are dropped
			}
		}
		c.Events.Reset()
		r.free <- c.Events
	}
	return err
}

// readAll reads records until the object ends. A stream that breaks off ends the
// object: what came before is committed, and the break is a failure of its own.
func (r *run) readAll(ctx context.Context) error {
	in, err := r.open()
	if err != nil {
		return r.unreadable(ctx, err)
	}
	defer func() { _ = in.Close() }()
	for n := 0; ; n++ {
		rec, err := in.Next()
		switch {
		case errors.Is(err, io.EOF) && r.object.Limit > 0:
			return r.pause(ctx)
		case errors.Is(err, io.EOF):
			return r.finish(ctx)
		case err != nil && r.object.Passing(err):
			return err
		case err != nil:
			r.fail(source.Record{Offset: r.offset()}, err.Error())
			if ferr := r.finish(ctx); ferr != nil {
				return ferr
			}
			return &source.Problem{Path: r.object.Name(), Err: err}
		}
		if n%1024 == 0 && r.cfg.Reading != nil {
			r.cfg.Reading(in.Stored())
		}
		if err := r.record(ctx, rec); err != nil {
			return err
		}
	}
}

// pause ends a run before the end of an object that still grows: at the last cut of a
// segment, and of a file that is followed at the limit itself, which is kept for retries.
func (r *run) pause(ctx context.Context) error {
	if r.cur != nil && r.object.File != nil {
		return r.cut(ctx, false)
	}
	if r.cur != nil {
		return fmt.Errorf("%s may be read to %d, but no chunk ends there", r.object.Name(), r.object.Limit)
	}
	return nil
}

// open finds the format, primes the parser with the object's header lines, and goes
// to the position.
func (r *run) open() (*source.Reader, error) {
	head, err := r.object.Reader(0)
	if err != nil {
		return nil, err
	}
	sample, err := head.Sample()
	if err != nil {
		_ = head.Close()
		return nil, err
	}
	f, err := r.chooseFormat(sample)
	if err != nil {
		_ = head.Close()
		return nil, err
	}
	r.format = f.Name
	r.parser = f.New(parser.Options{Object: r.object.Name(), BaseYear: r.cfg.Plan.BaseYear, BaseTime: r.cfg.Plan.Ingested.Add(24 * time.Hour), Zone: r.zone})
	if r.at.From == 0 {
		return head, nil
	}
	defer func() { _ = head.Close() }()
	for range 100 {
		rec, err := head.Next()
		if err != nil || rec.Offset >= r.at.From {
			break
		}
		r.event.Reset(rec.Data, rec.Offset)
		if err := r.parser.Parse(rec.Data, &r.event); !errors.Is(err, parser.ErrHeader) && !errors.Is(err, parser.ErrSkip) {
			break
		}
	}
	return r.object.Reader(r.at.From)
}

func (r *run) chooseFormat(sample []byte) (parser.Format, error) {
	formats := r.cfg.Formats
	if formats == nil {
		formats = parser.Formats()
	}
	if r.cfg.Format != "" {
		return formats.ByName(r.cfg.Format)
	}
	f, _, err := formats.Detect(sample, r.object.Name())
	if err != nil && r.object.Feed != nil {
		return formats.ByName("text") // a queue has no end to close it at; what is in it is kept record by record
	}
	return f, err
}

// unreadable stores one failure for an object of which nothing can be read.
func (r *run) unreadable(ctx context.Context, cause error) error {
	if r.object.Passing(cause) {
		return cause
	}
	r.fail(source.Record{}, cause.Error())
	if err := r.finish(ctx); err != nil {
		return err
	}
	return &source.Problem{Path: r.object.Name(), Err: cause}
}

// record takes one record into the current chunk.
func (r *run) record(ctx context.Context, rec source.Record) error {
	if r.cur == nil {
		if rec.Cut {
			return nil // a chunk was full just before it
		}
		from := rec.Offset
		if r.object.Feed != nil {
			from = r.object.Feed.From
		}
		if err := r.begin(ctx, from); err != nil {
			return err
		}
		if !rec.Received.IsZero() {
			r.cur.Chunk.Ingested = rec.Received
		}
	}
	c := &r.cur.Chunk
	c.To = rec.Offset + rec.Size
	if rec.Cut {
		return r.cut(ctx, false)
	}
	r.sum.Write(rec.Own())
	r.sum.Write([]byte{'\n'})
	r.take(rec)
	r.bytes += rec.Weight
	if r.object.Feed != nil {
		return nil // it carries its own cut
	}
	if c.Records+c.Skipped >= r.cfg.Plan.Records || max(c.To-c.From, r.bytes) >= r.cfg.Plan.Bytes {
		return r.cut(ctx, false)
	}
	return nil
}

// take parses the record and keeps what it is: event, failure or nothing.
func (r *run) take(rec source.Record) {
	c := &r.cur.Chunk
	if rec.TooLong {
		c.Records++
		r.fail(rec, fmt.Sprintf("the record has %d bytes, more than the %d that are read whole; its head is kept", rec.Size, source.MaxRecord))
		return
	}
	if rec.Damage != nil {
		c.Records++
		r.fail(rec, rec.Damage.Error())
		return
	}
	e := &r.event
	e.Reset(rec.Data, rec.Offset)
	err := r.parser.Parse(rec.Data, e)
	switch {
	case errors.Is(err, parser.ErrHeader), errors.Is(err, parser.ErrSkip):
		c.Skipped++
		return
	case err != nil:
		c.Records++
		r.fail(rec, err.Error())
		return
	}
	c.Records++
	c.Warnings += int64(e.Warnings)
	e.ID = schema.EventIDAt(r.hash, rec.Offset)
	if !e.Has(schema.FTimestamp) {
		e.SetTime(schema.FTimestamp, r.cur.Chunk.Ingested)
	}
	if rec.Suspect {
		e.Add(schema.FTags, suspected)
	}
	if r.cfg.Enricher != nil {
		r.cfg.Enricher.Enrich(e)
		r.witness(e)
	}
	r.score(e)
	r.detect(e)
	r.cur.Events.Append(e)
}

// score lets the models see the event, before rules ask what they think of it.
func (r *run) score(e *schema.Event) {
	if r.cfg.Scorer == nil {
		return
	}
	from := len(r.cur.Scores)
	r.cur.Scores = r.cfg.Scorer.Take(e, r.cur.Scores)
	if len(r.cur.Scores) == from {
		return
	}
	id := e.ID.String()
	for i := range r.cur.Scores[from:] {
		x := &r.cur.Scores[from+i]
		x.Org, x.Source, x.EventID, x.Time, x.Ingested = r.cfg.Org, r.cfg.Source, id, e.Time(), r.cur.Chunk.Ingested
	}
}

// witness keeps the sightings of the event with its chunk.
func (r *run) witness(e *schema.Event) {
	w, ok := r.cfg.Enricher.(Witness)
	if !ok {
		return
	}
	from := len(r.cur.Sightings)
	r.cur.Sightings = w.Sightings(r.cur.Sightings)
	if len(r.cur.Sightings) == from {
		return
	}
	id := e.ID.String()
	for i := range r.cur.Sightings[from:] {
		s := &r.cur.Sightings[from+i]
		s.Org, s.Source, s.EventID, s.Time, s.Ingested = r.cfg.Org, r.cfg.Source, id, e.Time(), r.cur.Chunk.Ingested
	}
}

// suspected tags an event whose record may be a re-send that nothing identifies.
const suspected = "suspected_duplicate"

func (r *run) detect(e *schema.Event) {
	if r.cfg.Evaluator == nil {
		return
	}
	r.hits = r.cfg.Evaluator.Evaluate(e, r.hits[:0])
	for _, h := range r.hits {
		// The chunk's id is known at its cut; it is filled in there.
		r.cur.Detections = append(r.cur.Detections, h.Detection(rules.Origin{Org: r.cfg.Org, Source: r.cfg.Source, Ingested: r.cur.Chunk.Ingested}))
	}
}

// maxKept is how much of a failed record is stored.
const maxKept = 64 << 10

// fail keeps a record that is no event, with the reason.
func (r *run) fail(rec source.Record, reason string) {
	if r.cur == nil {
		r.cur = &Commit{Chunk: r.newChunk(rec.Offset), Events: <-r.free, InDoubt: r.at.InDoubt}
		r.cur.Chunk.To = rec.Offset
	}
	raw := rec.Data
	if len(raw) > maxKept {
		raw = raw[:maxKept]
	}
	r.cur.Failures = append(r.cur.Failures, schema.ParseFailure{Org: r.cfg.Org, Source: r.cfg.Source, Object: r.object.Name(), Offset: rec.Offset, Format: r.format,
		Reason: strings.ToValidUTF8(reason, "?"), Raw: append([]byte(nil), raw...), Size: rec.Size, Ingested: r.cur.Chunk.Ingested})
}

func (r *run) offset() int64 {
	if r.cur != nil {
		return r.cur.Chunk.To
	}
	return r.at.From
}

func (r *run) newChunk(from int64) schema.Chunk {
	return schema.Chunk{Org: r.cfg.Org, Source: r.cfg.Source, Epoch: r.cfg.Epoch, Object: r.object.Name(), Fingerprint: r.object.Fingerprint, Format: r.format,
		Seq: r.at.Seq, From: from, To: from, Ingested: r.cfg.Plan.Ingested, RuleSet: r.cfg.Plan.RuleSet, Intel: r.cfg.Plan.Intel, Models: r.cfg.Plan.Models, Tables: r.cfg.Plan.Tables, Read: r.cfg.Now()}
}

func (r *run) begin(ctx context.Context, from int64) error {
	chunk := r.newChunk(from) // before the wait: its time of reading counts the wait for the engine
	select {
	case events := <-r.free:
		r.cur = &Commit{Chunk: chunk, Events: events, InDoubt: r.at.InDoubt}
		r.sum.Reset()
		r.bytes = 0
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// finish cuts what is left and marks the object as complete.
func (r *run) finish(ctx context.Context) error {
	if r.cur == nil {
		if err := r.begin(ctx, r.at.From); err != nil {
			return err
		}
	}
	return r.cut(ctx, true)
}

// cut closes the current chunk and hands it to the committer.
func (r *run) cut(ctx context.Context, last bool) error {
	c := r.cur
	r.cur = nil
	ch := &c.Chunk
	ch.Last = last
	ch.Bytes = ch.To - ch.From
	if r.bytes > 0 || r.object.Feed != nil {
		ch.Bytes = r.bytes
	}
	r.bytes = 0
	ch.Hash = hex.EncodeToString(r.sum.Sum(nil))
	ch.ID = schema.ChunkID(ch.Org, ch.Source, ch.Epoch, ch.Fingerprint, ch.From, ch.To)
	if last && ch.From == ch.To {
		// An empty tail still needs an id of its own beside the chunk that ends here.
		ch.ID = schema.ChunkID(ch.Org, ch.Source, ch.Epoch, ch.Fingerprint+"#end", ch.From, ch.To)
	}
	if r.cfg.Evaluator != nil {
		c.Detections = correlate.Thin(r.cfg.Evaluator.Set(), c.Detections)
	}
	ch.Events, ch.Failures, ch.Detections = int64(c.Events.Rows()), int64(len(c.Failures)), int64(len(c.Detections))
	for i := range c.Failures {
		c.Failures[i].Chunk = ch.ID
	}
	for i := range c.Detections {
		c.Detections[i].Chunk = ch.ID
	}
	for i := range c.Scores {
		c.Scores[i].Chunk = ch.ID
	}
	for i := range c.Sightings {
		c.Sightings[i].Chunk = ch.ID
	}
	if r.cfg.Evaluator != nil {
		if _, err := r.cfg.Evaluator.Failures(); err != nil {
			c.RuleError = err.Error()
		}
	}
	r.at = Position{From: ch.To, Seq: ch.Seq + 1}
	r.sum.Reset()
	select {
	case r.ready <- c:
		return nil
	case <-ctx.Done():
		r.free <- c.Events
		return context.Cause(ctx)
	}
}
