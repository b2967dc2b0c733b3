package main

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

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
	cmd.AddCommand(newPlaybooksListCmd(a), newPlaybooksShowCmd(a), newPlaybooksCheckCmd(a), newPlaybooksImportCmd(a), newPlaybooksRunCmd(a), newPlaybooksReplayCmd(a),
		runPost(a, "cancel RUN", "End a run in order; its open approvals are void"), runPost(a, "terminate RUN", "End a run at once, without tidying up"),
		runPost(a, "reset RUN", "Take a run back to its start, with the version and variables it had"), runPost(a, "rerun RUN", "Start the playbook of a run again, as it is now"))
	return cmd
}

func newPlaybooksListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the playbooks in use", Args: cobra.NoArgs, Example: "  vigil playbooks list",
		RunE: func(*cobra.Command, []string) error {
			verbs, err := a.playbookVerbs()
			if err != nil {
				return err
			}
			set, errs := playbook.Load(verbs, a.playbookSystems()...)
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
			verbs, err := a.playbookVerbs()
			if err != nil {
				return err
			}
			set, _ := playbook.Load(verbs, a.playbookSystems()...)
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
			verbs, err := a.playbookVerbs()
			if err != nil {
				return err
			}
			var errs []error
			for _, name := range args {
				text, err := os.ReadFile(name)
				if err != nil {
					return exit(2, err)
				}
				d, bad := playbook.Parse(name, text, verbs)
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

// runPost makes a subcommand that changes a run as the signed-in user.
func runPost(a *app, use, short string) *cobra.Command {
	verb, _, _ := strings.Cut(use, " ")
	var reason string
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1), Example: "  vigil playbooks " + verb + " run/main/5f1c…/contain-address/1",
		RunE: func(c *cobra.Command, args []string) error {
			var out struct {
				Run string `json:"run"`
			}
			if err := a.call(c.Context(), "POST", "/runs/"+verb+"?id="+url.QueryEscape(args[0]), map[string]string{"reason": reason}, &out); err != nil {
				return err
			}
			fmt.Fprintln(a.out, out.Run)
			return nil
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit trail")
	return c
}

func newPlaybooksRunCmd(a *app) *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use: "run NAME INCIDENT", Short: "Run a playbook for an incident, or try it out", Args: cobra.ExactArgs(2),
		Long:    "With --dry-run nothing is done and nobody asked, and the incident may be closed: its alerts fill the variables.",
		Example: "  vigil playbooks run ransomware-host 5f1c… --dry-run",
		RunE: func(c *cobra.Command, args []string) error {
			var out struct {
				Run string `json:"run"`
			}
			if err := a.call(c.Context(), "POST", "/playbooks/"+url.PathEscape(args[0])+"/run", map[string]any{"incident": args[1], "dry_run": dry}, &out); err != nil {
				return err
			}
			fmt.Fprintln(a.out, out.Run)
			return nil
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "go through the steps without acting or asking")
	return c
}

func newPlaybooksImportCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "import FILE…", Short: "Take CACAO playbooks of others into use", Args: cobra.MinimumNArgs(1),
		Long: `Checks the files and copies the good ones into the folder "playbooks" of the data folder; the next start of Vigil
uses them. Sign-in data in them is not used: write a connector. Exits with 3 when a file is refused.`,
		Example: "  vigil playbooks import ./their-playbook.json",
		RunE: func(_ *cobra.Command, args []string) error {
			verbs, err := a.playbookVerbs()
			if err != nil {
				return err
			}
			var errs []error
			dir := filepath.Join(a.data, "playbooks")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			for _, name := range args {
				text, err := os.ReadFile(name)
				if err != nil {
					return exit(2, err)
				}
				d, bad := playbook.Parse(name, text, verbs)
				errs = append(errs, bad...)
				if d == nil {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, d.Slug()+".json"), []byte(d.Encode()+"\n"), 0o600); err != nil {
					return err
				}
				fmt.Fprintf(a.out, "%s: %s, version %s\n", name, d.Slug(), d.Hash()[:12])
			}
			if a.ruleProblems(errs) > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
}
