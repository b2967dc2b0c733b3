package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vigil/internal/bench"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

func newBenchIngestCmd(a *app) *cobra.Command {
	var length time.Duration
	var dir string
	c := &cobra.Command{
		Use:   "ingest PATH…",
		Short: "Events and bytes per second, and the time from event to alert",
		Long: `Writes altered copies of the files (the digits of addresses, ids, ports and hashes change from copy to copy) until they last
for about the time asked, ingests them through an Ingest workflow, and prints rates, processor time per event, the share of
unique lines and the time from the reading of an event to its alert. A warm-up run tells how many copies are needed; a run
that ends too early is reported as such with exit code 3.`,
		Example: "  vigil bench ingest --for 60s ../shared/data/volume\n  vigil bench ingest -o json ../shared/data/mordor/windows",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.benchIngest(c.Context(), args, length, dir)
		},
	}
	c.Flags().DurationVar(&length, "for", time.Minute, "how long the measured run should last at least")
	c.Flags().StringVar(&dir, "dir", os.TempDir(), "folder for the altered copies (compressed; removed at the end)")
	return c
}

func (a *app) benchIngest(ctx context.Context, paths []string, length time.Duration, dir string) error {
	tp, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	st, err := a.store(ctx)
	if err != nil {
		return err
	}
	ep, err := a.endpoints()
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, "vigil-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	b := ingestBench{a: a, tp: tp, store: st, pid: ep.PID, paths: paths}
	probe, err := bench.Copies(ctx, paths, filepath.Join(tmp, "probe"), 1)
	if err != nil {
		return err
	}
	if probe.Lines == 0 {
		return exit(1, errors.New("the paths hold no lines"))
	}
	warm, err := b.run(ctx, filepath.Join(tmp, "warm"), max(1, 300_000/probe.Lines))
	if err != nil {
		return err
	}
	copies := int64(warm.rate()*length.Seconds()*1.3/float64(probe.Lines)) + 1
	run, err := b.run(ctx, filepath.Join(tmp, "run"), copies)
	if err != nil {
		return err
	}
	if err := a.figures(run.figures()); err != nil {
		return err
	}
	if run.took < length {
		fmt.Fprintf(a.err, "the run lasted %s, less than %s: ask for more with --for\n", run.took.Round(time.Second), length)
		return exit(3, nil)
	}
	return nil
}

// ingestBench runs measured ingestions of altered copies.
type ingestBench struct {
	a     *app
	tp    client.Client
	store *store.Store
	pid   int // of the running Vigil
	paths []string
}

// ingestFigures is one measured ingestion.
type ingestFigures struct {
	set           bench.Written
	p             flow.IngestProgress
	took          time.Duration
	vigil, engine time.Duration // processor time
	latency       store.Latency
}

func (r ingestFigures) rate() float64 { return float64(r.p.Events) / r.took.Seconds() }

func (r ingestFigures) figures() []figure {
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(max(r.p.Events, 1)) }
	return []figure{
		{"events per second", r.rate(), "1/s"},
		{"bytes per second", float64(r.p.Bytes) / r.took.Seconds() / 1e6, "MB/s"},
		{"time", r.took.Seconds(), "s"},
		{"records", r.p.Records, ""}, {"events", r.p.Events, ""}, {"rejects", r.p.Failures, ""},
		{"detections", r.p.Detections, ""}, {"alerts, new or grown", r.p.Alerts, ""},
		{"bytes per record", float64(r.p.Bytes) / float64(max(r.p.Records, 1)), "B"},
		{"unique lines", 100 * r.set.Unique(), "%"},
		{"processor time of Vigil with Temporal", per(r.vigil), "µs/event"},
		{"processor time of ClickHouse", per(r.engine), "µs/event"},
		{"processors busy", float64(r.vigil+r.engine) / float64(r.took), "cores"},
		{"event to alert, p50", float64(r.latency.P50.Milliseconds()), "ms"},
		{"event to alert, p99", float64(r.latency.P99.Milliseconds()), "ms"},
	}
}

// run writes the copies, then ingests them and measures only that.
func (b *ingestBench) run(ctx context.Context, dir string, copies int64) (r ingestFigures, err error) {
	if r.set, err = bench.Copies(ctx, b.paths, dir, copies); err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fmt.Fprintf(b.a.err, "%d lines in %d copies, %.0f %% unique\n", r.set.Lines, copies, 100*r.set.Unique())
	in := flow.IngestInput{Org: b.a.org, Source: "bench-" + time.Now().UTC().Format("20060102T150405.000"), Paths: []string{dir}}
	before, err := bench.UsageOf(b.pid)
	if err != nil {
		return r, err
	}
	began := time.Now()
	run, err := b.tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: flow.IngestID(b.a.org, in.Source), TaskQueue: flow.QueueIngest}, flow.Ingest, in)
	if err != nil {
		return r, fmt.Errorf("starting the ingestion: %w", err)
	}
	if r.p, err = b.a.follow(ctx, b.tp, run); err != nil {
		return r, fmt.Errorf("ingesting: %w", err)
	}
	r.took = time.Since(began)
	after, err := bench.UsageOf(b.pid)
	if err != nil {
		return r, err
	}
	r.engine = after.Children - before.Children
	r.vigil = after.CPU - before.CPU - r.engine
	for _, text := range r.p.Problems {
		fmt.Fprintln(b.a.err, "problem:", clean([]string{text})[0])
	}
	if r.p.Events == 0 {
		return r, schema.E(schema.Invalid, "none of the files became events", "look at the problems above")
	}
	r.latency, err = b.store.Latency(ctx, b.a.org, in.Source)
	return r, err
}
