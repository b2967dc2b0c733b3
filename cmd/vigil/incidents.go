package main

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	casereport "vigil/internal/report"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// newIncidentsCmd makes `vigil incidents`.
func newIncidentsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "incidents",
		Short:   "List, show, work on and close incidents",
		Long:    "An incident collects the alerts of one entity, runs playbooks and stays open until somebody closes it with a verdict.",
		Example: "  vigil incidents list\n  vigil incidents close 5f1c… --verdict true_positive --reason 'host reinstalled'",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newIncidentsListCmd(a), newIncidentsShowCmd(a), newIncidentsExportCmd(a), newIncidentsCloseCmd(a), newIncidentsActionsCmd(a), newIncidentsUndoCmd(a),
		incidentPost(a, "ack ID", "Take an incident", "ack", nil),
		incidentPost(a, "comment ID TEXT", "Add a comment to the timeline", "comment", func(args []string) any { return map[string]string{"text": args[1]} }),
		incidentPost(a, "run ID PLAYBOOK", "Start a playbook for an incident; you cannot approve what it asks", "run", func(args []string) any { return map[string]string{"playbook": args[1]} }))
	cmd.AddCommand(newIncidentsCaseCmds(a)...)
	return cmd
}

func newIncidentsListCmd(a *app) *cobra.Command {
	var status string
	var ranked bool
	c := &cobra.Command{
		Use: "list", Short: "List incidents, newest first or riskiest first", Args: cobra.NoArgs, Example: "  vigil incidents list --status awaiting-approval",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			var list []schema.Incident
			if ranked {
				list, err = s.RankedIncidents(c.Context(), a.org, status, 1000)
			} else {
				list, _, err = s.Incidents(c.Context(), a.org, status, 1000, "")
			}
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, x := range list {
				rows[i] = []any{x.ID, x.Status, x.Severity, x.Risk, len(x.Alerts), x.Key, x.Assignee, x.Opened.Format(time.RFC3339), x.Title}
			}
			return a.table([]string{"id", "status", "severity", "risk", "alerts", "key", "assignee", "opened", "title"}, rows)
		},
	}
	c.Flags().BoolVar(&ranked, "ranked", false, "the riskiest first")
	c.Flags().StringVar(&status, "status", "", "active (what is not closed), open, responding, awaiting-approval, contained or closed")
	return c
}

func newIncidentsShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one incident with its timeline", Args: cobra.ExactArgs(1), Example: "  vigil incidents show 5f1c…",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			x, err := s.Incident(c.Context(), a.org, args[0])
			if err != nil {
				return err
			}
			if a.output != "table" {
				return a.json(x)
			}
			fmt.Fprintf(a.out, "%s  %s  %s  risk %d  %d alerts\n%s\n\n", x.ID, x.Status, x.Severity, x.Risk, len(x.Alerts), clean([]string{x.Title})[0])
			rows := make([][]any, len(x.Timeline))
			for i, t := range x.Timeline {
				rows[i] = []any{t.Time.Format(time.RFC3339), t.Kind, t.By, t.Text}
			}
			return a.table([]string{"time", "kind", "by", "text"}, rows)
		},
	}
}

func newIncidentsExportCmd(a *app) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "export ID", Short: "Write one incident as a report", Args: cobra.ExactArgs(1),
		Example: "  vigil incidents export 5f1c… --format markdown > report.md\n  vigil incidents export 5f1c… --format stix",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			x, err := s.Incident(c.Context(), a.org, args[0])
			if err != nil {
				return err
			}
			d := casereport.Case{Incident: x}
			if d.Alerts, err = s.AlertsByID(c.Context(), a.org, x.Alerts); err != nil {
				return err
			}
			if d.Runs, err = s.Runs(c.Context(), a.org, x.ID, 1000); err != nil {
				return err
			}
			if d.Approvals, err = s.Approvals(c.Context(), a.org, store.ApprovalFilter{Incident: x.ID, Limit: 1000}); err != nil {
				return err
			}
			text, _, _, err := casereport.Write(d, format)
			if err != nil {
				return err
			}
			_, err = a.out.Write(append(text, '\n'))
			return err
		},
	}
	c.Flags().StringVar(&format, "format", "markdown", strings.Join(casereport.Formats(), ", "))
	return c
}

// incidentPost makes a subcommand that posts to an incident as the signed-in user.
func incidentPost(a *app, use, short, verb string, body func(args []string) any) *cobra.Command {
	n := 1
	example := "  vigil incidents " + verb + " 5f1c…"
	if body != nil {
		n, example = 2, example+" '…'"
	}
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(n), Example: example,
		RunE: func(c *cobra.Command, args []string) error {
			var in any = map[string]string{}
			if body != nil {
				in = body(args)
			}
			return a.call(c.Context(), "POST", "/incidents/"+url.PathEscape(args[0])+"/"+verb, in, nil)
		},
	}
}

func newIncidentsCloseCmd(a *app) *cobra.Command {
	var verdict, reason string
	c := &cobra.Command{
		Use: "close ID", Short: "Close an incident and its alerts with a verdict", Args: cobra.ExactArgs(1),
		Example: "  vigil incidents close 5f1c… --verdict false_positive --reason 'backup job'",
		RunE: func(c *cobra.Command, args []string) error {
			return a.call(c.Context(), "POST", "/incidents/"+url.PathEscape(args[0])+"/close", map[string]string{"verdict": verdict, "reason": reason}, nil)
		},
	}
	c.Flags().StringVar(&verdict, "verdict", "", "true_positive, false_positive or benign")
	c.Flags().StringVar(&reason, "reason", "", "what was found")
	_ = c.MarkFlagRequired("verdict")
	_ = c.MarkFlagRequired("reason")
	return c
}

func newIncidentsActionsCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "actions ID", Short: "List what was done for an incident, and what can be taken back", Args: cobra.ExactArgs(1), Example: "  vigil incidents actions 5f1c…",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, err := s.Actions(c.Context(), a.org, args[0])
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, x := range list {
				state := "cannot be undone"
				switch {
				case !x.Undone.IsZero():
					state = "undone by " + x.UndoneBy + " at " + x.Undone.Format(time.RFC3339)
				case x.Undo != "" && !x.Expires.IsZero():
					state = "until " + x.Expires.Format(time.RFC3339)
				case x.Undo != "":
					state = "can be undone"
				}
				rows[i] = []any{x.At.Format(time.RFC3339), x.Action, x.Target, x.Outcome, x.Approval, state}
			}
			return a.table([]string{"time", "action", "target", "outcome", "approval", "undo"}, rows)
		},
	}
}

func newIncidentsUndoCmd(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "undo ID", Short: "Take back what was done for an incident, the last first", Args: cobra.ExactArgs(1),
		Long:    "Isolations, blocks and the like are ended before their time. What cannot be undone is named; what another run holds stays.",
		Example: "  vigil incidents undo 5f1c… --reason 'a penetration test'",
		RunE: func(c *cobra.Command, args []string) error {
			var out flow.UndoResult
			if err := a.call(c.Context(), "POST", "/incidents/"+url.PathEscape(args[0])+"/undo", map[string]string{"reason": reason}, &out); err != nil {
				return err
			}
			var rows [][]any
			for _, s := range out.Steps {
				rows = append(rows, []any{s.Action, s.Target, s.Outcome, cmp.Or(s.Error, s.Kept)})
			}
			for _, l := range out.Left {
				rows = append(rows, []any{l, "", "cannot be undone", ""})
			}
			return a.table([]string{"action", "target", "outcome", "note"}, rows)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit trail")
	_ = c.MarkFlagRequired("reason")
	return c
}
