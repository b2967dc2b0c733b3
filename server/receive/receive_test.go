package receive

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/klauspost/compress/gzip"

	"vigil/internal/auth"
	"vigil/internal/spool"
	"vigil/internal/store"
	"vigil/schema"
)

// rig is a receiver with a real spool, served over HTTP.
type rig struct {
	t     *testing.T
	url   string
	spool *spool.Dir
	dir   string
	down  bool // the token store does not answer
	begun []string
	r     *Receiver
}

func newRig(t *testing.T, o spool.Options) *rig {
	t.Helper()
	x := &rig{t: t, dir: t.TempDir()}
	x.start(o)
	return x
}

func (x *rig) start(o spool.Options) {
	x.t.Helper()
	d, err := spool.Open(x.dir, o)
	if err != nil {
		x.t.Fatal(err)
	}
	x.spool = d
	tokens := map[string]store.Session{}
	for _, kind := range []string{Bulk, HEC, OTLP} {
		tokens[auth.TokenID("good-"+kind)] = store.Session{ID: "x", Org: "main", Scopes: []string{"ingest:src-" + kind, "kind:" + kind, "format:" + Formats()[kind]}, Expires: time.Now().Add(time.Hour)}
	}
	tokens[auth.TokenID("person")] = store.Session{ID: "x", Org: "main", Scopes: []string{"admin"}, Expires: time.Now().Add(time.Hour)}
	tokens[auth.TokenID("old")] = store.Session{ID: "x", Org: "main", Scopes: []string{"ingest:a", "kind:bulk"}, Expires: time.Now().Add(-time.Hour)}
	r := New(Options{Spool: d, Begun: func(s string) { x.begun = append(x.begun, s) },
		Token: func(_ context.Context, id string) (store.Session, error) {
			if x.down {
				return store.Session{}, errors.New("connection refused")
			}
			s, ok := tokens[id]
			if !ok {
				return s, schema.E(schema.NotFound, "there is no such token", "")
			}
			return s, nil
		}})
	x.r, r.patience = r, 300*time.Millisecond
	srv := httptest.NewServer(r.Handler())
	x.url = srv.URL
	x.t.Cleanup(func() { srv.Close(); _ = d.Close() })
}

// send makes a request and returns status and body. header lines are "Name: value".
func (x *rig) send(method, path string, body []byte, header ...string) (int, string, http.Header) {
	x.t.Helper()
	req, err := http.NewRequestWithContext(x.t.Context(), method, x.url+path, bytes.NewReader(body))
	if err != nil {
		x.t.Fatal(err)
	}
	for _, h := range header {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return res.StatusCode, strings.TrimRight(string(b), "\n"), res.Header
}

// spooled reads what is on disk for a source.
func (x *rig) spooled(source string) []string {
	x.t.Helper()
	l, ok := x.spool.Lookup("main", source)
	if !ok {
		return nil
	}
	if err := l.Cut(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	var out []string
	for _, s := range l.Segments() {
		f, err := os.Open(s.Path)
		if err != nil {
			x.t.Fatal(err)
		}
		r, err := spool.NewReader(f, s.Cut)
		for err == nil {
			var e spool.Entry
			if e, err = r.Next(); err == nil && !e.Cut {
				out = append(out, string(e.Data))
			}
		}
		if !errors.Is(err, io.EOF) {
			x.t.Fatal(err)
		}
		_ = f.Close()
	}
	return out
}

func zipped(s string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.Bytes()
}

const es = "Authorization: ApiKey good-bulk"

// TestHandshake: what clients and shippers ask before they send.
func TestHandshake(t *testing.T) {
	x := newRig(t, spool.Options{})
	for _, row := range []struct{ method, path, want string }{
		{"GET", "/", `"number":"8.19.0"`}, {"GET", "/_license", `"status":"active"`}, {"GET", "/_xpack", `"features"`},
		{"PUT", "/_index_template/filebeat", `"acknowledged":true`}, {"PUT", "/_ilm/policy/filebeat", `"acknowledged":true`}, {"GET", "/_cluster/health", "acknowledged"},
		{"HEAD", "/_ilm/policy/x", ""}, {"HEAD", "/logs", ""},
	} {
		code, body, h := x.send(row.method, row.path, nil)
		if code != 200 || !strings.Contains(body, row.want) || h.Get("X-Elastic-Product") != "Elasticsearch" {
			t.Errorf("%s %s: %d %s %v", row.method, row.path, code, body, h)
		}
	}
	if code, body, _ := x.send("GET", "/logs/_search", nil); code != 404 || !strings.Contains(body, `"reason"`) {
		t.Errorf("%d %s", code, body)
	}
	_, _, h := x.send("GET", "/", nil, "Accept: application/vnd.elasticsearch+json;compatible-with=9")
	if h.Get("Content-Type") != "application/vnd.elasticsearch+json;compatible-with=9" {
		t.Errorf("%v", h)
	}
}

// TestTokens: who may send, in every spelling of a token, and what refusals say.
func TestTokens(t *testing.T) {
	x := newRig(t, spool.Options{})
	doc := []byte("{\"create\":{}}\n{\"a\":1}\n")
	for _, h := range []string{es, "Authorization: Bearer good-bulk", "Authorization: ApiKey " + base64.StdEncoding.EncodeToString([]byte("id:good-bulk")),
		"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("elastic:good-bulk"))} {
		if code, body, _ := x.send("POST", "/logs/_bulk", doc, h); code != 200 {
			t.Errorf("%s: %d %s", h, code, body)
		}
	}
	for h, want := range map[string]int{"X: y": 401, "Authorization: ApiKey wrong": 401, "Authorization: ApiKey person": 401, "Authorization: ApiKey old": 401, "Authorization: ApiKey good-hec": 403} {
		if code, body, _ := x.send("POST", "/logs/_bulk", doc, h); code != want || !strings.Contains(body, "security_exception") {
			t.Errorf("%s: %d %s, want %d", h, code, body, want)
		}
	}
	x.down = true
	if code, body, _ := x.send("POST", "/logs/_bulk", doc, es); code != 200 {
		t.Errorf("a known token while the store is away: %d %s", code, body)
	}
	if code, _, h := x.send("POST", "/logs/_bulk", doc, "Authorization: ApiKey unknown"); code != 503 || h.Get("Retry-After") == "" {
		t.Errorf("an unknown token while the store is away: %d %v", code, h)
	}
	if got := x.spooled("src-bulk"); len(got) != 5 || fmt.Sprint(x.begun) != "[src-bulk]" {
		t.Errorf("%v %v", got, x.begun)
	}
}

// TestBulk: items, per-item errors, re-sends, also after a restart.
func TestBulk(t *testing.T) {
	x := newRig(t, spool.Options{})
	body := `{"create":{"_index":"logs","_id":"1"}}
{"message": "one",  "n": 1}
{"index":{"_id":"2"}}
{"message":"two"}

{"update":{"_id":"3"}}
{"doc":{}}
{"delete":{"_id":"4"}}
{"create":{}}
{"broken":
{"create":{}}
[1]
{"index":{}}
{"message":"five"}
`
	type answer struct {
		Errors bool
		Items  []map[string]struct {
			Index  string `json:"_index"`
			ID     string `json:"_id"`
			Status int
			Result string
			Error  *cause
		}
	}
	statuses := func(text string) (out []string) {
		t.Helper()
		var a answer
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err, text)
		}
		for _, it := range a.Items {
			for verb, i := range it {
				out = append(out, fmt.Sprint(verb, i.Status))
				if (i.Status >= 300) != (i.Error != nil) || i.Index == "" || i.Status < 300 && i.ID == "" {
					t.Errorf("%+v", i)
				}
			}
		}
		if !a.Errors {
			t.Error("errors is false")
		}
		return out
	}
	code, text, _ := x.send("POST", "/logs/_bulk", zipped(body), es, "Content-Encoding: gzip")
	if got, want := fmt.Sprint(statuses(text)), "[create201 index201 update400 delete400 create400 create400 index201]"; code != 200 || got != want {
		t.Errorf("%d %s, want %s", code, got, want)
	}
	want := `[{"message":"one","n":1} {"message":"two"} {"message":"five"}]`
	if got := fmt.Sprint(x.spooled("src-bulk")); got != want {
		t.Errorf("spooled %s", got)
	}
	if err := x.spool.Close(); err != nil {
		t.Fatal(err)
	}
	x.start(spool.Options{})
	_, text, _ = x.send("PUT", "/logs/_bulk", []byte(body), es)
	if got, want := fmt.Sprint(statuses(text)), "[create409 index200 update400 delete400 create400 create400 index201]"; got != want {
		t.Errorf("again: %s, want %s", got, want)
	}
	if got := x.spooled("src-bulk"); len(got) != 4 || got[3] != `{"message":"five"}` {
		t.Errorf("after the re-send: %v", got)
	}
	for name, bad := range map[string]string{"empty": "", "no action": "x\n", "two actions": `{"index":{},"create":{}}` + "\n{}\n", "no document": `{"index":{}}`, "not gzip": "zip"} {
		h := []string{es}
		if name == "not gzip" {
			h = append(h, "Content-Encoding: gzip")
		}
		if code, text, _ := x.send("POST", "/logs/_bulk", []byte(bad), h...); code != 400 || !strings.Contains(text, "illegal_argument_exception") {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
	if code, _, _ := x.send("POST", "/logs/_bulk", zipped(strings.Repeat("x", maxUnpacked+1)), es, "Content-Encoding: gzip"); code != 413 {
		t.Errorf("a bomb: %d", code)
	}
}

// TestOverload: a full spool is "later" in each protocol, and nothing of it is kept.
func TestOverload(t *testing.T) {
	x := newRig(t, spool.Options{Limit: 3000})
	long := strings.Repeat("x", 2500)
	if code, text, _ := x.send("POST", "/logs/_bulk", []byte(`{"create":{}}`+"\n"+`{"m":"`+long+`"}`+"\n"), es); code != 200 {
		t.Fatal(code, text)
	}
	for _, row := range []struct {
		path, body, want string
		code             int
		header           []string
	}{
		{"/logs/_bulk", `{"create":{}}` + "\n" + `{"m":"` + long + `"}` + "\n", "es_rejected_execution_exception", 429, []string{es}},
		{"/services/collector/event", `{"event":"` + long + `"}`, `{"text":"Server is busy","code":9}`, 503, []string{"Authorization: Splunk good-hec"}},
		{"/v1/logs", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"` + long + `"}}]}]}]}`, `"code":8`, 429, []string{"Authorization: Bearer good-otlp", "Content-Type: application/json"}},
	} {
		code, text, h := x.send("POST", row.path, []byte(row.body), row.header...)
		if code != row.code || !strings.Contains(text, row.want) || h.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s %v", row.path, code, text, h)
		}
	}
	for _, l := range x.spool.Logs() {
		if st := l.Stats(); l.Kind != Bulk && (st.Refused != 1 || st.Records != 0) || l.Kind == Bulk && (st.Refused != 1 || st.Records != 1) {
			t.Errorf("%s: %+v", l.Source, st)
		}
	}
}

// TestHEC: Splunk's codes, acknowledgement, and re-sends on a channel.
func TestHEC(t *testing.T) {
	x := newRig(t, spool.Options{})
	token, ch := "Authorization: Splunk good-hec", "X-Splunk-Request-Channel: 0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba"
	for _, row := range []struct {
		path, body, want string
		code             int
		header           []string
	}{
		{"/services/collector", `{"event":"a"}{"event":{"b":1},"time":1}` + "\n" + `{"event":2}`, `{"text":"Success","code":0}`, 200, []string{token}},
		{"/services/collector/event/1.0", `{"event":"a"}`, `{"text":"Token is required","code":2}`, 401, nil},
		{"/services/collector/event", `{"event":"a"}`, `{"text":"Invalid authorization","code":3}`, 401, []string{"Authorization: Digest x"}},
		{"/services/collector/event", `{"event":"a"}`, `{"text":"Invalid token","code":4}`, 403, []string{"Authorization: Splunk wrong"}},
		{"/services/collector/event", ``, `{"text":"No data","code":5}`, 400, []string{token}},
		{"/services/collector/event", `{"event":"a"}{"event`, `{"text":"Invalid data format","code":6,"invalid-event-number":1}`, 400, []string{token}},
		{"/services/collector/event", `{"event":"a"}{"time":1}`, `{"text":"Event field is required","code":12,"invalid-event-number":1}`, 400, []string{token}},
		{"/services/collector/event", `{"event":""}`, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, 400, []string{token}},
		{"/services/collector/raw", "a\nb", `{"text":"Data channel is missing","code":10}`, 400, []string{token}},
		{"/services/collector/raw?host=h&sourcetype=s", "a\r\n\nb\"", `"code":0`, 200, []string{token, ch}},
	} {
		if code, text, _ := x.send("POST", row.path, []byte(row.body), row.header...); code != row.code || !strings.Contains(text, row.want) {
			t.Errorf("%s %s: %d %s, want %d %s", row.path, row.body, code, text, row.code, row.want)
		}
	}
	if code, text, _ := x.send("GET", "/services/collector/health", nil); code != 200 || text != `{"text":"HEC is healthy","code":17}` {
		t.Errorf("%d %s", code, text)
	}
	want := `[{"event":"a"} {"event":{"b":1},"time":1} {"event":2} {"event":"a","host":"h","sourcetype":"s"} {"event":"b\"","host":"h","sourcetype":"s"}]`
	if got := fmt.Sprint(x.spooled("src-hec")); got != want {
		t.Errorf("spooled %s", got)
	}
	ack := func(body string) int64 {
		t.Helper()
		_, text, _ := x.send("POST", "/services/collector/event", []byte(body), token, ch)
		var a struct{ AckID int64 }
		if err := json.Unmarshal([]byte(text), &a); err != nil || a.AckID == 0 {
			t.Fatal(text, err)
		}
		return a.AckID
	}
	timed := `{"event":"t","time":1700000000.5}`
	first, untimed := ack(timed), ack(`{"event":"u"}`)
	if err := x.spool.Close(); err != nil {
		t.Fatal(err)
	}
	x.start(spool.Options{})
	ack(timed)           // a re-send: known
	ack(`{"event":"u"}`) // may truly have happened twice: kept, and marked
	if l, _ := x.spool.Lookup("main", "src-hec"); l.Stats().Suspected != 1 || l.Stats().Duplicates != 1 {
		t.Errorf("%+v", l.Stats())
	}
	before := len(x.spooled("src-hec"))
	if before != 8 {
		t.Errorf("%d events, want 8: %v", before, x.spooled("src-hec"))
	}
	_, text, _ := x.send("POST", "/services/collector/ack", fmt.Appendf(nil, `{"acks":[%d,%d,%d,0]}`, first, untimed, int64(1)<<50), token, ch)
	if want := fmt.Sprintf(`{"acks":{"0":false,"%d":false,"%d":true,"%d":true}}`, int64(1)<<50, first, untimed); !sameJSON(text, want) {
		t.Errorf("%s, want %s", text, want)
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

// TestOTLP: the same log record as protobuf and as JSON becomes the same document.
func TestOTLP(t *testing.T) {
	x := newRig(t, spool.Options{})
	str := func(k, v string) *commonpb.KeyValue {
		return &commonpb.KeyValue{Key: k, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v}}}
	}
	in := &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{str("host.name", "h1"), str("service.name", "shop")}},
		ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{TimeUnixNano: 1_700_000_000_123_000_000, SeverityText: "WARN", TraceId: bytes.Repeat([]byte{0xab}, 16),
			Body:       &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: "hello"}},
			Attributes: []*commonpb.KeyValue{str("user.name", "ana"), {Key: "n", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 7}}}}}}}}}}}
	binary, err := proto.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	text := `{"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"h1"}},{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[
{"timeUnixNano":"1700000000123000000","severityText":"WARN","traceId":"abababababababababababababababab","body":{"stringValue":"hello"},"new":1,
"attributes":[{"key":"user.name","value":{"stringValue":"ana"}},{"key":"n","value":{"intValue":"7"}}]}]}]}]}`
	token := "Authorization: Bearer good-otlp"
	if code, out, h := x.send("POST", "/v1/logs", binary, token, "Content-Type: application/x-protobuf"); code != 200 || out != "" || h.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("%d %q %v", code, out, h)
	}
	if code, out, _ := x.send("POST", "/v1/logs", zipped(text), token, "Content-Type: application/json; charset=utf-8", "Content-Encoding: gzip"); code != 200 || out != "{}" {
		t.Errorf("%d %q", code, out)
	}
	want := `{"@timestamp":"2023-11-14T22:13:20.123Z","host.name":"h1","log.level":"WARN","message":"hello","n":7,"service.name":"shop","trace.id":"abababababababababababababababab","user.name":"ana"}`
	if got := x.spooled("src-otlp"); len(got) != 2 || got[0] != want || got[1] != want {
		t.Errorf("got  %v\nwant %s twice", got, want)
	}
	for kind, want := range map[string]int{"application/x-protobuf": 400, "application/json": 400, "text/plain": 415} {
		if code, out, _ := x.send("POST", "/v1/logs", []byte("nonsense"), token, "Content-Type: "+kind); code != want {
			t.Errorf("%s: %d %s", kind, code, out)
		}
	}
	if code, _, _ := x.send("POST", "/v1/logs", binary, "Content-Type: application/x-protobuf"); code != 401 {
		t.Errorf("without token: %d", code)
	}
}

// FuzzBodies: no body makes a receiver panic, and what is taken is one line each.
func FuzzBodies(f *testing.F) {
	f.Add([]byte("{\"create\":{\"_id\":\"1\"}}\n{\"a\":1}\n"))
	f.Add([]byte(`{"event":"a"}{"event":{"b":1},"time":1}`))
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"},"attributes":[{"key":"a","value":{"doubleValue":"NaN"}}]}]}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var docs [][]byte
		if b, err := parseBulk(body, "i"); err == nil {
			if len(b.of) != len(b.records) || len(b.verbs) != len(b.items) {
				t.Fatal("records and items do not match")
			}
			for _, r := range b.records {
				docs = append(docs, r.Data)
			}
		}
		d, _, bad := hecEvents(body, nil)
		if bad == nil {
			docs = append(docs, d...)
		}
		for _, isJSON := range []bool{true, false} {
			if d, _, err := otlpDocs(body, isJSON); err == nil {
				docs = append(docs, d...)
			}
		}
		for _, d := range docs {
			if !json.Valid(d) || bytes.ContainsRune(d, '\n') {
				t.Errorf("%q is no JSON on one line", d)
			}
		}
	})
}
