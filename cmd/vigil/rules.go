package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/rules/correlate"
	"vigil/rules/library"
	"vigil/schema"
	"vigil/server"
)

// newRulesCmd makes `vigil rules`: the detection rules, built-in and the user's.
func newRulesCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "List, check, test, try and deploy detection rules",
		Long: `Detection rules are YAML files around expressions; docs/reference/rule-language.md explains them.
Besides the built-in rules, those in the folder "rules" of the data folder are used.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newRulesListCmd(a), newRulesCheckCmd(a), newRulesTestCmd(a), newRulesShowCmd(a), newRulesLintCmd(a), newRulesBenchCmd(a), newRulesDiffCmd(a),
		newRulesDeployCmd(a), newRulesRollbackCmd(a), newRulesHistoryCmd(a), newRulesCoverageCmd(a), newRulesTuneCmd(a), newRulesImportSigmaCmd(a))
	return cmd
}

// ruleSystems returns the file systems that rules are loaded from.
func (a *app) ruleSystems() []fs.FS {
	systems := []fs.FS{library.FS}
	if dir := filepath.Join(a.data, "rules"); isDir(dir) {
		systems = append(systems, os.DirFS(dir))
	}
	return systems
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// ruleProblems prints what is wrong with rules, one line each, and returns how much.
func (a *app) ruleProblems(errs []error) int {
	for _, err := range errs {
		fmt.Fprintln(a.err, err)
	}
	return len(errs)
}

func newRulesListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the rules in use", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			set, errs := rules.Load(a.ruleSystems()...)
			var rows [][]any
			for _, r := range set.Rules() {
				rows = append(rows, []any{r.ID, r.Severity, r.Risk, r.Kind, r.Status, strings.Join(r.Datasets, " "), strings.Join(r.Attack, " "), r.Title})
			}
			if err := a.table([]string{"id", "severity", "risk", "kind", "status", "dataset", "attack", "title"}, rows); err != nil {
				return err
			}
			if a.ruleProblems(errs) > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
}

func newRulesCheckCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check PATH…", Short: "Check rule files or folders without using them", Args: cobra.MinimumNArgs(1),
		Long: `Check reads rule files or folders, reports each mistake with file, line and column, and runs the
inline tests. It exits with 3 when anything is wrong.`,
		Example: "  vigil rules check ./my-rules",
		RunE: func(_ *cobra.Command, args []string) error {
			good, bad := 0, 0
			for _, path := range args {
				rs, errs := readRules(path)
				for _, r := range rs {
					errs = append(errs, correlate.Check(r)...)
				}
				good, bad = good+len(rs), bad+a.ruleProblems(errs)
			}
			fmt.Fprintf(a.out, "%d rules, %d problems\n", good, bad)
			if bad > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
}

// readRules loads a folder, or one file.
func readRules(path string) ([]*rules.Rule, []error) {
	if isDir(path) {
		set, errs := rules.Load(os.DirFS(path))
		if len(set.Rules()) == 0 && len(errs) == 0 {
			errs = []error{schema.E(schema.NotFound, "no rule files (.yaml, .yml) in "+path, "")}
		}
		return set.Rules(), errs
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, []error{fmt.Errorf("reading rules: %w", err)}
	}
	return rules.Parse(path, text, rules.Options{})
}

func newRulesTestCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "test [ID…]", Short: "Run the inline tests of the rules in use",
		RunE: func(_ *cobra.Command, ids []string) error {
			set, errs := rules.Load(a.ruleSystems()...)
			chosen, err := chooseRules(set, ids)
			if err != nil {
				return err
			}
			cases := 0
			for _, r := range chosen {
				cases += len(r.Tests)
				errs = append(errs, correlate.Check(r)...)
			}
			bad := a.ruleProblems(errs)
			fmt.Fprintf(a.out, "%d rules, %d tests, %d problems\n", len(chosen), cases, bad)
			if bad > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
}

func chooseRules(set *rules.Set, ids []string) ([]*rules.Rule, error) {
	if len(ids) == 0 {
		return set.Rules(), nil
	}
	var out []*rules.Rule
	for _, id := range ids {
		r, ok := set.Rule(id)
		if !ok {
			return nil, schema.E(schema.NotFound, fmt.Sprintf("there is no rule %q", id), "`vigil rules list` shows them")
		}
		out = append(out, r)
	}
	return out, nil
}

func newRulesShowCmd(a *app) *cobra.Command {
	var sql, health bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Print a rule's document, its SQL for stored events, or how it does", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			set, _ := rules.Load(a.ruleSystems()...)
			chosen, err := chooseRules(set, args)
			if err != nil {
				return err
			}
			r := chosen[0]
			if health {
				return a.ruleHealth(c.Context(), set, r)
			}
			if sql {
				where, err := chsql.Where(r)
				if err != nil {
					return fmt.Errorf("rendering SQL: %w", err)
				}
				fmt.Fprintln(a.out, where.Inline())
				return nil
			}
			fmt.Fprintf(a.out, "# %s line %d, version %s\n%s", r.File, r.Line, r.Version, r.YAML)
			return nil
		},
	}
	cmd.Flags().BoolVar(&sql, "sql", false, "print the condition as ClickHouse SQL")
	cmd.Flags().BoolVar(&health, "health", false, "print how often it fires, how precise it is, and what it costs")
	return cmd
}

// ruleHealth prints how a rule does in the running Vigil.
func (a *app) ruleHealth(ctx context.Context, set *rules.Set, r *rules.Rule) error {
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	found, err := s.RuleHealth(ctx, a.org, time.Now().AddDate(0, 0, -server.HealthDays))
	if err != nil {
		return err
	}
	h := server.Health(set, r, found)
	switches, err := s.RuleSwitches(ctx, a.org)
	if err != nil {
		return err
	}
	for _, x := range switches {
		if x.Rule == r.ID && x.Version == r.Version && x.Off {
			h.Off = x.Reason
		}
	}
	if a.output == "json" {
		return a.json(h)
	}
	last := "never"
	if !h.SilentSince.IsZero() {
		last = h.SilentSince.Format(time.RFC3339)
	}
	return a.table([]string{"rule", "alerts", "a day", "detections", "hidden", "precision", "last fired", "cost", "switched off"},
		[][]any{{r.ID, h.Alerts, fmt.Sprintf("%.2f", h.PerDay), h.Detections, h.Hidden, precisionText(h.Precision), last, h.Cost, h.Off}})
}
