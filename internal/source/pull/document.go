// Package pull fetches records from HTTP APIs that answer in pages. What an API looks
// like is a YAML document: address, authentication, paging, where the records are and how
// far back to ask. It knows nothing of where records go.
package pull

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
)

// MaxDocument is the largest document, in bytes.
const MaxDocument = 64 << 10

// Document is a checked description of an API.
type Document struct {
	ID, Title string
	Format    string // parser format of the records; "": detected
	Every     time.Duration
	Timeout   time.Duration // of one request
	MaxBytes  int64         // of one answer, unpacked
	MaxPages  int           // of one round
	Gap       time.Duration // between two requests, from the rate limit
	Remember  time.Duration // how long ids are remembered

	method  string
	url     text
	headers []field
	query   []field
	body    text
	auth    auth
	records records
	paging  paging
	since   since
	vars    map[string]string
}

// field is a header or a query parameter.
type field struct {
	name  string
	value text
}

// The kinds of authentication.
const (
	authNone   = "none"
	authBearer = "bearer"
	authBasic  = "basic"
	authKey    = "api_key"
	authOAuth2 = "oauth2"
)

type auth struct {
	kind     string
	prefix   string // bearer
	header   string // api_key
	user     string // basic
	secret   string // reference
	tokenURL text   // oauth2
	clientID string
	scopes   []string
}

// records says where the records are in an answer.
type records struct {
	lines bool     // one a line
	path  []string // in the document; none: the document itself
	id    []string // in a record; none: the bytes of the record are its id
	time  []string // in a record
}

// The kinds of paging.
const (
	pageNone   = "none"
	pageLink   = "link_header"
	pageURL    = "next_url"
	pageCursor = "cursor"
	pageNumber = "page"
	pageOffset = "offset"
)

type paging struct {
	kind  string
	path  []string // of the next address or cursor
	start int      // first page or offset
	size  int      // of a page: a shorter one is the last; 0: an empty one is
}

// The kinds of going on from where the last round ended.
const (
	sinceTime   = "time"
	sinceCursor = "cursor"
)

type since struct {
	kind    string
	start   time.Duration // how far back the first round asks
	overlap time.Duration
	window  time.Duration // at most so much a round; 0: all
	delay   time.Duration // how late records may appear
	path    []string      // cursor: of what the next round goes on with; none: the paging's
}

// SecretFile says whether the secret is in a file of the worker.
func (d *Document) SecretFile() bool { return strings.HasPrefix(d.auth.secret, "file:") }

// Parse reads and checks a document. It is nil when there is any error; every error names
// its place.
func Parse(file string, yaml []byte) (doc *Document, errs []error) {
	errs = document.Read(file, yaml, MaxDocument, func(r *document.Reader, body ast.Node) { doc = read(r, body) })
	if len(errs) > 0 {
		return nil, errs
	}
	return doc, nil
}

func read(r *document.Reader, n ast.Node) *Document {
	m, ok := r.Mapping(n, "a pull source", []string{"id", "title", "format", "every", "vars", "url", "method", "headers", "query", "body", "auth", "records", "paging", "since", "limits"})
	if !ok {
		return nil
	}
	d := &Document{ID: m.Name("id", "a stable name; the source is called so"), Title: m.Text("title"), Format: m.Text("format"), vars: variables(m)}
	d.Every = m.Duration("every", time.Minute)
	d.method = m.OneOf("method", http.MethodGet, []string{http.MethodGet, http.MethodPost})
	d.headers, d.query, d.body = d.fields(m, "headers"), d.fields(m, "query"), d.template(m, "body")
	if m.Need("url", "where the records are, like https://api.example.com/v1/events") != "" {
		d.url = d.template(m, "url")
	}
	d.readAuth(m)
	d.checkURL(m, "url", d.url)
	d.readRecords(m)
	d.readPaging(m)
	d.readSince(m)
	d.readLimits(m)
	return d
}

// section reads a mapping below a key; nil when there is none.
func section(m *document.Mapping, key string, known ...string) *document.Mapping {
	n, ok := m.At[key]
	if !ok {
		return nil
	}
	s, ok := m.Mapping(n, key, known)
	if !ok {
		return nil
	}
	return s
}

func variables(m *document.Mapping) map[string]string {
	out := map[string]string{}
	if n, ok := m.At["vars"]; ok {
		if s, ok := m.Mapping(n, "vars", nil); ok {
			for _, k := range s.Keys {
				if slices.Contains(known(), k) {
					m.Fail(s.At[k], "choose another name", "%q has a meaning of its own in templates", k)
				}
				out[k] = s.Text(k)
			}
		}
	}
	return out
}

func (d *Document) fields(m *document.Mapping, key string) (out []field) {
	n, ok := m.At[key]
	if !ok {
		return nil
	}
	s, ok := m.Mapping(n, key, nil)
	if !ok {
		return nil
	}
	for _, k := range s.Keys {
		out = append(out, field{k, d.template(s, k)})
	}
	return out
}

func (d *Document) template(m *document.Mapping, key string) text {
	t, message, hint := parseText(m.Text(key), d.vars)
	if message != "" {
		m.Fail(m.At[key], hint, "%s: %s", key, message)
	}
	return t
}

func (d *Document) readAuth(m *document.Mapping) {
	s := section(m, "auth", "kind", "token", "prefix", "header", "key", "user", "password", "token_url", "client_id", "client_secret", "scopes")
	if s == nil {
		d.auth.kind = authNone
		return
	}
	a := &d.auth
	a.kind = s.OneOf("kind", "", []string{authNone, authBearer, authBasic, authKey, authOAuth2})
	takes := map[string][]string{authBearer: {"token", "prefix"}, authBasic: {"user", "password"}, authKey: {"header", "key"},
		authOAuth2: {"token_url", "client_id", "client_secret", "scopes"}}[a.kind]
	for _, k := range s.Keys {
		if k != "kind" && a.kind != "" && !slices.Contains(takes, k) {
			s.Fail(s.At[k], "", "auth of kind %s takes no %s", a.kind, k)
		}
	}
	switch a.kind {
	case "":
		s.Need("kind", "none, bearer, basic, api_key or oauth2")
	case authBearer:
		a.secret, a.prefix = secretRef(s, "token"), s.Text("prefix")
		if a.prefix == "" {
			a.prefix = "Bearer"
		}
	case authBasic:
		a.user, a.secret = s.Need("user", ""), secretRef(s, "password")
	case authKey:
		a.header, a.secret = s.Need("header", "the name of the header, like X-Api-Key"), secretRef(s, "key")
	case authOAuth2:
		if s.Need("token_url", "where the client gets its token") != "" {
			a.tokenURL = d.template(s, "token_url")
			d.checkURL(s, "token_url", a.tokenURL)
		}
		id, message, hint := parseText(s.Need("client_id", ""), d.vars)
		if message != "" {
			s.Fail(s.At["client_id"], hint, "client_id: %s", message)
		}
		a.clientID = id.render(values{vars: d.vars})
		a.secret = secretRef(s, "client_secret")
		a.scopes, _ = s.List("scopes")
	}
}

// secretNames is how the environment variables start that a document may read: it must
// not send Vigil's own secrets anywhere.
const secretNames = "env:VIGIL_SOURCE_"

func secretRef(m *document.Mapping, key string) string {
	ref := m.Need(key, "a reference: "+secretNames+"NAME or file:/path")
	if ref != "" && !strings.HasPrefix(ref, secretNames) && !strings.HasPrefix(ref, "file:/") {
		m.Fail(m.At[key], "keep the secret in a variable or a file of the worker", "%s must be a reference, %sNAME or file:/path", key, secretNames)
	}
	return ref
}

// checkURL wants https where a secret travels, but for this machine.
func (d *Document) checkURL(m *document.Mapping, key string, t text) {
	n, ok := m.At[key]
	if !ok || len(t) == 0 {
		return
	}
	u, err := url.Parse(t.render(values{vars: d.vars, from: time.Unix(0, 0), to: time.Unix(0, 0)}))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		m.Fail(n, "https://HOST/PATH", "%s is no address", key)
	case u.User != nil:
		m.Fail(n, "use auth", "%s carries a password", key)
	case u.Scheme == "http" && d.auth.kind != authNone && !loopback(u.Hostname()):
		m.Fail(n, "use https", "the secret would travel in the clear to %s", u.Host)
	}
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

func (d *Document) readRecords(m *document.Mapping) {
	s := section(m, "records", "kind", "path", "id", "time")
	if s == nil {
		return
	}
	d.records.lines = s.OneOf("kind", "json", []string{"json", "lines"}) == "lines"
	d.records.path, d.records.id, d.records.time = path(s, "path"), path(s, "id"), path(s, "time")
	if d.records.lines && d.records.path != nil {
		s.Fail(s.At["path"], "", "records of kind lines have no path")
	}
}

// path reads a place in a JSON document: names with dots between them, or a list of
// names.
func path(m *document.Mapping, key string) []string {
	n, ok := m.At[key]
	if !ok {
		return nil
	}
	if _, list := n.(*ast.SequenceNode); list {
		out, _ := m.List(key)
		return out
	}
	s := m.Text(key)
	if s == "" {
		return nil
	}
	out := strings.Split(s, ".")
	if slices.Contains(out, "") {
		m.Fail(n, `names with dots between them, or a list: ["@odata.nextLink"]`, "%s cannot be %q", key, s)
	}
	return out
}

func (d *Document) readPaging(m *document.Mapping) {
	d.paging.kind = pageNone
	s := section(m, "paging", "kind", "path", "start", "size")
	if s == nil {
		return
	}
	p := &d.paging
	p.kind = s.OneOf("kind", pageNone, []string{pageNone, pageLink, pageURL, pageCursor, pageNumber, pageOffset})
	p.path = path(s, "path")
	p.start, p.size = s.Int("start", map[string]int{pageNumber: 1}[p.kind], 0, 1<<30), s.Int("size", 0, 1, 1<<20)
	if needs := p.kind == pageURL || p.kind == pageCursor; needs != (p.path != nil) {
		if needs {
			s.Need("path", "where the answer says how to go on")
		} else {
			s.Fail(s.At["path"], "", "paging of kind %s has no path", p.kind)
		}
	}
	want := map[string]string{pageCursor: "cursor", pageNumber: "page", pageOffset: "offset"}[p.kind]
	if want != "" && !d.uses(want) {
		s.Fail(s.At["kind"], "write it into the query: "+want+": \"{{"+want+"}}\"", "nothing of the request says {{%s}}", want)
	}
}

// uses says whether a template of the request names a variable.
func (d *Document) uses(name string) bool {
	all := []text{d.url, d.body}
	for _, f := range slices.Concat(d.query, d.headers) {
		all = append(all, f.value)
	}
	return slices.ContainsFunc(all, func(t text) bool { return t.uses(name) })
}

func (d *Document) readSince(m *document.Mapping) {
	s := section(m, "since", "kind", "start", "overlap", "window", "delay", "path")
	if s == nil {
		m.Fail(m.Node, `since: {kind: time, start: 24h}`, "the key %q is missing: how does the next round go on?", "since")
		return
	}
	x := &d.since
	x.kind = s.OneOf("kind", sinceTime, []string{sinceTime, sinceCursor})
	x.start, x.overlap = s.Duration("start", 24*time.Hour), s.Duration("overlap", 0)
	x.window, x.delay = s.Duration("window", 0), s.Duration("delay", 0)
	x.path = path(s, "path")
	switch {
	case x.kind == sinceTime && !d.uses("from"):
		s.Fail(s.Node, `write it into the query: since: "{{from}}"`, "nothing of the request says {{from}}")
	case x.kind == sinceTime && x.window > 0 && !d.uses("to"):
		s.Fail(s.At["window"], `write it into the query: until: "{{to}}"`, "nothing of the request says {{to}}")
	case x.kind == sinceTime && !d.uses("to") && d.records.time == nil:
		s.Fail(s.Node, "records: {time: …}, or {{to}} in the request", "nothing tells up to which time was asked")
	case x.kind == sinceTime && x.path != nil:
		s.Fail(s.At["path"], "", "since of kind time has no path")
	case x.kind == sinceCursor && x.path == nil && !slices.Contains([]string{pageLink, pageURL, pageCursor}, d.paging.kind):
		s.Fail(s.Node, "paging of kind link_header, next_url or cursor, or a path", "nothing tells where the next round goes on")
	}
}

func (d *Document) readLimits(m *document.Mapping) {
	d.Timeout, d.MaxBytes, d.MaxPages, d.Remember = 30*time.Second, 32<<20, 1000, 7*24*time.Hour
	s := section(m, "limits", "rate", "timeout", "max_bytes", "max_pages", "remember")
	if s == nil {
		return
	}
	d.Timeout = s.Duration("timeout", d.Timeout)
	d.MaxBytes = int64(s.Int("max_bytes", int(d.MaxBytes), 1024, 64<<20))
	d.MaxPages = s.Int("max_pages", d.MaxPages, 1, 1_000_000)
	d.Remember = s.Duration("remember", d.Remember)
	if n, ok := s.At["rate"]; ok {
		count, unit, _ := strings.Cut(s.Text("rate"), "/")
		per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
		v, err := strconv.Atoi(count)
		if err != nil || v < 1 || v > 1_000_000 || per == 0 {
			s.Fail(n, "requests per second, minute or hour, like 60/m", "rate cannot be %q", s.Text("rate"))
			return
		}
		d.Gap = per / time.Duration(v)
	}
}
