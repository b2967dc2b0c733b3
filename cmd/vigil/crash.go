package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// crashPoints is for kill tests: VIGIL_CRASH_AT=point:n ends this process with
// SIGKILL when it comes to the named point for the nth time, once per data folder,
// and records that it did. Without the variable it is nil.
func crashPoints(data string, log *slog.Logger) func(string) {
	spec := os.Getenv("VIGIL_CRASH_AT")
	if spec == "" {
		return nil
	}
	name, count, _ := strings.Cut(spec, ":")
	nth, err := strconv.Atoi(count)
	if err != nil || nth < 1 {
		nth = 1
	}
	mark := filepath.Join(data, "run", "crashed-"+name)
	var mu sync.Mutex
	seen := 0
	return func(point string) {
		if point != name {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if _, err := os.Stat(mark); err == nil {
			return
		}
		if seen++; seen < nth {
			return
		}
		log.Warn("crash point reached: killing this process", "point", point, "times", seen)
		_ = os.WriteFile(mark, fmt.Appendln(nil, point, seen), 0o600)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}
