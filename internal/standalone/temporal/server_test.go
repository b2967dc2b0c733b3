//go:build !slim

package temporal

import (
	"context"
	"database/sql"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	temporalsdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"vigil/internal/secret"
	"vigil/schema/flow"
)

func dial(t *testing.T, s *Server, token secret.Value) (client.Client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o := client.Options{HostPort: s.HostPort, Namespace: s.Namespace}
	o.ConnectionOptions.TLSDisabled = true
	if !token.Empty() {
		o.Credentials = client.NewAPIKeyStaticCredentials(token.Reveal())
	}
	c, err := client.DialContext(ctx, o)
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

var orgAttribute = temporalsdk.NewSearchAttributeKeyKeyword("VigilOrg")

func hello(ctx workflow.Context) (string, error) {
	return "hello", workflow.UpsertTypedSearchAttributes(ctx, orgAttribute.ValueSet("main"))
}

// TestServer starts a server, runs a workflow, refuses strangers and a second
// process, moves off a busy UI port, and keeps its history over a restart, also
// when the file comes from another schema.
func TestServer(t *testing.T) {
	dir := t.TempDir()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	o := Options{Dir: dir, UIPort: busy.Addr().(*net.TCPAddr).Port, SearchAttributes: flow.SearchAttributes()}
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if s.UIAddr == busy.Addr().String() || s.UIAddr == "" {
		t.Errorf("UI at %q although that port is busy", s.UIAddr)
	}
	if _, err := Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second server on the same folder: %v", err)
	}
	if c, err := dial(t, s, secret.New("")); err == nil {
		if _, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: s.Namespace}); err == nil {
			t.Error("no token was let in")
		}
	}
	if _, err := dial(t, s, secret.New("made-up")); err == nil {
		t.Error("a made-up token was let in")
	}
	runOnce(t, s)
	reader, err := dial(t, s, s.ReadToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "q"}, "hello"); err == nil {
		t.Error("the reader may start workflows")
	}
	hostPort := s.HostPort
	s.Stop()

	forgetStamp(t, filepath.Join(dir, "temporal.db"))
	s2, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s2.Stop()
	if s2.HostPort != hostPort {
		t.Errorf("moved from %s to %s", hostPort, s2.HostPort)
	}
	c, err := dial(t, s2, s2.CLIToken)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := c.GetWorkflow(t.Context(), "w1", "").Get(t.Context(), &got); err != nil || got != "hello" {
		t.Errorf("after the restart and rebuild: %q, %v", got, err)
	}
	if backups, _ := filepath.Glob(filepath.Join(dir, "*.bak")); len(backups) != 1 {
		t.Errorf("backups %v, want one", backups)
	}
}

func runOnce(t *testing.T, s *Server) {
	t.Helper()
	c, err := dial(t, s, s.WorkerToken)
	if err != nil {
		t.Fatal(err)
	}
	w := worker.New(c, "q", worker.Options{})
	w.RegisterWorkflowWithOptions(hello, workflow.RegisterOptions{Name: "hello"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w1", TaskQueue: "q"}, "hello")
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := run.Get(t.Context(), &got); err != nil || got != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
}

// forgetStamp makes the file look as if another server version had written it.
func forgetStamp(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
