package action

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/crypto/ssh"

	"vigil/internal/action/actiontest"
	"vigil/internal/secret"
	"vigil/schema"
)

func contextAfter(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// mailConnector is a connector to a mailbox.
func mailConnector(m *actiontest.Mailbox) *Connector {
	return &Connector{Name: "smtp", URL: secret.New("smtp://" + m.Addr), Auth: "none", Timeout: 2 * time.Second, Options: map[string]string{"from": "vigil@example.org", "to": "soc@example.org", "tls": "none"}}
}

func TestMail(t *testing.T) {
	b := newBench(t)
	d := b.table["email"].Definition()
	r := b.request(t, d)
	r.Arguments["subject"], r.Arguments["text"] = "ws1\r\nBcc: evil@example.net", "line one\nline two"
	if _, err := b.table["email"].Run(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, text := range b.mail.Mails() {
		head, body, _ := strings.Cut(text, "\r\n\r\n")
		if strings.Contains(head, "\r\nBcc:") || !strings.Contains(body, "line two") || !strings.Contains(head, "To: <soc@example.org>") {
			t.Errorf("the mail:\n%s", text)
		}
	}
	r.Arguments["to"], r.Key = "somebody@elsewhere.net", "other"
	if _, err := b.table["email"].Run(t.Context(), r); schema.CodeOf(err) != schema.Denied {
		t.Errorf("mail to everywhere: %v", err)
	}
	for err, want := range map[*smtp.SMTPError]schema.Code{{Code: 550, Message: "no such user"}: schema.Invalid, {Code: 451, Message: "later"}: schema.Unavailable} {
		b.mail.Refuse(err)
		r.Arguments["to"], r.Key = "soc@example.org", fmt.Sprint(err.Code)
		if _, got := b.table["email"].Run(t.Context(), r); schema.CodeOf(got) != want {
			t.Errorf("%d: %v, want %s", err.Code, got, want)
		}
	}
}

// TestPost: a letter goes once for each key, to allowed addresses only, with its HTML and files.
func TestPost(t *testing.T) {
	m, l := actiontest.NewMailbox(t), &lists{m: map[string]Entry{}}
	post := NewPost(Ports{Lists: l, Systems: Connectors{"smtp": mailConnector(m)}})
	letter := Letter{To: []string{"soc@example.org"}, Subject: "Overview\r\nBcc: evil@example.net", Text: "the text", HTML: "<p>the page</p>", Files: []File{{"a.csv", "text/csv", []byte("n\r\n1\r\n")}}}
	for i, want := range []string{Done, AlreadyDone} {
		res, err := post.Send(t.Context(), "main", "k", letter, time.Now())
		if err != nil || res.Outcome != want || res.Outputs["message_id"] == "" || res.Outputs["recipients"] != "1" {
			t.Fatalf("time %d: %+v %v", i+1, res, err)
		}
	}
	if len(m.Mails()) != 1 || m.Taken() != 1 {
		t.Errorf("%d mails, taken %d times", len(m.Mails()), m.Taken())
	}
	for _, text := range m.Mails() {
		head, _, _ := strings.Cut(text, "\r\n\r\n")
		if strings.Contains(head, "\r\nBcc:") || !strings.Contains(text, "text/html") || !strings.Contains(text, `filename="a.csv"`) || !strings.Contains(text, "the page") {
			t.Errorf("the mail:\n%s", text)
		}
	}
	for to, want := range map[string]schema.Code{"somebody@elsewhere.net": schema.Denied, "no address": schema.Invalid, "evil@elsewhere.net, soc@example.org": schema.Invalid} {
		letter.To = []string{"soc@example.org", to}
		if err := post.Allows(letter.To); schema.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", to, err, want)
		}
		if _, err := post.Send(t.Context(), "main", to, letter, time.Now()); err == nil {
			t.Errorf("sent to %s", to)
		}
	}
	if err := NewPost(Ports{}).Allows([]string{"soc@example.org"}); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("without a connector: %v", err)
	}
}

// shell is an SSH server that runs commands with sh, and a set of nftables as a file.
type shell struct {
	file, dir string
	l         net.Listener
	host      ssh.Signer
	user      ed25519.PrivateKey
	mu        sync.Mutex
	stuck     bool
}

// nftScript stands in for nft, which needs a network namespace of its own: get, add
// and delete of elements, with the exit codes of the real one.
const nftScript = `#!/bin/sh
# usage: nft 'VERB element FAMILY TABLE SET { VALUE … }[; …]'
set -e
echo "$1" | tr ';' '\n' | while read -r verb _ _ _ _ _ value rest; do
  [ -n "$verb" ] || continue
  case "$verb" in
    get) grep -qx "$value" "$NFT_FILE" || exit 1 ;;
    add) grep -qx "$value" "$NFT_FILE" || echo "$value" >> "$NFT_FILE" ;;
    delete) grep -qx "$value" "$NFT_FILE" || exit 1; grep -vx "$value" "$NFT_FILE" > "$NFT_FILE.new" || true; mv "$NFT_FILE.new" "$NFT_FILE" ;;
  esac
done
`

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{dir: t.TempDir()}
	s.file = filepath.Join(s.dir, "effects")
	_, host, err := ed25519.GenerateKey(rand.Reader)
	if err == nil {
		_, s.user, err = ed25519.GenerateKey(rand.Reader)
	}
	if err == nil {
		s.host, err = ssh.NewSignerFromKey(host)
	}
	if err == nil {
		err = errors.Join(os.WriteFile(s.file, nil, 0o600), os.WriteFile(filepath.Join(s.dir, "nft"), []byte(nftScript), 0o700))
	}
	if err == nil {
		s.l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.l.Close() })
	go s.serve()
	return s
}

func (s *shell) hang() { s.mu.Lock(); s.stuck = true; s.mu.Unlock() }

func (s *shell) effects(t *testing.T) string {
	b, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (s *shell) connector(t *testing.T) *Connector {
	block, err := ssh.MarshalPrivateKey(s.user, "")
	if err != nil {
		t.Fatal(err)
	}
	return &Connector{Name: "ssh", URL: secret.New("ssh://vigil@" + s.l.Addr().String()), Auth: "bearer", Secret: secret.New(string(pem.EncodeToMemory(block))), Timeout: 3 * time.Second,
		Options: map[string]string{"host_key": string(ssh.MarshalAuthorizedKey(s.host.PublicKey())), "nft": "NFT_FILE=" + s.file + " " + filepath.Join(s.dir, "nft")}}
}

func (s *shell) serve() {
	pub, _ := ssh.NewPublicKey(s.user.Public())
	cfg := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if string(k.Marshal()) != string(pub.Marshal()) {
			return nil, errors.New("another key")
		}
		return nil, nil
	}}
	cfg.AddHostKey(s.host)
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, chans, reqs, err := ssh.NewServerConn(c, cfg)
			if err != nil {
				return
			}
			go ssh.DiscardRequests(reqs)
			for n := range chans {
				ch, rs, err := n.Accept()
				if err == nil {
					go s.session(ch, rs)
				}
			}
		}()
	}
}

func (s *shell) session(ch ssh.Channel, rs <-chan *ssh.Request) {
	for r := range rs {
		if r.Type != "exec" {
			_ = r.Reply(false, nil)
			continue
		}
		_ = r.Reply(true, nil)
		s.mu.Lock()
		stuck := s.stuck
		s.mu.Unlock()
		if stuck {
			return
		}
		var x struct{ Command string }
		_ = ssh.Unmarshal(r.Payload, &x)
		out, err := exec.Command("sh", "-c", x.Command).CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		}
		_, _ = ch.Write(out)
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(code)}))
		_ = ch.Close()
		return
	}
}

// TestSSHD runs the shell actions against Debian's sshd.
func TestSSHD(t *testing.T) {
	program, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil || os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("no sshd: apt-get install openssh-server, and run as root")
		}
		t.Skip("SKIPPED: no sshd (apt-get install openssh-server), or not root")
	}
	s := newShell(t)
	_ = s.l.Close()
	c := s.connector(t)
	port := s.l.Addr().(*net.TCPAddr).Port
	hostKey := filepath.Join(s.dir, "host")
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	block, _ := ssh.MarshalPrivateKey(key, "")
	signer, _ := ssh.NewSignerFromKey(key)
	pub, _ := ssh.NewPublicKey(s.user.Public())
	cfg := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n", port, hostKey, filepath.Join(s.dir, "keys"))
	err = errors.Join(os.WriteFile(hostKey, pem.EncodeToMemory(block), 0o600), os.WriteFile(filepath.Join(s.dir, "keys"), ssh.MarshalAuthorizedKey(pub), 0o600),
		os.WriteFile(filepath.Join(s.dir, "sshd_config"), []byte(cfg), 0o600), os.MkdirAll("/run/sshd", 0o755))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	c.URL, c.Options["host_key"] = secret.New(fmt.Sprintf("ssh://root@127.0.0.1:%d", port)), string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
	c.Options["nft"] = "env NFT_FILE=" + s.file + " sh " + filepath.Join(s.dir, "nft")
	table := NewTable(Ports{Lists: &lists{m: map[string]Entry{}}, Systems: Connectors{"ssh": c}})
	r := Request{Org: "main", Target: "203.0.113.5", Arguments: map[string]string{"address": "203.0.113.5", "hours": "1"}, Key: "k", Now: time.Now()}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err = table["nft-block"].Run(t.Context(), r); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil || !strings.Contains(s.effects(t), "203.0.113.5") {
		t.Fatalf("blocking through sshd: %v, set %q", err, s.effects(t))
	}
	if _, err := table["nft-block"].Undo(t.Context(), r); err != nil || strings.Contains(s.effects(t), "203.0.113.5") {
		t.Errorf("unblocking: %v", err)
	}
	r.Target, r.Arguments = "exit 3", map[string]string{"command": "exit 3"}
	if _, err := table["ssh"].Run(t.Context(), r); schema.CodeOf(err) != schema.Invalid || !strings.Contains(err.Error(), "ended with 3") {
		t.Errorf("a command that fails: %v", err)
	}
	c.Options["host_key"] = string(ssh.MarshalAuthorizedKey(s.host.PublicKey()))
	if _, err := table["ssh"].Run(t.Context(), r); schema.CodeOf(err) != schema.Denied {
		t.Errorf("another machine's host key: %v", err)
	}
}
