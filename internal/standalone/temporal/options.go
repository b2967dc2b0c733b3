package temporal

import (
	"log/slog"
	"time"

	"vigil/internal/secret"
)

// Options says where and how the server runs.
type Options struct {
	Dir              string // database and tokens. Required
	Host             string // 127.0.0.1
	Port             int    // frontend; another is taken when it is busy. 0: kept from the last start, else free
	UIPort           int    // likewise for the web UI
	NoUI             bool
	NoAuth           bool         // no tokens: for throw-away containers only
	WorkerToken      secret.Value // default: generated once and kept in Dir
	Postgres         secret.Value // postgres://USER:PASSWORD@HOST:PORT instead of an SQLite file
	Namespace        string
	Retention        time.Duration     // of closed workflows; default 7 days
	SearchAttributes map[string]string // name → Keyword, Int, …
	Logger           *slog.Logger
}
