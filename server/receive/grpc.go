package receive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // what senders compress with
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"vigil/schema"
)

// logsService is OTLP's service for logs. Export is described as a stream, which looks the
// same on the wire: so the token is checked, and room made, before the message is read.
var logsService = grpc.ServiceDesc{
	ServiceName: "opentelemetry.proto.collector.logs.v1.LogsService",
	HandlerType: (*any)(nil),
	Streams:     []grpc.StreamDesc{{StreamName: "Export", ServerStreams: true, ClientStreams: true, Handler: exportLogs}},
	Metadata:    "opentelemetry/proto/collector/logs/v1/logs_service.proto",
}

// RunGRPC serves OTLP over gRPC on the listener until ctx ends; certs, if not nil, makes
// it TLS.
func (r *Receiver) RunGRPC(ctx context.Context, l net.Listener, certs *tls.Config) error {
	o := []grpc.ServerOption{
		grpc.ForceServerCodecV2(rawCodec{}), grpc.MaxRecvMsgSize(maxUnpacked), grpc.MaxConcurrentStreams(atOnce), grpc.ConnectionTimeout(10 * time.Second),
		grpc.MaxHeaderListSize(64 << 10),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 5 * time.Minute, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}
	if certs != nil {
		o = append(o, grpc.Creds(credentials.NewTLS(certs)))
	}
	srv := grpc.NewServer(o...)
	srv.RegisterService(&logsService, r)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving OTLP over gRPC: %w", err)
	case <-ctx.Done():
	}
	hurry := time.AfterFunc(stopTime, srv.Stop)
	defer hurry.Stop()
	srv.GracefulStop()
	return nil
}

// exportLogs serves one call of LogsService.Export.
func exportLogs(srv any, stream grpc.ServerStream) (err error) {
	r := srv.(*Receiver)
	defer func() {
		if v := recover(); v != nil {
			r.o.Log.Error("a receiver panicked", "call", "OTLP Export", "panic", v)
			err = status.Error(codes.Internal, "internal error")
		}
	}()
	answer, err := r.export(stream)
	if err != nil {
		return rpcError(err)
	}
	return stream.SendMsg(&answer)
}

func (r *Receiver) export(stream grpc.ServerStream) ([]byte, error) {
	ctx := stream.Context()
	log, err := r.authorize(ctx, callToken(ctx), OTLP)
	if err != nil {
		return nil, err
	}
	leave, err := r.enter(ctx, log.Source)
	if err != nil {
		return nil, err
	}
	defer leave()
	var body []byte
	if err := stream.RecvMsg(&body); err != nil {
		log.Invalid(1)
		if errors.Is(err, io.EOF) {
			return nil, schema.E(schema.Invalid, "the call carries no request", "")
		}
		return nil, err
	}
	lost, err := keepOTLP(ctx, log, body, false)
	return lost.protobuf(), err
}

// callToken finds the token of a call: as bearer token, like over HTTP.
func callToken(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, v := range md.Get("authorization") {
		if scheme, token, ok := strings.Cut(v, " "); ok && strings.EqualFold(scheme, "bearer") {
			return strings.TrimSpace(token)
		}
	}
	return ""
}

// rpcCodes are the codes of errors, by their HTTP status; what is not here is invalid.
var rpcCodes = map[int]codes.Code{
	http.StatusUnauthorized: codes.Unauthenticated, http.StatusForbidden: codes.PermissionDenied, http.StatusTooManyRequests: codes.ResourceExhausted,
	http.StatusServiceUnavailable: codes.Unavailable, http.StatusInternalServerError: codes.Internal,
}

func rpcCode(err error) codes.Code {
	if code, ok := rpcCodes[httpStatus(err)]; ok {
		return code
	}
	return codes.InvalidArgument
}

// rpcError is an error as gRPC tells it. Senders take RESOURCE_EXHAUSTED for final, unless
// they are told when to come back.
func rpcError(err error) error {
	if _, ok := status.FromError(err); ok {
		return err // gRPC's own: a message that is too large, a sender that is gone
	}
	st := status.New(rpcCode(err), err.Error())
	if busy(err) {
		if told, derr := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}); derr == nil {
			st = told
		}
	}
	return st.Err()
}

// rawCodec hands messages over as the bytes that came: of them the request's id is made,
// the same as when it came over HTTP.
type rawCodec struct{}

// Marshal implements encoding.CodecV2.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, schema.E(schema.Internal, fmt.Sprintf("a message is %T, not bytes", v), "")
	}
	return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return schema.E(schema.Internal, fmt.Sprintf("a message is %T, not bytes", v), "")
	}
	*b = data.Materialize()
	return nil
}

// Name implements encoding.CodecV2.
func (rawCodec) Name() string { return "proto" }
