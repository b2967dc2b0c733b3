// Package telemetry is what operators watch a process by: Prometheus metrics. It
// knows nothing of ours; who has something to count calls a method here.
package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what one process does. A nil *Metrics counts nothing.
type Metrics struct {
	registry   *prometheus.Registry
	events     *prometheus.CounterVec
	failures   *prometheus.CounterVec
	bytes      *prometheus.CounterVec
	detections prometheus.Counter
	alerts     prometheus.Counter
	toAlert    prometheus.Histogram
	requests   *prometheus.HistogramVec
}

// New returns the metrics of a process that runs the given version.
func New(version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "vigil", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry:   prometheus.NewRegistry(),
		events:     counter("events_total", "Events committed, by the format of their object.", "format"),
		failures:   counter("parse_failures_total", "Records that no parser took, by the format of their object.", "format"),
		bytes:      counter("ingested_bytes_total", "Decompressed bytes committed, by the format of their object.", "format"),
		detections: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "vigil", Name: "detections_total", Help: "Detections committed by stateless rules."}),
		alerts:     prometheus.NewCounter(prometheus.CounterOpts{Namespace: "vigil", Name: "alerts_total", Help: "Alerts that are new or have grown."}),
		toAlert: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "vigil", Name: "event_to_alert_seconds", Help: "Time from reading a chunk's first record to the folding of its detections.",
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30}}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "vigil", Name: "http_request_seconds", Help: "Time to answer API requests, by method and status.",
			Buckets: prometheus.DefBuckets}, []string{"method", "status"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "vigil", Name: "build_info", Help: "1, with the version as label.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	m.registry.MustRegister(m.events, m.failures, m.bytes, m.detections, m.alerts, m.toAlert, m.requests, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Receiver is what a push source has taken in and what waits.
type Receiver struct {
	Source, Kind                                          string
	Records, Bytes, Duplicates, Refused, Invalid, Dropped float64
	Waits, Quota                                          float64 // bytes on disk that are not committed, and the most that may be; 0: its fair share
}

// Receivers shows the push sources that read returns, at each scrape.
func (m *Metrics) Receivers(read func() []Receiver) {
	m.registry.MustRegister(&receivers{read: read})
}

// receivers is a collector of figures that others keep.
type receivers struct{ read func() []Receiver }

// receiverFigures is the table of what is shown of each push source.
var receiverFigures = []struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(Receiver) float64
}{
	{receiverDesc("received_records_total", "Records taken in and on disk."), prometheus.CounterValue, func(r Receiver) float64 { return r.Records }},
	{receiverDesc("received_bytes_total", "Bytes of these records."), prometheus.CounterValue, func(r Receiver) float64 { return r.Bytes }},
	{receiverDesc("received_duplicates_total", "Records known by their id, answered and not stored again."), prometheus.CounterValue, func(r Receiver) float64 { return r.Duplicates }},
	{receiverDesc("refused_records_total", "Records that were told to come later: the spool was full, or their source had its share."), prometheus.CounterValue, func(r Receiver) float64 { return r.Refused }},
	{receiverDesc("invalid_records_total", "Records and requests that are not what their protocol asks for."), prometheus.CounterValue, func(r Receiver) float64 { return r.Invalid }},
	{receiverDesc("dropped_records_total", "Datagrams lost because the spool did not take them."), prometheus.CounterValue, func(r Receiver) float64 { return r.Dropped }},
	{receiverDesc("spool_pending_bytes", "Bytes in the spool that are not committed."), prometheus.GaugeValue, func(r Receiver) float64 { return r.Waits }},
	{receiverDesc("spool_quota_bytes", "The most that may wait; 0: the source's fair share."), prometheus.GaugeValue, func(r Receiver) float64 { return r.Quota }},
}

func receiverDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("vigil_"+name, help, []string{"source", "kind"}, nil)
}

// Describe implements prometheus.Collector.
func (c *receivers) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range receiverFigures {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *receivers) Collect(ch chan<- prometheus.Metric) {
	for _, r := range c.read() {
		for _, f := range receiverFigures {
			ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(r), r.Source, r.Kind)
		}
	}
}

// Handler serves the metrics in the text format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Committed counts a chunk.
func (m *Metrics) Committed(format string, events, failures, bytes, detections int64) {
	if m == nil {
		return
	}
	if format == "" {
		format = "unknown"
	}
	m.events.WithLabelValues(format).Add(float64(events))
	m.failures.WithLabelValues(format).Add(float64(failures))
	m.bytes.WithLabelValues(format).Add(float64(bytes))
	m.detections.Add(float64(detections))
}

// Folded counts the alerts of a chunk and how long they took since it was read.
func (m *Metrics) Folded(alerts int, sinceRead time.Duration) {
	if m == nil {
		return
	}
	m.alerts.Add(float64(alerts))
	m.toAlert.Observe(sinceRead.Seconds())
}

// Requests measures the handler's answers. A connection that is taken over (a
// WebSocket) is not one of them.
func (m *Metrics) Requests(next http.Handler) http.Handler {
	if m == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		began := time.Now()
		sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(sw, r)
		m.requests.WithLabelValues(method(r.Method), strconv.Itoa(sw.status)).Observe(time.Since(began).Seconds())
	})
}

// method keeps the label's values few: clients may send any word.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	default:
		return "other"
	}
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(code int) {
	w.status = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
