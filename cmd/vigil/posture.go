package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/internal/posture"
	"vigil/schema"
	"vigil/schema/flow"
)

// newPostureCmd makes `vigil posture`: how well this Vigil sees and answers.
func newPostureCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "posture", Short: "Measure sources, rules, coverage and answers against objectives",
		Long:    "Posture is measured every hour, and by `vigil posture assess`. docs/reference/posture.md explains objectives and states.",
		Example: "  vigil posture assess\n  vigil posture assess -f objectives.yaml\n  vigil posture coverage --state silent",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newPostureAssessCmd(a), newPostureShowCmd(a), newPostureCoverageCmd(a), newPostureObjectivesCmd(a))
	return cmd
}

func newPostureAssessCmd(a *app) *cobra.Command {
	var file string
	in := flow.AssessPostureInput{By: "operator"}
	c := &cobra.Command{
		Use: "assess", Short: "Measure now; exit code 3 when an objective is missed", Args: cobra.NoArgs,
		Example: "  vigil posture assess -f objectives.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if file != "" {
				b, err := os.ReadFile(file)
				if err != nil {
					return fmt.Errorf("reading the objectives: %w", err)
				}
				if _, errs := posture.Parse(file, b); a.ruleProblems(errs) > 0 {
					return exit(2, nil)
				}
				in.Objectives = string(b)
			}
			tp, err := a.temporal(c.Context())
			if err != nil {
				return err
			}
			in.Org = a.org
			run, err := tp.ExecuteWorkflow(c.Context(), client.StartWorkflowOptions{ID: flow.PostureID(a.org), TaskQueue: flow.QueueDetect,
				WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.AssessPosture, in)
			if err != nil {
				return fmt.Errorf("starting the assessment: %w", err)
			}
			var res flow.AssessPostureResult
			if err := await(c.Context(), tp, run, &res, func() {}); err != nil {
				return exit(1, refusal(err))
			}
			if err := a.showPosture(c, res.Objectives); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "%d met, %d missed, %d unknown; %d findings opened, %d closed\n", res.Met, res.Missed, res.Unknown, res.Opened, res.Closed)
			if res.Missed > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "objectives file; default: the built-in objectives")
	c.Flags().IntVar(&in.WindowDays, "window-days", 30, "days of alerts and records to look at")
	return c
}

// showPosture prints the newest assessment by an objectives file.
func (a *app) showPosture(c *cobra.Command, objectives string) error {
	s, err := a.store(c.Context())
	if err != nil {
		return err
	}
	x, err := s.Assessment(c.Context(), a.org, objectives)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.json(x)
	}
	fmt.Fprintf(a.err, "%s (%s), measured %s\n", x.Title, x.Objectives, x.Time.Format(time.RFC3339))
	rows := make([][]any, len(x.Results))
	for i, r := range x.Results {
		rows[i] = []any{r.ID, r.Status, r.Severity, r.Text, strings.Join(r.Evidence[:min(len(r.Evidence), 3)], "; ")}
	}
	return a.table([]string{"objective", "status", "severity", "measured", "evidence"}, rows)
}

func newPostureShowCmd(a *app) *cobra.Command {
	var objectives string
	var sources bool
	c := &cobra.Command{
		Use: "show", Short: "Print the newest assessment", Args: cobra.NoArgs, Example: "  vigil posture show\n  vigil posture show --sources",
		RunE: func(c *cobra.Command, _ []string) error {
			if !sources {
				return a.showPosture(c, objectives)
			}
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			x, err := s.Assessment(c.Context(), a.org, objectives)
			if err != nil {
				return err
			}
			var rows [][]any
			for _, part := range []struct {
				what string
				list []schema.Presence
			}{{"source", x.Sources}, {"data set", x.Datasets}} {
				for _, p := range part.list {
					rows = append(rows, []any{part.what, p.ID, p.State, p.LastIngest.Format(time.RFC3339), p.LastEvent.Format(time.RFC3339), time.Duration(p.StaleAfter) * time.Second})
				}
			}
			return a.table([]string{"what", "id", "state", "last_commit", "last_event", "stale_after"}, rows)
		},
	}
	c.Flags().StringVar(&objectives, "objectives", "", "id of an objectives file; default: the one assessed last")
	c.Flags().BoolVar(&sources, "sources", false, "print sources and data sets instead of objectives")
	return c
}

func newPostureCoverageCmd(a *app) *cobra.Command {
	var objectives, state string
	var days int
	c := &cobra.Command{
		Use: "coverage", Short: "Print the ATT&CK techniques and what stands behind each", Args: cobra.NoArgs,
		Example: "  vigil posture coverage\n  vigil posture coverage --state not-covered",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			x, err := s.Assessment(c.Context(), a.org, objectives)
			if err != nil {
				return err
			}
			results, err := s.SampleResults(c.Context(), a.org)
			if err != nil {
				return err
			}
			var rows [][]any
			for _, t := range schema.WithProofs(x.Coverage, schema.Proofs(results, time.Now(), time.Duration(days)*24*time.Hour)) {
				if state == "" || string(t.State) == state {
					tested := ""
					if t.Proof != nil {
						tested = string(t.Proof.State) + " by " + t.Proof.Sample
					}
					rows = append(rows, []any{t.ID, t.State, tested, t.Fired, strings.Join(t.Tactics, " "), strings.Join(t.Rules, " "), t.Name})
				}
			}
			return a.table([]string{"technique", "state", "tested", "fired", "tactics", "rules", "name"}, rows)
		},
	}
	c.Flags().IntVar(&days, "days", 7, "days that a test by samples counts: green until then")
	c.Flags().StringVar(&state, "state", "", "covered, unproven, silent or not-covered")
	c.Flags().StringVar(&objectives, "objectives", "", "id of an objectives file; default: the one assessed last")
	return c
}

func newPostureObjectivesCmd(a *app) *cobra.Command {
	return &cobra.Command{Use: "objectives", Short: "Print the built-in objectives file, to start an own one from", Args: cobra.NoArgs, Example: "  vigil posture objectives > objectives.yaml",
		RunE: func(*cobra.Command, []string) error { _, err := fmt.Fprint(a.out, posture.DefaultText()); return err }}
}
