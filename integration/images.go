//go:build integration

package integration

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// ClickHouse is a ClickHouse server in a container of its own.
type ClickHouse struct {
	Addr, HTTPAddr string // HOST:PORT of the native and the HTTP protocol
	User, Password string
	Container      testcontainers.Container
}

// Temporal is a Temporal frontend in a container of its own.
type Temporal struct {
	Addr      string
	Token     string // "" when the image runs without an authorizer
	Container testcontainers.Container
}

// ClickHouseImage is VIGIL_TEST_CLICKHOUSE_IMAGE, or an image built on this machine.
func ClickHouseImage(t *testing.T) string { return image(t, "clickhouse") }

// TemporalImage is VIGIL_TEST_TEMPORAL_IMAGE, or an image built on this machine.
func TemporalImage(t *testing.T) string { return image(t, "temporal") }

func image(t *testing.T, name string) string {
	t.Helper()
	if tag := os.Getenv("VIGIL_TEST_" + strings.ToUpper(name) + "_IMAGE"); tag != "" {
		return tag
	}
	needDocker(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(repoRoot(t), ".ci", "images"), name)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("building the %s image: %v: %s", name, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// needDocker skips where no daemon answers, except in CI.
func needDocker(t *testing.T) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), "docker", "info").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no Docker daemon answers: %v", err)
		}
		t.Skipf("no Docker daemon answers: %v (see .ci/dockerd)", err)
	}
}

// StartClickHouse runs a ClickHouse container until the test ends.
func StartClickHouse(t *testing.T) ClickHouse {
	t.Helper()
	c := ClickHouse{User: "vigil", Password: rand.Text()}
	c.Container = runContainer(t, ClickHouseImage(t),
		testcontainers.WithEnv(map[string]string{"CLICKHOUSE_USER": c.User, "CLICKHOUSE_PASSWORD": c.Password,
			"CLICKHOUSE_DB": "vigil", "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT": "1"}),
		testcontainers.WithExposedPorts("9000/tcp", "8123/tcp"),
		testcontainers.WithWaitStrategyAndDeadline(2*time.Minute, wait.ForHTTP("/ping").WithPort("8123/tcp"),
			wait.ForListeningPort("9000/tcp").SkipInternalCheck()))
	c.Addr, c.HTTPAddr = address(t, c.Container, "9000/tcp"), address(t, c.Container, "8123/tcp")
	return c
}

// StartTemporal runs a Temporal container until the test ends. Our own image asks for
// the token; a foreign one (VIGIL_TEST_TEMPORAL_IMAGE) ignores it.
func StartTemporal(t *testing.T) Temporal {
	t.Helper()
	tp := Temporal{Token: rand.Text()}
	tp.Container = runContainer(t, TemporalImage(t),
		testcontainers.WithEnv(map[string]string{"VIGIL_TEMPORAL_TOKEN": tp.Token}),
		testcontainers.WithExposedPorts("7233/tcp"),
		testcontainers.WithWaitStrategyAndDeadline(2*time.Minute, wait.ForListeningPort("7233/tcp").SkipInternalCheck()))
	tp.Addr = address(t, tp.Container, "7233/tcp")
	return tp
}

func runContainer(t *testing.T, image string, opts ...testcontainers.ContainerCustomizer) testcontainers.Container {
	t.Helper()
	c, err := testcontainers.Run(t.Context(), image, opts...)
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatalf("running %s: %v%s", image, err, containerLog(c))
	}
	return c
}

// containerLog is the end of what a failed container printed.
func containerLog(c testcontainers.Container) string {
	if c == nil || c.GetContainerID() == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, "docker", "logs", "--tail", "15", c.GetContainerID()).CombinedOutput()
	return fmt.Sprintf("\n%s", out)
}

func address(t *testing.T, c testcontainers.Container, port string) string {
	t.Helper()
	host, err := c.Host(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mapped, err := c.MappedPort(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(host, mapped.Port())
}
