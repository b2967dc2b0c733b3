package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/rules/samples"
	"vigil/schema"
	"vigil/schema/flow"
)

// newSamplesCmd makes `vigil samples`: attack samples that the rules in force are tried on.
func newSamplesCmd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "samples", Short: "Keep attack samples and try the rules in force on them", Args: cobra.NoArgs,
		Long: `An attack sample is a few records of one attack, kept under the techniques that must be found in them. All samples are run through the
rule set in force every day, and by "vigil samples test": a technique is green (vigil posture coverage) only while a rule finds it.
A dozen samples come with Vigil; keep stored events as more. A recording becomes a sample by ingesting it and keeping its source.`,
		Example: "  vigil samples test\n  vigil samples keep dcsync --attack T1003.006 --title 'Replication by a user' EVENT…\n  vigil samples keep red-team-may --attack T1059.001 --source red-team",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newSamplesListCmd(a), newSamplesTestCmd(a), newSamplesKeepCmd(a), newSamplesRemoveCmd(a))
	return c
}

func newSamplesListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List samples and how their newest test went", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.showSamples(c) },
	}
}

func (a *app) showSamples(c *cobra.Command) error {
	s, err := a.store(c.Context())
	if err != nil {
		return err
	}
	kept, err := s.Samples(c.Context(), a.org)
	if err != nil {
		return err
	}
	all, err := samples.With(a.org, kept)
	if err != nil {
		return err
	}
	list, err := s.SampleResults(c.Context(), a.org)
	if err != nil {
		return err
	}
	results := map[string]schema.SampleResult{}
	for _, r := range list {
		results[r.Sample] = r
	}
	rows := make([][]any, len(all))
	for i, x := range all {
		r, tested := results[x.ID]
		state, at := "never tested", ""
		if tested {
			state, at = "not found", r.Time.Format(time.RFC3339)
		}
		if tested && r.OK() {
			state = "found"
		}
		whose := x.By
		if x.BuiltIn {
			whose = "built in"
		}
		rows[i] = []any{x.ID, strings.Join(x.Attack, " "), state, at, strings.Join(r.Rules, " "), len(x.Records), whose, x.Title}
	}
	return a.table([]string{"sample", "attack", "state", "tested", "rules", "records", "kept by", "title"}, rows)
}

func newSamplesTestCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "test [SAMPLE…]", Short: "Try the rules in force on samples; exit code 3 when one is not found", Example: "  vigil samples test\n  vigil samples test aws-trail-stopped",
		RunE: func(c *cobra.Command, args []string) error {
			tp, err := a.temporal(c.Context())
			if err != nil {
				return err
			}
			run, err := tp.ExecuteWorkflow(c.Context(), client.StartWorkflowOptions{ID: flow.TestDetectionsID(a.org), TaskQueue: flow.QueueDetect,
				WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.TestDetections,
				flow.TestDetectionsInput{Org: a.org, Samples: args, By: "operator"})
			if err != nil {
				return fmt.Errorf("starting the test: %w", err)
			}
			var res flow.TestDetectionsResult
			if err := await(c.Context(), tp, run, &res, func() {}); err != nil {
				return exit(1, refusal(err))
			}
			if err := a.showSamples(c); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "%d of %d samples found; techniques: %d green, %d red\n", res.Passed, res.Samples, res.Green, res.Red)
			if len(res.Failed) > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
}

func newSamplesKeepCmd(a *app) *cobra.Command {
	var attack []string
	var title, source string
	c := &cobra.Command{
		Use: "keep ID [EVENT…]", Short: "Keep stored events as a sample", Args: cobra.MinimumNArgs(1),
		Example: "  vigil samples keep dcsync --attack T1003.006 --title 'Replication by a user' EVENT…\n  vigil samples keep red-team-may --attack T1059.001,T1003.001 --source red-team",
		RunE: func(c *cobra.Command, args []string) error {
			if (len(args) == 1) == (source == "") {
				return schema.E(schema.Invalid, "name events or a source, one of both", "vigil samples keep --help")
			}
			if title == "" {
				title = args[0]
			}
			_, err := a.admin(c.Context(), "sample", flow.AdminInput{Verb: "sample.put", By: "operator", Key: args[0], IDs: args[1:],
				Args: map[string]string{"title": title, "attack": strings.Join(attack, ","), "source": source}})
			return refusal(err)
		},
	}
	c.Flags().StringSliceVar(&attack, "attack", nil, "techniques that must be found")
	c.Flags().StringVar(&title, "title", "", "what the list shows (default: the id)")
	c.Flags().StringVar(&source, "source", "", "keep all events of this source")
	return c
}

func newSamplesRemoveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Remove a kept sample", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			_, err := a.admin(c.Context(), "sample", flow.AdminInput{Verb: "sample.delete", By: "operator", Key: args[0]})
			return refusal(err)
		},
	}
}
