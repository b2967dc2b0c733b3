package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/bench"
	"vigil/internal/store"
	"vigil/schema"
)

func newBenchStartCmd(a *app) *cobra.Command {
	var idle time.Duration
	c := &cobra.Command{
		Use:   "start",
		Short: "Time to start, to the first alert, and what an idle Vigil uses",
		Long: `Starts this program with an empty data folder of its own and the demo, waits for the first alert, stops it, starts it again, and
lets it idle. The folder is removed at the end. A running Vigil is not touched.`,
		Example: "  vigil bench start --idle 30s",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.benchStart(c.Context(), idle) },
	}
	c.Flags().DurationVar(&idle, "idle", 30*time.Second, "how long to let it idle before it is measured")
	return c
}

func (a *app) benchStart(ctx context.Context, idle time.Duration) error {
	dir, err := os.MkdirTemp("", "vigil-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &app{out: a.out, err: a.err, data: dir, org: a.org, output: a.output}
	defer b.close()
	began := time.Now()
	first, err := startUp(ctx, dir, "--demo")
	if err != nil {
		return err
	}
	cold := time.Since(began)
	alert, err := b.firstAlert(ctx, began)
	if err != nil {
		first.stop()
		return err
	}
	stopped := time.Now()
	first.stop()
	stopping := time.Since(stopped)
	began = time.Now()
	second, err := startUp(ctx, dir)
	if err != nil {
		return err
	}
	defer second.stop()
	warm := time.Since(began)
	figures, err := idleFigures(ctx, second.cmd.Process.Pid, idle)
	if err != nil {
		return err
	}
	return a.figures(append([]figure{{"first start, until it serves", cold.Seconds(), "s"}, {"first start, until the demo's first alert", alert.Seconds(), "s"},
		{"stop", stopping.Seconds(), "s"}, {"second start, until it serves", warm.Seconds(), "s"}}, figures...))
}

func idleFigures(ctx context.Context, pid int, idle time.Duration) ([]figure, error) {
	select {
	case <-time.After(idle):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	const window = 10 * time.Second
	before, err := bench.UsageOf(pid)
	if err != nil {
		return nil, err
	}
	time.Sleep(window)
	u, err := bench.UsageOf(pid)
	if err != nil {
		return nil, err
	}
	return []figure{{"idle, processes", u.Processes, ""}, {"idle, resident (shared pages once)", float64(u.PSS) / 1e6, "MB"}, {"idle, resident (RSS summed)", float64(u.RSS) / 1e6, "MB"},
		{"idle, processor", 100 * float64(u.CPU-before.CPU) / float64(window), "% of one core"}}, nil
}

// upProcess is a `vigil up` of its own.
type upProcess struct {
	cmd  *exec.Cmd
	done chan error
}

// startUp starts this program's `up` and waits until it serves.
func startUp(ctx context.Context, data string, extra ...string) (*upProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{"up", "--data", data, "--listen", "localhost:0", "--temporal-port", "0", "--temporal-ui-port", "0"}, extra...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(data, "up.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &upProcess{cmd: cmd, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.HasPrefix(strings.TrimSpace(lines.Text()), "Data") {
				close(ready)
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		p.done <- cmd.Wait()
	}()
	select {
	case <-ready:
		return p, nil
	case err := <-p.done:
		text, _ := os.ReadFile(log.Name())
		return nil, schema.E(schema.Internal, "vigil up ended before it served: "+string(text), "", err)
	case <-ctx.Done():
		p.stop()
		return nil, context.Cause(ctx)
	}
}

// stop ends it as Ctrl-C does, and waits.
func (p *upProcess) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	<-p.done
}

// firstAlert is the time since began at which an alert can be read.
func (a *app) firstAlert(ctx context.Context, began time.Time) (time.Duration, error) {
	s, err := a.store(ctx)
	if err != nil {
		return 0, err
	}
	for time.Since(began) < 2*time.Minute {
		list, _, err := s.Alerts(ctx, a.org, store.AlertFilter{Limit: 1})
		if err != nil {
			return 0, err
		}
		if len(list) > 0 {
			return time.Since(began), nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return 0, fmt.Errorf("the demo raised no alert within two minutes")
}
