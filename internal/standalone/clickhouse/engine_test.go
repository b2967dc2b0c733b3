package clickhouse

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil/internal/secret"
)

func TestMain(m *testing.M) {
	RunChild()
	os.Exit(m.Run())
}

func start(t *testing.T, dir string) *Engine {
	t.Helper()
	if _, err := LibraryPath(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	e, err := Start(t.Context(), Options{Dir: dir, MaxMemory: 2 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = e.Stop(ctx)
	})
	return e
}

// query asks over HTTP, so that this package needs no ClickHouse client.
func query(e *Engine, user string, pass secret.Value, sql string) (string, error) {
	res, err := http.Post(fmt.Sprintf("http://%s/?user=%s&password=%s", e.HTTPAddr, url.QueryEscape(user), url.QueryEscape(pass.Reveal())), "text/plain", strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, b)
	}
	return strings.TrimSpace(string(b)), err
}

func must(t *testing.T, e *Engine, sql string) string {
	t.Helper()
	out, err := query(e, e.User, e.Password, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// TestClosed: nobody gets in as default, and the analyst reads the queryable
// database and nothing else: no files, no URLs, no private database, no writes.
func TestClosed(t *testing.T) {
	e := start(t, t.TempDir())
	must(t, e, "CREATE TABLE vigil.t (a Int32) ENGINE = MergeTree ORDER BY a")
	must(t, e, "INSERT INTO vigil.t VALUES (7)")
	must(t, e, "CREATE TABLE vigil_private.t (a Int32) ENGINE = MergeTree ORDER BY a")
	if out, err := query(e, e.AnalystUser, e.AnalystPassword, "SELECT a FROM vigil.t"); err != nil || out != "7" {
		t.Errorf("analyst reading vigil.t: %q, %v", out, err)
	}
	for _, sql := range []string{
		"SELECT * FROM vigil_private.t", "SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM default.`/etc/passwd`",
		"SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", "INSERT INTO vigil.t VALUES (8)", "DROP TABLE vigil.t", "SELECT * FROM system.users",
		"SELECT * FROM executable('id', 'TSV', 'a String')",
	} {
		if out, err := query(e, e.AnalystUser, e.AnalystPassword, sql); err == nil {
			t.Errorf("analyst may %s: %s", sql, out)
		}
	}
	for _, sql := range []string{"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')"} {
		if out, err := query(e, e.User, e.Password, sql); err == nil {
			t.Errorf("the product's own user may %s: %s", sql, out)
		}
	}
	if out, err := query(e, "default", secret.New(""), "SELECT 1"); err == nil {
		t.Errorf("default got in: %s", out)
	}
	if out, err := query(e, e.User, secret.New("wrong"), "SELECT 1"); err == nil {
		t.Errorf("a wrong password got in: %s", out)
	}
}

// TestKillAndRestart: a killed child is started again at the same address with its
// data, and a second start keeps passwords and data.
func TestKillAndRestart(t *testing.T) {
	dir := t.TempDir()
	e := start(t, dir)
	must(t, e, "CREATE TABLE vigil.t (a Int32) ENGINE = MergeTree ORDER BY a SETTINGS fsync_after_insert = 1")
	must(t, e, "INSERT INTO vigil.t SELECT number FROM numbers(1000)")
	addr, pid := e.HTTPAddr, e.PID()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		out, err := query(e, e.User, e.Password, "SELECT count() FROM vigil.t")
		if err == nil && out == "1000" && e.Restarts() > 0 { // it serves a moment before its parent knows
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not back after 30 s: %q, %v", out, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if e.Restarts() < 1 || e.PID() == pid || e.HTTPAddr != addr {
		t.Errorf("restarts %d, pid %d, address %s (was %s)", e.Restarts(), e.PID(), e.HTTPAddr, addr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	again := start(t, dir)
	if again.Password.Reveal() != e.Password.Reveal() {
		t.Error("the password changed with a restart")
	}
	if out := must(t, again, "SELECT count() FROM vigil.t"); out != "1000" {
		t.Errorf("%s rows after a restart, want 1000", out)
	}
}
