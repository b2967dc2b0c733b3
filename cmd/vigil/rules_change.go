package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/activities"
	"vigil/rules"
	"vigil/rules/correlate"
	"vigil/rules/library"
	"vigil/schema"
	"vigil/schema/flow"
)

func newRulesLintCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "lint [PATH…]", Short: "Say which rules are dear, and why",
		Long: `Lint estimates what rules cost and measures them on the events of their inline tests: rules that no index can
serve, expensive conditions, regular expressions that count to hundreds. Without a path it looks at the rules in use.
It exits with 3 when there is anything to say.`,
		Example: "  vigil rules lint\n  vigil rules lint ./my-rules",
		RunE: func(_ *cobra.Command, args []string) error {
			var list []*rules.Rule
			var errs []error
			for _, path := range args {
				rs, more := readRules(path)
				list, errs = append(list, rs...), append(errs, more...)
			}
			if len(args) == 0 {
				set, more := rules.Load(a.ruleSystems()...)
				list, errs = set.Rules(), more
			}
			for _, r := range list {
				errs = append(errs, r.Lint()...)
			}
			bad := a.ruleProblems(errs)
			fmt.Fprintf(a.out, "%d rules, %d warnings\n", len(list), bad)
			if bad > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
}

func newRulesCoverageCmd(a *app) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "coverage", Short: "Show what the evaluation ledger does not prove", Args: cobra.NoArgs,
		Long: `The ledger holds, for every rule version and every committed chunk or window, that they were evaluated, evaluated
again because events came late, or that it failed. Coverage lists the cells that are missing or failed, and exits with 3
when there are any.`,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			cov, err := s.Coverage(c.Context(), a.org, limit)
			if err != nil {
				return err
			}
			if a.output == "json" {
				err = a.json(cov)
			} else {
				rows := [][]any{}
				for _, u := range cov.Unproven {
					rows = append(rows, []any{u.Rule, clipped(u.Version, 12), u.Chunk, u.Why})
				}
				err = a.table([]string{"rule", "version", "chunk", "why"}, rows)
				fmt.Fprintf(a.err, "%d chunks, %d cells evaluated, %d judged again for late events, %d failed, %d unproven\n", cov.Chunks, cov.Evaluated, cov.Late, cov.Failed, len(cov.Unproven))
			}
			if err != nil || len(cov.Unproven) == 0 {
				return err
			}
			return exit(3, nil)
		},
	}
	c.Flags().IntVar(&limit, "limit", 100, "cells to list")
	return c
}

// deployFlags are the settings of a deployment.
type deployFlags struct {
	in      flow.DeployRulesInput
	library bool
	detach  bool
}

func (d *deployFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.IntVar(&d.in.Days, "days", 7, "days of stored events that changes are tried on, back from the newest")
	f.BoolVar(&d.library, "library", true, "with the built-in rules; --library=false leaves them out")
	f.BoolVar(&d.detach, "detach", false, "start and return at once")
}

func newRulesDeployCmd(a *app) *cobra.Command {
	var d deployFlags
	c := &cobra.Command{
		Use: "deploy [DIR…]", Short: "Put rules in force, everywhere at once",
		Long: `Stores the built-in rules and those of the folders (default: the folder "rules" of the data folder) as one rule set and
starts a DeployRules workflow: types and costs are checked, inline tests run, what changes is tried on stored events, people
approve where policy says so (vigil approvals), and the set is activated. What is being ingested goes on: each chunk keeps
the set it was begun with, the next one has the new one. With --back-hunt, a Hunt asks what is new of stored events, too.`,
		Example: "  vigil rules deploy ./my-rules --reason 'tuned brute force'\n  vigil rules diff ./my-rules --days 30",
		RunE:    func(c *cobra.Command, args []string) error { return a.deployRules(c.Context(), d, args) },
	}
	d.add(c)
	c.Flags().StringVar(&d.in.Reason, "reason", "", "why, for the audit trail")
	c.Flags().IntVar(&d.in.Limit, "limit", 50, "alerts more a day from which people must approve")
	c.Flags().IntVar(&d.in.BackHunt, "back-hunt", 0, "days of stored events that new and changed rules are then asked of, raising alerts")
	return c
}

func newRulesDiffCmd(a *app) *cobra.Command {
	d := deployFlags{in: flow.DeployRulesInput{DryRun: true}}
	c := &cobra.Command{
		Use: "diff [DIR…]", Short: "Show what rules would change, on stored events with past verdicts",
		Long: `Does all that deploy does before it asks and activates: alerts that would be added and removed for each changed rule,
and the precision to expect by what people said of the alerts that stay.`,
		Example: "  vigil rules diff ./my-rules --days 30",
		RunE:    func(c *cobra.Command, args []string) error { return a.deployRules(c.Context(), d, args) },
	}
	d.add(c)
	return c
}

func newRulesRollbackCmd(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "rollback", Short: "Put the rule set in force that was before", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.runDeploy(c.Context(), flow.DeployRulesInput{Rollback: true, Reason: reason}, false)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	return c
}

func newRulesHistoryCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "history", Short: "List who put which rule set in force", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, err := s.RuleDeployments(c.Context(), a.org, 100)
			if err != nil {
				return err
			}
			rows := [][]any{}
			for _, d := range list {
				rows = append(rows, []any{d.Version, cmp.Or(clipped(d.Set, 12), "rule files"), d.Time.Format(time.RFC3339), d.By, d.Reason})
			}
			return a.table([]string{"version", "set", "time", "by", "reason"}, rows)
		},
	}
}

// deployRules stores the rules of the folders as a set and runs the workflow over it.
func (a *app) deployRules(ctx context.Context, d deployFlags, dirs []string) error {
	systems := a.ruleSystems()[1:] // the user's, if any
	if len(dirs) > 0 {
		systems = nil
	}
	for _, dir := range dirs {
		if !isDir(dir) {
			return schema.E(schema.NotFound, "there is no folder "+dir, "deploy takes folders of rule files")
		}
		systems = append(systems, os.DirFS(dir))
	}
	if d.library {
		systems = append(systems, library.FS)
	}
	set, errs := rules.Load(systems...)
	for _, r := range set.Rules() {
		errs = append(errs, correlate.Check(r)...)
	}
	if bad := a.ruleProblems(errs); bad > 0 {
		return exit(3, fmt.Errorf("%d problems; nothing is deployed", bad))
	}
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	if err := (&activities.RuleSets{Store: s}).Record(ctx, a.org, set); err != nil {
		return err
	}
	d.in.Set = set.Hash()
	return a.runDeploy(ctx, d.in, d.detach)
}

// runDeploy runs DeployRules, one at a time, and says where it stands.
func (a *app) runDeploy(ctx context.Context, in flow.DeployRulesInput, detach bool) error {
	tp, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	in.Org, in.By = a.org, "operator"
	id := flow.DeployRulesID(a.org)
	run, err := tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(flow.DeployRules), WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL}, flow.DeployRules, in)
	if err != nil {
		return fmt.Errorf("starting the deployment (one at a time; `temporal workflow cancel --workflow-id %s` ends the other): %w", id, err)
	}
	fmt.Fprintf(a.err, "workflow %s\n", id)
	if detach {
		return nil
	}
	var res flow.DeployRulesResult
	said := ""
	err = await(ctx, tp, run, &res, func() {
		var st flow.DeployRulesResult
		v, err := tp.QueryWorkflow(ctx, id, run.GetRunID(), flow.QueryState)
		if err != nil || v.Get(&st) != nil || st.Status == said {
			return
		}
		said = st.Status
		fmt.Fprintln(a.err, said+" …")
		if st.Approval != "" {
			for _, why := range st.Report.Reasons {
				fmt.Fprintln(a.err, "  "+why)
			}
			fmt.Fprintf(a.err, "  approve in the web UI, or with `vigil approvals sign %s`\n", st.Approval)
		}
	})
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(a.err, "\nThe workflow goes on.")
		return exit(1, nil)
	}
	if err != nil {
		return exit(1, refusal(err))
	}
	return a.deployed(res)
}

// deployed prints what came of a deployment.
func (a *app) deployed(r flow.DeployRulesResult) error {
	if a.output == "json" {
		if err := a.json(r); err != nil {
			return err
		}
	} else {
		for _, w := range r.Report.Warnings {
			fmt.Fprintln(a.err, "warning: "+w)
		}
		var rows [][]any
		for _, c := range r.Report.Changes {
			what := c.What
			if c.Error != "" {
				what += ", not tried: " + c.Error
			}
			rows = append(rows, []any{c.Rule, c.Severity, what, c.Before, c.After, c.Added, c.Removed, precisionText(c.Precision)})
		}
		if err := a.table([]string{"rule", "severity", "change", "alerts now", "then", "added", "removed", "precision"}, rows); err != nil {
			return err
		}
		fmt.Fprintf(a.err, "%s: %d rules, %d tests; %d added, %d changed, %d removed; %+d alerts over %s to %s\n", r.Status, r.Report.Rules, r.Report.Tests,
			len(r.Report.Added), len(r.Report.Changes)-len(r.Report.Added)-len(r.Report.Removed), len(r.Report.Removed), r.Report.Alerts, r.Report.From.Format(time.DateOnly), r.Report.To.Format(time.DateOnly))
	}
	switch r.Status {
	case "refused":
		return exit(3, errors.New(strings.Join(r.Report.Problems, "\n")))
	case "denied":
		return exit(3, errors.New("the set was not approved"))
	}
	return nil
}

// precisionText writes a share, "–" for an unknown one.
func precisionText(v float64) string {
	if v < 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}
