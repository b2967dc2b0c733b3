//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestLoudSource floods one source while another one sends ten events a second: the quiet
// one is never told to wait and loses nothing, the loud one is.
func TestLoudSource(t *testing.T) {
	long(t)
	addr := freeAddr(t)
	v := NewVigil(t, "--receive", addr, "--receive-grpc", "localhost:0", "--spool-mb", "256")
	v.Start()
	quiet := pushToken(v, "quiet", "hec")
	loud := strings.TrimSpace(v.MustRun("sources", "add-push", "loud", "--kind", "bulk", "--quota", "40MB"))
	const each = 60
	alone := trickle(t, addr, quiet, 0, each)

	var flood sync.WaitGroup
	var stop atomic.Bool
	var taken, refused atomic.Int64
	body := floodBody()
	for range 8 {
		flood.Go(func() {
			for !stop.Load() {
				res, err := post(t, "http://"+addr+"/_bulk", body, "Authorization: ApiKey "+loud)()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				switch res.StatusCode {
				case http.StatusOK:
					taken.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
					time.Sleep(20 * time.Millisecond)
				default:
					t.Errorf("the loud source got %s", res.Status)
					return
				}
			}
		})
	}
	under := trickle(t, addr, quiet, each, each)
	stop.Store(true)
	flood.Wait()
	began := time.Now()
	finishAndProve(t, v, "quiet", 2*each)
	t.Logf("quiet source, time to the answer: alone p50 %s p99 %s; beside the flood p50 %s p99 %s; the last one stored %s after it was sent",
		quantile(alone, 0.5), quantile(alone, 0.99), quantile(under, 0.5), quantile(under, 0.99), time.Since(began))
	t.Logf("loud source: %d requests of %d bytes taken, %d told to wait", taken.Load(), len(body), refused.Load())
	if refused.Load() == 0 {
		t.Error("the loud source was never told to wait: a void run")
	}
	var rows []struct {
		Source           string
		Refused, Dropped int64
	}
	if err := json.Unmarshal([]byte(v.MustRun("-o", "json", "sources", "list")), &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Source == "quiet" && (r.Refused != 0 || r.Dropped != 0) || r.Source == "loud" && r.Refused == 0 {
			t.Errorf("%+v", r)
		}
	}
}

// trickle sends ten events a second and returns how long each answer took; none may be a
// refusal.
func trickle(t *testing.T, addr, token string, from, n int) (took []time.Duration) {
	t.Helper()
	for i := range n {
		began := time.Now()
		res, err := post(t, "http://"+addr+"/services/collector/event", fmt.Appendf(nil, `{"time":%d,"event":"quiet n%d"}`, 1_760_000_000+from+i, from+i), "Authorization: Splunk "+token)()
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("the quiet source got %s", res.Status)
		}
		took = append(took, time.Since(began))
		time.Sleep(100*time.Millisecond - min(time.Since(began), 100*time.Millisecond))
	}
	return took
}

func floodBody() []byte {
	var b bytes.Buffer
	for i := range 4000 {
		fmt.Fprintf(&b, "{\"create\":{\"_index\":\"logs\"}}\n{\"message\":\"loud event %d of a source that sends as fast as it can: %s\"}\n", i, strings.Repeat("x", 180))
	}
	return b.Bytes()
}

func quantile(d []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[int(q*float64(len(s)-1))].Round(100 * time.Microsecond)
}
