package action

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"vigil/schema"
)

func decodeObject(text string) map[string]any {
	var m map[string]any
	_ = json.Unmarshal([]byte(text), &m) // checked before: no object sends no command
	return m
}

// shellActions are those that sign in to a machine by SSH.
func shellActions(p Ports) []Action {
	c := p.Systems["ssh"]
	block := Definition{Verb: "nft-block", Title: "Block an address in nftables", Target: "address", Risk: High, Reversible: true, TimeBoxed: true, Connector: "ssh",
		Inputs: []Input{{"address", Address, true, "the address to block"}, hoursInput(), reasonInput()}, Undo: "the element is taken out of the set",
		Blast: "traffic of everybody behind that machine, with this address", Honesty: "The element has a timeout of its own: the block ends although Vigil be gone.",
		Idempotent: "an element is in a set once"}
	run := Definition{Verb: "ssh", Title: "Run a command by SSH", Target: "command", Risk: High, Connector: "ssh", Blast: "whatever the command does on that machine",
		Inputs: []Input{{"command", Text, true, "the command"}, {"host", Name, false, "the machine; default that of the connector"}}}
	return []Action{&held{def: block, lists: p.Lists, list: "held/nft-block", hours: 24, eff: nft{c}, mu: &sync.Mutex{}}, once{command{noted(run), c}, p.Lists}, bashAction(p)}
}

func noted(d Definition) Definition {
	d.Idempotent = "what was sent is remembered; a crash in the instant of sending may send twice"
	return d
}

// nft blocks addresses in an nftables set: option set is "family table set", for each
// family of addresses: set4 and set6.
type nft struct{ c *Connector }

func (n nft) element(value string) (set string, err error) {
	a, err := netip.ParseAddr(value)
	if err != nil {
		return "", schema.E(schema.Invalid, "not an address", "", err)
	}
	if n.c == nil {
		return "", missing("nft-block", "ssh")
	}
	set = n.c.Options["set4"]
	if a.Is6() {
		set = n.c.Options["set6"]
	}
	if set == "" {
		set = map[bool]string{false: "inet vigil blocked4", true: "inet vigil blocked6"}[a.Is6()]
	}
	if strings.ContainsAny(set, ";&|`$(){}<>'\"\n") {
		return "", schema.E(schema.Invalid, "the set of the connector ssh cannot be used", "such as: inet vigil blocked4")
	}
	return set, nil
}

func (n nft) has(ctx context.Context, set, value string) (bool, error) {
	_, code, err := n.run(ctx, "get element "+set+" { "+value+" }")
	return err == nil && code == 0, err
}

// run runs nft, or the command of the connector's option nft, with sudo or without.
func (n nft) run(ctx context.Context, args string) (string, int, error) {
	program := n.c.Options["nft"]
	if program == "" {
		program = "nft"
	}
	return n.c.shell(ctx, program+" '"+args+"'")
}

func (n nft) on(ctx context.Context, r Request, value string, until time.Time) error {
	left := int(until.Sub(r.Now).Seconds())
	return n.turn(ctx, value, true, r.renew, fmt.Sprintf("add element %%s { %s timeout %ds }", value, max(left, 1)))
}

func (n nft) off(ctx context.Context, _ Request, value string) error {
	return n.turn(ctx, value, false, false, "delete element %s { "+value+" }")
}

func (n nft) turn(ctx context.Context, value string, want, renew bool, format string) error {
	set, err := n.element(value)
	if err != nil {
		return err
	}
	have, err := n.has(ctx, set, value)
	if err != nil || have == want && !renew {
		return err
	}
	if have { // a renewal: the old timeout goes with the old element
		format = "delete element %s { " + value + " }; " + format
	}
	out, code, err := n.run(ctx, strings.ReplaceAll(format, "%s", set))
	if err != nil {
		return err
	}
	if have, err = n.has(ctx, set, value); err == nil && have != want {
		return schema.E(schema.Unavailable, fmt.Sprintf("nft ended with %d, and %s is as it was: %s", code, value, n.c.redact(clip(out))), "look whether the set exists: nft list sets")
	}
	return err
}

func (n nft) dry(ctx context.Context, _ Request, value string) (string, error) {
	set, err := n.element(value)
	if err != nil {
		return "", err
	}
	have, err := n.has(ctx, set, value)
	if have {
		return value + " is in " + set + " already", err
	}
	return "nft add element " + set + " { " + value + " }", err
}

// command runs one command by SSH.
type command struct {
	def Definition
	c   *Connector
}

// Definition implements [Action].
func (x command) Definition() Definition { return x.def }

// Run implements [Action].
func (x command) Run(ctx context.Context, r Request) (Result, error) {
	if x.c == nil {
		return Result{}, missing("ssh", "ssh")
	}
	if h := r.Arguments["host"]; !x.c.serves(h) {
		return Result{}, schema.E(schema.Denied, "no command is sent to "+h, "the connector ssh is for another machine; its option serves names more")
	}
	if r.DryRun {
		return Result{Outcome: DryRun, Outputs: map[string]string{"command": r.Target}}, nil
	}
	out, code, err := x.c.shell(ctx, r.Target)
	if err != nil {
		return Result{}, err
	}
	res := Result{Outcome: Done, Outputs: map[string]string{"exit": fmt.Sprint(code), "output": x.c.redact(out)}}
	if code != 0 {
		return Result{}, schema.E(schema.Invalid, fmt.Sprintf("the command ended with %d: %s", code, x.c.redact(clip(out))), "")
	}
	return res, nil
}

// Undo implements [Action].
func (command) Undo(context.Context, Request) (Result, error) {
	return Result{}, schema.E(schema.Invalid, "ssh cannot be undone", "")
}

// maxOutput bounds what is read of a command's output, in bytes.
const maxOutput = 64 << 10

// shell runs a command at the connector's machine, whose key must be the one in the
// option host_key. The secret is a private key, or with auth basic a password.
func (c *Connector) shell(ctx context.Context, text string) (out string, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	conn, err := c.connect(ctx)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // a cancelled action ends its session
	defer stop()
	s, err := conn.NewSession()
	if err != nil {
		return "", 0, schema.E(schema.Unavailable, "ssh opens no session", "it is tried again", err)
	}
	var b bytes.Buffer
	w := &limited{w: &b, left: maxOutput}
	s.Stdout, s.Stderr = w, w
	err = s.Run(text)
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return b.String(), 0, nil
	case errors.As(err, &exit):
		return b.String(), exit.ExitStatus(), nil
	}
	return b.String(), 0, schema.E(schema.Unavailable, "the ssh connection broke off", "it is tried again", errors.New(c.redact(err.Error())))
}

func (c *Connector) connect(ctx context.Context) (*ssh.Client, error) {
	u, err := url.Parse(c.URL.Reveal())
	if err != nil || u.Scheme != "ssh" || u.Hostname() == "" {
		return nil, schema.E(schema.Invalid, "the connector ssh needs an address such as ssh://vigil@firewall:22", "", err)
	}
	want, _, _, _, err := ssh.ParseAuthorizedKey([]byte(c.Options["host_key"]))
	if err != nil {
		return nil, schema.E(schema.Invalid, "the host_key of the connector ssh cannot be read", "a line of known_hosts without the names: ssh-ed25519 AAAA…", err)
	}
	how, err := c.signIn()
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = "22"
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, schema.E(schema.Unavailable, "no ssh answer from "+u.Hostname(), "it is tried again", err)
	}
	if d, ok := ctx.Deadline(); ok {
		_ = raw.SetDeadline(d)
	}
	user := c.User
	if u.User != nil {
		user = u.User.Username()
	}
	sc, ch, rq, err := ssh.NewClientConn(raw, addr, &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{how}, HostKeyCallback: ssh.FixedHostKey(want), HostKeyAlgorithms: []string{want.Type()}})
	if err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			return nil, schema.E(schema.Unavailable, "no ssh answer from "+u.Hostname(), "it is tried again", ctx.Err())
		}
		return nil, schema.E(schema.Denied, "ssh to "+u.Hostname()+" is refused", "look at the user, the key and the host_key of the connector ssh", errors.New(c.redact(err.Error())))
	}
	return ssh.NewClient(sc, ch, rq), nil
}

func (c *Connector) signIn() (ssh.AuthMethod, error) {
	if c.Auth == "basic" {
		return ssh.Password(c.Secret.Reveal()), nil
	}
	key, err := ssh.ParsePrivateKey([]byte(c.Secret.Reveal()))
	if err != nil {
		return nil, schema.E(schema.Invalid, "the private key of the connector ssh cannot be read", "its secret is a key without passphrase: file:/path/to/key")
	}
	return ssh.PublicKeys(key), nil
}

// limited writes so many bytes and drops the rest.
type limited struct {
	w    io.Writer
	left int
	mu   sync.Mutex
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(p), l.left)
	l.left -= n
	_, err := l.w.Write(p[:n])
	return len(p), err
}
