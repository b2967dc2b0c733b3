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
	"time"

	"go.temporal.io/sdk/activity"

	"vigil/internal/parser"
	api "vigil/internal/source/pull"
	"vigil/internal/spool"
	"vigil/schema"
	"vigil/schema/flow"
)

// Pull fetches pages from APIs into the spool of this host, from where its Drain moves
// them into the store.
type Pull struct {
	Spool   *spool.Dir
	Sources SourceStore
	Dir     string              // where cursors and ids are kept
	Begun   func(source string) // is told of sources that are new to the spool

	sources bySource[pulled]
}

// pulled is what this process remembers of a source.
type pulled struct {
	turns
	seen *api.Seen
}

// PullPages fetches pages for about a minute. A page is in the spool, durably and with
// the ids of its records, before the cursor moves on: what is fetched again after a crash
// is known by its ids. What an API refuses does not end the source; it is told, and tried
// again later.
func (x *Pull) PullPages(ctx context.Context, in SegmentInput) (SegmentResult, error) {
	in.Ingest.Org = cmp.Or(in.Ingest.Org, schema.DefaultOrg)
	if _, err := define(ctx, x.Sources, &in.Ingest); err != nil {
		return SegmentResult{Progress: in.Progress}, Retryable(err)
	}
	doc, err := pullDocument(in.Ingest)
	if err != nil {
		return SegmentResult{Progress: in.Progress}, Retryable(err)
	}
	s := &pulling{x: x, in: in.Ingest, doc: doc, p: in.Progress, began: time.Now()}
	s.p.Problems, s.p.Error = nil, ""
	activity.RecordHeartbeat(ctx, s.p)
	s.src = x.source(in.Ingest.Org, in.Ingest.Source)
	if err := s.src.enter(ctx, func() { activity.RecordHeartbeat(ctx, s.p) }); err != nil {
		return SegmentResult{Progress: s.p}, err
	}
	defer s.src.leave()
	s.began = time.Now()
	r, err := s.run(ctx)
	r.Progress = s.p
	return r, Retryable(err)
}

// pullDocument is the description of the API that the source names.
func pullDocument(in flow.IngestInput) (*api.Document, error) {
	if !sourceName.MatchString(in.Source) {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("a source cannot be named %q", in.Source), "letters, digits, dot, hyphen and underscore")
	}
	doc, errs := api.Parse(in.Source+".yaml", []byte(in.Settings))
	if len(errs) > 0 {
		return nil, schema.E(schema.Invalid, errors.Join(errs...).Error(), "check it: vigil sources check-pull FILE.yaml")
	}
	if doc.Format != "" {
		if _, err := parser.ByName(doc.Format); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

func (x *Pull) source(org, name string) *pulled {
	return x.sources.of(org, name, func() *pulled { return &pulled{turns: newTurns()} })
}

// pulling is the state of one PullPages.
type pulling struct {
	x     *Pull
	in    flow.IngestInput
	doc   *api.Document
	src   *pulled
	log   *spool.Log
	kept  keptPull
	path  string // of what is kept
	p     flow.IngestProgress
	began time.Time
}

// keptPull is where a source goes on.
type keptPull struct {
	Cursor  api.Cursor `json:"cursor"`
	Rewound string     `json:"rewound,omitempty"` // the rewind that the cursor has followed
}

func (s *pulling) run(ctx context.Context) (SegmentResult, error) {
	if err := s.open(); err != nil {
		return SegmentResult{}, err
	}
	client, err := api.NewClient(ctx, s.doc)
	if err != nil {
		return s.later(err, time.Minute), nil
	}
	defer client.Close()
	for !s.handBack(ctx) {
		page, err := client.Fetch(ctx, s.kept.Cursor, s.in.Until)
		if ctx.Err() != nil {
			return SegmentResult{}, context.Cause(ctx)
		}
		if l, ok := errors.AsType[*api.Later](err); ok {
			return s.later(err, l.Wait), nil
		}
		if err != nil {
			return s.later(err, time.Minute), nil
		}
		if err := s.keep(ctx, page); err != nil {
			return SegmentResult{}, err
		}
		activity.RecordHeartbeat(ctx, s.p)
		if page.Done {
			return SegmentResult{Done: s.in.Once, Wait: s.every()}, nil
		}
	}
	return SegmentResult{}, nil
}

// open finds the spool, what is remembered, and where to go on.
func (s *pulling) open() (err error) {
	_, had := s.x.Spool.Lookup(s.in.Org, s.in.Source)
	if s.log, err = s.x.Spool.Log(spool.Meta{Org: s.in.Org, Source: s.in.Source, Kind: flow.KindPull, Format: s.doc.Format}); err != nil {
		return err
	}
	if !had && s.x.Begun != nil {
		s.x.Begun(s.in.Source)
	}
	if err := os.MkdirAll(s.x.Dir, 0o700); err != nil {
		return err
	}
	if s.src.seen == nil {
		if s.src.seen, err = api.OpenSeen(filepath.Join(s.x.Dir, schema.OwnName(s.in.Org, s.in.Source)+".ids"), s.doc.Remember, time.Now()); err != nil {
			return fmt.Errorf("reading the ids that are remembered: %w", err)
		}
	}
	name := schema.OwnName(s.in.Org, s.in.Source)
	if s.in.Once { // a back-fill has a cursor of its own
		name += "~" + schema.HashID("backfill", stamp(s.in.Since), stamp(s.in.Until), fmt.Sprint(s.in.Epoch))[:16]
	}
	s.path = filepath.Join(s.x.Dir, name+".json")
	text, err := os.ReadFile(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.kept = keptPull{Cursor: s.doc.Begin(s.in.Since, s.in.Until, time.Now()), Rewound: s.in.Rewound}
		return nil
	case err == nil:
		err = json.Unmarshal(text, &s.kept)
	}
	if err != nil {
		return schema.E(schema.Internal, "the cursor cannot be read", "move "+s.path+" away: it begins anew, and knows records by their ids", err)
	}
	if s.in.Rewound != "" && s.in.Rewound != s.kept.Rewound {
		s.kept = keptPull{Cursor: s.doc.Begin(s.in.Since, s.in.Until, time.Now()), Rewound: s.in.Rewound}
	}
	return nil
}

func (s *pulling) handBack(ctx context.Context) bool {
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return true
	default:
		return time.Since(s.began) > segmentTime || s.src.over(s.began)
	}
}

func (s *pulling) every() time.Duration {
	if s.in.Every > 0 {
		return time.Duration(s.in.Every) * time.Second
	}
	return s.doc.Every
}

// later is the answer when the API gives nothing now.
func (s *pulling) later(err error, wait time.Duration) SegmentResult {
	s.p.Error = err.Error()
	return SegmentResult{Wait: wait}
}

// maxPullBatch is about how many bytes of a page are spooled as one batch.
const maxPullBatch = 8 << 20

// keep puts the new records of a page into the spool, and then moves the cursor on.
func (s *pulling) keep(ctx context.Context, page api.Page) error {
	ids := page.IDs(s.in.Epoch)
	var batch []spool.Record
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := s.append(ctx, batch); err != nil {
			return err
		}
		batch, size = batch[:0], 0
		return nil
	}
	fresh := ids[:0:0]
	for i, r := range page.Records {
		if s.src.seen.Has(ids[i]) {
			continue
		}
		fresh = append(fresh, ids[i])
		batch = append(batch, spool.Record{Data: r.Data, ID: spool.ID(ids[i])})
		if size += len(r.Data); size >= maxPullBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if err := s.src.seen.Add(fresh, time.Now()); err != nil {
		return fmt.Errorf("remembering ids: %w", err)
	}
	s.kept.Cursor = page.Next
	text, err := json.Marshal(s.kept)
	if err != nil {
		return err
	}
	return spool.ReplaceFile(s.path, text)
}

// append waits for room in the spool: while it is full, the API keeps what it has.
func (s *pulling) append(ctx context.Context, batch []spool.Record) error {
	for {
		res, err := s.log.Append(ctx, batch)
		if err == nil {
			s.p.Records += int64(res.Stored)
			for _, r := range batch {
				s.p.Bytes += int64(len(r.Data))
			}
			return nil
		}
		if schema.CodeOf(err) != schema.Exhausted {
			return err
		}
		activity.RecordHeartbeat(ctx, s.p)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
