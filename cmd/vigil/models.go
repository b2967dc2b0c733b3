package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"vigil/internal/ml"
	"vigil/schema"
	"vigil/schema/flow"
)

// newModelsCmd makes `vigil models`: detectors that learn, and their models.
func newModelsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List, train and roll back models",
		Long: `A detector learns what is usual from stored events and scores new ones; rules of kind anomaly fire from its threshold on.
A new model is put in force only when it passes the gate: enough data, alerts within the budget, injected attacks found.`,
		Example: "  vigil models train zeek-conn-iforest\n  vigil models list\n  vigil models rollback zeek-conn-iforest --reason 'too many alerts'",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newModelsListCmd(a), newModelsShowCmd(a), newModelsTrainCmd(a), newModelsRollbackCmd(a))
	return cmd
}

func newModelsListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the detectors and their models, newest first", Args: cobra.NoArgs, Example: "  vigil models list",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, err := s.Models(c.Context(), a.org, "")
			if err != nil {
				return err
			}
			trained := map[string]bool{}
			var rows [][]any
			for _, m := range list {
				trained[m.Detector] = true
				rows = append(rows, []any{m.Detector, m.ID, m.Status, m.Created.Format(time.DateTime), m.Rows, fmt.Sprintf("%.3f", m.Threshold), fmt.Sprintf("%.2f", m.Metrics["recall"]), m.Decision})
			}
			for _, d := range ml.Detectors() {
				if !trained[d.ID] {
					rows = append(rows, []any{d.ID, "", "untrained", "", 0, "", "", "`vigil models train " + d.ID + "`"})
				}
			}
			return a.table([]string{"detector", "model", "status", "created", "rows", "threshold", "recall", "decision"}, rows)
		},
	}
}

func newModelsShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show MODEL", Short: "Print what is known of a model as JSON", Args: cobra.ExactArgs(1), Example: "  vigil models show f97d896fb13b4ef455fab1d3ef597b5d",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			m, err := s.Model(c.Context(), a.org, args[0])
			if err != nil {
				return err
			}
			kept, above, err := s.ScoreStats(c.Context(), a.org, m.ID, m.Threshold)
			if err != nil {
				return err
			}
			return a.json(struct {
				schema.Model
				Size   int   `json:"size"`         // bytes of the serialised model
				Scores int64 `json:"scores_kept"`  // of live events
				Above  int64 `json:"scores_above"` // of those, from the threshold on
			}{m, len(m.Body), kept, above})
		},
	}
}

func newModelsTrainCmd(a *app) *cobra.Command {
	in := flow.RetrainInput{By: "operator"}
	var from, to string
	var detach bool
	c := &cobra.Command{
		Use: "train DETECTOR", Short: "Train a model, and promote it when it passes the gate", Args: cobra.ExactArgs(1),
		Long: `Starts a durable Retrain workflow and waits for it. Without --from and --to it learns from whatever was ingested in the last
30 days. Exit code: 0 promoted, 3 refused by the gate (the champion stays), 1 failed.`,
		Example: "  vigil models train zeek-conn-iforest\n  vigil models train zeek-conn-iforest --from 2026-03-01T00:00:00Z --to 2026-03-15T00:00:00Z",
		RunE: func(c *cobra.Command, args []string) error {
			in.Org, in.Detector = a.org, args[0]
			if _, err := ml.ByID(in.Detector); err != nil {
				return exit(2, err)
			}
			var err error
			if in.From, err = flagTime(from); err != nil {
				return err
			}
			if in.To, err = flagTime(to); err != nil {
				return err
			}
			return a.train(c.Context(), in, detach)
		},
	}
	f := c.Flags()
	f.StringVar(&from, "from", "", "learn from events at or after this time (RFC 3339)")
	f.StringVar(&to, "to", "", "and before this time")
	f.IntVar(&in.MaxRows, "max-rows", 0, "sample size; default 20,000")
	f.BoolVar(&detach, "detach", false, "start and return at once")
	return c
}

// flagTime reads a time given as a flag; "" is the zero time.
func flagTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, exit(2, fmt.Errorf("%q is no time: want RFC 3339, such as 2026-03-01T00:00:00Z", text))
	}
	return t, nil
}

func (a *app) train(ctx context.Context, in flow.RetrainInput, detach bool) error {
	tp, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	id := flow.RetrainID(a.org, in.Detector)
	run, err := tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueTrain, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.Retrain, in)
	if _, busy := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); busy {
		return exit(1, schema.E(schema.Conflict, "a training or rollback of "+in.Detector+" is running already", "wait for it: `temporal workflow result --workflow-id "+id+"`"))
	}
	if err != nil {
		return fmt.Errorf("starting the training: %w", err)
	}
	fmt.Fprintf(a.err, "detector %s, workflow %s\n", in.Detector, id)
	if detach {
		return nil
	}
	res, err := a.followTraining(ctx, tp, run)
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(a.err, "The training goes on; `vigil models list` tells what came of it.")
		return exit(1, nil)
	}
	if err != nil {
		return exit(1, refusal(err))
	}
	return a.trained(res)
}

// followTraining says what the workflow is at, until it ends.
func (a *app) followTraining(ctx context.Context, tp client.Client, run client.WorkflowRun) (flow.RetrainResult, error) {
	var res flow.RetrainResult
	done := make(chan error, 1)
	go func() { done <- run.Get(ctx, &res) }()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for {
		select {
		case err := <-done:
			return res, err
		case <-tick.C:
			var st flow.RetrainState
			v, err := tp.QueryWorkflow(ctx, run.GetID(), run.GetRunID(), flow.QueryState)
			if err == nil && v.Get(&st) == nil && st.Stage != last {
				last = st.Stage
				fmt.Fprintf(a.err, "%s (%d rows)\n", st.Stage, st.Rows)
			}
		}
	}
}

// trained says what came of it.
func (a *app) trained(res flow.RetrainResult) error {
	var rows [][]any
	for _, c := range res.Checks {
		verdict, side := "passed", "at least"
		if !c.Pass {
			verdict = "FAILED"
		}
		if c.AtMost {
			side = "at most"
		}
		rows = append(rows, []any{c.Name, fmt.Sprintf("%.4g", c.Measured), side, fmt.Sprintf("%.4g", c.Limit), verdict})
	}
	if err := a.table([]string{"check", "measured", "wanted", "limit", "verdict"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%s: %s\nmodel %s of %d rows, in force: %s\n", res.Decision, res.Why, orNone(res.Model), res.Rows, orNone(res.Champion))
	if res.Decision == "refused" {
		return exit(3, nil)
	}
	return nil
}

func orNone(id string) string {
	if id == "" {
		return "none"
	}
	return id
}

func newModelsRollbackCmd(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "rollback DETECTOR", Short: "Take the champion out of force; the one before it is champion again", Args: cobra.ExactArgs(1),
		Long:    "When there was no champion before, the detector is off until a model is promoted. The model that is rolled back is never promoted again.",
		Example: "  vigil models rollback zeek-conn-iforest --reason 'alerts on every backup'",
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := ml.ByID(args[0]); err != nil {
				return exit(2, err)
			}
			res, err := a.admin(c.Context(), "model", flow.AdminInput{Verb: "model.rollback", By: "operator", Key: args[0], Args: map[string]string{"reason": reason}})
			if err != nil {
				return refusal(err)
			}
			fmt.Fprintf(a.out, "%s: in force now: %s\n", args[0], orNone(res.Doc))
			return nil
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	return c
}
