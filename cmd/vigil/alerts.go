package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/store"
)

// newAlertsCmd makes `vigil alerts`.
func newAlertsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "alerts",
		Short:   "List, show and close alerts",
		Long:    "An alert is what detections of one rule about one thing become; its members are counted, not copied.",
		Example: "  vigil alerts list --severity high\n  vigil alerts close 9a1f… --verdict false_positive --reason 'scanner'",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newAlertsListCmd(a), newAlertsShowCmd(a), newAlertsCloseCmd(a))
	return cmd
}

func newAlertsListCmd(a *app) *cobra.Command {
	f := store.AlertFilter{}
	c := &cobra.Command{
		Use: "list", Short: "List alerts, newest first", Args: cobra.NoArgs, Example: "  vigil alerts list --status open --limit 20",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, next, err := s.Alerts(c.Context(), a.org, f)
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, x := range list {
				rows[i] = []any{x.ID, x.Status, x.Severity, x.Risk, x.Count, entityText(x.Entities), x.FirstSeen.Format(time.RFC3339), x.LastSeen.Format(time.RFC3339), x.Rule, x.Title}
			}
			if next != "" {
				fmt.Fprintf(a.err, "More: --cursor %s\n", next)
			}
			return a.table([]string{"id", "status", "severity", "risk", "count", "entities", "first_seen", "last_seen", "rule", "title"}, rows)
		},
	}
	c.Flags().StringVar(&f.Status, "status", "", "open, acknowledged or closed")
	c.Flags().StringVar(&f.Severity, "severity", "", "informational, low, medium, high or critical")
	c.Flags().StringVar(&f.Rule, "rule", "", "id of a rule")
	c.Flags().StringVar(&f.Text, "text", "", "part of title, rule or an entity")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many")
	c.Flags().StringVar(&f.Cursor, "cursor", "", "where the page before ended")
	return c
}

func entityText(m map[string]string) string {
	parts := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+"="+m[k])
	}
	return strings.Join(parts, " ")
}

func newAlertsShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one alert and its detections", Args: cobra.ExactArgs(1), Example: "  vigil alerts show 9a1f…",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			x, err := s.Alert(c.Context(), a.org, args[0])
			if err != nil {
				return err
			}
			ds, err := s.AlertDetections(c.Context(), a.org, args[0], 100)
			if err != nil {
				return err
			}
			return a.json(map[string]any{"alert": x, "detections": ds})
		},
	}
}

func newAlertsCloseCmd(a *app) *cobra.Command {
	var verdict, reason string
	c := &cobra.Command{
		Use: "close ID…", Short: "Close alerts with a verdict", Args: cobra.MinimumNArgs(1),
		Long:    "Closes as the user of `vigil login` or VIGIL_TOKEN.",
		Example: "  vigil alerts close 9a1f… --verdict benign --reason 'planned test'",
		RunE: func(c *cobra.Command, args []string) error {
			var out struct {
				Updated int `json:"updated"`
			}
			body := map[string]any{"ids": args, "status": "closed", "verdict": verdict, "reason": reason}
			if err := a.call(c.Context(), "POST", "/alerts/update", body, &out); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%d closed\n", out.Updated)
			return nil
		},
	}
	c.Flags().StringVar(&verdict, "verdict", "", "true_positive, false_positive or benign")
	c.Flags().StringVar(&reason, "reason", "", "why")
	_ = c.MarkFlagRequired("verdict")
	return c
}
