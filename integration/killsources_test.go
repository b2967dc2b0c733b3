//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vigil/internal/testdata"
)

// doubtPoints are crash points that leave an insert in doubt.
var doubtPoints = []string{"after-events", "before-manifest", "before-events", "after-manifest"}

// fiveSources is what one run of TestKillSources sends.
type fiveSources struct {
	t       *testing.T
	stop    atomic.Bool
	batches [3]atomic.Int64 // answered, of bulk, hec and otlp
	tries   [3]atomic.Int64
	lines   atomic.Int64 // of syslog, written
}

// TestKillSources kills with -9, in turn, the process at a crash point, the engine and the
// process at random moments, while files, _bulk, HEC with acknowledgement, OTLP and syslog
// by TCP run at once. What was killed starts again at once. VIGIL_KILLS says how often; CI
// kills six times.
func TestKillSources(t *testing.T) {
	kills := 6
	if n, err := strconv.Atoi(os.Getenv("VIGIL_KILLS")); err == nil && n > 0 {
		kills = n
	}
	shared := testdata.Shared(t)
	addr, syslog := freeAddr(t), freeAddr(t)
	v := NewVigil(t, "--receive", addr, "--receive-grpc", "localhost:0", "--syslog", syslog)
	k := killer{t: t, v: v, done: map[string]int{}}
	k.start()
	x := &fiveSources{t: t}
	bulk, hec, otlp := pushToken(v, "k-bulk", "bulk"), pushToken(v, "k-hec", "hec"), pushToken(v, "k-otlp", "otlp")
	// Before anything is sent: a few chunks reach the first crash point.
	v.MustRun("ingest", "--detach", "--source", "k-files", filepath.Join(shared, "zeek/wrccdc-2018/json/ssl.json.zst"), filepath.Join(shared, "zeek/wrccdc-2018/json/dns.json.zst"))
	var sending sync.WaitGroup
	sending.Go(func() { x.push(0, "http://"+addr+"/_bulk", bulkBatch, "Authorization: ApiKey "+bulk) })
	sending.Go(func() {
		x.push(1, "http://"+addr+"/services/collector/event", hecBatch, "Authorization: Splunk "+hec, hecChannel)
	})
	sending.Go(func() {
		x.push(2, "http://"+addr+"/v1/logs", otlpBatch, "Authorization: Bearer "+otlp, "Content-Type: application/json")
	})
	sending.Go(func() { x.sendLines(syslog) })

	began := time.Now()
	for n := range kills {
		switch n % 3 {
		case 0:
			k.atPoint()
		case 1:
			k.engine()
			time.Sleep(time.Second)
		case 2:
			k.process()
			if n+1 < kills {
				k.start()
			}
		}
	}
	if kills%3 == 0 { // it is down
		v.Start()
	}
	t.Logf("%d kills in %s: %v", kills, time.Since(began).Round(time.Second), k.done)
	x.stop.Store(true)
	sending.Wait()
	if k.doubts == 0 || k.done["engine"] == 0 || k.done["process"] == 0 {
		t.Errorf("kills by kind: %v: a void run", k.done)
	}
	x.check(v)
}

// killer kills and starts a Vigil, and counts it by kind.
type killer struct {
	t      *testing.T
	v      *Vigil
	point  string // the process was started with it
	doubts int
	done   map[string]int
}

// start starts the process so that it ends at the next crash point, which may come before
// it is ready.
func (k *killer) start() {
	k.point = doubtPoints[k.doubts%len(doubtPoints)]
	_ = os.Remove(k.mark()) // of an earlier round
	if err := k.v.up("VIGIL_CRASH_AT=" + k.point + ":3"); err != nil {
		if _, crashed := os.Stat(k.mark()); crashed != nil {
			k.t.Fatal(err)
		}
	}
}

// mark is where the process notes that it came to the crash point.
func (k *killer) mark() string { return filepath.Join(k.v.Data, "run", "crashed-"+k.point) }

// atPoint waits for the crash point, and starts the process without one.
func (k *killer) atPoint() {
	if !k.v.WaitExit(2 * time.Minute) {
		k.t.Fatalf("the crash point %s was never reached: a void run\n%s", k.point, tail(k.v.log.String(), 2000))
	}
	if _, err := os.Stat(k.mark()); err != nil {
		k.t.Fatalf("the process ended, but not at %s: %s", k.point, tail(k.v.log.String(), 2000))
	}
	k.done[k.point]++
	k.doubts++
	k.v.Start()
}

// engine kills ClickHouse, which the process starts again.
func (k *killer) engine() {
	time.Sleep(moment())
	if pid := enginePID(k.t, k.v); pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
		k.done["engine"]++
	}
}

// process kills workers, server and receivers, which are one process here.
func (k *killer) process() {
	time.Sleep(moment())
	k.v.Kill()
	k.done["process"]++
}

// moment is how long a random kill waits.
func moment() time.Duration { return time.Duration(300+rand.IntN(1500)) * time.Millisecond }

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

// check holds what is stored against what was sent, source by source: how many, and by
// what they say that each is there.
func (x *fiveSources) check(v *Vigil) {
	t := x.t
	const files = 49474 + 53615 // MANIFEST.csv
	proveWhole(t, v, "k-files", files)
	for i, source := range []string{"k-bulk", "k-hec"} {
		sent := x.batches[i].Load() * batch
		proveWhole(t, v, source, sent)
		if n := x.distinct(v, source); n != sent {
			t.Errorf("%s: %d different records are stored of %d", source, n, sent)
		}
		t.Logf("%s: %d records in %d requests, %d sent again: each is stored once", source, sent, x.tries[i].Load(), x.tries[i].Load()-x.batches[i].Load())
	}
	sent := x.batches[2].Load() * batch
	var p proof
	Eventually(t, "all of OTLP, proved", 2*time.Minute, func() bool { p = proved(v, "k-otlp"); return p.Records >= sent && p.Waiting == 0 })
	if n := x.distinct(v, "k-otlp"); n != sent || p.Records-sent != p.Suspected {
		t.Errorf("OTLP: %d different records are stored of %d; %d in all, of which %d are flagged as re-sends", n, sent, p.Records, p.Suspected)
	}
	t.Logf("k-otlp: %d records in %d requests: %d stored, %d of them flagged as re-sends", sent, x.tries[2].Load(), p.Records, p.Suspected)
	var s proof
	Eventually(t, "syslog, proved", 2*time.Minute, func() bool { s = proved(v, "syslog"); return s.Records > 0 && s.Waiting == 0 })
	if n := x.distinct(v, "syslog"); n != s.Records || n > x.lines.Load() {
		t.Errorf("syslog: %d lines were written, %d are stored, %d of them different", x.lines.Load(), s.Records, n)
	}
	t.Logf("syslog: %d lines were written, %d stored (it has no answers)", x.lines.Load(), s.Records)
	Eventually(t, "the rules have seen every chunk", time.Minute, func() bool { return seen(v) })
}

// seen says whether only windows of aggregate rules are left, which are asked in their own
// time: a rule that was asked in the middle of the run is asked again after its interval.
func seen(v *Vigil) bool {
	out, _ := v.Run("-o", "json", "rules", "coverage", "--limit", "10000") // exits with 3 when cells are left
	var c struct{ Unproven []struct{ Why string } }
	if json.Unmarshal([]byte(out), &c) != nil {
		return false
	}
	return !slices.ContainsFunc(c.Unproven, func(u struct{ Why string }) bool { return u.Why != "its windows are not asked yet" })
}

// distinct counts the different texts that are stored of a source.
func (x *fiveSources) distinct(v *Vigil, source string) (n int64) {
	var rows []struct{ N int64 }
	out := v.MustRun("-o", "json", "search", "sql: SELECT toInt64(uniqExact(message)) AS n FROM events WHERE source = '"+source+"'")
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 1 {
		x.t.Fatalf("%v: %s", err, out)
	}
	return rows[0].N
}
