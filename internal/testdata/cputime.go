package testdata

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is what the process has used; unlike the clock it bears a busy machine.
func CPUTime(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
