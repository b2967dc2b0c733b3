package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"

	"vigil/schema"
)

// exitError carries the exit code of a command: 1 failed, 2 usage, 3 findings.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exit wraps err with the exit code the process ends with; err may be nil when
// the command has already said what there is to say.
func exit(code int, err error) error { return &exitError{code, err} }

// run executes the command line and returns the exit code.
func run(ctx context.Context, a *app, args []string) int {
	root := newRootCmd(a)
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	a.close()
	return report(a.err, err)
}

// report prints an error once, with its hint on a line of its own, and returns
// the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	code := 1
	if x, ok := errors.AsType[*exitError](err); ok {
		code = x.code
		if x.err == nil {
			return code
		}
	}
	if se, ok := errors.AsType[*schema.Error](err); ok && se.Hint != "" {
		fmt.Fprintf(w, "vigil: %s\n  hint: %s\n", strings.TrimSuffix(err.Error(), " ("+se.Hint+")"), se.Hint)
		return code
	}
	fmt.Fprintln(w, "vigil:", err)
	return code
}

// refusal is a workflow's error as people need it: the message of whoever refused,
// without the names of all the runs that passed it on.
func refusal(err error) error {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok {
		return err
	}
	return schema.E(schema.Code(app.Type()), app.Message(), "")
}

func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "vigil",
		Short: "Collect security logs, detect, respond and prove it",
		Long: `Vigil collects security logs, learns what is normal, detects by rules and by models,
responds by playbooks that ask people before they act, and proves what it did.

  vigil up                         start everything on this machine
  vigil ingest logs/               ingest files, folders and archives
  vigil approvals list             see what waits for a person`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return exit(2, fmt.Errorf("%w; see `%s --help`", err, c.CommandPath()))
	})
	f := root.PersistentFlags()
	f.StringVar(&a.data, "data", defaultData(), "data folder of the Vigil to start or to talk to (VIGIL_DATA)")
	f.StringVar(&a.org, "org", schema.DefaultOrg, "organisation (tenant)")
	f.StringVarP(&a.output, "output", "o", "table", "output of lists: table, json, ndjson or csv; of search also ocsf")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "say more on standard error")
	root.AddCommand(commands(a)...)
	return root
}

// table prints rows in the format asked for with -o. Header names are the JSON
// keys too; values are formatted by fmt.
func (a *app) table(header []string, rows [][]any) error {
	switch a.output {
	case "json", "ndjson":
		return a.jsonRows(header, rows)
	case "csv":
		w := csv.NewWriter(a.out)
		_ = w.Write(header)
		for _, r := range rows {
			_ = w.Write(texts(r))
		}
		w.Flush()
		return w.Error()
	case "table", "":
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, strings.ToUpper(strings.Join(header, "\t")))
		for _, r := range rows {
			fmt.Fprintln(w, strings.Join(clean(texts(r)), "\t"))
		}
		return w.Flush()
	default:
		return exit(2, fmt.Errorf("unknown output %q: want table, json, ndjson or csv", a.output))
	}
}

func (a *app) jsonRows(header []string, rows [][]any) error {
	docs := make([]map[string]any, len(rows))
	for i, r := range rows {
		docs[i] = make(map[string]any, len(header))
		for j, h := range header {
			docs[i][h] = r[j]
		}
	}
	enc := json.NewEncoder(a.out)
	if a.output == "json" {
		enc.SetIndent("", "  ")
		return enc.Encode(docs)
	}
	for _, d := range docs {
		if err := enc.Encode(d); err != nil {
			return err
		}
	}
	return nil
}

// json prints one value as indented JSON on standard output.
func (a *app) json(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func texts(row []any) []string {
	out := make([]string, len(row))
	for i, v := range row {
		out[i] = fmt.Sprint(v)
	}
	return out
}

// clean makes control characters visible, because values come from attackers and
// a terminal would obey them.
func clean(row []string) []string {
	for i, v := range row {
		row[i] = strings.Map(func(r rune) rune {
			if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				return '·'
			}
			return r
		}, v)
	}
	return row
}
