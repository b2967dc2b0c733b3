package spool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vigil/schema"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("VIGIL_SPOOL_WRITER"); dir != "" {
		writeForever(dir, os.Getenv("VIGIL_SPOOL_RUN"))
	}
	os.Exit(m.Run())
}

// writeForever appends from many goroutines and prints every batch that was acknowledged.
func writeForever(dir, run string) {
	d, err := Open(dir, Options{SegmentBytes: 200_000})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l, err := d.Log(Meta{Source: "kill", Kind: "bulk", Format: "json"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var out sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s-%d-%d", run, w, i)
				// Two records a batch, with a filling that makes writes long.
				batch := []Record{{Data: []byte(name + " 0 " + strings.Repeat("x", i%3000))}, {Data: []byte(name + " 1"), ID: idOf(name)}}
				if _, err := l.Append(context.Background(), batch); err != nil {
					if schema.CodeOf(err) != schema.Exhausted {
						fmt.Fprintln(os.Stderr, err)
						os.Exit(1)
					}
					continue
				}
				out.Lock()
				fmt.Println(name)
				out.Unlock()
			}
		})
	}
	for {
		_ = l.Cut(context.Background())
	}
}

// TestKill kills a writing process with SIGKILL, again and again: every batch that was
// acknowledged is there, as a whole, and no record twice.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for run := range 5 {
		c := exec.CommandContext(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), "VIGIL_SPOOL_WRITER="+dir, fmt.Sprint("VIGIL_SPOOL_RUN=", run))
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for sc := bufio.NewScanner(out); sc.Scan(); {
			acknowledged[sc.Text()] = true
			if seen++; seen == 150*(run+1) {
				_ = c.Process.Signal(syscall.SIGKILL) // in the middle of what it does
			}
		}
		_ = c.Wait()
		if ws, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL {
			t.Fatalf("the writer was not killed but ended: %v", c.ProcessState)
		}
	}
	d := open(t, dir, Options{SegmentBytes: 200_000})
	l := logOf(t, d, "kill")
	parts := map[string]int{}
	for _, c := range chunks(t, l) {
		for _, text := range c {
			f := strings.Fields(text)
			bit := 1
			if f[1] == "1" {
				bit = 2
			}
			if parts[f[0]]&bit != 0 {
				t.Errorf("%s %s is there twice", f[0], f[1])
			}
			parts[f[0]] |= bit
		}
	}
	if len(acknowledged) < 1000 {
		t.Fatalf("only %d batches were acknowledged: a void run", len(acknowledged))
	}
	for name := range acknowledged {
		if parts[name] != 3 {
			t.Errorf("batch %s was acknowledged; of its two records there are %b", name, parts[name])
		}
	}
	for name, p := range parts {
		if p != 3 {
			t.Errorf("half of batch %s is there", name)
		}
	}
	t.Logf("%d batches acknowledged, %d on disk", len(acknowledged), len(parts))
}

// TestWriteFails: when the disk takes no more, senders are told, and what was durable
// stays readable. /dev/full cannot be a segment; a closed file stands for a broken disk.
func TestWriteFails(t *testing.T) {
	d := open(t, t.TempDir(), Options{})
	l := logOf(t, d, "web")
	if _, err := l.Append(t.Context(), []Record{{Data: []byte("a"), ID: idOf("a")}}); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	_ = l.file.Close()
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 2 {
		if _, err := l.Append(ctx, []Record{{Data: []byte("b"), ID: idOf("b")}}); schema.CodeOf(err) != schema.Unavailable || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
	if st := l.Stats(); st.Error == "" || st.Records != 1 {
		t.Errorf("%+v", st)
	}
	l.mu.Lock()
	l.file = nil // it is closed
	l.mu.Unlock()
}

// BenchmarkAppend measures records a second with an fsync before every answer.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ writers, batch int }{{1, 1}, {16, 1}, {256, 1}, {1, 500}, {16, 500}} {
		b.Run(fmt.Sprintf("writers=%d/batch=%d", c.writers, c.batch), func(b *testing.B) {
			d := open(b, b.TempDir(), Options{Limit: 64 << 30})
			l := logOf(b, d, "bench")
			batch := make([]Record, c.batch)
			for i := range batch {
				batch[i].Data = []byte(strings.Repeat("x", 300))
			}
			began := time.Now()
			b.SetParallelism(c.writers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := l.Append(b.Context(), batch); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N*c.batch)/time.Since(began).Seconds(), "records/s")
		})
	}
}
