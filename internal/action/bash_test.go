package action

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/internal/secret"
	"vigil/schema"
)

// localShell is a folder that commands of Vigil's own machine run in.
type localShell struct{ dir, command string }

func newLocalShell(t *testing.T) *localShell {
	dir, err := os.MkdirTemp("", "vigil-bash-") // nobody cannot reach t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return &localShell{dir, "echo once >> acts"}
}

func (s *localShell) connector() *Connector {
	c := &Connector{Name: "bash", URL: secret.New("exec:///bin/bash"), Timeout: 10 * time.Second, Options: map[string]string{"dir": s.dir}}
	if os.Geteuid() == 0 {
		c.Options["user"] = "nobody"
	}
	return c
}

func (s *localShell) effects(t *testing.T) string {
	b, err := os.ReadFile(filepath.Join(s.dir, "acts"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

func TestBash(t *testing.T) {
	t.Setenv("VIGIL_SECRET", "hush-hush")
	s := newLocalShell(t)
	run := func(c *Connector, command string) (Result, error) {
		a := NewTable(Ports{Lists: &lists{m: map[string]Entry{}}, Systems: Connectors{"bash": c}})["bash"]
		return a.Run(t.Context(), Request{Org: "main", Target: command, Arguments: map[string]string{"command": command}, Key: command, Now: time.Now()})
	}
	res, err := run(s.connector(), "env; pwd; id -u; echo told >&2")
	if err != nil {
		t.Fatal(err)
	}
	if out := res.Outputs["output"]; strings.Contains(out, "hush") || !strings.Contains(out, "HOME="+s.dir) || !strings.Contains(out, "told") || strings.Contains(out, "\n0\n") {
		t.Errorf("the command saw %s", out)
	}
	if _, err := run(s.connector(), "exit 3"); schema.CodeOf(err) != schema.Invalid || !strings.Contains(err.Error(), "ended with 3") {
		t.Errorf("a command that fails: %v", err)
	}
	if res, err := run(s.connector(), "head -c 1000000 /dev/zero"); err != nil || len(res.Outputs["output"]) != maxOutput {
		t.Errorf("a million bytes: %d kept, %v", len(res.Outputs["output"]), err)
	}
	short := s.connector()
	short.Timeout = 300 * time.Millisecond
	began := time.Now()
	if _, err := run(short, "sleep 61 & sleep 62"); err == nil || !strings.Contains(err.Error(), "had not ended") || time.Since(began) > 5*time.Second {
		t.Errorf("a command that hangs: %v after %s", err, time.Since(began))
	}
	root := s.connector()
	root.Options["user"] = "root"
	if _, err := run(root, "id"); schema.CodeOf(err) != schema.Denied {
		t.Errorf("as root: %v", err)
	}
	nobody := s.connector()
	nobody.Options["user"] = ""
	if _, err := run(nobody, "id"); os.Geteuid() == 0 && schema.CodeOf(err) != schema.Denied {
		t.Errorf("root without a user: %v", err)
	}
}

func TestBashIsOff(t *testing.T) {
	if _, err := NewTable(Ports{})["bash"].Run(t.Context(), Request{Target: "id"}); err == nil || !strings.Contains(err.Error(), "connectors.yaml") {
		t.Errorf("without a connector: %v", err)
	}
	for text, want := range map[string]string{
		"{url: 'https://x.example/'}":                                   "exec:///bin/bash",
		"{url: 'exec://host/bin/bash', options: {dir: /tmp}}":           "exec:///bin/bash",
		"{url: 'exec:///bin/bash'}":                                     "dir",
		"{url: 'exec:///bin/bash', options: {dir: relative}}":           "absolute",
		"{url: 'exec:///bin/bash', options: {dir: /tmp, user: nobody}}": "",
	} {
		_, err := ParseConnectors("c.yaml", []byte("connectors: {bash: "+text+"}"), secret.FromRef)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
