package server

import (
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"vigil/internal/auth/perm"
)

var update = flag.Bool("update", false, "write docs/reference/routes.md")

// TestRouteTable builds every route and holds it against every role: what the table
// says is what is enforced.
func TestRouteTable(t *testing.T) {
	s := New(Options{})
	paths := s.api.OpenAPI().Paths
	if len(paths) < 25 {
		t.Errorf("%d paths, want the whole table", len(paths))
	}
	for _, role := range perm.Roles() {
		c := &caller{}
		c.user.Role = string(role)
		if (allowed(c, "admin:users") == nil) != (role == perm.Admin) {
			t.Errorf("%s and admin:users", role)
		}
		if (allowed(c, "decide:approvals") == nil) != (role == perm.Admin || role == perm.Approver) {
			t.Errorf("%s and decide:approvals", role)
		}
		if allowed(c, "read:alerts") != nil || allowed(c, signedIn) != nil {
			t.Errorf("%s cannot read alerts", role)
		}
	}
	if allowed(nil, public) != nil || allowed(nil, signedIn) == nil || allowed(nil, "read:alerts") == nil {
		t.Error("nobody is somebody")
	}
}

// TestRoutesDocument: docs/reference/routes.md is the table of routes and roles.
func TestRoutesDocument(t *testing.T) {
	name := filepath.Join("..", "docs", "reference", "routes.md")
	want := routesDocument(New(Options{}))
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil || string(have) != want {
		t.Errorf("%s is not what the table says (%v): go test ./server -run TestRoutesDocument -update", name, err)
	}
}

func routesDocument(s *Server) string {
	var b strings.Builder
	b.WriteString("# Routes and roles\n\nWritten from the table of routes (`server/routes.go`) and of permissions (`internal/auth/perm`) by\n" +
		"`go test ./server -run TestRoutesDocument -update`; a test holds it true. Paths follow `/api/v1`.\n\n| Route | Needs |")
	var line strings.Builder
	line.WriteString("|---|---|")
	for _, r := range perm.Roles() {
		fmt.Fprintf(&b, " %s |", r)
		line.WriteString("---|")
	}
	b.WriteString("\n" + line.String() + "\n")
	paths := s.api.OpenAPI().Paths
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if op != nil {
				need, _ := op.Metadata["permission"].(string)
				documented(&b, op.Method+" "+strings.TrimPrefix(path, "/api/v1"), perm.Permission(need))
			}
		}
	}
	return b.String() + "\nBeside the table: `GET /live` (signed in; each topic needs its own permission), `GET /export` and `GET /incidents/{id}/report` (`read:events`,\n" +
		"`read:incidents`), `GET /login/oidc/{id}` with its `/callback` (nobody signed in), `GET /lists/NAME.txt` and TAXII 2.1 at `GET /taxii2/` (published\n" +
		"lists: everybody who reaches the server), and `POST /api/codec/decode` (`admin:users`).\n"
}

func documented(b *strings.Builder, route string, need perm.Permission) {
	names := map[perm.Permission]string{public: "nothing", signedIn: "signed in"}
	name, ok := names[need]
	if !ok {
		name = "`" + string(need) + "`"
	}
	fmt.Fprintf(b, "| `%s` | %s |", route, name)
	for _, r := range perm.Roles() {
		c := &caller{}
		c.user.Role = string(r)
		mark := ""
		if allowed(c, need) == nil {
			mark = "yes"
		}
		fmt.Fprintf(b, " %s |", mark)
	}
	b.WriteString("\n")
}

// TestHeaders: every answer carries what keeps other sites out.
func TestHeaders(t *testing.T) {
	for secure, hsts := range map[bool]string{false: "", true: "max-age=31536000"} {
		h := New(Options{Secure: secure}).Handler()
		for _, path := range []string{"/", "/api/v1/login/options", "/api/v1/me", "/api/v1/nothing", "/assets/x.js"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "http://vigil.example.org"+path, nil))
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": hsts} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("secure %t, %s: %s is %q", secure, path, name, got)
				}
			}
			if strings.HasPrefix(path, "/api/") && (w.Header().Get("Cache-Control") != "no-store" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'")) {
				t.Errorf("%s: %v", path, w.Header())
			}
		}
	}
}

// TestBodies: what the handlers read is what the API takes; fields of embedded types
// that are not exported would be refused as unexpected.
func TestBodies(t *testing.T) {
	s := New(Options{})
	for path, fields := range map[string][]string{
		"/login/link/passkey": {"ceremony", "answer", "token", "name"}, "/login/passkey": {"ceremony", "answer"}, "/passkeys": {"ceremony", "answer", "name"},
		"/approvals/{id}/decide": {"verdict", "binding", "assertion"}, "/approvals/{id}/step-up": {"verdict", "binding", "reason"},
	} {
		body := s.api.OpenAPI().Paths["/api/v1"+path].Post.RequestBody.Content["application/json"].Schema
		if body.Ref != "" {
			body = s.api.OpenAPI().Components.Schemas.SchemaFromRef(body.Ref)
		}
		for _, f := range fields {
			if body.Properties[f] == nil {
				t.Errorf("%s does not take %s", path, f)
			}
		}
	}
}
