package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newBenchCmd makes `vigil bench`: each figure that Vigil states names its command.
func newBenchCmd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure a running Vigil end to end",
		Long: `Measures the Vigil that runs with --data: ingestion through Ingest workflows with the rules that are loaded, the time from
event to alert, space on disk; and starting and hunts, in a folder of their own. What it stores belongs to sources called bench-…: use
a data folder of its own. The machine should do nothing else meanwhile.`,
		Example: "  vigil bench start\n  vigil bench ingest --for 60s zeek/\n  vigil bench latency --runs 100\n  vigil bench hunt --events 10M recordings/\n  vigil bench respond\n  vigil bench live\n  vigil bench alerts\n  vigil bench disk\n  vigil bench normalise\n  vigil bench rules\n  vigil bench triage",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBenchStartCmd(a), newBenchIngestCmd(a), newBenchLatencyCmd(a), newBenchReceiveCmd(a), newBenchHuntCmd(a), newBenchRespondCmd(a), newBenchLiveCmd(a), newBenchAlertsCmd(a), newBenchDiskCmd(a), newBenchNormaliseCmd(a), newBenchRulesCmd(a), newBenchTriageCmd(a))
	return c
}

// figure is one measured number.
type figure struct {
	name  string
	value any
	unit  string
}

// figures prints measured numbers, with three digits that count.
func (a *app) figures(list []figure) error {
	rows := make([][]any, len(list))
	for i, f := range list {
		value := f.value
		if v, ok := value.(float64); ok {
			value = fmt.Sprintf("%.*f", decimals(v), v)
		}
		rows[i] = []any{f.name, value, f.unit}
	}
	return a.table([]string{"figure", "value", "unit"}, rows)
}

func decimals(v float64) int {
	switch {
	case v >= 100:
		return 0
	case v >= 10:
		return 1
	default:
		return 2
	}
}

func newBenchDiskCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "disk", Short: "Bytes on disk per stored event", Args: cobra.NoArgs, Example: "  vigil bench disk",
		Long: "Sums the parts of the events table as they are now: columns, indexes and the raw record, compressed.",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			d, err := s.DiskUse(c.Context())
			if err != nil {
				return err
			}
			per := func(n uint64) float64 { return float64(n) / float64(max(d.Events, 1)) }
			return a.figures([]figure{{"events", d.Events, ""}, {"on disk", per(d.Disk), "B/event"}, {"columns, uncompressed", per(d.Columns), "B/event"},
				{"records as they arrived", per(d.Raw), "B/event"}, {"disk to arrived", 100 * float64(d.Disk) / float64(max(d.Raw, 1)), "%"}})
		},
	}
}
