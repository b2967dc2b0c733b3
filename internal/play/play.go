// Package play runs records through a rule set and keeps nothing: what ingestion would do
// with them (read, parse, enrich, evaluate, judge, fold), without a store. Benchmarks and the
// continuous tests of detections use it.
package play

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"vigil/internal/alert"
	"vigil/internal/enrich"
	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/rules"
	"vigil/rules/correlate"
	"vigil/schema"
	"vigil/schema/flow"
)

// Found is what a rule set makes of some objects.
type Found struct {
	Events   int
	Failures int      // records that no parser took
	Datasets []string // of the events
	HostDays int      // hosts times days on which they wrote something
	Alerts   []alert.Folded
	Hidden   []string // rules whose detections an exception hides
}

// ingested is the ingest time of everything: no result may depend on the clock.
var ingested = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Run reads objects as one source and returns the alerts that the set raises.
func Run(ctx context.Context, set *rules.Set, objects ...source.Object) (Found, error) {
	sink := memory{datasets: map[string]bool{}, hostDays: map[string]bool{}}
	cfg := pipeline.Config{Org: schema.DefaultOrg, Source: "play", Evaluator: set.Evaluator(), Enricher: enrich.BuiltIn(),
		Plan: flow.IngestPlan{Ingested: ingested, BaseYear: 2024, Records: 100_000, Bytes: 64 << 20}}
	for _, o := range objects {
		err := pipeline.Run(ctx, cfg, o, pipeline.Position{}, &sink)
		if p := (*source.Problem)(nil); err != nil && !errors.As(err, &p) { // a damaged object ends early, and has told so
			return Found{}, err
		}
	}
	out := Found{Events: sink.events, Failures: sink.failures, Datasets: slices.Sorted(maps.Keys(sink.datasets)), HostDays: len(sink.hostDays)}
	for _, d := range sink.detections {
		if d.Kind == string(rules.Hidden) && !slices.Contains(out.Hidden, d.Rule) {
			out.Hidden = append(out.Hidden, d.Rule)
		}
	}
	out.Alerts = alert.Fold(judge(set, sink.detections), func(id, _ string) alert.Rule {
		if r, ok := set.Rule(id); ok {
			return alert.Rule{Window: r.Suppress.For, Playbook: r.Playbook}
		}
		return alert.Rule{}
	})
	return out, nil
}

// judge puts what stateful rules make of their base detections in the place of these.
func judge(set *rules.Set, ds []schema.Detection) []schema.Detection {
	var out []schema.Detection
	bases := map[string][]schema.Detection{}
	for _, d := range ds {
		if d.Kind == string(rules.Base) {
			bases[d.Rule] = append(bases[d.Rule], d)
		} else {
			out = append(out, d)
		}
	}
	for id, list := range bases {
		r, ok := set.Rule(id)
		if !ok {
			continue
		}
		byTime := func(a, b schema.Detection) int { return a.Time.Compare(b.Time) }
		first, last := slices.MinFunc(list, byTime).Time, slices.MaxFunc(list, byTime).Time
		fires, _ := correlate.Judge(r, list, correlate.Affected(r, first, last), ingested)
		out = append(out, fires...)
	}
	return out
}

// memory is a sink that keeps detections and counts the rest.
type memory struct {
	events, failures int
	datasets         map[string]bool
	hostDays         map[string]bool
	detections       []schema.Detection
}

func (m *memory) NewEvents() pipeline.Events {
	return &rows{datasets: map[string]bool{}, hostDays: map[string]bool{}}
}

func (m *memory) Recycle(pipeline.Events) {}

func (m *memory) Commit(_ context.Context, c *pipeline.Commit) error {
	m.events += c.Events.Rows()
	r := c.Events.(*rows)
	maps.Copy(m.datasets, r.datasets)
	maps.Copy(m.hostDays, r.hostDays)
	m.failures += len(c.Failures)
	for i := range c.Detections {
		c.Detections[i].Chunk = c.Chunk.ID
	}
	m.detections = append(m.detections, c.Detections...)
	return nil
}

// rows counts events and notes their data sets, hosts and days.
type rows struct {
	n        int
	datasets map[string]bool
	hostDays map[string]bool
}

func (r *rows) Append(e *schema.Event) {
	r.n++
	if d := e.Str(schema.FEventDataset); !r.datasets[d] {
		r.datasets[strings.Clone(d)] = true
	}
	r.hostDays[strings.ToLower(e.Str(schema.FHostName))+e.Time().UTC().Format(" 2006-01-02")] = true
}

func (r *rows) Rows() int { return r.n }

func (r *rows) Reset() {
	r.n = 0
	clear(r.datasets)
	clear(r.hostDays)
}

// Lines is an object of lines in memory.
func Lines(name string, text []string) source.Object {
	f := &source.Feed{To: int64(len(text))}
	for i, l := range text {
		f.Items = append(f.Items, source.Item{Offset: int64(i), Data: []byte(l)})
	}
	return source.Fed(name, schema.HashID(append([]string{name}, text...)...), f)
}

// Try runs a sample through a rule set and says which of its techniques are found, and by
// what. An alert of any severity counts; what an exception hides does not.
func Try(ctx context.Context, set *rules.Set, s schema.Sample) (schema.SampleResult, error) {
	r := schema.SampleResult{Org: s.Org, Sample: s.ID, Title: s.Title, Attack: s.Attack, Found: []string{}, Rules: []string{}, Other: []string{}, RuleSet: set.Hash()}
	f, err := Run(ctx, set, Lines(s.ID+".log", s.Records))
	if err != nil {
		return r, err
	}
	if f.Events == 0 {
		r.Error = "no parser takes these records"
		return r, nil
	}
	r.Hidden = f.Hidden
	for _, a := range f.Alerts {
		found := false
		for _, t := range s.Attack {
			if !names(a.Alert.Attack, t) {
				continue
			}
			if found = true; !slices.Contains(r.Found, t) {
				r.Found = append(r.Found, t)
			}
		}
		list := &r.Other
		if found {
			list = &r.Rules
		}
		if !slices.Contains(*list, a.Alert.Rule) {
			*list = append(*list, a.Alert.Rule)
		}
	}
	for _, list := range []*[]string{&r.Found, &r.Rules, &r.Other} {
		slices.Sort(*list)
	}
	return r, nil
}

// names says whether techniques hold one, or a sub-technique of it.
func names(techniques []string, one string) bool {
	return slices.ContainsFunc(techniques, func(t string) bool { return t == one || strings.HasPrefix(t, one+".") })
}
