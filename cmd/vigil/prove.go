package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/converter"

	"vigil/activities"
	"vigil/schema/flow"
)

func dataConverter() converter.DataConverter { return converter.GetDefaultDataConverter() }

func newProveCmd(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "prove SOURCE | --all",
		Short: "Recount a source: nothing lost, nothing doubled",
		Long: `Reads the source's files again with a counter of its own, adds them up against the manifest, and the manifest against
the rows of the tables. Every difference names its chunk. Exit code 3 when there is one.`,
		Example: "  vigil prove auth.log\n  vigil prove --all -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			sources := args
			if all {
				s, err := a.store(c.Context())
				if err != nil {
					return err
				}
				list, err := s.Sources(c.Context(), a.org)
				if err != nil {
					return err
				}
				for _, st := range list {
					sources = append(sources, st.ID)
				}
			} else if len(args) == 0 {
				return exit(2, errors.New("name a source, or --all"))
			}
			return a.prove(c, sources)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every source")
	return c
}

func (a *app) prove(c *cobra.Command, sources []string) error {
	bad := 0
	var rows [][]any
	var problems []string
	for _, src := range sources {
		res, err := a.admin(c.Context(), "prove", flow.AdminInput{Verb: "prove", Key: src, By: "operator"})
		if err != nil {
			return err
		}
		var p activities.Proof
		if err := json.Unmarshal([]byte(res.Doc), &p); err != nil {
			return fmt.Errorf("reading the proof: %w", err)
		}
		status := "proved"
		if !p.OK {
			status = "DIFFERS"
			bad++
		}
		rows = append(rows, []any{p.Source, status, p.Records, p.Events, p.Failures, p.Chunks, p.Objects, p.Reread, p.Waiting, p.Suspected, p.Bytes})
		for _, text := range p.Problems {
			problems = append(problems, p.Source+": "+text)
		}
		for _, text := range notes(p) {
			problems = append(problems, p.Source+": note: "+text)
		}
	}
	if err := a.table([]string{"source", "status", "records", "events", "failures", "chunks", "objects", "reread", "waiting", "suspected", "bytes"}, rows); err != nil {
		return err
	}
	for _, text := range problems {
		fmt.Fprintln(a.err, clean([]string{text})[0])
	}
	if bad > 0 {
		return exit(3, nil)
	}
	return nil
}

// notes are what a proof tells that is no difference.
func notes(p activities.Proof) []string {
	out := p.Gone
	if p.Lost > 0 {
		out = append(out, fmt.Sprintf("%d offsets were deleted from the topics by retention before they were read; each range is kept as a failure", p.Lost))
	}
	if p.Gaps > 0 {
		out = append(out, fmt.Sprintf("%d offsets hold no record: compacted, or of transactions", p.Gaps))
	}
	return out
}
