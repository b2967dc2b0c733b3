package clickhouse

import (
	"context"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"vigil/schema"
)

// TestLockOutlivesParent: an engine whose parent is gone keeps the folder until it has
// ended, and a start waits for that.
func TestLockOutlivesParent(t *testing.T) {
	e := start(t, t.TempDir())
	if err := e.lock.Close(); err != nil { // as if the parent had been killed: only the child has it
		t.Fatal(err)
	}
	if f, err := lockFolder(ended(t), e.opts.Dir, slog.Default()); schema.CodeOf(err) != schema.Unavailable {
		t.Fatalf("the folder of a running engine is given away: %v, %v", f, err)
	}
	time.AfterFunc(300*time.Millisecond, func() { _ = e.child.stdin.Close() }) // what the end of the parent does
	f, err := lockFolder(t.Context(), e.opts.Dir, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	// It was not told to stop: for supervise this was a death, and Stop ends what follows.
}

// TestStopDuringRestart: Stop ends an engine that is just being started again, at
// whatever moment.
func TestStopDuringRestart(t *testing.T) {
	for _, after := range []time.Duration{0, 220 * time.Millisecond, 260 * time.Millisecond, 320 * time.Millisecond, 800 * time.Millisecond} {
		dir := t.TempDir()
		e := start(t, dir)
		if err := syscall.Kill(e.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		done := make(chan error, 1)
		go func() { done <- e.Stop(ctx) }()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s after a kill: %v", after, err)
			}
		case <-time.After(25 * time.Second):
			t.Fatalf("%s after a kill: Stop hangs", after)
		}
		cancel()
		f, err := lockFolder(ended(t), dir, slog.Default())
		if err != nil {
			t.Fatalf("%s after a kill: an engine runs after Stop: %v", after, err)
		}
		_ = f.Close()
	}
}

// ended is a context that is over: who tries with it tries once.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
