package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"vigil/internal/dashboard"
	"vigil/internal/dashboard/library"
	"vigil/internal/store"
	"vigil/schema"
)

// newDashboardsCmd makes `vigil dashboards`: files of panels, each a query.
func newDashboardsCmd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "dashboards", Short: "List, run, import and export dashboards", Args: cobra.NoArgs,
		Long: `A dashboard is a YAML file of panels, each a query and how it is drawn. Those in the folder "dashboards" of the data
folder are shown to everybody, beside those that come with Vigil and those saved in the web UI or by import.`,
		Example: "  vigil dashboards list\n  vigil dashboards export security-overview > mine.yaml\n  vigil dashboards import mine.yaml --shared\n  vigil dashboards run security-overview",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newDashboardsListCmd(a), newDashboardsExportCmd(a), newDashboardsImportCmd(a), newDashboardsRunCmd(a), newSavedDeleteCmd(a, schema.SavedDashboard))
	return c
}

// dashboardSystems are the file systems that dashboards are loaded from.
func (a *app) dashboardSystems() []fs.FS {
	systems := []fs.FS{library.FS}
	if dir := filepath.Join(a.data, "dashboards"); isDir(dir) {
		systems = append(systems, os.DirFS(dir))
	}
	return systems
}

func checkPanel(query string) error {
	return store.CheckQuery(store.SearchRequest{Query: query, CEL: searchCondition})
}

// dashboards are the files and what is saved, by id; what is saved stands before a file.
func (a *app) dashboards(c *cobra.Command) (map[string]dashboard.File, map[string]string, []string, error) {
	files, errs := dashboard.Load(checkPanel, a.dashboardSystems()...)
	a.ruleProblems(errs)
	s, err := a.store(c.Context())
	if err != nil {
		return nil, nil, nil, err
	}
	saved, err := s.Saved(c.Context(), a.org, schema.SavedDashboard)
	if err != nil {
		return nil, nil, nil, err
	}
	all, origin, order := map[string]dashboard.File{}, map[string]string{}, []string{}
	add := func(f dashboard.File, from string) {
		if _, known := all[f.ID]; !known {
			order = append(order, f.ID)
		}
		all[f.ID], origin[f.ID] = f, from
	}
	for _, f := range files {
		add(f, "file")
	}
	for _, d := range saved {
		b, err := dashboard.Parse([]byte(d.Doc), checkPanel)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("saved dashboard %s: %w", d.ID, err)
		}
		add(dashboard.File{Dashboard: b, Text: d.Doc}, "saved by "+d.Owner)
	}
	return all, origin, order, nil
}

func newDashboardsListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the dashboards", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all, origin, order, err := a.dashboards(c)
			if err != nil {
				return err
			}
			var rows [][]any
			for _, id := range order {
				rows = append(rows, []any{id, all[id].Title, len(all[id].Panels), origin[id]})
			}
			return a.table([]string{"id", "title", "panels", "origin"}, rows)
		},
	}
}

func (a *app) oneDashboard(c *cobra.Command, id string) (dashboard.File, error) {
	all, _, _, err := a.dashboards(c)
	if err != nil {
		return dashboard.File{}, err
	}
	f, ok := all[id]
	if !ok {
		return f, schema.E(schema.NotFound, "there is no dashboard "+id, "`vigil dashboards list` shows them")
	}
	return f, nil
}

func newDashboardsExportCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "export ID", Short: "Print a dashboard's file", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f, err := a.oneDashboard(c, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.out, f.Text)
			return err
		},
	}
}

func newDashboardsImportCmd(a *app) *cobra.Command {
	var shared bool
	c := &cobra.Command{
		Use: "import FILE…", Short: "Check dashboard files and save them", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, path := range args {
				text, err := os.ReadFile(path)
				if err != nil {
					return fmt.Errorf("importing: %w", err)
				}
				d, err := dashboard.Parse(text, checkPanel)
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				if err := a.save(c, schema.SavedDashboard, d.ID, map[string]string{"doc": string(text), "shared": fmt.Sprint(shared)}); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&shared, "shared", false, "show it to everybody")
	return c
}

func newDashboardsRunCmd(a *app) *cobra.Command {
	var o searchFlags
	c := &cobra.Command{
		Use: "run ID", Short: "Ask every panel's query and print the answers", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f, err := a.oneDashboard(c, args[0])
			if err != nil {
				return err
			}
			for _, p := range f.Panels {
				q, err := a.searchRequest(c.Context(), p.Query, o)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "\n%s\n", clean([]string{p.Title})[0])
				if err := a.search(c.Context(), q); err != nil {
					return fmt.Errorf("panel %s: %w", p.Title, err)
				}
			}
			return nil
		},
	}
	c.Flags().DurationVar(&o.last, "last", 0, "only the last so long, by event time (24h)")
	return c
}
