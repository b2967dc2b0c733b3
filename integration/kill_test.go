//go:build integration

package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil/internal/testdata"
)

// crashPoints are where the process is killed with -9, and what must hold after it
// was started again: between the writes of a chunk (an insert in doubt), between
// commit and fold, and around what stateful rules write.
var crashPoints = []string{"before-events:2", "after-events:2", "after-detections:2", "after-scores:2", "before-manifest:2", "after-manifest:2", "before-fold:1", "between-insert-and-answer:1", "before-ledger:1",
	"before-window-detections:1", "before-window-ledger:1"}

// TestKillWorker kills the whole process at recorded points of an ingestion, starts
// it again, and proves that nothing was lost or doubled.
func TestKillWorker(t *testing.T) {
	files := []string{filepath.Join(testdata.Shared(t), "zeek/wrccdc-2018/json/ssl.json.zst"), filepath.Join(testdata.Shared(t), "linux/auth.log.gz")}
	const records = 49474 + 7121 // MANIFEST.csv
	for _, point := range crashPoints {
		name, _, _ := strings.Cut(point, ":")
		t.Run(name, func(t *testing.T) {
			if name == "after-detections" || name == "after-scores" || name == "before-window-ledger" {
				long(t) // the points before and behind them always run
			}
			v := NewVigil(t)
			v.Start("VIGIL_CRASH_AT=" + point)
			v.MustRun(append([]string{"ingest", "--detach", "--source", "kill"}, files...)...)
			if !v.WaitExit(90 * time.Second) {
				t.Fatalf("the crash point %s was never reached: a void run\n%s", point, tail(v.log.String(), 2000))
			}
			if _, err := os.Stat(filepath.Join(v.Data, "run", "crashed-"+name)); err != nil {
				t.Fatalf("the process ended, but not at the crash point: %s", tail(v.log.String(), 2000))
			}
			v.Start()
			finishAndProve(t, v, "kill", records)
		})
	}
}

// TestKillEngine kills ClickHouse with -9 while chunks are being inserted; the
// process above it starts it again and the chunk in doubt is stored once.
func TestKillEngine(t *testing.T) {
	v := NewVigil(t)
	v.Start()
	file := filepath.Join(testdata.Shared(t), "zeek/wrccdc-2018/json/dns.json.zst")
	v.MustRun("ingest", "--detach", "--source", "kill", file)
	killed := 0
	for range 3 {
		time.Sleep(700 * time.Millisecond)
		if pid := enginePID(t, v); pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
		time.Sleep(2 * time.Second)
	}
	if killed == 0 {
		t.Fatal("the engine was never killed: a void run")
	}
	finishAndProve(t, v, "kill", 53615)
}

// enginePID finds the engine child of the process under test.
func enginePID(t *testing.T, v *Vigil) int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		cmd, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && strings.Contains(string(cmd), "--path="+v.Data) {
			pid := 0
			if err := json.Unmarshal([]byte(e.Name()), &pid); err == nil {
				return pid
			}
		}
	}
	return 0
}

// long skips a test in CI, which has half an hour for everything; VIGIL_LONG=1 runs it
// there too. .ci/steps says what was skipped.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("CI") == "true" && os.Getenv("VIGIL_LONG") != "1" {
		t.Skip("skipped in CI for its time: VIGIL_LONG=1 runs it")
	}
}

// finishAndProve waits until the source has all records and every rule has seen them.
func finishAndProve(t *testing.T, v *Vigil, source string, records int64) {
	t.Helper()
	proveWhole(t, v, source, records)
	covered(t, v)
}

// proveWhole waits until the source has that many records, proved.
func proveWhole(t *testing.T, v *Vigil, source string, records int64) {
	t.Helper()
	said := ""
	defer func() {
		if t.Failed() {
			t.Logf("prove %s said: %s", source, tail(said, 2000))
		}
	}()
	Eventually(t, "the whole source "+source+", proved", 2*time.Minute, func() bool {
		var err error
		said, err = v.Run("-o", "json", "prove", source)
		var got []proof
		if err != nil {
			said = err.Error()
		}
		return err == nil && json.Unmarshal([]byte(said), &got) == nil && len(got) == 1 && got[0].Status == "proved" && got[0].Records == records
	})
}

// covered waits until the ledger proves that every rule version has seen every chunk.
func covered(t *testing.T, v *Vigil) {
	t.Helper()
	Eventually(t, "every rule version has provably seen every chunk", 2*time.Minute, func() bool { return seen(v) })
}
