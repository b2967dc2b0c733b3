package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vigil/schema"
	"vigil/schema/flow"
)

// newSearchesCmd makes `vigil searches`: the searches that people keep.
func newSearchesCmd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "searches", Short: "List, save and delete saved searches", Args: cobra.NoArgs,
		Example: "  vigil searches save failures 'event.outcome:failure' --title 'What fails' --shared\n  vigil search --saved failures --last 24h",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newSearchesListCmd(a), newSearchesSaveCmd(a), newSavedDeleteCmd(a, schema.SavedSearch))
	return c
}

func newSearchesListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the saved searches", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			all, err := s.Saved(c.Context(), a.org, schema.SavedSearch)
			if err != nil {
				return err
			}
			var rows [][]any
			for _, d := range all {
				rows = append(rows, []any{d.ID, d.Title, d.Owner, d.Shared, d.Range, d.Doc})
			}
			return a.table([]string{"id", "title", "owner", "shared", "range", "query"}, rows)
		},
	}
}

func newSearchesSaveCmd(a *app) *cobra.Command {
	var title, span string
	var shared bool
	c := &cobra.Command{
		Use: "save ID QUERY", Short: "Save a search, or change it", Args: cobra.MinimumNArgs(2),
		Example: "  vigil searches save failures 'event.outcome:failure | top 10 user.name' --shared",
		RunE: func(c *cobra.Command, args []string) error {
			if title == "" {
				title = args[0]
			}
			return a.save(c, schema.SavedSearch, args[0], map[string]string{"title": title, "doc": strings.Join(args[1:], " "), "range": span, "shared": fmt.Sprint(shared)})
		},
	}
	c.Flags().StringVar(&title, "title", "", "what the list shows (default: the id)")
	c.Flags().StringVar(&span, "range", "24h", "time range that the web UI opens it with: 15m, 1h, 24h, 7d, 30d, all")
	c.Flags().BoolVar(&shared, "shared", false, "show it to everybody")
	return c
}

func newSavedDeleteCmd(a *app, kind schema.SavedKind) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "Delete a saved " + string(kind), Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			_, err := a.admin(c.Context(), "saved", flow.AdminInput{Verb: "saved.delete", By: "operator", Key: args[0], Args: map[string]string{"kind": string(kind)}})
			return err
		},
	}
}

// save keeps a document through the Admin workflow.
func (a *app) save(c *cobra.Command, kind schema.SavedKind, id string, args map[string]string) error {
	args["kind"] = string(kind)
	if _, err := a.admin(c.Context(), "saved", flow.AdminInput{Verb: "saved.put", By: "operator", Key: id, Args: args}); err != nil {
		return refusal(err)
	}
	fmt.Fprintf(a.out, "%s %s is saved\n", kind, id)
	return nil
}
