// Package tptest gives tests an embedded Temporal of their own. It links the Temporal
// server, which is large; tests that only need a store use chtest.
package tptest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"vigil/internal/standalone/temporal"
	"vigil/schema/flow"
)

// Dial starts Temporal with the search attributes of our workflows and connects to it as
// a worker; both end with the test.
func Dial(t testing.TB) client.Client {
	t.Helper()
	silent := slog.New(slog.DiscardHandler)
	s, err := temporal.Start(t.Context(), temporal.Options{Dir: t.TempDir(), NoUI: true, SearchAttributes: flow.SearchAttributes(), Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	o := client.Options{HostPort: s.HostPort, Namespace: s.Namespace, Credentials: client.NewAPIKeyStaticCredentials(s.WorkerToken.Reveal()), Logger: log.NewStructuredLogger(silent)}
	o.ConnectionOptions.TLSDisabled = true
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := client.DialContext(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
