// Package clickhouse runs a real ClickHouse as a child of this process: the
// clickhouse-local of libchdb, loaded by a re-exec of our own binary, serving the
// native and HTTP protocols on loopback with closed default user and generated
// passwords. The child ends when its parent dies, however that happens.
package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"vigil/internal/secret"
	"vigil/schema"
)

// Options says where and how the engine runs. The zero value of a field takes the
// default in its comment.
type Options struct {
	Dir             string       // state; data is in Dir/data. Required
	Library         string       // libchdb.so; default LibraryPath()
	Host            string       // 127.0.0.1
	TCPPort         int          // 0: kept from the last start, else chosen by the OS
	HTTPPort        int          // likewise
	MaxMemory       int64        // bytes; default: half of the machine's memory
	User            string       // "vigil"
	Password        secret.Value // default: generated once and kept in Dir
	Orgs            []string     // that have an analyst, beside those of the last start; default: main
	Logger          *slog.Logger // default: slog.Default()
	analystPassword secret.Value
}

// Engine is a running, supervised ClickHouse.
type Engine struct {
	Addr, HTTPAddr string // HOST:PORT of the native and the HTTP protocol
	User           string
	Password       secret.Value
	// AnalystUser begins the names of the analysts, one an org (schema.AnalystOf), who may only
	// read the org's rows of the database "vigil", within limits. Their passwords are derived of
	// AnalystPassword by the org's name.
	AnalystUser     string
	AnalystPassword secret.Value

	opts    Options
	lock    *os.File        // of the folder; every child inherits it
	run     context.Context // ends with Stop
	cancel  context.CancelFunc
	mu      sync.Mutex
	child   *child
	stopped bool
	done    chan struct{}
	starts  int
	renewed *child     // that is ended to be started again
	adding  sync.Mutex // one org after the other
}

func (e *Engine) isRenewed(c *child) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.renewed == c
}

// child is one engine process.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *tailBuffer
	done  chan struct{}
	err   error
}

// Start starts the engine and returns once it serves. It restarts a child that
// dies (each time said in the log) until Stop.
func Start(ctx context.Context, o Options) (*Engine, error) {
	if err := o.prepare(); err != nil {
		return nil, fmt.Errorf("preparing the embedded ClickHouse: %w", err)
	}
	lock, err := lockFolder(ctx, o.Dir, o.Logger)
	if err != nil {
		return nil, err
	}
	e := &Engine{User: o.User, Password: o.Password, AnalystUser: analystUser, AnalystPassword: o.analystPassword, opts: o, lock: lock, done: make(chan struct{})}
	if err := e.launch(ctx); err != nil {
		_ = lock.Close()
		return nil, err
	}
	e.run, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go e.supervise()
	return e, nil
}

func (o *Options) prepare() error {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.User == "" {
		o.User = appUser
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = machineMemory() / 2
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	if o.Library == "" {
		if o.Library, err = LibraryPath(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	if o.Password.Empty() {
		p, err := persistentPassword(filepath.Join(o.Dir, "password"))
		if err != nil {
			return err
		}
		o.Password = secret.New(p)
	}
	p, err := persistentPassword(filepath.Join(o.Dir, "analyst-password"))
	if err != nil {
		return err
	}
	o.analystPassword = secret.New(p)
	return o.loadOrgs()
}

// launch starts one child and waits until it has written its ports.
func (e *Engine) launch(ctx context.Context) error {
	e.mu.Lock()
	o := e.opts
	e.mu.Unlock()
	if err := o.writeConfig(); err != nil {
		return fmt.Errorf("writing the engine's configuration: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := &child{out: &tailBuffer{}, done: make(chan struct{})}
	c.cmd = exec.Command(self, o.argv()...)
	c.cmd.Env = append(os.Environ(), childEnv+"="+e.opts.Library)
	c.cmd.Dir = e.opts.Dir
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches only us
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	c.cmd.ExtraFiles = []*os.File{e.lock}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("starting the engine: %w", err)
	}
	go func() { c.err = c.cmd.Wait(); close(c.done) }()
	if err := e.await(ctx, c); err != nil {
		_ = c.cmd.Process.Kill()
		<-c.done // before another one is started in its folder
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.child = c
	e.starts++
	if e.stopped { // while it started
		_ = c.stdin.Close()
	}
	return nil
}

func (e *Engine) await(ctx context.Context, c *child) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if b, _ := os.ReadFile(filepath.Join(e.opts.Dir, "ports")); bytes.HasSuffix(b, []byte("\n")) {
			return e.listening(strings.Fields(string(b)))
		}
		select {
		case <-c.done:
			return schema.E(schema.Unavailable, "the embedded ClickHouse ended at start: "+lastLines(c.out.String(), 3),
				"see "+filepath.Join(e.opts.Dir, "engine.err.log"), c.err)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// listening fixes the ports, so that a restarted child answers at the same address.
func (e *Engine) listening(ports []string) error {
	if len(ports) != 2 {
		return fmt.Errorf("the engine wrote ports %q, want two", ports)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var err error
	if e.opts.TCPPort, err = strconv.Atoi(ports[0]); err != nil {
		return err
	}
	if e.opts.HTTPPort, err = strconv.Atoi(ports[1]); err != nil {
		return err
	}
	host := e.opts.Host
	if host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	e.Addr, e.HTTPAddr = net.JoinHostPort(host, ports[0]), net.JoinHostPort(host, ports[1])
	return nil
}

// supervise restarts a dead child with a growing pause, until Stop.
func (e *Engine) supervise() {
	defer close(e.done)
	pause := 200 * time.Millisecond
	for {
		e.mu.Lock()
		c := e.child
		e.mu.Unlock()
		began := time.Now()
		<-c.done
		if e.isStopped() {
			return
		}
		if time.Since(began) > time.Minute {
			pause = 200 * time.Millisecond
		}
		if e.isRenewed(c) {
			pause = 0
			e.opts.Logger.Info("the embedded ClickHouse starts again: an org was added")
		} else {
			e.opts.Logger.Error("the embedded ClickHouse died; starting it again", "error", c.err, "restarts", e.Restarts()+1, "output", lastLines(c.out.String(), 3))
		}
		for again := true; again; {
			select {
			case <-e.run.Done():
				return
			case <-time.After(pause):
			}
			pause = min(max(2*pause, 200*time.Millisecond), 10*time.Second)
			ctx, cancel := context.WithTimeout(e.run, time.Minute)
			err := e.launch(ctx)
			cancel()
			if again = err != nil; again && !e.isStopped() {
				e.opts.Logger.Error("restarting the embedded ClickHouse", "error", err)
			}
		}
	}
}

func (e *Engine) isStopped() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stopped
}

// Restarts is how often a dead child was started again.
func (e *Engine) Restarts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.starts - 1
}

// PID is the process id of the current child.
func (e *Engine) PID() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.child.cmd.Process.Pid
}

// AddOrg gives an org its analyst. The engine reads its users when it starts: it is started
// again, which takes about a second; queries that run then fail, and are to be repeated.
func (e *Engine) AddOrg(ctx context.Context, org string) error {
	e.adding.Lock()
	defer e.adding.Unlock()
	e.mu.Lock()
	o := e.opts
	c, starts := e.child, e.starts
	e.mu.Unlock()
	if slices.Contains(o.Orgs, org) {
		return nil
	}
	o.Orgs = append(slices.Clone(o.Orgs), org)
	if !orgName.MatchString(org) {
		return schema.E(schema.Invalid, fmt.Sprintf("an org cannot be named %q", org), "")
	}
	if err := os.WriteFile(o.orgsFile(), []byte(strings.Join(o.Orgs, "\n")+"\n"), 0o600); err != nil {
		return fmt.Errorf("keeping the engine's orgs: %w", err)
	}
	e.mu.Lock()
	e.opts.Orgs, e.renewed = o.Orgs, c
	e.mu.Unlock()
	_ = c.stdin.Close() // supervise starts it again
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		e.mu.Lock()
		again := e.starts > starts
		e.mu.Unlock()
		switch {
		case again:
			return nil
		case e.isStopped():
			return schema.E(schema.Unavailable, "the embedded ClickHouse is being stopped", "")
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Stop ends the engine: it closes the pipe the child waits on, and kills the child
// when it has not ended by the deadline of ctx.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	e.stopped = true
	_ = e.child.stdin.Close()
	e.mu.Unlock()
	e.cancel() // one that is just being started again
	select {
	case <-e.done:
		_ = e.lock.Close()
		return nil
	case <-ctx.Done():
	}
	e.mu.Lock()
	_ = e.child.cmd.Process.Kill()
	e.mu.Unlock()
	<-e.done
	_ = e.lock.Close()
	return errors.New("the embedded ClickHouse did not stop in time and was killed")
}

// tailBuffer keeps the last output of the child for error messages.
type tailBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - 8192; over > 0 {
		t.b = t.b[over:]
	}
	return len(p), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}

// machineMemory is the memory of the machine in bytes; 4 GiB when unknown.
func machineMemory() int64 {
	var si syscall.Sysinfo_t
	if err := syscall.Sysinfo(&si); err != nil {
		return 4 << 30
	}
	return int64(si.Totalram) * int64(si.Unit)
}
