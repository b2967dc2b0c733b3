// Package server is Vigil's face: the HTTP API, the WebSocket hub, sign-in, and the
// web app. Handlers read the store, or start and update workflows; they change
// nothing by themselves but sessions and the audit trail.
package server

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.temporal.io/sdk/client"

	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/auth/oidc"
	"vigil/internal/auth/passkey"
	"vigil/internal/live"
	"vigil/internal/playbook"
	"vigil/internal/spool"
	"vigil/internal/store"
	"vigil/rules"
)

// Options are what the server works with. All but UI, TemporalUI and Log are required.
type Options struct {
	Store      *store.Store
	Temporal   client.Client
	Hub        *live.Hubs
	Audit      *audit.Log
	Decisions  auth.DecisionKey
	Rules      func(org string) *rules.Set
	RuleSets   RuleSets
	Playbooks  *playbook.Set
	Org        string       // of the people who run this installation: the platform
	Namespace  string       // of Temporal
	Codec      http.Handler // opens encrypted payloads for admins; nil: nothing is encrypted
	Version    string
	TemporalUI string         // base URL of the Temporal web UI, "" when there is none
	UI         fs.FS          // the built app; nil: not built
	Secure     bool           // opened over TLS: cookies are Secure and host-bound
	Address    string         // that people open, such as https://vigil.example.org
	SignIn     *oidc.Set      // providers that people may sign in at; nil: none
	Passkeys   *passkey.Party // nil: passkeys do not work for the address that people open
	Proxies    []netip.Prefix // whose word counts for where a request comes from
	Log        *slog.Logger
	// Measure wraps the handler of all requests to measure them; nil: none.
	Measure func(http.Handler) http.Handler
	// CEL renders a rule expression as a ClickHouse condition, for cel: searches.
	CEL func(expr string) (string, store.P, error)
	// Dashboards are the folders with dashboard files, the later before the earlier; nil: none.
	Dashboards func() []fs.FS
	// Spool is this host's, and Host its name; nil: this process receives nothing.
	Spool *spool.Dir
	Host  string
}

// Server serves every org: whose rows a request sees, its session says.
type Server struct {
	o       Options
	mux     *http.ServeMux
	api     huma.API
	links   links
	limits  limiter
	hashing chan struct{}
	queries queries
	lives   *lives
}

// New builds the server and its routes.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Server{o: o, mux: http.NewServeMux(), hashing: make(chan struct{}, runtime.GOMAXPROCS(0))}
	cfg := huma.DefaultConfig("Vigil", o.Version)
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "/api/v1/openapi", "", "/api/v1/schemas"
	cfg.CreateHooks = nil // no $schema links in answers
	cfg.Transformers = []huma.Transformer{typed}
	cfg.Components.Schemas = huma.NewMapRegistry(schemaPrefix, schemaName)
	s.api = humago.New(s.mux, cfg)
	s.routes()
	s.describe()
	s.lives = newLives(func(org string) *sockets { return newSockets(o.Hub.Of(org), defaultLiveLimits, s.authenticate) })
	s.mux.Handle("GET /api/v1/live", s.lives)
	s.mux.HandleFunc("GET /lists/{list}", s.serveList)
	s.taxiiRoutes()
	s.mux.HandleFunc("GET /lists/{org}/{list}", s.serveList)
	s.mux.Handle("POST /api/codec/decode", http.MaxBytesHandler(http.HandlerFunc(s.decode), maxDecode)) // the routes of the API have bounds of their own
	s.mux.HandleFunc("/", s.serveUI)
	return s
}

// schemaName names types in the API description; those of other packages than the
// nouns carry their package's name, so that no two share one.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if pkg := path.Base(t.PkgPath()); t.PkgPath() != "" && pkg != "schema" && pkg != "server" {
		return strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	return name
}

// maxDecode is the most payloads that are decoded at once, in bytes.
const maxDecode = 4 << 20

// decode opens encrypted payloads of workflows for the stock temporal CLI and UI, when
// the token of an admin of the platform asks: they are those of all orgs. It never encrypts: what people hand in may be plain.
func (s *Server) decode(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	if err := allowed(c, "read:payloads"); err != nil {
		p := problem(err)
		http.Error(w, p.Error(), p.Status)
		return
	}
	if s.o.Codec == nil {
		http.Error(w, "payloads are not encrypted here", http.StatusNotFound)
		return
	}
	s.audit(r.Context(), c.user.Name, "payloads.decode", r.URL.Path, "ok", map[string]string{"channel": c.channel})
	s.o.Codec.ServeHTTP(w, r)
}

// Address is what people open.
func (s *Server) Address() string { return s.o.Address }

// Handler is everything behind the protections that every request passes.
func (s *Server) Handler() http.Handler {
	cross := http.NewCrossOriginProtection()
	h := recoverer(s.o.Log, headers(s.o.Secure, cross.Handler(s.identify(s.mux))))
	if s.o.Measure != nil {
		h = s.o.Measure(h)
	}
	return h
}

// Run serves on the listener until ctx ends, then drains: sockets are told to come
// back, requests in flight get ten seconds.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving HTTP: %w", err)
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	drained := make(chan struct{})
	go func() { defer close(drained); s.lives.drain() }()
	err := srv.Shutdown(wait)
	<-drained
	if errors.Is(err, context.DeadlineExceeded) {
		return srv.Close()
	}
	return err
}

// headers sets what every answer carries.
func headers(secure bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if host, _, err := net.SplitHostPort(r.Host); secure && (err != nil || host != "localhost") {
			// Not for localhost: other programs serve there too, and not by TLS.
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if strings.HasPrefix(r.URL.Path, "/api/") {
			h.Set("Cache-Control", "no-store")
			h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		}
		next.ServeHTTP(w, r)
	})
}

func recoverer(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(v)
				}
				log.Error("a handler panicked", "path", r.URL.Path, "panic", v)
				http.Error(w, "internal error", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
