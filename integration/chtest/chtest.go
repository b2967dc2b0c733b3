// Package chtest gives tests a store on an embedded ClickHouse of their own.
package chtest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"vigil/internal/standalone/clickhouse"
	"vigil/internal/store"
)

// Main is the TestMain of packages that use Open: the engine is the test program itself,
// started again.
func Main(m *testing.M) {
	clickhouse.RunChild() // does not return in the engine child
	os.Exit(m.Run())
}

// Open starts an engine and opens a migrated store on it; both end with the test. Where
// the engine's library is missing the test is skipped, in CI it fails.
func Open(t testing.TB) (*store.Store, *clickhouse.Engine) {
	t.Helper()
	if _, err := clickhouse.LibraryPath(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	e, err := clickhouse.Start(t.Context(), clickhouse.Options{Dir: t.TempDir(), MaxMemory: 2 << 30})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{Addr: e.Addr, User: e.User, Password: e.Password, AnalystUser: e.AnalystUser, AnalystPassword: e.AnalystPassword})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := errors.Join(s.Close(), e.Stop(ctx)); err != nil {
			t.Log(err)
		}
	})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, e
}
