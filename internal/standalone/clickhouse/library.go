package clickhouse

import (
	"os"
	"path/filepath"

	"vigil/schema"
)

// LibraryVersion is the pinned version of the npm package that carries the engine.
const LibraryVersion = "26.7.3-stable.1"

// LibraryPath finds the engine's library: VIGIL_CHDB_LIB, beside the binary, or the
// cache folder that `make engine` fills.
func LibraryPath() (string, error) {
	var tried []string
	if p := os.Getenv("VIGIL_CHDB_LIB"); p != "" {
		tried = append(tried, p)
	}
	if self, err := os.Executable(); err == nil {
		tried = append(tried, filepath.Join(filepath.Dir(self), "libchdb.so"))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		tried = append(tried, filepath.Join(cache, "vigil", "chdb-"+LibraryVersion, "libchdb.so"))
	}
	for _, p := range tried {
		if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", schema.E(schema.Unavailable, "the embedded ClickHouse library is not installed",
		"install it with `make engine`, or use a ClickHouse server: vigil up --clickhouse HOST:9000")
}
