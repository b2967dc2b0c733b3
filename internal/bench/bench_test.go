package bench

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vigil/internal/source"
)

const line = `{"ts":1521911721.255387,"uid":"CPyEoY1ZqHT5hOAhbd","id.orig_h":"10.47.8.153","id.orig_p":62140,"id.resp_h":"192.168.0.9","id.resp_p":445,"hash":"9f86d081884c7d659a2feaa0c55ad015","when":"20201018T044512Z"}`

// TestVaryKeepsShape: an altered line is as long as before, is still JSON, its
// addresses and ports are still such, and copies differ from one another.
func TestVaryKeepsShape(t *testing.T) {
	seen := map[string]bool{}
	for c := range uint64(200) {
		b := []byte(line)
		Vary(b, c)
		if c == 0 && string(b) != line {
			t.Fatalf("copy 0 is altered: %s", b)
		}
		var v struct {
			Orig netip.Addr `json:"id.orig_h"`
			Resp netip.Addr `json:"id.resp_h"`
			Port uint16     `json:"id.orig_p"`
			When string     `json:"when"`
		}
		if err := json.Unmarshal(b, &v); err != nil || len(b) != len(line) {
			t.Fatalf("copy %d: %v\n%s", c, err, b)
		}
		if v.When != "20201018T044512Z" {
			t.Errorf("copy %d moves a date: %s", c, v.When)
		}
		seen[string(b)] = true
	}
	if len(seen) < 195 {
		t.Errorf("200 copies have %d different lines", len(seen))
	}
}

// TestCopies writes copies of a file with a header and reads them back.
func TestCopies(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.log")
	text := "#separator \\x09\n#fields\tts\tuid\n1521911721.255387\tCPyEoY1ZqHT5hOAhbd\n\n1521911722.255387\tCPyEoY2ZqHT5hOAhbe\n"
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := Copies(t.Context(), []string{in}, filepath.Join(dir, "out"), 3)
	if err != nil {
		t.Fatal(err)
	}
	if w.Lines != 6 || w.Distinct != 6 || w.Unique() != 1 {
		t.Errorf("%+v", w)
	}
	headers, lines, size := 0, 0, int64(0)
	for o, err := range source.Objects(t.Context(), []string{filepath.Join(dir, "out")}) {
		if err != nil {
			t.Fatal(err)
		}
		for rec, err := range o.Records(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			size += rec.Size
			if bytes.HasPrefix(rec.Data, []byte("#")) {
				headers++
			} else if lines++; !regexp.MustCompile(`^\d{10}\.\d{6}\tC\w{17}$`).Match(rec.Data) {
				t.Errorf("line %d is %q", lines, rec.Data)
			}
		}
	}
	if headers != 2 || lines != 6 || size != w.Bytes {
		t.Errorf("%d headers, %d lines, %d bytes (said %d)", headers, lines, size, w.Bytes)
	}
}

// TestUsageOf sees a child's memory and processor time.
func TestUsageOf(t *testing.T) {
	child := exec.Command("sh", "-c", "i=0; while :; do i=$((i+1)); done")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	deadline := time.Now().Add(20 * time.Second)
	for {
		u, err := UsageOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if u.Processes >= 2 && u.Children > 50*time.Millisecond && u.CPU >= u.Children && u.RSS > 1<<20 && u.PSS > 0 && u.PSS <= u.RSS {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", u)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := UsageOf(1 << 30); err == nil || !strings.Contains(err.Error(), "process") {
		t.Errorf("a process that is not there: %v", err)
	}
}
