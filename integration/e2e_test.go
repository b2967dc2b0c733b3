//go:build integration

package integration

import (
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/testdata"
	"vigil/schema"
)

// hook is a real listener for what playbooks send out.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	keys   map[string]int // idempotency key → times seen
}

func newHook(t *testing.T) *hook {
	h := &hook{keys: map[string]int{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		h.mu.Lock()
		defer h.mu.Unlock()
		h.bodies = append(h.bodies, string(b))
		h.keys[r.Header.Get("Idempotency-Key")]++
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) seen(part string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.bodies {
		if strings.Contains(b, part) {
			return true
		}
	}
	return false
}

// page is a list answer of the API.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// recordings are what the end-to-end test ingests, with the record counts that
// MANIFEST.csv states.
var recordings = []struct {
	source, path string
	records      int64
}{
	{"zeek-conn-rdp", "zeek/wrccdc-2018/json/rdp.json.zst", 4122},
	{"zeek-ssh", "zeek/wrccdc-2018/tsv/ssh.log.zst", 22},
	{"auth", "linux/auth.log.gz", 7121},
}

// TestEndToEnd is the main job on real input, against real engines in containers:
// ingest → counts → alert → incident → approval over HTTP → action seen by a real
// listener and by a polling firewall, once → audit verified.
func TestEndToEnd(t *testing.T) {
	shared := testdata.Shared(t)
	listener := newHook(t)
	ch, tp := StartClickHouse(t), StartTemporal(t)
	v := NewVigil(t, "--clickhouse", ch.Addr, "--clickhouse-user", ch.User, "--temporal", tp.Addr, "--webhook", listener.URL)
	v.Env = []string{"VIGIL_CLICKHOUSE_PASSWORD=" + ch.Password, "VIGIL_TEMPORAL_TOKEN=" + tp.Token}
	v.Start()
	v.SignIn("correct horse battery staple 1")

	for _, r := range recordings {
		out := v.MustRun("ingest", "--source", r.source, filepath.Join(shared, r.path))
		t.Logf("ingest %s: %s", r.source, tail(out, 300))
	}
	mordor := attackRecording(t, shared)
	v.MustRun("ingest", "--source", "attack", mordor)
	for _, r := range recordings {
		checkSource(t, v, r.source, r.records)
	}
	out := v.MustRun("prove", "--all")
	t.Logf("prove: %s", out)

	alert := waitAlert(t, v)
	t.Logf("alert: %s (%s)", alert.Title, alert.Severity)
	approval := waitApproval(t, v)
	checkBinding(t, approval)
	decideAndSee(t, v, listener, approval)
	if out := v.MustRun("audit", "verify"); !strings.Contains(out, "ok") {
		t.Errorf("audit verify: %s", out)
	}
}

// attackRecording returns the path of one Mordor attack that our rules detect.
func attackRecording(t *testing.T, shared string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared, "mordor/windows/credential_access/*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Mordor recordings in %s: %v", shared, err)
	}
	best, size := "", int64(0)
	for _, f := range files {
		if fi, err := os.Stat(f); err == nil && fi.Size() > size && fi.Size() < 600<<10 {
			best, size = f, fi.Size()
		}
	}
	return best
}

func checkSource(t *testing.T, v *Vigil, source string, records int64) {
	t.Helper()
	var st schema.SourceStatus
	if err := v.Call("GET", "/sources/"+source, nil, &st); err != nil {
		t.Fatal(err)
	}
	if st.Records != records || st.Events+st.Failures != st.Records {
		t.Errorf("%s: %d records, %d events, %d failures; MANIFEST.csv says %d records", source, st.Records, st.Events, st.Failures, records)
	}
}

func waitAlert(t *testing.T, v *Vigil) schema.Alert {
	t.Helper()
	var got page[schema.Alert]
	Eventually(t, "an alert of high severity", time.Minute, func() bool {
		return v.Call("GET", "/alerts?severity=high", nil, &got) == nil && len(got.Items) > 0
	})
	return got.Items[0]
}

func waitApproval(t *testing.T, v *Vigil) schema.Approval {
	t.Helper()
	var got page[schema.Approval]
	Eventually(t, "an approval request", 2*time.Minute, func() bool {
		return v.Call("GET", "/approvals?status=pending", nil, &got) == nil && len(got.Items) > 0
	})
	return got.Items[0]
}

// checkBinding recomputes the hash that the approver's decision is bound to.
func checkBinding(t *testing.T, a schema.Approval) {
	t.Helper()
	sum := sha256Hex(a.Payload)
	if !hmac.Equal([]byte(sum), []byte(a.Binding)) {
		t.Errorf("binding %s is not the SHA-256 of the payload shown (%s)", a.Binding, sum)
	}
	if !json.Valid([]byte(a.Payload)) || !strings.Contains(a.Payload, a.Target) {
		t.Errorf("the payload does not name the target %s: %s", a.Target, a.Payload)
	}
}

// decideAndSee approves over HTTP and waits until the action has happened once.
func decideAndSee(t *testing.T, v *Vigil, l *hook, a schema.Approval) {
	t.Helper()
	body := map[string]string{"verdict": "approve", "reason": "seen in the end-to-end test"}
	if err := v.Call("POST", "/approvals/"+a.ID+"/decide", body, nil); err != nil {
		t.Fatal(err)
	}
	if err := v.Call("POST", "/approvals/"+a.ID+"/decide", body, nil); err != nil {
		t.Errorf("a second click on approve was answered with an error: %v", err)
	}
	body["verdict"] = "deny"
	if err := v.Call("POST", "/approvals/"+a.ID+"/decide", body, nil); err == nil {
		t.Error("the same person changed a decision that was given")
	}
	Eventually(t, "the blocked value on the published list", time.Minute, func() bool {
		return strings.Contains(fetchLists(v), a.Target)
	})
	Eventually(t, "the notification at the listener", time.Minute, func() bool { return l.seen(a.Target) })
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, n := range l.keys {
		if key == "" || n != 1 {
			t.Errorf("the listener saw idempotency key %q %d times", key, n)
		}
	}
}

// fetchLists reads every published list as a firewall would.
func fetchLists(v *Vigil) string {
	all := ""
	for _, name := range []string{"addresses", "hosts", "accounts"} {
		res, err := http.Get(fmt.Sprintf("%s/lists/%s.txt", v.URL, name))
		if err != nil {
			continue
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			all += string(b)
		}
	}
	return all
}
