package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vigil/internal/auth"
	"vigil/internal/secret"
	"vigil/schema/flow"
)

// newUsersCmd makes `vigil users`, for the operator of this machine.
func newUsersCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "users",
		Short:   "List, add and disable users",
		Long:    "Roles, weakest first: viewer, analyst, approver (may decide approvals), admin. Nobody approves what they asked for: have two approvers.",
		Example: "  vigil users add ana --role approver\n  vigil users list",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newUsersListCmd(a), newUsersAddCmd(a), newUsersLinkCmd(a), newUsersDisableCmd(a))
	return cmd
}

func newUsersListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List users", Args: cobra.NoArgs, Example: "  vigil users list",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, err := s.Users(c.Context(), a.org)
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, u := range list {
				rows[i] = []any{u.Name, u.Role, u.Disabled, u.FullName, u.Email, strings.Join(u.Groups, ","), u.Team}
			}
			return a.table([]string{"name", "role", "disabled", "full_name", "email", "groups", "team"}, rows)
		},
	}
}

// admin runs an Admin workflow and returns its result.
func (a *app) admin(ctx context.Context, noun string, in flow.AdminInput) (flow.AdminResult, error) {
	var res flow.AdminResult
	t, err := a.temporal(ctx)
	if err != nil {
		return res, err
	}
	in.Org = a.org
	run, err := t.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: flow.AdminID(a.org, noun, in.Key), TaskQueue: flow.QueueRespond,
		WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.Admin, in)
	if err != nil {
		return res, fmt.Errorf("starting the change: %w", err)
	}
	if err := run.Get(ctx, &res); err != nil {
		return res, fmt.Errorf("the change was refused: %w", err)
	}
	return res, nil
}

func newUsersAddCmd(a *app) *cobra.Command {
	var role, full, email, groups, team string
	var keep bool
	c := &cobra.Command{
		Use: "add NAME", Short: "Add a user, or change role and password", Args: cobra.ExactArgs(1),
		Long:    "Asks for the password, or reads it from standard input; it is hashed before it leaves this process.",
		Example: "  vigil users add ana --role approver\n  vigil users add ana --role admin --keep-password",
		RunE: func(c *cobra.Command, args []string) error {
			in := flow.AdminInput{Verb: "user.put", By: "operator", Key: args[0], Args: map[string]string{"role": role, "full_name": full, "email": email, "groups": groups, "team": team}}
			if !keep {
				plain, err := a.readPassword("New password of " + args[0] + ": ")
				if err != nil {
					return fmt.Errorf("reading the password: %w", err)
				}
				if in.Args["hash"], err = auth.HashPassword(secret.New(plain)); err != nil {
					return exit(2, err)
				}
			}
			if _, err := a.admin(c.Context(), "user", in); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s: %s\n", args[0], role)
			return nil
		},
	}
	c.Flags().StringVar(&role, "role", "viewer", "viewer, analyst, approver or admin")
	c.Flags().StringVar(&full, "full-name", "", "name shown to others")
	c.Flags().StringVar(&email, "email", "", "address")
	c.Flags().StringVar(&groups, "groups", "", "comma-separated groups, which approval policies name")
	c.Flags().StringVar(&team, "team", "", "team, for policies that ask for different ones")
	c.Flags().BoolVar(&keep, "keep-password", false, "do not ask for a password")
	return c
}

// newUsersLinkCmd makes `vigil users link`.
func newUsersLinkCmd(a *app) *cobra.Command {
	var issuer, subject string
	c := &cobra.Command{
		Use: "link NAME", Short: "Say that somebody at a sign-in provider is this user", Args: cobra.ExactArgs(1),
		Long: `Who signs in at a provider is known by its subject, never by a name or an address, which change hands. A user
who existed before is linked with this; the audit trail has issuer and subject of the sign-in that was refused.`,
		Example: "  vigil users link ana --issuer https://idp.example.org --subject 00u1a2b3c4",
		RunE: func(c *cobra.Command, args []string) error {
			_, err := a.admin(c.Context(), "user", flow.AdminInput{Verb: "user.link", By: "operator", Key: args[0], Args: map[string]string{"issuer": issuer, "subject": subject}})
			return err
		},
	}
	c.Flags().StringVar(&issuer, "issuer", "", "issuer of the provider, as in sign-in.yaml")
	c.Flags().StringVar(&subject, "subject", "", "who it is there (the claim sub)")
	_ = c.MarkFlagRequired("issuer")
	_ = c.MarkFlagRequired("subject")
	return c
}

func newUsersDisableCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "disable NAME", Short: "Take all rights from a user", Args: cobra.ExactArgs(1), Example: "  vigil users disable ana",
		RunE: func(c *cobra.Command, args []string) error {
			_, err := a.admin(c.Context(), "user", flow.AdminInput{Verb: "user.disable", By: "operator", Key: args[0]})
			return err
		},
	}
}
