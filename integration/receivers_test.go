//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v9"
)

// pushed is how many records each sender sends, in batches of batch.
const (
	pushed = 2000
	batch  = 25
)

// freeAddr is an address that the process under test listens on again after a restart.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// pushToken makes a push source and returns its token.
func pushToken(v *Vigil, name, kind string) string {
	return strings.TrimSpace(v.MustRun("sources", "add-push", name, "--kind", kind))
}

// insist repeats a request until it is answered with 200, as shippers do. It counts the
// tries.
func insist(t *testing.T, tries *atomic.Int64, send func() (*http.Response, error)) []byte {
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		tries.Add(1)
		res, err := send()
		if err == nil {
			b, rerr := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK && rerr == nil {
				return b
			}
			if res.StatusCode < 429 && rerr == nil {
				t.Errorf("refused: %s %s", res.Status, b)
				return nil
			}
			err = fmt.Errorf("%s %w", res.Status, rerr)
		}
		if time.Now().After(end) {
			t.Errorf("not taken within three minutes: %v", err)
			return nil
		}
	}
}

// post is a request with headers, as "Name: value".
func post(t *testing.T, url string, body []byte, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		for _, h := range header {
			k, val, _ := strings.Cut(h, ": ")
			req.Header.Set(k, val)
		}
		return http.DefaultClient.Do(req)
	}
}

// TestReceiversKill: three senders push while the process is killed with -9, first
// between the writes of a chunk, then at any moment. What was sent with ids is there
// exactly once; what was sent without is there at least once, and no more often than it
// was sent.
func TestReceiversKill(t *testing.T) {
	addr := freeAddr(t)
	v := NewVigil(t, "--receive", addr)
	v.Start("VIGIL_CRASH_AT=after-events:4")
	bulk, hec, otlp := pushToken(v, "p-bulk", "bulk"), pushToken(v, "p-hec", "hec"), pushToken(v, "p-otlp", "otlp")
	var tries [3]atomic.Int64
	var acks sync.Map
	var wg sync.WaitGroup
	wg.Go(func() { sendBulk(t, addr, bulk, &tries[0]) })
	wg.Go(func() { sendHEC(t, addr, hec, &tries[1], &acks) })
	wg.Go(func() { sendOTLP(t, addr, otlp, &tries[2]) })

	if !v.WaitExit(2 * time.Minute) {
		t.Fatalf("the crash point was never reached: a void run\n%s", tail(v.log.String(), 2000))
	}
	v.Start()
	time.Sleep(1500 * time.Millisecond)
	v.Kill()
	time.Sleep(500 * time.Millisecond)
	v.Start()
	wg.Wait()
	checkAcks(t, addr, hec, &acks)

	finishAndProve(t, v, "p-bulk", pushed)
	finishAndProve(t, v, "p-hec", pushed)
	everyOne(t, v, "bulk")
	everyOne(t, v, "hec")
	Eventually(t, "draining what OTLP sent", time.Minute, func() bool { return provedRecords(v, "p-otlp") >= pushed })
	everyOne(t, v, "otlp")
	sent := tries[2].Load() * batch
	if got := provedRecords(v, "p-otlp"); got > sent {
		t.Errorf("%d records of OTLP are stored, only %d were sent", got, sent)
	}
	resent := tries[0].Load() + tries[1].Load() + tries[2].Load() - 3*pushed/batch
	if resent == 0 {
		t.Error("no sender had to send again: a void run")
	}
	t.Logf("%d requests were sent again; OTLP has %d records of %d", resent, provedRecords(v, "p-otlp"), pushed)
}

func sendBulk(t *testing.T, addr, token string, tries *atomic.Int64) {
	es, err := elasticsearch.New(elasticsearch.WithAddresses("http://"+addr), elasticsearch.WithAPIKey(token))
	if err != nil {
		t.Error(err)
		return
	}
	for i := 0; i < pushed; i += batch {
		var b bytes.Buffer
		for k := range batch {
			fmt.Fprintf(&b, "{\"create\":{\"_id\":\"%d\"}}\n{\"message\":\"bulk g%d n%d\"}\n", i+k, (i+k)/500, i+k)
		}
		body := b.Bytes()
		out := insist(t, tries, func() (*http.Response, error) {
			res, err := es.Bulk(bytes.NewReader(body), es.Bulk.WithIndex("logs"), es.Bulk.WithContext(t.Context()))
			if err != nil {
				return nil, err
			}
			return &http.Response{StatusCode: res.StatusCode, Status: res.Status(), Body: res.Body}, nil
		})
		var answer struct {
			Items []map[string]struct{ Status int }
		}
		if err := json.Unmarshal(out, &answer); err != nil || len(answer.Items) != batch {
			t.Errorf("%d items: %v", len(answer.Items), err)
			return
		}
		for _, it := range answer.Items { // 409: it was there, from a request whose answer was lost
			if s := it["create"].Status; s != 201 && s != 409 {
				t.Errorf("status %d", s)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

const hecChannel = "X-Splunk-Request-Channel: 7f2b6c1e-0000-4000-8000-000000000001"

func sendHEC(t *testing.T, addr, token string, tries *atomic.Int64, acks *sync.Map) {
	for i := 0; i < pushed; i += batch {
		var b bytes.Buffer
		for k := range batch {
			fmt.Fprintf(&b, `{"time":%d.5,"event":"hec g%d n%d","sourcetype":"t"}`, 1_760_000_000+i, (i+k)/500, i+k)
		}
		out := insist(t, tries, post(t, "http://"+addr+"/services/collector/event", b.Bytes(), "Authorization: Splunk "+token, hecChannel))
		var answer struct{ AckID int64 }
		if err := json.Unmarshal(out, &answer); err != nil || answer.AckID == 0 {
			t.Errorf("%s: %v", out, err)
			return
		}
		acks.Store(answer.AckID, true)
		time.Sleep(20 * time.Millisecond)
	}
}

// checkAcks asks for every acknowledgement, also those given before the kills.
func checkAcks(t *testing.T, addr, token string, acks *sync.Map) {
	t.Helper()
	var ids []int64
	acks.Range(func(k, _ any) bool { ids = append(ids, k.(int64)); return true })
	q, err := json.Marshal(map[string]any{"acks": ids})
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	out := insist(t, &n, post(t, "http://"+addr+"/services/collector/ack", q, "Authorization: Splunk "+token, hecChannel))
	var answer struct{ Acks map[string]bool }
	if err := json.Unmarshal(out, &answer); err != nil || len(answer.Acks) < pushed/batch {
		t.Errorf("%d acknowledgements: %v", len(answer.Acks), err)
	}
	for id, ok := range answer.Acks {
		if !ok {
			t.Errorf("acknowledgement %s is not confirmed", id)
		}
	}
}

func sendOTLP(t *testing.T, addr, token string, tries *atomic.Int64) {
	for i := 0; i < pushed; i += batch {
		var b strings.Builder
		for k := range batch {
			fmt.Fprintf(&b, `%s{"timeUnixNano":"1760000000000000000","body":{"stringValue":"otlp g%d n%d"}}`, strings.Repeat(",", min(k, 1)), (i+k)/500, i+k)
		}
		insist(t, tries, post(t, "http://"+addr+"/v1/logs", []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[`+b.String()+`]}]}]}`),
			"Authorization: Bearer "+token, "Content-Type: application/json"))
		time.Sleep(20 * time.Millisecond)
	}
}

// everyOne looks for each record of a sender by what it says.
func everyOne(t *testing.T, v *Vigil, sender string) {
	t.Helper()
	seen := map[string]bool{}
	for g := range pushed / 500 {
		out := v.MustRun("-o", "ndjson", "search", fmt.Sprintf(`"%s g%d "`, sender, g), "--from", "2020-01-01T00:00:00Z", "--limit", "1000")
		for line := range strings.Lines(out) {
			var row struct{ Text string }
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err, line)
			}
			seen[row.Text] = true
		}
	}
	if len(seen) != pushed {
		t.Errorf("%d of the %d records of %s are found", len(seen), pushed, sender)
	}
}

func provedRecords(v *Vigil, source string) int64 {
	out, err := v.Run("-o", "json", "prove", source)
	var got []struct {
		Status  string
		Records int64
	}
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || len(got) != 1 || got[0].Status != "proved" {
		return -1
	}
	return got[0].Records
}

// TestRsyslog lets a real rsyslogd forward lines in both framings.
func TestRsyslog(t *testing.T) {
	bin, err := exec.LookPath("rsyslogd")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("rsyslogd is not installed (apt-get install rsyslog)")
	}
	addr := freeAddr(t)
	v := NewVigil(t, "--receive", "localhost:0", "--syslog", addr)
	v.Start()
	host, port, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	conf := fmt.Sprintf(`global(workDirectory=%q)
module(load="imfile")
input(type="imfile" File=%q Tag="shop:")
action(type="omfwd" target=%q port=%q protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format")
action(type="omfwd" target=%q port=%q protocol="tcp" TCP_Framing="traditional" template="RSYSLOG_TraditionalForwardFormat")
action(type="omfwd" target=%q port=%q protocol="udp" template="RSYSLOG_ForwardFormat")
`, dir, filepath.Join(dir, "app.log"), host, port, host, port, host, port)
	var lines strings.Builder
	const n = 300
	for i := range n {
		fmt.Fprintf(&lines, "order %d was placed\n", i)
	}
	for name, text := range map[string]string{"rsyslog.conf": conf, "app.log": lines.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), bin, "-n", "-f", filepath.Join(dir, "rsyslog.conf"), "-i", filepath.Join(dir, "pid"))
	out := &lockedBuffer{}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Signal(syscall.SIGTERM); _ = c.Wait() }()
	Eventually(t, "all lines by both TCP framings, and by UDP", time.Minute, func() bool {
		return provedRecords(v, "syslog") >= 2*n
	})
	var got []struct{ Records, Failures, Received, Dropped int64 }
	Eventually(t, "the datagrams", 20*time.Second, func() bool {
		return json.Unmarshal([]byte(v.MustRun("-o", "json", "sources", "list")), &got) == nil && len(got) == 1 && got[0].Records+got[0].Dropped >= 3*n
	})
	if got[0].Failures != 0 {
		t.Errorf("%+v\n%s", got[0], out)
	}
	if text := v.MustRun("search", `"order 299 was placed"`, "--last", "24h"); strings.Count(text, "order 299 was placed") != 3 {
		t.Error(text)
	}
}
