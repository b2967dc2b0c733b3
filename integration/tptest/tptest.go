// Package tptest gives tests an embedded Temporal of their own. It links the Temporal
// server, which is large; tests that only need a store use chtest.
package tptest

import (
	"context"
	"log/slog"
	"sync"
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
	c, _ := DialIn(t, t.TempDir())
	return c
}

// DialIn is Dial over a folder of the caller's; stop ends both early, so that another
// call can start them again over the same folder.
func DialIn(t testing.TB, dir string, with ...func(*client.Options)) (c client.Client, stop func()) {
	t.Helper()
	silent := slog.New(slog.DiscardHandler)
	s, err := temporal.Start(t.Context(), temporal.Options{Dir: dir, NoUI: true, SearchAttributes: flow.SearchAttributes(), Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			if c != nil {
				c.Close()
			}
			s.Stop()
		})
	}
	t.Cleanup(stop)
	o := client.Options{HostPort: s.HostPort, Namespace: s.Namespace, Credentials: client.NewAPIKeyStaticCredentials(s.WorkerToken.Reveal()), Logger: log.NewStructuredLogger(silent)}
	o.ConnectionOptions.TLSDisabled = true
	for _, w := range with {
		w(&o)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if c, err = client.DialContext(ctx, o); err != nil {
		t.Fatal(err)
	}
	return c, stop
}
