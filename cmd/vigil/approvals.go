package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/approval"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// newApprovalsCmd makes `vigil approvals`: what waits for a person.
func newApprovalsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "See, approve and deny what waits for a person",
		Long: `Playbooks ask before they act. An approval is bound to the exact action, target and arguments by a hash;
whoever asked cannot approve, and silence until the deadline is a denial. Who is asked, and how many, is in the
file approvals.yaml of the data folder (docs/guides/approvals.md).`,
		Example: "  vigil approvals list\n  vigil approvals approve 3f9c… --reason 'confirmed with the owner'",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newApprovalsListCmd(a), newApprovalsShowCmd(a), newApprovalsSignCmd(a), newApprovalsReviewCmd(a), newApprovalsMetricsCmd(a), newApprovalsPolicyCmd(a))
	for _, v := range approval.Verbs() {
		if v.Name != "view" { // show does it
			cmd.AddCommand(newApprovalsActCmd(a, v))
		}
	}
	return cmd
}

func newApprovalsListCmd(a *app) *cobra.Command {
	var all, review bool
	c := &cobra.Command{
		Use: "list", Short: "List what waits", Args: cobra.NoArgs,
		Example: "  vigil approvals list\n  vigil approvals list --review\n  vigil approvals list --all -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			f := store.ApprovalFilter{Status: string(schema.ApprovalPending), Limit: 1000}
			if all || review {
				f.Status = ""
			}
			if review {
				f.Review = schema.ReviewPending
			}
			list, err := s.Approvals(c.Context(), a.org, f)
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, x := range list {
				rows[i] = []any{x.ID, x.Status, x.Action, x.Target, x.Risk, x.Requester, x.Terms.Policy, stageOf(x), fmt.Sprintf("%d of %d", approval.Approvals(x), x.Needed), claimOf(x), x.Deadline.Format(time.RFC3339)}
			}
			return a.table([]string{"id", "status", "action", "target", "risk", "requester", "policy", "stage", "approvals", "claimed_by", "deadline"}, rows)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also those that are decided")
	c.Flags().BoolVar(&review, "review", false, "break-glass decisions that wait for their review")
	return c
}

func stageOf(x schema.Approval) string {
	if x.Stage < len(x.Terms.Stages) {
		return x.Terms.Stages[x.Stage].Name
	}
	return ""
}

func claimOf(x schema.Approval) string {
	if x.Claim != nil && x.Claim.Until.After(time.Now()) {
		return x.Claim.User
	}
	return ""
}

func newApprovalsShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one approval with the exact payload that a decision is bound to", Args: cobra.ExactArgs(1),
		Long:    "Also records that you have seen it, when you are signed in: the time to the first look is measured.",
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
			if x.Status == schema.ApprovalPending {
				// Nobody needs to be signed in to look at this machine's approvals.
				_ = a.call(c.Context(), "POST", "/approvals/"+url.PathEscape(x.ID)+"/look", map[string]string{"verdict": "view"}, nil)
			}
			if a.output != "table" {
				return a.json(x)
			}
			a.printApproval(x)
			return nil
		},
	}
}

func (a *app) printApproval(x schema.Approval) {
	undo := "It cannot be undone."
	if x.Undo != "" {
		undo = "Undone by: " + x.Undo
	}
	rows := [][2]string{{"Action", x.Action + " " + x.Target}, {"Status", fmt.Sprintf("%s, stage %s, %d of %d approvals", x.Status, stageOf(x), approval.Approvals(x), x.Needed)},
		{"Risk", x.Risk + "; " + x.Blast}, {"Why", x.Reason}, {"Asked by", x.Requester}, {"Policy", x.Terms.Policy + " (" + x.Terms.Mode + ")"}, {"Preview", x.Preview},
		{"Undo", undo}, {"If silent", x.IfSilent}, {"SHA-256", x.Binding}, {"Payload", x.Payload}}
	for _, d := range x.Decisions {
		who := d.User
		if d.OnBehalf != "" {
			who += " for " + d.OnBehalf
		}
		rows = append(rows, [2]string{"Decision", fmt.Sprintf("%s %s %s: %s", d.Time.Format(time.RFC3339), who, d.Verdict, d.Reason)})
	}
	for _, m := range x.Moves {
		rows = append(rows, [2]string{"Since", fmt.Sprintf("%s %s %s %s", m.Time.Format(time.RFC3339), m.By, m.Kind, m.Text)})
	}
	for _, r := range rows {
		fmt.Fprintf(a.out, "%-10s %s\n", r[0], clean([]string{r[1]})[0])
	}
}

// newApprovalsActCmd makes the subcommand of one verb of the table.
func newApprovalsActCmd(a *app, v approval.Verb) *cobra.Command {
	var reason, to, until string
	use := v.Name + " ID"
	args := cobra.ExactArgs(1)
	example := "  vigil approvals " + v.Name + " 3f9c…"
	switch {
	case v.Name == "narrow":
		use, args, example = "narrow ID NAME=VALUE…", cobra.MinimumNArgs(2), example+" hours=2 --reason 'a shift is enough'"
	case v.Name == "approve":
		use, args = "approve ID [NAME=VALUE…]", cobra.MinimumNArgs(1)
	}
	if v.Votes && v.Name != "abstain" {
		example += " --reason 'seen with the owner of the host'"
	}
	c := &cobra.Command{
		Use: use, Short: strings.ToUpper(v.Doc[:1]) + v.Doc[1:], Args: args, Example: example,
		Long: "Acts as the user of `vigil login` or VIGIL_TOKEN. The answer says where the approval stands.",
		RunE: func(c *cobra.Command, list []string) error {
			values := map[string]string{}
			for _, kv := range list[1:] {
				k, val, ok := strings.Cut(kv, "=")
				if !ok {
					return exit(2, schema.E(schema.Invalid, fmt.Sprintf("%q is not NAME=VALUE", kv), ""))
				}
				values[k] = val
			}
			for k, val := range map[string]string{"to": to, "until": until} {
				if val != "" {
					values[k] = val
				}
			}
			return a.act(c, list[0], v, reason, values)
		},
	}
	if v.Votes || v.Name == "narrow" {
		c.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit trail")
	}
	if v.Reason || v.Name == "approve" {
		_ = c.MarkFlagRequired("reason")
	}
	if v.Name == "delegate" {
		c.Flags().StringVar(&to, "to", "", "who decides in your place")
		_ = c.MarkFlagRequired("to")
	}
	if v.Name == "delegate" || v.Name == "claim" || v.Name == "snooze" {
		c.Flags().StringVar(&until, "until", "", "how long (2h), or until when (2026-01-31T08:00:00Z)")
	}
	return c
}

func (a *app) act(c *cobra.Command, id string, v approval.Verb, reason string, values map[string]string) error {
	route := "decide"
	if v.Any {
		route = "look"
	}
	var res flow.VoteResult
	body := map[string]any{"verdict": v.Name, "reason": reason, "args": values}
	if err := a.call(c.Context(), "POST", "/approvals/"+url.PathEscape(id)+"/"+route, body, &res); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s: %s, %d of %d approvals\n", id, res.Status, res.Have, res.Needed)
	return nil
}

func newApprovalsSignCmd(a *app) *cobra.Command {
	var reason, verdict string
	var values []string
	c := &cobra.Command{
		Use: "sign ID", Short: "Print a decision token for the stock temporal command line", Args: cobra.ExactArgs(1),
		Long: `Prints the temporal command that carries your decision. Its token says that you, signed in now, gave this
verdict on exactly this approval; it is good for ten minutes. Without such a token the workflow refuses.`,
		Example: "  vigil approvals sign 3f9c… --verdict approve --reason 'seen'\n  vigil approvals sign 3f9c… --verdict delegate --arg to=ben --arg until=2h",
		RunE: func(c *cobra.Command, args []string) error {
			var out struct {
				Token   string    `json:"token"`
				Expires time.Time `json:"expires"`
				Command string    `json:"command"`
			}
			given := map[string]string{}
			for _, kv := range values {
				k, val, _ := strings.Cut(kv, "=")
				given[k] = val
			}
			body := map[string]any{"verdict": verdict, "reason": reason, "args": given}
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
	c.Flags().StringVar(&verdict, "verdict", "approve", "what you do: approve, deny, abstain, break-glass, narrow, delegate, claim, release or snooze")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit trail")
	c.Flags().StringArrayVar(&values, "arg", nil, "NAME=VALUE for narrow, delegate, claim and snooze")
	return c
}

func newApprovalsReviewCmd(a *app) *cobra.Command {
	var verdict, reason string
	c := &cobra.Command{
		Use: "review ID", Short: "Review a break-glass decision", Args: cobra.ExactArgs(1),
		Long:    "Somebody who neither broke the glass nor asked for the action says whether it was justified.",
		Example: "  vigil approvals list --review\n  vigil approvals review 3f9c… --verdict justified --reason 'the host was encrypting shares'",
		RunE: func(c *cobra.Command, args []string) error {
			return a.call(c.Context(), "POST", "/approvals/"+url.PathEscape(args[0])+"/review", map[string]string{"verdict": verdict, "reason": reason}, nil)
		},
	}
	c.Flags().StringVar(&verdict, "verdict", "", "justified or unjustified")
	c.Flags().StringVar(&reason, "reason", "", "what you found")
	_ = c.MarkFlagRequired("verdict")
	_ = c.MarkFlagRequired("reason")
	return c
}

func newApprovalsMetricsCmd(a *app) *cobra.Command {
	var days int
	c := &cobra.Command{
		Use: "metrics", Short: "How fast and how well people decide", Args: cobra.NoArgs, Example: "  vigil approvals metrics --days 7",
		Long: "Time to the first look and to the decision, by approver and stage; the share that ran without a person; what was overturned.",
		RunE: func(c *cobra.Command, _ []string) error {
			var m approval.Metrics
			if err := a.call(c.Context(), "GET", fmt.Sprintf("/approvals/metrics?days=%d", days), nil, &m); err != nil {
				return err
			}
			return a.json(m)
		},
	}
	c.Flags().IntVar(&days, "days", 30, "of requests looked at")
	return c
}

func newApprovalsPolicyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "policy [FILE]", Short: "Check a policy file, or the one in use", Args: cobra.MaximumNArgs(1),
		Long:    "Checks approvals.yaml of the data folder, or the named file; exits with 3 when it cannot be used.",
		Example: "  vigil approvals policy ./approvals.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.approvalPolicies()
			if len(args) == 1 {
				var text []byte
				if text, err = os.ReadFile(args[0]); err != nil {
					return exit(2, err)
				}
				p, err = approval.Parse(args[0], text, lowRisk)
			}
			if err != nil {
				return exit(3, err)
			}
			var rows [][]any
			for _, x := range p.Policies {
				rows = append(rows, []any{x.Name, x.Mode, x.Needed, len(x.Stages), x.OnTimeout, x.When})
			}
			return a.table([]string{"policy", "mode", "needed", "stages", "on_timeout", "when"}, rows)
		},
	}
}
