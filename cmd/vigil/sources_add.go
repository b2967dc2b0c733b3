package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/parser"
	"vigil/internal/source/pull"
	"vigil/schema"
	"vigil/schema/flow"
)

// hostName is how this host is called: it names the queue of what only it can read.
func hostName() (string, error) {
	if h := os.Getenv("VIGIL_HOST"); h != "" {
		return h, nil
	}
	return os.Hostname()
}

// addSource stores and starts a source that goes on.
func (a *app) addSource(ctx context.Context, in flow.IngestInput) error {
	if in.Host == "" {
		var err error
		if in.Host, err = hostName(); err != nil {
			return fmt.Errorf("naming the host: %w", err)
		}
	}
	start, err := json.Marshal(in)
	if err != nil {
		return err
	}
	res, err := a.admin(ctx, "source", flow.AdminInput{Verb: "source.add", By: "operator", Key: in.Source, Args: map[string]string{"start": string(start)}})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "source %s, workflow %s\n", in.Source, res.Doc)
	return nil
}

func newSourcesAddTailCmd(a *app) *cobra.Command {
	var in flow.IngestInput
	c := &cobra.Command{
		Use: "add-tail NAME PATH…", Short: "Follow files as they grow, are rotated and truncated", Args: cobra.MinimumNArgs(2),
		Long: `Paths are files, folders or globs on the host whose worker reads them; quote globs, so that files that come later are
found. What is there is read from its start, then every line within half a second. See docs/guides/tail.md.`,
		Example: "  vigil sources add-tail auth /var/log/auth.log\n  vigil sources add-tail nginx '/var/log/nginx/*.log' --format access",
		RunE: func(c *cobra.Command, args []string) error {
			in.Source = args[0]
			return a.addTail(c.Context(), in, args[1:])
		},
	}
	followFlags(c, &in)
	return c
}

func followFlags(c *cobra.Command, in *flow.IngestInput) {
	f := c.Flags()
	f.StringVar(&in.Format, "format", "", "format of all files; default: detected per file")
	f.StringVar(&in.Zone, "zone", "", "time zone of timestamps that name none (IANA), default UTC")
	f.StringVar(&in.Host, "host", "", "host whose worker reads; default: this one")
}

func (a *app) addTail(ctx context.Context, in flow.IngestInput, paths []string) error {
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return err
		}
		if found, err := filepath.Glob(abs); err != nil {
			return exit(2, fmt.Errorf("the pattern %s: %w", p, err))
		} else if len(found) == 0 && in.Host == "" {
			fmt.Fprintf(a.err, "vigil: nothing is at %s yet; it is followed as soon as it is there\n", p)
		}
		in.Paths = append(in.Paths, abs)
	}
	if in.Format != "" {
		if _, err := parser.ByName(in.Format); err != nil {
			return exit(2, err)
		}
	}
	in.Kind = flow.KindTail
	return a.addSource(ctx, in)
}

// pullFile reads and checks a document of a pull source.
func (a *app) pullFile(name string) (string, *pull.Document, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", nil, exit(1, fmt.Errorf("reading the source: %w", err))
	}
	doc, errs := pull.Parse(name, text)
	if len(errs) > 0 {
		return "", nil, exit(1, errors.Join(errs...))
	}
	if doc.Format != "" {
		if _, err := parser.ByName(doc.Format); err != nil {
			return "", nil, exit(1, fmt.Errorf("%s: %w", name, err))
		}
	}
	return string(text), doc, nil
}

func newSourcesAddPullCmd(a *app) *cobra.Command {
	var name, host string
	c := &cobra.Command{
		Use: "add-pull FILE.yaml", Short: "Pull an HTTP API that a YAML file describes", Args: cobra.ExactArgs(1),
		Long: `The file says where the API is, how it pages and how far back to ask; its secrets are references to variables
(env:VIGIL_SOURCE_…) or files of the worker. ` + "`vigil sources examples`" + ` has some to start from. See docs/guides/pull.md.`,
		Example: "  vigil sources examples okta-system-log > okta.yaml\n  vigil sources check-pull okta.yaml\n  vigil sources add-pull okta.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			text, doc, err := a.pullFile(args[0])
			if err != nil {
				return err
			}
			if name == "" {
				name = doc.ID
			}
			return a.addSource(c.Context(), flow.IngestInput{Source: name, Kind: flow.KindPull, Settings: text, Host: host})
		},
	}
	c.Flags().StringVar(&name, "name", "", "source id; default: the id in the file")
	c.Flags().StringVar(&host, "host", "", "host whose worker asks; default: this one")
	return c
}

func newSourcesCheckPullCmd(a *app) *cobra.Command {
	var once bool
	var since time.Duration
	c := &cobra.Command{
		Use: "check-pull FILE.yaml", Short: "Check a pull source's file, and with --once fetch a page", Args: cobra.ExactArgs(1),
		Long:    "Every mistake is told with line and column. --once asks the API from this machine, with the secrets of this environment, and shows the first page; nothing is stored.",
		Example: "  vigil sources check-pull okta.yaml\n  VIGIL_SOURCE_OKTA=… vigil sources check-pull okta.yaml --once --since 1h",
		RunE: func(c *cobra.Command, args []string) error {
			_, doc, err := a.pullFile(args[0])
			if err != nil {
				return err
			}
			if !once {
				fmt.Fprintf(a.err, "%s: good; --once asks the API\n", args[0])
				return nil
			}
			return a.checkPull(c.Context(), doc, since)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "fetch the first page and show it")
	c.Flags().DurationVar(&since, "since", 0, "ask from so long ago; default: as the file says")
	return c
}

func (a *app) checkPull(ctx context.Context, doc *pull.Document, since time.Duration) error {
	client, err := pull.NewClient(ctx, doc)
	if err != nil {
		return exit(1, err)
	}
	defer client.Close()
	from := time.Time{}
	if since > 0 {
		from = time.Now().Add(-since)
	}
	page, err := client.Fetch(ctx, doc.Begin(from, time.Time{}, time.Now()), time.Time{})
	if err != nil {
		return exit(1, err)
	}
	var rows [][]any
	for _, r := range page.Records {
		at := ""
		if !r.Time.IsZero() {
			at = r.Time.Format(time.RFC3339)
		}
		_, id, _ := strings.Cut(r.ID, ":")
		rows = append(rows, []any{at, a.format(doc, r.Data), clip(id, 40), clip(string(r.Data), 160)})
	}
	if err := a.table([]string{"time", "format", "id", "record"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%d records; %s\n", len(rows), map[bool]string{true: "this is all for now", false: "there is another page"}[page.Done])
	return nil
}

// format is how a record would be read.
func (a *app) format(doc *pull.Document, data []byte) string {
	if doc.Format != "" {
		return doc.Format
	}
	f, _, err := parser.Detect(data, doc.ID)
	if err != nil {
		return "?"
	}
	return f.Name
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

func newSourcesExamplesCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "examples [NAME]", Short: "Print a description of an API to start from", Args: cobra.MaximumNArgs(1), ValidArgs: pull.Examples(),
		Example: "  vigil sources examples\n  vigil sources examples github-audit-log > github.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				var rows [][]any
				for _, name := range pull.Examples() {
					text, err := pull.Example(name)
					if err != nil {
						return err
					}
					first, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
					rows = append(rows, []any{name, first})
				}
				return a.table([]string{"example", "what"}, rows)
			}
			text, err := pull.Example(args[0])
			if err != nil {
				return exit(1, err)
			}
			_, err = fmt.Fprint(a.out, text)
			return err
		},
	}
}

// keepSources starts the sources of this host whose workflow Temporal does not know any
// more: their definitions are in the store. It leaves alone what has failed or was
// stopped.
func (n *node) keepSources(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := n.keepAll(ctx); err != nil && ctx.Err() == nil {
			n.o.log.Warn("reading the definitions of sources", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (n *node) keepAll(ctx context.Context) error {
	orgs, err := n.orgs(ctx)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		defs, err := n.store.SourceDefs(ctx, org)
		if err != nil {
			return err
		}
		for _, d := range defs {
			if err := n.keepSource(ctx, org, d); err != nil && ctx.Err() == nil {
				n.o.log.Warn("starting a source again", "org", org, "source", d.ID, "error", err)
			}
		}
	}
	return nil
}

func (n *node) keepSource(ctx context.Context, org string, d schema.SourceDef) error {
	var in flow.IngestInput
	if err := json.Unmarshal(d.Doc, &in); err != nil {
		return fmt.Errorf("reading its definition: %w", err)
	}
	k, err := flow.KindOf(d.Kind)
	if err != nil || k.Planned || k.OnHost && in.Host != n.intake.host {
		return err
	}
	in.Org = org
	return n.startIfUnknown(ctx, in)
}
