package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/auth"
	"vigil/internal/secret"
	"vigil/schema/flow"
)

// newOrgsCmd makes `vigil orgs`, for the operator of this installation.
func newOrgsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "orgs",
		Short: "List, add and close orgs (tenants)",
		Long: `An org has users, sources, rules in force, alerts, incidents and an audit trail of its own; nothing of one is seen in
another. With --org every other command works in that org: vigil --org acme users add ana --role approver.`,
		Example: "  vigil orgs add acme --title 'Acme Corp.' --admin ana\n  vigil orgs list",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newOrgsListCmd(a), newOrgsAddCmd(a), newOrgsChangeCmd(a, "close", "Let nobody of an org sign in or send; what is stored stays"),
		newOrgsChangeCmd(a, "open", "Open an org that was closed"))
	return cmd
}

func newOrgsListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List orgs that were added", Args: cobra.NoArgs, Example: "  vigil orgs list",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, err := s.Orgs(c.Context())
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, o := range list {
				rows[i] = []any{o.Name, o.Title, o.Closed, o.By, o.Created.Format(time.RFC3339)}
			}
			return a.table([]string{"name", "title", "closed", "by", "created"}, rows)
		},
	}
}

func newOrgsAddCmd(a *app) *cobra.Command {
	var title, admin string
	c := &cobra.Command{
		Use: "add NAME", Short: "Add an org with its first admin", Args: cobra.ExactArgs(1),
		Long:    "Asks for the admin's password, or reads it from standard input; it is hashed before it leaves this process.",
		Example: "  vigil orgs add acme --title 'Acme Corp.' --admin ana",
		RunE: func(c *cobra.Command, args []string) error {
			plain, err := a.readPassword("New password of " + admin + " in " + args[0] + ": ")
			if err != nil {
				return fmt.Errorf("reading the password: %w", err)
			}
			hash, err := auth.HashPassword(secret.New(plain))
			if err != nil {
				return exit(2, err)
			}
			in := flow.AdminInput{Verb: "org.add", By: "operator", Key: args[0], Args: map[string]string{"title": title, "admin": admin, "hash": hash}}
			if _, err := a.admin(c.Context(), "org", in); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s: its admin is %s\n", args[0], admin)
			return nil
		},
	}
	c.Flags().StringVar(&title, "title", "", "name shown to people")
	c.Flags().StringVar(&admin, "admin", "admin", "name of its first admin")
	return c
}

func newOrgsChangeCmd(a *app, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1), Example: "  vigil orgs " + verb + " acme",
		RunE: func(c *cobra.Command, args []string) error {
			_, err := a.admin(c.Context(), "org", flow.AdminInput{Verb: "org." + verb, By: "operator", Key: args[0]})
			return err
		},
	}
}
