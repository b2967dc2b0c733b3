package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/rules"
	"vigil/schema"
)

// rulesBench is one run of `vigil rules bench`.
type rulesBench struct {
	*app
	paths  []string // of rules; none: those in use
	limit  int      // rules to list
	events int      // events to take at most
	year   int
}

func newRulesBenchCmd(a *app) *cobra.Command {
	b := rulesBench{app: a}
	c := &cobra.Command{
		Use: "bench RECORDING…", Short: "Measure what each rule costs on recorded events, the dearest first", Args: cobra.MinimumNArgs(1),
		Long: `Reads recordings (files, folders, archives), evaluates the rules in use on their events, and measures each rule by itself:
on how many events the index had it tried, on how many it fired, what a try takes, and what that makes on average for
each event of the recordings. Everything is measured three times and the least counts, which bears a busy machine.
Nothing is stored, and no Vigil need be running. Records that are no events are left out and counted.`,
		Example: "  vigil rules bench Security.evtx\n  vigil rules bench recordings/ --rules ./my-rules --limit 10",
		RunE:    func(c *cobra.Command, args []string) error { return b.run(c.Context(), args) },
	}
	c.Flags().StringArrayVar(&b.paths, "rules", nil, "rule files or folders instead of the rules in use")
	c.Flags().IntVar(&b.limit, "limit", 30, "rules to list; 0 for all")
	c.Flags().IntVar(&b.events, "events", 100_000, "events to take at most")
	c.Flags().IntVar(&b.year, "year", 2000, "year of timestamps that carry none")
	return c
}

// ruleCost is a row of the table.
type ruleCost struct {
	Rule     string  `json:"rule"`
	Tried    int     `json:"tried"`
	Fired    int     `json:"fired"`
	Try      float64 `json:"try_ns"`
	PerEvent float64 `json:"event_ns"`
	Indexed  bool    `json:"indexed"`
	Title    string  `json:"title"`
}

func (b *rulesBench) run(ctx context.Context, recordings []string) error {
	set, errs := b.set()
	b.ruleProblems(errs)
	formats, err := b.formats()
	if err != nil {
		return err
	}
	m, bad := set.Meter(), 0
	for o, err := range source.Objects(ctx, recordings) {
		if err == nil {
			err = b.object(o, formats, m, &bad)
		}
		if err != nil {
			fmt.Fprintln(b.err, "vigil:", err)
			bad++
		}
	}
	n, look := m.Events()
	if n == 0 {
		return schema.E(schema.NotFound, "there are no events to measure with", "vigil explain shows how a file is recognised")
	}
	out, tries, total := []ruleCost{}, 0, time.Duration(0)
	for _, c := range m.Costs() {
		tries, total = tries+c.Tried, total+c.Time
		if b.limit == 0 || len(out) < b.limit {
			out = append(out, ruleCost{c.Rule.ID, c.Tried, c.Fired, float64(c.Time) / float64(c.Tried), float64(c.Time) / float64(n), c.Rule.Indexed(), c.Rule.Title})
		}
	}
	if b.output == "json" {
		err = b.json(out)
	} else {
		var rows [][]any
		for _, c := range out {
			rows = append(rows, []any{c.Rule, c.Tried, c.Fired, fmt.Sprintf("%.0f", c.Try), fmt.Sprintf("%.2f", c.PerEvent), c.Indexed, c.Title})
		}
		err = b.table([]string{"rule", "tried", "fired", "ns a try", "ns an event", "indexed", "title"}, rows)
	}
	fmt.Fprintf(b.err, "%d rules on %d events (%d records left out): looking up %.0f ns an event, %.2f tries an event %.0f ns\n", len(set.Rules()), n, bad,
		float64(look)/float64(n), float64(tries)/float64(n), float64(total)/float64(n))
	return err
}

// set loads the rules to measure.
func (b *rulesBench) set() (*rules.Set, []error) {
	if len(b.paths) == 0 {
		return rules.Load(b.ruleSystems()...)
	}
	var list []*rules.Rule
	var errs []error
	for _, path := range b.paths {
		rs, more := readRules(path)
		list, errs = append(list, rs...), append(errs, more...)
	}
	return rules.SetOf(list...), errs
}

// object measures with the events of one file; bad counts its other records.
func (b *rulesBench) object(o source.Object, formats parser.Set, m *rules.Meter, bad *int) error {
	r, err := o.Reader(0)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	sample, err := r.Sample()
	if err != nil {
		return err
	}
	f, _, err := formats.Detect(sample, o.Name())
	if err != nil {
		return fmt.Errorf("%s: %w", o.Name(), err)
	}
	p := f.New(parser.Options{Object: o.Name(), BaseYear: b.year})
	var e schema.Event
	for n, _ := m.Events(); n < b.events; n, _ = m.Events() {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", o.Name(), err)
		}
		e.Reset(rec.Data, rec.Offset)
		switch err := p.Parse(rec.Data, &e); {
		case errors.Is(err, parser.ErrHeader), errors.Is(err, parser.ErrSkip):
		case rec.Damage != nil, err != nil:
			*bad++
		default:
			m.Take(&e)
		}
	}
	return nil
}
