package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/schema"
)

// keyPath is the file of the decision key in a data folder.
func keyPath(data string) string { return filepath.Join(data, "keys", "decision.key") }

// headsPath is the folder of signed audit heads in a data folder.
func headsPath(data string) string { return filepath.Join(data, "audit") }

// newAuditCmd makes `vigil audit`.
func newAuditCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "Export the audit trail and prove that nobody changed it",
		Long:    "Every decision and action is a link of a hash chain; signed heads outside the database tell how long each chain was.",
		Example: "  vigil audit verify\n  vigil audit export > audit.ndjson && vigil audit verify --file audit.ndjson",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newAuditVerifyCmd(a), newAuditExportCmd(a))
	return cmd
}

func newAuditExportCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "export", Short: "Print the whole trail as NDJSON, with its signed heads", Args: cobra.NoArgs, Example: "  vigil audit export > audit.ndjson",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			heads, err := a.auditHeads(c.Context())
			if err != nil {
				return err
			}
			key, err := auth.LoadDecisionKey(keyPath(a.data))
			if err != nil {
				return err
			}
			enc := json.NewEncoder(a.out)
			if err := enc.Encode(audit.Export{Format: audit.ExportFormat, Org: a.org, Public: key.Public(), Heads: heads}); err != nil {
				return err
			}
			return s.EachAudit(c.Context(), a.org, func(r schema.AuditRecord) error { return enc.Encode(r) })
		},
	}
}

// auditHeads are the longest signed heads of the data folder and of the store.
func (a *app) auditHeads(ctx context.Context) ([]audit.Head, error) {
	files, err := audit.ReadHeads(headsPath(a.data))
	if err != nil {
		return nil, err
	}
	s, err := a.store(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := s.AuditHeads(ctx, a.org)
	if err != nil {
		return nil, err
	}
	longest := map[string]int{}
	var out []audit.Head
	add := func(h audit.Head) {
		i, ok := longest[h.Writer]
		switch {
		case h.Org != a.org:
		case !ok:
			longest[h.Writer] = len(out)
			out = append(out, h)
		case h.Seq > out[i].Seq:
			out[i] = h
		}
	}
	for _, h := range files {
		add(h)
	}
	for _, h := range stored {
		add(audit.Head{Org: h.Org, Writer: h.Writer, Seq: h.Seq, Hash: h.Hash, Time: h.Time, Signature: h.Signature})
	}
	return out, nil
}

func newAuditVerifyCmd(a *app) *cobra.Command {
	var file, public string
	c := &cobra.Command{
		Use: "verify", Short: "Verify the hash chain; exits with 3 when something is wrong", Args: cobra.NoArgs,
		Long: `Recomputes every hash, follows every chain and holds it against the signed heads: a record that was changed,
dropped, reordered or cut off is named with its position. With --file an export is verified offline. The public key
in an export could have been changed with it: give the one you know with --public-key.`,
		Example: "  vigil audit verify\n  vigil audit verify --file audit.ndjson --public-key mXy…=",
		RunE: func(c *cobra.Command, _ []string) error {
			rep, err := a.verifyAudit(c.Context(), file, public)
			if err != nil {
				return err
			}
			if a.output == "json" || a.output == "ndjson" {
				if err := a.json(rep); err != nil {
					return err
				}
			} else {
				for _, p := range rep.Problems {
					fmt.Fprintln(a.out, p)
				}
				word := "ok"
				if !rep.OK {
					word = fmt.Sprintf("NOT ok: %d problems", len(rep.Problems))
				}
				fmt.Fprintf(a.out, "%s: %d records of %d writers, %d signed heads\n", word, rep.Records, rep.Writers, rep.Heads)
			}
			if !rep.OK {
				return exit(3, nil)
			}
			return nil
		},
	}
	c.Flags().StringVar(&file, "file", "", "an export to verify offline (- for standard input)")
	c.Flags().StringVar(&public, "public-key", "", "public key that signed the heads; default: this Vigil's, or the export's own")
	return c
}

func (a *app) verifyAudit(ctx context.Context, file, public string) (audit.Report, error) {
	if file != "" {
		return a.verifyExport(file, public)
	}
	s, err := a.store(ctx)
	if err != nil {
		return audit.Report{}, err
	}
	heads, err := a.auditHeads(ctx)
	if err != nil {
		return audit.Report{}, err
	}
	if public == "" {
		key, err := auth.LoadDecisionKey(keyPath(a.data))
		if err != nil {
			return audit.Report{}, err
		}
		public = key.Public()
	}
	v := audit.NewVerifier(heads, headCheck(public))
	if err := s.EachAudit(ctx, a.org, func(r schema.AuditRecord) error { v.Add(r); return nil }); err != nil {
		return audit.Report{}, err
	}
	return v.Report(), nil
}

func headCheck(public string) func(audit.Head) bool {
	return func(h audit.Head) bool {
		return auth.VerifySignature(public, audit.HeadDomain, h.Message(), h.Signature)
	}
}

func (a *app) verifyExport(file, public string) (audit.Report, error) {
	in := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return audit.Report{}, exit(2, err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	return verifyStream(in, public)
}

func verifyStream(in io.Reader, public string) (audit.Report, error) {
	var v *audit.Verifier
	err := audit.ReadExport(in, func(e audit.Export) error {
		if public == "" {
			public = e.Public
		}
		v = audit.NewVerifier(e.Heads, headCheck(public))
		return nil
	}, func(r schema.AuditRecord) error { v.Add(r); return nil })
	if err != nil {
		return audit.Report{}, err
	}
	if v == nil {
		return audit.Report{}, schema.E(schema.Invalid, "the export is empty", "make one with `vigil audit export`")
	}
	return v.Report(), nil
}
