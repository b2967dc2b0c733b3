package server

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"vigil/internal/audit"
	"vigil/internal/auth/perm"
	"vigil/schema"
)

var update = flag.Bool("update", false, "write what is generated: docs/reference/routes.md, ui/src/api/schema.gen.ts")

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
		for _, need := range []perm.Permission{"admin:orgs", "read:payloads", "attach:sources", "attach:feeds"} {
			if allowed(c, need) == nil {
				t.Errorf("%s of another org than the platform has %s", role, need)
			}
		}
		if c.platform = true; (allowed(c, "admin:orgs") == nil) != (role == perm.Admin) {
			t.Errorf("%s of the platform and admin:orgs", role)
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
		"`go test ./server -run TestRoutesDocument -update`; a test holds it true. Paths follow `/api/v1`.\n" +
		"\"platform\": only in the org that runs the installation ([tenants](../guides/tenants.md)).\n\n| Route | Needs |")
	var line strings.Builder
	line.WriteString("|---|---|")
	for _, r := range perm.Roles() {
		fmt.Fprintf(&b, " %s |", r)
		line.WriteString("---|")
	}
	b.WriteString("\n" + line.String() + "\n")
	for _, op := range sorted(operations(s.api.OpenAPI())) {
		need, _ := op.Metadata["permission"].(string)
		documented(&b, op.Method+" "+strings.TrimPrefix(op.Path, "/api/v1"), perm.Permission(need))
	}
	return b.String() + "\nBeside the table: `GET /live` (signed in; each topic needs its own permission), `GET /lists/NAME.txt`, `GET /lists/ORG/NAME.txt` and TAXII 2.1 at `GET /taxii2/`\n" +
		"(published lists: everybody who reaches the server), and `POST /api/codec/decode` (`read:payloads`).\n"
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
		} else if c.platform = true; allowed(c, need) == nil {
			mark = "platform"
		}
		fmt.Fprintf(b, " %s |", mark)
	}
	b.WriteString("\n")
}

// TestHeaders: every answer carries what keeps other sites out.
func TestHeaders(t *testing.T) {
	for secure, hsts := range map[bool]string{false: "", true: "max-age=31536000"} {
		h := New(Options{Secure: secure}).Handler()
		for _, path := range []string{"/", "/api/v1/openapi.json", "/api/v1/me", "/api/v1/nothing", "/assets/x.js"} {
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

// trail keeps what is audited.
type trail struct{ records []schema.AuditRecord }

func (t *trail) InsertAudit(_ context.Context, list []schema.AuditRecord) error {
	t.records = append(t.records, list...)
	return nil
}

func (t *trail) HaveAudit(context.Context, string, []string) (map[string]bool, error) {
	return nil, nil
}

// TestEveryRouteByRole asks every route as every role, of the platform and of another org, and
// as nobody: those whose role lacks the permission are refused with a problem before the
// handler looks, changes audited, and the others are let in (to handlers that have no store
// here, which is where they fail).
func TestEveryRouteByRole(t *testing.T) {
	kept := &trail{}
	s := New(Options{Audit: audit.NewLog(kept, nil, "test", ""), Org: schema.DefaultOrg, Log: slog.New(slog.DiscardHandler)})
	for _, op := range sorted(operations(s.api.OpenAPI())) {
		need := perm.Permission(op.Metadata["permission"].(string))
		for _, platform := range []bool{true, false} {
			for _, role := range append(perm.Roles(), "") {
				name := fmt.Sprintf("%s %s as %q, of the platform: %t", op.Method, op.Path, role, platform)
				before := len(kept.records)
				status, body := answerAs(s, op, role, platform)
				want := refusal(need, role, platform)
				checkRefusal(t, name, status, body, want)
				if audited := len(kept.records) > before; want != 0 && audited != (want == 403 && op.Method != http.MethodGet) {
					t.Errorf("%s: audited is %t", name, audited)
				}
			}
		}
	}
}

// refusal is the status that a role gets who may not, 0 for who may.
func refusal(need perm.Permission, role perm.Role, platform bool) int {
	switch {
	case need == public:
	case role == "":
		return 401
	case need != signedIn && !slices.Contains(perm.For(role, platform), need):
		return 403
	}
	return 0
}

func checkRefusal(t *testing.T, name string, status int, body string, want int) {
	t.Helper()
	if refused := status == 401 || status == 403; refused != (want != 0) || refused && status != want {
		t.Errorf("%s: %d %s, want %d", name, status, body, want)
	}
	if want == 0 {
		return
	}
	var p Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Code == "" || p.Hint == "" || p.Status != want {
		t.Errorf("%s: the refusal is no problem with code and hint: %s", name, body)
	}
}

// answerAs is the answer to a request that fits no description, as a role.
func answerAs(s *Server, op *huma.Operation, role perm.Role, platform bool) (status int, body string) {
	path := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(op.Path, "x")
	r := httptest.NewRequest(op.Method, path, strings.NewReader("[]"))
	if role != "" {
		c := &caller{channel: "web", platform: platform}
		c.user = schema.User{Name: "ana", Org: map[bool]string{true: schema.DefaultOrg, false: "acme"}[platform], Role: string(role)}
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
	}
	w := httptest.NewRecorder()
	recoverer(s.o.Log, s.mux).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestRefusals: what does not fit the description is refused in the form of all refusals.
func TestRefusals(t *testing.T) {
	s := New(Options{})
	for path, in := range map[string]string{"/login": `{"user":"ana"}`, "/login/link": `{"token":"x","password":"short"}`} {
		r := httptest.NewRequest("POST", "/api/v1"+path, strings.NewReader(in))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.mux.ServeHTTP(w, r)
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 422 || p.Code != "invalid" || !strings.Contains(p.Hint, "password") {
			t.Errorf("%s: %d %s (%v)", path, w.Code, w.Body, err)
		}
		if media := w.Header().Get("Content-Type"); media != "application/problem+json" {
			t.Errorf("%s: %s", path, media)
		}
	}
}
