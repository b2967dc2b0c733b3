package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"vigil/internal/standalone/clickhouse"
	"vigil/rules"
	"vigil/schema/flow"
)

// check is one row of `vigil doctor`: what is looked at, and what it says.
type check struct {
	name string
	run  func(ctx context.Context) (detail string, err error)
}

func newDoctorCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check everything Vigil depends on and say what to do", Args: cobra.NoArgs, Example: "  vigil doctor\n  vigil doctor --data ./trial",
		Long: "Checks the installation and the running Vigil of the data folder. Exit code 3 when something is wrong.",
		RunE: func(c *cobra.Command, _ []string) error {
			bad := 0
			var rows [][]any
			for _, k := range a.checks() {
				ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
				detail, err := k.run(ctx)
				cancel()
				status := "ok"
				if err != nil {
					status, detail = "WRONG", err.Error()
					bad++
				}
				rows = append(rows, []any{k.name, status, detail})
			}
			if err := a.table([]string{"check", "status", "detail"}, rows); err != nil {
				return err
			}
			if bad > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
}

func (a *app) checks() []check {
	return []check{
		{"engine library", func(context.Context) (string, error) { return clickhouse.LibraryPath() }},
		{"data folder", func(context.Context) (string, error) { _, err := os.Stat(a.data); return a.data, err }},
		{"running", func(context.Context) (string, error) {
			e, err := a.endpoints()
			return fmt.Sprintf("process %d", e.PID), err
		}},
		{"clickhouse", func(ctx context.Context) (string, error) {
			s, err := a.store(ctx)
			if err != nil {
				return "", err
			}
			list, err := s.Sources(ctx, a.org)
			return fmt.Sprintf("%d sources", len(list)), err
		}},
		{"temporal", func(ctx context.Context) (string, error) {
			c, err := a.temporal(ctx)
			if err != nil {
				return "", err
			}
			_, err = c.CheckHealth(ctx, &client.CheckHealthRequest{})
			return "serving", err
		}},
		{"workers", a.checkWorkers},
		{"spools", a.checkSpools},
		{"web server", func(ctx context.Context) (string, error) {
			e, err := a.endpoints()
			if err != nil {
				return "", err
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.API+"/", nil)
			if err != nil {
				return "", err
			}
			res, err := (&http.Client{Transport: e.transport()}).Do(req)
			if err != nil {
				return "", err
			}
			_ = res.Body.Close()
			return e.API + " answers " + res.Status, nil
		}},
		{"rules", func(context.Context) (string, error) {
			set, errs := rules.Load(a.ruleSystems()...)
			if len(errs) > 0 {
				return "", fmt.Errorf("%d problems, first: %w; see `vigil rules check`", len(errs), errs[0])
			}
			return fmt.Sprintf("%d rules", len(set.Rules())), nil
		}},
	}
}

// checkSpools asks for every push source whether somebody works on the queue of the host
// that holds its spool: a dead host strands what it has received until it returns.
func (a *app) checkSpools(ctx context.Context) (string, error) {
	c, err := a.temporal(ctx)
	if err != nil {
		return "", err
	}
	list, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType = '" + flow.Drain + "' AND ExecutionStatus = 'Running'"})
	if err != nil {
		return "", err
	}
	for _, x := range list.GetExecutions() {
		d, err := c.DescribeTaskQueue(ctx, x.GetTaskQueue(), 1)
		if err != nil {
			return "", err
		}
		if len(d.GetPollers()) == 0 {
			return "", fmt.Errorf("nobody drains %s: what it received waits on that host's disk; start Vigil there again", x.GetExecution().GetWorkflowId())
		}
	}
	figures, err := a.receivers(ctx)
	for _, f := range figures {
		switch {
		case f.Error != "":
			return "", fmt.Errorf("the spool of %s cannot be written: %s", f.Source, f.Error)
		case f.Dropped > 0:
			return "", fmt.Errorf("%s has dropped %d datagrams: send by TCP, or give the spool more room (--spool-mb)", f.Source, f.Dropped)
		}
	}
	return fmt.Sprintf("%d push sources", len(list.GetExecutions())), err
}

// checkWorkers asks each task queue who polls it.
func (a *app) checkWorkers(ctx context.Context) (string, error) {
	c, err := a.temporal(ctx)
	if err != nil {
		return "", err
	}
	n := 0
	for _, q := range []string{flow.QueueIngest, flow.QueueDetect, flow.QueueRespond} {
		d, err := c.DescribeTaskQueue(ctx, q, 1)
		if err != nil {
			return "", err
		}
		if len(d.GetPollers()) == 0 {
			return "", fmt.Errorf("nobody works on queue %s: start `vigil worker`", q)
		}
		n += len(d.GetPollers())
	}
	return fmt.Sprintf("%d pollers", n), nil
}
