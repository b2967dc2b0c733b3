package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vigil/internal/store"
	"vigil/internal/tables"
	"vigil/schema"
	"vigil/schema/flow"
)

// newTablesCmd makes `vigil tables`.
func newTablesCmd(a *app) *cobra.Command {
	var kinds strings.Builder
	for _, k := range tables.Kinds() {
		fmt.Fprintf(&kinds, "  %-10s %s\n", k.Name, k.Doc)
	}
	cmd := &cobra.Command{
		Use: "tables", Short: "Put tables in force that events are enriched with", Args: cobra.NoArgs,
		Long: `Events are enriched from tables: what we know of machines, people and files, and where addresses are. A table is
checked, stored whole under its hash, and in force from the next plan of each source on; a plan pins the tables it
began with, so that a repeat makes the same events. Earlier versions stay and can be gone back to.

Tables:
` + kinds.String(),
		Example: "  vigil tables import geo GeoLite2-City.mmdb\n  vigil tables versions geo\n  vigil tables rollback geo 1",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newTablesListCmd(a), newTablesImportCmd(a), newTablesVersionsCmd(a), newTablesRollbackCmd(a))
	return cmd
}

// newEntitiesCmd makes `vigil assets` and `vigil identities`.
func newEntitiesCmd(a *app, table, what, columns string) *cobra.Command {
	cmd := &cobra.Command{
		Use: table, Short: "List " + what + " that we know, and import them", Args: cobra.NoArgs,
		Long: `The table is a CSV file with a header line; comma, semicolon or tab part its columns. The columns are
  ` + columns + `
and any others, which are kept as facts. Only name has to be there. Several values in one cell are parted by blanks.
Older versions: vigil tables versions ` + table + `.`,
		Example: "  vigil " + table + " import " + table + ".csv\n  vigil " + table + " list --criticality critical",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	imp := &cobra.Command{Use: "import FILE", Short: "Put a table of " + what + " in force", Args: cobra.ExactArgs(1), Example: "  vigil " + table + " import " + table + ".csv",
		RunE: func(c *cobra.Command, args []string) error { return a.importTable(c, table, args[0]) }}
	cmd.AddCommand(imp, newEntitiesListCmd(a, table, what))
	return cmd
}

func newAssetsCmd(a *app) *cobra.Command {
	return newEntitiesCmd(a, tables.AssetTable, "machines", "name, aliases, ip (addresses and networks), mac, id, os, criticality (low, medium, high, critical), owner, department, tags")
}

func newIdentitiesCmd(a *app) *cobra.Command {
	return newEntitiesCmd(a, tables.IdentityTable, "people and accounts", "name (login), aliases, domain, id, email, full_name, department, manager, criticality, privileged (yes, no), tags")
}

func newEntitiesListCmd(a *app, table, what string) *cobra.Command {
	var f store.EntityFilter
	c := &cobra.Command{
		Use: "list", Short: "List the " + what + " of the table in force", Args: cobra.NoArgs, Example: "  vigil " + table + " list --text finance -o csv",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, next, err := s.EntitiesInForce(c.Context(), a.org, table, f)
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, x := range list {
				var facts []string
				for _, k := range slices.Sorted(maps.Keys(x.Facts)) {
					facts = append(facts, k+"="+x.Facts[k])
				}
				rows[i] = []any{x.Name, x.Criticality, x.Owner, strings.Join(facts, "; ")}
			}
			if next != "" {
				fmt.Fprintf(a.err, "More: --cursor %s\n", next)
			}
			return a.table([]string{"name", "criticality", "owner", "facts"}, rows)
		},
	}
	c.Flags().StringVar(&f.Text, "text", "", "part of name, owner or another column")
	c.Flags().StringVar(&f.Criticality, "criticality", "", "low, medium, high or critical")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many")
	c.Flags().StringVar(&f.Cursor, "cursor", "", "where the page before ended")
	return c
}

func newTablesImportCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "import TABLE FILE", Short: "Put a table in force", Args: cobra.ExactArgs(2), Example: "  vigil tables import asn GeoLite2-ASN.mmdb\n  vigil tables import hashes known.csv",
		Long: "A table of hashes has the columns hash (MD5, SHA-1 or SHA-256, several in one cell), name, owner, status (allowed, unwanted, denied).",
		RunE: func(c *cobra.Command, args []string) error { return a.importTable(c, args[0], args[1]) },
	}
}

// importTable checks a file, stores it under its hash and has it put in force.
func (a *app) importTable(c *cobra.Command, name, path string) error {
	kind, err := tables.ByName(name)
	if err != nil {
		return exit(2, err)
	}
	body, err := readAtMost(path, tables.MaxSize)
	if err != nil {
		return schema.E(schema.NotFound, "cannot read "+path, "check the path and its permissions", err)
	}
	if _, err := kind.Check(body); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s, err := a.store(c.Context())
	if err != nil {
		return err
	}
	hash := tables.Hash(body)
	if err := s.PutTableBody(c.Context(), a.org, hash, body); err != nil {
		return err
	}
	return a.changeTable(c, flow.AdminInput{Verb: "table.put", By: "operator", Key: name, Args: map[string]string{"hash": hash, "file": filepath.Base(path)}})
}

// readAtMost reads a file whole, unless it is larger than limit.
func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	return b, err
}

// changeTable changes a table and shows the version in force then.
func (a *app) changeTable(c *cobra.Command, in flow.AdminInput) error {
	res, err := a.admin(c.Context(), "table", in)
	if err != nil {
		return err
	}
	var v schema.TableVersion
	if err := json.Unmarshal([]byte(res.Doc), &v); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return a.tableVersions([]schema.TableVersion{v})
}

func (a *app) tableVersions(list []schema.TableVersion) error {
	rows := make([][]any, len(list))
	for i, v := range list {
		back := ""
		if v.Back > 0 {
			back = fmt.Sprint("back to ", v.Back)
		}
		rows[i] = []any{v.Name, v.Number, v.Rows, v.Bytes, v.Hash, v.File, v.By, when(v.Time), back}
	}
	return a.table([]string{"table", "version", "rows", "bytes", "hash", "file", "by", "time", "note"}, rows)
}

func newTablesListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the tables in force", Args: cobra.NoArgs, Example: "  vigil tables list",
		RunE: func(c *cobra.Command, _ []string) error { return a.listVersions(c, "") },
	}
}

func newTablesVersionsCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "versions TABLE", Short: "List the versions of a table, newest first", Args: cobra.ExactArgs(1), Example: "  vigil tables versions assets",
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := tables.ByName(args[0]); err != nil {
				return exit(2, err)
			}
			return a.listVersions(c, args[0])
		},
	}
}

func (a *app) listVersions(c *cobra.Command, name string) error {
	s, err := a.store(c.Context())
	if err != nil {
		return err
	}
	list, err := s.TableVersions(c.Context(), a.org, name)
	if err != nil {
		return err
	}
	return a.tableVersions(list)
}

func newTablesRollbackCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "rollback TABLE VERSION", Short: "Put an earlier version of a table in force again", Args: cobra.ExactArgs(2), Example: "  vigil tables rollback assets 3",
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := strconv.ParseUint(args[1], 10, 64); err != nil {
				return exit(2, errors.New("VERSION is a number of `vigil tables versions`"))
			}
			return a.changeTable(c, flow.AdminInput{Verb: "table.rollback", By: "operator", Key: args[0], Args: map[string]string{"number": args[1]}})
		},
	}
}
