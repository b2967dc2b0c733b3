package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vigil/internal/bench/detect"
	"vigil/schema"
)

// detectionFlags are what `vigil bench rules` is asked for.
type detectionFlags struct {
	data, only string
	ownOnly    bool
	misses     bool
}

// benchParts are the tables of `vigil bench rules`, in order.
func benchParts() []string { return []string{"recordings", "backgrounds", "cases", "firing"} }

func newBenchRulesCmd(a *app) *cobra.Command {
	var f detectionFlags
	c := &cobra.Command{
		Use: "rules", Short: "Measure what the rules find in labelled attacks, in ordinary life, and in the tests of others", Args: cobra.NoArgs,
		Example: "  vigil bench rules --data ../shared/data\n  vigil bench rules --only recordings --misses\n  vigil bench rules --only backgrounds --own\n  vigil bench rules -o json",
		Long: `Runs our rules and those of SigmaHQ over recordings, the way that ingestion goes, without an engine and with nothing stored. Four tables:
recordings   attack recordings with an alert of at least medium severity whose technique is among the recording's labels
backgrounds  what is raised on ordinary machines and networks, by rule, and incidents by host and day
cases        tests that Panther, Wazuh and CrowdSec publish: what they report that our rules report too, and alerts where they want silence
firing       on how many recordings each of our rules fires; those that fire on none are untested but for their inline tests
A sub-technique counts as its technique, and identifiers of other editions of ATT&CK by what they are called in ours.`,
		RunE: func(c *cobra.Command, _ []string) error { return a.benchRules(c, f) },
	}
	c.Flags().StringVar(&f.data, "data", "../shared/data", "the folder of the shared recordings")
	c.Flags().StringVar(&f.only, "only", "", "one table: "+strings.Join(benchParts(), ", "))
	c.Flags().BoolVar(&f.ownOnly, "own", false, "without the rules of SigmaHQ, which take a minute to convert")
	c.Flags().BoolVar(&f.misses, "misses", false, "list recordings and cases that were missed, with what was raised instead")
	return c
}

// detectionReport is what -o json prints.
type detectionReport struct {
	Recordings  []detect.Recording  `json:"recordings,omitempty"`
	Backgrounds []detect.Background `json:"backgrounds,omitempty"`
	Cases       []detect.Case       `json:"cases,omitempty"`
	Firing      []detect.Firing     `json:"firing,omitempty"`
}

func (a *app) benchRules(c *cobra.Command, f detectionFlags) error {
	if _, err := os.Stat(f.data); err != nil {
		return schema.E(schema.NotFound, "the recordings are not at "+f.data, "name their folder with --data", err)
	}
	wanted := func(part string) bool { return f.only == "" || f.only == part }
	if near := schema.Nearest(f.only, benchParts()); f.only != "" && near != f.only {
		return schema.E(schema.Invalid, "there is no table "+f.only, "one of "+strings.Join(benchParts(), ", "))
	}
	var r detectionReport
	var err error
	ctx := c.Context()
	if wanted("recordings") || wanted("backgrounds") {
		x, err := detect.New(f.data, !f.ownOnly)
		if err != nil {
			return err
		}
		if wanted("recordings") {
			if r.Recordings, err = x.Recordings(ctx, f.data, nil); err != nil {
				return err
			}
		}
		if wanted("backgrounds") {
			if r.Backgrounds, err = x.Backgrounds(ctx, f.data); err != nil {
				return err
			}
		}
	}
	if wanted("cases") || wanted("firing") {
		cases, err := detect.Cases(ctx, f.data)
		if err != nil {
			return err
		}
		if wanted("cases") {
			r.Cases = cases
		}
		if wanted("firing") {
			if r.Firing, err = detect.Firings(ctx, f.data, cases); err != nil {
				return err
			}
		}
	}
	if a.output == "json" {
		return a.json(r)
	}
	for _, print := range []func(detectionReport, bool) error{a.recordingTable, a.backgroundTable, a.caseTable, a.firingTable} {
		if err = print(r, f.misses); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) recordingTable(r detectionReport, misses bool) error {
	if len(r.Recordings) == 0 {
		return nil
	}
	if misses {
		var rows [][]any
		for _, m := range r.Recordings {
			if m.Label() != "none" && len(m.Own)+len(m.Sigma) == 0 {
				rows = append(rows, []any{m.Set, m.Name, strings.Join(m.Techniques, " ") + m.Tactic, strings.Join(m.Other, "; ")})
			}
		}
		return a.table([]string{"set", "missed recording", "label", "raised instead"}, rows)
	}
	var rows [][]any
	for _, s := range detect.RecordingRows(r.Recordings) {
		rows = append(rows, []any{s.Set, s.Label, s.Recordings, share(s.Own, s.Recordings), share(s.Sigma, s.Recordings), share(s.Together, s.Recordings)})
	}
	return a.table([]string{"recordings", "label", "count", "own rules", "SigmaHQ", "together"}, rows)
}

func share(part, all int) string {
	return fmt.Sprintf("%d (%.1f %%)", part, 100*float64(part)/float64(max(1, all)))
}

func (a *app) backgroundTable(r detectionReport, _ bool) error {
	if len(r.Backgrounds) == 0 {
		return nil
	}
	var sums, loud [][]any
	for _, b := range r.Backgrounds {
		reference := any("-")
		if b.Reference >= 0 {
			reference = b.Reference
		}
		sums = append(sums, []any{b.Family, b.Name, b.Events, reference, b.High(true), b.High(false), b.HostDays, fmt.Sprintf("%.2f", b.PerHostDay()), fmt.Sprintf("%.2f", float64(b.AllGroups)/float64(max(1, b.HostDays))), b.Note})
		for _, l := range b.Rules {
			if l.High > 0 {
				loud = append(loud, []any{b.Name, l.Rule, map[bool]string{true: "own", false: "SigmaHQ"}[l.Own], l.High, l.Medium})
			}
		}
	}
	if err := a.table([]string{"family", "background", "events", "reference", "high, own", "high, SigmaHQ", "host-days", "incidents a host-day, own", "all rules", "note"}, sums); err != nil {
		return err
	}
	return a.table([]string{"background", "rule", "whose", "high", "medium"}, loud)
}

func (a *app) caseTable(r detectionReport, misses bool) error {
	if len(r.Cases) == 0 {
		return nil
	}
	var rows [][]any
	if misses {
		for _, c := range r.Cases {
			if c.Known && c.Fire == (len(c.Rules) == 0) {
				rows = append(rows, []any{c.Set, c.Kind, c.Name, c.Fire, strings.Join(c.Rules, " ")})
			}
		}
		return a.table([]string{"set", "kind", "case", "to report", "raised"}, rows)
	}
	all, known := detect.CaseRows(r.Cases, false), detect.CaseRows(r.Cases, true)
	add := func(s detect.CaseRow, what string) {
		rows = append(rows, []any{s.Set, what, s.Fire, share(s.Fired, s.Fire), s.Silent, share(s.False, s.Silent)})
	}
	for _, k := range known {
		add(k, k.Kind)
	}
	for _, set := range []string{"panther", "wazuh", "crowdsec"} {
		add(detect.SumOf(known, set), "all kinds we have rules for")
		add(detect.SumOf(all, set), "everything")
	}
	return a.table([]string{"set", "kind of log", "to report", "reported", "to stay silent", "alerts"}, rows)
}

func (a *app) firingTable(r detectionReport, _ bool) error {
	if len(r.Firing) == 0 {
		return nil
	}
	var rows [][]any
	untested := 0
	for _, f := range r.Firing {
		state := f.Needs
		if f.Untested() {
			state = "untested"
			untested++
		}
		rows = append(rows, []any{f.Rule, f.Objects, f.Cases, state})
	}
	if err := a.table([]string{"rule", "recordings", "cases", "needs"}, rows); err != nil {
		return err
	}
	return a.figures([]figure{{"own rules", len(r.Firing), ""}, {"untested", share(untested, len(r.Firing)), ""}})
}
