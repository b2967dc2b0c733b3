package receive

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"vigil/internal/spool"
	"vigil/schema"
)

// otlpLogs serves OTLP/HTTP logs, as protobuf or JSON.
func (r *Receiver) otlpLogs(w http.ResponseWriter, req *http.Request) {
	kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if kind != "application/x-protobuf" && kind != "application/json" {
		http.Error(w, "want application/x-protobuf or application/json", http.StatusUnsupportedMediaType)
		return
	}
	isJSON := kind == "application/json"
	w.Header().Set("Content-Type", kind)
	log, err := r.authorize(req.Context(), tokenText(req), OTLP)
	if err != nil {
		otlpFailed(w, isJSON, err)
		return
	}
	body, release, err := r.body(w, req, log)
	if err != nil {
		otlpFailed(w, isJSON, err)
		return
	}
	defer release()
	lost, err := keepOTLP(req.Context(), log, body, isJSON)
	if err != nil {
		otlpFailed(w, isJSON, err)
		return
	}
	w.WriteHeader(http.StatusOK)
	if isJSON {
		_, _ = w.Write(lost.json())
		return
	}
	_, _ = w.Write(lost.protobuf())
}

// keepOTLP spools the records of a request, whichever way it came. What is wrong with one
// record refuses that record only: the sender is told in the answer, and does not send it
// again.
func keepOTLP(ctx context.Context, log *spool.Log, body []byte, isJSON bool) (rejected, error) {
	docs, lost, err := otlpDocs(body, isJSON)
	log.Invalid(int(lost.records))
	if err != nil {
		log.Invalid(1)
		return lost, err
	}
	if len(docs) == 0 {
		return lost, nil
	}
	records := make([]spool.Record, len(docs))
	for i, d := range docs {
		records[i].Data = d
	}
	_, err = log.AppendRequest(ctx, requestID(body), records)
	return lost, err
}

// rejected is what of a request was refused for good: OTLP's partial success.
type rejected struct {
	records int64
	why     string
}

func (x *rejected) add(why string) { x.records, x.why = x.records+1, why }

// protobuf is an ExportLogsServiceResponse; one without anything to say is no bytes.
func (x rejected) protobuf() []byte {
	if x.records == 0 {
		return nil
	}
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(x.records))
	b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), x.why)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b)
}

func (x rejected) json() []byte {
	if x.records == 0 {
		return []byte("{}")
	}
	text, _ := json.Marshal(map[string]any{"partialSuccess": map[string]string{"rejectedLogRecords": fmt.Sprint(x.records), "errorMessage": x.why}}) // strings only
	return text
}

// otlpFailed answers with a google.rpc.Status. Senders come back after 429 and 503 only.
func otlpFailed(w http.ResponseWriter, isJSON bool, err error) {
	s := httpStatus(err)
	if busy(err) {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(s)
	code := rpcCode(err)
	if isJSON {
		_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "message": err.Error()})
		return
	}
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
	_, _ = w.Write(protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), err.Error()))
}

// otlpDocs decodes an ExportLogsServiceRequest, which has the fields of LogsData, and
// makes one flat JSON document of each log record: OpenTelemetry's attribute names are
// those of ECS in what matters.
func otlpDocs(body []byte, isJSON bool) (out [][]byte, lost rejected, err error) {
	var in logspb.LogsData
	if isJSON {
		err = protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 64}.Unmarshal(body, &in)
	} else {
		err = proto.UnmarshalOptions{RecursionLimit: 64}.Unmarshal(body, &in)
	}
	if err != nil {
		return nil, lost, schema.E(schema.Invalid, "the body is no OTLP logs request", "", err)
	}
	for _, res := range in.GetResourceLogs() {
		for _, scope := range res.GetScopeLogs() {
			for _, rec := range scope.GetLogRecords() {
				doc := map[string]any{}
				attributes(doc, "", res.GetResource().GetAttributes())
				if name := scope.GetScope().GetName(); name != "" {
					doc["log.logger"] = name
				}
				attributes(doc, "", rec.GetAttributes())
				logRecord(doc, rec, isJSON)
				text, err := json.Marshal(doc)
				switch {
				case err != nil:
					lost.add("a log record cannot be kept: " + err.Error())
				case len(text) > maxRecord:
					lost.add(fmt.Sprintf("a log record is larger than %d MB", maxRecord>>20))
				default:
					out = append(out, text)
				}
			}
		}
	}
	return out, lost, nil
}

// logRecord puts the fixed fields of a record on its document.
func logRecord(doc map[string]any, rec *logspb.LogRecord, isJSON bool) {
	nano := rec.GetTimeUnixNano()
	if nano == 0 {
		nano = rec.GetObservedTimeUnixNano()
	}
	if nano > 0 && nano < 1<<63 {
		doc["@timestamp"] = time.Unix(0, int64(nano)).UTC().Format(time.RFC3339Nano)
	}
	if level := rec.GetSeverityText(); level != "" {
		doc["log.level"] = level
	} else if n := rec.GetSeverityNumber(); n > 0 {
		doc["log.level"] = strings.ToLower(strings.TrimPrefix(n.String(), "SEVERITY_NUMBER_"))
	}
	if name := rec.GetEventName(); name != "" {
		doc["event.action"] = name
	}
	switch v := rec.GetBody().GetValue().(type) {
	case nil:
	case *commonpb.AnyValue_KvlistValue:
		attributes(doc, "", v.KvlistValue.GetValues())
	default:
		doc["message"] = fmt.Sprint(value(rec.GetBody(), 0))
	}
	for name, id := range map[string][]byte{"trace.id": rec.GetTraceId(), "span.id": rec.GetSpanId()} {
		switch {
		case len(id) == 0:
		case isJSON: // OTLP's JSON has hex here, which the decoder took for base64
			doc[name] = base64.StdEncoding.EncodeToString(id)
		default:
			doc[name] = hex.EncodeToString(id)
		}
	}
}

// attributes puts attributes on the document by their dotted names.
func attributes(doc map[string]any, prefix string, list []*commonpb.KeyValue) {
	for _, kv := range list {
		name := prefix + kv.GetKey()
		if nested, ok := kv.GetValue().GetValue().(*commonpb.AnyValue_KvlistValue); ok && strings.Count(prefix, ".") < 16 {
			attributes(doc, name+".", nested.KvlistValue.GetValues())
			continue
		}
		doc[name] = value(kv.GetValue(), 0)
	}
}

func value(v *commonpb.AnyValue, depth int) any {
	switch x := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return x.StringValue
	case *commonpb.AnyValue_BoolValue:
		return x.BoolValue
	case *commonpb.AnyValue_IntValue:
		return x.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return fmt.Sprint(x.DoubleValue) // JSON has no NaN
	case *commonpb.AnyValue_BytesValue:
		return base64.StdEncoding.EncodeToString(x.BytesValue)
	case *commonpb.AnyValue_ArrayValue:
		out := []any{}
		for _, e := range x.ArrayValue.GetValues() {
			if depth < 16 {
				out = append(out, value(e, depth+1))
			}
		}
		return out
	case *commonpb.AnyValue_KvlistValue:
		out := map[string]any{}
		for _, kv := range x.KvlistValue.GetValues() {
			if depth < 16 {
				out[kv.GetKey()] = value(kv.GetValue(), depth+1)
			}
		}
		return out
	default:
		return nil
	}
}
