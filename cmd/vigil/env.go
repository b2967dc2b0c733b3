package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newEnvCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "env",
		Short:   "Print the environment for the stock temporal CLI",
		Long:    "Prints shell exports with which the stock temporal CLI talks to this Vigil's Temporal as its operator.",
		Example: "  eval \"$(vigil env)\"\n  temporal workflow list",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			e, err := a.endpoints()
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "export TEMPORAL_ADDRESS=%s\nexport TEMPORAL_NAMESPACE=%s\n", e.Temporal, e.Namespace)
			if e.TemporalToken != "" {
				fmt.Fprintf(a.out, "export TEMPORAL_API_KEY=%s\nexport TEMPORAL_TLS=%t\n", e.TemporalToken, e.TemporalTLS)
			}
			return nil
		},
	}
}

// version is the version of this build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	rev := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			rev = s.Value[:12]
		}
	}
	if rev == "" {
		return "dev"
	}
	return "dev-" + rev
}

func newVersionCmd(a *app) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, Example: "  vigil version",
		RunE: func(*cobra.Command, []string) error { _, err := fmt.Fprintln(a.out, version()); return err }}
}
