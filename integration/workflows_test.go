//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/action/actiontest"
	"vigil/schema"
	"vigil/schema/flow"
)

// TestWorkflowCommands runs every runnable command of docs/WORKFLOWS.md, in order,
// with the stock temporal CLI and the vigil binary, against a real `vigil up`.
func TestWorkflowCommands(t *testing.T) {
	blocks := runnable(t, filepath.Join(repoRoot(t), "docs", "WORKFLOWS.md"))
	v := NewVigil(t)
	mail := actiontest.NewMailbox(t)
	connectors := "connectors:\n  smtp: {url: \"smtp://" + mail.Addr + "\", options: {from: vigil@example.org, to: soc@example.org, tls: none}}\n"
	if err := os.WriteFile(filepath.Join(v.Data, "connectors.yaml"), []byte(connectors), 0o600); err != nil {
		t.Fatal(err)
	}
	v.Start()
	home := t.TempDir()
	sh := shell{t: t, dir: t.TempDir(), env: append(os.Environ(),
		"PATH="+filepath.Dir(temporalCLI(t))+":"+filepath.Dir(v.Bin)+":"+os.Getenv("PATH"),
		"VIGIL_DATA="+v.Data, "XDG_CONFIG_HOME="+home, "HOME="+home)}
	for i, b := range blocks {
		t.Run(fmt.Sprintf("%02d-%s", i, b.section), func(t *testing.T) {
			out, err := sh.run(b.text)
			if err != nil {
				t.Fatalf("docs/WORKFLOWS.md line %d: %v\n%s\nlog: %s", b.line, err, out, tail(v.log.String(), 4000))
			}
			t.Logf("%s", tail(out, 1500))
		})
	}
	if mail.Taken() == 0 {
		t.Error("no report was sent")
	}
	t.Run("api", func(t *testing.T) { huntAndPostureAPI(t, v) })
}

// huntAndPostureAPI starts the same over HTTP and reads what came of it.
func huntAndPostureAPI(t *testing.T, v *Vigil) {
	v.SignIn("correct horse battery staple 1")
	var started struct{ Workflow string }
	if err := v.Call("POST", "/hunts", map[string]any{"rule": "linux-ssh-brute-force"}, &started); err != nil {
		t.Fatal(err)
	}
	var st flow.HuntState
	Eventually(t, "the end of the hunt", time.Minute, func() bool {
		return v.Call("GET", "/hunts/"+url.PathEscape(started.Workflow), nil, &st) == nil && st.Status == "completed"
	})
	const failed = 2 * 9 // lines of demo, and the same of live
	if st.Result.Hits != failed || st.Result.Fires != 1 || len(st.Result.Samples) != 1 {
		t.Errorf("%+v", st)
	}
	var hunts page[struct{ Workflow, Status string }]
	Eventually(t, "the hunt in the list", 30*time.Second, func() bool {
		return v.Call("GET", "/hunts", nil, &hunts) == nil && slices.ContainsFunc(hunts.Items, func(h struct{ Workflow, Status string }) bool {
			return h.Workflow == started.Workflow && h.Status == "completed"
		})
	})
	for _, c := range []struct {
		method, path string
		in           any
		want         string
	}{
		{"GET", "/hunts/" + url.PathEscape("hunt/main/none/1"), nil, "there is no hunt"},
		{"GET", "/hunts/" + url.PathEscape("ingest/main/demo"), nil, "there is no hunt"},
		{"DELETE", "/hunts/" + url.PathEscape("ingest/main/demo"), nil, "there is no hunt"},
		{"POST", "/posture/assess", map[string]any{"objectives": "id: x"}, "objectives.yaml:1:1"},
		{"GET", "/posture?objectives=none", nil, "no assessment"},
	} {
		if err := v.Call(c.method, c.path, c.in, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.method, c.path, err, c.want)
		}
	}
	var res flow.AssessPostureResult
	if err := v.Call("POST", "/posture/assess", map[string]any{}, &res); err != nil || res.Objectives != "builtin" {
		t.Errorf("%+v %v", res, err)
	}
	var view struct {
		Assessment schema.Assessment
		Findings   []schema.Finding
		History    map[string][]struct{ Status string }
	}
	if err := v.Call("GET", "/posture", nil, &view); err != nil || view.Assessment.ID != res.Assessment || len(view.Findings) < res.Missed || len(view.History["no-silent-source"]) < 2 {
		t.Errorf("%+v %v", view, err)
	}
	var coverage page[schema.TechniqueCoverage]
	if err := v.Call("GET", "/posture/coverage", nil, &coverage); err != nil || len(coverage.Items) < 50 {
		t.Errorf("%d techniques, %v", len(coverage.Items), err)
	}
}

// block is a runnable code block of a document.
type block struct {
	section, text string
	line          int
}

// runnable returns the blocks that start with "```sh run".
func runnable(t *testing.T, path string) []block {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []block
	section, in := "start", false
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case in && line == "```":
			in = false
		case in:
			out[len(out)-1].text += line + "\n"
		case line == "```sh run":
			in = true
			out = append(out, block{section: section, line: i + 1})
		case strings.HasPrefix(line, "## "):
			section = strings.TrimPrefix(line, "## ")
		}
	}
	if len(out) < 10 {
		t.Fatalf("%s has %d runnable blocks", path, len(out))
	}
	return out
}

// shell runs scripts in one folder with one environment.
type shell struct {
	t   *testing.T
	dir string
	env []string
}

func (s shell) run(script string) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	c.Dir, c.Env = s.dir, s.env
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.String(), err
}

// temporalCLI returns the stock CLI, built once into the user's cache.
func temporalCLI(t *testing.T) string {
	t.Helper()
	c := exec.Command(filepath.Join(repoRoot(t), ".ci", "fetch-temporal"))
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("building the temporal CLI: %v", err)
	}
	return strings.TrimSpace(string(out))
}
