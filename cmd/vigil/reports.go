package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"vigil/schema"
	"vigil/schema/flow"
)

// newReportsCmd makes `vigil reports`: dashboards and searches by e-mail.
func newReportsCmd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "reports", Short: "Send dashboards and saved searches by e-mail, by calendar or now", Args: cobra.NoArgs,
		Long: `A report is a dashboard or a saved search that is sent by e-mail when its calendar says so: as HTML and text, with a CSV file
of each answer. It goes by the connector smtp of connectors.yaml, only to domains that it allows, and shows what its owner may see.
See docs/guides/reports.md.`,
		Example: "  vigil reports add monday security-overview --to soc@example.org --cron '0 8 * * 1' --zone Europe/Berlin\n  vigil reports send monday\n  vigil reports show monday",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newReportsListCmd(a), newReportsAddCmd(a), newReportsRemoveCmd(a), newReportsSendCmd(a), newReportsShowCmd(a))
	return c
}

func newReportsListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the reports, with when each is sent next", Args: cobra.NoArgs, Example: "  vigil reports list",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			all, err := s.Reports(c.Context(), a.org)
			if err != nil {
				return err
			}
			last, err := s.LastSendings(c.Context(), a.org)
			if err != nil {
				return err
			}
			var rows [][]any
			for _, r := range all {
				next, err := a.nextReport(c, r)
				if err != nil {
					return err
				}
				x := last[r.ID]
				rows = append(rows, []any{r.ID, string(r.Kind) + " " + r.Of, strings.Join(r.To, " "), r.Cron + " " + r.Zone, next, dated(x.At), x.Status, r.Owner})
			}
			return a.table([]string{"id", "shows", "to", "calendar", "next", "last", "status", "owner"}, rows)
		},
	}
}

func dated(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// nextReport asks the schedule of a report.
func (a *app) nextReport(c *cobra.Command, r schema.Report) (string, error) {
	t, err := a.temporal(c.Context())
	if err != nil {
		return "", err
	}
	d, err := t.ScheduleClient().GetHandle(c.Context(), flow.ReportScheduleID(r.Org, r.ID)).Describe(c.Context())
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return "no schedule", nil
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("asking the schedule of %s: %w", r.ID, err)
	case d.Schedule.State != nil && d.Schedule.State.Paused:
		return "paused", nil
	case len(d.Info.NextActionTimes) == 0:
		return "", nil
	}
	return dated(d.Info.NextActionTimes[0]), nil
}

func newReportsAddCmd(a *app) *cobra.Command {
	var to []string
	var cron, zone, span string
	var search bool
	c := &cobra.Command{
		Use: "add ID DASHBOARD", Short: "Set a report up, or change it", Args: cobra.ExactArgs(2),
		Long: `The calendar is a cron expression of five fields: minute (one number, so once an hour at most), hour, day, month, day of week.
What is set up here belongs to the operator, and shows dashboards of files and what is shared.`,
		Example: "  vigil reports add daily security-overview --to soc@example.org --cron '0 7 * * *'\n  vigil reports add failures failures --search --to ana@example.org,ben@example.org --cron '30 6 * * 1-5' --zone Europe/Berlin --range 7d",
		RunE: func(c *cobra.Command, args []string) error {
			kind := schema.SavedDashboard
			if search {
				kind = schema.SavedSearch
			}
			_, err := a.admin(c.Context(), "report", flow.AdminInput{Verb: "report.put", By: "operator", Key: args[0],
				Args: map[string]string{"kind": string(kind), "of": args[1], "to": strings.Join(to, ","), "cron": cron, "zone": zone, "range": span}})
			if err != nil {
				return refusal(err)
			}
			r := schema.Report{Org: a.org, ID: args[0]}
			next, err := a.nextReport(c, r)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.err, "report %s is set up; it is sent next at %s\n", r.ID, next)
			return nil
		},
	}
	f := c.Flags()
	f.StringSliceVar(&to, "to", nil, "addresses, with commas")
	f.StringVar(&cron, "cron", "", `when: minute hour day month day-of-week, such as "0 8 * * 1"`)
	f.StringVar(&zone, "zone", "UTC", "IANA time zone of the calendar")
	f.StringVar(&span, "range", "", "how far it looks back: 15m, 1h, 24h, 7d, 30d, all (default: as the dashboard)")
	f.BoolVar(&search, "search", false, "the second argument is a saved search")
	_ = c.MarkFlagRequired("to")
	_ = c.MarkFlagRequired("cron")
	return c
}

func newReportsRemoveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "End a report; what was sent stays on record", Args: cobra.ExactArgs(1), Example: "  vigil reports remove monday",
		RunE: func(c *cobra.Command, args []string) error {
			_, err := a.admin(c.Context(), "report", flow.AdminInput{Verb: "report.delete", By: "operator", Key: args[0]})
			return refusal(err)
		},
	}
}

func newReportsSendCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "send ID", Short: "Send a report now, and wait until the mail server has taken it", Args: cobra.ExactArgs(1), Example: "  vigil reports send monday",
		RunE: func(c *cobra.Command, args []string) error {
			t, err := a.temporal(c.Context())
			if err != nil {
				return err
			}
			run, err := t.ExecuteWorkflow(c.Context(), client.StartWorkflowOptions{ID: flow.ReportID(a.org, args[0]), TaskQueue: flow.Queue(flow.Report)}, flow.Report,
				flow.ReportInput{Org: a.org, Report: args[0], By: "operator"})
			if err != nil {
				return fmt.Errorf("starting the workflow: %w", err)
			}
			var res flow.ReportResult
			if err := run.Get(c.Context(), &res); err != nil {
				return refusal(err)
			}
			if a.output == "json" {
				return a.json(res)
			}
			return a.table([]string{"report", "at", "to", "panels", "without_answer", "bytes", "message_id"},
				[][]any{{res.Report, dated(res.At), strings.Join(res.To, " "), res.Panels, res.Problems, res.Bytes, res.MessageID}})
		},
	}
}

func newReportsShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Print what was sent of a report, newest first", Args: cobra.ExactArgs(1), Example: "  vigil reports show monday\n  vigil reports show monday -o json",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			r, err := s.Report(c.Context(), a.org, args[0])
			if err != nil {
				return err
			}
			sent, err := s.Sendings(c.Context(), a.org, r.ID, 100)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(struct {
					schema.Report
					Sendings []schema.Sending `json:"sendings"`
				}{r, sent})
			}
			fmt.Fprintf(a.err, "%s %s to %s, %s %s, by %s\n", r.Kind, r.Of, strings.Join(r.To, " "), r.Cron, r.Zone, r.Owner)
			rows := make([][]any, len(sent))
			for i, x := range sent {
				rows[i] = []any{dated(x.At), x.Status, x.By, strings.Join(x.To, " "), len(x.Panels), x.Bytes, x.MessageID, x.Error}
			}
			return a.table([]string{"at", "status", "by", "to", "panels", "bytes", "message_id", "error"}, rows)
		},
	}
}
