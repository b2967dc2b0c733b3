//go:build integration

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// followed is how many lines the followed file gets.
const followed = 6000

// TestTailKill: a file is written to, renamed away, copied and truncated, while the process
// that follows it is killed with -9, first between the writes of a chunk, then at any
// moment. Every line is there exactly once, and the proof agrees.
func TestTailKill(t *testing.T) {
	long(t)
	v := NewVigil(t, "--receive", "localhost:0")
	v.Start("VIGIL_CRASH_AT=after-events:6")
	log := filepath.Join(t.TempDir(), "app.log")
	v.MustRun("sources", "add-tail", "app", log)
	written := make(chan error, 1)
	go func() { written <- writeRotating(log) }()

	if !v.WaitExit(2 * time.Minute) {
		t.Fatalf("the crash point was never reached: a void run\n%s", tail(v.log.String(), 2000))
	}
	v.Start()
	for i := range 3 {
		time.Sleep(time.Duration(1200+700*i) * time.Millisecond)
		v.Kill()
		v.Start()
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			out, err := v.Run("prove", "app")
			shown, _ := v.Run("sources", "show", "app")
			t.Logf("%s%v\n%s\n%s", out, err, shown, tail(v.log.String(), 3000))
		}
	}()
	finishAndProve(t, v, "app", followed)
	seen := map[string]bool{}
	for g := range followed / 500 {
		for line := range strings.Lines(v.MustRun("-o", "ndjson", "search", fmt.Sprintf(`"app g%d "`, g), "--from", "2020-01-01T00:00:00Z", "--limit", "1000")) {
			var row struct{ Text string }
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err, line)
			}
			seen[row.Text] = true
		}
	}
	if len(seen) != followed {
		t.Errorf("%d of the %d lines are found", len(seen), followed)
	}
}

// writeRotating writes numbered lines in pieces that end anywhere, for some twenty
// seconds, and rotates in both ways meanwhile.
func writeRotating(log string) (err error) {
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	rotated := 0
	for i := 0; i < followed; i += 10 {
		var b strings.Builder
		for k := range 10 {
			fmt.Fprintf(&b, "2026-03-01T10:00:00Z app g%d n%d\n", (i+k)/500, i+k)
		}
		text, half := b.String(), b.Len()/3
		if _, err := f.WriteString(text[:half]); err != nil {
			return err
		}
		time.Sleep(15 * time.Millisecond)
		if _, err := f.WriteString(text[half:]); err != nil {
			return err
		}
		time.Sleep(15 * time.Millisecond)
		switch i % 1500 {
		case 700: // renamed; the writer goes on in the old file for a while
			rotated++
			if err := os.Rename(log, fmt.Sprintf("%s.%d", log, rotated)); err != nil {
				return err
			}
		case 750:
			next, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
			if err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
			f = next
		case 1400: // copied and truncated
			rotated++
			if err := copyTruncate(f, log, fmt.Sprintf("%s.%d", log, rotated)); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyTruncate(f *os.File, log, to string) error {
	in, err := os.Open(log)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), f.Truncate(0))
}
