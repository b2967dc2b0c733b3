//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"vigil/internal/bench"
	"vigil/internal/testdata"
	"vigil/schema/flow"
)

// deployment is docker-compose.yml, running.
type deployment struct {
	t    *testing.T
	cmd  []string // docker-compose or docker compose, with project and environment
	api  *Vigil   // only its HTTP half is used
	logs string   // folder that the workers see as /logs

	records  int64 // in /logs/volume
	temporal string
	token    string
}

// TestCompose brings up the deployment of several processes with locally built
// images, ingests through a worker, approves through the server, kills with -9 the
// worker that is in the middle of a second ingestion, and proves everything at the end.
func TestCompose(t *testing.T) {
	d := newDeployment(t)
	d.run("up", "-d")
	d.signIn()
	alive := "worker-1"
	t.Run("ingest, approve, act", func(t *testing.T) {
		out := d.run("exec", "-T", "worker-1", "vigil", "ingest", "--source", "attack", "/logs/attack")
		t.Logf("ingest: %s", tail(out, 300))
		d.api.t = t
		approval := waitApproval(t, d.api)
		checkBinding(t, approval)
		if err := d.api.Call("POST", "/approvals/"+approval.ID+"/decide", map[string]string{"verdict": "approve", "reason": "seen in the compose test"}, nil); err != nil {
			t.Fatal(err)
		}
		Eventually(t, "the blocked value on the list that the server publishes", time.Minute, func() bool {
			return strings.Contains(fetchLists(d.api), approval.Target)
		})
	})
	t.Run("a worker dies", func(t *testing.T) {
		d.run("exec", "-T", "worker-1", "vigil", "ingest", "--detach", "--source", "volume", "/logs/volume")
		dead := d.busyWorker("volume")
		d.run("kill", "-s", "KILL", dead)
		if dead == "worker-1" {
			alive = "worker-2"
		}
		Eventually(t, "the other worker finishes and proves the source", 4*time.Minute, func() bool {
			out, err := d.try("exec", "-T", alive, "vigil", "-o", "csv", "prove", "volume")
			return err == nil && strings.Contains(out, "proved") && strings.Contains(out, fmt.Sprint(d.records))
		})
	})
	d.run("exec", "-T", alive, "vigil", "prove", "--all")
	if out := d.run("exec", "-T", alive, "vigil", "audit", "verify"); !strings.Contains(out, "ok") {
		t.Errorf("audit verify: %s", out)
	}
}

// newDeployment builds the images, writes the environment and the logs, and takes
// everything down at the end.
func newDeployment(t *testing.T) *deployment {
	t.Helper()
	root := repoRoot(t)
	images, err := exec.CommandContext(t.Context(), filepath.Join(root, ".ci", "compose-images"), "vigil", "clickhouse", "postgresql").Output()
	if err != nil {
		t.Fatalf("building the images: %v\n%s", err, stderr(err))
	}
	d := &deployment{t: t, token: rand.Text()}
	d.writeLogs()
	port, temporalPort := freePort(t), freePort(t)
	d.temporal = fmt.Sprintf("127.0.0.1:%d", temporalPort)
	env := string(images) + fmt.Sprintf("CLICKHOUSE_PASSWORD=%s\nPOSTGRES_PASSWORD=%s\nVIGIL_TEMPORAL_TOKEN=%s\nVIGIL_LOGS=%s\nVIGIL_PORT=%d\nTEMPORAL_PORT=%d\nCLICKHOUSE_PORT=%d\nCLICKHOUSE_HTTP_PORT=%d\n",
		rand.Text(), rand.Text(), d.token, d.logs, port, temporalPort, freePort(t), freePort(t))
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
	project := "vigil-test-" + strings.ToLower(rand.Text()[:8])
	d.cmd = append(composeCommand(t), "-p", project, "--env-file", file, "-f", filepath.Join(root, "docker-compose.yml"))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	d.api = &Vigil{t: t, URL: fmt.Sprintf("http://localhost:%d", port), log: &lockedBuffer{}, http: &http.Client{Jar: jar, Timeout: time.Minute}}
	t.Cleanup(d.down)
	return d
}

// composeCommand is `docker compose` where it is installed, else docker-compose.
func composeCommand(t *testing.T) []string {
	t.Helper()
	if exec.CommandContext(t.Context(), "docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}
	}
	path, err := exec.LookPath("docker-compose")
	if err != nil {
		t.Fatal("neither `docker compose` nor docker-compose is installed (apt-get install docker-compose)")
	}
	return []string{path}
}

// writeLogs puts recordings where the containers' unprivileged user may read them: an
// attack, and enough copies of Zeek's HTTP log to last for many seconds.
func (d *deployment) writeLogs() {
	t := d.t
	t.Helper()
	shared := testdata.Shared(t)
	dir, err := os.MkdirTemp("", "vigil-compose-logs-") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d.logs = dir
	attack := attackRecording(t, shared)
	b, err := os.ReadFile(attack)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "attack"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "attack", filepath.Base(attack)), b, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := bench.Copies(t.Context(), []string{filepath.Join(shared, "volume/zeek-http.jsonl.zst")}, filepath.Join(dir, "volume"), 25)
	if err != nil {
		t.Fatal(err)
	}
	d.records = w.Lines
	if out, err := exec.CommandContext(t.Context(), "chmod", "-R", "a+rX", dir).CombinedOutput(); err != nil {
		t.Fatalf("chmod: %v %s", err, out)
	}
}

// busyWorker is the service that runs the source's segment now. The identity of a
// Temporal worker ends with its host, which in a container is the container's id.
func (d *deployment) busyWorker(source string) string {
	d.t.Helper()
	o := client.Options{HostPort: d.temporal, Credentials: client.NewAPIKeyStaticCredentials(d.token), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	o.ConnectionOptions.TLSDisabled = true
	c, err := client.DialContext(d.t.Context(), o)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	hosts := map[string]string{}
	for _, service := range []string{"worker-1", "worker-2"} {
		hosts[service] = strings.TrimSpace(d.run("ps", "-q", service))[:12]
	}
	found := ""
	Eventually(d.t, "a worker is in the middle of the source", time.Minute, func() bool {
		w, err := c.DescribeWorkflowExecution(d.t.Context(), flow.IngestID("main", source), "")
		if err != nil {
			d.t.Fatal(err)
		}
		for _, a := range w.GetPendingActivities() {
			for service, host := range hosts {
				if a.GetActivityType().GetName() == "IngestSegment" && a.GetHeartbeatDetails() != nil && strings.Contains(a.GetLastWorkerIdentity(), host) {
					found = service
				}
			}
		}
		return found != ""
	})
	return found
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func (d *deployment) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.t.Context()), 6*time.Minute)
	defer cancel()
	all := append(append([]string{}, d.cmd...), args...)
	c := exec.CommandContext(ctx, all[0], all[1:]...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w\n%s%s", strings.Join(args, " "), err, tail(out.String(), 2000), tail(errs.String(), 2000))
	}
	return out.String(), nil
}

func (d *deployment) run(args ...string) string {
	d.t.Helper()
	out, err := d.try(args...)
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

var linkForm = regexp.MustCompile(`Admin link\s+(\S+)`)

// signIn waits for the server's admin link and redeems it.
func (d *deployment) signIn() {
	d.t.Helper()
	Eventually(d.t, "the server prints its admin link", 3*time.Minute, func() bool {
		out, err := d.try("logs", "--no-color", "server")
		if m := linkForm.FindStringSubmatch(out); err == nil && m != nil {
			d.api.Link = m[1]
		}
		return d.api.Link != ""
	})
	d.api.SignIn("correct horse battery staple 1")
}

// down removes containers and volumes; when the test failed, it shows what they said.
func (d *deployment) down() {
	if d.t.Failed() {
		out, _ := d.try("logs", "--no-color", "--tail", "40")
		d.t.Logf("the containers said:\n%s", tail(out, 12000))
	}
	if out, err := d.try("down", "-v", "--timeout", "5"); err != nil {
		d.t.Logf("taking the deployment down: %v\n%s", err, out)
	}
}

func stderr(err error) string {
	if x, ok := err.(*exec.ExitError); ok {
		return string(x.Stderr)
	}
	return ""
}
