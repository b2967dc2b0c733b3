package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"vigil/internal/bench/normalise"
	"vigil/schema"
)

// normaliseFlags are what `vigil bench normalise` is asked for.
type normaliseFlags struct {
	data       string
	misses     bool
	difference bool
}

func newBenchNormaliseCmd(a *app) *cobra.Command {
	var f normaliseFlags
	c := &cobra.Command{
		Use: "normalise", Short: "Score the parsers against documents that others have published", Args: cobra.NoArgs,
		Example: "  vigil bench normalise --data ../shared/data\n  vigil bench normalise --misses\n  vigil bench normalise --differences\n  vigil bench normalise -o json",
		Long: `Parses records whose normalised documents are known (Sekoia's intake formats, Elastic's pipeline tests, OCSF examples, syslog lines of SC4S, Windows event
logs with JSON twins), and counts the expected fields that come out equal: the core ones (time, addresses and ports, user, host, action, outcome, URL, hash,
rule) and all of them. Only claimed formats count in the sums; the others are listed. Where we differ from a collection on purpose is a table, shown by
--differences: "agreed" fields are equal by it, "apart" fields are not compared. Nothing is stored, and no Vigil need be running.`,
		RunE: func(c *cobra.Command, _ []string) error { return a.benchNormalise(c, f) },
	}
	c.Flags().StringVar(&f.data, "data", "../shared/data", "the folder of the shared recordings, with normalise-pairs and windows in it")
	c.Flags().BoolVar(&f.misses, "misses", false, "list the fields that did not come out as expected")
	c.Flags().BoolVar(&f.difference, "differences", false, "list where we differ on purpose, and why")
	return c
}

func (a *app) benchNormalise(c *cobra.Command, f normaliseFlags) error {
	if f.difference {
		var rows [][]any
		for _, d := range normalise.Differences() {
			rows = append(rows, []any{d.Set, d.Format, d.Field, d.Reason})
		}
		return a.table([]string{"set", "format", "field", "reason"}, rows)
	}
	if _, err := os.Stat(f.data); err != nil {
		return schema.E(schema.NotFound, "the recordings are not at "+f.data, "name their folder with --data", err)
	}
	r, err := normalise.Score(c.Context(), f.data)
	if err != nil {
		return err
	}
	switch {
	case f.misses:
		return a.normaliseMisses(r)
	case a.output == "json":
		return a.json(r)
	}
	return a.table([]string{"set", "format", "claimed", "records", "recognised", "core", "of", "all", "of all", "agreed", "apart"}, normaliseRows(r))
}

// normaliseRows are the rows of the report, and the sums below them.
func normaliseRows(r normalise.Report) [][]any {
	var rows [][]any
	add := func(n normalise.Row, claimed string) {
		rows = append(rows, []any{n.Set, n.Format, claimed, n.Records, n.Recognised, percent(n.Core), n.Core.Wanted, percent(n.All), n.All.Wanted, n.Agreed, n.Apart})
	}
	for _, claimed := range []bool{true, false} {
		word := map[bool]string{true: "yes", false: "no"}[claimed]
		for _, row := range r.Rows {
			if row.Claimed == claimed {
				add(row, word)
			}
		}
	}
	for _, set := range []string{"elastic", "sekoia", "ocsf", "sc4s", "windows"} {
		sum := r.Total(func(n normalise.Row) bool { return n.Claimed && n.Set == set })
		sum.Set, sum.Format = "sum", set
		add(sum, "yes")
	}
	sum := r.Total(func(n normalise.Row) bool { return n.Claimed && n.Set != "windows" })
	sum.Set, sum.Format = "sum", "claimed, without the twins"
	add(sum, "yes")
	return rows
}

func percent(c normalise.Count) string { return fmt.Sprintf("%.1f %%", c.Percent()) }

func (a *app) normaliseMisses(r normalise.Report) error {
	var rows [][]any
	for _, row := range r.Rows {
		for _, m := range row.Misses {
			if row.Claimed {
				rows = append(rows, []any{row.Set, row.Format, m.Field, m.Times, m.Want, m.Have})
			}
		}
	}
	return a.table([]string{"set", "format", "field", "times", "want", "have"}, rows)
}
