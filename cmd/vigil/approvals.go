package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"vigil/schema"
)

// newApprovalsCmd makes `vigil approvals`: what waits for a person.
func newApprovalsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "See, approve and deny what waits for a person",
		Long: `Playbooks ask before they act. An approval is bound to the exact action, target and arguments by a hash;
whoever asked cannot approve, and silence until the deadline is a denial.`,
		Example: "  vigil approvals list\n  vigil approvals approve 3f9c… --reason 'confirmed with the owner'",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newApprovalsListCmd(a), newApprovalsShowCmd(a), newApprovalsSignCmd(a),
		newApprovalsDecideCmd(a, "approve", "Approve, so that the action is performed"), newApprovalsDecideCmd(a, "deny", "Deny; the action is not performed"))
	return cmd
}

func newApprovalsListCmd(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "List what waits", Args: cobra.NoArgs,
		Example: "  vigil approvals list\n  vigil approvals list --all -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			status := string(schema.ApprovalPending)
			if all {
				status = ""
			}
			list, err := s.Approvals(c.Context(), a.org, status, 1000)
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, x := range list {
				rows[i] = []any{x.ID, x.Status, x.Action, x.Target, x.Risk, x.Requester, fmt.Sprintf("%d of %d", len(x.Decisions), x.Needed), x.Deadline.Format(time.RFC3339)}
			}
			return a.table([]string{"id", "status", "action", "target", "risk", "requester", "decisions", "deadline"}, rows)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also those that are decided")
	return c
}

func newApprovalsShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one approval with the exact payload that a decision is bound to", Args: cobra.ExactArgs(1),
		Example: "  vigil approvals show 3f9c…",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			x, err := s.Approval(c.Context(), a.org, args[0])
			if err != nil {
				return err
			}
			return a.json(x)
		},
	}
}

func newApprovalsDecideCmd(a *app, verdict, short string) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: verdict + " ID", Short: short, Args: cobra.ExactArgs(1),
		Long:    "Decides as the user of `vigil login` or VIGIL_TOKEN. The answer says whether the decision counted.",
		Example: "  vigil approvals " + verdict + " 3f9c… --reason 'seen with the owner of the host'",
		RunE: func(c *cobra.Command, args []string) error {
			var out struct {
				Approval schema.Approval `json:"approval"`
			}
			body := map[string]string{"verdict": verdict, "reason": reason, "channel": "cli"}
			if err := a.call(c.Context(), "POST", "/approvals/"+url.PathEscape(args[0])+"/decide", body, &out); err != nil {
				return err
			}
			x := out.Approval
			fmt.Fprintf(a.out, "%s: %s, %d of %d decisions\n", args[0], x.Status, len(x.Decisions), x.Needed)
			return nil
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit trail")
	_ = c.MarkFlagRequired("reason")
	return c
}

func newApprovalsSignCmd(a *app) *cobra.Command {
	var reason, verdict string
	c := &cobra.Command{
		Use: "sign ID", Short: "Print a decision token for the stock temporal command line", Args: cobra.ExactArgs(1),
		Long: `Prints the temporal command that carries your decision. Its token says that you, signed in now, gave this
verdict on exactly this approval; it is good for ten minutes. Without such a token the workflow refuses.`,
		Example: "  vigil approvals sign 3f9c… --verdict approve --reason 'seen'",
		RunE: func(c *cobra.Command, args []string) error {
			var out struct {
				Token   string    `json:"token"`
				Expires time.Time `json:"expires"`
				Command string    `json:"command"`
			}
			body := map[string]string{"verdict": verdict, "reason": reason}
			if err := a.call(c.Context(), "POST", "/approvals/"+url.PathEscape(args[0])+"/sign", body, &out); err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(out)
			}
			fmt.Fprintf(a.err, "Good until %s:\n", out.Expires.Format(time.RFC3339))
			fmt.Fprintln(a.out, out.Command)
			return nil
		},
	}
	c.Flags().StringVar(&verdict, "verdict", "approve", "approve or deny")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit trail")
	_ = c.MarkFlagRequired("reason")
	return c
}
