package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vigil/worker"
)

// newKeysCmd makes `vigil keys`.
func newKeysCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Rotate the keys that workflow payloads are encrypted with",
		Long: `Where Temporal runs elsewhere, what workflows are given and answer is encrypted with AES-256-GCM before it leaves
Vigil; VIGIL_PAYLOAD_ENCRYPTION=on or off overrides that. The keys are in keys/payload.keys of the data folder, which
all processes of a deployment share. The stock temporal CLI reads through the server:
  temporal --codec-endpoint URL/api/codec --codec-auth "Bearer TOKEN" workflow show …`,
		Example: "  vigil keys rotate",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use: "rotate", Short: "Make a new key; the old ones still open what they closed", Args: cobra.NoArgs, Example: "  vigil keys rotate",
		RunE: func(*cobra.Command, []string) error {
			if err := worker.Rotate(payloadKeys(a.data)); err != nil {
				return err
			}
			fmt.Fprintln(a.out, "A new key encrypts from the next start of each process; running ones read what it closed.")
			return nil
		},
	})
	return cmd
}
