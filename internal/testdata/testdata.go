// Package testdata finds the shared recordings that tests read. They are other
// people's data and not part of this repository.
package testdata

import (
	"os"
	"path/filepath"
	"testing"
)

// Root returns the repository root: the nearest folder upwards with a go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working folder")
		}
	}
}

// Shared returns the folder of the shared recordings, ../shared/data beside the
// repository. Where it is absent the test is skipped and says so; in CI it fails.
func Shared(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(Root(t), "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the shared recordings are missing: %v", err)
		}
		t.Skipf("skipped: the shared recordings are not beside the repository (%s)", dir)
	}
	return dir
}
