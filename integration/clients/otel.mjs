// Emits numbered log records with OpenTelemetry's JavaScript SDK, by OTLP over HTTP.
// node otel.mjs URL TOKEN NAME COUNT
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";

const [url, token, name, count] = process.argv.slice(2);
const exporter = new OTLPLogExporter({ url: `${url}/v1/logs`, headers: { Authorization: `Bearer ${token}` }, timeoutMillis: 60_000 });
const processor = new BatchLogRecordProcessor({ exporter, maxExportBatchSize: 25, scheduledDelayMillis: 100, maxQueueSize: 10_000, exportTimeoutMillis: 60_000 });
const provider = new LoggerProvider({ processors: [processor] });
const log = provider.getLogger("otel");
for (let n = 0; n < Number(count); n++) {
  log.emit({ body: `${name} g0 n${n}`, severityText: "INFO" });
  await new Promise((done) => setTimeout(done, 10));
}
await provider.shutdown();
