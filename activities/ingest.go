package activities

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.temporal.io/sdk/activity"

	"vigil/internal/parser"
	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// Chunk cuts of files: small enough that an alert follows its event within a second
// or two at full speed, large enough that merges stay cheap.
const (
	chunkRecords = 20_000
	chunkBytes   = 16 << 20
	// segmentTime is how long one activity moves chunks before it hands back.
	segmentTime = time.Minute
)

// IngestStore is what ingestion reads and writes; *store.Store is one.
type IngestStore interface {
	Committed(ctx context.Context, org, source string, epoch int) (map[string]store.ObjectState, error)
	PlanTotals(ctx context.Context, org, source string, epoch int, ingested time.Time) (chunks int64, total schema.Chunk, err error)
	CommitChunk(ctx context.Context, d store.ChunkData) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
	SourceStore
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
	Rules *RuleSets
	// Enricher makes the enrichment of a plan, with the versions that it pins; nil
	// enriches nothing.
	Enricher func(ctx context.Context, org string, plan flow.IngestPlan) (pipeline.Enricher, error)
	// Formats are those that a plan's objects are parsed with; nil: the built-in ones.
	Formats func(ctx context.Context, org string, plan flow.IngestPlan) (parser.Set, error)
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
	// TableVersion names the tables of enrichment now in force; nil: none.
	TableVersion func(ctx context.Context, org string) (string, error)
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
	in.Org = cmp.Or(in.Org, schema.DefaultOrg)
	if sourceName.MatchString(in.Source) { // others cannot be told by name what to do
		if _, err := define(ctx, a.Store, &in); err != nil {
			return flow.IngestPlan{}, Retryable(err)
		}
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	plan := flow.IngestPlan{Ingested: now, BaseYear: now.Year(), Zone: in.Zone, Records: chunkRecords, Bytes: chunkBytes}
	if err := a.pin(ctx, in.Org, &plan); err != nil {
		return plan, Retryable(fmt.Errorf("pinning versions: %w", err))
	}
	for o, err := range source.Objects(ctx, in.Paths) {
		activity.RecordHeartbeat(ctx)
		if err == nil && !asked(in, o) {
			continue
		}
		if err == nil {
			plan.Objects++
			plan.Size += o.Size
		} else if ctx.Err() != nil {
			return plan, context.Cause(ctx)
		}
	}
	return plan, nil
}

// asked says whether an object was changed in the time that is asked for.
func asked(in flow.IngestInput, o source.Object) bool {
	if in.Since.IsZero() && in.Until.IsZero() {
		return true
	}
	fi, err := os.Stat(o.Path)
	return err != nil || !fi.ModTime().Before(in.Since) && (in.Until.IsZero() || fi.ModTime().Before(in.Until))
}

// pin writes the rule set, the indicator set, the tables and the models now in force into
// the plan.
func (a *Ingest) pin(ctx context.Context, org string, plan *flow.IngestPlan) (err error) {
	set, err := a.Rules.InForce(ctx, org)
	if err != nil {
		return err
	}
	plan.RuleSet = set.Hash()
	if a.IntelVersion != nil {
		if plan.Intel, err = a.IntelVersion(ctx, org); err != nil {
			return err
		}
	}
	if a.TableVersion != nil {
		if plan.Tables, err = a.TableVersion(ctx, org); err != nil {
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
	Wait     time.Duration       `json:"wait,omitempty"`     // nothing to do for so long
	RuleSet  string              `json:"rule_set,omitempty"` // in force by now: the next stretch pins it
}

// IngestSegment moves chunks for about a minute, from where the manifest says, and
// heartbeats its progress. It may be killed and repeated at any point.
func (a *Ingest) IngestSegment(ctx context.Context, in SegmentInput) (SegmentResult, error) {
	if in.Plan.RuleSet == "" { // planned by a Vigil that did not keep rule sets: it names those in force, and so do its chunks
		set, err := a.Rules.InForce(ctx, in.Ingest.Org)
		if err != nil {
			return SegmentResult{Progress: in.Progress}, Retryable(err)
		}
		in.Plan.RuleSet = set.Hash()
	}
	s := &segment{a: a, in: in, sink: &sink{store: a.Store, crash: a.Crash}, began: time.Now(), p: in.Progress, beat: time.Now(), fresh: activity.GetInfo(ctx).Attempt == 1}
	s.resume(ctx)
	activity.RecordHeartbeat(ctx, s.p) // before anything slow
	done, err := s.run(ctx)
	s.p.Object = ""
	if err != nil {
		return SegmentResult{Progress: s.p}, Retryable(err)
	}
	s.publish(ctx, done)
	res := SegmentResult{Progress: s.p, Done: done}
	if !done { // between two stretches nothing is in doubt, so rules may change here
		set, err := a.Rules.InForce(ctx, in.Ingest.Org)
		if err != nil {
			return res, Retryable(err)
		}
		res.RuleSet = set.Hash()
	}
	return res, nil
}
