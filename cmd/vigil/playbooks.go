package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"vigil/activities"
	"vigil/internal/playbook"
)

// playbookSystems returns the file systems beside the built-in library.
func (a *app) playbookSystems() []fs.FS {
	if dir := filepath.Join(a.data, "playbooks"); isDir(dir) {
		return []fs.FS{os.DirFS(dir)}
	}
	return nil
}

// newPlaybooksCmd makes `vigil playbooks`.
func newPlaybooksCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "playbooks",
		Short: "List, show and check playbooks",
		Long: `Playbooks are CACAO 2.0 documents in YAML or JSON. Besides the built-in ones, those in the folder "playbooks" of
the data folder are used; one with the name of a built-in takes its place.`,
		Example: "  vigil playbooks list\n  vigil playbooks check ./mine.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newPlaybooksListCmd(a), newPlaybooksShowCmd(a), newPlaybooksCheckCmd(a))
	return cmd
}

func newPlaybooksListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the playbooks in use", Args: cobra.NoArgs, Example: "  vigil playbooks list",
		RunE: func(*cobra.Command, []string) error {
			set, errs := playbook.Load(activities.PlaybookVerbs(), a.playbookSystems()...)
			var rows [][]any
			for _, name := range set.Names() {
				d, err := set.Get(name)
				if err != nil {
					return err
				}
				rows = append(rows, []any{name, d.Hash()[:12], len(d.Workflow), set.LowRisk(name), d.Description})
			}
			if err := a.table([]string{"name", "version", "steps", "runs_by_itself", "description"}, rows); err != nil {
				return err
			}
			if a.ruleProblems(errs) > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
}

func newPlaybooksShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Print a playbook as JSON", Args: cobra.ExactArgs(1), Example: "  vigil playbooks show contain-address",
		RunE: func(_ *cobra.Command, args []string) error {
			set, _ := playbook.Load(activities.PlaybookVerbs(), a.playbookSystems()...)
			d, err := set.Get(args[0])
			if err != nil {
				return err
			}
			return a.json(d)
		},
	}
}

func newPlaybooksCheckCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check FILE…", Short: "Check playbook files without using them", Args: cobra.MinimumNArgs(1),
		Long:    "Reports each mistake with file, line and column; exits with 3 when there is any.",
		Example: "  vigil playbooks check ./mine.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			var errs []error
			for _, name := range args {
				text, err := os.ReadFile(name)
				if err != nil {
					return exit(2, err)
				}
				d, bad := playbook.Parse(name, text, activities.PlaybookVerbs())
				errs = append(errs, bad...)
				if d != nil {
					fmt.Fprintf(a.out, "%s: %s is good, version %s\n", name, d.Slug(), d.Hash()[:12])
				}
			}
			if a.ruleProblems(errs) > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
}
