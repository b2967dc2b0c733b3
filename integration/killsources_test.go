//go:build integration

package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vigil/internal/testdata"
)

// doubtPoints are crash points that leave an insert in doubt; each can be reached once.
var doubtPoints = []string{"after-events:3", "before-manifest:3", "before-events:3", "after-manifest:3"}

// fiveSources is what one run of TestKillSources sends.
type fiveSources struct {
	t       *testing.T
	stop    atomic.Bool
	batches [3]atomic.Int64 // answered, of bulk, hec and otlp
	tries   [3]atomic.Int64
	lines   atomic.Int64 // of syslog, written
}

// TestKillSources kills engine and process with -9, at recorded crash points and at
// random moments, while files, _bulk, HEC with acknowledgement, OTLP and syslog by TCP run
// at once. VIGIL_KILLS says how often; CI kills six times.
func TestKillSources(t *testing.T) {
	kills := 6
	if n, err := strconv.Atoi(os.Getenv("VIGIL_KILLS")); err == nil && n > 0 {
		kills = n
	}
	shared := testdata.Shared(t)
	addr, syslog := freeAddr(t), freeAddr(t)
	v := NewVigil(t, "--receive", addr, "--receive-grpc", "localhost:0", "--syslog", syslog)
	points := doubtPoints
	v.Start("VIGIL_CRASH_AT=" + points[0])
	x := &fiveSources{t: t}
	bulk, hec, otlp := pushToken(v, "k-bulk", "bulk"), pushToken(v, "k-hec", "hec"), pushToken(v, "k-otlp", "otlp")
	var sending sync.WaitGroup
	sending.Go(func() { x.push(0, "http://"+addr+"/_bulk", bulkBatch, "Authorization: ApiKey "+bulk) })
	sending.Go(func() {
		x.push(1, "http://"+addr+"/services/collector/event", hecBatch, "Authorization: Splunk "+hec, hecChannel)
	})
	sending.Go(func() {
		x.push(2, "http://"+addr+"/v1/logs", otlpBatch, "Authorization: Bearer "+otlp, "Content-Type: application/json")
	})
	sending.Go(func() { x.sendLines(syslog) })
	v.MustRun("ingest", "--detach", "--source", "k-files", filepath.Join(shared, "zeek/wrccdc-2018/json/ssl.json.zst"), filepath.Join(shared, "linux/auth.log.gz"))

	inDoubt, process, engine := 0, 0, 0
	for k := range kills {
		wait := time.Duration(300+rand.IntN(2000)) * time.Millisecond
		onlyEngine := false
		switch {
		case len(points) > 0 && k%2 == 0: // the process was started with this crash point
			name, _, _ := strings.Cut(points[0], ":")
			if !v.WaitExit(2 * time.Minute) {
				t.Fatalf("the crash point %s was never reached: a void run\n%s", name, tail(v.log.String(), 2000))
			}
			if _, err := os.Stat(filepath.Join(v.Data, "run", "crashed-"+name)); err != nil {
				t.Fatalf("the process ended, but not at %s: %s", name, tail(v.log.String(), 2000))
			}
			t.Logf("kill %d: at %s", k+1, name)
			points = points[1:]
			inDoubt++
		case k%3 == 1:
			time.Sleep(wait)
			if pid := enginePID(t, v); pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
				t.Logf("kill %d: the engine, after %s", k+1, wait)
				engine++
			}
			time.Sleep(2 * time.Second)
			onlyEngine = true
		default:
			time.Sleep(wait)
			v.Kill()
			t.Logf("kill %d: the process, after %s", k+1, wait)
			process++
		}
		crash := len(points) > 0 && k%2 == 1 && k+1 < kills // the next one is at a crash point
		switch {
		case crash:
			v.Kill() // which was not done when only the engine was killed
			time.Sleep(500 * time.Millisecond)
			v.Start("VIGIL_CRASH_AT=" + points[0])
		case !onlyEngine:
			time.Sleep(500 * time.Millisecond)
			v.Start()
		}
	}
	x.stop.Store(true)
	sending.Wait()
	if inDoubt == 0 || engine == 0 || process == 0 && kills > 4 {
		t.Errorf("%d kills with an insert in doubt, %d of the engine, %d of the process: a void run", inDoubt, engine, process)
	}
	x.check(v)
}

// push sends batches until it is stopped, each until it is answered.
func (x *fiveSources) push(of int, url string, body func(n int64) []byte, header ...string) {
	for n := int64(0); !x.stop.Load(); n++ {
		b := body(n)
		insist(x.t, &x.tries[of], func() (*http.Response, error) { return post(x.t, url, b, header...)() })
		x.batches[of].Add(1)
		time.Sleep(50 * time.Millisecond)
	}
}

func bulkBatch(n int64) []byte {
	var b bytes.Buffer
	for k := range int64(batch) {
		fmt.Fprintf(&b, "{\"create\":{\"_index\":\"logs\",\"_id\":\"%d\"}}\n{\"message\":\"kill n%d\"}\n", n*batch+k, n*batch+k)
	}
	return b.Bytes()
}

func hecBatch(n int64) []byte {
	var b bytes.Buffer
	for k := range int64(batch) {
		fmt.Fprintf(&b, `{"time":%d.5,"event":"kill n%d"}`, 1_760_000_000+n, n*batch+k)
	}
	return b.Bytes()
}

func otlpBatch(n int64) []byte {
	var b strings.Builder
	for k := range int64(batch) {
		fmt.Fprintf(&b, `%s{"timeUnixNano":"1760000000000000000","body":{"stringValue":"kill n%d"}}`, strings.Repeat(",", int(min(k, 1))), n*batch+k)
	}
	return []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + b.String() + `]}]}]}`)
}

// sendLines writes syslog lines, and connects again when the connection breaks. Syslog has
// no answers: what was on its way is lost.
func (x *fiveSources) sendLines(addr string) {
	var conn net.Conn
	for !x.stop.Load() {
		time.Sleep(20 * time.Millisecond)
		if conn == nil {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				continue
			}
			conn = c
		}
		if _, err := fmt.Fprintf(conn, "<13>1 2026-01-01T00:00:00Z h kill - - - line %d\n", x.lines.Load()); err != nil {
			_ = conn.Close()
			conn = nil
			continue
		}
		x.lines.Add(1)
	}
	if conn != nil {
		_ = conn.Close()
	}
}

// check holds what is stored against what was sent, source by source.
func (x *fiveSources) check(v *Vigil) {
	t := x.t
	const files = 49474 + 7121 // MANIFEST.csv
	for i, source := range []string{"k-bulk", "k-hec"} {
		finishAndProve(t, v, source, x.batches[i].Load()*batch)
	}
	finishAndProve(t, v, "k-files", files)
	sent := x.batches[2].Load() * batch
	var p proof
	Eventually(t, "all of OTLP, proved", time.Minute, func() bool { p = proved(v, "k-otlp"); return p.Records >= sent })
	if p.Records-sent != p.Suspected {
		t.Errorf("OTLP: %d records of %d, and %d of them are flagged as re-sends", p.Records, sent, p.Suspected)
	}
	var s proof
	Eventually(t, "syslog, proved", time.Minute, func() bool { s = proved(v, "syslog"); return s.Records > 0 })
	if s.Records > x.lines.Load() {
		t.Errorf("%d lines of syslog are stored, only %d were written", s.Records, x.lines.Load())
	}
	for i, name := range []string{"bulk", "hec", "otlp"} {
		t.Logf("%s: %d batches, %d requests", name, x.batches[i].Load(), x.tries[i].Load())
	}
	t.Logf("otlp: %d sent, %d stored, %d flagged; syslog: %d lines written, %d stored", sent, p.Records, p.Suspected, x.lines.Load(), s.Records)
}
