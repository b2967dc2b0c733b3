package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"vigil/internal/secret"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/worker"
)

// app is what every subcommand is built with: the streams, the global flags, and
// connections to the Vigil whose data folder is named, opened when first asked for.
type app struct {
	stdin    io.Reader
	out, err io.Writer // data goes to out, everything else to err
	data     string    // data folder
	org      string
	output   string // table, json, ndjson, csv
	verbose  bool
	closers  []func()
}

func newApp() *app {
	return &app{stdin: os.Stdin, out: os.Stdout, err: os.Stderr}
}

// defaultData is VIGIL_DATA, or the user's data folder.
func defaultData() string {
	if d := os.Getenv("VIGIL_DATA"); d != "" {
		return d
	}
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "vigil")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "vigil-data"
	}
	return filepath.Join(home, ".local", "share", "vigil")
}

// endpoints reads where the running Vigil answers; the environment overrides it,
// so that the same commands work against clusters.
func (a *app) endpoints() (endpoints, error) {
	e, err := loadEndpoints(a.data)
	if err != nil && os.Getenv("VIGIL_TEMPORAL") == "" {
		return e, err
	}
	for _, o := range []struct {
		env string
		to  *string
	}{
		{"VIGIL_TEMPORAL", &e.Temporal}, {"VIGIL_TEMPORAL_NAMESPACE", &e.Namespace}, {"VIGIL_TEMPORAL_TOKEN", &e.TemporalToken},
		{"VIGIL_CLICKHOUSE", &e.ClickHouse}, {"VIGIL_CLICKHOUSE_USER", &e.ClickHouseUser}, {"VIGIL_CLICKHOUSE_PASSWORD", &e.ClickHousePass},
		{"VIGIL_CLICKHOUSE_ANALYST", &e.AnalystUser}, {"VIGIL_CLICKHOUSE_ANALYST_PASSWORD", &e.AnalystPass}, {"VIGIL_URL", &e.API},
	} {
		if v := os.Getenv(o.env); v != "" {
			*o.to = v
		}
	}
	if e.Namespace == "" {
		e.Namespace = "default"
	}
	e.Encrypt = encrypts(e.Encrypt || os.Getenv("VIGIL_TEMPORAL") != "")
	return e, nil
}

// payloadKeys is the file of the keys that payloads of workflows are encrypted with.
func payloadKeys(data string) string { return filepath.Join(data, "keys", "payload.keys") }

// encrypts says whether payloads are encrypted: VIGIL_PAYLOAD_ENCRYPTION=on or off, or
// else whether Temporal runs elsewhere, where others can read it.
func encrypts(elsewhere bool) bool {
	switch os.Getenv("VIGIL_PAYLOAD_ENCRYPTION") {
	case "on":
		return true
	case "off":
		return false
	}
	return elsewhere
}

// temporal dials the running Vigil's Temporal as this machine's operator.
func (a *app) temporal(ctx context.Context) (client.Client, error) {
	e, err := a.endpoints()
	if err != nil {
		return nil, err
	}
	return a.dialTemporal(ctx, e)
}

func (a *app) dialTemporal(ctx context.Context, e endpoints) (client.Client, error) {
	opts := client.Options{HostPort: e.Temporal, Namespace: e.Namespace, Logger: quiet{}}
	if e.TemporalToken != "" {
		opts.Credentials = client.NewAPIKeyStaticCredentials(e.TemporalToken)
	}
	opts.ConnectionOptions.TLSDisabled = !e.TemporalTLS
	if e.Encrypt {
		codec, err := worker.OpenCodec(payloadKeys(a.data))
		if err != nil {
			return nil, err
		}
		codec.Encrypt(&opts)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := client.DialContext(ctx, opts)
	if err != nil {
		return nil, schema.E(schema.Unavailable, "Temporal does not answer at "+e.Temporal, "is Vigil running? `vigil doctor` tells", err)
	}
	a.closers = append(a.closers, c.Close)
	return c, nil
}

// store opens the running Vigil's ClickHouse.
func (a *app) store(ctx context.Context) (*store.Store, error) {
	e, err := a.endpoints()
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, storeOptions(e))
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	a.closers = append(a.closers, func() { _ = s.Close() })
	return s, nil
}

func storeOptions(e endpoints) store.Options {
	return store.Options{Addr: e.ClickHouse, Database: "vigil", User: e.ClickHouseUser, Password: secret.New(e.ClickHousePass),
		AnalystUser: e.AnalystUser, AnalystPassword: secret.New(e.AnalystPass)}
}

func (a *app) close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		a.closers[i]()
	}
}

// quiet drops the Temporal client's log lines in commands for people.
type quiet struct{}

var _ log.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
