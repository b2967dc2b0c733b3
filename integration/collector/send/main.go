// Command send sends numbered log records with OpenTelemetry's Go SDK by OTLP over gRPC,
// as an instrumented program would. The exporter is configured by the SDK's own
// environment variables (OTEL_EXPORTER_OTLP_LOGS_ENDPOINT and so on).
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

func main() {
	count := flag.Int("count", 100, "records to send")
	name := flag.String("name", "otlp", "what each record's text starts with")
	pause := flag.Duration("pause", time.Millisecond, "time between two records")
	flag.Parse()
	if err := send(context.Background(), *name, *count, *pause); err != nil {
		log.Fatal(err)
	}
}

func send(ctx context.Context, name string, count int, pause time.Duration) error {
	failed := 0
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { failed++; log.Print(err) }))
	out, err := otlploggrpc.New(ctx, otlploggrpc.WithRetry(otlploggrpc.RetryConfig{Enabled: true, InitialInterval: 100 * time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: 3 * time.Minute}),
		otlploggrpc.WithTimeout(3*time.Minute))
	if err != nil {
		return err
	}
	batch := sdklog.NewBatchProcessor(out, sdklog.WithExportMaxBatchSize(25), sdklog.WithExportInterval(50*time.Millisecond), sdklog.WithMaxQueueSize(100_000), sdklog.WithExportTimeout(3*time.Minute))
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(batch))
	logger := provider.Logger("send")
	for i := range count {
		var r otellog.Record
		r.SetTimestamp(time.Now())
		r.SetSeverity(otellog.SeverityInfo)
		r.SetBody(otellog.StringValue(fmt.Sprintf("%s g%d n%d", name, i/500, i)))
		logger.Emit(ctx, r)
		time.Sleep(pause)
	}
	if err := provider.Shutdown(ctx); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d exports failed", failed)
	}
	return nil
}
