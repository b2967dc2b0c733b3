//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Vigil is one running `vigil up` (or worker, or server) under test: the real
// binary, its data folder, and an HTTP session.
type Vigil struct {
	t      *testing.T
	Bin    string
	Data   string
	Env    []string
	Args   []string
	cmd    *exec.Cmd
	log    *lockedBuffer
	exited chan struct{}
	http   *http.Client
	URL    string
	Link   string
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// repoRoot is the folder of go.mod.
func repoRoot(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// NewVigil prepares a Vigil with its own data folder; Start starts it.
func NewVigil(t *testing.T, args ...string) *Vigil {
	t.Helper()
	bin := filepath.Join(repoRoot(t), "bin", "vigil")
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("%s is missing: run `make build`", bin)
	}
	jar, _ := cookiejar.New(nil)
	v := &Vigil{t: t, Bin: bin, Data: t.TempDir(), Args: args, http: &http.Client{Jar: jar, Timeout: 60 * time.Second}}
	t.Cleanup(func() { v.Stop() })
	return v
}

// Start starts `vigil up` and waits until it has printed where it answers.
func (v *Vigil) Start(env ...string) {
	v.t.Helper()
	if err := v.up(env...); err != nil {
		v.t.Fatal(err)
	}
}

// up is Start that returns why it did not.
func (v *Vigil) up(env ...string) error {
	args := append([]string{"up", "--data", v.Data, "--listen", "localhost:0", "--temporal-port", "0", "--temporal-ui-port", "0", "--no-temporal-ui"}, v.Args...)
	v.cmd = exec.Command(v.Bin, args...)
	v.cmd.Env = append(append(os.Environ(), v.Env...), env...)
	v.log = &lockedBuffer{}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	v.cmd.Stderr = v.log
	if err := v.cmd.Start(); err != nil {
		return err
	}
	v.exited = make(chan struct{})
	ready := make(chan struct{})
	go v.readBanner(out, ready)
	go func(cmd *exec.Cmd, exited chan struct{}) { _ = cmd.Wait(); close(exited) }(v.cmd, v.exited)
	select {
	case <-ready:
		return nil
	case <-v.exited:
		return fmt.Errorf("vigil up ended: %s", v.log)
	case <-time.After(90 * time.Second):
		return fmt.Errorf("vigil up is not ready after 90 s: %s", v.log)
	}
}

func (v *Vigil) readBanner(out io.Reader, ready chan<- struct{}) {
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		line := sc.Text()
		_, _ = v.log.Write([]byte(line + "\n"))
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "Web UI") && len(f) >= 3:
			v.URL = f[2]
		case strings.HasPrefix(strings.TrimSpace(line), "Admin link") && len(f) >= 3:
			v.Link = f[2]
		case strings.HasPrefix(strings.TrimSpace(line), "Data"):
			close(ready)
			ready = make(chan struct{})
		}
	}
}

// Kill sends SIGKILL to the process and waits for its end.
func (v *Vigil) Kill() {
	v.t.Helper()
	_ = v.cmd.Process.Signal(syscall.SIGKILL)
	<-v.exited
}

// WaitExit waits until the process has ended by itself.
func (v *Vigil) WaitExit(d time.Duration) bool {
	select {
	case <-v.exited:
		return true
	case <-time.After(d):
		return false
	}
}

// Stop ends the process as Ctrl-C would, and kills it when that takes too long.
func (v *Vigil) Stop() {
	if v.cmd == nil || v.cmd.Process == nil {
		return
	}
	_ = v.cmd.Process.Signal(os.Interrupt)
	if !v.WaitExit(30 * time.Second) {
		_ = v.cmd.Process.Signal(syscall.SIGKILL)
		<-v.exited
	}
}

// Run runs a subcommand against this Vigil and returns its standard output.
func (v *Vigil) Run(args ...string) (string, error) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, v.Bin, append([]string{"--data", v.Data}, args...)...)
	c.Env = append(os.Environ(), v.Env...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if err != nil {
		err = fmt.Errorf("vigil %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), err
}

// MustRun is Run that fails the test.
func (v *Vigil) MustRun(args ...string) string {
	v.t.Helper()
	out, err := v.Run(args...)
	if err != nil {
		v.t.Fatalf("%v\nlog: %s", err, tail(v.log.String(), 4000))
	}
	return out
}

// Call makes an API request with this Vigil's session and decodes the answer.
func (v *Vigil) Call(method, path string, in, out any) error {
	v.t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.URL+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := v.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// SignIn redeems the one-time admin link and sets a password.
func (v *Vigil) SignIn(password string) {
	v.t.Helper()
	_, token, ok := strings.Cut(v.Link, "#")
	if !ok {
		v.t.Fatalf("no admin link was printed: %s", v.log)
	}
	if err := v.Call("POST", "/login/link", map[string]string{"token": token, "password": password}, nil); err != nil {
		v.t.Fatal(err)
	}
}

// Eventually polls until ok returns true.
func Eventually(t *testing.T, what string, d time.Duration, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); ; {
		if ok() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s did not happen within %s", what, d)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
