package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"vigil/activities"
	"vigil/internal/parser"
	"vigil/internal/parser/custom"
	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// formatDir is where custom formats lie.
func formatDir(data string) string { return filepath.Join(data, "formats") }

// formats are the custom formats of the data folder and the built-in ones.
func (a *app) formats() (parser.Set, error) {
	set, err := a.customFormats()
	if err != nil {
		return nil, err
	}
	return set.All(), nil
}

// customFormats are the custom formats of the data folder; what is wrong with one is said and
// stops no other.
func (a *app) customFormats() (*custom.Set, error) {
	files, err := activities.FormatFiles(formatDir(a.data))
	if err != nil {
		return nil, fmt.Errorf("reading the custom formats: %w", err)
	}
	set, errs := custom.Load(files)
	for _, err := range errs {
		fmt.Fprintln(a.err, "vigil: a custom format is not used:", err)
	}
	return set, nil
}

func newSourcesMappingCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "mapping FORMAT", Short: "Print the mapping of a format: which value goes to which field", Args: cobra.ExactArgs(1),
		Long: `Prints the YAML documents that a built-in format goes by, or that of a custom format. Their rows are in the language of custom formats
(docs/guides/custom-formats.md): copy what you need. What no row takes is kept under its own name. Nothing need be running.`,
		Example: "  vigil sources mapping zeek-json\n  vigil sources mapping okta > my-okta.yaml",
		RunE:    func(_ *cobra.Command, args []string) error { return a.mapping(args[0]) },
	}
}

func (a *app) mapping(format string) error {
	set, err := a.customFormats()
	if err != nil {
		return err
	}
	if text := set.Text(format); text != "" {
		fmt.Fprint(a.out, text)
		return nil
	}
	if _, err := parser.ByName(format); err != nil {
		return err
	}
	for i, d := range parser.Mappings(format) {
		text, err := mapping.Text(d.Name)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(a.out, "---")
		}
		fmt.Fprintf(a.out, "# %s.yaml\n%s", d.Name, text)
	}
	return nil
}

func newSourcesTestCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "test FILE|DIR…", Short: "Check custom formats: their text, and that their samples make the events they say", Args: cobra.MinimumNArgs(1),
		Long: `Reads YAML documents of custom formats (docs/guides/custom-formats.md), and says what is wrong with file, line and column;
of a sample, which fields differ (- expected, + got). Nothing need be running. Exit code 3 when something is wrong.`,
		Example: "  vigil sources test gate.yaml\n  vigil sources test formats/",
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := formatFiles(args)
			if err != nil {
				return err
			}
			set, errs := custom.Load(files)
			a.formatProblems(errs)
			fmt.Fprintf(a.out, "%d files, %d formats are good, %d problems\n", len(files), len(set.Formats()), len(errs))
			if len(errs) > 0 {
				return exit(3, nil)
			}
			return nil
		},
	}
}

// formatProblems prints what is wrong with formats; a diff has lines of its own.
func (a *app) formatProblems(errs []error) {
	for _, err := range errs {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(a.err, visible(line))
		}
	}
}

// formatFiles reads the documents that paths name.
func formatFiles(paths []string) ([]custom.File, error) {
	var out []custom.File
	for _, path := range paths {
		if isDir(path) {
			files, err := activities.FormatFiles(path)
			if err != nil {
				return nil, err
			}
			out = append(out, files...)
			continue
		}
		text, err := readAtMost(path, custom.MaxFile)
		if err != nil {
			return nil, schema.E(schema.NotFound, "cannot read "+path, "check the path and its permissions", err)
		}
		out = append(out, custom.File{Name: path, Text: string(text)})
	}
	if len(out) == 0 {
		return nil, schema.E(schema.NotFound, "there is no .yaml file", "name a file, or a folder that holds some")
	}
	return out, nil
}

func newSourcesAddFormatCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "add-format FILE", Short: "Put a custom format in use", Args: cobra.ExactArgs(1),
		Long: `Checks the document and copies it to the folder formats of the data folder, in the place of one of the same format. It is in use at
once in vigil explain, and from the next plan of each source on. Run it on the host of each worker.`,
		Example: "  vigil sources add-format gate.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := formatFiles(args)
			if err != nil {
				return err
			}
			set, errs := custom.Load(files)
			a.formatProblems(errs)
			if len(errs) > 0 || len(files) != 1 {
				return exit(3, nil)
			}
			id := set.Formats()[0].Name
			to := filepath.Join(formatDir(a.data), id+".yaml")
			if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
				return err
			}
			if err := replaceFile(to, []byte(files[0].Text)); err != nil {
				return fmt.Errorf("writing %s: %w", to, err)
			}
			fmt.Fprintf(a.out, "format %s is in use: %s\n", id, to)
			return nil
		},
	}
}

// replaceFile writes a file whole or not at all: a worker may read it at any time.
func replaceFile(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return err
}
