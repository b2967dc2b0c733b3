package receive

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	colpb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"vigil/internal/spool"
)

// grpcClient serves the rig's receiver over gRPC and returns a client as generated for
// everybody.
func grpcClient(t *testing.T, r *Receiver) colpb.LogsServiceClient {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.RunGRPC(ctx, l, nil) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(1<<30)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return colpb.NewLogsServiceClient(conn)
}

// logs is a request with a record for each text.
func logs(texts ...string) *colpb.ExportLogsServiceRequest {
	var records []*logspb.LogRecord
	for _, s := range texts {
		records = append(records, &logspb.LogRecord{Body: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}})
	}
	return &colpb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: records}}}}}
}

func bearer(t *testing.T, token string) context.Context {
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
}

// TestGRPC: what is answered is on disk, compressed or not, and the same request over HTTP
// is known for a re-send.
func TestGRPC(t *testing.T) {
	x := newRig(t, spool.Options{})
	c := grpcClient(t, x.r)
	res, err := c.Export(bearer(t, "good-otlp"), logs("one", "two"))
	if err != nil || res.GetPartialSuccess() != nil {
		t.Fatal(res, err)
	}
	if _, err := c.Export(bearer(t, "good-otlp"), logs("three"), grpc.UseCompressor(gzip.Name)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(x.spooled("src-otlp"), " "); got != `{"message":"one"} {"message":"two"} {"message":"three"}` {
		t.Error(got)
	}
	body, err := proto.Marshal(logs("one", "two"))
	if err != nil {
		t.Fatal(err)
	}
	if code, out, _ := x.send("POST", "/v1/logs", body, "Authorization: Bearer good-otlp", "Content-Type: application/x-protobuf"); code != 200 {
		t.Error(code, out)
	}
	if l, _ := x.spool.Lookup("main", "src-otlp"); l.Stats().Suspected != 2 {
		t.Errorf("%+v", l.Stats())
	}
}

// TestGRPCRefused: each reason has its code, and whoever should come back is told when.
func TestGRPCRefused(t *testing.T) {
	x := newRig(t, spool.Options{Limit: 1 << 20})
	c := grpcClient(t, x.r)
	big := strings.Repeat("x", 600<<10)
	huge := strings.Repeat("x", maxUnpacked)
	if _, err := c.Export(bearer(t, "good-otlp"), logs(big)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, token string
		in          *colpb.ExportLogsServiceRequest
		down        bool
		code        codes.Code
		retry       bool
	}{
		{"no token", "", logs("a"), false, codes.Unauthenticated, false},
		{"wrong token", "nonsense", logs("a"), false, codes.PermissionDenied, false},
		{"token of another kind", "good-bulk", logs("a"), false, codes.PermissionDenied, false},
		{"the spool is full", "good-otlp", logs(big), false, codes.ResourceExhausted, true},
		{"too large", "good-otlp", logs(huge), false, codes.ResourceExhausted, false},
		{"tokens cannot be looked up", "unknown", logs("a"), true, codes.Unavailable, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x.down = tc.down
			ctx := t.Context()
			if tc.token != "" {
				ctx = bearer(t, tc.token)
			}
			_, err := c.Export(ctx, tc.in)
			st := status.Convert(err)
			if st.Code() != tc.code {
				t.Fatalf("%v", err)
			}
			told := false
			for _, d := range st.Details() {
				info, ok := d.(*errdetails.RetryInfo)
				told = told || ok && info.GetRetryDelay().AsDuration() > 0
			}
			if told != tc.retry {
				t.Errorf("told to come back: %v: %v", told, err)
			}
		})
	}
	if got := x.spooled("src-otlp"); len(got) != 1 {
		t.Errorf("%d records are kept", len(got))
	}
	if l, _ := x.spool.Lookup("main", "src-otlp"); l.Stats().Refused != 1 || l.Stats().Invalid != 1 {
		t.Errorf("%+v", l.Stats())
	}
}

// TestPartialSuccess: a record that is too large is refused, those beside it are kept, and
// the sender is told in each of the three ways to ask.
func TestPartialSuccess(t *testing.T) {
	x := newRig(t, spool.Options{})
	in := logs("small", strings.Repeat("x", maxRecord), "also small")
	res, err := grpcClient(t, x.r).Export(bearer(t, "good-otlp"), in)
	if err != nil || res.GetPartialSuccess().GetRejectedLogRecords() != 1 || !strings.Contains(res.GetPartialSuccess().GetErrorMessage(), "larger") {
		t.Fatal(res, err)
	}
	body, err := proto.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	code, out, _ := x.send("POST", "/v1/logs", body, "Authorization: Bearer good-otlp", "Content-Type: application/x-protobuf")
	var got colpb.ExportLogsServiceResponse
	if err := proto.Unmarshal([]byte(out), &got); code != 200 || err != nil || got.GetPartialSuccess().GetRejectedLogRecords() != 1 {
		t.Error(code, out, err)
	}
	text := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"` + strings.Repeat("x", maxRecord) + `"}},{"body":{"stringValue":"json"}}]}]}]}`
	if code, out, _ := x.send("POST", "/v1/logs", []byte(text), "Authorization: Bearer good-otlp", "Content-Type: application/json"); code != 200 || !strings.Contains(out, `"rejectedLogRecords":"1"`) {
		t.Error(code, out)
	}
	if got := strings.Join(x.spooled("src-otlp"), " "); got != `{"message":"small"} {"message":"also small"} {"message":"small"} {"message":"also small"} {"message":"json"}` {
		t.Error(got)
	}
	if l, _ := x.spool.Lookup("main", "src-otlp"); l.Stats().Invalid != 3 {
		t.Errorf("%+v", l.Stats())
	}
}

// TestLoudSource: a source that has all the requests in memory that it may leaves room for
// another one.
func TestLoudSource(t *testing.T) {
	x := newRig(t, spool.Options{})
	leave := []func(){}
	for {
		l, err := x.r.enter(t.Context(), "loud")
		if err != nil {
			break
		}
		leave = append(leave, l)
	}
	if len(leave) != atOnce/2 {
		t.Errorf("%d requests of one source", len(leave))
	}
	ctx, cancel := context.WithTimeout(bearer(t, "good-otlp"), 10*time.Second)
	defer cancel()
	if _, err := grpcClient(t, x.r).Export(ctx, logs("quiet")); err != nil {
		t.Error(err)
	}
	for _, l := range leave {
		l()
	}
	if x.r.all != 0 || len(x.r.busy) != 0 {
		t.Errorf("%d %v", x.r.all, x.r.busy)
	}
}
