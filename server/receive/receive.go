// Package receive takes events over HTTP and gRPC from programs that already speak Elasticsearch's
// bulk API, Splunk's HTTP Event Collector or OTLP. It answers success only after the
// events are in the spool, on disk; a full spool is a "try later" in each protocol's own
// words. It knows nothing of what the events mean.
package receive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"vigil/internal/auth"
	"vigil/internal/spool"
	"vigil/internal/store"
	"vigil/schema"
)

// The kinds of push sources.
const (
	Bulk   = "bulk"   // Elasticsearch _bulk
	HEC    = "hec"    // Splunk HTTP Event Collector
	OTLP   = "otlp"   // OpenTelemetry logs
	Syslog = "syslog" // received by internal/source
)

// Formats is the parser format of each kind's records.
func Formats() map[string]string {
	return map[string]string{Bulk: "json", HEC: "hec", OTLP: "json", Syslog: "syslog"}
}

// The bounds of one request, and of all at once: together they bound memory.
const (
	maxBody     = 32 << 20 // bytes as sent
	maxUnpacked = 64 << 20 // bytes after decompression
	maxRecord   = 16 << 20 // one record
	atOnce      = 32       // requests whose bodies are in memory
	retryAfter  = "1"      // seconds, told to those who must come back
)

// Options are what the receivers work with; all are required but Log.
type Options struct {
	Spool *spool.Dir
	// Token returns the token with that id (auth.TokenID of its text), whose org is whose the
	// records are; NotFound also when that org is closed.
	Token func(ctx context.Context, id string) (store.Session, error)
	// Begun is called when a source has got a spool: from then on it must be drained.
	Begun func(source string)
	Log   *slog.Logger
}

// Receiver serves the protocols.
type Receiver struct {
	o        Options
	patience time.Duration // with a store that does not answer, and for room in memory
	mu       sync.Mutex
	known    map[string]grant
	busy     map[string]int // requests whose bodies are in memory, by source
	all      int            // of all sources
	freed    chan struct{}  // closed when a request has left
}

// grant is what a token allows, and until when it is believed without asking again.
type grant struct {
	org, source, kind, format string
	limits                    spool.Limits // Set is zero: the token says nothing of limits
	asked                     time.Time
	expires                   time.Time
}

// New makes the receiver.
func New(o Options) *Receiver {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Receiver{o: o, patience: patience, known: map[string]grant{}, busy: map[string]int{}, freed: make(chan struct{})}
}

// Handler routes by path. The standard mux cannot hold "/{index}/_bulk" beside "/_ilm/":
// bulk requests are found by their ending.
func (r *Receiver) Handler() http.Handler {
	mux := http.NewServeMux()
	r.hecRoutes(mux)
	mux.HandleFunc("POST /v1/logs", r.otlpLogs)
	elastic := r.elastic()
	mux.Handle("/", elastic)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				r.o.Log.Error("a receiver panicked", "path", req.URL.Path, "panic", v)
				http.Error(w, "internal error", http.StatusInternalServerError)
			}
		}()
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.HasSuffix(req.URL.Path, "/_bulk") {
			elastic.ServeHTTP(w, req)
			return
		}
		mux.ServeHTTP(w, req)
	})
}

// stopTime is how long requests in flight get at the end.
const stopTime = 10 * time.Second

// Run serves on the listener until ctx ends; certs, if not nil, makes it TLS.
func (r *Receiver) Run(ctx context.Context, l net.Listener, certs *tls.Config) error {
	if certs != nil {
		certs = certs.Clone()
		certs.NextProtos = []string{"http/1.1"}
		l = tls.NewListener(l, certs)
	}
	srv := &http.Server{Handler: r.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(r.o.Log.Handler(), slog.LevelDebug)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving the receivers: %w", err)
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := srv.Shutdown(wait); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return srv.Close()
}

// tokenText finds the token in the ways that clients of these protocols send one.
func tokenText(req *http.Request) string {
	h := req.Header.Get("Authorization")
	scheme, rest, _ := strings.Cut(h, " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(scheme) {
	case "splunk", "bearer":
		return rest
	case "apikey": // the token itself, or base64 of id:token
		if text, err := base64.StdEncoding.DecodeString(rest); err == nil {
			if _, token, ok := strings.Cut(string(text), ":"); ok {
				return token
			}
		}
		return rest
	case "basic":
		_, password, _ := req.BasicAuth()
		return password
	}
	return ""
}

// The reasons why a request is refused before its body is read.
var (
	errNoToken  = schema.E(schema.Unauthorized, "a token is required", "make one: vigil sources add-push NAME")
	errBadToken = schema.E(schema.Denied, "the token is not valid", "make one: vigil sources add-push NAME")
)

// authorize returns the log that a token may write to.
func (r *Receiver) authorize(ctx context.Context, token, kind string) (*spool.Log, error) {
	if token == "" {
		return nil, errNoToken
	}
	g, err := r.grant(ctx, auth.TokenID(token))
	if err != nil {
		return nil, err
	}
	if g.kind != kind {
		return nil, schema.E(schema.Denied, fmt.Sprintf("the token is for %s, not %s", g.kind, kind), "give each kind a source of its own: vigil sources add-push")
	}
	l, ok := r.o.Spool.Lookup(g.org, g.source)
	if !ok || l.Kind != kind {
		if l, err = r.o.Spool.Log(spool.Meta{Org: g.org, Source: g.source, Kind: kind, Format: g.format, Limits: g.limits}); err != nil {
			return nil, err
		}
		r.o.Begun(g.source)
	}
	return l, l.Limit(g.limits)
}

const (
	believe      = 15 * time.Second // how long a token is believed without asking the store
	believeStale = time.Hour        // how long while the store does not answer
	patience     = 15 * time.Second // how long an answer of the store is waited for
)

func (r *Receiver) grant(ctx context.Context, id string) (grant, error) {
	now := time.Now()
	r.mu.Lock()
	g, cached := r.known[id]
	r.mu.Unlock()
	if cached && now.Sub(g.asked) < believe && now.Before(g.expires) {
		return g, nil
	}
	x, err := r.ask(ctx, id, cached)
	switch code := schema.CodeOf(err); {
	case err != nil && code != schema.NotFound && cached && now.Sub(g.asked) < believeStale && now.Before(g.expires):
		return g, nil // the engine is away; the spool is not
	case err != nil && code != schema.NotFound:
		r.o.Log.Warn("a token cannot be looked up; its sender is told to come later", "error", err)
		return grant{}, schema.E(schema.Unavailable, "tokens cannot be looked up now", "send again later", err)
	case err != nil, !x.Valid(now):
		r.forget(id)
		return grant{}, errBadToken
	}
	g = grant{org: x.Org, asked: now, expires: x.Expires}
	for _, s := range x.Scopes {
		g.scope(s, x.Created)
	}
	if g.source == "" {
		r.forget(id)
		return grant{}, errBadToken // a token of a person, not of a source
	}
	r.mu.Lock()
	r.known[id] = g
	r.mu.Unlock()
	return g, nil
}

// ask looks a token up. While the store does not answer it asks again for a while, if
// nothing is known of the token: some senders take "later" for "never".
func (r *Receiver) ask(ctx context.Context, id string, known bool) (x store.Session, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	for {
		x, err = r.o.Token(ctx, id)
		if err == nil || known || schema.CodeOf(err) == schema.NotFound {
			return x, err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return x, err
		}
	}
}

// scope takes one scope of a token, "name:value". What this version does not know is
// passed over.
func (g *grant) scope(text string, created time.Time) {
	name, value, _ := strings.Cut(text, ":")
	limits := map[string]*int64{"quota": &g.limits.Quota, "rate": &g.limits.Rate, "weight": &g.limits.Weight}
	switch name {
	case "ingest":
		g.source = value
	case "kind":
		g.kind = value
	case "format":
		g.format = value
	default:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && limits[name] != nil {
			*limits[name], g.limits.Set = n, created
		}
	}
}

func (r *Receiver) forget(id string) {
	r.mu.Lock()
	delete(r.known, id)
	r.mu.Unlock()
}

// enter waits for room in memory for one request of a source; the request is not read
// meanwhile. Who waits too long comes again later.
func (r *Receiver) enter(ctx context.Context, source string) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	for {
		freed := r.tryEnter(source)
		if freed == nil {
			return func() { r.leave(source) }, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, schema.E(schema.Exhausted, "too many requests of "+source+" at once", "send again later")
		}
	}
}

// tryEnter takes room, or returns what is closed when there is more. A source may have as
// many requests at once as are left for others: one that is loud leaves room for one that
// is not.
func (r *Receiver) tryEnter(source string) (freed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[source] >= atOnce-r.all {
		return r.freed
	}
	r.busy[source]++
	r.all++
	return nil
}

func (r *Receiver) leave(source string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.busy[source]--; r.busy[source] == 0 {
		delete(r.busy, source)
	}
	close(r.freed)
	r.freed = make(chan struct{})
}

// body reads the request's body, decompressed, within the bounds. release must be called
// when it is not used any more.
func (r *Receiver) body(w http.ResponseWriter, req *http.Request, log *spool.Log) (b []byte, release func(), err error) {
	leave, err := r.enter(req.Context(), log.Source)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			leave()
			log.Invalid(1)
		}
	}()
	var in io.Reader = http.MaxBytesReader(w, req.Body, maxBody)
	switch enc := req.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, schema.E(schema.Invalid, "the body is not gzip", "", err)
		}
		in = z
	default:
		return nil, nil, schema.E(schema.Invalid, "the content encoding "+enc+" is not supported", "gzip or none")
	}
	b, err = io.ReadAll(io.LimitReader(in, maxUnpacked+1)) // a bomb stops here
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large), len(b) > maxUnpacked:
		return nil, nil, errTooLarge
	case err != nil:
		return nil, nil, schema.E(schema.Invalid, "the body cannot be read", "", err)
	}
	return b, leave, nil
}

var errTooLarge = schema.E(schema.Invalid, "the body is too large", fmt.Sprintf("at most %d MB, %d MB unpacked", maxBody>>20, maxUnpacked>>20))

// httpStatus is the HTTP status of an error.
func httpStatus(err error) int {
	if errors.Is(err, errTooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	switch schema.CodeOf(err) {
	case schema.Invalid, schema.Conflict:
		return http.StatusBadRequest
	case schema.Unauthorized:
		return http.StatusUnauthorized
	case schema.Denied:
		return http.StatusForbidden
	case schema.Exhausted:
		return http.StatusTooManyRequests
	case schema.Unavailable:
		return http.StatusServiceUnavailable
	default:
		if errors.Is(err, context.Canceled) {
			return http.StatusServiceUnavailable
		}
		return http.StatusInternalServerError
	}
}

// busy says whether the sender should come back later.
func busy(err error) bool {
	s := httpStatus(err)
	return s == http.StatusTooManyRequests || s == http.StatusServiceUnavailable
}

func answer(w http.ResponseWriter, status int, v any) {
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// recordID is the id under which a re-send of a record is recognised.
func recordID(parts ...string) (id spool.ID) {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	copy(id[:], h.Sum(nil))
	return id
}

// requestID is the id under which the same request is recognised.
func requestID(body []byte) (id spool.ID) {
	sum := sha256.Sum256(body)
	copy(id[:], sum[:])
	return id
}

// compact is the document on one line.
func compact(doc []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(doc))
	err := json.Compact(&b, doc)
	return b.Bytes(), err
}
