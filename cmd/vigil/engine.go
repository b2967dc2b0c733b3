package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/secret"
	"vigil/internal/standalone/clickhouse"
	"vigil/internal/standalone/temporal"
	"vigil/schema/flow"
)

// newEngineCmd is for container images: it runs one embedded engine and nothing else.
func newEngineCmd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "engine",
		Short: "Run only an embedded engine (for container images)",
		Long:  `Runs ClickHouse or Temporal alone, listening for other machines. Meant for images where the official ones cannot be pulled.`,
		Example: `  CLICKHOUSE_USER=vigil CLICKHOUSE_PASSWORD=… vigil engine clickhouse --data /var/lib/clickhouse
  vigil engine temporal --data /var/lib/temporal
  VIGIL_TEMPORAL_POSTGRES=postgres://temporal:…@db:5432 VIGIL_TEMPORAL_TOKEN=… vigil engine temporal`,
	}
	c.AddCommand(newEngineClickHouseCmd(a), newEngineTemporalCmd(a))
	return c
}

func newEngineClickHouseCmd(a *app) *cobra.Command {
	var host string
	var tcp, http int
	c := &cobra.Command{
		Use: "clickhouse", Short: "ClickHouse; user and password from CLICKHOUSE_USER and CLICKHOUSE_PASSWORD", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			e, err := clickhouse.Start(c.Context(), clickhouse.Options{Dir: filepath.Join(a.data, "clickhouse"), Host: host, TCPPort: tcp, HTTPPort: http,
				User: os.Getenv("CLICKHOUSE_USER"), Password: secret.New(os.Getenv("CLICKHOUSE_PASSWORD")), Logger: a.logger()})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.err, "ClickHouse is ready: native %d, HTTP %d\n", tcp, http)
			<-c.Context().Done()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), 15*time.Second)
			defer cancel()
			return e.Stop(ctx)
		},
	}
	c.Flags().StringVar(&host, "host", "0.0.0.0", "address to listen on")
	c.Flags().IntVar(&tcp, "tcp-port", 9000, "native protocol")
	c.Flags().IntVar(&http, "http-port", 8123, "HTTP")
	return c
}

func newEngineTemporalCmd(a *app) *cobra.Command {
	var host string
	var port int
	c := &cobra.Command{
		Use: "temporal", Short: "Temporal on SQLite or PostgreSQL", Args: cobra.NoArgs,
		Long: `Runs Temporal on an SQLite file in the data folder, or on the PostgreSQL server that VIGIL_TEMPORAL_POSTGRES names
(postgres://USER:PASSWORD@HOST:PORT; the user may create databases). With VIGIL_TEMPORAL_TOKEN set, only its bearers
are let in; without it everybody who reaches the port is, which suits throw-away containers only.`,
		Example: "  VIGIL_TEMPORAL_POSTGRES=postgres://temporal:…@db:5432 VIGIL_TEMPORAL_TOKEN=… vigil engine temporal",
		RunE: func(c *cobra.Command, _ []string) error {
			token := os.Getenv("VIGIL_TEMPORAL_TOKEN")
			wait, cancel := context.WithTimeout(c.Context(), time.Minute) // the database may start beside us
			defer cancel()
			s, err := temporal.Start(wait, temporal.Options{Dir: filepath.Join(a.data, "temporal"), Host: host, Port: port, NoUI: true,
				NoAuth: token == "", WorkerToken: secret.New(token), Postgres: secret.New(os.Getenv("VIGIL_TEMPORAL_POSTGRES")),
				SearchAttributes: flow.SearchAttributes(), Logger: a.logger()})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.err, "Temporal is ready: %s\n", s.HostPort)
			<-c.Context().Done()
			s.Stop()
			return nil
		},
	}
	c.Flags().StringVar(&host, "host", "0.0.0.0", "address to listen on")
	c.Flags().IntVar(&port, "port", 7233, "frontend")
	return c
}
