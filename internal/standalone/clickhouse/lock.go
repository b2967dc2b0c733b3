package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"vigil/schema"
)

// orphanWait is how long a start waits for the engine of a Vigil that was killed: that
// engine ends by itself, when it sees that its parent is gone.
const orphanWait = time.Minute

// lockFolder takes the folder, for this process and for the engines it starts, which
// inherit the lock. So an engine that outlived its parent keeps it, until it has written
// its last file there: two engines in one folder would take each other's ports file for
// their own.
func lockFolder(ctx context.Context, dir string, log *slog.Logger) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the engine's folder: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, orphanWait)
	defer cancel()
	for said := false; ; said = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("locking the engine's folder: %w", err), f.Close())
		}
		if !said {
			log.Info("waiting for the embedded ClickHouse of a Vigil that was killed to end", "folder", dir)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, schema.E(schema.Unavailable, "another embedded ClickHouse still runs in "+dir,
				"it ends by itself when its Vigil is gone; else find it with `fuser "+f.Name()+"` and end it", context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
