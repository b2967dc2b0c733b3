// Package detect measures what the rules find: in attack recordings that others have
// labelled, in ordinary background, and in the tests that other engines publish for their
// own rules. Every record goes the way of the product: the pipeline reads, parses, enriches
// and evaluates it, stateful rules are judged, and detections are folded into alerts.
// Labels and expected results never enter an event.
package detect

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vigil/internal/alert"
	"vigil/internal/enrich"
	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/rules"
	"vigil/rules/correlate"
	"vigil/rules/library"
	"vigil/rules/sigma"
	"vigil/schema"
	"vigil/schema/flow"
)

// Engine is a rule set, and which of its rules are our own.
type Engine struct {
	set *rules.Set
	own *rules.Set
}

// New loads our rules and, with withSigma, those of SigmaHQ below data. Rules with
// placeholders of a site are left out, as an import without lists does.
func New(data string, withSigma bool) (*Engine, error) {
	own, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	x := &Engine{set: own, own: own}
	if !withSigma {
		return x, nil
	}
	f, err := os.Open(filepath.Join(data, "rules/sigma-rules.tar.gz"))
	if err != nil {
		return nil, fmt.Errorf("opening the rules of SigmaHQ: %w", err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("opening the rules of SigmaHQ: %w", err)
	}
	files, err := sigma.FromTar(z)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(own.Rules())
	for _, c := range sigma.Convert(files, sigma.Options{}).Converted {
		all = append(all, c.Rule)
	}
	x.set = rules.SetOf(all...)
	return x, nil
}

// Rules says how many rules are ours, and how many SigmaHQ's.
func (x *Engine) Rules() (own, sigma int) {
	return len(x.own.Rules()), len(x.set.Rules()) - len(x.own.Rules())
}

// isOwn says whether an alert is of one of our rules.
func (x *Engine) isOwn(a schema.Alert) bool {
	_, ok := x.own.Rule(a.Rule)
	return ok
}

// found is what the rules make of some objects.
type found struct {
	events   int
	failures int
	datasets []string // of the events
	hostDays int      // hosts times days on which they wrote something
	alerts   []alert.Folded
}

// ingested is the ingest time of everything: no result may depend on the clock.
var ingested = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// watch reads objects as one source and returns the alerts that it raises.
func (x *Engine) watch(ctx context.Context, objects ...source.Object) (found, error) {
	sink := memory{datasets: map[string]bool{}, hostDays: map[string]bool{}}
	cfg := pipeline.Config{Org: schema.DefaultOrg, Source: "bench", Evaluator: x.set.Evaluator(), Enricher: enrich.BuiltIn(),
		Plan: flow.IngestPlan{Ingested: ingested, BaseYear: 2024, Records: 100_000, Bytes: 64 << 20}}
	for _, o := range objects {
		err := pipeline.Run(ctx, cfg, o, pipeline.Position{}, &sink)
		if p := (*source.Problem)(nil); err != nil && !errors.As(err, &p) { // a damaged object ends early, and has told so
			return found{}, err
		}
	}
	out := found{events: sink.events, failures: sink.failures, datasets: slices.Sorted(maps.Keys(sink.datasets)), hostDays: len(sink.hostDays)}
	fires := x.judge(sink.detections)
	out.alerts = alert.Fold(fires, func(id, _ string) alert.Rule {
		if r, ok := x.set.Rule(id); ok {
			return alert.Rule{Window: r.Suppress.For, Playbook: r.Playbook}
		}
		return alert.Rule{}
	})
	return out, nil
}

// judge puts what stateful rules make of their base detections in the place of these.
func (x *Engine) judge(ds []schema.Detection) []schema.Detection {
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
		r, ok := x.set.Rule(id)
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

// lines is an object of lines in memory.
func lines(name string, text []string) source.Object {
	f := &source.Feed{To: int64(len(text))}
	for i, l := range text {
		f.Items = append(f.Items, source.Item{Offset: int64(i), Data: []byte(l)})
	}
	return source.Fed(name, schema.HashID(append([]string{name}, text...)...), f)
}

// objectsOf are the objects of a file below data, by member; of a plain file the member is "".
func objectsOf(ctx context.Context, data, file string) (map[string]source.Object, error) {
	out := map[string]source.Object{}
	for o, err := range source.Objects(ctx, []string{filepath.Join(data, file)}) {
		if p := (*source.Problem)(nil); errors.As(err, &p) && o.Fingerprint == "" {
			return nil, err
		}
		out[o.Member] = o
	}
	return out, nil
}

// atLeast says whether an alert is of that severity or worse.
func atLeast(a schema.Alert, s schema.Severity) bool { return a.Severity.Rank() >= s.Rank() }

// parent is the technique that a sub-technique is of.
func parent(technique string) string {
	p, _, _ := strings.Cut(technique, ".")
	return p
}

func byText[T any](name func(T) string) func(a, b T) int {
	return func(a, b T) int { return cmp.Compare(name(a), name(b)) }
}
