package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"vigil/internal/auth"
	"vigil/internal/bench"
	"vigil/internal/localca"
	"vigil/schema"
	"vigil/schema/flow"
	"vigil/server/receive"
)

const (
	benchBatch  = 500 // events a request
	benchAtOnce = 4   // connections
)

func newBenchReceiveCmd(a *app) *cobra.Command {
	var length time.Duration
	c := &cobra.Command{
		Use: "receive", Short: "Events per second, and processor time per event, of each receiver", Args: cobra.NoArgs,
		Long: `Sends events of about 250 bytes to each receiver of the running Vigil, 500 a request over four connections, for the time
asked, while draining is paused: what is measured is receiving, up to the fsync. The sender runs on the same machine. Syslog is
measured when Vigil runs with --syslog. The spool must have room for what comes (--spool-mb).`,
		Example: "  vigil up --syslog localhost:5514 &\n  vigil bench receive --for 10s",
		RunE:    func(c *cobra.Command, _ []string) error { return a.benchReceive(c.Context(), length) },
	}
	c.Flags().DurationVar(&length, "for", 10*time.Second, "how long each receiver is measured")
	return c
}

// benchSender makes what one connection calls to send a batch.
type benchSender struct {
	name, kind string
	addr       func(e endpoints) string
	connect    func(e endpoints, token string) (send func(ctx context.Context) error, err error)
}

// benchSenders is the table of what is measured.
var benchSenders = []benchSender{
	{"Elasticsearch _bulk", receive.Bulk, endpoints.receive, benchHTTP("/_bulk", "ApiKey", "application/x-ndjson", func(b *bytes.Buffer, text string) {
		fmt.Fprintf(b, "{\"create\":{\"_index\":\"logs\"}}\n{\"message\":%q}\n", text)
	})},
	{"Splunk HEC", receive.HEC, endpoints.receive, benchHTTP("/services/collector/event", "Splunk", "application/json", func(b *bytes.Buffer, text string) {
		fmt.Fprintf(b, `{"time":1760000000,"event":%q}`, text)
	})},
	{"OTLP over HTTP, protobuf", receive.OTLP, endpoints.receive, benchOTLP},
	{"OTLP over gRPC", receive.OTLP, func(e endpoints) string { return e.ReceiveGRPC }, benchGRPC},
	{"syslog by TCP", receive.Syslog, func(e endpoints) string { return e.Syslog }, benchSyslog},
}

func (e endpoints) receive() string { return e.Receive }

func (a *app) benchReceive(ctx context.Context, length time.Duration) error {
	e, err := a.endpoints()
	if err != nil {
		return err
	}
	tp, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	stamp := time.Now().UTC().Format("150405")
	var rows [][]any
	for i, s := range benchSenders {
		if s.addr(e) == "" {
			fmt.Fprintf(a.err, "%s is not received by this Vigil\n", s.name)
			continue
		}
		token, _ := auth.NewToken("vgp_")
		b := receiveBench{a: a, e: e, tp: tp, s: s, source: fmt.Sprintf("bench-%s-%d", stamp, i), token: token.Reveal()}
		row, err := b.run(ctx, length)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, row)
	}
	return a.table([]string{"receiver", "events", "events/s", "MB/s", "µs/event", "refused"}, rows)
}

// receiveBench measures one receiver.
type receiveBench struct {
	a             *app
	e             endpoints
	tp            client.Client
	s             benchSender
	source, token string
}

func (b *receiveBench) run(ctx context.Context, length time.Duration) ([]any, error) {
	if b.s.kind == receive.Syslog {
		b.source = b.e.SyslogSource
	} else if err := b.register(ctx); err != nil {
		return nil, err
	}
	first, err := b.s.connect(b.e, b.token)
	if err != nil {
		return nil, err
	}
	if err := first(ctx); err != nil { // from then on there is a drain to pause
		return nil, err
	}
	if err := b.drain(ctx, flow.UpdatePause); err != nil {
		return nil, err
	}
	before, err := b.counts(ctx)
	if err != nil {
		return nil, err
	}
	use, err := bench.UsageOf(b.e.PID)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := b.load(ctx, length); err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := b.counts(ctx)
	if err != nil {
		return nil, err
	}
	used, err := bench.UsageOf(b.e.PID)
	if err != nil {
		return nil, err
	}
	events := float64(after.Records - before.Records)
	cpu := (used.CPU - used.Children) - (use.CPU - use.Children)
	row := []any{b.s.name, int64(events), int64(events / took.Seconds()), fmt.Sprintf("%.1f", float64(after.Bytes-before.Bytes)/took.Seconds()/1e6),
		fmt.Sprintf("%.2f", float64(cpu.Microseconds())/max(events, 1)), after.Refused - before.Refused}
	return row, b.drain(ctx, flow.UpdateResume)
}

// register makes the push source.
func (b *receiveBench) register(ctx context.Context) error {
	_, err := b.a.admin(ctx, "source", flow.AdminInput{Verb: "source.push", By: "operator", Key: b.source,
		Args: map[string]string{"id": auth.TokenID(b.token), "kind": b.s.kind, "format": receive.Formats()[b.s.kind], "hours": "1"}})
	return err
}

// drain pauses or resumes what moves the source's spool into the store.
func (b *receiveBench) drain(ctx context.Context, update string) error {
	host, err := hostName()
	if err != nil {
		return err
	}
	id := flow.DrainID(b.a.org, b.source, host)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		h, err := b.tp.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: update, WaitForStage: client.WorkflowUpdateStageCompleted})
		if err == nil {
			err = h.Get(ctx, nil)
		}
		if err == nil || time.Now().After(end) || ctx.Err() != nil {
			return err
		}
	}
}

func (b *receiveBench) counts(ctx context.Context) (receiverRow, error) {
	rows, err := b.a.receivers(ctx)
	for _, r := range rows {
		if r.Source == b.source {
			return r, err
		}
	}
	return receiverRow{}, errors.Join(err, schema.E(schema.NotFound, "the receivers know nothing of "+b.source, ""))
}

// load sends over some connections at once until the time is over.
func (b *receiveBench) load(ctx context.Context, length time.Duration) error {
	end := time.Now().Add(length)
	errs := make([]error, benchAtOnce)
	var all sync.WaitGroup
	for i := range benchAtOnce {
		all.Go(func() {
			send, err := b.s.connect(b.e, b.token)
			for err == nil && time.Now().Before(end) {
				err = send(ctx)
			}
			errs[i] = err
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// benchTexts are the texts of one batch.
func benchTexts(yield func(string)) {
	for i := range benchBatch {
		yield(fmt.Sprintf("Accepted publickey for deploy from 192.0.2.%d port %d ssh2: ED25519 SHA256:%s", i%256, 1024+i, strings.Repeat("x", 150)))
	}
}

func benchPost(e endpoints, path, scheme, kind, token string, body []byte) func(context.Context) error {
	c := &http.Client{Transport: e.transport()}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Receive+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", scheme+" "+token)
		req.Header.Set("Content-Type", kind)
		res, err := c.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		_, err = io.Copy(io.Discard, res.Body)
		if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
			return errors.New(res.Status)
		}
		return err
	}
}

func benchHTTP(path, scheme, kind string, event func(*bytes.Buffer, string)) func(endpoints, string) (func(context.Context) error, error) {
	return func(e endpoints, token string) (func(context.Context) error, error) {
		var b bytes.Buffer
		benchTexts(func(s string) { event(&b, s) })
		return benchPost(e, path, scheme, kind, token, b.Bytes()), nil
	}
}

func benchLogs() *collogspb.ExportLogsServiceRequest {
	var records []*logspb.LogRecord
	benchTexts(func(s string) {
		records = append(records, &logspb.LogRecord{TimeUnixNano: 1_760_000_000_000_000_000, SeverityText: "INFO",
			Body: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}})
	})
	return &collogspb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: records}}}}}
}

func benchOTLP(e endpoints, token string) (func(context.Context) error, error) {
	body, err := proto.Marshal(benchLogs())
	return benchPost(e, "/v1/logs", "Bearer", "application/x-protobuf", token, body), err
}

func benchGRPC(e endpoints, token string) (func(context.Context) error, error) {
	scheme, addr, _ := strings.Cut(e.ReceiveGRPC, "://")
	creds := insecure.NewCredentials()
	if scheme == "https" {
		c := &tls.Config{MinVersion: tls.VersionTLS12}
		if e.CA != "" {
			pool, err := localca.Pool(e.CA)
			if err != nil {
				return nil, err
			}
			c.RootCAs = pool
		}
		creds = credentials.NewTLS(c)
	}
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		return nil, err
	}
	logs, request := collogspb.NewLogsServiceClient(conn), benchLogs()
	return func(ctx context.Context) error {
		_, err := logs.Export(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), request)
		return err
	}, nil
}

func benchSyslog(e endpoints, _ string) (func(context.Context) error, error) {
	conn, err := net.Dial("tcp", e.Syslog)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	benchTexts(func(s string) { fmt.Fprintf(&b, "<13>1 2026-01-01T00:00:00Z h sshd 1 - - %s\n", s) })
	return func(context.Context) error {
		_, err := conn.Write(b.Bytes())
		return err
	}, nil
}
