package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"vigil/internal/secret"
)

const clusterHelp = `
The engines come from the environment: VIGIL_CLICKHOUSE (HOST:PORT), VIGIL_CLICKHOUSE_USER, VIGIL_CLICKHOUSE_PASSWORD,
VIGIL_TEMPORAL (HOST:PORT), VIGIL_TEMPORAL_NAMESPACE, VIGIL_TEMPORAL_TOKEN. Workers and servers of one deployment share
the folder "keys" of their data folders: decisions are signed by one and verified by the other.`

func newWorkerCmd(a *app) *cobra.Command {
	var o nodeOptions
	c := &cobra.Command{
		Use: "worker", Short: "Run only the workers, against engines that run elsewhere", Long: "Runs ingestion, detection and response." + clusterHelp,
		Example: "  VIGIL_CLICKHOUSE=ch:9000 VIGIL_TEMPORAL=temporal:7233 vigil worker --data /var/lib/vigil", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.worker = true
			o.receive.changed(c)
			return a.half(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.webhook, "webhook", envOr("VIGIL_WEBHOOK", ""), "URL that notify steps post to")
	c.Flags().StringVar(&o.ops, "ops-listen", "localhost:8481", "address of /healthz and /readyz")
	o.receive.flags(c)
	o.tls.flags(c)
	return c
}

func newServerCmd(a *app) *cobra.Command {
	var o nodeOptions
	c := &cobra.Command{
		Use: "server", Short: "Run only the web server, against engines that run elsewhere", Long: "Serves the web UI and the API." + clusterHelp,
		Example: "  VIGIL_CLICKHOUSE=ch:9000 VIGIL_TEMPORAL=temporal:7233 vigil server --data /var/lib/vigil --listen :8480", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.server = true
			return a.half(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.listen, "listen", "localhost:8480", "address of the web UI and API")
	c.Flags().StringVar(&o.ops, "ops-listen", "localhost:8481", "address of /healthz and /readyz")
	o.tls.flags(c)
	o.web.flags(c)
	return c
}

// half runs one half of Vigil until the process is told to stop.
func (a *app) half(ctx context.Context, o nodeOptions) error {
	ep, err := a.endpoints()
	if err != nil {
		return err
	}
	o.log = a.logger()
	n, err := newNode(ctx, a, ep, secret.New(ep.TemporalToken), o)
	if err != nil {
		return err
	}
	defer n.stop()
	if o.worker {
		if err := n.ensureSchedules(ctx); err != nil {
			return err
		}
	}
	if o.server {
		link, err := n.adminLink(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "  Web UI       %s\n", n.url())
		if link != "" {
			fmt.Fprintf(a.out, "  Admin link   %s   (once, within 24 h)\n", link)
		}
	}
	o.log.Info("ready", "ops", n.opsURL())
	return n.wait(ctx)
}
