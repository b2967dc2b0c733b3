package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/schema"
	"vigil/schema/flow"
)

// newExceptionsCmd makes `vigil exceptions`.
func newExceptionsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "exceptions", Short: "Hide what nobody need see, for a time and with a reason",
		Long: `An exception hides what a rule (or every rule, "*") finds in events for which a condition holds. The detections are stored
and counted, but raise no alert. It has an owner, a reason and an end; the end is announced a day before and comes by itself.
An exception is in force from the next chunk on. It is never changed: end it and make another.`,
		Example: `  vigil exceptions try --rule linux-ssh-brute-force --when "e.source.ip == '192.0.2.7'"
  vigil exceptions add scanner --rule linux-ssh-brute-force --when "e.source.ip == '192.0.2.7'" --owner ana --reason 'our own scanner' --for 720h
  vigil exceptions list
  vigil exceptions remove scanner --reason 'scanner is gone'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newExceptionsListCmd(a), newExceptionsTryCmd(a), newExceptionsAddCmd(a), newExceptionsRemoveCmd(a))
	return cmd
}

func newExceptionsListCmd(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "List exceptions and what they hid", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			status := string(schema.ExceptionActive)
			if all {
				status = ""
			}
			list, err := s.Exceptions(c.Context(), a.org, status)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(list)
			}
			var rows [][]any
			for _, x := range list {
				rows = append(rows, []any{x.ID, x.Rule, x.Status, x.Owner, x.Expires.UTC().Format(time.RFC3339), x.Hidden, x.When, x.Reason})
			}
			return a.table([]string{"id", "rule", "status", "owner", "expires", "hidden", "when", "reason"}, rows)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "ended ones too")
	return c
}

func newExceptionsTryCmd(a *app) *cobra.Command {
	var rule, when string
	var days int
	c := &cobra.Command{
		Use: "try", Short: "Show what an exception would have hidden", Args: cobra.NoArgs,
		Example: `  vigil exceptions try --rule win-lsass-dump --when "e.host.name == 'backup01'" --days 90`,
		RunE: func(c *cobra.Command, _ []string) error {
			x, err := rules.NewException("try", rule, when)
			if err != nil {
				return err
			}
			cond, err := chsql.Condition(x.Program())
			if err != nil {
				return err
			}
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			since := time.Unix(0, 0)
			if days > 0 {
				since = time.Now().AddDate(0, 0, -days)
			}
			t, err := s.TryException(c.Context(), a.org, rule, cond.SQL, params(cond.Params), since)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(t)
			}
			rows := [][]any{}
			for _, al := range t.Alerts {
				rows = append(rows, []any{al.ID, al.Rule, al.Verdict, fmt.Sprintf("%d of %d", al.Hidden, al.Count)})
			}
			if err := a.table([]string{"alert", "rule", "verdict", "detections hidden"}, rows); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "It would have hidden %d of %d detections.\n", t.Hidden, t.Detections)
			return nil
		},
	}
	c.Flags().StringVar(&rule, "rule", rules.AnyRule, "rule id; * is every rule")
	c.Flags().StringVar(&when, "when", "", "condition over e, as in rules")
	c.Flags().IntVar(&days, "days", 0, "days back by event time; 0: everything stored")
	_ = c.MarkFlagRequired("when")
	return c
}

func newExceptionsAddCmd(a *app) *cobra.Command {
	var in flow.ExceptionInput
	var last time.Duration
	c := &cobra.Command{
		Use: "add ID", Short: "Put an exception in force", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in.Org, in.ID, in.By, in.Expires = a.org, args[0], "operator", time.Now().Add(last).UTC()
			return a.addException(c.Context(), in)
		},
	}
	f := c.Flags()
	f.StringVar(&in.Rule, "rule", "", "rule id; * is every rule")
	f.StringVar(&in.When, "when", "", "condition over e, as in rules")
	f.StringVar(&in.Owner, "owner", "", "who answers for it")
	f.StringVar(&in.Reason, "reason", "", "why nobody need see this")
	f.DurationVar(&last, "for", 30*24*time.Hour, "how long, at most a year")
	for _, name := range []string{"rule", "when", "owner", "reason"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

// addException starts the workflow of an exception and waits until it is in force.
func (a *app) addException(ctx context.Context, in flow.ExceptionInput) error {
	tp, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	id := flow.ExceptionID(a.org, in.ID)
	run, err := tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(flow.Exception), WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL}, flow.Exception, in)
	if err != nil {
		return fmt.Errorf("putting the exception in force: %w", err)
	}
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		var st schema.Exception
		if v, err := tp.QueryWorkflow(wait, id, run.GetRunID(), flow.QueryState); err == nil && v.Get(&st) == nil && st.Status == schema.ExceptionActive && st.Version > 0 {
			fmt.Fprintf(a.err, "In force until %s; workflow %s\n", st.Expires.Format(time.RFC3339), id)
			return nil
		}
		d, err := tp.DescribeWorkflowExecution(wait, id, run.GetRunID())
		if err == nil && d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return exit(1, refusal(run.Get(wait, nil)))
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-wait.Done():
			return context.Cause(wait)
		}
	}
}

func newExceptionsRemoveCmd(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "remove ID", Short: "End an exception before its time", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return exit(2, errors.New("say why, with --reason"))
			}
			tp, err := a.temporal(c.Context())
			if err != nil {
				return err
			}
			h, err := tp.UpdateWorkflow(c.Context(), client.UpdateWorkflowOptions{WorkflowID: flow.ExceptionID(a.org, args[0]), UpdateName: flow.UpdateRemove,
				Args: []any{flow.ExceptionEnd{By: "operator", Reason: reason}}, WaitForStage: client.WorkflowUpdateStageCompleted})
			if err == nil {
				err = h.Get(c.Context(), nil)
			}
			if err != nil {
				return exit(1, refusal(err))
			}
			return tp.GetWorkflow(c.Context(), flow.ExceptionID(a.org, args[0]), "").Get(c.Context(), nil)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why")
	return c
}
