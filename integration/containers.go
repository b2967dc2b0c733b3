//go:build integration

package integration

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"vigil/internal/standalone/clickhouse"
)

// baseImage is the image that engines run in where no official one can be pulled: a
// minimal Debian, made by `.ci/base-image`. Our binary and the engine's library are
// mounted into it, so that tests run what was just built.
const baseImage = "vigil-test-base:bookworm"

// Engine is an engine in a container.
type Engine struct {
	Addr, HTTP     string
	User, Password string
	Token          string
	container      testcontainers.Container
}

// StartClickHouse starts ClickHouse in a container: VIGIL_TEST_CLICKHOUSE_IMAGE when
// it names one, else our engine mode in the base image.
func StartClickHouse(t *testing.T) *Engine {
	t.Helper()
	e := &Engine{User: "vigil", Password: rand.Text()}
	req := testcontainers.ContainerRequest{
		Image:        os.Getenv("VIGIL_TEST_CLICKHOUSE_IMAGE"),
		ExposedPorts: []string{"9000/tcp", "8123/tcp"},
		Env:          map[string]string{"CLICKHOUSE_USER": e.User, "CLICKHOUSE_PASSWORD": e.Password, "CLICKHOUSE_DB": "vigil", "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT": "1"},
		WaitingFor:   wait.ForHTTP("/ping").WithPort("8123/tcp").WithStartupTimeout(2 * time.Minute),
	}
	if req.Image == "" {
		lib, err := clickhouse.LibraryPath()
		if err != nil {
			t.Fatal(err)
		}
		ours(t, &req, []string{"/vigil", "engine", "clickhouse", "--data", "/data"}, mount.Mount{Type: mount.TypeBind, Source: lib, Target: "/libchdb.so", ReadOnly: true})
		req.Env["VIGIL_CHDB_LIB"] = "/libchdb.so"
	}
	e.start(t, req)
	e.Addr, e.HTTP = e.port(t, "9000/tcp"), e.port(t, "8123/tcp")
	return e
}

// StartTemporal starts Temporal in a container: VIGIL_TEST_TEMPORAL_IMAGE when it
// names one, else our engine mode in the base image.
func StartTemporal(t *testing.T) *Engine {
	t.Helper()
	e := &Engine{}
	req := testcontainers.ContainerRequest{
		Image:        os.Getenv("VIGIL_TEST_TEMPORAL_IMAGE"),
		ExposedPorts: []string{"7233/tcp"},
		WaitingFor:   wait.ForListeningPort("7233/tcp").SkipInternalCheck().WithStartupTimeout(2 * time.Minute),
	}
	if req.Image == "" {
		ours(t, &req, []string{"/vigil", "engine", "temporal", "--data", "/data"})
	}
	e.start(t, req)
	e.Addr = e.port(t, "7233/tcp")
	return e
}

// ours runs our own binary in the base image.
func ours(t *testing.T, req *testcontainers.ContainerRequest, cmd []string, more ...mount.Mount) {
	t.Helper()
	ensureBase(t)
	req.Image, req.Cmd = baseImage, cmd
	mounts := append([]mount.Mount{{Type: mount.TypeBind, Source: filepath.Join(repoRoot(t), "bin", "vigil"), Target: "/vigil", ReadOnly: true}}, more...)
	req.HostConfigModifier = func(h *container.HostConfig) { h.Mounts = append(h.Mounts, mounts...) }
}

// ensureBase makes the base image once per machine.
func ensureBase(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(repoRoot(t), ".ci", "base-image")).CombinedOutput()
	if err != nil {
		t.Fatalf("making the base image: %v\n%s", err, out)
	}
}

func (e *Engine) start(t *testing.T, req testcontainers.ContainerRequest) {
	t.Helper()
	c, err := testcontainers.GenericContainer(t.Context(), testcontainers.GenericContainerRequest{ContainerRequest: req, Started: true})
	if c != nil {
		testcontainers.CleanupContainer(t, c)
	}
	if err != nil {
		t.Fatalf("starting %s: %v\n%s", strings.Join(req.Cmd, " "), err, logs(c))
	}
	e.container = c
}

func logs(c testcontainers.Container) string {
	if c == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := c.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = r.Close() }()
	b := make([]byte, 8192)
	n, _ := r.Read(b)
	return string(b[:n])
}

func (e *Engine) port(t *testing.T, port string) string {
	t.Helper()
	p, err := e.container.MappedPort(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", p.Num())
}
