// Command vigil is the whole of Vigil in one binary: `vigil up` starts it on a
// laptop, `vigil worker` and `vigil server` run its parts against real clusters,
// and the other subcommands are its users' tools.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"vigil/internal/standalone/clickhouse"
)

func main() {
	clickhouse.RunChild() // does not return when this process is the engine child
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, newApp(), os.Args[1:])
	stop()
	os.Exit(code)
}
