package telemetry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestMetrics counts one of each and reads the page that Prometheus would.
func TestMetrics(t *testing.T) {
	m := New("1.2.3")
	m.Committed("zeek-json", 10, 2, 300, 1)
	m.Committed("", 0, 1, 5, 0)
	m.Folded(3, 1500*time.Millisecond)
	h := m.Requests(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusTeapot) }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("BREW", "/", nil))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	page := httptest.NewRecorder()
	m.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`vigil_events_total{format="zeek-json"} 10`, `vigil_parse_failures_total{format="unknown"} 1`, `vigil_ingested_bytes_total{format="zeek-json"} 300`,
		`vigil_detections_total 1`, `vigil_alerts_total 3`, `vigil_event_to_alert_seconds_bucket{le="1"} 0`, `vigil_event_to_alert_seconds_bucket{le="2"} 1`,
		`vigil_http_request_seconds_count{method="other",status="418"} 1`, `vigil_http_request_seconds_count{method="GET",status="418"} 1`,
		`vigil_build_info{version="1.2.3"} 1`, "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("%s is missing", want)
		}
	}
	var none *Metrics
	none.Committed("x", 1, 1, 1, 1)
	none.Folded(1, time.Second)
	if next := http.NotFoundHandler(); none.Requests(next) == nil {
		t.Error("no handler")
	}
}
