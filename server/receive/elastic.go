package receive

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"vigil/internal/auth"
	"vigil/internal/spool"
	"vigil/schema"
)

// elasticVersion is the version whose clients and shippers this speaks with.
const elasticVersion = "8.19.0"

// stubs are the set-up calls of shippers (templates, lifecycle policies, pipelines): we
// have no indexes, so that each is answered as done.
var stubs = []string{"/_ilm/", "/_index_template/", "/_component_template/", "/_template/", "/_ingest/", "/_data_stream/", "/_nodes", "/_cluster/", "/_alias/", "/_cat/"}

// elastic answers what Beats, Logstash, Vector, Fluent Bit, the OpenTelemetry Collector
// and the official clients ask an Elasticsearch for before and while they send.
func (r *Receiver) elastic() http.Handler {
	mux := http.NewServeMux()
	say := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, v) }
	}
	mux.HandleFunc("GET /{$}", say(map[string]any{"name": "vigil", "cluster_name": "vigil", "cluster_uuid": "vigil", "tagline": "You Know, for Search",
		"version": map[string]any{"number": elasticVersion, "build_flavor": "default", "build_type": "tar", "lucene_version": "9.12.0",
			"minimum_wire_compatibility_version": "7.17.0", "minimum_index_compatibility_version": "7.0.0"}}))
	mux.HandleFunc("GET /_license", say(map[string]any{"license": map[string]any{"status": "active", "uid": "00000000-0000-0000-0000-000000000000", "type": "basic",
		"mode": "basic", "expiry_date_in_millis": int64(4102444800000)}}))
	mux.HandleFunc("GET /_xpack", say(map[string]any{"features": map[string]any{"ilm": map[string]any{"available": false, "enabled": false}}}))
	for _, p := range stubs {
		mux.HandleFunc(p, say(map[string]any{"acknowledged": true}))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		elasticError(w, http.StatusNotFound, "invalid_index_name_exception", "only _bulk stores documents here: "+req.Method+" "+req.URL.Path)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch") // clients refuse to go on without it
		if accept := req.Header.Get("Accept"); strings.Contains(accept, "compatible-with=") {
			first, _, _ := strings.Cut(accept, ",")
			w.Header().Set("Content-Type", first)
		}
		index, ok := strings.CutSuffix(req.URL.Path, "/_bulk")
		if ok && (req.Method == http.MethodPost || req.Method == http.MethodPut) {
			r.bulk(w, req, strings.TrimPrefix(index, "/"))
			return
		}
		if req.Method == http.MethodHead { // "does this index, template or policy exist?"
			w.WriteHeader(http.StatusOK)
			return
		}
		mux.ServeHTTP(w, req)
	})
}

// cause is how Elasticsearch says what is wrong.
type cause struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

func elasticError(w http.ResponseWriter, status int, kind, reason string) {
	answer(w, status, map[string]any{"status": status, "error": map[string]any{"type": kind, "reason": reason, "root_cause": []cause{{kind, reason}}}})
}

// elasticKinds names errors by their status.
var elasticKinds = map[int]string{
	http.StatusBadRequest: "illegal_argument_exception", http.StatusUnauthorized: "security_exception", http.StatusForbidden: "security_exception",
	http.StatusRequestEntityTooLarge: "content_too_long_exception", http.StatusTooManyRequests: "es_rejected_execution_exception", http.StatusServiceUnavailable: "unavailable_shards_exception",
}

func elasticFailed(w http.ResponseWriter, err error) {
	s := httpStatus(err)
	if s == http.StatusForbidden && errors.Is(err, errBadToken) {
		s = http.StatusUnauthorized
	}
	elasticError(w, s, elasticKinds[s], err.Error())
}

// bulkItem is what became of one document.
type bulkItem struct {
	Index   string         `json:"_index"`
	ID      string         `json:"_id"`
	Version int            `json:"_version,omitempty"`
	Result  string         `json:"result,omitempty"`
	Shards  map[string]int `json:"_shards,omitempty"`
	SeqNo   *int64         `json:"_seq_no,omitempty"`
	Term    int            `json:"_primary_term,omitempty"`
	Status  int            `json:"status"`
	Error   *cause         `json:"error,omitempty"`
}

// bulkRequest is a parsed request: its items, and the records of those that are stored.
type bulkRequest struct {
	verbs   []string
	items   []bulkItem
	records []spool.Record
	of      []int // item of each record
}

func (r *Receiver) bulk(w http.ResponseWriter, req *http.Request, index string) {
	log, err := r.authorize(req.Context(), tokenText(req), Bulk)
	if err != nil {
		elasticFailed(w, err)
		return
	}
	body, release, err := r.body(w, req, log)
	if err != nil {
		elasticFailed(w, err)
		return
	}
	defer release()
	b, err := parseBulk(body, index)
	if err != nil {
		log.Invalid(1)
		elasticFailed(w, err)
		return
	}
	log.Invalid(len(b.items) - len(b.records))
	if len(b.records) > 0 {
		res, err := log.AppendRequest(req.Context(), requestID(body), b.records)
		if err != nil {
			if busy(err) { // shippers back off and retry on 429
				elasticError(w, http.StatusTooManyRequests, elasticKinds[http.StatusTooManyRequests], err.Error())
				return
			}
			elasticFailed(w, err)
			return
		}
		b.stored(res)
	}
	failed := false
	items := make([]map[string]bulkItem, len(b.items))
	for i, it := range b.items {
		items[i] = map[string]bulkItem{b.verbs[i]: it}
		failed = failed || it.Error != nil
	}
	answer(w, http.StatusOK, map[string]any{"took": 1, "errors": failed, "items": items})
}

// parseBulk reads pairs of action and document. What is wrong with one document is said
// in its item; what makes the pairs unreadable fails the request.
func parseBulk(body []byte, index string) (*bulkRequest, error) {
	b := &bulkRequest{}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, schema.E(schema.Invalid, "request body is required", "")
	}
	for len(body) > 0 {
		var line []byte
		if line, body, _ = bytes.Cut(body, []byte("\n")); len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var action map[string]struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		if err := json.Unmarshal(line, &action); err != nil || len(action) != 1 {
			return nil, schema.E(schema.Invalid, "malformed action/metadata line, expected one of create, delete, index or update", "")
		}
		for verb, meta := range action {
			it := bulkItem{Index: meta.Index, ID: meta.ID}
			if it.Index == "" {
				it.Index = index
			}
			var doc []byte
			if verb != "delete" {
				if len(body) == 0 {
					return nil, schema.E(schema.Invalid, "the document of the last action is missing", "end the body with a newline")
				}
				doc, body, _ = bytes.Cut(body, []byte("\n"))
			}
			b.take(verb, it, bytes.TrimSpace(doc))
		}
	}
	return b, nil
}

func (b *bulkRequest) take(verb string, it bulkItem, doc []byte) {
	refuse := func(kind, reason string) { it.Status, it.Error = http.StatusBadRequest, &cause{kind, reason} }
	var record []byte
	var err error
	switch {
	case verb != "index" && verb != "create":
		refuse("illegal_argument_exception", "events are stored and never changed: only index and create are taken, not "+verb)
	case it.Index == "":
		refuse("action_request_validation_exception", "index is missing")
	case len(doc) > maxRecord:
		refuse("document_parsing_exception", "the document is larger than 16 MB")
	case len(doc) == 0 || doc[0] != '{':
		refuse("document_parsing_exception", "the document is not a JSON object")
	default:
		if record, err = compact(doc); err != nil {
			refuse("document_parsing_exception", "failed to parse: "+err.Error())
		}
	}
	if it.Error == nil {
		rec := spool.Record{Data: record}
		if it.ID != "" {
			rec.ID = recordID(Bulk, it.Index, it.ID)
		} else {
			_, id := auth.NewToken("")
			it.ID = id[:20]
		}
		b.records = append(b.records, rec)
		b.of = append(b.of, len(b.items))
	}
	b.verbs, b.items = append(b.verbs, verb), append(b.items, it)
}

// stored fills in the items of what is on disk now. A document whose id is known is not
// stored again: create is a conflict, as in Elasticsearch, and index changes nothing.
func (b *bulkRequest) stored(res spool.Result) {
	for i, n := range b.of {
		it := &b.items[n]
		switch {
		case res.Duplicate == nil || !res.Duplicate[i]:
			seq := res.Position
			it.Status, it.Result, it.Version, it.Term, it.SeqNo = http.StatusCreated, "created", 1, 1, &seq
			it.Shards = map[string]int{"total": 1, "successful": 1, "failed": 0}
		case b.verbs[n] == "create":
			it.Status = http.StatusConflict
			it.Error = &cause{"version_conflict_engine_exception", "[" + it.ID + "]: version conflict, document already exists"}
		default:
			it.Status, it.Result, it.Version, it.Term = http.StatusOK, "noop", 1, 1
			it.Shards = map[string]int{"total": 1, "successful": 1, "failed": 0}
		}
	}
}
