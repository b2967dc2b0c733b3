package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/klauspost/compress/gzip"
	"github.com/spf13/cobra"

	"vigil/internal/document"
	"vigil/rules"
	"vigil/rules/sigma"
	"vigil/schema"
)

// importedList names, in the folder of imported rules, the files that the last import
// wrote, so that the next one takes away what is no more.
const importedList = ".imported"

func newRulesImportSigmaCmd(a *app) *cobra.Command {
	var out, lists, license string
	var dry bool
	cmd := &cobra.Command{
		Use: "import-sigma PATH…", Short: "Convert Sigma rules and use them", Args: cobra.MinimumNArgs(1),
		Long: `Import-sigma reads Sigma rules, correlations and filters from folders, files and archives (tar, tar.gz, zip),
converts each to a rule of Vigil's own, checks it, and writes it below the folder "rules/sigma" of the data folder,
where "vigil up" loads it at its next start. It says what was refused and why, with file, line and column, and exits
with 3 when anything was. The author and the licence of each rule stay with it and with its alerts.

Import again after an update: files of rules that are gone are removed. Edit no converted file; write an exception or
a rule of your own. docs/guides/sigma.md tells more.`,
		Example: "  vigil rules import-sigma sigma-main.zip\n  vigil rules import-sigma ~/sigma/rules --lists names.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			o := sigma.Options{License: license}
			if err := readLists(lists, &o); err != nil {
				return err
			}
			var files []sigma.File
			for _, p := range args {
				more, err := sigmaFiles(p)
				if err != nil {
					return err
				}
				files = append(files, more...)
			}
			if len(files) == 0 {
				return schema.E(schema.NotFound, "no Sigma rules (.yml, .yaml) in "+strings.Join(args, ", "), "")
			}
			report := sigma.Convert(files, o)
			dir := cmp.Or(out, filepath.Join(a.data, "rules", "sigma"))
			if !dry {
				if err := writeSigma(dir, report); err != nil {
					return err
				}
			}
			return a.sigmaReport(report, dir, dry)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder to write to (default DATA/rules/sigma)")
	cmd.Flags().StringVar(&lists, "lists", "", "YAML file with the values of placeholders, by name")
	cmd.Flags().StringVar(&license, "license", sigma.DefaultLicense, "licence of rules that name none")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "convert and check, write nothing")
	return cmd
}

// readLists reads the values of placeholders.
func readLists(name string, o *sigma.Options) error {
	if name == "" {
		return nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading the lists: %w", err)
	}
	if err := yaml.Unmarshal(text, &o.Lists); err != nil {
		return schema.E(schema.Invalid, "reading the lists of "+name, "write NAME: [value, value]", err)
	}
	return nil
}

// sigmaFiles reads the rule files of a folder, an archive, or one file.
func sigmaFiles(p string) ([]sigma.File, error) {
	if isDir(p) {
		return sigma.FromFS(os.DirFS(p))
	}
	f, err := os.Open(p)
	if err != nil {
		return nil, fmt.Errorf("opening Sigma rules: %w", err)
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewReader(f)
	head, _ := in.Peek(4)
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		z, err := zip.OpenReader(p)
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", p, err)
		}
		defer func() { _ = z.Close() }()
		return sigma.FromFS(z)
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", p, err)
		}
		return sigma.FromTar(z)
	case strings.HasSuffix(p, ".tar"):
		return sigma.FromTar(in)
	}
	text, err := io.ReadAll(io.LimitReader(in, rules.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", p, err)
	}
	return []sigma.File{{Name: filepath.ToSlash(filepath.Base(p)), Text: text}}, nil
}

// sigmaTexts joins the rules of each file and names the file that they go to.
func sigmaTexts(r *sigma.Report) map[string]string {
	out := map[string]string{}
	for _, c := range r.Converted {
		name := strings.TrimLeft(path.Clean("/"+strings.TrimSuffix(c.File, path.Ext(c.File))), "/") + ".yaml"
		text := strings.TrimRight(c.Rule.YAML, "\n") + "\n"
		if before, ok := out[name]; ok {
			text = before + "---\n" + text
		}
		out[name] = text
	}
	return out
}

// writeSigma writes the rules below dir, and removes those of the last import that are
// not among them. Nothing outside dir is touched, whatever an archive's names are.
func writeSigma(dir string, r *sigma.Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for rules: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the folder for rules: %w", err)
	}
	defer func() { _ = root.Close() }()
	before, err := root.ReadFile(importedList)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading what was imported before: %w", err)
	}
	texts := sigmaTexts(r)
	var names []string
	for name, text := range texts {
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return fmt.Errorf("making the folder for rules: %w", err)
		}
		if err := root.WriteFile(name, []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing a rule: %w", err)
		}
		names = append(names, name)
	}
	for name := range strings.SplitSeq(string(before), "\n") {
		if _, still := texts[name]; name == "" || still {
			continue
		}
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a rule that is no more: %w", err)
		}
	}
	slices.Sort(names)
	return root.WriteFile(importedList, []byte(strings.Join(names, "\n")+"\n"), 0o644)
}

// sigmaReport prints what became of the documents.
func (a *app) sigmaReport(r *sigma.Report, dir string, dry bool) error {
	counts := map[string]int{}
	var sources []string
	for _, c := range r.Converted {
		if counts[c.Source]++; counts[c.Source] == 1 {
			sources = append(sources, c.Source)
		}
	}
	slices.SortStableFunc(sources, func(x, y string) int { return cmp.Or(counts[y]-counts[x], strings.Compare(x, y)) })
	var rows [][]any
	for _, s := range sources {
		rows = append(rows, []any{"converted", s, fmt.Sprintf("%d rules", counts[s])})
	}
	problem := func(outcome string, e *document.Error) {
		reason := e.Message
		if e.Hint != "" {
			reason += " (" + e.Hint + ")"
		}
		rows = append(rows, []any{outcome, fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column), reason})
	}
	for _, e := range r.Warnings {
		problem("warning", e)
	}
	for _, e := range r.Refused {
		problem("refused", e)
	}
	if err := a.table([]string{"outcome", "place", "reason"}, rows); err != nil {
		return err
	}
	where := "written to " + dir
	if dry {
		where = "checked, nothing written"
	}
	fmt.Fprintf(a.err, "%d documents: %d rules %s, %d part of another rule, %d refused\n", r.Documents, len(r.Converted), where, r.Folded, r.RefusedDocuments())
	if r.RefusedDocuments() > 0 {
		return exit(3, nil)
	}
	return nil
}
