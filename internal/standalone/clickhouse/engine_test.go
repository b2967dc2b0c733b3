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
	"vigil/schema"
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

// analyst asks as the analyst of an org.
func analyst(e *Engine, org, sql string) (string, error) {
	return query(e, schema.AnalystOf(e.AnalystUser, org), secret.Derive(e.AnalystPassword, org), sql)
}

// TestClosed: nobody gets in as default, and an analyst reads the rows of its org in the tables
// that people query, and nothing else: no files, no URLs, no private database, no writes.
func TestClosed(t *testing.T) {
	e := start(t, t.TempDir())
	must(t, e, "CREATE TABLE vigil.alerts (org String, a Int32) ENGINE = MergeTree ORDER BY a")
	must(t, e, "CREATE TABLE vigil.t (org String, a Int32) ENGINE = MergeTree ORDER BY a")
	must(t, e, "INSERT INTO vigil.alerts VALUES ('main', 7), ('acme', 8)")
	must(t, e, "CREATE TABLE vigil_private.t (a Int32) ENGINE = MergeTree ORDER BY a")
	if out, err := analyst(e, "main", "SELECT a FROM vigil.alerts"); err != nil || out != "7" {
		t.Errorf("the analyst of main reading alerts: %q, %v", out, err)
	}
	if out := must(t, e, "SELECT sum(a) FROM vigil.alerts"); out != "15" {
		t.Errorf("the owner of the tables sees %s, want the rows of every org", out)
	}
	for _, sql := range []string{
		"SELECT * FROM vigil.t", "SELECT * FROM vigil_private.t", "SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM default.`/etc/passwd`",
		"SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", "INSERT INTO vigil.alerts VALUES ('main', 8)", "DROP TABLE vigil.alerts", "SELECT * FROM system.users",
		"SELECT * FROM executable('id', 'TSV', 'a String')",
	} {
		if out, err := analyst(e, "main", sql); err == nil {
			t.Errorf("the analyst of main may %s: %s", sql, out)
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

// TestAddOrg: an org that is added has an analyst of its own, also after another start; the data
// stay, and analysts do not know each other's passwords.
func TestAddOrg(t *testing.T) {
	dir := t.TempDir()
	e := start(t, dir)
	must(t, e, "CREATE TABLE vigil.alerts (org String, a Int32) ENGINE = MergeTree ORDER BY a")
	must(t, e, "INSERT INTO vigil.alerts VALUES ('main', 7), ('acme', 8)")
	if out, err := analyst(e, "acme", "SELECT 1"); err == nil {
		t.Errorf("an analyst of no org got in: %s", out)
	}
	for range 2 { // adding twice is adding once
		if err := e.AddOrg(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	if e.Restarts() != 1 {
		t.Errorf("%d restarts, want one", e.Restarts())
	}
	for range 2 {
		for org, want := range map[string]string{"main": "7", "acme": "8"} {
			if out, err := analyst(e, org, "SELECT a FROM vigil.alerts"); err != nil || out != want {
				t.Errorf("the analyst of %s sees %q, %v, want %s", org, out, err, want)
			}
		}
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		e = start(t, dir)
	}
	for _, name := range []string{"", "A", "a b", "x'y", "<x>"} {
		if err := e.AddOrg(t.Context(), name); err == nil {
			t.Errorf("an org is named %q", name)
		}
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
