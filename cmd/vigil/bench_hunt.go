package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vigil/internal/store"
	"vigil/rules/sigma"
	"vigil/schema"
	"vigil/schema/flow"
)

// huntBench measures hunts over a large store of its own.
type huntBench struct {
	a      *app
	dir    string
	sigma  string
	events int64
	repeat int
	memory int // of the engine, MiB
	settle time.Duration
	paths  []string

	own *benchVigil
}

func newBenchHuntCmd(a *app) *cobra.Command {
	b := &huntBench{a: a}
	var events string
	c := &cobra.Command{
		Use: "hunt [PATH…]", Short: "Rules over a large store: one, of several kinds, and all in one pass",
		Long: `Starts a Vigil with a data folder of its own, ingests the recordings, multiplies what it stored inside of ClickHouse until there
are as many events as asked (other ids, times, hosts, users and addresses; ten copies a day), and hunts: conditions that an
index answers, rules of several kinds, all rules in one pass. With --dir the folder is kept, and used again as far as it is
filled; without, it is removed at the end. About 110 bytes of disk are needed for an event, and as much again while ClickHouse merges.`,
		Example: "  vigil bench hunt --events 10M --sigma sigma-main.zip ../shared/data/mordor ../shared/data/zeek\n  vigil bench hunt --events 100M --dir /big/hunt\n  vigil bench hunt --events 100M --repeat 10 ../shared/data/mordor ../shared/data/zeek",
		RunE: func(c *cobra.Command, args []string) error {
			n, err := parseCount(events)
			if err != nil {
				return exit(2, err)
			}
			if b.repeat < 1 {
				return exit(2, errors.New("--repeat must be at least 1"))
			}
			b.events, b.paths = n, args
			return b.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&events, "events", "10M", "events to hunt over, such as 500k or 100M")
	f.IntVar(&b.repeat, "repeat", 1, "hold each event so many times, by links to the files on disk: that many times less to fill")
	f.StringVar(&b.dir, "dir", "", "data folder to fill and keep")
	f.StringVar(&b.sigma, "sigma", "", "Sigma rules that are put in use beside the built-in ones, before the hunts")
	f.DurationVar(&b.settle, "settle", 30*time.Minute, "how long to wait at most for ClickHouse to end its merges before the hunts")
	f.IntVar(&b.memory, "engine-memory-mb", 6000, "memory limit of ClickHouse in MiB")
	return c
}

// parseCount reads a number with k or M.
func parseCount(s string) (int64, error) {
	unit := int64(1)
	for suffix, u := range map[string]int64{"k": 1e3, "M": 1e6} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = rest, u
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > 1e12/unit {
		return 0, fmt.Errorf("%q is no number such as 500k or 100M", s)
	}
	return n * unit, nil
}

func (b *huntBench) run(ctx context.Context) (err error) {
	if b.own, err = newBenchVigil(b.a, b.dir, "--engine-memory-mb", strconv.Itoa(b.memory)); err != nil {
		return err
	}
	defer b.own.end()
	if err := b.own.start(ctx); err != nil {
		return err
	}
	stored, err := b.fill(ctx)
	if err != nil {
		return err
	}
	if b.sigma != "" { // only now: what is ingested here should raise no alerts
		files, err := sigmaFiles(b.sigma)
		if err != nil {
			return err
		}
		b.own.stop()
		if err := writeSigma(filepath.Join(b.own.data, "rules", "sigma"), sigma.Convert(files, sigma.Options{License: sigma.DefaultLicense})); err != nil {
			return err
		}
		if err := b.own.start(ctx); err != nil {
			return err
		}
	}
	return b.measure(ctx, stored)
}

// The sources of the store that is measured.
const (
	huntBase   = "base"
	huntCopies = "bench"
)

// fill ingests and multiplies until there are enough events, and returns how many.
func (b *huntBench) fill(ctx context.Context) (int64, error) {
	st, err := b.own.store(ctx)
	if err != nil {
		return 0, err
	}
	base, err := b.count(ctx, st, "source = '"+huntBase+"'")
	if err == nil && base == 0 {
		if len(b.paths) == 0 {
			return 0, exit(2, errors.New("the folder is empty: name recordings to fill it with"))
		}
		err = b.ingest(ctx)
	}
	if err != nil {
		return 0, err
	}
	all, err := b.count(ctx, st, "1")
	if err != nil {
		return 0, err
	}
	began, before := time.Now(), all
	for n := 0; all*int64(b.repeat) < b.events; n++ {
		if err := st.CopyEvents(ctx, b.a.org, huntBase, huntCopies, n, time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)); err != nil {
			return 0, err
		}
		if all, err = b.count(ctx, st, "1"); err != nil {
			return 0, err
		}
		fmt.Fprintf(b.a.err, "%d events, %.0f a second\n", all, float64(all-before)/time.Since(began).Seconds())
	}
	if b.repeat > 1 && all < b.events {
		if err := st.RepeatEvents(ctx, b.repeat); err != nil {
			return 0, err
		}
		if all, err = b.count(ctx, st, "1"); err != nil {
			return 0, err
		}
	}
	for deadline := time.Now().Add(b.settle); time.Now().Before(deadline); time.Sleep(time.Second) {
		if n, err := st.Merging(ctx); err != nil || n == 0 {
			return all, err
		}
	}
	fmt.Fprintf(b.a.err, "ClickHouse still merges after %s; the figures say less\n", b.settle)
	return all, nil
}

func (b *huntBench) count(ctx context.Context, st *store.Store, condition string) (int64, error) {
	c, err := st.CountHits(ctx, store.HuntQuery{Org: b.a.org, Condition: condition, From: time.Unix(0, 0).AddDate(-70, 0, 0), To: time.Unix(0, 0).AddDate(200, 0, 0)})
	return c.Hits, err
}

func (b *huntBench) ingest(ctx context.Context) error {
	tp, err := b.own.temporal(ctx)
	if err != nil {
		return err
	}
	in := flow.IngestInput{Org: b.a.org, Source: huntBase}
	for _, p := range b.paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return err
		}
		in.Paths = append(in.Paths, abs)
	}
	run, err := tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: flow.IngestID(b.a.org, huntBase), TaskQueue: flow.QueueIngest}, flow.Ingest, in)
	if err != nil {
		return fmt.Errorf("starting the ingestion: %w", err)
	}
	_, err = b.own.follow(ctx, tp, run)
	return err
}

// huntCase is one measured hunt.
type huntCase struct {
	name string
	in   flow.HuntInput
}

// cases are conditions and rules that are asked in different ways.
func (b *huntBench) cases(ctx context.Context, st *store.Store) ([]huntCase, error) {
	some := func(when, field string) (string, error) {
		res, _, err := b.hunt(ctx, flow.HuntInput{When: when, Limit: 1})
		if err != nil || len(res.Samples) == 0 {
			return "", cmp.Or(err, error(schema.E(schema.NotFound, "no event meets "+when, "fill the store with other recordings")))
		}
		e, err := st.Event(ctx, b.a.org, res.Samples[0])
		return e.Fields[field], err
	}
	address, err := some("has(e.source.ip) && e.event.dataset != 'zeek.conn'", "source.ip")
	if err != nil {
		return nil, err
	}
	name, err := some("has(e.dns.question.name)", "dns.question.name")
	if err != nil {
		return nil, err
	}
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	when := func(s string, datasets ...string) flow.HuntInput {
		return flow.HuntInput{When: s, Datasets: datasets}
	}
	return []huntCase{
		{"an address (index)", when("e.source.ip == " + quote(address))},
		{"a domain name (index)", when("e.dns.question.name == " + quote(name))},
		{"a user", when("e.user.name.ieq(['administrator'])")},
		{"text in the command line, Windows", when("e.process.command_line.icontains([' -enc ', 'downloadstring', 'invoke-'])", "windows.*")},
		{"text in the command line, all events", when("e.process.command_line.icontains([' -enc ', 'downloadstring', 'invoke-'])")},
		{"a regular expression over paths", when(`e.process.executable.matches('(?i)\\\\(temp|appdata)\\\\[a-z0-9]{6,}\\.exe$')`)},
		{"a field that is not modelled", when("e.winlog.event_data.GrantedAccess == '0x1410'")},
		{"rule win-lsass-access (match)", flow.HuntInput{Rules: []string{"win-lsass*"}}},
		{"rule linux-ssh-brute-force (threshold)", flow.HuntInput{Rule: "linux-ssh-brute-force"}},
		{"text in the whole record", when("e.raw.icontains(['mimikatz'])")},
		{"all rules in one pass", flow.HuntInput{Rules: []string{"*"}}},
	}, nil
}

func (b *huntBench) measure(ctx context.Context, stored int64) error {
	st, err := b.own.store(ctx)
	if err != nil {
		return err
	}
	cases, err := b.cases(ctx, st)
	if err != nil {
		return err
	}
	rows := [][]any{}
	for _, c := range cases {
		before, err := b.own.usage()
		if err != nil {
			return err
		}
		res, took, err := b.hunt(ctx, c.in)
		if err != nil {
			fmt.Fprintf(b.a.err, "%s: %v\n", c.name, err)
			continue
		}
		after, err := b.own.usage()
		if err != nil {
			return err
		}
		engine := after.Children - before.Children
		rows = append(rows, []any{c.name, max(res.Rules, 1), fmt.Sprintf("%.2f", took.Seconds()), fmt.Sprintf("%.1f", engine.Seconds()), fmt.Sprintf("%.1f", (after.CPU - before.CPU - engine).Seconds()),
			res.Scanned, res.Bytes / 1e6, res.Fires})
	}
	fmt.Fprintf(b.a.err, "%d events\n", stored)
	return b.a.table([]string{"hunt", "rules", "seconds", "cpu s ClickHouse", "cpu s Vigil", "rows read", "MB read", "fires"}, rows)
}

// hunt runs a hunt over everything that is stored, and says how long its workflow took.
func (b *huntBench) hunt(ctx context.Context, in flow.HuntInput) (res flow.HuntResult, took time.Duration, err error) {
	tp, err := b.own.temporal(ctx)
	if err != nil {
		return res, 0, err
	}
	in.Org, in.By = b.a.org, "bench"
	run, err := tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: flow.HuntID(b.a.org, in.Name(), "bench-"+time.Now().UTC().Format("20060102T150405.000000")), TaskQueue: flow.QueueDetect}, flow.Hunt, in)
	if err != nil {
		return res, 0, err
	}
	if err := await(ctx, tp, run, &res, func() {}); err != nil {
		return res, 0, err
	}
	d, err := tp.DescribeWorkflowExecution(ctx, run.GetID(), run.GetRunID())
	if err != nil {
		return res, 0, err
	}
	info := d.GetWorkflowExecutionInfo()
	return res, info.GetCloseTime().AsTime().Sub(info.GetStartTime().AsTime()), nil
}
