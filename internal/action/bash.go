package action

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"vigil/schema"
)

// bashAction runs commands on Vigil's own machine. There is none until the connector bash
// turns it on.
func bashAction(p Ports) Action {
	d := Definition{Verb: "bash", Title: "Run a command on Vigil's machine", Target: "command", Risk: High, Connector: "bash", Blast: "whatever the command does on the machine that Vigil runs on",
		Inputs: []Input{{"command", Text, true, "the command, for bash -c"}}}
	return once{local{noted(d), p.Systems["bash"]}, p.Lists}
}

// local runs one command in the connector's folder, with nothing of Vigil's environment.
type local struct {
	def Definition
	c   *Connector
}

// checkLocal holds the connector bash to what it needs: exec:///bin/bash, and a folder.
func (c *Connector) checkLocal(u *url.URL) error {
	if u.Scheme != "exec" || u.Host != "" || !filepath.IsAbs(u.Path) {
		return errors.New("url is the shell of this machine, such as exec:///bin/bash")
	}
	if !filepath.IsAbs(c.Options["dir"]) {
		return errors.New("the option dir is an absolute path: the folder that commands run in")
	}
	return nil
}

// Definition implements [Action].
func (x local) Definition() Definition { return x.def }

// Run implements [Action].
func (x local) Run(ctx context.Context, r Request) (Result, error) {
	if x.c == nil {
		return Result{}, missing("bash", "bash")
	}
	if r.DryRun {
		return Result{Outcome: DryRun, Outputs: map[string]string{"command": r.Target}}, nil
	}
	within, cancel := context.WithTimeout(ctx, x.c.Timeout)
	defer cancel()
	cmd, err := x.command(within, r.Target)
	if err != nil {
		return Result{}, err
	}
	var b bytes.Buffer
	w := &limited{w: &b, left: maxOutput}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return Result{}, schema.E(schema.Unavailable, "the command was stopped, and what it had started", "", context.Cause(ctx))
	case within.Err() != nil:
		return Result{}, schema.E(schema.Invalid, fmt.Sprintf("the command had not ended after %s; it and what it started were killed", x.c.Timeout), "give the connector bash more timeout_seconds")
	case errors.As(err, &exit):
		return Result{}, schema.E(schema.Invalid, fmt.Sprintf("the command ended with %d: %s", exit.ExitCode(), clip(b.String())), "")
	case err != nil:
		return Result{}, schema.E(schema.Invalid, "the command cannot be started", "look at the url, the dir and the user of the connector bash", err)
	}
	return Result{Outcome: Done, Outputs: map[string]string{"exit": "0", "output": b.String()}}, nil
}

// command is the process: a group of its own, so that what it starts ends with it.
func (x local) command(ctx context.Context, text string) (*exec.Cmd, error) {
	u, err := url.Parse(x.c.URL.Reveal())
	if err != nil {
		return nil, schema.E(schema.Invalid, "the url of the connector bash cannot be read", "such as exec:///bin/bash", err)
	}
	who, err := credential(x.c.Options["user"])
	if err != nil {
		return nil, err
	}
	dir := x.c.Options["dir"]
	cmd := exec.CommandContext(ctx, u.Path, "--noprofile", "--norc", "-c", text)
	cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + dir, "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: who}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	return cmd, nil
}

// credential is the user that commands run as: Vigil's own, or another when Vigil is root,
// which commands never are.
func credential(name string) (*syscall.Credential, error) {
	root := syscall.Geteuid() == 0
	switch {
	case name == "" && root:
		return nil, schema.E(schema.Denied, "commands do not run as root", "give the connector bash the option user, such as nobody, or start Vigil as another user")
	case name == "":
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, schema.E(schema.Invalid, "there is no user "+name+" on this machine", "look at the option user of the connector bash", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	switch {
	case err1 != nil || err2 != nil || uid == 0:
		return nil, schema.E(schema.Denied, "commands do not run as "+name, "give the connector bash another user", errors.Join(err1, err2))
	case !root && int(uid) == syscall.Geteuid():
		return nil, nil
	case !root:
		return nil, schema.E(schema.Denied, "Vigil may not run commands as "+name, "only root may; leave the option user out")
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// Undo implements [Action].
func (local) Undo(context.Context, Request) (Result, error) {
	return Result{}, schema.E(schema.Invalid, "bash cannot be undone", "")
}
