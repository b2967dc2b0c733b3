package receive

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"vigil/internal/spool"
	"vigil/schema"
)

// hecAnswer is one of Splunk's numbered answers.
type hecAnswer struct {
	status int
	Text   string `json:"text"`
	Code   int    `json:"code"`
	Event  *int   `json:"invalid-event-number,omitempty"`
	Ack    *int64 `json:"ackId,omitempty"`
}

// The answers, numbered as senders know them.
var (
	hecOK         = hecAnswer{status: 200, Text: "Success", Code: 0}
	hecNoToken    = hecAnswer{status: 401, Text: "Token is required", Code: 2}
	hecBadAuth    = hecAnswer{status: 401, Text: "Invalid authorization", Code: 3}
	hecBadToken   = hecAnswer{status: 403, Text: "Invalid token", Code: 4}
	hecNoData     = hecAnswer{status: 400, Text: "No data", Code: 5}
	hecBadData    = hecAnswer{status: 400, Text: "Invalid data format", Code: 6}
	hecInternal   = hecAnswer{status: 500, Text: "Internal server error", Code: 8}
	hecBusy       = hecAnswer{status: 503, Text: "Server is busy", Code: 9}
	hecNoChannel  = hecAnswer{status: 400, Text: "Data channel is missing", Code: 10}
	hecNoEvent    = hecAnswer{status: 400, Text: "Event field is required", Code: 12}
	hecBlankEvent = hecAnswer{status: 400, Text: "Event field cannot be blank", Code: 13}
	hecHealthy    = hecAnswer{status: 200, Text: "HEC is healthy", Code: 17}
)

func (a hecAnswer) send(w http.ResponseWriter) { answer(w, a.status, a) }

// at names the event of the request that is wrong.
func (a hecAnswer) at(n int) *hecAnswer { a.Event = &n; return &a }

func (r *Receiver) hecRoutes(mux *http.ServeMux) {
	for _, v := range []string{"", "/1.0"} {
		mux.HandleFunc("GET /services/collector/health"+v, func(w http.ResponseWriter, _ *http.Request) { hecHealthy.send(w) })
		mux.HandleFunc("POST /services/collector/event"+v, r.hec(hecEvents))
		mux.HandleFunc("POST /services/collector/raw"+v, r.hec(hecLines))
	}
	mux.HandleFunc("POST /services/collector", r.hec(hecEvents))
	mux.HandleFunc("POST /services/collector/ack", r.hecAck)
}

func channel(req *http.Request) string {
	if c := req.Header.Get("X-Splunk-Request-Channel"); c != "" {
		return c
	}
	return req.URL.Query().Get("channel")
}

// hecLog finds the log of the request's token, or answers why there is none.
func (r *Receiver) hecLog(w http.ResponseWriter, req *http.Request) *spool.Log {
	log, err := r.authorize(req.Context(), tokenText(req), HEC)
	switch {
	case err == nil:
		return log
	case errors.Is(err, errNoToken) && req.Header.Get("Authorization") != "":
		hecBadAuth.send(w)
	case errors.Is(err, errNoToken):
		hecNoToken.send(w)
	case busy(err):
		hecBusy.send(w)
	case schema.CodeOf(err) == schema.Denied:
		hecBadToken.send(w)
	default:
		r.o.Log.Error("receiving events", "error", err)
		hecInternal.send(w)
	}
	return nil
}

// hec serves one of the two ways to send events, which differ in how they are split.
// timed says that every event carries its own time.
func (r *Receiver) hec(split func(body []byte, req *http.Request) (docs [][]byte, timed bool, bad *hecAnswer)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		log := r.hecLog(w, req)
		if log == nil {
			return
		}
		body, release, err := r.body(w, req, log)
		switch {
		case err != nil && busy(err):
			hecBusy.send(w)
			return
		case errors.Is(err, errTooLarge):
			answer(w, http.StatusRequestEntityTooLarge, hecBadData)
			return
		case err != nil:
			hecBadData.send(w)
			return
		}
		defer release()
		docs, timed, bad := split(body, req)
		if bad == nil && len(docs) == 0 {
			bad = &hecNoData
		}
		if bad != nil {
			log.Invalid(1)
			bad.send(w)
			return
		}
		res, err := log.AppendRequest(req.Context(), requestID(body), hecRecords(body, docs, timed, channel(req)))
		switch {
		case err != nil && schema.CodeOf(err) == schema.Invalid:
			hecBadData.send(w)
		case err != nil:
			r.o.Log.Debug("events are told to come later", "source", log.Source, "error", err)
			hecBusy.send(w)
		default:
			ok := hecOK
			if channel(req) != "" {
				ok.Ack = &res.Position
			}
			ok.send(w)
		}
	}
}

// hecRecords gives the events ids where a sender uses acknowledgement: on a channel, the
// same bytes again, with times of their own in every event, are a re-send after an answer
// that was lost. Events without a time may truly happen twice: they are always kept.
func hecRecords(body []byte, docs [][]byte, timed bool, channel string) []spool.Record {
	out := make([]spool.Record, len(docs))
	sum := ""
	if timed && channel != "" {
		s := sha256.Sum256(body)
		sum = string(s[:])
	}
	for i, d := range docs {
		out[i].Data = d
		if sum != "" {
			out[i].ID = recordID(HEC, channel, sum, fmt.Sprint(i))
		}
	}
	return out
}

// hecEvents splits JSON objects, which may follow each other without separator.
func hecEvents(body []byte, _ *http.Request) (docs [][]byte, timed bool, bad *hecAnswer) {
	timed = true
	in := json.NewDecoder(bytes.NewReader(body))
	for n := 0; ; n++ {
		var doc json.RawMessage
		if err := in.Decode(&doc); errors.Is(err, io.EOF) {
			return docs, timed, nil
		} else if err != nil {
			return nil, false, hecBadData.at(n)
		}
		var e struct {
			Event json.RawMessage `json:"event"`
			Time  json.RawMessage `json:"time"`
		}
		if err := json.Unmarshal(doc, &e); err != nil || len(doc) > maxRecord {
			return nil, false, hecBadData.at(n)
		}
		switch string(e.Event) {
		case "", "null":
			return nil, false, hecNoEvent.at(n)
		case `""`, "{}":
			return nil, false, hecBlankEvent.at(n)
		}
		timed = timed && len(e.Time) > 0 && string(e.Time) != "null"
		line, err := compact(doc)
		if err != nil {
			return nil, false, hecBadData.at(n)
		}
		docs = append(docs, line)
	}
}

// hecLines splits raw text at line ends and puts each line into an envelope with what
// the query says of it.
func hecLines(body []byte, req *http.Request) (docs [][]byte, timed bool, bad *hecAnswer) {
	if channel(req) == "" {
		return nil, false, &hecNoChannel
	}
	q := req.URL.Query()
	for n := 0; len(body) > 0; n++ {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if len(line) > maxRecord {
			return nil, false, hecBadData.at(n)
		}
		doc := map[string]string{"event": strings.ToValidUTF8(string(line), "\uFFFD")}
		for _, k := range []string{"host", "source", "sourcetype", "index", "time"} {
			if v := q.Get(k); v != "" {
				doc[k] = v
			}
		}
		text, err := json.Marshal(doc)
		if err != nil {
			return nil, false, hecBadData.at(n)
		}
		docs = append(docs, text)
	}
	return docs, false, nil
}

// hecAck answers which of the asked requests are safe. Their ids are positions on disk,
// so that the answer is right also after a restart.
func (r *Receiver) hecAck(w http.ResponseWriter, req *http.Request) {
	log := r.hecLog(w, req)
	if log == nil {
		return
	}
	if channel(req) == "" {
		hecNoChannel.send(w)
		return
	}
	var q struct {
		Acks []int64 `json:"acks"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, 1<<20)).Decode(&q); err != nil {
		hecBadData.send(w)
		return
	}
	durable := log.Position()
	acks := make(map[string]bool, len(q.Acks))
	for _, id := range q.Acks {
		acks[fmt.Sprint(id)] = id > 0 && id <= durable
	}
	answer(w, http.StatusOK, map[string]any{"acks": acks})
}
