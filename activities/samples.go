package activities

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"vigil/internal/play"
	"vigil/rules"
	"vigil/rules/samples"
	"vigil/schema"
	"vigil/schema/flow"
)

// SampleStore keeps attack samples and how their tests went; *store.Store is one.
type SampleStore interface {
	Samples(ctx context.Context, org string) ([]schema.Sample, error)
	Sample(ctx context.Context, org, id string) (schema.Sample, error)
	PutSample(ctx context.Context, x schema.Sample) error
	SampleResults(ctx context.Context, org string) ([]schema.SampleResult, error)
	PutSampleResults(ctx context.Context, list []schema.SampleResult) error
	RawRecords(ctx context.Context, org string, ids []string, source string, limit int) ([]string, error)
	PutNotes(ctx context.Context, notes ...schema.Note) error
}

// Samples keeps attack samples and tries the rules in force on them.
type Samples struct {
	Store SampleStore
	// InForce is the deployed rule set, with its exceptions and what is switched off.
	InForce func(ctx context.Context, org string) (*rules.Set, error)
	Trail   Trail
}

// What a sample may hold: it is a few records, not an archive.
const (
	maxSampleRecords = 5000
	maxSampleBytes   = 8 << 20
)

var techniqueForm = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)

// PlaySamples runs samples through the rule set in force and keeps how each went.
// Results count versions up from what is stored; the workflow's id makes runs serial.
func (x *Samples) PlaySamples(ctx context.Context, in flow.TestDetectionsInput, key string, now time.Time) (flow.TestDetectionsResult, error) {
	defer beating(ctx)()
	set, err := x.InForce(ctx, in.Org)
	if err != nil {
		return flow.TestDetectionsResult{}, Retryable(err)
	}
	list, err := x.wanted(ctx, in)
	if err != nil {
		return flow.TestDetectionsResult{}, Retryable(err)
	}
	old := map[string]schema.SampleResult{}
	stored, err := x.Store.SampleResults(ctx, in.Org)
	if err != nil {
		return flow.TestDetectionsResult{}, Retryable(err)
	}
	for _, r := range stored {
		old[r.Sample] = r
	}
	res := flow.TestDetectionsResult{RuleSet: set.Hash(), Samples: len(list), Failed: []string{}}
	var results []schema.SampleResult
	for _, s := range list {
		r, err := play.Try(ctx, set, s)
		if err != nil {
			return res, Retryable(err)
		}
		r.Time, r.Passed, r.Version = now.UTC(), old[s.ID].Passed, old[s.ID].Version+1
		if r.OK() {
			r.Passed = r.Time
			res.Passed++
		} else {
			res.Failed = append(res.Failed, s.ID)
		}
		results = append(results, r)
	}
	if err := x.Store.PutSampleResults(ctx, results); err != nil {
		return res, Retryable(err)
	}
	for _, p := range schema.Proofs(results, now, time.Hour) {
		if p.State == schema.ProofGreen {
			res.Green++
		} else {
			res.Red++
		}
	}
	err = x.Trail.record(ctx, schema.AuditRecord{Org: in.Org, ID: auditID("detections.test", key), Actor: by(in.By), Verb: "detections.test", Object: set.Hash(), Outcome: "ok",
		Details: map[string]string{"samples": fmt.Sprint(res.Samples), "passed": fmt.Sprint(res.Passed), "failed": strings.Join(res.Failed[:min(len(res.Failed), 50)], " ")}})
	if err != nil {
		return res, Retryable(err)
	}
	return res, Retryable(x.Store.PutNotes(ctx, note(in.Org, "posture", "changed", key, res, now)))
}

// wanted are the samples that are asked for.
func (x *Samples) wanted(ctx context.Context, in flow.TestDetectionsInput) ([]schema.Sample, error) {
	kept, err := x.Store.Samples(ctx, in.Org)
	if err != nil {
		return nil, err
	}
	list, err := samples.With(in.Org, kept)
	if err != nil || len(in.Samples) == 0 {
		return list, err
	}
	var ids []string
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	for _, id := range in.Samples {
		if !slices.Contains(ids, id) {
			return nil, schema.E(schema.NotFound, "there is no sample "+id, schema.Nearest(id, ids))
		}
	}
	return slices.DeleteFunc(list, func(s schema.Sample) bool { return !slices.Contains(in.Samples, s.ID) }), nil
}

// PutSample keeps stored events as a sample: those of in.IDs, or all of the source in
// args. Args: title, attack (techniques, separated by commas), source. Records never pass through a
// workflow; a sample whose records cannot be read by themselves is refused.
func (x *Samples) PutSample(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	old, err := x.Store.Sample(ctx, in.Org, in.Key)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return flow.AdminResult{}, Retryable(err)
	}
	s := schema.Sample{Org: in.Org, ID: in.Key, Title: strings.TrimSpace(in.Args["title"]), By: by(in.By), Time: now.UTC(), Version: old.Version + 1}
	for t := range strings.SplitSeq(in.Args["attack"], ",") {
		if t = strings.TrimSpace(t); t != "" {
			s.Attack = append(s.Attack, t)
		}
	}
	if err := checkSample(s); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	if s.Records, err = x.Store.RawRecords(ctx, in.Org, in.IDs, in.Args["source"], maxSampleRecords+1); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	size := 0
	for _, r := range s.Records {
		size += len(r)
	}
	switch {
	case len(s.Records) == 0:
		return flow.AdminResult{}, Retryable(schema.E(schema.NotFound, "there are no such events", "name event ids, or a source with events"))
	case len(in.IDs) > 0 && len(s.Records) < len(in.IDs):
		return flow.AdminResult{}, Retryable(schema.E(schema.NotFound, fmt.Sprintf("only %d of %d events are there", len(s.Records), len(in.IDs)), ""))
	case len(s.Records) > maxSampleRecords || size > maxSampleBytes:
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, fmt.Sprintf("a sample may hold %d records and %d MiB", maxSampleRecords, maxSampleBytes>>20), "keep the events that show the attack"))
	}
	set, err := x.InForce(ctx, in.Org)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	r, err := play.Try(ctx, set, s)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	if r.Error != "" {
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, r.Error+" by themselves", "logs with a header line (Zeek TSV, CSV) cannot be kept so; the same logs as JSON can"))
	}
	return x.keep(ctx, s, in, key, "sample.put")
}

func checkSample(s schema.Sample) error {
	if !savedID.MatchString(s.ID) {
		return schema.E(schema.Invalid, fmt.Sprintf("a sample cannot be called %q", s.ID), "small letters, digits and hyphens, 2 to 64 characters")
	}
	if s.Title == "" || len(s.Title) > 200 {
		return schema.E(schema.Invalid, "a sample needs a title of at most 200 characters", "")
	}
	if len(s.Attack) == 0 || len(s.Attack) > 20 {
		return schema.E(schema.Invalid, "a sample needs 1 to 20 techniques that must be found", "T1003.001")
	}
	for _, t := range s.Attack {
		if !techniqueForm.MatchString(t) {
			return schema.E(schema.Invalid, fmt.Sprintf("a technique cannot be %q", t), "write T1059 or T1059.001")
		}
	}
	return nil
}

// DeleteSample removes a kept sample; its results go with the next test.
func (x *Samples) DeleteSample(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	s, err := x.Store.Sample(ctx, in.Org, in.Key)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	s.Deleted, s.Records, s.Time, s.Version = true, nil, now.UTC(), s.Version+1
	return x.keep(ctx, s, in, key, "sample.delete")
}

func (x *Samples) keep(ctx context.Context, s schema.Sample, in flow.AdminInput, key, verb string) (flow.AdminResult, error) {
	if err := x.Store.PutSample(ctx, s); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	err := x.Trail.record(ctx, schema.AuditRecord{Org: s.Org, ID: auditID(verb, key), Actor: by(in.By), Verb: verb, Object: s.ID, Outcome: "ok",
		Details: map[string]string{"title": s.Title, "attack": strings.Join(s.Attack, " "), "records": fmt.Sprint(len(s.Records))}})
	return flow.AdminResult{Changed: 1}, Retryable(err)
}
